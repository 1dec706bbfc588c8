//! Taking over the files of a consume queue at start, and shortening it at either end (store.md 3.3).
//!
//! Only while nobody else has the queue, but for `delete_before` and `correct_min`, which retention calls: they move the
//! smallest offset and drop whole files that readers may still hold.
use super::batch::Form;
use super::files::QueueFile;
use super::Queue;
use crate::disk::{self, File};
use crate::error::OpenError;
use crate::log::segment::Found;
use crate::options::UNIT_BYTES;
use crate::types::Unit;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// Files from the end in which the last unit is looked for first, as Apache does.
const FILES_LOOKED_AT: usize = 3;
/// Bytes behind the last unit that are looked at after a clean stop.
const LOOK_BYTES: u64 = 64 * UNIT_BYTES as u64;
/// Bytes that a disk writes as a whole, or not at all.
const SECTOR: usize = 512;
/// Units read at first, for most queues of a large store are small.
const PIECE_MIN: usize = 200;
/// Units read at a time in the end.
pub(super) const PIECE_MAX: usize = 64 * PIECE_MIN;

impl Queue {
    /// Takes over the files that were found in the queue's directory. Empty files are removed: a power cut leaves such.
    /// False when a file is missing in the middle: what is behind it is left out, to be built again from the log.
    pub fn load(&self, found: Vec<Found>) -> Result<bool, OpenError> {
        let mut files = self.files.write();
        let mut whole = true;
        for file in found {
            if file.len == 0 {
                disk::remove_file(&file.path).map_err(OpenError::io("remove", &file.path))?;
                continue;
            }
            if file.len != self.file_bytes as u64 {
                return Err(OpenError::SegmentSize {
                    path: file.path,
                    actual: file.len,
                    expected: self.file_bytes as u64,
                    option: match self.form {
                        Form::Simple => "mappedFileSizeConsumeQueue",
                        // Apache's spelling.
                        Form::Batch => "mapperFileSizeBatchConsumeQueue",
                    },
                });
            }
            if files.back().is_some_and(|last| file.base != last.base + self.file_bytes as u64) {
                whole = false;
            }
            if whole {
                files.push_back(self.closed_file(file.base));
            } else {
                tracing::error!(path = %file.path.display(), "the file before this one is missing; the consume queue is built again from the log");
                disk::remove_file(&file.path).map_err(OpenError::io("remove", &file.path))?;
            }
        }
        if !whole {
            disk::sync_dir(&self.dir).map_err(OpenError::io("sync", &*self.dir))?;
        }
        Ok(whole)
    }

    /// A file that is mapped when somebody needs it.
    pub(super) fn closed_file(&self, base: u64) -> Arc<QueueFile> {
        Arc::new(QueueFile::new(base, self.dir.clone(), self.me.clone(), None))
    }

    /// Finds the last unit and removes what is behind it; returns the physical end of that unit's record, 0 without one.
    ///
    /// After an unclean stop the checkpoint vouches for units of records before `vouched` only: those behind may be torn, and
    /// are built again from the log. `fits` tells whether a unit leads to the record with its offset.
    pub fn recover(&self, vouched: Option<i64>, fits: impl Fn(i64, &Unit) -> bool) -> Result<i64, OpenError> {
        let files: Vec<_> = self.files.read().iter().cloned().collect();
        let Some(first) = files.first() else { return Ok(0) };
        self.min.store((first.base / self.unit_bytes() as u64) as i64, Ordering::Release);
        self.physical_min.store(-1, Ordering::Relaxed);
        let mut start = files.len().saturating_sub(FILES_LOOKED_AT);
        let mut scan = self.scan(&files[start..], vouched)?;
        while scan.1 == 0 && start > 0 {
            start -= 1;
            scan = self.scan(&files[start..=start], vouched)?;
        }
        let (mut end, count, physical_end) = scan;
        // The first unit that nobody vouches for can look like one that somebody does when only half of it was written.
        let bytes = self.unit_bytes();
        let straddles = |last: i64| last as usize * bytes % SECTOR + bytes > SECTOR;
        if vouched.is_some() && count > 0 && straddles(end - 1) {
            if let Some(unit) = self.unit_at(end - 1).filter(|unit| !unit.is_blank()) {
                end -= i64::from(!self.offset_of_unit(end - 1).is_some_and(|offset| fits(offset, &unit)));
            }
        }
        let ended = self.set_end(end, vouched.is_some());
        ended.map_err(OpenError::io("shorten the consume queue in", &*self.dir))?;
        Ok(physical_end)
    }

    /// Units up to the first that is invalid, or not vouched for: the offset behind them, their number, the physical end of the
    /// last record. The files are read, not mapped: most queues of a large store are never asked for again.
    fn scan(&self, files: &[Arc<QueueFile>], vouched: Option<i64>) -> Result<(i64, usize, i64), OpenError> {
        let unit_bytes = self.unit_bytes();
        let mut end = files.first().map_or(0, |file| (file.base / unit_bytes as u64) as i64);
        let (mut count, mut physical_end) = (0, 0);
        let mut bytes = Vec::new();
        for file in files {
            let path = file.path();
            let opened = File::open_to_read(&path).map_err(OpenError::io("open", &path))?;
            let (mut at, mut piece) = (0, PIECE_MIN);
            while at < self.file_bytes {
                bytes.resize((piece * unit_bytes).min(self.file_bytes - at), 0);
                opened.read_at(&mut bytes, at as u64).map_err(OpenError::io("read", &path))?;
                for unit in bytes.chunks_exact(unit_bytes).map(super::decode_unit) {
                    let unit_end = unit.physical.saturating_add(i64::from(unit.size));
                    let in_doubt = |limit| !unit.is_blank() && (unit.physical < physical_end || unit_end > limit);
                    if !unit.is_valid() || vouched.is_some_and(in_doubt) {
                        return Ok((end, count, physical_end));
                    }
                    end += 1;
                    count += 1;
                    if !unit.is_blank() {
                        physical_end = unit_end;
                    }
                }
                at += bytes.len();
                piece = (piece * 4).min(PIECE_MAX);
            }
        }
        Ok((end, count, physical_end))
    }

    /// The queue offset of a unit.
    fn offset_of_unit(&self, number: i64) -> Option<i64> {
        match self.form {
            Form::Simple => Some(number),
            Form::Batch => self.batch_at(number).map(|batch| batch.base),
        }
    }

    /// The record at `physical` has `offset`. Drops the newest unit when that has the same and leads to an older record: half of it was
    /// written. At start.
    pub fn drop_torn(&self, offset: i64, physical: i64) -> io::Result<()> {
        let last = self.unit_max() - 1;
        if offset == 0 || offset >= self.max() || physical < self.physical_end() || last < self.unit_min() {
            return Ok(());
        }
        if self.offset_of_unit(last) == Some(offset) {
            tracing::warn!(topic = %self.topic, queue = self.id, offset, physical, "a consume queue unit was not written to its end, it is put anew");
            self.set_end(last, true)?;
        }
        Ok(())
    }

    /// Drops all units whose records do not lie before `physical`; returns how many.
    pub fn truncate(&self, physical: i64) -> Result<i64, OpenError> {
        let max = self.unit_max();
        let mut end = max;
        while end > self.unit_min() {
            match self.unit_at(end - 1) {
                Some(unit) if !unit.is_blank() && unit.physical.saturating_add(i64::from(unit.size)) > physical => {
                    end -= 1
                }
                _ => break,
            }
        }
        if end < max {
            self.set_end(end, true).map_err(OpenError::io("shorten the consume queue in", &*self.dir))?;
        }
        Ok(max - end)
    }

    /// Makes `end` the next offset: later files go, the rest of its file becomes empty. Without `thorough` it is taken for
    /// empty when the next units are: units are written in order, and only a power cut forgets some and not others.
    fn set_end(&self, end: i64, thorough: bool) -> io::Result<()> {
        let position = self.position(end);
        *self.writing.lock() = None;
        let (mut files, mut gone) = (self.files.write(), false);
        // An only file stays although it is empty: its name says where the offsets go on.
        let goes =
            |file: &QueueFile, only: bool| file.base > position || (file.base == position && (position == 0 || !only));
        while let Some(last) = files.back().filter(|file| goes(file, files.len() == 1)) {
            disk::remove_file(&last.path())?;
            files.pop_back();
            gone = true;
        }
        if gone {
            // For good: units that come back with a power cut would lead to other records.
            disk::sync_dir(&self.dir)?;
        }
        if let Some(last) = files.back_mut() {
            let valid = position.saturating_sub(last.base).min(self.file_bytes as u64);
            let file = File::open(&last.path())?;
            let len = self.file_bytes as u64;
            if thorough || file.first_nonzero(valid, len.min(valid + LOOK_BYTES))?.is_some() {
                *last = self.closed_file(last.base);
                file.clear(valid, len)?;
            }
        }
        drop(files);
        let last = Some(end - 1).filter(|last| *last >= self.unit_min()).and_then(|last| self.unit_at(last));
        let last = last.filter(|unit| unit.is_valid() && !unit.is_blank());
        let physical_end = last.map_or(0, |unit| unit.physical.saturating_add(i64::from(unit.size)));
        let span = self.span_of(self.unit_min(), end)?;
        self.physical_end.store(physical_end, Ordering::Relaxed);
        self.max.store(end, Ordering::Release);
        self.set_span(span);
        self.next_offset.store(self.max(), Ordering::Relaxed);
        self.flushed.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// Raises the smallest offset to the first unit whose record is still in the log, which begins at `min_physical`. An error when the
    /// queue offset of that unit cannot be read; then nothing has changed.
    pub fn correct_min(&self, min_physical: i64) -> io::Result<()> {
        if self.keeps_all(min_physical) {
            return Ok(());
        }
        let (max, unit_bytes) = (self.unit_max(), self.unit_bytes() as u64);
        let first = self.files.read().front().map(|file| (file.base / unit_bytes) as i64);
        let Some(first) = first.filter(|first| *first < max) else { return Ok(()) };
        // Mostly nothing goes, or everything does.
        let known = |number| self.read_unit(number).map(|unit| unit.filter(|unit| !unit.is_blank()));
        let min = match (known(first), known(max - 1)) {
            (Ok(Some(unit)), _) if unit.physical >= min_physical => Ok(first),
            (_, Ok(Some(unit))) if unit.physical < min_physical => Ok(max),
            // Not in the first file when its removal was cut short, or undone by a power cut.
            _ => self.first_unit_where(first, max, |unit| unit.physical >= min_physical),
        };
        // A unit that the disk does not give back says nothing about its record.
        min.map_or(Ok(()), |min| self.raise_min(min))
    }

    /// The first unit is `min`, or there is none before the next one to come.
    fn raise_min(&self, min: i64) -> io::Result<()> {
        let span = self.span_of(min, self.unit_max())?;
        self.min.store(min, Ordering::Release);
        let first = Some(min).filter(|min| *min < self.unit_max()).and_then(|min| self.unit_at(min));
        let physical = first.filter(|unit| !unit.is_blank()).map_or(self.physical_end(), |unit| unit.physical);
        self.physical_min.store(physical, Ordering::Relaxed);
        // Units may have been put since: where they end is not for us to say.
        if let Some((min, _)) = span {
            self.span.set_min(min);
        }
        Ok(())
    }

    /// Ends the queue, unless records have got offsets of it whose units are still to come. Under the append lock: who appends looks for
    /// another queue from then on.
    pub fn end_if_settled(&self) -> bool {
        let settled = self.next_offset.load(Ordering::Relaxed) <= self.max();
        if settled {
            self.removed.store(true, Ordering::Relaxed);
        }
        settled
    }

    /// No unit leads to a record before `min_physical`: known without looking into a file, which is so for nearly all queues
    /// whenever the log gets shorter.
    fn keeps_all(&self, min_physical: i64) -> bool {
        let known = self.physical_min.load(Ordering::Relaxed);
        self.unit_min() == self.unit_max() || (known >= 0 && known >= min_physical)
    }

    /// The oldest file, unless it is the last or holds a unit that can be read.
    fn expired_file(&self) -> Option<Arc<QueueFile>> {
        let oldest_needed = self.position(self.file_start(self.unit_min()));
        let files = self.files.read();
        files.front().filter(|file| files.len() > 1 && file.base < oldest_needed).cloned()
    }

    /// Corrects the smallest offset and removes the files, but the last, whose units all lie before it.
    pub fn delete_before(&self, min_physical: i64) -> io::Result<usize> {
        // At first: nobody is to look for units whose file is gone.
        self.correct_min(min_physical)?;
        let mut deleted = 0;
        while let Some(first) = self.expired_file() {
            // Kept and tried again when it fails: were the next one removed before it, the queue would have a hole.
            disk::unless_gone(disk::remove_file(&first.path()))?;
            self.files.write().pop_front();
            deleted += 1;
        }
        if let Some(extension) = self.extension.as_ref().filter(|_| deleted > 0) {
            if let Some(first) = self.unit_at(self.unit_min()).filter(Unit::is_extended) {
                extension.delete_before(first.tags_code)?;
            }
        }
        Ok(deleted)
    }

    /// The unit with that number, whatever the smallest and the next are. May wait for the disk.
    fn unit_at(&self, number: i64) -> Option<Unit> {
        self.read_unit(number).ok().flatten()
    }

    /// The same, or why it cannot be read, which is said in the log.
    fn read_unit(&self, number: i64) -> io::Result<Option<Unit>> {
        let start = self.file_start(number);
        let Some(file) = self.file_at(self.position(start)) else { return Ok(None) };
        let unit = file.unit((number - start) as usize * self.unit_bytes());
        unit.map(Some).inspect_err(
            |error| tracing::error!(path = %file.path().display(), %error, "cannot read a consume queue file"),
        )
    }
}
