//! The `checkpoint` file: until which store time log, consume queues and index are known to be on disk (store.md 5).
//!
//! ```text
//! 0 i64 physicMsgTimestamp   8 i64 logicsMsgTimestamp   16 i64 indexMsgTimestamp
//! 24 i64 masterFlushedOffset 32 i64 confirmPhyOffset    40.. zero, 4096 bytes in all
//! ```
//!
//! Values are set by the flush threads and written by [`Checkpoint::flush`] as one write of one disk sector. What it is not:
//! a promise about the newest message; recovery reads on from these times. Threads: atomics, and one lock around the file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use crate::disk::{self, File};
use parking_lot::Mutex;

/// Length of the file in bytes.
pub const CHECKPOINT_LEN: usize = 4096;
/// Bytes that carry values.
const VALUES_LEN: usize = 40;
/// Recovery starts this much before the smallest time, milliseconds.
const SAFETY_MS: i64 = 3000;

/// The checkpoint file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} checkpoint {path}: {source}")]
pub struct CheckpointError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The open checkpoint of one store.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: Mutex<File>,
    /// Store time of the newest record known to be flushed (ms). Written by the log's flusher.
    physic: AtomicI64,
    /// Store time of the newest flushed consume-queue unit (ms). Written by the consume queues' flusher.
    logics: AtomicI64,
    /// Store time of the newest record in a flushed index file (ms). Written by the index.
    index: AtomicI64,
    /// Replication: what the master had flushed; kept as found.
    master_flushed: AtomicI64,
    /// Replication: the confirmed offset; kept as found.
    confirm: AtomicI64,
}

impl Checkpoint {
    /// Opens `path`; a missing or too short file counts as zeros and gets its full length.
    pub fn open(path: impl Into<PathBuf>) -> Result<Checkpoint, CheckpointError> {
        let path = path.into();
        let (file, values) =
            open(&path).map_err(|source| CheckpointError { action: "open", path: path.clone(), source })?;
        let at = |i: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&values[i..i + 8]);
            AtomicI64::new(i64::from_be_bytes(word))
        };
        Ok(Checkpoint {
            path,
            file: Mutex::new(file),
            physic: at(0),
            logics: at(8),
            index: at(16),
            master_flushed: at(24),
            confirm: at(32),
        })
    }

    /// The five values of a file that belongs to nobody at the moment, in their order; None when it cannot be read.
    pub fn peek(path: &Path) -> Option<[i64; 5]> {
        let bytes = disk::read(path).ok()?;
        let mut values = [0; VALUES_LEN / 8];
        for (value, word) in values.iter_mut().zip(bytes.get(..VALUES_LEN)?.chunks_exact(8)) {
            *value = i64::from_be_bytes(word.try_into().ok()?);
        }
        Some(values)
    }

    /// Store time of the newest flushed log record, ms.
    pub fn physic_timestamp(&self) -> i64 {
        self.physic.load(Ordering::Acquire)
    }

    /// Store time of the newest flushed consume-queue unit, ms.
    pub fn logics_timestamp(&self) -> i64 {
        self.logics.load(Ordering::Acquire)
    }

    /// Store time of the newest record in a flushed index file, ms.
    pub fn index_timestamp(&self) -> i64 {
        self.index.load(Ordering::Acquire)
    }

    /// The stored confirmed offset (replication).
    pub fn confirm_offset(&self) -> i64 {
        self.confirm.load(Ordering::Acquire)
    }

    /// Moves the log's time forward; smaller values are ignored.
    pub fn raise_physic_timestamp(&self, ms: i64) {
        self.physic.fetch_max(ms, Ordering::AcqRel);
    }

    /// Moves the consume queues' time forward; smaller values are ignored.
    pub fn raise_logics_timestamp(&self, ms: i64) {
        self.logics.fetch_max(ms, Ordering::AcqRel);
    }

    /// Moves the index's time forward; smaller values are ignored.
    pub fn raise_index_timestamp(&self, ms: i64) {
        self.index.fetch_max(ms, Ordering::AcqRel);
    }

    /// Recovery may trust everything stored at or before this time: max(0, min(physic, logics) - 3 s).
    pub fn min_timestamp(&self) -> i64 {
        self.physic_timestamp().min(self.logics_timestamp()).saturating_sub(SAFETY_MS).max(0)
    }

    /// The same with the index taken into account.
    pub fn min_timestamp_with_index(&self) -> i64 {
        self.min_timestamp().min(self.index_timestamp()).max(0)
    }

    /// Writes the values and forces them to disk.
    pub fn flush(&self) -> Result<(), CheckpointError> {
        let file = self.file.lock();
        let mut values = [0; VALUES_LEN];
        let all = [&self.physic, &self.logics, &self.index, &self.master_flushed, &self.confirm];
        for (word, value) in values.chunks_exact_mut(8).zip(all) {
            word.copy_from_slice(&value.load(Ordering::Acquire).to_be_bytes());
        }
        let written = file.write_at(&values, 0).and_then(|()| file.sync());
        written.map_err(|source| CheckpointError { action: "write", path: self.path.clone(), source })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open(path: &Path) -> io::Result<(File, [u8; VALUES_LEN])> {
    if let Some(dir) = path.parent() {
        disk::create_dir_all(dir)?;
    }
    let file = File::open_or_create(path)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    if len < CHECKPOINT_LEN {
        // Zeros are written, not left as a hole, so that a later flush needs no new space.
        file.write_at(&vec![0; CHECKPOINT_LEN - len], len as u64)?;
        file.sync()?;
    }
    let mut values = [0; VALUES_LEN];
    file.read_at(&mut values, 0)?;
    Ok((file, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values survive a reopen, unknown replication values included, and stand where Apache RocketMQ looks for them.
    #[test]
    fn values_survive_and_stand_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        let mut foreign = vec![0u8; CHECKPOINT_LEN];
        foreign[24..32].copy_from_slice(&77i64.to_be_bytes());
        std::fs::write(&path, &foreign).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        checkpoint.raise_physic_timestamp(10_000);
        checkpoint.raise_logics_timestamp(9_000);
        checkpoint.raise_index_timestamp(5_000);
        checkpoint.raise_index_timestamp(4_000);
        checkpoint.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), CHECKPOINT_LEN);
        assert_eq!(bytes[0..8], 10_000i64.to_be_bytes());
        assert_eq!(bytes[24..32], 77i64.to_be_bytes());
        let again = Checkpoint::open(&path).unwrap();
        assert_eq!(
            (again.physic_timestamp(), again.logics_timestamp(), again.index_timestamp()),
            (10_000, 9_000, 5_000)
        );
        assert_eq!((again.min_timestamp(), again.min_timestamp_with_index()), (6_000, 5_000));
    }

    /// A missing, empty or cut file is a checkpoint that promises nothing; senseless values do no harm.
    #[test]
    fn missing_short_and_senseless_files() {
        let dir = tempfile::tempdir().unwrap();
        for content in [&b""[..], &[1, 2, 3]] {
            let path = dir.path().join("checkpoint");
            std::fs::write(&path, content).unwrap();
            Checkpoint::open(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), CHECKPOINT_LEN as u64);
        }
        let checkpoint = Checkpoint::open(dir.path().join("new/checkpoint")).unwrap();
        assert_eq!(checkpoint.min_timestamp(), 0);
        std::fs::write(dir.path().join("odd"), [0x80; CHECKPOINT_LEN]).unwrap();
        assert_eq!(Checkpoint::open(dir.path().join("odd")).unwrap().min_timestamp_with_index(), 0);
    }
}
