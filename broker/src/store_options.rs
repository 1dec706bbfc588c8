//! The store's options from the broker's properties.
use crate::config::{BrokerConfig, ConfigError, FlushDiskType};
use ferromq_protocol::delay;
use ferromq_store::retention::{DeleteHours, RetentionOptions};
use ferromq_store::{FlushMode, IndexOptions, ReadLimits, StoreOptions, UNIT_BYTES};
use std::path::PathBuf;
use std::time::Duration;

/// The options, or the property that makes no sense.
pub(crate) fn store_options(config: &BrokerConfig) -> Result<StoreOptions, ConfigError> {
    let mut options = StoreOptions::new(&config.store_path_root_dir);
    options.commit_log = commit_log(config)?;
    options.segment_size = u64::from(config.mapped_file_size_commit_log.unsigned_abs());
    options.consume_queue_file_units = size(config.mapped_file_size_consume_queue).div_ceil(UNIT_BYTES);
    options.max_message_size = size(config.max_message_size);
    options.delay_levels = delay_levels(config)?;
    options.index_enabled = config.message_index_enable;
    options.index = IndexOptions {
        hash_slots: config.max_hash_slot_num.unsigned_abs(),
        entries: config.max_index_num.unsigned_abs(),
        ..IndexOptions::default()
    };
    if config.flush_disk_type == FlushDiskType::Sync {
        let timeout = Duration::from_millis(u64::from(config.sync_flush_timeout.unsigned_abs()));
        options.flush = FlushMode::Sync { timeout };
    }
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
        // Within 10..=95 by the property's range.
        disk_max_used_percent: u8::try_from(config.disk_max_used_space_ratio).unwrap_or(75),
        ..RetentionOptions::default()
    };
    Ok(options)
}

/// Milliseconds of each delay level.
pub(crate) fn delay_levels(config: &BrokerConfig) -> Result<Vec<i64>, ConfigError> {
    let text = &config.message_delay_level;
    delay::parse(text).map_err(|_| unfit("messageDelayLevel", text, "delays such as 1s 5s 1m 2h, separated by blanks"))
}

fn commit_log(config: &BrokerConfig) -> Result<Option<PathBuf>, ConfigError> {
    let text = config.store_path_commit_log.trim();
    if text.contains([',', ';']) {
        return Err(unfit("storePathCommitLog", text, "one directory"));
    }
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

fn unfit(name: &str, value: &str, expected: &str) -> ConfigError {
    ConfigError::Value { name: name.to_owned(), value: value.to_owned(), expected: expected.to_owned() }
}

/// A property whose range excludes negative values.
fn size(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}
