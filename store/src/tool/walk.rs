//! Every record of the log in order, past damage too: where bytes are no record, the next one is looked for.
//!
//! A record found behind damage must say itself that it lies there (store.md 2.1, physicalOffset); so bodies that contain
//! records are not taken for the log.
use super::files::{LogFile, LogFiles};
use super::finding::Finding;
use crate::error::OpenError;
use crate::log::BLANK_BYTES;
use ferromq_protocol::record::{self, RecordError, RecordView, MAGIC_BLANK, MAGIC_V1, MAGIC_V2, PHYSICAL_OFFSET_AT};
use std::ops::ControlFlow;

/// Bytes read at a time.
const PIECE: usize = 4 << 20;
/// Bytes from the front of a record up to the end of its physical offset.
const HEAD: usize = PHYSICAL_OFFSET_AT + 8;

/// What a walk gives.
pub(super) enum Step<'a> {
    /// A record whose lengths agree, at a log offset.
    Record(RecordView<'a>, i64),
    /// Something that should not be as it is. It is none when only the end of the log looks like that.
    Damage(Finding),
    /// The log ends here with bytes that are no whole record.
    TornEnd(Finding),
}

/// The walk.
pub(super) struct Walk<'a> {
    log: &'a LogFiles,
    /// Compare body CRCs.
    pub check_crc: bool,
    piece: Piece<'a>,
}

/// A piece of one segment in memory.
struct Piece<'a> {
    file: Option<&'a LogFile>,
    at: u64,
    bytes: Vec<u8>,
}

impl<'a> Piece<'a> {
    /// The bytes of the file from `at` on, at least `want` of them if the file has them.
    fn from(&mut self, file: &'a LogFile, at: u64, want: usize) -> Result<&[u8], OpenError> {
        let same = self.file.is_some_and(|now| now.base == file.base);
        let skip = at.wrapping_sub(self.at) as usize;
        let want = (want as u64).min(file.len - at) as usize;
        if !same || at < self.at || self.bytes.len() < skip.saturating_add(want) {
            let len = (want.max(PIECE) as u64).min(file.len - at) as usize;
            self.bytes.resize(len, 0);
            file.read(at, &mut self.bytes)?;
            (self.file, self.at) = (Some(file), at);
            return Ok(&self.bytes);
        }
        Ok(&self.bytes[skip..])
    }
}

/// What lies at a position.
enum Found {
    /// A record of so many bytes.
    Record(usize),
    /// The rest of the segment is not used.
    Blank,
    /// Nothing that can be read.
    Nothing(String),
}

impl<'a> Walk<'a> {
    /// A walk that checks CRCs.
    pub fn new(log: &'a LogFiles) -> Walk<'a> {
        Walk { log, check_crc: true, piece: Piece { file: None, at: 0, bytes: Vec::new() } }
    }

    /// Goes from `from` (a record, or the start of a segment) to the end of the log; returns where that is.
    pub fn run(
        &mut self,
        from: i64,
        mut step: impl FnMut(Step<'_>) -> Result<ControlFlow<()>, OpenError>,
    ) -> Result<i64, OpenError> {
        let log = self.log;
        let from = from.max(log.min());
        let mut end = from;
        for (number, file) in log.files.iter().enumerate() {
            if file.end() <= from {
                continue;
            }
            let start = (from - file.base).max(0) as u64;
            let last = !self.is_used_behind(number)?;
            match self.segment(file, start, last, &mut step)? {
                ControlFlow::Continue(reached) => end = reached,
                ControlFlow::Break(reached) => return Ok(reached),
            }
            if last {
                break;
            }
        }
        Ok(end)
    }

    /// Whether a later segment begins with a record.
    fn is_used_behind(&mut self, number: usize) -> Result<bool, OpenError> {
        for file in &self.log.files[number + 1..] {
            let head = self.piece.from(file, 0, HEAD)?;
            if says_it_lies_at(head, file.base) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn segment(
        &mut self,
        file: &'a LogFile,
        start: u64,
        last: bool,
        step: &mut impl FnMut(Step<'_>) -> Result<ControlFlow<()>, OpenError>,
    ) -> Result<ControlFlow<i64, i64>, OpenError> {
        let mut at = start;
        while at < file.len {
            let offset = file.base + at as i64;
            match self.look(file, at)? {
                Found::Record(len) => {
                    if self.give(file, at, len, step)?.is_break() {
                        return Ok(ControlFlow::Break(offset));
                    }
                    at += len as u64;
                }
                Found::Blank => return Ok(ControlFlow::Continue(file.end())),
                Found::Nothing(why) => {
                    let (zeros, next) = self.next_record(file, at)?;
                    let done = match next {
                        None if last && zeros => return Ok(ControlFlow::Continue(offset)),
                        None if last => {
                            let text =
                                format!("the log ends at offset {offset} with bytes that are no whole record: {why}");
                            let _ends_here = step(Step::TornEnd(Finding::damage(&file.path, at, text)))?;
                            return Ok(ControlFlow::Continue(offset));
                        }
                        None => {
                            let text = format!("no record at offset {offset}, and none behind it in this segment ({why}); later segments have records");
                            step(Step::Damage(Finding::damage(&file.path, at, text)))?
                        }
                        Some(next) => {
                            let lost = next - at;
                            let text = format!("{lost} bytes at offset {offset} are no record: {why}");
                            step(Step::Damage(Finding::damage(&file.path, at, text)))?
                        }
                    };
                    if done.is_break() {
                        return Ok(ControlFlow::Break(offset));
                    }
                    at = next.unwrap_or(file.len);
                }
            }
        }
        Ok(ControlFlow::Continue(file.end()))
    }

    fn look(&mut self, file: &'a LogFile, at: u64) -> Result<Found, OpenError> {
        let rest = (file.len - at) as usize;
        let mut want = HEAD;
        loop {
            let bytes = self.piece.from(file, at, want)?;
            match record::parse(bytes, false) {
                Ok(view) => return Ok(Found::Record(view.len())),
                Err(RecordError::Blank { .. }) => return Ok(Found::Blank),
                Err(RecordError::Truncated { needed, .. }) if needed <= rest && needed > bytes.len() => want = needed,
                Err(error) => return Ok(Found::Nothing(error.to_string())),
            }
        }
    }

    /// Gives one record, after what is wrong with it.
    fn give(
        &mut self,
        file: &'a LogFile,
        at: u64,
        len: usize,
        step: &mut impl FnMut(Step<'_>) -> Result<ControlFlow<()>, OpenError>,
    ) -> Result<ControlFlow<()>, OpenError> {
        let (check, offset) = (self.check_crc, file.base + at as i64);
        let bytes = self.piece.from(file, at, len)?;
        let Ok(view) = record::parse(&bytes[..len], false) else { return Ok(ControlFlow::Continue(())) };
        let mut wrong = Vec::new();
        if let Some(error) = view.check_body_crc().err().filter(|_| check && !view.body().is_empty()) {
            wrong.push(error.to_string());
        }
        if view.physical_offset() != offset {
            wrong.push(format!("the record at offset {offset} says that it lies at {}", view.physical_offset()));
        }
        if view.topic().is_empty() || view.topic().contains('\0') {
            wrong.push(format!("the record at offset {offset} has no topic, it was not written to its end"));
        }
        for text in wrong {
            let text = format!(
                "{text} (topic {}, queue {}, queue offset {})",
                view.topic(),
                view.queue_id(),
                view.queue_offset()
            );
            if step(Step::Damage(Finding::damage(&file.path, at, text)))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        step(Step::Record(view, offset))
    }

    /// Looks for the next record or blank record behind `at`; says too whether there are only zeros from `at` on.
    fn next_record(&mut self, file: &'a LogFile, at: u64) -> Result<(bool, Option<u64>), OpenError> {
        let mut zeros = true;
        let mut from = at;
        while from + (BLANK_BYTES as u64) <= file.len {
            let (base, len) = (file.base, file.len);
            let piece = self.piece.from(file, from, HEAD)?;
            let (piece_len, mut candidates) = (piece.len(), Vec::new());
            zeros &= piece.iter().all(|byte| *byte == 0);
            if piece.iter().any(|byte| *byte != 0) {
                candidates = (0..piece.len() - BLANK_BYTES + 1)
                    .filter(|skip| {
                        from + *skip as u64 > at && is_start(&piece[*skip..], base, from + *skip as u64, len)
                    })
                    .collect();
            }
            for skip in candidates {
                if !matches!(self.look(file, from + skip as u64)?, Found::Nothing(_)) {
                    return Ok((false, Some(from + skip as u64)));
                }
            }
            // The head of a record may reach over the end of the piece.
            from += if piece_len > HEAD { piece_len - HEAD } else { piece_len } as u64;
            if from + (HEAD as u64) >= len {
                break;
            }
        }
        Ok((zeros, None))
    }
}

/// Whether a record or the blank record may begin with `bytes`, at byte `at` of the segment at `base`.
fn is_start(bytes: &[u8], base: i64, at: u64, segment_len: u64) -> bool {
    let (Some(first), Some(magic)) = (word(bytes, 0), word(bytes, 4)) else { return false };
    match magic {
        MAGIC_BLANK => u64::try_from(first).is_ok_and(|rest| rest == segment_len - at),
        MAGIC_V1 | MAGIC_V2 => says_it_lies_at(bytes, base + at as i64),
        _ => false,
    }
}

/// Whether `bytes` are the head of a record that lies at `offset` by its own words.
fn says_it_lies_at(bytes: &[u8], offset: i64) -> bool {
    let magic = word(bytes, 4);
    let physical = bytes.get(PHYSICAL_OFFSET_AT..HEAD).and_then(|part| part.try_into().ok()).map(i64::from_be_bytes);
    (magic == Some(MAGIC_V1) || magic == Some(MAGIC_V2)) && physical == Some(offset)
}

fn word(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map(i32::from_be_bytes)
}
