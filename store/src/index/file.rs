//! One hash index file: a 40-byte header, slots, entries (store.md 4; byte-compatible with Apache RocketMQ).
//!
//! ```text
//! 0  i64 beginTimestamp   8  i64 endTimestamp    16 i64 beginPhyOffset   24 i64 endPhyOffset
//! 32 i32 slots in use     36 i32 next entry number (1 = empty file)
//! 40 + 4·s                i32 number of the latest entry of slot s, 0 = none
//! 40 + 4·slots + 20·e     entry e (entry 0 is never used):
//!                         i32 key hash, i64 physical offset, i32 seconds since beginTimestamp, i32 previous entry
//! ```
//!
//! The file has its full length from the start and stays sparse: the slots are reserved at the first write, the entries a
//! little ahead of it. Not checked here: whether the record at an offset still exists or really has the key.
//!
//! Invariants: an entry links only to entries with a smaller number, and a reader follows nothing else, so that a chain
//! ends in foreign or damaged files too. Locks: one read-write lock per file; one writer (the index thread), which holds
//! it for at most [`WRITE_SLICE`] entries; a query holds it for at most [`WALK_SLICE`] steps at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::MmapMut;
use parking_lot::RwLock;

use super::{platform, IndexEntry, IndexError, IndexOptions};
use crate::disk::File;
use crate::open_files::{Closable, OpenFiles, Used};
use crate::platform::lost_pages::Watch;
use crate::platform::prefetch;

/// Bytes of the file header.
pub(crate) const HEADER_LEN: usize = 40;
/// Bytes of a slot.
const SLOT_LEN: usize = 4;
/// Bytes of an entry.
const ENTRY_LEN: usize = 20;
/// Entries written under one hold of the lock; a query waits at most that long.
const WRITE_SLICE: usize = 256;
/// Steps of a chain under one hold of the lock; the writer waits at most that long.
const WALK_SLICE: u32 = 1024;
/// Entries whose slots are asked for before their turn: slots lie anywhere in twenty megabytes.
const AHEAD: usize = 24;
/// Entries whose space is reserved ahead of the writer: 1.3 MB at a time.
const RESERVE_ENTRIES: u32 = 65_536;

/// The decoded header; kept in memory and written through after every slice of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub begin_timestamp: i64,
    pub end_timestamp: i64,
    pub begin_physical: i64,
    pub end_physical: i64,
    pub slots_used: i32,
    /// Number of the next entry; at least 1, at most the entry count of the file's shape.
    pub next_entry: u32,
}

impl Header {
    /// Reads the header at the front of a file as it stands there, but for a senseless entry number.
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN]) -> Header {
        Header {
            begin_timestamp: read_i64(bytes, 0),
            end_timestamp: read_i64(bytes, 8),
            begin_physical: read_i64(bytes, 16),
            end_physical: read_i64(bytes, 24),
            slots_used: read_i32(bytes, 32).max(0),
            next_entry: u32::try_from(read_i32(bytes, 36)).unwrap_or(1).max(1),
        }
    }
}

/// Slots and entries of a file; both fixed by the options, as the file does not say them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub slots: u32,
    pub entries: u32,
}

impl Shape {
    pub(crate) fn new(options: &IndexOptions) -> Self {
        Shape { slots: options.hash_slots.max(1), entries: options.entries.max(2) }
    }

    /// Length of a file in bytes.
    pub(crate) fn file_len(self) -> u64 {
        (HEADER_LEN as u64) + u64::from(self.slots) * SLOT_LEN as u64 + u64::from(self.entries) * ENTRY_LEN as u64
    }

    pub(crate) fn slot_at(self, slot: u32) -> usize {
        HEADER_LEN + slot as usize * SLOT_LEN
    }

    pub(crate) fn entry_at(self, entry: u32) -> usize {
        HEADER_LEN + self.slots as usize * SLOT_LEN + entry as usize * ENTRY_LEN
    }
}

/// One index file. Opened when it is needed, and closed when it is among the least recently used files.
pub(crate) struct IndexFile {
    path: PathBuf,
    name: u64,
    shape: Shape,
    used: Used,
    open_files: Arc<OpenFiles>,
    inner: RwLock<Inner>,
}

/// Guarded by the file's lock; changed only by the one writer, but for opening and closing.
struct Inner {
    open: Option<Open>,
    header: Header,
    /// Entries below this number have their space reserved; 0 until the first write.
    reserved: u32,
}

/// The file while it is open.
struct Open {
    /// Dropped before the map.
    watch: Watch,
    file: Arc<File>,
    map: MmapMut,
}

impl Open {
    fn new(file: File, map: MmapMut) -> Open {
        Open { watch: Watch::over(map.as_ptr(), map.len()), file: Arc::new(file), map }
    }
}

/// What a query asks of every file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub hash: i32,
    pub max: usize,
    pub begin: i64,
    pub end: i64,
}

impl IndexFile {
    /// Creates an empty file that continues where the previous one ended.
    pub(crate) fn create(
        path: &Path,
        name: u64,
        shape: Shape,
        previous: Option<Header>,
        open_files: &Arc<OpenFiles>,
    ) -> io::Result<Arc<Self>> {
        let file = File::create_new(path)?;
        file.resize(shape.file_len())?;
        let mut map = platform::map_shared(file.system(), map_len(shape)?)?;
        let mut header = Header { next_entry: 1, ..Header::default() };
        if let Some(previous) = previous {
            header.begin_timestamp = previous.end_timestamp;
            header.end_timestamp = previous.end_timestamp;
            header.begin_physical = previous.end_physical;
            header.end_physical = previous.end_physical;
        }
        file.reserve(0, HEADER_LEN as u64)?;
        write_header(&mut map, &header);
        let created = Self::new(path, name, shape, Some(Open::new(file, map)), header, open_files);
        created.register();
        Ok(created)
    }

    /// Takes over an existing file of exactly the shape's length. Header values out of range are brought into range.
    pub(crate) fn closed(path: &Path, name: u64, shape: Shape, open_files: &Arc<OpenFiles>) -> io::Result<Arc<Self>> {
        let mut bytes = [0; HEADER_LEN];
        File::open_to_read(path)?.read_at(&mut bytes, 0)?;
        let header = Header::decode(&bytes);
        let header = Header { next_entry: header.next_entry.min(shape.entries), ..header };
        Ok(Self::new(path, name, shape, None, header, open_files))
    }

    fn new(
        path: &Path,
        name: u64,
        shape: Shape,
        open: Option<Open>,
        header: Header,
        open_files: &Arc<OpenFiles>,
    ) -> Arc<Self> {
        let inner = RwLock::new(Inner { open, header, reserved: 0 });
        let (used, open_files) = (Used::default(), open_files.clone());
        Arc::new(IndexFile { path: path.to_path_buf(), name, shape, used, open_files, inner })
    }

    /// Counts as an open file from now on.
    fn register(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        self.open_files.opened(weak);
    }

    /// Opens the file if it is closed. It may be closed again before it is locked, if there are very few files.
    fn ensure_open(self: &Arc<Self>) -> io::Result<()> {
        self.used.set();
        if self.inner.read().open.is_some() {
            return Ok(());
        }
        let mut inner = self.inner.write();
        if inner.open.is_some() {
            return Ok(());
        }
        let file = File::open(&self.path)?;
        if file.len()? != self.shape.file_len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has another length than at the start"));
        }
        let map = platform::map_shared(file.system(), map_len(self.shape)?)?;
        inner.open = Some(Open::new(file, map));
        drop(inner);
        self.register();
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file name as a number; later files have larger ones.
    pub(crate) fn name(&self) -> u64 {
        self.name
    }

    pub(crate) fn header(&self) -> Header {
        self.inner.read().header
    }

    pub(crate) fn is_full(&self) -> bool {
        self.inner.read().header.next_entry >= self.shape.entries
    }

    /// Whether some entry can lie in `begin..=end` (milliseconds).
    pub(crate) fn overlaps(&self, begin: i64, end: i64) -> bool {
        let header = self.header();
        begin <= header.end_timestamp && end >= header.begin_timestamp
    }

    /// Takes entries in order until the file is full and returns how many it took. Entries of records that lie before the
    /// file's end offset are already in and are passed over.
    pub(crate) fn append(self: &Arc<Self>, entries: &[IndexEntry]) -> Result<usize, IndexError> {
        let mut taken = 0;
        for slice in entries.chunks(WRITE_SLICE) {
            let failed = |source| IndexError::Write { path: self.path.clone(), source };
            let written = self.append_slice(slice).map_err(failed)?;
            taken += written;
            if written < slice.len() {
                break;
            }
        }
        Ok(taken)
    }

    fn append_slice(self: &Arc<Self>, slice: &[IndexEntry]) -> io::Result<usize> {
        loop {
            self.ensure_open()?;
            let mut inner = self.inner.write();
            let Inner { open: Some(open), header, reserved } = &mut *inner else { continue };
            reserve_for(&open.file, header, reserved, slice.len(), self.shape)?;
            let taken = put_all(&mut open.map, header, slice, self.shape);
            open.watch.check()?;
            return Ok(taken);
        }
    }

    /// Adds to `out` the physical offsets of matching entries, newest first, until it holds `wanted.max`. A file that cannot be
    /// opened adds none.
    pub(crate) fn collect(self: &Arc<Self>, wanted: &Wanted, out: &mut Vec<i64>) {
        let slot = self.shape.slot_at(wanted.hash.unsigned_abs() % self.shape.slots);
        let mut next = self.with_map(|map, header| link(read_i32(map, slot), header.next_entry));
        while let Ok(Some(from)) = next {
            next = self.with_map(|map, header| walk(map, header, from, wanted, self.shape, out));
        }
        if let Err(error) = next {
            tracing::error!(path = %self.path.display(), %error, "an index file cannot be read; its records are not found by key");
        }
    }

    /// Looks into the file.
    fn with_map<T>(self: &Arc<Self>, look: impl FnOnce(&[u8], &Header) -> T) -> io::Result<T> {
        loop {
            self.ensure_open()?;
            let inner = self.inner.read();
            if let Some(open) = &inner.open {
                let seen = look(&open.map, &inner.header);
                open.watch.check()?;
                return Ok(seen);
            }
        }
    }

    /// Forces the file to disk.
    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        // Shared, so that a slow disk does not keep the lock.
        let open = self.inner.read().open.as_ref().map(|open| (open.file.clone(), open.watch.check()));
        let synced = match open {
            Some((file, whole)) => whole.and_then(|()| file.sync()),
            None => File::open(&self.path).and_then(|file| file.sync()),
        };
        synced.map_err(|source| IndexError::Write { path: self.path.clone(), source })
    }
}

impl Closable for IndexFile {
    fn take_used(&self) -> bool {
        self.used.take()
    }

    fn close(&self) -> bool {
        let Some(mut inner) = self.inner.try_write() else { return false };
        // With a lost page it stays an error: another map would not know what the lost one had taken.
        let closes = inner.open.as_ref().is_none_or(|open| !open.watch.has_lost());
        if closes {
            inner.open = None;
        }
        closes
    }
}

/// Reserves the slots (once) and space for `more` further entries.
fn reserve_for(file: &File, header: &Header, reserved: &mut u32, more: usize, shape: Shape) -> io::Result<()> {
    let need = header.next_entry.saturating_add(u32::try_from(more).unwrap_or(u32::MAX)).min(shape.entries);
    if need <= *reserved {
        return Ok(());
    }
    if *reserved == 0 {
        file.reserve(0, shape.entry_at(0) as u64)?;
        *reserved = header.next_entry;
    }
    let until = need.saturating_add(RESERVE_ENTRIES).min(shape.entries);
    let from = shape.entry_at(*reserved);
    file.reserve(from as u64, (shape.entry_at(until) - from) as u64)?;
    *reserved = until;
    Ok(())
}

/// Writes the entries that fit, then the header once; returns how many were taken.
fn put_all(map: &mut [u8], header: &mut Header, entries: &[IndexEntry], shape: Shape) -> usize {
    let slot_of = |entry: &IndexEntry| shape.slot_at(entry.hash.unsigned_abs() % shape.slots);
    let mut ahead = entries.iter().skip(AHEAD).map(slot_of);
    let mut taken = 0;
    for entry in entries {
        if let Some(slot) = ahead.next() {
            prefetch(&map[slot]);
        }
        if entry.physical >= header.end_physical {
            if header.next_entry >= shape.entries {
                break;
            }
            put(map, header, entry, shape);
        }
        taken += 1;
    }
    write_header(map, header);
    taken
}

fn put(map: &mut [u8], header: &mut Header, entry: &IndexEntry, shape: Shape) {
    let number = header.next_entry;
    let slot_at = shape.slot_at(entry.hash.unsigned_abs() % shape.slots);
    let previous = link(read_i32(map, slot_at), number).unwrap_or(0);
    let at = shape.entry_at(number);
    let difference = seconds_since(header.begin_timestamp, entry.store_timestamp);
    map[at..at + 4].copy_from_slice(&entry.hash.to_be_bytes());
    map[at + 4..at + 12].copy_from_slice(&entry.physical.to_be_bytes());
    map[at + 12..at + 16].copy_from_slice(&difference.to_be_bytes());
    map[at + 16..at + 20].copy_from_slice(&previous.to_be_bytes());
    map[slot_at..slot_at + 4].copy_from_slice(&number.to_be_bytes());
    if number <= 1 {
        header.begin_timestamp = entry.store_timestamp;
        header.begin_physical = entry.physical;
    }
    if previous == 0 {
        header.slots_used = header.slots_used.saturating_add(1);
    }
    header.next_entry += 1;
    header.end_timestamp = entry.store_timestamp;
    header.end_physical = entry.physical;
}

/// Follows a chain for one slice of steps; returns where to go on.
fn walk(map: &[u8], header: &Header, from: u32, wanted: &Wanted, shape: Shape, out: &mut Vec<i64>) -> Option<u32> {
    let mut number = from;
    for _ in 0..WALK_SLICE {
        if out.len() >= wanted.max {
            return None;
        }
        let at = shape.entry_at(number);
        let difference = read_i32(map, at + 12);
        if difference < 0 {
            return None;
        }
        // The first entry's difference was taken before the file had its begin, which is that entry's own time.
        let since_begin = if number == 1 { 0 } else { i64::from(difference) * 1000 };
        let time = header.begin_timestamp.saturating_add(since_begin);
        if read_i32(map, at) == wanted.hash && time >= wanted.begin && time <= wanted.end {
            let physical = read_i64(map, at + 4);
            // A record that was dispatched twice (after an abnormal stop) stands here twice in a row.
            if out.last() != Some(&physical) {
                out.push(physical);
            }
        }
        if time < wanted.begin {
            return None;
        }
        number = link(read_i32(map, at + 16), number)?;
    }
    Some(number)
}

/// An entry number read from the file, if it is one that may stand there: not 0 and below `limit`.
fn link(value: i32, limit: u32) -> Option<u32> {
    u32::try_from(value).ok().filter(|number| *number > 0 && *number < limit)
}

/// The stored time difference of an entry; 0 while the file has no begin, never negative.
fn seconds_since(begin: i64, timestamp: i64) -> i32 {
    if begin <= 0 {
        return 0;
    }
    i32::try_from((timestamp.saturating_sub(begin) / 1000).max(0)).unwrap_or(i32::MAX)
}

fn map_len(shape: Shape) -> io::Result<usize> {
    usize::try_from(shape.file_len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "index file too large for the address space"))
}

fn write_header(map: &mut [u8], header: &Header) {
    map[0..8].copy_from_slice(&header.begin_timestamp.to_be_bytes());
    map[8..16].copy_from_slice(&header.end_timestamp.to_be_bytes());
    map[16..24].copy_from_slice(&header.begin_physical.to_be_bytes());
    map[24..32].copy_from_slice(&header.end_physical.to_be_bytes());
    map[32..36].copy_from_slice(&header.slots_used.to_be_bytes());
    map[36..40].copy_from_slice(&header.next_entry.to_be_bytes());
}

fn read_i32(map: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([map[at], map[at + 1], map[at + 2], map[at + 3]])
}

fn read_i64(map: &[u8], at: usize) -> i64 {
    (i64::from(read_i32(map, at)) << 32) | i64::from(read_i32(map, at + 4) as u32)
}
