//! Units that come to a queue: the usual run of them, and asking for space before it is needed.
//!
//! What it is not: any other case is `queue.rs`'s. Threads: who dispatches puts, and appenders, who have the append lock and hence only
//! try; the prepare thread reserves. Lock: `writing`.
use super::batch::{BatchUnit, Form};
use super::{encode_unit, files, Queue, Writing, RESERVE_BYTES};
use crate::options::UNIT_BYTES;
use crate::platform::{prefetch, prefetch_bytes, Map};
use crate::types::Unit;
use std::io;
use std::mem::offset_of;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// What became of units that were put into a queue.
#[derive(Debug)]
pub(crate) struct Put {
    /// Why not all of them were handled.
    pub result: io::Result<()>,
    /// There are units to flush, and were none before.
    pub made_dirty: bool,
    /// The space reserved runs low: it is time for [`Queue::reserve_ahead`]. Said once for each stretch.
    pub wants_space: bool,
}

/// Units in the usual case: each follows the one before, in the file at hand, where space is reserved. They become readable together.
struct Run {
    /// The next offset to come, where its unit goes in the file, and the end of the newest record.
    max: i64,
    at: usize,
    physical_end: i64,
    /// Units may be written up to here; 0 when this is no usual case.
    room: usize,
}

impl Run {
    #[inline]
    fn takes(&self, new: &BatchUnit) -> bool {
        new.base == self.max && new.unit.physical >= self.physical_end && self.at + UNIT_BYTES <= self.room
    }

    #[inline]
    fn advance(&mut self, unit: &Unit) {
        self.max += 1;
        self.at += UNIT_BYTES;
        self.physical_end = unit.physical + i64::from(unit.size);
    }
}

impl Writing {
    /// Writes a unit of the usual case; false when it is none.
    #[inline]
    fn add(&mut self, run: &mut Run, new: &BatchUnit) -> bool {
        let added = run.takes(new) && self.map.write(run.at, &encode_unit(&new.unit));
        if added {
            run.advance(&new.unit);
        }
        added
    }

    /// Units may be written up to here before it is time to ask for the next stretch.
    #[inline]
    fn room_unasked(&self, file_bytes: usize) -> usize {
        if self.asked || self.reserved >= file_bytes {
            return self.reserved;
        }
        self.reserved.saturating_sub(RESERVE_BYTES / 2).max(RESERVE_BYTES - 1).min(self.reserved)
    }

    /// Whether it is time to ask for the next stretch, when units are written up to `at`; then it counts as asked for.
    #[inline]
    fn wants_space(&mut self, at: usize, file_bytes: usize) -> bool {
        let low = at >= RESERVE_BYTES && at + RESERVE_BYTES / 2 > self.reserved && self.reserved < file_bytes;
        let wanted = low && !self.asked;
        self.asked |= low;
        wanted
    }
}

impl Queue {
    /// Brings what an append and a [`put`](Self::put) touch of the queue itself towards the processor.
    #[inline]
    pub fn prefetch(&self) {
        prefetch_bytes(std::ptr::from_ref(self).cast(), offset_of!(Queue, topic));
    }

    /// Brings the place of the next unit, and what leads to it, towards the processor. The queue itself is near.
    #[inline]
    pub fn prefetch_place(&self) {
        prefetch(self.nearby.place.load(Ordering::Relaxed));
        prefetch_bytes(self.nearby.map.load(Ordering::Relaxed).cast(), size_of::<Map>());
        prefetch(self.nearby.watch.load(Ordering::Relaxed));
        prefetch(self.nearby.used.load(Ordering::Relaxed).cast());
    }

    /// Writes units that follow each other; they become readable, unless their place is already taken.
    pub fn put(&self, units: impl Iterator<Item = BatchUnit>) -> Put {
        let mut writing = self.writing.lock();
        let (mut done, mut result) = (0, Ok(()));
        let mut run = self.run(writing.as_ref());
        for new in units {
            if !writing.as_mut().is_some_and(|writing| writing.add(&mut run, &new)) {
                self.publish(writing.as_mut(), &run);
                result = self.put_unusual(&mut writing, new);
                run = self.run(writing.as_ref());
            }
            if result.is_err() {
                break;
            }
            done += 1;
        }
        self.publish(writing.as_mut(), &run);
        let mut wants_space = false;
        if let Some(writing) = writing.as_mut() {
            wants_space = writing.wants_space(run.at, self.file_bytes);
            self.note_place(writing, run.at);
            // Units that went to a page that is lost are in no file.
            if let Err(error) = writing.map.map().check() {
                (done, result) = (0, Err(error));
            }
        }
        // Under the lock: a flush that is not told of these units yet sees them when it gets the lock.
        let made_dirty = done > 0 && !self.dirty.load(Ordering::Relaxed);
        if made_dirty {
            self.dirty.store(true, Ordering::Relaxed);
        }
        Put { result, made_dirty, wants_space }
    }

    /// As [`put`](Self::put), where that takes no time: all units are of the usual case, and the queue is being written to, so that its
    /// pages are in memory and whoever flushes it knows of it. False when some are left, or all; those that are not are passed over
    /// when they are put again.
    pub fn try_put(&self, mut units: impl Iterator<Item = BatchUnit>) -> bool {
        let Some(mut writing) = self.writing.try_lock() else { return false };
        let mut run = self.run(writing.as_ref());
        let Some(writing) = writing.as_mut().filter(|_| self.dirty.load(Ordering::Relaxed)) else { return false };
        run.room = run.room.min(writing.room_unasked(self.file_bytes));
        let all = units.all(|new| writing.add(&mut run, &new));
        self.publish(Some(writing), &run);
        self.note_place(writing, run.at);
        all && writing.map.map().check().is_ok()
    }

    /// Where the usual case begins, on the way of every message. What was there before the start, or lies before the file, is none.
    #[inline]
    fn run(&self, writing: Option<&Writing>) -> Run {
        let (max, physical_end) = (self.max.load(Ordering::Relaxed), self.physical_end.load(Ordering::Relaxed));
        let usual = self.form == Form::Simple && max > 0 && self.extension.is_none();
        let writing = writing.filter(|_| usual && !self.removed.load(Ordering::Relaxed));
        let at = writing.and_then(|writing| self.position(max).checked_sub(writing.file.base));
        let room = at.and(writing).map_or(0, |writing| writing.reserved);
        Run { max, at: at.unwrap_or(0) as usize, physical_end, room }
    }

    /// Makes the units of a run readable.
    #[inline]
    fn publish(&self, writing: Option<&mut Writing>, run: &Run) {
        let Some(writing) = writing.filter(|_| run.max != self.max.load(Ordering::Relaxed)) else { return };
        writing.map.publish(run.at);
        self.physical_end.store(run.physical_end, Ordering::Relaxed);
        self.max.store(run.max, Ordering::Release);
    }

    /// The file was written to, and the next unit goes to `at`.
    #[inline]
    fn note_place(&self, writing: &Writing, at: usize) {
        writing.file.used.set();
        self.nearby.place.store(writing.map.address(at), Ordering::Relaxed);
    }

    /// Any other case.
    fn put_unusual(&self, writing: &mut Option<Writing>, new: BatchUnit) -> io::Result<()> {
        let repeated = new.unit.physical < self.physical_end.load(Ordering::Relaxed);
        if repeated || self.removed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let new = self.extend(new)?;
        match self.form {
            Form::Simple => self.put_one(writing, new.base, &new.unit),
            Form::Batch => self.put_batch(writing, &new),
        }
    }

    /// Reserves the next stretch of the file and brings its pages in, so that who puts units need not. It does when it comes first.
    pub fn reserve_ahead(&self) {
        let (file, map, from) = match self.writing.lock().as_ref() {
            Some(writing) if writing.asked => (writing.file.clone(), writing.map.map().clone(), writing.reserved),
            _ => return,
        };
        let to = (from + RESERVE_BYTES).min(self.file_bytes);
        // An error is for who needs the space.
        if from >= to || files::reserve_range(&file.path(), from, to).is_err() {
            return;
        }
        map.populate(from, to);
        let mut writing = self.writing.lock();
        let same = |writing: &&mut Writing| Arc::ptr_eq(&writing.file, &file) && writing.reserved == from;
        if let Some(writing) = writing.as_mut().filter(same) {
            (writing.reserved, writing.asked) = (to, false);
        }
    }

    /// The unit with an address instead of its tags code, if this queue has an extension.
    fn extend(&self, new: BatchUnit) -> io::Result<BatchUnit> {
        let Some(extension) = &self.extension else { return Ok(new) };
        let newest = || self.unit(self.max() - 1);
        let tags_code = extension.put(new.unit.tags_code, new.store_timestamp, newest)?;
        Ok(BatchUnit { unit: Unit { tags_code, ..new.unit }, ..new })
    }
}
