//! The store's options from the broker's properties.
use crate::config::{BrokerConfig, ConfigError, FlushDiskType};
use ferromq_protocol::delay;
use ferromq_store::retention::{DeleteHours, RetentionOptions};
use ferromq_store::{FlushMode, IndexOptions, ReadLimits, StoreOptions, UNIT_BYTES};
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of a batch consume queue unit (store.md 3.6).
const BATCH_UNIT_BYTES: usize = 46;

/// The options, or the property that makes no sense.
pub(crate) fn store_options(config: &BrokerConfig) -> Result<StoreOptions, ConfigError> {
    let mut options = StoreOptions::new(&config.store_path_root_dir);
    options.commit_log = directories("storePathCommitLog", &config.store_path_commit_log)?;
    let read_only = &config.read_only_commit_log_store_paths;
    options.commit_log_read_only = directories("readOnlyCommitLogStorePaths", read_only)?;
    options.segment_size = u64::from(config.mapped_file_size_commit_log.unsigned_abs());
    options.consume_queue_file_units = size(config.mapped_file_size_consume_queue).div_ceil(UNIT_BYTES);
    options.batch_consume_queue_file_units =
        size(config.mapper_file_size_batch_consume_queue).div_ceil(BATCH_UNIT_BYTES);
    options.consume_queue_extension = config.enable_consume_queue_ext;
    options.consume_queue_extension_file_bytes = size(config.mapped_file_size_consume_queue_ext);
    options.max_message_size = size(config.max_message_size);
    options.delay_levels = delay_levels(config)?;
    options.index_enabled = config.message_index_enable;
    options.index = IndexOptions {
        hash_slots: config.max_hash_slot_num.unsigned_abs(),
        entries: config.max_index_num.unsigned_abs(),
        ..IndexOptions::default()
    };
    options.flush = match config.flush_disk_type {
        FlushDiskType::Sync => FlushMode::Sync { timeout: millis(config.sync_flush_timeout) },
        FlushDiskType::Async => FlushMode::Async {
            interval: millis(config.flush_interval_commit_log),
            least_pages: config.flush_commit_log_least_pages.unsigned_abs(),
            thorough: millis(config.flush_commit_log_thorough_interval),
        },
    };
    options.queue_flush_interval = millis(config.flush_interval_consume_queue);
    options.queue_flush_least_pages = config.flush_consume_queue_least_pages.unsigned_abs();
    options.queue_flush_thorough = millis(config.flush_consume_queue_thorough_interval);
    options.mapped_files_max = size(config.mapped_files_max);
    options.read = ReadLimits {
        memory_bytes_max: size(config.max_transfer_bytes_on_message_in_memory),
        memory_count_max: size(config.max_transfer_count_on_message_in_memory),
        disk_bytes_max: size(config.max_transfer_bytes_on_message_in_disk),
        disk_count_max: size(config.max_transfer_count_on_message_in_disk),
        memory_ratio_percent: config.access_message_in_memory_max_ratio.unsigned_abs(),
        ..ReadLimits::default()
    };
    options.retention = RetentionOptions {
        reserved_hours: config.file_reserved_time.unsigned_abs(),
        delete_when: DeleteHours::parse(&config.delete_when)
            .ok_or_else(|| unfit("deleteWhen", &config.delete_when, "hours from 0 to 23, separated by semicolons"))?,
        disk_max_used_percent: percent(config.disk_max_used_space_ratio),
        warning_percent: percent(config.disk_space_warning_level_ratio),
        clean_forcibly_percent: percent(config.disk_space_clean_forcibly_ratio),
        clean_forcibly: config.clean_file_forcibly_enable,
        batch_max: size(config.delete_file_batch_max),
        interval: millis(config.clean_resource_interval),
        segment_pause: millis(config.delete_commit_log_files_interval),
        queue_file_pause: millis(config.delete_consume_queue_files_interval),
        ..RetentionOptions::default()
    };
    Ok(options)
}

/// A property in milliseconds whose range excludes negative values.
fn millis(value: i32) -> Duration {
    Duration::from_millis(u64::from(value.unsigned_abs()))
}

/// Milliseconds of each delay level.
pub(crate) fn delay_levels(config: &BrokerConfig) -> Result<Vec<i64>, ConfigError> {
    let text = &config.message_delay_level;
    delay::parse(text).map_err(|_| unfit("messageDelayLevel", text, "delays such as 1s 5s 1m 2h, separated by blanks"))
}

/// The directories of a list. Windows has colons and Java users semicolons in mind; only commas separate.
fn directories(name: &str, text: &str) -> Result<Vec<PathBuf>, ConfigError> {
    if text.contains(';') {
        return Err(unfit(name, text, "directories separated by commas"));
    }
    Ok(text.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from).collect())
}

fn unfit(name: &str, value: &str, expected: &str) -> ConfigError {
    ConfigError::Value { name: name.to_owned(), value: value.to_owned(), expected: expected.to_owned() }
}

/// A property whose range excludes negative values.
fn size(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// A property whose range lies within 0..=100.
fn percent(value: i32) -> u8 {
    u8::try_from(value).unwrap_or(100)
}
