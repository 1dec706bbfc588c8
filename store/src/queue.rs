//! One consume queue: 20-byte units in files of fixed size, one unit per message (store.md 3); or, for topics of type BatchCQ, 46-byte
//! units, one per record (3.6, `batch.rs`).
//!
//! Positions are unit numbers, which are queue offsets but in batch queues: `min` <= readable units < `max` <= `next_offset`. Units below `max` never
//! change. Files are sparse; a little space is reserved ahead of the units, so that a full disk is an error and no signal.
//!
//! Who writes: `next_offset` the holder of the append lock; units and `max` the holder of the dispatch lock; `min` and the
//! list of files recovery and retention. Locks: `writing`, then `files`. Files that nobody uses are closed by whoever opens others
//! (`open_files.rs`), which only tries `writing`.
pub(crate) mod batch;
pub(crate) mod extension;
pub(crate) mod files;
mod put;
pub(crate) mod recover;
pub(crate) mod restore;
mod table;
pub(crate) mod time;

use crate::disk;
use crate::open_files::{OpenFiles, Used};
use crate::options::UNIT_BYTES;
use crate::platform::{Map, MapWriter, PAGE};
use crate::types::{Unit, BLANK_UNIT_SIZE};
use batch::{BatchUnit, Form, Span};
use extension::{Extension, ExtensionReader};
use files::QueueFile;
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering};
use std::sync::{Arc, Weak};

pub(crate) use table::{folders, QueueTable, Reading};

/// Most bytes reserved ahead of the units: 6,553 units. Reserving costs a system call, and pages. A queue with few units has a page, so
/// that many small queues cost what they contain. A queue with more units than these gets its next stretch before it needs it, when half
/// of this one is used ([`Queue::reserve_ahead`]).
const RESERVE_BYTES: usize = 128 * 1024;

/// The file that is written to.
#[derive(Debug)]
struct Writing {
    file: Arc<QueueFile>,
    map: MapWriter,
    /// Bytes of the file whose space is reserved.
    reserved: usize,
    /// More was asked for ([`Put::wants_space`]).
    asked: bool,
}

/// One queue of a topic. What an append touches stands first, up to `topic`: where thousands of queues are appended to in turn, each of
/// these lines of the cache is waited for.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Queue {
    /// The table that it is of.
    pub table: u64,
    next_offset: AtomicI64,
    max: AtomicI64,
    /// End of the record of the newest unit: records before it are in the queue, or were in one that had the same name.
    /// Stored by who dispatches.
    physical_end: AtomicI64,
    writing: Mutex<Option<Writing>>,
    /// Bytes of a file.
    file_bytes: usize,
    /// Some when units get addresses in an extension instead of tags codes. Batch queues have none.
    extension: Option<Box<Extension>>,
    form: Form,
    /// Among the dirty queues. Stored under `writing`, or by who flushes.
    dirty: AtomicBool,
    /// Its topic was removed, or it was: nothing is written any more.
    removed: AtomicBool,
    nearby: Nearby,
    pub topic: Arc<str>,
    pub id: i32,
    /// Itself, for its files.
    me: Weak<Queue>,
    dir: Arc<Path>,
    /// Queue offsets of a batch queue. Stored by who stores `min` and `max`, after these.
    span: Span,
    min: AtomicI64,
    /// No unit that can be read leads to a record before this; -1 while that is not known. Stored by who stores `min`.
    physical_min: AtomicI64,
    /// Units below are on the disk. Raised by who flushes.
    flushed: AtomicI64,
    /// Units below were given to the disk, if they are not on it. Raised by who flushes.
    written_out: AtomicI64,
    /// Among those that the list of queues lacks as they are on the disk.
    unlisted: AtomicBool,
    /// Taken over without being read. Stored at start.
    restored: AtomicBool,
    files: RwLock<VecDeque<Arc<QueueFile>>>,
    open_files: Arc<OpenFiles>,
}

/// What is touched for the next unit, for [`prefetch`](crate::platform::prefetch) only: never read through. Stored under `writing`.
#[derive(Debug, Default)]
struct Nearby {
    place: AtomicPtr<u8>,
    map: AtomicPtr<Map>,
    watch: AtomicPtr<u8>,
    used: AtomicPtr<Used>,
}

impl Queue {
    #[allow(clippy::too_many_arguments, reason = "they are its fields")]
    pub(crate) fn new(
        table: u64,
        topic: Arc<str>,
        id: i32,
        dir: PathBuf,
        form: Form,
        file_bytes: usize,
        extension: Option<Extension>,
        open_files: &Arc<OpenFiles>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            table,
            topic,
            id,
            me: me.clone(),
            dir: dir.into(),
            file_bytes,
            form,
            extension: extension.map(Box::new),
            span: Span::default(),
            next_offset: AtomicI64::new(0),
            min: AtomicI64::new(0),
            max: AtomicI64::new(0),
            physical_end: AtomicI64::new(0),
            physical_min: AtomicI64::new(-1),
            flushed: AtomicI64::new(0),
            written_out: AtomicI64::new(0),
            dirty: AtomicBool::new(false),
            unlisted: AtomicBool::new(false),
            restored: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            files: RwLock::new(VecDeque::new()),
            writing: Mutex::new(None),
            nearby: Nearby::default(),
            open_files: open_files.clone(),
        })
    }

    /// The next queue offset, for a record of so many messages. Only under the append lock.
    pub fn take_offset(&self, messages: i16) -> i64 {
        let offset = self.next_offset.load(Ordering::Relaxed);
        self.next_offset.store(offset + self.offsets_of(messages), Ordering::Relaxed);
        offset
    }

    /// The offset of a record of so many messages is taken. When raw bytes are appended.
    pub fn raise_next_offset(&self, offset: i64, messages: i16) {
        self.next_offset.fetch_max(offset + self.offsets_of(messages), Ordering::Relaxed);
    }

    /// Queue offsets that a record of so many messages takes.
    fn offsets_of(&self, messages: i16) -> i64 {
        match self.form {
            Form::Simple => 1,
            Form::Batch => i64::from(messages.max(1)),
        }
    }

    /// End of the record of the newest unit.
    pub fn physical_end(&self) -> i64 {
        self.physical_end.load(Ordering::Relaxed)
    }

    /// Smallest offset that can be read.
    pub fn min(&self) -> i64 {
        match self.form {
            Form::Simple => self.unit_min(),
            Form::Batch => self.span.min(),
        }
    }

    /// The next offset to come.
    pub fn max(&self) -> i64 {
        match self.form {
            Form::Simple => self.unit_max(),
            Form::Batch => self.span.max(),
        }
    }

    fn unit_min(&self) -> i64 {
        self.min.load(Ordering::Acquire)
    }

    fn unit_max(&self) -> i64 {
        self.max.load(Ordering::Acquire)
    }

    fn unit_bytes(&self) -> usize {
        self.form.unit_bytes()
    }

    fn units_per_file(&self) -> i64 {
        (self.file_bytes / self.unit_bytes()) as i64
    }

    /// Number of the first unit of the file that holds unit `number`.
    fn file_start(&self, number: i64) -> i64 {
        number / self.units_per_file() * self.units_per_file()
    }

    /// Where to read on when the file that holds `offset` is not there.
    pub fn next_file_start(&self, offset: i64) -> i64 {
        self.file_start(offset) + self.units_per_file()
    }

    /// Position in the stream of files of unit `number`.
    fn position(&self, number: i64) -> u64 {
        number as u64 * self.unit_bytes() as u64
    }

    /// The next offset is that behind the newest unit. At start.
    pub fn follow_units(&self) {
        self.next_offset.store(self.max(), Ordering::Relaxed);
    }

    /// For reading what the addresses of units lead to; None without an extension.
    pub fn extension_reader(&self) -> Option<ExtensionReader<'_>> {
        self.extension.as_ref().map(|extension| extension.reader())
    }

    fn put_one(&self, writing: &mut Option<Writing>, offset: i64, unit: &Unit) -> io::Result<()> {
        let max = self.max.load(Ordering::Relaxed);
        if offset == max && max > 0 {
            self.write(writing, offset, &encode_unit(unit))?;
        } else if max == 0 {
            self.write_first(writing, offset, unit)?;
        } else if offset == 0 {
            // A later record with the first offset: its topic was deleted and made again in between.
            tracing::warn!(topic = %self.topic, queue = self.id, dropped = max, "the queue starts over, its topic was made anew");
            self.drop_files(writing)?;
            self.write_first(writing, offset, unit)?;
        } else if offset < max {
            tracing::error!(topic = %self.topic, queue = self.id, offset, physical = unit.physical, "the place of a record in its queue is taken, it is left out");
            return Ok(());
        } else {
            // Better than Apache, which writes at the end and so gives the unit a wrong offset.
            tracing::error!(topic = %self.topic, queue = self.id, from = max, to = offset, "units are missing, their place is left blank");
            self.write_blanks(writing, max, offset)?;
            self.write(writing, offset, &encode_unit(unit))?;
        }
        self.physical_end.store(unit.physical + i64::from(unit.size), Ordering::Relaxed);
        self.max.store(offset + 1, Ordering::Release);
        Ok(())
    }

    /// True when the record that ends at `physical_end` and has `offset` cannot be put before earlier ones are.
    pub fn lacks_units_before(&self, offset: i64, physical_end: i64) -> bool {
        physical_end > self.physical_end.load(Ordering::Relaxed) && offset > self.max()
    }

    /// The first unit of a queue may stand anywhere in its file; what is before it is blank (store.md 3.2, point 7).
    fn write_first(&self, writing: &mut Option<Writing>, offset: i64, unit: &Unit) -> io::Result<()> {
        let start = self.file_start(offset);
        if self.files.read().front().is_some_and(|file| file.base != self.position(start)) {
            self.drop_files(writing)?;
        }
        self.write_blanks(writing, start, offset)?;
        self.write(writing, offset, &encode_unit(unit))?;
        self.min.store(offset, Ordering::Release);
        self.physical_min.store(unit.physical, Ordering::Relaxed);
        Ok(())
    }

    /// Removes all files; nothing is left to read.
    fn drop_files(&self, writing: &mut Option<Writing>) -> io::Result<()> {
        *writing = None;
        self.max.store(0, Ordering::Release);
        self.min.store(0, Ordering::Release);
        self.physical_min.store(-1, Ordering::Relaxed);
        self.span.set(0, 0);
        self.flushed.store(0, Ordering::Relaxed);
        self.written_out.store(0, Ordering::Relaxed);
        self.extension.as_ref().map_or(Ok(()), |extension| extension.remove())?;
        let mut files = self.files.write();
        if files.is_empty() {
            return Ok(());
        }
        while let Some(file) = files.pop_back() {
            disk::remove_file(&file.path())?;
        }
        // For good: units that come back with a power cut would lead to other records.
        disk::sync_dir(&self.dir)
    }

    /// Removes all units and files; the next record gets the first offset. At start.
    pub fn clear(&self) -> io::Result<()> {
        self.drop_files(&mut self.writing.lock())?;
        self.physical_end.store(0, Ordering::Relaxed);
        self.follow_units();
        Ok(())
    }

    fn write_blanks(&self, writing: &mut Option<Writing>, from: i64, to: i64) -> io::Result<()> {
        let blank = Unit { physical: 0, size: BLANK_UNIT_SIZE, tags_code: 0 };
        (from..to).try_for_each(|offset| self.write(writing, offset, &encode_unit(&blank)))
    }

    /// Writes one unit behind the last one, without moving `max`.
    fn write(&self, writing: &mut Option<Writing>, number: i64, bytes: &[u8]) -> io::Result<()> {
        let position = self.position(number);
        let base = position / self.file_bytes as u64 * self.file_bytes as u64;
        let at = (position - base) as usize;
        let file = match writing {
            Some(writing) if writing.file.base == base => writing,
            _ => {
                *writing = Some(self.open_for_writing(base, at)?);
                writing.as_mut().ok_or(io::ErrorKind::NotFound)?
            }
        };
        if at + bytes.len() > file.reserved {
            let end = (at + at.clamp(PAGE, RESERVE_BYTES)).min(self.file_bytes);
            files::reserve_range(&file.file.path(), at, end)?;
            (file.reserved, file.asked) = (end, false);
            // In one go: faulting in one after the other costs more.
            file.map.map().populate(at, end);
        }
        if at >= file.map.map().readable() && !file.map.write(at, bytes) {
            return Err(io::Error::other(format!(
                "unit {number} lies outside its file {}",
                file.file.path().display()
            )));
        }
        file.map.publish(at + bytes.len());
        Ok(())
    }

    /// Opens or creates the file at `base` to write from `at` on.
    fn open_for_writing(&self, base: u64, at: usize) -> io::Result<Writing> {
        let existing = self.files.read().iter().find(|file| file.base == base).cloned();
        let path = self.dir.join(crate::log::segment::file_name(base));
        if existing.is_none() {
            disk::create_dir_all(&self.dir)?;
        }
        let map = files::open_map(&path, self.file_bytes, at)?;
        let file = Arc::new(QueueFile::new(base, self.dir.clone(), self.me.clone(), Some(map.map().clone())));
        let mut files = self.files.write();
        match files.iter_mut().find(|file| file.base == base) {
            Some(known) => *known = file.clone(),
            None => files.push_back(file.clone()),
        }
        drop(files);
        self.register(&file);
        self.nearby.map.store(Arc::as_ptr(map.map()).cast_mut(), Ordering::Relaxed);
        self.nearby.watch.store(map.watch_address(), Ordering::Relaxed);
        self.nearby.used.store(std::ptr::from_ref(&file.used).cast_mut(), Ordering::Relaxed);
        Ok(Writing { file, map, reserved: at, asked: false })
    }

    /// `file` is open from now on.
    fn register(&self, file: &Arc<QueueFile>) {
        let weak = Arc::downgrade(file);
        self.open_files.opened(weak);
    }

    /// Gives up writing to the file at `base` until the next unit comes. False when the queue is being written to.
    pub(crate) fn stop_writing_to(&self, base: u64) -> bool {
        let Some(mut writing) = self.writing.try_lock() else { return false };
        if writing.as_ref().is_some_and(|writing| writing.file.base == base) {
            *writing = None;
        }
        true
    }

    /// The unit at `offset`. May wait for the disk.
    pub fn unit(&self, offset: i64) -> Option<Unit> {
        let units = self.units(offset)?;
        let unit = units.at(0).map(|read| read.unit);
        unit.filter(|_| units.check().is_ok())
    }

    /// The units from `offset` to the end of its file or queue; None when there are none.
    pub fn units(&self, offset: i64) -> Option<Units> {
        if offset < self.min() || offset >= self.max() {
            return None;
        }
        let number = match self.form {
            Form::Simple => offset,
            Form::Batch => self.number_of(offset)?,
        };
        let start = self.file_start(number);
        let map = self.file_map(self.position(start))?;
        let from = (number - start) as usize * self.unit_bytes();
        let to = ((self.unit_max() - start) as usize * self.unit_bytes()).min(self.file_bytes);
        Some(Units { map, from, to, form: self.form, first: number })
    }

    fn file_at(&self, base: u64) -> Option<Arc<QueueFile>> {
        self.file_in(&self.files.read(), base).cloned()
    }

    fn file_in<'a>(&self, files: &'a VecDeque<Arc<QueueFile>>, base: u64) -> Option<&'a Arc<QueueFile>> {
        let at = base.checked_sub(files.front()?.base)? / self.file_bytes as u64;
        files.get(at as usize).filter(|file| file.base == base)
    }

    /// Whether the file that holds `offset` is there. Which one that is in a batch queue only its units tell: it is taken to be there, for
    /// who reads on behind it passes over messages.
    pub fn has_file_of(&self, offset: i64) -> bool {
        self.form == Form::Batch || self.file_at(self.position(self.file_start(offset))).is_some()
    }

    /// The map of a file, which is opened when it is closed.
    fn map_of(&self, file: &Arc<QueueFile>) -> io::Result<Arc<Map>> {
        let (map, made) = file.map(self.file_bytes)?;
        if made {
            self.register(file);
        }
        Ok(map)
    }

    fn file_map(&self, base: u64) -> Option<Arc<Map>> {
        let files = self.files.read();
        let file = self.file_in(&files, base)?;
        if let Some(map) = file.open_map() {
            return Some(map);
        }
        let file = file.clone();
        drop(files);
        let map = self.map_of(&file);
        map.inspect_err(
            |error| tracing::error!(path = %file.path().display(), %error, "cannot map a consume queue file"),
        )
        .ok()
    }

    /// Units are still to be flushed.
    pub fn stay_dirty(&self) {
        self.dirty.store(true, Ordering::Relaxed);
    }

    /// Remembers that the list of queues lacks what of this one is on the disk; true when it did not.
    pub fn set_unlisted(&self, unlisted: bool) -> bool {
        self.unlisted.swap(unlisted, Ordering::Relaxed) != unlisted
    }

    /// Units below this offset are on the disk.
    pub fn flushed(&self) -> i64 {
        self.flushed.load(Ordering::Relaxed)
    }

    /// Pages that the disk was not given yet.
    pub fn dirty_pages(&self) -> usize {
        let units = self.unit_max() - self.given();
        (units.max(0) as usize * self.unit_bytes()).div_ceil(PAGE)
    }

    /// Units below are on the disk, or were given to it.
    fn given(&self) -> i64 {
        self.flushed.load(Ordering::Relaxed).max(self.written_out.load(Ordering::Relaxed))
    }

    /// Has all units written to the disk without waiting for it, and without what makes it keep them: only a flush does that.
    pub fn write_out(&self) -> io::Result<()> {
        let max = self.unit_max();
        self.each_file(self.given(), max, |file, from, to| {
            let file = disk::File::open(&file.path());
            disk::unless_gone(file.and_then(|file| file.start_write_out(from as u64, to as u64)))
        })?;
        self.written_out.fetch_max(max, Ordering::Relaxed);
        Ok(())
    }

    /// Forces all units to the disk.
    pub fn flush(&self) -> io::Result<()> {
        {
            let _units = self.writing.lock();
            self.dirty.store(false, Ordering::Relaxed);
        }
        let max = self.unit_max();
        // Before the units that name it. It has those below `max`: they were written before.
        self.extension.as_ref().map_or(Ok(()), |extension| extension.flush())?;
        self.each_file(self.flushed.load(Ordering::Relaxed), max, |file, from, to| match self.map_of(file) {
            Ok(map) => map.sync(from, to),
            Err(error) => disk::unless_gone(Err(error)),
        })?;
        self.flushed.fetch_max(max, Ordering::Relaxed);
        Ok(())
    }

    /// Calls `each` with every file that holds some of the units `from..to`, and with where their bytes begin and end in it. A file that is not
    /// there was deleted with what it held.
    fn each_file(
        &self,
        from: i64,
        to: i64,
        each: impl Fn(&Arc<QueueFile>, usize, usize) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut at, bytes) = (from.max(self.unit_min()), self.unit_bytes());
        while at < to {
            let start = self.file_start(at);
            let end = to.min(start + self.units_per_file());
            if let Some(file) = self.file_at(self.position(start)) {
                each(&file, (at - start) as usize * bytes, (end - start) as usize * bytes)?;
            }
            at = end;
        }
        Ok(())
    }

    /// Whether it has ended.
    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// Ends the queue: nothing is written any more, its files are removed.
    pub fn remove(&self) -> io::Result<()> {
        let mut writing = self.writing.lock();
        self.removed.store(true, Ordering::Relaxed);
        *writing = None;
        self.max.store(0, Ordering::Release);
        self.min.store(0, Ordering::Release);
        self.span.set(0, 0);
        self.files.write().clear();
        self.extension.as_ref().map_or(Ok(()), |extension| extension.remove())?;
        disk::unless_gone(disk::remove_dir_all(&self.dir))
    }
}

/// Neighbouring units of one file.
#[derive(Debug, Clone)]
pub(crate) struct Units {
    map: Arc<Map>,
    from: usize,
    to: usize,
    form: Form,
    /// Number of the first one.
    first: i64,
}

impl Units {
    /// Keeps the first `count` units.
    pub fn limit(&mut self, count: usize) {
        self.to = self.to.min(self.from.saturating_add(count.saturating_mul(self.form.unit_bytes())));
    }

    /// An error when some of them could not be read: what they said is not to be believed. The next read tries again, with another map.
    pub fn check(&self) -> io::Result<()> {
        self.map.check()
    }

    /// True when reading them will most likely not wait for the disk.
    pub fn is_resident(&self) -> bool {
        self.map.was_resident(self.from, self.to)
    }

    fn bytes(&self) -> &[u8] {
        self.map.get(self.from, self.to).unwrap_or_default()
    }

    /// The unit at `place`, with its queue offset and the number of its messages. The store time is that of a batch unit only.
    pub fn at(&self, place: usize) -> Option<BatchUnit> {
        let len = self.form.unit_bytes();
        let bytes = self.bytes().get(place * len..)?.get(..len)?;
        Some(match self.form {
            Form::Simple => BatchUnit::single(self.first + place as i64, decode_unit(bytes), 0),
            Form::Batch => BatchUnit::decode(bytes),
        })
    }

    /// The units from `place` on, if they are of 20 bytes; none of batch queues.
    pub fn simple_from(&self, place: usize) -> &[[u8; UNIT_BYTES]] {
        match self.form {
            Form::Simple => self.bytes().as_chunks().0.get(place..).unwrap_or_default(),
            Form::Batch => &[],
        }
    }
}

/// The bytes of a unit.
#[inline]
pub(crate) fn encode_unit(unit: &Unit) -> [u8; UNIT_BYTES] {
    let mut bytes = [0; UNIT_BYTES];
    bytes[..8].copy_from_slice(&unit.physical.to_be_bytes());
    bytes[8..12].copy_from_slice(&unit.size.to_be_bytes());
    bytes[12..].copy_from_slice(&unit.tags_code.to_be_bytes());
    bytes
}

/// Reads the unit at the front of `bytes`, which has its length.
#[inline]
pub(crate) fn decode_unit(bytes: &[u8]) -> Unit {
    // One look at the length instead of three: reads decode thousands.
    let whole = [0; UNIT_BYTES];
    let bytes = bytes.first_chunk::<UNIT_BYTES>().unwrap_or(&whole);
    let eight = |at: usize| bytes[at..at + 8].try_into().map_or(0, i64::from_be_bytes);
    let size = bytes[8..12].try_into().map_or(0, i32::from_be_bytes);
    Unit { physical: eight(0), size, tags_code: eight(12) }
}
