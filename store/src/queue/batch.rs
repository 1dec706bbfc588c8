//! Batch consume queues: units of 46 bytes, one per record, which may hold several messages (store.md 3.6).
//!
//! Files are named by positions in the stream of units, as always; which unit holds a queue offset is found by halving. A record that
//! comes again is known by its place in the log.
use super::{Queue, Writing};
use crate::types::{Boundary, Unit};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

/// Which form the units of a queue have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// 20 bytes, one per message.
    Simple,
    /// 46 bytes, one per record.
    Batch,
}

impl Form {
    /// Bytes of a unit.
    pub fn unit_bytes(self) -> usize {
        match self {
            Form::Simple => crate::UNIT_BYTES,
            Form::Batch => BATCH_UNIT_BYTES,
        }
    }
}

/// Smallest and next queue offset of a batch queue.
#[derive(Debug, Default)]
pub(crate) struct Span {
    min: AtomicI64,
    max: AtomicI64,
}

impl Span {
    pub fn min(&self) -> i64 {
        self.min.load(Ordering::Acquire)
    }

    pub fn max(&self) -> i64 {
        self.max.load(Ordering::Acquire)
    }

    /// At start, and for the first unit.
    pub fn set(&self, min: i64, max: i64) {
        self.set_min(min);
        self.set_max(max);
    }

    /// Whoever drops units; others put some meanwhile.
    pub fn set_min(&self, min: i64) {
        self.min.store(min, Ordering::Release);
    }

    /// Whoever puts units; others drop some meanwhile.
    fn set_max(&self, max: i64) {
        self.max.store(max, Ordering::Release);
    }
}

/// Bytes of one unit.
pub(crate) const BATCH_UNIT_BYTES: usize = 46;
/// Written as compactedOffset by everybody but the compaction.
const NOT_COMPACTED: i32 = -1;

/// One unit; those of simple queues are told in this form too, with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchUnit {
    pub unit: Unit,
    /// Milliseconds.
    pub store_timestamp: i64,
    /// Queue offset of the first message of the record.
    pub base: i64,
    /// Messages in the record.
    pub count: i16,
}

impl BatchUnit {
    /// The unit of a record with one message.
    pub fn single(base: i64, unit: Unit, store_timestamp: i64) -> BatchUnit {
        BatchUnit { unit, store_timestamp, base, count: 1 }
    }

    /// Queue offset behind its last message.
    pub fn end(&self) -> i64 {
        self.base + i64::from(self.count.max(1))
    }

    /// Reads the unit at the front of `bytes`; what is missing counts as zero.
    pub fn decode(bytes: &[u8]) -> BatchUnit {
        let eight = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, i64::from_be_bytes);
        let count = bytes.get(36..38).and_then(|b| b.try_into().ok()).map_or(0, i16::from_be_bytes);
        BatchUnit { unit: super::decode_unit(bytes), store_timestamp: eight(20), base: eight(28), count }
    }

    /// The bytes of the unit.
    pub fn encode(&self) -> [u8; BATCH_UNIT_BYTES] {
        let mut bytes = [0; BATCH_UNIT_BYTES];
        bytes[..20].copy_from_slice(&super::encode_unit(&self.unit));
        bytes[20..28].copy_from_slice(&self.store_timestamp.to_be_bytes());
        bytes[28..36].copy_from_slice(&self.base.to_be_bytes());
        bytes[36..38].copy_from_slice(&self.count.to_be_bytes());
        bytes[38..42].copy_from_slice(&NOT_COMPACTED.to_be_bytes());
        bytes
    }
}

impl Queue {
    /// Writes the unit of a record behind the last one, unless its queue offset is taken.
    pub(super) fn put_batch(&self, writing: &mut Option<Writing>, new: &BatchUnit) -> io::Result<()> {
        let max = self.span.max();
        if new.base == 0 && max > 0 {
            tracing::warn!(topic = %self.topic, queue = self.id, dropped = max, "the queue starts over, its topic was made anew");
            self.drop_files(writing)?;
        } else if new.base < max {
            tracing::error!(topic = %self.topic, queue = self.id, offset = new.base, physical = new.unit.physical, "the place of a record in its queue is taken, it is left out");
            return Ok(());
        } else if new.base > max && max > 0 {
            tracing::error!(topic = %self.topic, queue = self.id, from = max, to = new.base, "units are missing in a batch consume queue");
        }
        let number = self.max.load(Ordering::Relaxed);
        self.write(writing, number, &new.encode())?;
        self.physical_end.store(new.unit.physical + i64::from(new.unit.size), Ordering::Relaxed);
        self.max.store(number + 1, Ordering::Release);
        if number == 0 {
            self.physical_min.store(new.unit.physical, Ordering::Relaxed);
            self.span.set_min(new.base);
        }
        self.span.set_max(new.end());
        Ok(())
    }

    /// The batch unit with that number. May wait for the disk.
    pub(super) fn batch_at(&self, number: i64) -> Option<BatchUnit> {
        self.read_batch(number).ok().flatten()
    }

    /// The same, or why it cannot be read, which is said in the log.
    fn read_batch(&self, number: i64) -> io::Result<Option<BatchUnit>> {
        let start = self.file_start(number);
        let Some(file) = self.file_at(self.position(start)) else { return Ok(None) };
        let mut bytes = [0; BATCH_UNIT_BYTES];
        let read = file.read((number - start) as usize * BATCH_UNIT_BYTES, &mut bytes);
        read.map(|()| Some(BatchUnit::decode(&bytes))).inspect_err(
            |error| tracing::error!(path = %file.path().display(), %error, "cannot read a consume queue file"),
        )
    }

    /// Number of the last readable unit for which `holds`, which is so for the first ones only. An error when the disk does not say.
    fn last_where(&self, holds: impl Fn(&BatchUnit) -> bool) -> io::Result<Option<i64>> {
        let (mut low, mut high) = (self.unit_min(), self.unit_max());
        let first = low;
        while low < high {
            let middle = low + (high - low) / 2;
            if self.read_batch(middle)?.is_some_and(|unit| holds(&unit)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok((low > first).then_some(low - 1))
    }

    /// Number of the unit that holds a queue offset; of the one behind it when none does. None, too, when the disk does not say.
    pub(super) fn number_of(&self, offset: i64) -> Option<i64> {
        let before = self.last_where(|unit| unit.base <= offset).ok()?;
        match before.and_then(|number| Some((number, self.batch_at(number)?))) {
            Some((number, unit)) if offset < unit.end() => Some(number),
            Some((number, _)) => Some(number + 1).filter(|number| *number < self.unit_max()),
            None => Some(self.unit_min()).filter(|number| *number < self.unit_max()),
        }
    }

    /// The offset that a time means: always the first one of a unit. A time behind the last one means the last unit, for both
    /// kinds of boundary.
    pub(super) fn batch_offset_by_time(&self, timestamp: i64, boundary: Boundary) -> i64 {
        let last = self.unit_max() - 1;
        let last_where = |holds: &dyn Fn(&BatchUnit) -> bool| self.last_where(holds).ok().flatten();
        let number = match boundary {
            Boundary::Lower => last_where(&|unit| unit.store_timestamp < timestamp).map_or(self.unit_min(), |n| n + 1),
            Boundary::Upper => last_where(&|unit| unit.store_timestamp <= timestamp).unwrap_or(self.unit_min()),
        };
        self.batch_at(number.min(last)).map_or(self.span.min(), |unit| unit.base)
    }

    /// Smallest and next queue offset of a batch queue that has the units from `min` to `max`; None for a simple queue, whose offsets are
    /// the numbers of its units. An error when one of them cannot be read: offsets that were given must not be given again.
    pub(super) fn span_of(&self, min: i64, max: i64) -> io::Result<Option<(i64, i64)>> {
        if self.form == Form::Simple {
            return Ok(None);
        }
        let last = if max > 0 { self.read_batch(max - 1)? } else { None };
        let end = last.map_or(0, |last| last.end());
        let first = if min < max { self.read_batch(min)? } else { None };
        Ok(Some((first.map_or(end, |first| first.base), end)))
    }

    /// Sets what [`span_of`](Self::span_of) found.
    pub(super) fn set_span(&self, found: Option<(i64, i64)>) {
        if let Some((min, max)) = found {
            self.span.set(min, max);
        }
    }
}

/// Whether the attributes of a topic say that its queues are batch consume queues.
pub(crate) fn is_batch(attributes: &BTreeMap<String, String>) -> bool {
    attributes.get("queue.type").is_some_and(|kind| kind == "BatchCQ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit is what it was, and its fields stand where store.md 3.6 says.
    #[test]
    fn fields_in_their_places() {
        let unit = Unit { physical: 0x0102_0304_0506_0708, size: 9, tags_code: -2 };
        let batch = BatchUnit { unit, store_timestamp: 10, base: 11, count: 12 };
        let bytes = batch.encode();
        assert_eq!(BatchUnit::decode(&bytes), batch);
        assert_eq!((bytes[0], bytes[11], bytes[27], bytes[35], bytes[37]), (1, 9, 10, 11, 12));
        assert_eq!(bytes[38..], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    }
}
