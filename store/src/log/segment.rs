//! One file of the log: fixed size, space reserved before anything is written, mapped, named by the offset of its first
//! byte.
//!
//! A segment lives as long as somebody holds it or bytes cut from it: deleting it removes its name only. A complete one is opened when
//! somebody needs it, and closed when it is among the least recently used files ([`OpenFiles`]).
//!
//! Locks: `open`, for moments; a read lock when the file is open.
use crate::disk::{self, File};
use crate::error::ReadError;
use crate::open_files::{Closable, OpenFiles, Used};
use crate::platform::{Map, MapWriter};
use crate::WouldBlock;
use bytes::Bytes;
use parking_lot::RwLock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Digits of a segment's name.
pub(crate) const NAME_DIGITS: usize = 20;

/// Name of the file that starts at `base` in its stream of files.
pub(crate) fn file_name(base: u64) -> String {
    format!("{base:0NAME_DIGITS$}")
}

/// A file of the log. Closed while it is not needed, but for the one that is written to and the one prepared behind it.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Offset of its first byte in the log.
    pub base: i64,
    pub path: PathBuf,
    size: usize,
    open: RwLock<Option<Arc<OpenSegment>>>,
    used: Used,
    files: Arc<OpenFiles>,
}

/// An open segment.
#[derive(Debug)]
struct OpenSegment {
    file: File,
    map: Arc<Map>,
}

impl Segment {
    /// Creates the segment at `base` with all its space reserved. The name appears when it is complete.
    pub fn create(dir: &Path, base: i64, size: usize, files: &Arc<OpenFiles>) -> io::Result<(Arc<Segment>, MapWriter)> {
        let path = dir.join(file_name(base as u64));
        let file = File::open_or_create(&path)?;
        // Forced to the disk before it is needed: a power cut must not leave a segment of another length in the middle.
        let made = file.resize(size as u64).and_then(|()| file.reserve(0, size as u64)).and_then(|()| file.sync());
        if let Err(error) = made.and_then(|()| disk::sync_dir(dir)) {
            // A file of the wrong size would keep the store from opening.
            let _ = disk::remove_file(&path);
            return Err(error);
        }
        Self::write_to(base, path, file, size, 0, files)
    }

    /// A complete file whose size was checked, to be opened when needed.
    pub fn complete(path: PathBuf, base: i64, size: usize, files: &Arc<OpenFiles>) -> Arc<Segment> {
        Arc::new(Self::new(base, path, size, None, files))
    }

    /// Opens the file in which the log ends; `readable` bytes of it can be read. Its space is reserved before anything is written,
    /// for somebody else may have made it.
    pub fn open_to_write(
        path: PathBuf,
        base: i64,
        size: usize,
        readable: usize,
        files: &Arc<OpenFiles>,
    ) -> io::Result<(Arc<Segment>, MapWriter)> {
        let file = File::open(&path)?;
        file.reserve(0, size as u64)?;
        Self::write_to(base, path, file, size, readable, files)
    }

    fn new(base: i64, path: PathBuf, size: usize, open: Option<OpenSegment>, files: &Arc<OpenFiles>) -> Segment {
        let (open, files) = (RwLock::new(open.map(Arc::new)), files.clone());
        Segment { base, path, size, open, used: Used::default(), files }
    }

    fn write_to(
        base: i64,
        path: PathBuf,
        file: File,
        size: usize,
        readable: usize,
        files: &Arc<OpenFiles>,
    ) -> io::Result<(Arc<Segment>, MapWriter)> {
        let writer = Map::open(&file, size, readable)?;
        let open = OpenSegment { file, map: writer.map().clone() };
        let segment = Arc::new(Self::new(base, path, size, Some(open), files));
        segment.register();
        Ok((segment, writer))
    }

    /// Counts as an open file from now on.
    fn register(self: &Arc<Self>) {
        let this = Arc::downgrade(self);
        self.files.opened(this);
    }

    /// The open file. May wait for the disk when it was closed.
    fn opened(self: &Arc<Self>) -> io::Result<Arc<OpenSegment>> {
        self.used.set();
        if let Some(open) = self.open.read().as_ref() {
            return Ok(open.clone());
        }
        let mut open = self.open.write();
        if let Some(open) = open.as_ref() {
            return Ok(open.clone());
        }
        let file = File::open(&self.path)?;
        if file.len()? != self.size as u64 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has another length than at the start"));
        }
        // Closed segments are complete: nothing is written to them any more.
        let map = Map::open(&file, self.size, self.size)?.map().clone();
        let opened = Arc::new(OpenSegment { file, map });
        *open = Some(opened.clone());
        drop(open);
        self.register();
        Ok(opened)
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Offset of the first byte behind the segment.
    pub fn end(&self) -> i64 {
        self.base + self.size as i64
    }

    /// The map. May wait for the disk when the file was closed.
    pub fn mapped(self: &Arc<Self>) -> io::Result<Arc<Map>> {
        Ok(self.opened()?.map.clone())
    }

    /// Has `from..to` written to the disk as it is, zeros for what is not written yet, and its pages at hand for who writes them.
    pub fn write_ahead(self: &Arc<Self>, from: usize, to: usize) -> io::Result<()> {
        let open = self.opened()?;
        open.map.advise_random();
        open.map.populate(from, to);
        open.map.forget(from, to);
        open.file.write_out(from as u64, to as u64)?;
        open.map.populate(from, to);
        Ok(())
    }

    /// The bytes `from..to` through the map, if the file is open and they are in memory. The usual case, in which nothing can fail.
    pub fn share_at_hand(&self, from: usize, to: usize) -> Option<Bytes> {
        self.used.set();
        let open = self.open.read();
        let map = &open.as_ref()?.map;
        (!map.has_lost() && map.was_resident(from, to)).then(|| map.share(from, to)).flatten()
    }

    /// The bytes `from..to` of the file through the map; None when they were not written yet.
    pub fn share(self: &Arc<Self>, from: usize, to: usize) -> Result<Option<Bytes>, ReadError> {
        let open = self.opened().map_err(|source| self.failed(from, to - from, source))?;
        if !open.map.has_lost() && open.map.was_resident(from, to) {
            return Ok(open.map.share(from, to));
        }
        if to > open.map.readable() {
            return Ok(None);
        }
        // Evicted, or not to be had any more: the file says so, where the map would raise a signal.
        let mut buffer = vec![0; to - from];
        self.read_from(&open, &mut buffer, from)?;
        Ok(Some(Bytes::from(buffer)))
    }

    /// True when pages of the map are lost: what was read through it may have been zeros, and is read from the file from now on.
    pub fn has_lost(&self) -> bool {
        self.open.read().as_ref().is_some_and(|open| open.map.has_lost())
    }

    /// The first byte of `from..to` that is not zero.
    pub fn first_nonzero(self: &Arc<Self>, from: usize, to: usize) -> io::Result<Option<usize>> {
        let found = self.opened()?.file.first_nonzero(from as u64, to as u64)?;
        Ok(found.map(|at| at as usize))
    }

    /// The bytes `from..to` of older data: through the map when they are in memory; else, with `blocking`, read into a buffer.
    pub fn read(
        self: &Arc<Self>,
        from: usize,
        to: usize,
        blocking: bool,
    ) -> Result<Result<Bytes, WouldBlock>, ReadError> {
        let open = self.opened().map_err(|source| self.failed(from, to - from, source))?;
        if !open.map.has_lost() && open.map.was_resident(from, to) {
            open.file.ask(from as u64, to - from).map_err(|source| self.failed(from, to - from, source))?;
            if let Some(bytes) = open.map.share(from, to) {
                return Ok(Ok(bytes));
            }
        }
        if !blocking {
            return Ok(Err(WouldBlock));
        }
        let mut buffer = vec![0; to - from];
        self.read_from(&open, &mut buffer, from)?;
        Ok(Ok(Bytes::from(buffer)))
    }

    /// Fills `out` with the bytes at `from`. May wait for the disk.
    pub fn read_into(self: &Arc<Self>, out: &mut [u8], from: usize) -> Result<(), ReadError> {
        let open = self.opened().map_err(|source| self.failed(from, out.len(), source))?;
        self.read_from(&open, out, from)
    }

    fn read_from(&self, open: &OpenSegment, out: &mut [u8], from: usize) -> Result<(), ReadError> {
        let len = out.len();
        open.file.read_at(out, from as u64).map_err(|source| self.failed(from, len, source))
    }

    fn failed(&self, from: usize, len: usize, source: io::Error) -> ReadError {
        ReadError::Io { path: self.path.clone(), offset: self.base + from as i64, len, source }
    }

    /// Last change of the file, milliseconds since the epoch. What the disk does not tell counts as the end of time, so that no file is old
    /// enough to be deleted because it was not to be asked; one that is gone counts as old, for it stands in the way of others.
    pub fn modified_ms(&self) -> i64 {
        changed_ms(std::fs::metadata(&self.path).and_then(|meta| meta.modified()))
    }
}

fn changed_ms(modified: io::Result<SystemTime>) -> i64 {
    match modified {
        Ok(time) => time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(_) => i64::MAX,
    }
}

impl Closable for Segment {
    fn take_used(&self) -> bool {
        self.used.take()
    }

    fn close(&self) -> bool {
        let Some(mut open) = self.open.try_write() else { return false };
        // One that is written to, or will be, has bytes that may not be read yet; another map would not know which.
        let complete = open.as_ref().is_none_or(|open| open.map.readable() == self.size);
        if complete {
            *open = None;
        }
        complete
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
        let path = entry.path();
        // A link counts as what it leads to, as for Apache: somebody has moved the file to another disk. One that leads nowhere is an
        // error, for without its file the log would begin or end elsewhere.
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let len = match base {
            Some(_) => {
                Some(std::fs::metadata(&path).map_err(named)?).filter(|meta| meta.is_file()).map(|meta| meta.len())
            }
            None => None,
        };
        match base.zip(len) {
            Some((base, len)) => found.push(Found { base, path, len }),
            None => tracing::warn!(path = %path.display(), "not a segment file, ignored"),
        }
    }
    found.sort_by_key(|file| file.base);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A file whose age the disk does not tell never expires; one that is gone has.
    #[test]
    fn an_unknown_age_is_no_age() {
        let at = |ms| changed_ms(Ok(UNIX_EPOCH + Duration::from_millis(ms)));
        let failed = |kind: io::ErrorKind| changed_ms(Err(kind.into()));
        assert_eq!((at(1234), changed_ms(Ok(UNIX_EPOCH - Duration::from_secs(1)))), (1234, 0));
        assert_eq!((failed(io::ErrorKind::Other), failed(io::ErrorKind::NotFound)), (i64::MAX, 0));
    }
}
