//! One consume queue, read from its files (store.md 3.1, 3.6), a window of units at a time.
use crate::disk::File;
use crate::error::OpenError;
use crate::log::segment::list;
use crate::queue::batch::{BatchUnit, BATCH_UNIT_BYTES};
use crate::queue::decode_unit;
use crate::{Unit, UNIT_BYTES};
use std::path::{Path, PathBuf};

/// Units read at a time when asked for one.
const WINDOW: usize = 64;
/// Units read at a time when looking for the last one.
const PIECE_UNITS: u64 = 4096;

/// Which form the units have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitKind {
    /// 20 bytes, one per message.
    Simple,
    /// 46 bytes, one per record, which may hold several messages (topics of type BatchCQ).
    Batch,
}

impl UnitKind {
    /// Its folder under the root.
    pub fn folder(self) -> &'static str {
        match self {
            UnitKind::Simple => "consumequeue",
            UnitKind::Batch => "batchconsumequeue",
        }
    }

    fn bytes(self) -> usize {
        match self {
            UnitKind::Simple => UNIT_BYTES,
            UnitKind::Batch => BATCH_UNIT_BYTES,
        }
    }
}

/// A unit of either form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnyUnit {
    pub unit: Unit,
    /// Queue offset of its first message.
    pub offset: i64,
    /// Messages in it.
    pub count: i64,
}

#[derive(Debug)]
struct QueueFile {
    base: u64,
    path: PathBuf,
    len: u64,
}

/// The files of one queue.
#[derive(Debug)]
pub(super) struct QueueFiles {
    pub kind: UnitKind,
    pub topic: String,
    pub id: i32,
    pub dir: PathBuf,
    files: Vec<QueueFile>,
    /// Bytes of a file, by the first one.
    pub file_bytes: u64,
    /// Number of the first unit in the files, and behind the last valid one.
    pub first: i64,
    pub end: i64,
    /// The last valid unit.
    pub last: Option<AnyUnit>,
    window: (i64, Vec<u8>),
}

impl QueueFiles {
    /// Lists the files and finds the last valid unit, looking from the newest file backwards.
    pub fn load(kind: UnitKind, topic: &str, id: i32, dir: PathBuf) -> Result<QueueFiles, OpenError> {
        let mut files: Vec<QueueFile> = list(&dir)
            .map_err(OpenError::io("list", &dir))?
            .into_iter()
            .map(|found| QueueFile { base: found.base, path: found.path, len: found.len })
            .collect();
        files.retain(|file| file.len > 0);
        let unit = kind.bytes() as u64;
        let file_bytes = files.first().map_or(0, |file| file.len / unit * unit);
        let first = files.first().map_or(0, |file| (file.base / unit) as i64);
        let window = (0, Vec::new());
        let topic = topic.to_owned();
        let mut queue = QueueFiles { kind, topic, id, dir, files, file_bytes, first, end: first, last: None, window };
        queue.find_end()?;
        Ok(queue)
    }

    fn find_end(&mut self) -> Result<(), OpenError> {
        for (number, file) in self.files.iter().enumerate().rev() {
            let valid = self.valid_units(file)?;
            if valid > 0 || number == 0 {
                self.end = (file.base / self.kind.bytes() as u64) as i64 + valid;
                break;
            }
        }
        self.last = if self.end > self.first { self.raw(self.end - 1)? } else { None };
        Ok(())
    }

    /// Units at the front of a file up to the first that is not valid.
    fn valid_units(&self, file: &QueueFile) -> Result<i64, OpenError> {
        let (unit, len) = (self.kind.bytes() as u64, file.len.min(self.file_bytes));
        let opened = File::open_to_read(&file.path).map_err(OpenError::io("open", &file.path))?;
        let (mut at, mut bytes) = (0, Vec::new());
        while at + unit <= len {
            bytes.resize((unit * PIECE_UNITS).min((len - at) / unit * unit) as usize, 0);
            opened.read_at(&mut bytes, at).map_err(OpenError::io("read", &file.path))?;
            let valid = bytes.chunks_exact(unit as usize).take_while(|bytes| decode_unit(bytes).is_valid()).count();
            if valid * (unit as usize) < bytes.len() {
                return Ok((at / unit) as i64 + valid as i64);
            }
            at += bytes.len() as u64;
        }
        Ok((at / unit) as i64)
    }

    /// Position of the first unit behind the last valid one whose bytes are not all zero.
    pub fn something_behind_end(&self) -> Result<Option<i64>, OpenError> {
        let unit = self.kind.bytes() as u64;
        let end = self.end as u64 * unit;
        for file in self.files.iter().filter(|file| file.base + file.len > end) {
            let opened = File::open_to_read(&file.path).map_err(OpenError::io("open", &file.path))?;
            let found = opened.first_nonzero(end.saturating_sub(file.base), file.len.min(self.file_bytes));
            if let Some(byte) = found.map_err(OpenError::io("read", &file.path))? {
                return Ok(Some(((file.base + byte) / unit) as i64));
            }
        }
        Ok(None)
    }

    /// The unit at a position, whether valid or not; None outside the files.
    pub fn raw(&mut self, number: i64) -> Result<Option<AnyUnit>, OpenError> {
        let bytes = self.kind.bytes();
        let (start, held) = (self.window.0, (self.window.1.len() / bytes) as i64);
        if number < start || number >= start + held {
            let position = number.max(0) as u64 * bytes as u64;
            let behind = self.files.partition_point(|file| file.base <= position);
            let Some(file) = behind.checked_sub(1).and_then(|at| self.files.get(at)) else { return Ok(None) };
            let at = position - file.base;
            let usable = file.len.min(self.file_bytes) / bytes as u64 * bytes as u64;
            if at >= usable {
                return Ok(None);
            }
            let len = ((WINDOW * bytes) as u64).min(usable - at) as usize;
            self.window.1.resize(len, 0);
            let opened = File::open_to_read(&file.path).map_err(OpenError::io("open", &file.path))?;
            opened.read_at(&mut self.window.1, at).map_err(OpenError::io("read", &file.path))?;
            self.window.0 = number;
        }
        let at = (number - self.window.0) as usize * bytes;
        Ok(self.window.1.get(at..at + bytes).map(|unit| self.decode(number, unit)))
    }

    fn decode(&self, number: i64, bytes: &[u8]) -> AnyUnit {
        match self.kind {
            UnitKind::Simple => AnyUnit { unit: decode_unit(bytes), offset: number, count: 1 },
            UnitKind::Batch => {
                let batch = BatchUnit::decode(bytes);
                AnyUnit { unit: batch.unit, offset: batch.base, count: i64::from(batch.count) }
            }
        }
    }

    /// The valid unit at a position.
    pub fn unit(&mut self, number: i64) -> Result<Option<AnyUnit>, OpenError> {
        if number < self.first || number >= self.end {
            return Ok(None);
        }
        self.raw(number)
    }

    /// Position of the first unit whose record does not lie before `min_physical`; the end when all do.
    pub fn first_from(&mut self, min_physical: i64) -> Result<i64, OpenError> {
        let (mut low, mut high) = (self.first, self.end);
        while low < high {
            let middle = low + (high - low) / 2;
            let gone = self.raw(middle)?.is_none_or(|any| any.unit.is_blank() || any.unit.physical < min_physical);
            if gone {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The next queue offset to come.
    pub fn max_offset(&self) -> i64 {
        match self.kind {
            UnitKind::Simple => self.end,
            UnitKind::Batch => self.last.map_or(0, |any| any.offset + any.count),
        }
    }

    /// The files, oldest first, with their lengths.
    pub fn paths(&self) -> impl Iterator<Item = (&Path, u64)> {
        self.files.iter().map(|file| (file.path.as_path(), file.len))
    }

    /// First unit of each file behind the first whose predecessor is not there, and the file.
    pub fn gaps(&self) -> impl Iterator<Item = &Path> {
        self.files
            .windows(2)
            .filter(|pair| pair[1].base != pair[0].base + self.file_bytes)
            .map(|pair| pair[1].path.as_path())
    }

    /// Where a unit lies: file and byte.
    pub fn place(&self, number: i64) -> (&Path, u64) {
        let position = number.max(0) as u64 * self.kind.bytes() as u64;
        let behind = self.files.partition_point(|file| file.base <= position);
        match behind.checked_sub(1).and_then(|at| self.files.get(at)) {
            Some(file) => (&file.path, (position - file.base).min(file.len)),
            None => (&self.dir, 0),
        }
    }
}
