//! The files of the log, from one directory or several, and reading from them by log offset.
use super::finding::Finding;
use crate::disk::File;
use crate::error::OpenError;
use crate::log::segment::list;
use std::path::PathBuf;

/// One segment.
#[derive(Debug)]
pub(super) struct LogFile {
    /// Offset of its first byte in the log.
    pub base: i64,
    pub path: PathBuf,
    /// Bytes of it that belong to the log.
    pub len: u64,
    file: File,
}

impl LogFile {
    /// Fills `out` from byte `at`.
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<(), OpenError> {
        self.file.read_at(out, at).map_err(OpenError::io("read", &self.path))
    }

    /// Offset in the log behind its last byte.
    pub fn end(&self) -> i64 {
        self.base + self.len as i64
    }
}

/// All segments, oldest first.
#[derive(Debug)]
pub(super) struct LogFiles {
    pub files: Vec<LogFile>,
    /// Bytes of a segment.
    pub size: u64,
    /// Wrong lengths, and neighbours that do not touch.
    pub findings: Vec<Finding>,
}

impl LogFiles {
    /// Lists the segments; those of length 0 are passed over, as a broker removes them.
    pub fn load(dirs: &[PathBuf]) -> Result<LogFiles, OpenError> {
        let mut found = Vec::new();
        for dir in dirs {
            found.extend(list(dir).map_err(OpenError::io("list", dir))?);
        }
        found.retain(|file| file.len > 0);
        found.sort_by_key(|file| file.base);
        // The distance of names tells the size even when the first file is cut.
        let size = match found.as_slice() {
            [first, second, ..] => (second.base - first.base).max(1).min(first.len.max(second.len)),
            [only] => only.len,
            [] => 0,
        };
        let mut log = LogFiles { files: Vec::new(), size, findings: Vec::new() };
        for found in found {
            if found.len != size {
                let text = format!("the segment has {} bytes, the others {size}", found.len);
                log.findings.push(Finding::damage(&found.path, found.len.min(size), text));
            }
            if let Some(last) = log.files.last().filter(|last| last.base + size as i64 != found.base as i64) {
                let expected = last.base + size as i64;
                let text = format!("no segment begins at {expected}, {} comes before this one", last.path.display());
                log.findings.push(Finding::damage(&found.path, 0, text));
            }
            let file = File::open_to_read(&found.path).map_err(OpenError::io("open", &found.path))?;
            let len = found.len.min(size);
            log.files.push(LogFile { base: found.base as i64, path: found.path, len, file });
        }
        Ok(log)
    }

    /// Offset of the oldest byte.
    pub fn min(&self) -> i64 {
        self.files.first().map_or(0, |file| file.base)
    }

    /// The segment that holds `offset`.
    pub fn at(&self, offset: i64) -> Option<&LogFile> {
        let behind = self.files.partition_point(|file| file.base <= offset);
        self.files.get(behind.checked_sub(1)?).filter(|file| offset < file.end())
    }

    /// `len` bytes at `offset`, which lie in one segment; None when the log does not have them.
    pub fn read(&self, offset: i64, len: usize) -> Result<Option<Vec<u8>>, OpenError> {
        let Some(file) = self.at(offset) else { return Ok(None) };
        let at = (offset - file.base) as u64;
        if at + len as u64 > file.len {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        file.read(at, &mut bytes)?;
        Ok(Some(bytes))
    }
}
