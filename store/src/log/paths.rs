//! In which directory a segment lies: one, or several for a log that is larger than a disk (store.md 1, point 7).
//!
//! A new segment goes to `sorted[(start / segment size) % n]` of the directories that are neither read-only nor full, as Apache
//! does it; when all are full, fullness does not count. Read-only means that no segment is created there: existing ones
//! are read, written to their end, and deleted when they expire. Retention says which are full.
//!
//! Segments of all directories share one bound of open files.
use super::segment::{list, Found};
use crate::disk;
use crate::error::OpenError;
use crate::open_files::OpenFiles;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directories of a log.
#[derive(Debug)]
pub(crate) struct LogPaths {
    /// Sorted; never empty.
    writable: Vec<PathBuf>,
    read_only: Vec<PathBuf>,
    /// Stored by retention.
    full: Mutex<Vec<PathBuf>>,
    segment_size: u64,
    /// Bounds how many segments are open.
    pub files: Arc<OpenFiles>,
}

impl LogPaths {
    /// `paths` without the read-only ones are written to.
    pub fn new(
        paths: Vec<PathBuf>,
        read_only: Vec<PathBuf>,
        segment_size: usize,
        files: Arc<OpenFiles>,
    ) -> Result<LogPaths, OpenError> {
        let mut writable: Vec<PathBuf> = paths.into_iter().filter(|path| !read_only.contains(path)).collect();
        writable.sort();
        writable.dedup();
        if writable.is_empty() {
            let problem =
                "every directory is among readOnlyCommitLogStorePaths; one has to take new segments".to_owned();
            return Err(OpenError::Option { option: "storePathCommitLog", problem });
        }
        Ok(LogPaths { writable, read_only, full: Mutex::default(), segment_size: segment_size.max(1) as u64, files })
    }

    /// The segments of all directories, in order; directories for new ones are created.
    pub fn list(&self) -> Result<Vec<Found>, OpenError> {
        let mut found = Vec::new();
        for dir in &self.writable {
            disk::create_dir_all(dir).map_err(OpenError::io("create", dir))?;
        }
        for dir in self.all() {
            found.extend(list(dir).map_err(OpenError::io("list", dir))?);
        }
        found.sort_by_key(|file| file.base);
        if let Some(pair) = found.windows(2).find(|pair| pair[0].base == pair[1].base) {
            let problem = format!("{} holds the same part of the log; move one of them away", pair[1].path.display());
            return Err(OpenError::Damaged { path: pair[0].path.clone(), problem });
        }
        Ok(found)
    }

    /// Bytes of a segment.
    pub fn segment_bytes(&self) -> usize {
        self.segment_size as usize
    }

    /// All directories.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.writable.iter().chain(&self.read_only)
    }

    /// Those that take new segments.
    pub fn writable(&self) -> &[PathBuf] {
        &self.writable
    }

    /// Where the segment at `base` is to be created.
    pub fn for_segment(&self, base: i64) -> &Path {
        let full = self.full.lock();
        let number = base.unsigned_abs() / self.segment_size;
        let with_room: Vec<&PathBuf> = self.writable.iter().filter(|dir| !full.contains(dir)).collect();
        let at = |count: usize| (number % count.max(1) as u64) as usize;
        match with_room.get(at(with_room.len())) {
            Some(dir) => dir,
            None => &self.writable[at(self.writable.len())],
        }
    }

    /// These directories take no new segments while others have room.
    pub fn set_full(&self, dirs: Vec<PathBuf>) {
        *self.full.lock() = dirs;
    }

    /// Makes creations and deletions in all directories last.
    pub fn sync(&self) -> Result<(), OpenError> {
        self.writable.iter().try_for_each(|dir| disk::sync_dir(dir).map_err(OpenError::io("sync", dir)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments go round over the sorted directories that are neither read-only nor full.
    #[test]
    fn segments_go_round() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let log = LogPaths::new(paths(&["c", "a", "b", "d"]), paths(&["d"]), 100, OpenFiles::new(1)).unwrap();
        let places =
            |log: &LogPaths| (0..4).map(|i| log.for_segment(i * 100).display().to_string()).collect::<String>();
        assert_eq!(places(&log), "abca");
        log.set_full(paths(&["b"]));
        assert_eq!(places(&log), "acac");
        log.set_full(paths(&["a", "b", "c"]));
        assert_eq!(places(&log), "abca", "with all of them full the order is as without");
        assert!(LogPaths::new(paths(&["a"]), paths(&["a"]), 100, OpenFiles::new(1)).is_err());
    }
}
