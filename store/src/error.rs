//! What can go wrong, per operation. Every text names the file or topic, what happened, and what to do.
use std::io;
use std::path::PathBuf;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option makes no sense.
    #[error("store option {option}: {problem}")]
    Option {
        /// Apache's name of the option.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Another store, maybe in another process, has the directory open.
    #[error("the data directory {root} is in use by another broker (lock file {lock}); stop it or choose another storePathRootDir")]
    InUse {
        /// The data directory.
        root: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// A file cannot be listed, opened, created, mapped, read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file has not the configured size.
    #[error("{path} has {actual} bytes, expected {expected}: set {option}={actual} if the directory was written with that size, or move the file away")]
    SegmentSize {
        /// The file.
        path: PathBuf,
        /// Bytes it has.
        actual: u64,
        /// Bytes it should have.
        expected: u64,
        /// The property to set.
        option: &'static str,
    },
    /// Two neighbouring segments do not touch.
    #[error("a log segment is missing: {before} is followed by {after}, expected one starting at {expected}; restore it, or move {after} and all later ones away to go on without them")]
    MissingSegment {
        /// The last one that is there.
        before: PathBuf,
        /// The next one that is there.
        after: PathBuf,
        /// Offset at which the missing one starts.
        expected: i64,
    },
    /// Index, checkpoint or another companion file cannot be used.
    #[error("{path}: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl OpenError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// Why records were not appended. Records that [`crate::AppendBatch::results`] lists are stored nevertheless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The body is longer than `maxMessageSize`.
    #[error("the body has {len} bytes, more than maxMessageSize {max}")]
    BodyTooLarge {
        /// Bytes.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The record as a whole is too long, or longer than a segment.
    #[error("the record of topic {topic} has {len} bytes, at most {max} can be stored")]
    RecordTooLarge {
        /// Its topic.
        topic: String,
        /// Bytes.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The topic is longer than its kind allows.
    #[error("the topic {topic} has {len} bytes, at most {max} are allowed")]
    TopicTooLong {
        /// The topic.
        topic: String,
        /// Bytes.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The properties are longer than a record can hold.
    #[error("the properties of a message to {topic} have {len} bytes, at most {max} are allowed")]
    PropertiesTooLong {
        /// The topic.
        topic: String,
        /// Bytes.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The queue id is negative.
    #[error("queue id {queue_id} of topic {topic} is negative")]
    QueueId {
        /// The topic.
        topic: String,
        /// The id.
        queue_id: i32,
    },
    /// The store takes no writes now.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// The next segment could not be created in time; the reason is in the text.
    #[error("no log segment to write to: {reason}")]
    NoSegment {
        /// Why.
        reason: String,
    },
    /// Raw bytes do not continue the log.
    #[error("raw append at {offset}, but the log ends at {end}")]
    RawOffset {
        /// Offset given.
        offset: i64,
        /// End of the log.
        end: i64,
    },
}

impl AppendError {
    /// True when the same append may succeed later.
    pub fn retriable(&self) -> bool {
        matches!(self, Self::NotWritable(_) | Self::NoSegment { .. })
    }

    /// True when the message itself is refused (MESSAGE_ILLEGAL), false when the store is in no state to take it.
    pub fn is_message_illegal(&self) -> bool {
        !self.retriable() && !matches!(self, Self::RawOffset { .. })
    }
}

/// Why the store takes no writes. Reads go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWritable {
    /// It is being shut down.
    #[error("the store is shut down")]
    ShutDown,
    /// A flush failed; what the disk holds is unknown, so nothing more is written until a restart recovers the log.
    #[error("flushing {file} failed ({reason}); writes are refused until the broker is restarted")]
    FlushFailed {
        /// The file.
        file: String,
        /// The error.
        reason: String,
    },
    /// The disk is fuller than `diskSpaceWarningLevelRatio`.
    #[error("the disk of the store is full: {reason}")]
    DiskFull {
        /// How full.
        reason: String,
    },
    /// A consume queue could not be written; it is tried again until it works.
    #[error("writing consume queue {queue} failed ({reason}); writes are refused until it succeeds")]
    ConsumeQueue {
        /// Topic and queue.
        queue: String,
        /// The error.
        reason: String,
    },
}

/// Why bytes of the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read {len} bytes at offset {offset} of the log ({path}): {source}")]
    Io {
        /// The segment.
        path: PathBuf,
        /// Offset in the log.
        offset: i64,
        /// Bytes.
        len: usize,
        /// Why not.
        source: io::Error,
    },
    /// There is no valid record at that offset.
    #[error("no valid record at offset {offset} of the log: {reason}")]
    Invalid {
        /// Offset in the log.
        offset: i64,
        /// What was found.
        reason: String,
    },
}

/// The data is not in memory: ask again with `blocking` from a thread that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data is not in memory")]
pub struct WouldBlock;

/// Why a shutdown was not clean. The directory recovers at the next start.
#[derive(Debug, thiserror::Error)]
#[error("the store was not shut down cleanly, the next start recovers it: {reason}")]
pub struct ShutdownError {
    /// What failed.
    pub reason: String,
}
