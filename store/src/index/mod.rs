//! The hash index: from topic and key to the records that have the key (store.md 4).
//!
//! What it is not: it is not on the way of a message. The dispatcher only says which records there are
//! ([`IndexService::follow`]) and never waits; a thread of its own reads them from the log a moment later, in large pieces, and
//! writes the files, so that lag costs no memory. Recovery hands over descriptors ([`IndexEntry`]) of what it has read anyway,
//! through a bounded queue; when that is full they are let go, and read from the log as well.
//! The index never says that a record exists or has the key: hashes collide, and the log is deleted from its front. Callers check.
//!
//! Invariants: entries are written in the order of the log; a record before the end of the newest file is not written
//! again. Everything in here can be built again from the log, and is: a missing directory, files deleted after an abnormal
//! stop, and files that name records beyond the end of the log are filled in by the thread after [`IndexService::start`].
//!
//! Locks, never held together except as listed: the queue (`worker`), the file list, one file.

pub(crate) mod file;
pub(crate) mod files;
mod keys;
mod piece;
pub(crate) mod platform;
mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferromq_protocol::hash;

use crate::checkpoint::Checkpoint;
use crate::open_files::OpenFiles;
use crate::options::StoreOptions;
use file::{Shape, Wanted};
use files::IndexFiles;
use worker::Shared;

pub(crate) use keys::{entries_from, KnownProperties};
pub use keys::{entries_of, IndexedRecord, TAG_KEY_PREFIX};

/// One key of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// `hash::index_key_hash(topic, key)`; never negative.
    pub hash: i32,
    /// Physical offset of the record.
    pub physical: i64,
    /// Store time of the record in milliseconds.
    pub store_timestamp: i64,
}

/// Sizes of the index. The first two are part of the file format: a directory is opened with those it was written with.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// Slots of a file (`maxHashSlotNum`).
    pub hash_slots: u32,
    /// Entries of a file (`maxIndexNum`), entry 0 included; at this number a new file begins.
    pub entries: u32,
    /// Descriptors that may wait for the index thread (24 bytes each). One more, and all that follow are read from the
    /// log again instead.
    pub queue_max: usize,
}

impl Default for IndexOptions {
    fn default() -> Self {
        IndexOptions { hash_slots: 5_000_000, entries: 20_000_000, queue_max: 65_536 }
    }
}

/// What can go wrong with index files. The log is not touched by any of it.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file or the directory could not be read.
    #[error("cannot open the index at {path}: {source}")]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file was written with other sizes.
    #[error(
        "index file {path} has {found} bytes, the configured maxHashSlotNum and maxIndexNum give {expected}: configure the \
         sizes it was written with, or remove the index directory, it is built again from the log"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length for the configured sizes.
        expected: u64,
    },
    /// A file could not be made, extended or forced to disk (disk full, for example). The index thread tries again.
    #[error("cannot write index file {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The thread could not be started.
    #[error("cannot start the index thread: {source}")]
    Thread {
        /// The system's answer.
        source: io::Error,
    },
}

/// The raw bytes of the log, for the index thread when it reads by itself. May block on the disk.
pub trait LogSource: Send + Sync {
    /// Bytes of one segment from `from` on, or from the oldest offset that is left if that is larger: the offset of the
    /// first byte and at least one byte, about `max` at most. A record may be cut at the end; asked again from its
    /// start with a larger `max` the source gives all of it. `None` when nothing is readable there yet.
    fn read(&self, from: i64, max: usize) -> io::Result<Option<(i64, Bytes)>>;
}

/// An answer of [`IndexService::query`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexAnswer {
    /// Physical offsets, newest first; some may be hash collisions or deleted.
    pub offsets: Vec<i64>,
    /// Store time of the newest record in the index (0 without files).
    pub last_update_timestamp: i64,
    /// Physical offset of the newest record in the index (0 without files).
    pub last_update_physical: i64,
}

/// The index of one store. Dropped without [`shutdown`](Self::shutdown) it ends its thread and leaves the files as after a kill.
pub struct IndexService {
    shared: Arc<Shared>,
    /// Whether files may lack records that the log has.
    incomplete: bool,
}

impl IndexService {
    /// Opens the files of `dir`. `abnormal`: the last stop was not a clean one. No thread runs yet; entries may be offered.
    pub fn open(
        dir: &Path,
        options: IndexOptions,
        checkpoint: &Arc<Checkpoint>,
        abnormal: bool,
    ) -> Result<IndexService, IndexError> {
        let open_files = OpenFiles::new(StoreOptions::new(dir).mapped_files_max);
        Self::open_among(dir, options, checkpoint, abnormal, &open_files)
    }

    /// The same for an index whose files count among those of a store.
    pub(crate) fn open_among(
        dir: &Path,
        options: IndexOptions,
        checkpoint: &Arc<Checkpoint>,
        abnormal: bool,
        open_files: &Arc<OpenFiles>,
    ) -> Result<IndexService, IndexError> {
        let files = IndexFiles::load(dir, Shape::new(&options), checkpoint, abnormal, open_files)?;
        let incomplete = abnormal || files.is_empty();
        let shared = Arc::new(Shared::new(files, checkpoint.clone(), options.queue_max.max(1)));
        Ok(IndexService { shared, incomplete })
    }

    /// Starts the thread. `log_end`: where the valid log ends after recovery. Files that reach beyond it are deleted;
    /// after an abnormal stop, or without files, the thread first reads the log from the end of the index to `log_end`
    /// (recovery need not offer those records). Call once.
    pub fn start(&self, source: Arc<dyn LogSource>, log_end: i64) -> Result<(), IndexError> {
        let cut = self.shared.files.truncate(log_end)?;
        if (cut || self.incomplete) && log_end > 0 {
            let from = self.shared.files.end_physical().unwrap_or(0);
            self.shared.read_again(from, log_end - 1);
        }
        worker::start(&self.shared, source)
    }

    /// Hands over entries, in the order of the log; never waits for the disk. Entries of one record go in one call.
    pub fn offer(&self, entries: &[IndexEntry]) {
        self.shared.offer(entries);
    }

    /// There are records from offset `from` to offset `to`, both inclusive, that are read from the log when the thread comes to
    /// them. In the order of the log; never waits for the disk.
    pub fn follow(&self, from: i64, to: i64) {
        self.shared.follow(from, to);
    }

    /// Physical offsets of records whose key may be `key`, stored in `begin..=end` (milliseconds), newest first, at most `max`.
    /// A tag is asked for as [`TAG_KEY_PREFIX`] and the tag.
    pub fn query(&self, topic: &str, key: &str, max: usize, begin: i64, end: i64) -> IndexAnswer {
        self.shared.files.query(&Wanted { hash: hash::index_key_hash(topic, key), max, begin, end })
    }

    /// Physical offset of the newest record in the index; `None` without files.
    pub fn end_phy_offset(&self) -> Option<i64> {
        self.shared.files.end_physical()
    }

    /// Waits until everything offered so far is written; false if `timeout` passed first.
    pub fn wait_idle(&self, timeout: Duration) -> bool {
        self.shared.wait_idle(Instant::now() + timeout)
    }

    /// True while index files cannot be written; the thread tries again every second and nothing is lost meanwhile.
    pub fn is_failing(&self) -> bool {
        self.shared.is_failing()
    }

    /// Deletes the files whose records all lie before `min_physical`, never the newest. Returns how many went.
    pub fn delete_before(&self, min_physical: i64) -> Result<usize, IndexError> {
        self.shared.files.delete_before(min_physical)
    }

    /// Stops the thread when it has written everything, or after `patience`, and forces the files to disk. Returns true if
    /// the index is complete; if not, the stop is not a clean one and the abort marker must stay, so that the next start
    /// fills the rest in. Idempotent.
    pub fn shutdown(&self, patience: Duration) -> Result<bool, IndexError> {
        let complete = self.shared.stop(Instant::now() + patience);
        self.shared.flush(complete)?;
        Ok(complete)
    }
}

impl Drop for IndexService {
    fn drop(&mut self) {
        self.shared.stop(Instant::now());
    }
}
