//! What a store is opened with: where it lies, the sizes of its files, how it flushes, what it keeps, its limits.
//!
//! Plain values. Names of Apache's properties stand beside the fields; the broker translates between both.
use crate::index::IndexOptions;
use crate::queue::batch::BATCH_UNIT_BYTES;
use crate::retention::RetentionOptions;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of one consume queue unit.
pub const UNIT_BYTES: usize = 20;
/// Bytes a stored record may have beyond the longest body (store.md 2.6).
pub const RECORD_EXTRA_BYTES_MAX: usize = 64 * 1024;

/// When appended records are forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushMode {
    /// Appends are acknowledged at once; a thread flushes in the background.
    Async {
        /// Time between two looks (`flushIntervalCommitLog`).
        interval: Duration,
        /// Dirty pages of 4 KiB below which a look does nothing (`flushCommitLogLeastPages`).
        least_pages: u32,
        /// After this time everything dirty is flushed (`flushCommitLogThoroughInterval`).
        thorough: Duration,
    },
    /// Group commit: one fsync serves all who wait. Nothing is visible to readers before it is flushed.
    Sync {
        /// How long an append may wait (`syncFlushTimeout`); the record stays stored when the time is over.
        timeout: Duration,
    },
}

impl Default for FlushMode {
    fn default() -> Self {
        Self::Async { interval: Duration::from_millis(500), least_pages: 4, thorough: Duration::from_secs(10) }
    }
}

/// Limits of one read (store.md 3.7). The first record is always given, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes from memory (`maxTransferBytesOnMessageInMemory`).
    pub memory_bytes_max: usize,
    /// Records from memory (`maxTransferCountOnMessageInMemory`).
    pub memory_count_max: usize,
    /// Bytes from the disk (`maxTransferBytesOnMessageInDisk`).
    pub disk_bytes_max: usize,
    /// Records from the disk (`maxTransferCountOnMessageInDisk`).
    pub disk_count_max: usize,
    /// Percentage of the machine's memory behind the end of the log that counts as "in memory"
    /// (`accessMessageInMemoryMaxRatio`).
    pub memory_ratio_percent: u32,
    /// Bytes behind the end of the log that are read through the map; older data is read into buffers, so that an
    /// evicted page never stops a network thread.
    pub mapped_bytes: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 262_144,
            memory_count_max: 32,
            disk_bytes_max: 65_536,
            disk_count_max: 8,
            memory_ratio_percent: 40,
            mapped_bytes: 256 * 1024 * 1024,
        }
    }
}

/// Everything a store is opened with.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The data directory (`storePathRootDir`); created when missing.
    pub root: PathBuf,
    /// Directories of the log's segments (`storePathCommitLog`); empty: `commitlog` under the root. New segments go round.
    pub commit_log: Vec<PathBuf>,
    /// Directories whose segments are read, but that get no new ones (`readOnlyCommitLogStorePaths`).
    pub commit_log_read_only: Vec<PathBuf>,
    /// Bytes of a log segment (`mappedFileSizeCommitLog`). Existing segments must have this size.
    pub segment_size: u64,
    /// Units in a consume queue file (`mappedFileSizeConsumeQueue` / 20). Existing files must have this size.
    pub consume_queue_file_units: usize,
    /// Units in a batch consume queue file (`mapperFileSizeBatchConsumeQueue` / 46). Existing files must have this size.
    pub batch_consume_queue_file_units: usize,
    /// Units of new records have an address in an extension instead of the tags code (`enableConsumeQueueExt`, store.md 3.5). Files of an
    /// extension are only read when this is set; without it, and without them, records tell the tags codes.
    pub consume_queue_extension: bool,
    /// Bytes of a file of an extension (`mappedFileSizeConsumeQueueExt`). Existing files must have this size.
    pub consume_queue_extension_file_bytes: usize,
    /// Topics of type BatchCQ (attribute `queue.type`): their units have 46 bytes, one per record. Those with a folder in
    /// `batchconsumequeue` need not be named.
    pub batch_topics: Vec<String>,
    /// Longest body in bytes (`maxMessageSize`).
    pub max_message_size: usize,
    /// When records are forced to the disk (`flushDiskType` and its companions).
    pub flush: FlushMode,
    /// Time between two looks at dirty consume queues (`flushIntervalConsumeQueue`).
    pub queue_flush_interval: Duration,
    /// Dirty pages below which a consume queue is left for later (`flushConsumeQueueLeastPages`); others are written, and with 0 forced to the
    /// disk.
    pub queue_flush_least_pages: u32,
    /// After this time all dirty consume queues are forced to the disk (`flushConsumeQueueThoroughInterval`).
    pub queue_flush_thorough: Duration,
    /// Milliseconds of each delay level, level 1 first: the deliver time of delayed messages (store.md 3.1).
    pub delay_levels: Vec<i64>,
    /// Check body CRCs on recovery (`checkCRCOnRecover`).
    pub check_crc_on_recover: bool,
    /// How long an append waits for the next segment when it is not ready. When the time is over, the append fails.
    pub segment_timeout: Duration,
    /// Files (consume queues, log segments, index) that are mapped at a time. Above it the least recently used ones are closed, and
    /// opened again by who needs them. The end of the log is always open. A system gives a process 65,530 maps by default; without
    /// this bound a store with so many queues could not be written to.
    pub mapped_files_max: usize,
    /// Limits of one read.
    pub read: ReadLimits,
    /// False: nothing is ever deleted and the disk is not watched (recorded directories, tools).
    pub cleaning: bool,
    /// How old segments go.
    pub retention: RetentionOptions,
    /// False: no key is indexed and queries find nothing (`messageIndexEnable`).
    pub index_enabled: bool,
    /// Sizes of the hash index.
    pub index: IndexOptions,
}

impl StoreOptions {
    /// Apache's defaults for a store under `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            commit_log: Vec::new(),
            commit_log_read_only: Vec::new(),
            segment_size: 1 << 30,
            consume_queue_file_units: 300_000,
            batch_consume_queue_file_units: 300_000,
            consume_queue_extension: false,
            consume_queue_extension_file_bytes: 48 * 1024 * 1024,
            batch_topics: Vec::new(),
            max_message_size: 4 * 1024 * 1024,
            flush: FlushMode::default(),
            queue_flush_interval: Duration::from_secs(1),
            queue_flush_least_pages: 2,
            queue_flush_thorough: Duration::from_secs(60),
            delay_levels: ferromq_protocol::delay::parse(ferromq_protocol::delay::DEFAULT_LEVELS).unwrap_or_default(),
            check_crc_on_recover: true,
            segment_timeout: Duration::from_secs(5),
            mapped_files_max: 16_384,
            read: ReadLimits::default(),
            cleaning: true,
            retention: RetentionOptions::default(),
            index_enabled: true,
            index: IndexOptions::default(),
        }
    }

    /// Small files and no cleaning: for tests and short-lived brokers.
    pub fn small(root: impl Into<PathBuf>) -> Self {
        let mut options = Self::new(root);
        options.segment_size = 4 * 1024 * 1024;
        options.consume_queue_file_units = 1000;
        options.batch_consume_queue_file_units = 1000;
        options.index = IndexOptions { hash_slots: 5_000, entries: 20_000, ..IndexOptions::default() };
        options.cleaning = false;
        options
    }

    /// Directory of the log's segments; the first of several.
    pub fn commit_log_dir(&self) -> PathBuf {
        self.commit_log.first().cloned().unwrap_or_else(|| self.root.join("commitlog"))
    }

    /// Directories of the log's segments, without those that are read-only.
    pub fn commit_log_dirs(&self) -> Vec<PathBuf> {
        match self.commit_log.as_slice() {
            [] => vec![self.commit_log_dir()],
            several => several.to_vec(),
        }
    }

    /// Directory of the consume queues.
    pub fn consume_queue_dir(&self) -> PathBuf {
        self.root.join("consumequeue")
    }

    /// Directory of the batch consume queues.
    pub fn batch_consume_queue_dir(&self) -> PathBuf {
        self.root.join("batchconsumequeue")
    }

    /// Directory of the extensions of consume queues.
    pub fn consume_queue_extension_dir(&self) -> PathBuf {
        self.root.join("consumequeue_ext")
    }

    /// Bytes of a batch consume queue file.
    pub fn batch_consume_queue_file_bytes(&self) -> usize {
        self.batch_consume_queue_file_units * BATCH_UNIT_BYTES
    }

    /// Bytes of a consume queue file.
    pub fn consume_queue_file_bytes(&self) -> usize {
        self.consume_queue_file_units * UNIT_BYTES
    }
}
