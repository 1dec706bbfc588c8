//! One file of the log: fixed size, space reserved before anything is written, mapped, named by the offset of its first
//! byte.
//!
//! A segment lives as long as somebody holds it or bytes cut from it: deleting it removes its name only.
use crate::disk::{self, File};
use crate::error::ReadError;
use crate::platform::{Map, MapWriter, NowaitRead};
use crate::WouldBlock;
use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Digits of a segment's name.
pub(crate) const NAME_DIGITS: usize = 20;

/// Name of the file that starts at `base` in its stream of files.
pub(crate) fn file_name(base: u64) -> String {
    format!("{base:0NAME_DIGITS$}")
}

/// A file of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Offset of its first byte in the log.
    pub base: i64,
    pub path: PathBuf,
    file: File,
    map: Arc<Map>,
}

impl Segment {
    /// Creates the segment at `base` with all its space reserved. The name appears when it is complete.
    pub fn create(dir: &Path, base: i64, size: usize) -> io::Result<(Arc<Segment>, MapWriter)> {
        let path = dir.join(file_name(base as u64));
        let file = File::open_or_create(&path)?;
        // Forced to the disk before it is needed: a power cut must not leave a segment of another length in the middle.
        let made = file.resize(size as u64).and_then(|()| file.reserve(0, size as u64)).and_then(|()| file.sync());
        if let Err(error) = made.and_then(|()| disk::sync_dir(dir)) {
            // A file of the wrong size would keep the store from opening.
            let _ = disk::remove_file(&path);
            return Err(error);
        }
        Self::map(base, path, file, size, 0)
    }

    /// Opens an existing file whose size was checked; `readable` bytes of it can be read. The writer is for the last one.
    pub fn open(path: PathBuf, base: i64, size: usize, readable: usize) -> io::Result<(Arc<Segment>, MapWriter)> {
        let file = File::open(&path)?;
        Self::map(base, path, file, size, readable)
    }

    fn map(
        base: i64,
        path: PathBuf,
        file: File,
        size: usize,
        readable: usize,
    ) -> io::Result<(Arc<Segment>, MapWriter)> {
        let writer = Map::open(&file, size, readable)?;
        let segment = Segment { base, path, file, map: writer.map().clone() };
        Ok((Arc::new(segment), writer))
    }

    /// Makes sure that the space of a file made by somebody else is reserved, before it is written through the map.
    pub fn reserve_all(&self) -> io::Result<()> {
        self.file.reserve(0, self.map.len() as u64)
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.map.len()
    }

    /// Offset of the first byte behind the segment.
    pub fn end(&self) -> i64 {
        self.base + self.size() as i64
    }

    /// The map.
    pub fn mapped(&self) -> &Arc<Map> {
        &self.map
    }

    /// The bytes `from..to` of the file; None when they were not written yet.
    pub fn bytes(&self, from: usize, to: usize) -> Option<&[u8]> {
        self.map.get(from, to)
    }

    /// The same as shared bytes.
    pub fn share(&self, from: usize, to: usize) -> Option<Bytes> {
        self.map.share(from, to)
    }

    /// The first byte of `from..to` that is not zero.
    pub fn first_nonzero(&self, from: usize, to: usize) -> io::Result<Option<usize>> {
        let found = self.file.first_nonzero(from as u64, to as u64)?;
        Ok(found.map(|at| at as usize))
    }

    /// Reads `from..to` into a buffer. Without `blocking` only if all of it is in memory.
    pub fn read(&self, from: usize, to: usize, blocking: bool) -> Result<Result<Bytes, WouldBlock>, ReadError> {
        let mut buffer = vec![0; to - from];
        if self.read_into(&mut buffer, from, blocking)? {
            Ok(Ok(Bytes::from(buffer)))
        } else {
            Ok(Err(WouldBlock))
        }
    }

    /// Fills `out` with the bytes at `from`. False: some are not in memory, and `blocking` is not set.
    pub fn read_into(&self, out: &mut [u8], from: usize, blocking: bool) -> Result<bool, ReadError> {
        let len = out.len();
        let failed = |source| ReadError::Io { path: self.path.clone(), offset: self.base + from as i64, len, source };
        if !blocking {
            match self.file.read_nowait(out, from as u64).map_err(failed)? {
                NowaitRead::Done => return Ok(true),
                NowaitRead::WouldBlock => return Ok(false),
                NowaitRead::Unsupported if !self.map.is_resident(from, from + len) => return Ok(false),
                NowaitRead::Unsupported => {}
            }
        }
        self.file.read_at(out, from as u64).map_err(failed)?;
        Ok(true)
    }

    /// Last change of the file, milliseconds since the epoch; 0 when it cannot be asked.
    pub fn modified_ms(&self) -> i64 {
        let modified = self.file.system().metadata().and_then(|meta| meta.modified()).ok();
        modified
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_millis() as i64)
    }
}

/// A file of a stream of files, found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub base: u64,
    pub path: PathBuf,
    pub len: u64,
}

/// Lists the files of a stream in order (store.md 1). Directories and names that are no offsets are left alone.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<Found>> {
    let entries = match disk::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().filter(|name| name.len() == NAME_DIGITS);
        let base = name.and_then(|name| name.parse().ok()).filter(|base| i64::try_from(*base).is_ok());
        let meta = entry.metadata()?;
        match base {
            Some(base) if meta.is_file() => found.push(Found { base, path: entry.path(), len: meta.len() }),
            _ => tracing::warn!(path = %entry.path().display(), "not a segment file, ignored"),
        }
    }
    found.sort_by_key(|file| file.base);
    Ok(found)
}
