//! Index files, read entry by entry in the order in which they were written (store.md 4).
use super::finding::Finding;
use crate::checkpoint::Checkpoint;
use crate::disk::File;
use crate::error::OpenError;
use crate::index::file::{Header, Shape, HEADER_LEN};
use crate::index::files::names;
use crate::index::IndexOptions;
use std::path::{Path, PathBuf};

/// Entries read at a time.
const PIECE_ENTRIES: u32 = 4096;
/// Bytes of an entry.
const ENTRY_LEN: usize = 20;
/// Files up to this length are searched for their shape when no known one fits.
const SEARCH_MAX: u64 = 64 << 20;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub number: u32,
    pub hash: i32,
    pub physical: i64,
    pub previous: i32,
}

/// One index file.
#[derive(Debug)]
pub(super) struct IndexFile {
    pub path: PathBuf,
    pub header: Header,
    /// None: it cannot be told how many slots the file has.
    pub shape: Option<Shape>,
    /// The next start of a broker drops the file, for its end is younger than the checkpoint vouches for.
    pub dropped_at_start: bool,
    file: File,
}

impl IndexFile {
    fn open(path: PathBuf, known: Option<(u32, u32)>) -> Result<IndexFile, OpenError> {
        let file = File::open_to_read(&path).map_err(OpenError::io("open", &path))?;
        let len = file.len().map_err(OpenError::io("look at", &path))?;
        let mut head = [0; HEADER_LEN];
        if len >= HEADER_LEN as u64 {
            file.read_at(&mut head, 0).map_err(OpenError::io("read", &path))?;
        }
        let header = Header::decode(&head);
        let mut opened = IndexFile { path, header, shape: None, dropped_at_start: false, file };
        opened.shape = opened.find_shape(len, known)?;
        Ok(opened)
    }

    /// The file does not say its shape. Unless one is given, tried are: Apache's, four entries to a slot, and for a small file all
    /// that its length allows. The right one has the first and the last entry in their places.
    fn find_shape(&self, len: u64, known: Option<(u32, u32)>) -> Result<Option<Shape>, OpenError> {
        if let Some((slots, entries)) = known {
            return Ok(Some(Shape { slots, entries }).filter(|shape| shape.file_len() == len));
        }
        let defaults = IndexOptions::default();
        let four = u32::try_from(len.saturating_sub(HEADER_LEN as u64) / 84).unwrap_or(0);
        for (slots, entries) in [(defaults.hash_slots, defaults.entries), (four, four.saturating_mul(4))] {
            let shape = Shape { slots, entries };
            if slots > 0 && shape.file_len() == len && self.fits(shape)? {
                return Ok(Some(shape));
            }
        }
        if len > SEARCH_MAX {
            return Ok(None);
        }
        let words = len.saturating_sub(HEADER_LEN as u64) / 4;
        for entries in 2..(words / 5) as u32 {
            let shape = Shape { slots: (words - u64::from(entries) * 5) as u32, entries };
            if shape.slots > 0 && shape.file_len() == len && self.fits(shape)? {
                return Ok(Some(shape));
            }
        }
        Ok(None)
    }

    fn fits(&self, shape: Shape) -> Result<bool, OpenError> {
        let next = self.header.next_entry;
        if next <= 1 {
            return Ok(true);
        }
        if next > shape.entries {
            return Ok(false);
        }
        let (first, last) = (self.entry(shape, 1)?, self.entry(shape, next - 1)?);
        let slot = self.slots(shape, last.hash.unsigned_abs() % shape.slots, 1)?;
        Ok(first.physical == self.header.begin_physical
            && last.physical == self.header.end_physical
            && slot.first().is_some_and(|number| *number as u32 >= next - 1))
    }

    fn entry(&self, shape: Shape, number: u32) -> Result<Entry, OpenError> {
        let mut bytes = [0; ENTRY_LEN];
        let at = shape.entry_at(number) as u64;
        self.file.read_at(&mut bytes, at).map_err(OpenError::io("read", &self.path))?;
        Ok(decode(number, &bytes))
    }

    /// `count` slots from `first` on.
    pub fn slots(&self, shape: Shape, first: u32, count: u32) -> Result<Vec<i32>, OpenError> {
        let mut bytes = vec![0; count as usize * 4];
        let at = shape.slot_at(first) as u64;
        self.file.read_at(&mut bytes, at).map_err(OpenError::io("read", &self.path))?;
        Ok(bytes.chunks_exact(4).map(|slot| i32::from_be_bytes([slot[0], slot[1], slot[2], slot[3]])).collect())
    }

    /// Where an entry lies in the file.
    pub fn byte_of(&self, entry: u32) -> u64 {
        self.shape.map_or(0, |shape| shape.entry_at(entry) as u64)
    }

    /// Number behind the last entry.
    pub fn end(&self) -> u32 {
        self.header.next_entry.min(self.shape.map_or(1, |shape| shape.entries)).max(1)
    }

    /// Something wrong in this file.
    pub fn damage(&self, offset: u64, text: String) -> Finding {
        Finding::damage(&self.path, offset, text).note_if(self.dropped_at_start)
    }
}

fn decode(number: u32, bytes: &[u8]) -> Entry {
    let word = |at: usize| i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let physical = (i64::from(word(4)) << 32) | i64::from(word(8) as u32);
    Entry { number, hash: word(0), physical, previous: word(16) }
}

/// The index files of a directory, oldest first.
pub(super) fn load(root: &Path, known: Option<(u32, u32)>, unclean: bool) -> Result<Vec<IndexFile>, OpenError> {
    let dir = root.join("index");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let flushed = Checkpoint::peek(&root.join("checkpoint")).map_or(0, |times| times[2]);
    let mut files = Vec::new();
    for (_, path) in names(&dir).map_err(OpenError::io("list", &dir))? {
        if super::sizes(&path)?.0 > 0 {
            let mut file = IndexFile::open(path, known)?;
            file.dropped_at_start = unclean && file.header.end_timestamp > flushed;
            files.push(file);
        }
    }
    // A damaged file has the shape of the others.
    let shape = files.iter().find_map(|file| file.shape);
    for file in files.iter_mut().filter(|file| file.shape.is_none()) {
        let len = file.file.len().map_err(OpenError::io("look at", &file.path))?;
        file.shape = shape.filter(|shape| shape.file_len() == len);
    }
    Ok(files)
}

/// Goes over the entries of all files; checks on the way that each is linked to the one before it in its slot.
pub(super) struct Entries<'a> {
    files: &'a [IndexFile],
    number: u32,
    piece: (u32, Vec<u8>),
    /// Latest entry of each slot of the file that is being read.
    slots: Vec<u32>,
    last_physical: i64,
    pub findings: Vec<Finding>,
}

impl<'a> Entries<'a> {
    pub fn new(files: &'a [IndexFile]) -> Entries<'a> {
        Entries { files, number: 0, piece: (0, Vec::new()), slots: Vec::new(), last_physical: 0, findings: Vec::new() }
    }

    /// The next entry and its file; entries that go back in the log are passed over as damage.
    pub fn next(&mut self) -> Result<Option<(Entry, &'a IndexFile)>, OpenError> {
        while let Some(file) = self.files.first() {
            let Some(shape) = file.shape else {
                let text = "the header or the length is none of an index file; name its maxHashSlotNum and maxIndexNum if they are unusual";
                self.findings.push(file.damage(32, text.to_owned()));
                self.files = &self.files[1..];
                continue;
            };
            if self.number == 0 {
                self.slots = vec![0; shape.slots as usize];
                (self.number, self.piece) = (1, (0, Vec::new()));
            }
            if self.number >= file.end() {
                self.check_slots(file, shape)?;
                (self.files, self.number) = (&self.files[1..], 0);
                continue;
            }
            let entry = self.read(file, shape)?;
            self.number += 1;
            if self.check(file, shape, &entry) {
                return Ok(Some((entry, file)));
            }
        }
        Ok(None)
    }

    fn read(&mut self, file: &IndexFile, shape: Shape) -> Result<Entry, OpenError> {
        let held = (self.piece.1.len() / ENTRY_LEN) as u32;
        if self.number < self.piece.0 || self.number >= self.piece.0 + held {
            let count = PIECE_ENTRIES.min(file.end() - self.number) as usize;
            self.piece.1.resize(count * ENTRY_LEN, 0);
            let at = shape.entry_at(self.number) as u64;
            file.file.read_at(&mut self.piece.1, at).map_err(OpenError::io("read", &file.path))?;
            self.piece.0 = self.number;
        }
        let at = (self.number - self.piece.0) as usize * ENTRY_LEN;
        Ok(decode(self.number, &self.piece.1[at..at + ENTRY_LEN]))
    }

    fn check(&mut self, file: &IndexFile, shape: Shape, entry: &Entry) -> bool {
        let slot = (entry.hash.unsigned_abs() % shape.slots) as usize;
        let expected = std::mem::replace(&mut self.slots[slot], entry.number);
        let at = shape.entry_at(entry.number) as u64;
        if i64::from(entry.previous) != i64::from(expected) {
            let text = format!(
                "entry {} is linked to entry {}, the one before it in its slot is {expected}",
                entry.number, entry.previous
            );
            self.findings.push(file.damage(at + 16, text));
        }
        if entry.physical < self.last_physical {
            let text = format!("entry {} names offset {} after {}", entry.number, entry.physical, self.last_physical);
            self.findings.push(file.damage(at + 4, text));
            return false;
        }
        self.last_physical = entry.physical;
        true
    }

    fn check_slots(&mut self, file: &IndexFile, shape: Shape) -> Result<(), OpenError> {
        const MANY: u32 = 1 << 20;
        let mut first = 0;
        while first < shape.slots {
            let stored = file.slots(shape, first, MANY.min(shape.slots - first))?;
            for (slot, number) in (first..).zip(stored) {
                let expected = self.slots[slot as usize];
                if i64::from(number) != i64::from(expected) {
                    let text = format!("slot {slot} names entry {number}, its latest one is {expected}");
                    self.findings.push(file.damage(shape.slot_at(slot) as u64, text));
                }
            }
            first += MANY.min(shape.slots - first);
        }
        Ok(())
    }
}
