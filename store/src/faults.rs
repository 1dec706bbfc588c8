//! Disks that misbehave on purpose: whatever the store does to a file under a mounted directory is asked of a [`Faults`] first.
//!
//! A fault belongs to a directory, as a bad disk does, and not to a caller: [`mount`] puts it there for as long as the guard
//! lives, and everything that opens files below meets it, configuration files included. Without a mount the whole layer
//! costs one load of an atomic per system call.
//!
//! What it is not: memory. Bytes written through a map pass it only when they go to the disk ([`Effect::Sync`], [`Effect::WriteOut`]), and
//! bytes read through a map not at all; for those, tests change the files themselves.
//!
//! Threads: hooks are called by whichever thread does the effect, several at once, with none of the store's short locks
//! but the one that orders flushes and the one of the queue being written.
use parking_lot::RwLock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::Arc;

/// What the store does to the file or directory it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect<'a> {
    /// Opens what is there.
    Open,
    /// Opens a file and creates it when it is missing.
    Create,
    /// Creates a folder, with its parents.
    CreateDir,
    /// Lists a folder.
    List,
    /// Gives the file this length.
    Resize(u64),
    /// Reserves space for `len` bytes at `from`.
    Reserve {
        /// First byte.
        from: u64,
        /// Number of bytes.
        len: u64,
    },
    /// Makes the bytes `from..to` zero.
    Zero {
        /// First byte.
        from: u64,
        /// Behind the last byte.
        to: u64,
    },
    /// Reads `len` bytes at `from`.
    Read {
        /// First byte.
        from: u64,
        /// Number of bytes.
        len: usize,
    },
    /// Writes `len` bytes at `from`, not through a map.
    Write {
        /// First byte.
        from: u64,
        /// Number of bytes.
        len: usize,
    },
    /// Forces the bytes `from..to` to the disk, and what is needed to find them again.
    Sync {
        /// First byte.
        from: u64,
        /// Behind the last byte; `u64::MAX` for the whole file.
        to: u64,
    },
    /// Writes the bytes `from..to` of a map to the disk, which may still hold them in memory of its own.
    WriteOut {
        /// First byte.
        from: u64,
        /// Behind the last byte.
        to: u64,
    },
    /// Makes creations, renames and deletions in the folder last.
    SyncDir,
    /// Gives the file another name.
    Rename(&'a Path),
    /// Removes the file, or the empty folder.
    Remove,
}

/// What becomes of an effect.
#[derive(Debug)]
pub enum Verdict {
    /// It happens.
    Go,
    /// It does not happen, and the store is told that it did.
    Skip,
    /// It fails.
    Fail(io::Error),
    /// Of a read or write only so many bytes happen in one call.
    Short(usize),
}

/// A disk with a will of its own.
pub trait Faults: Send + Sync {
    /// Called before the effect; decides what becomes of it.
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict;

    /// Called after an effect that succeeded, or was skipped.
    fn after(&self, path: &Path, effect: Effect<'_>) {
        let _ = (path, effect);
    }

    /// How full the disk of this folder is, percent rounded up; None: as full as the system says.
    fn used_percent(&self, dir: &Path) -> Option<u8> {
        let _ = dir;
        None
    }
}

/// Number of mounts; 0 keeps everybody out of the list.
static MOUNTS: AtomicUsize = AtomicUsize::new(0);
/// Mounted directories; the innermost one decides. Written by `mount` and by guards that are dropped.
static MOUNTED: RwLock<Vec<(PathBuf, Arc<dyn Faults>)>> = RwLock::new(Vec::new());
/// Milliseconds that the store's clock is off. Stored by [`shift_clock`].
static CLOCK_SHIFT_MS: AtomicI64 = AtomicI64::new(0);

/// Keeps a mount in place; dropping it makes the disk well again.
#[must_use = "the disk is well again as soon as this is dropped"]
pub struct Mounted(PathBuf, Arc<dyn Faults>);

/// Puts `faults` over everything below `dir`, as the store names it.
pub fn mount(dir: impl Into<PathBuf>, faults: Arc<dyn Faults>) -> Mounted {
    let dir = dir.into();
    MOUNTED.write().push((dir.clone(), faults.clone()));
    MOUNTS.fetch_add(1, Ordering::Release);
    Mounted(dir, faults)
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut mounted = MOUNTED.write();
        let ours = |(dir, faults): &(PathBuf, Arc<dyn Faults>)| *dir == self.0 && Arc::ptr_eq(faults, &self.1);
        if let Some(at) = mounted.iter().rposition(ours) {
            mounted.remove(at);
            MOUNTS.fetch_sub(1, Ordering::Release);
        }
    }
}

/// Puts the clock of all stores of this process so many milliseconds off, for tests of a clock that steps.
pub fn shift_clock(ms: i64) {
    CLOCK_SHIFT_MS.store(ms, Ordering::Relaxed);
}

/// How far the clock is off.
pub(crate) fn clock_shift_ms() -> i64 {
    CLOCK_SHIFT_MS.load(Ordering::Relaxed)
}

/// The faults that `path` lies under, if any.
pub(crate) fn of(path: &Path) -> Option<Arc<dyn Faults>> {
    if MOUNTS.load(Ordering::Acquire) == 0 {
        return None;
    }
    let mounted = MOUNTED.read();
    mounted.iter().rev().find(|(dir, _)| path.starts_with(dir)).map(|(_, faults)| faults.clone())
}
