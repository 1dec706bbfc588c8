//! The extension of a consume queue, where its units leave their tags codes when `enableConsumeQueueExt` is on (store.md 3.5). The unit
//! then has an address instead: the position in the stream of extension files, plus `i64::MIN`.
//!
//! ```text
//! 0 i16 length of the unit   2 i64 tags code   10 i64 store time, ms   18 i16 bytes of the bit map   20 the bit map
//! ```
//!
//! We write no bit maps (`enableCalcFilterBitMap` is off by default at Apache's, too) and read over those that are there. A unit never
//! crosses a file; what is left behind the last one begins with the length -1, for which 4 bytes are kept.
//!
//! What it is not: needed. A unit that cannot be had is replaced by its record, which has the tag. So files are neither mapped nor kept
//! open, and nothing is recovered: where the units end is found out when the first one is written, from the newest unit of the queue that
//! has an address, and without one from the lengths in the last file. What stood behind that end before, nobody refers to.
//!
//! Order: a unit is written before the unit of the queue that names it, and forced to the disk before it.
//!
//! Locks: `state`; taken under `writing` of the queue, nothing is taken under it.
use crate::disk::{self, File};
use crate::error::OpenError;
use crate::log::segment::{file_name, list};
use crate::types::Unit;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a unit without a bit map.
pub(crate) const EXTENSION_UNIT_BYTES: usize = 20;
/// Bytes kept at the end of a file for the mark.
pub(crate) const END_MARK_BYTES: usize = 4;
/// The length that stands behind the last unit of a full file.
const END_MARK: i16 = -1;
/// Bytes read at a time: neighbouring units of a queue have neighbouring units here.
const READ_BYTES: usize = 4096;

/// The extension of one queue.
#[derive(Debug)]
pub(crate) struct Extension {
    dir: PathBuf,
    /// Bytes of a file.
    file_bytes: u64,
    /// None until the first unit is written.
    state: Mutex<Option<State>>,
}

/// Where the units are, as positions in the stream of files.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Behind the last unit.
    end: u64,
    /// Everything before is on the disk.
    flushed: u64,
}

impl Extension {
    /// The one in `dir`, which need not be there.
    pub fn new(dir: PathBuf, file_bytes: usize) -> Extension {
        Extension {
            dir,
            file_bytes: file_bytes.max(EXTENSION_UNIT_BYTES + END_MARK_BYTES) as u64,
            state: Mutex::default(),
        }
    }

    fn path(&self, base: u64) -> PathBuf {
        self.dir.join(file_name(base))
    }

    fn base_of(&self, position: u64) -> u64 {
        position / self.file_bytes * self.file_bytes
    }

    /// Writes the unit of a record; returns what its unit in the queue has instead of the tags code. `newest`: the newest unit of the
    /// queue.
    pub fn put(&self, tags_code: i64, store_timestamp: i64, newest: impl Fn() -> Option<Unit>) -> io::Result<i64> {
        let mut state = self.state.lock();
        let known = match *state {
            Some(known) => known,
            None => self.find_end(newest())?,
        };
        let (mut at, mut base) = (known.end, self.base_of(known.end));
        let last = base + self.file_bytes - (EXTENSION_UNIT_BYTES + END_MARK_BYTES) as u64;
        let mut file = self.open(base)?;
        if at > last {
            file.write_at(&END_MARK.to_be_bytes(), at - base)?;
            base += self.file_bytes;
            at = base;
            file = self.open(base)?;
        }
        let mut bytes = [0; EXTENSION_UNIT_BYTES];
        bytes[..2].copy_from_slice(&(EXTENSION_UNIT_BYTES as i16).to_be_bytes());
        bytes[2..10].copy_from_slice(&tags_code.to_be_bytes());
        bytes[10..18].copy_from_slice(&store_timestamp.to_be_bytes());
        file.write_at(&bytes, at - base)?;
        *state = Some(State { end: at + EXTENSION_UNIT_BYTES as u64, ..known });
        Ok(address_of(at))
    }

    /// Opens a file for writing, with its full length; created when it is missing.
    fn open(&self, base: u64) -> io::Result<File> {
        let path = self.path(base);
        let file = match File::open_or_create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk::create_dir_all(&self.dir)?;
                File::open_or_create(&path)?
            }
            opened => opened?,
        };
        if file.len()? != self.file_bytes {
            file.resize(self.file_bytes)?;
        }
        Ok(file)
    }

    fn find_end(&self, newest: Option<Unit>) -> io::Result<State> {
        let end = match newest.filter(Unit::is_extended).map(|unit| position_of(unit.tags_code)) {
            Some(position) => position + u64::from(self.len_at(position)?.unwrap_or(EXTENSION_UNIT_BYTES as u16)),
            None => match list(&self.dir)?.last() {
                Some(last) => last.base + self.walk(last.base)?,
                None => 0,
            },
        };
        Ok(State { end, flushed: self.base_of(end) })
    }

    /// Length of the unit at a position; None when there is none.
    fn len_at(&self, position: u64) -> io::Result<Option<u16>> {
        let base = self.base_of(position);
        let mut bytes = [0; 2];
        match File::open_to_read(&self.path(base)).and_then(|file| file.read_at(&mut bytes, position - base)) {
            Ok(()) => Ok(u16::try_from(i16::from_be_bytes(bytes)).ok().filter(|len| *len > 0)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes of the units in a file, by their lengths.
    fn walk(&self, base: u64) -> io::Result<u64> {
        let file = File::open_to_read(&self.path(base))?;
        if file.len()? != self.file_bytes {
            // A power cut has taken its length and everything in it.
            return Ok(0);
        }
        let mut piece = Vec::new();
        let (mut from, mut at) = (0, 0);
        while at + 2 <= self.file_bytes {
            if at + 2 > from + piece.len() as u64 {
                piece.resize((self.file_bytes - at).min(READ_BYTES as u64) as usize, 0);
                file.read_at(&mut piece, at)?;
                from = at;
            }
            let in_piece = (at - from) as usize;
            let len = i16::from_be_bytes([piece[in_piece], piece[in_piece + 1]]);
            match u64::try_from(len) {
                Ok(len) if len >= EXTENSION_UNIT_BYTES as u64 && at + len <= self.file_bytes => at += len,
                _ => break,
            }
        }
        Ok(at)
    }

    /// Forces all units to the disk.
    pub fn flush(&self) -> io::Result<()> {
        let Some(known) = *self.state.lock() else { return Ok(()) };
        let mut base = self.base_of(known.flushed);
        while base < known.end {
            match File::open(&self.path(base)).and_then(|file| file.sync()) {
                // Deleted with the records that it was for.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
            base += self.file_bytes;
        }
        if known.end > known.flushed {
            disk::sync_dir(&self.dir)?;
            if let Some(state) = self.state.lock().as_mut() {
                state.flushed = state.flushed.max(known.end);
            }
        }
        Ok(())
    }

    /// Removes the files before the unit with this address.
    pub fn delete_before(&self, address: i64) -> io::Result<()> {
        let position = position_of(address);
        for file in list(&self.dir)?.into_iter().filter(|file| file.base + self.file_bytes <= position) {
            disk::remove_file(&file.path)?;
        }
        Ok(())
    }

    /// Removes everything.
    pub fn remove(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        *state = None;
        match disk::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// For reading neighbouring units.
    pub fn reader(&self) -> ExtensionReader<'_> {
        ExtensionReader { extension: self, from: 0, piece: Vec::new() }
    }
}

/// Reads units, a piece of a file at a time.
pub(crate) struct ExtensionReader<'a> {
    extension: &'a Extension,
    /// Position of the piece.
    from: u64,
    piece: Vec<u8>,
}

impl ExtensionReader<'_> {
    /// The tags code at an address; None when there is no unit, and the record has to tell. Waits for the disk only where the units of
    /// the queue are in memory and these are not.
    pub fn tags_code(&mut self, address: i64) -> Option<i64> {
        let position = position_of(address);
        if let Some(known) = self.find(position) {
            return known;
        }
        let base = self.extension.base_of(position);
        let len = (base + self.extension.file_bytes - position).min(READ_BYTES as u64) as usize;
        if len < EXTENSION_UNIT_BYTES {
            return None;
        }
        self.piece.clear();
        let path = self.extension.path(base);
        let mut piece = vec![0; len];
        match File::open_to_read(&path).and_then(|file| file.read_at(&mut piece, position - base)) {
            Ok(()) => (self.from, self.piece) = (position, piece),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a unit of a consume queue extension cannot be read; its record is");
                return None;
            }
        }
        self.find(position).flatten()
    }

    /// The unit at a position, should it lie in the piece: its tags code, or that there is none.
    fn find(&self, position: u64) -> Option<Option<i64>> {
        let at = usize::try_from(position.checked_sub(self.from)?).ok()?;
        let bytes = self.piece.get(at..at.checked_add(EXTENSION_UNIT_BYTES)?)?;
        let len = i16::from_be_bytes([bytes[0], bytes[1]]);
        let code = bytes[2..10].try_into().map(i64::from_be_bytes).ok();
        Some(code.filter(|_| usize::try_from(len).is_ok_and(|len| len >= EXTENSION_UNIT_BYTES)))
    }
}

/// What a unit of the queue has for the position.
fn address_of(position: u64) -> i64 {
    i64::MIN.wrapping_add_unsigned(position)
}

/// The position that an address names.
fn position_of(address: i64) -> u64 {
    address.wrapping_sub(i64::MIN) as u64
}

/// Files of extensions in `dir` must have the length that new ones will get.
pub(crate) fn check(dir: &Path, file_bytes: usize) -> Result<(), OpenError> {
    for (_, topic) in super::folders(dir)? {
        for (_, queue) in super::folders(&topic)? {
            let found = list(&queue).map_err(OpenError::io("list", &queue))?;
            if let Some(file) = found.into_iter().find(|file| file.len != file_bytes as u64 && file.len > 0) {
                let (path, actual, expected) = (file.path, file.len, file_bytes as u64);
                let option = "mappedFileSizeConsumeQueueExt";
                return Err(OpenError::SegmentSize { path, actual, expected, option });
            }
        }
    }
    Ok(())
}

/// The extensions below `dir`, whose files have the length of their first one.
pub(crate) fn all(dir: &Path) -> Result<HashMap<String, HashMap<i32, Extension>>, OpenError> {
    let mut all: HashMap<_, HashMap<_, _>> = HashMap::new();
    for (topic, path) in super::folders(dir)? {
        for (name, path) in super::folders(&path)? {
            let files = list(&path).map_err(OpenError::io("list", &path))?;
            if let (Ok(id), Some(first)) = (name.parse(), files.first()) {
                let file_bytes = usize::try_from(first.len).unwrap_or(usize::MAX);
                all.entry(topic.clone()).or_default().insert(id, Extension::new(path, file_bytes));
            }
        }
    }
    Ok(all)
}

/// Folder of the extension of a queue under the data directory's `consumequeue_ext`.
pub(crate) fn folder(dir: &Path, topic: &str, id: i32) -> PathBuf {
    dir.join(topic).join(id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extended(address: i64) -> Option<Unit> {
        Some(Unit { physical: 0, size: 1, tags_code: address })
    }

    /// Units are read back by their addresses, over files, and go on where they ended when somebody else opens them.
    #[test]
    fn units_over_files() {
        let dir = tempfile::tempdir().unwrap();
        // Two units in a file: 44 bytes and the mark, and some to spare.
        let open = || Extension::new(dir.path().join("0"), 50);
        let (first, mut addresses) = (open(), Vec::new());
        for number in 0..5 {
            addresses.push(first.put(number * 7, 1000 + number, || None).unwrap());
        }
        first.flush().unwrap();
        assert_eq!(addresses.iter().map(|a| position_of(*a)).collect::<Vec<_>>(), [0, 20, 50, 70, 100]);
        let file = std::fs::read(dir.path().join("0").join(file_name(0))).unwrap();
        assert_eq!(file[..2], [0, 20]);
        assert_eq!(file[40..44], [0xff, 0xff, 0, 0]);
        assert_eq!(file.len(), 50);
        // By the newest unit of the queue, and without one by the lengths.
        let by_address = open();
        assert_eq!(position_of(by_address.put(1, 2, || extended(addresses[4])).unwrap()), 120);
        let by_lengths = open();
        assert_eq!(position_of(by_lengths.put(1, 2, || None).unwrap()), 150);
        let mut reader = by_lengths.reader();
        for (number, address) in addresses.iter().enumerate() {
            assert_eq!(reader.tags_code(*address), Some(number as i64 * 7));
        }
        assert_eq!(reader.tags_code(address_of(40)), None, "the mark is no unit");
        assert_eq!(reader.tags_code(address_of(1 << 40)), None);
        by_lengths.delete_before(addresses[2]).unwrap();
        assert_eq!(by_lengths.reader().tags_code(addresses[1]), None);
        assert_eq!(by_lengths.reader().tags_code(addresses[2]), Some(14));
        by_lengths.remove().unwrap();
        assert!(!dir.path().join("0").exists());
        assert_eq!(position_of(by_lengths.put(1, 2, || None).unwrap()), 0);
    }

    /// Units with bit maps, as others write them, are walked over; files of another length are refused.
    #[test]
    fn units_with_bit_maps() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path(), "T", 0);
        std::fs::create_dir_all(&folder).unwrap();
        let extension = Extension::new(folder.clone(), 1000);
        let mut bytes = vec![0; 1000];
        for (at, len) in [(0, 20), (20, 52), (72, 33)] {
            bytes[at..at + 2].copy_from_slice(&(len as i16).to_be_bytes());
            bytes[at + 9] = len;
        }
        std::fs::write(folder.join(file_name(0)), bytes).unwrap();
        assert_eq!(extension.reader().tags_code(address_of(72)), Some(33));
        assert_eq!(position_of(extension.put(4, 5, || None).unwrap()), 105);
        let again = Extension::new(folder.clone(), 1000);
        assert_eq!(position_of(again.put(4, 5, || extended(address_of(20))).unwrap()), 72);
        check(dir.path(), 1000).unwrap();
        // As a power cut leaves a file.
        std::fs::write(folder.join(file_name(1000)), b"").unwrap();
        check(dir.path(), 1000).unwrap();
        let cut = Extension::new(folder.clone(), 1000);
        assert_eq!(position_of(cut.put(4, 5, || None).unwrap()), 1000);
        assert_eq!(cut.reader().tags_code(address_of(1000)), Some(4));
        let other = check(dir.path(), 2000).unwrap_err().to_string();
        assert!(other.contains("mappedFileSizeConsumeQueueExt"), "{other}");
    }
}
