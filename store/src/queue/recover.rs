//! Taking over the files of a consume queue at start, and shortening it at either end (store.md 3.3).
//!
//! Only while nobody else has the queue, but for `delete_before` and `correct_min`, which retention calls: they move the
//! smallest offset and drop whole files that readers may still hold.
use super::files::{self, QueueFile};
use super::Queue;
use crate::disk::{self, File};
use crate::error::OpenError;
use crate::log::segment::Found;
use crate::options::UNIT_BYTES;
use crate::types::Unit;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// Files from the end in which the last unit is looked for first, as Apache does.
const FILES_LOOKED_AT: usize = 3;
/// Bytes of units read at first: 200 units, for most queues of a large store are small.
const PIECE_MIN: usize = 200 * UNIT_BYTES;
/// Bytes of units read at a time in the end.
const PIECE_MAX: usize = 64 * PIECE_MIN;

impl Queue {
    /// Takes over the files that were found in the queue's directory. An empty last file is removed. False when a file
    /// is missing in the middle: what is behind it is left out, to be built again from the log.
    pub fn load(&self, found: Vec<Found>) -> Result<bool, OpenError> {
        let count = found.len();
        let mut files = self.files.write();
        let mut whole = true;
        for (position, file) in found.into_iter().enumerate() {
            if file.len == 0 && position + 1 == count {
                disk::remove_file(&file.path).map_err(OpenError::io("remove", &file.path))?;
                continue;
            }
            if file.len != self.file_bytes as u64 {
                return Err(OpenError::SegmentSize {
                    path: file.path,
                    actual: file.len,
                    expected: self.file_bytes as u64,
                    option: "mappedFileSizeConsumeQueue",
                });
            }
            if files.back().is_some_and(|last| file.base != last.base + self.file_bytes as u64) {
                whole = false;
            }
            if whole {
                files.push_back(Arc::new(QueueFile::complete(file.base, file.path)));
            } else {
                tracing::error!(path = %file.path.display(), "the file before this one is missing; the consume queue is built again from the log");
                disk::remove_file(&file.path).map_err(OpenError::io("remove", &file.path))?;
            }
        }
        Ok(whole)
    }

    /// Finds the last unit and removes what is behind it; returns the physical end of that unit's record, 0 without one.
    pub fn recover(&self) -> Result<i64, OpenError> {
        let files: Vec<_> = self.files.read().iter().cloned().collect();
        let Some(first) = files.first() else { return Ok(0) };
        self.min.store(first.base as i64 / UNIT_BYTES as i64, Ordering::Release);
        let mut start = files.len().saturating_sub(FILES_LOOKED_AT);
        let mut scan = self.scan(&files[start..])?;
        while scan.1 == 0 && start > 0 {
            start -= 1;
            scan = self.scan(&files[start..=start])?;
        }
        let (end, _, physical_end) = scan;
        self.set_end(end).map_err(OpenError::io("shorten the consume queue in", &self.dir))?;
        Ok(physical_end)
    }

    /// Units up to the first invalid one: the offset behind them, their number, the physical end of the last record. The files
    /// are read, not mapped: most queues of a large store are never asked for again.
    fn scan(&self, files: &[Arc<QueueFile>]) -> Result<(i64, usize, i64), OpenError> {
        let mut end = files.first().map_or(0, |file| file.base as i64 / UNIT_BYTES as i64);
        let (mut count, mut physical_end) = (0, 0);
        let mut bytes = Vec::new();
        for file in files {
            let opened = File::open_to_read(&file.path).map_err(OpenError::io("open", &file.path))?;
            let (mut at, mut piece) = (0, PIECE_MIN);
            while at < self.file_bytes {
                bytes.resize(piece.min(self.file_bytes - at), 0);
                opened.read_at(&mut bytes, at as u64).map_err(OpenError::io("read", &file.path))?;
                for unit in bytes.chunks_exact(UNIT_BYTES).map(super::decode_unit) {
                    if !unit.is_valid() {
                        return Ok((end, count, physical_end));
                    }
                    end += 1;
                    count += 1;
                    if !unit.is_blank() {
                        physical_end = unit.physical.saturating_add(i64::from(unit.size));
                    }
                }
                at += bytes.len();
                piece = (piece * 4).min(PIECE_MAX);
            }
        }
        Ok((end, count, physical_end))
    }

    /// Drops all units whose records do not lie before `physical`; returns how many.
    pub fn truncate(&self, physical: i64) -> Result<i64, OpenError> {
        let max = self.max();
        let mut end = max;
        while end > self.min() {
            match self.unit_at(end - 1) {
                Some(unit) if !unit.is_blank() && unit.physical.saturating_add(i64::from(unit.size)) > physical => {
                    end -= 1
                }
                _ => break,
            }
        }
        if end < max {
            self.set_end(end).map_err(OpenError::io("shorten the consume queue in", &self.dir))?;
        }
        Ok(max - end)
    }

    /// Makes `end` the next offset: later files go, the rest of its file becomes empty.
    fn set_end(&self, end: i64) -> io::Result<()> {
        let position = end as u64 * UNIT_BYTES as u64;
        *self.writing.lock() = None;
        let mut files = self.files.write();
        while let Some(last) = files.back().filter(|file| file.base >= position && (file.base > 0 || position == 0)) {
            disk::remove_file(&last.path)?;
            files.pop_back();
        }
        if let Some(last) = files.back_mut() {
            let valid = position.saturating_sub(last.base).min(self.file_bytes as u64);
            if dirty_behind(&last.path, valid, self.file_bytes as u64)? {
                let path = last.path.clone();
                *last = Arc::new(QueueFile::complete(last.base, path.clone()));
                files::clear_from(&path, valid, self.file_bytes as u64)?;
            }
        }
        drop(files);
        let last = Some(end - 1).filter(|last| *last >= self.min()).and_then(|last| self.unit_at(last));
        let last = last.filter(|unit| unit.is_valid() && !unit.is_blank());
        let physical_end = last.map_or(0, |unit| unit.physical.saturating_add(i64::from(unit.size)));
        self.physical_end.store(physical_end, Ordering::Relaxed);
        self.max.store(end, Ordering::Release);
        self.next_offset.store(end, Ordering::Relaxed);
        self.flushed.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// Raises the smallest offset to the first unit whose record is still in the log, which begins at `min_physical`.
    pub fn correct_min(&self, min_physical: i64) {
        let max = self.max();
        let gone =
            |offset: i64| self.unit_at(offset).is_none_or(|unit| unit.is_blank() || unit.physical < min_physical);
        let first = self.files.read().front().map(|file| file.base as i64 / UNIT_BYTES as i64);
        let Some(first) = first.filter(|first| *first < max) else { return };
        if gone(max - 1) || !gone(first) {
            let min = if gone(max - 1) { max } else { first };
            self.min.store(min, Ordering::Release);
            return;
        }
        let (mut low, mut high) = (first, (first + self.units_per_file()).min(max));
        while low < high {
            let middle = low + (high - low) / 2;
            if gone(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.min.store(low, Ordering::Release);
    }

    /// Removes the files, but the last, whose records all lie before `min_physical`, and corrects the smallest offset.
    pub fn delete_before(&self, min_physical: i64) -> io::Result<usize> {
        let mut deleted = 0;
        loop {
            let first = {
                let files = self.files.read();
                if files.len() < 2 {
                    break;
                }
                files[0].clone()
            };
            let last_unit = (first.base as i64 + self.file_bytes as i64) / UNIT_BYTES as i64 - 1;
            if self.unit_at(last_unit).is_some_and(|unit| unit.is_blank() || unit.physical < min_physical) {
                self.files.write().pop_front();
                disk::remove_file(&first.path)?;
                deleted += 1;
            } else {
                break;
            }
        }
        self.correct_min(min_physical);
        Ok(deleted)
    }

    /// The unit at `offset`, whatever the smallest and the next offset are. May wait for the disk.
    fn unit_at(&self, offset: i64) -> Option<Unit> {
        let start = self.file_start(offset);
        let file = self.file_at(start as u64 * UNIT_BYTES as u64)?;
        let unit = file.unit((offset - start) as usize * UNIT_BYTES);
        unit.map_err(|error| tracing::error!(path = %file.path.display(), %error, "cannot read a consume queue file"))
            .ok()
    }
}

/// Whether something stands behind the valid part: one look at the next units, since units are written in order.
fn dirty_behind(path: &Path, valid: u64, file_bytes: u64) -> io::Result<bool> {
    let mut next = [0; 64 * UNIT_BYTES];
    let count = file_bytes.saturating_sub(valid).min(next.len() as u64) as usize;
    File::open_to_read(path)?.read_at(&mut next[..count], valid)?;
    Ok(next[..count].iter().any(|byte| *byte != 0))
}
