//! Reading a queue: units, filter, limits, and the records as slices of the log (store.md 3.7).
use crate::batch::Facts;
use crate::error::{ReadError, WouldBlock};
use crate::index::KnownProperties;
use crate::log::Log;
use crate::options::{ReadLimits, UNIT_BYTES};
use crate::platform::memory_bytes;
use crate::queue::extension::ExtensionReader;
use crate::queue::{Queue, Units};
use crate::types::{GetRequest, GetResult, GetStatus, Unit};
use bytes::Bytes;
use ferromq_protocol::record;

/// Bytes of consume queue looked at in one read (`maxFilterMessageSize`): 800 units.
const SCAN_BYTES: usize = 16_000;
/// Units this far behind the end of their queue may have left memory, so that reading them may wait for the disk.
const RECENT_UNITS: i64 = 50_000;

/// What reads need to know of the store's options.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub limits: ReadLimits,
    /// Distance from the end of the log up to which data counts as being in memory.
    pub memory_distance: i64,
    /// Milliseconds of each delay level.
    pub delay_levels: Vec<i64>,
}

/// The tags code that the unit of a record would have without an extension; None for bytes that are no record.
pub(crate) fn tags_code_of(record: &[u8], delay_levels: &[i64]) -> Option<i64> {
    let view = record::parse(record, false).ok()?;
    let facts = Facts::of(view.topic(), view.sys_flag(), &KnownProperties::of(view.properties()));
    Some(facts.unit_code(view.store_timestamp(), delay_levels))
}

/// Records that lie side by side in one segment.
struct Run {
    start: i64,
    len: usize,
    count: usize,
    first_offset: i64,
    /// End of their segment.
    segment_end: i64,
}

/// A scan over units.
struct Scan<'a> {
    log: &'a Log,
    reader: &'a Reader,
    request: &'a GetRequest<'a>,
    runs: Vec<Run>,
    count: usize,
    bytes: usize,
    /// Behind the last unit looked at.
    next: i64,
    last_physical: i64,
    removed: bool,
    /// The filter reads records, and one of them is not in memory: the scan ended before it.
    blocked: bool,
    /// Data from here on counts as being in memory.
    memory_from: i64,
    /// Where the addresses of units lead to, if the queue has an extension.
    extended: Option<ExtensionReader<'a>>,
}

impl Reader {
    /// The limits, with the machine's memory looked up.
    pub fn new(limits: ReadLimits, delay_levels: Vec<i64>) -> Self {
        let memory_distance = memory_bytes() / 100 * u64::from(limits.memory_ratio_percent);
        Self { limits, memory_distance: i64::try_from(memory_distance).unwrap_or(i64::MAX), delay_levels }
    }

    /// Whether data at `physical` counts as being in memory.
    pub fn in_memory(&self, log: &Log, physical: i64) -> bool {
        log.written() - physical <= self.memory_distance
    }

    /// Answers one read.
    pub fn get(&self, log: &Log, queue: Option<&Queue>, request: &GetRequest<'_>) -> Result<GetResult, WouldBlock> {
        let Some(queue) = queue else { return Ok(GetResult::empty(GetStatus::NoMatchedLogicQueue, 0, 0, 0)) };
        let (min, max, offset) = (queue.min(), queue.max(), request.offset);
        let answer = |status, next| Ok(GetResult::empty(status, next, min, max));
        if max == 0 {
            return answer(GetStatus::NoMessageInQueue, 0);
        } else if offset < min {
            return answer(GetStatus::OffsetTooSmall, min);
        } else if offset == max {
            return answer(GetStatus::OffsetOverflowOne, offset);
        } else if offset > max {
            return answer(GetStatus::OffsetOverflowBadly, max);
        }
        let Some(mut units) = queue.units(offset) else {
            if queue.has_file_of(offset) {
                return answer(GetStatus::Unreadable, offset);
            }
            return answer(GetStatus::OffsetFoundNull, queue.next_file_start(offset));
        };
        units.limit((SCAN_BYTES / UNIT_BYTES).max(request.max_count));
        if !request.blocking && max - offset > RECENT_UNITS && !units.is_resident() {
            return Err(WouldBlock);
        }
        let mut scan = Scan {
            log,
            reader: self,
            request,
            runs: Vec::with_capacity(1),
            count: 0,
            bytes: 0,
            next: offset,
            last_physical: 0,
            removed: false,
            blocked: false,
            memory_from: log.written().saturating_sub(self.memory_distance),
            extended: queue.extension_reader(),
        };
        scan.look(&units);
        if let Err(error) = units.check() {
            tracing::error!(topic = %queue.topic, queue = queue.id, offset, %error, "units of a consume queue cannot be read");
            return answer(GetStatus::Unreadable, offset);
        }
        scan.answer(min, max)
    }
}

impl Scan<'_> {
    /// Goes over the units until the answer is full.
    fn look(&mut self, units: &Units) {
        let min_physical = self.log.min_offset();
        let mapped_from = self.log.mapped_from(self.reader.limits.mapped_bytes);
        let reads_records = self.request.filter.reads_records();
        for read in units.iter() {
            let (unit, offset, messages) = (read.unit, read.base, usize::from(read.count.unsigned_abs().max(1)));
            let size = usize::try_from(unit.size).unwrap_or(0);
            let in_log = !unit.is_blank() && unit.is_valid();
            if in_log && self.is_full(size, messages, unit.physical) {
                return;
            }
            self.next = read.end();
            if !in_log {
                continue;
            }
            self.last_physical = unit.physical;
            if !unit.is_extended() && !self.request.filter.matches(unit.tags_code) {
                continue;
            }
            if unit.physical < min_physical {
                self.removed = true;
                continue;
            }
            if unit.is_extended() && !self.wants_extended(&unit, size, mapped_from) {
                if self.blocked {
                    self.next = offset;
                    return;
                }
                continue;
            }
            if reads_records && !self.wants(&unit, size, mapped_from) {
                if self.blocked {
                    self.next = offset;
                    return;
                }
                continue;
            }
            self.add(offset, &unit, size, messages);
        }
    }

    /// Asks the filter about the tags code that is not in the unit.
    fn wants_extended(&mut self, unit: &Unit, size: usize, mapped_from: i64) -> bool {
        let filter = self.request.filter;
        if let Some(code) = self.extended.as_mut().and_then(|reader| reader.tags_code(unit.tags_code)) {
            return filter.matches(code);
        }
        self.asks(unit, size, mapped_from, |record| {
            let code = tags_code_of(record, &self.reader.delay_levels);
            code.is_none_or(|code| filter.matches(code))
        })
    }

    /// Asks the filter about the record of a unit.
    fn wants(&mut self, unit: &Unit, size: usize, mapped_from: i64) -> bool {
        let filter = self.request.filter;
        self.asks(unit, size, mapped_from, |record| filter.matches_record(record))
    }

    /// Asks about the record of a unit.
    fn asks(&mut self, unit: &Unit, size: usize, mapped_from: i64, wanted: impl Fn(&[u8]) -> bool) -> bool {
        match self.log.bytes_at(unit.physical, size, mapped_from, self.request.blocking) {
            // What was no record is given to the answer, as below.
            Ok(Ok(Some(record))) => return wanted(&record) || self.log.has_lost(unit.physical),
            Ok(Ok(None)) => self.removed = true,
            Ok(Err(WouldBlock)) => self.blocked = true,
            // Given to the answer, which reads it again and deals with it.
            Err(_) => return true,
        }
        false
    }

    /// Whether another record of `size` bytes is too much (the first one never is).
    fn is_full(&self, size: usize, messages: usize, physical: i64) -> bool {
        if self.count == 0 {
            return false;
        }
        let limits = &self.reader.limits;
        let (bytes_max, count_max) = if physical >= self.memory_from {
            (limits.memory_bytes_max, limits.memory_count_max)
        } else {
            (limits.disk_bytes_max, limits.disk_count_max)
        };
        let bytes = self.bytes + size;
        self.count + messages > self.request.max_count.min(count_max) || bytes > self.request.max_bytes.min(bytes_max)
    }

    fn add(&mut self, offset: i64, unit: &Unit, size: usize, messages: usize) {
        self.count += messages;
        self.bytes += size;
        if let Some(run) = self.runs.last_mut() {
            if run.start + run.len as i64 == unit.physical && unit.physical < run.segment_end {
                run.len += size;
                run.count += messages;
                return;
            }
        }
        let segment_size = self.log.segment_size as i64;
        let segment_end = (unit.physical / segment_size + 1) * segment_size;
        self.runs.push(Run { start: unit.physical, len: size, count: messages, first_offset: offset, segment_end });
    }

    /// Reads the runs. What cannot be read without waiting ends the answer before it, or the read when nothing came before.
    fn answer(mut self, min: i64, max: i64) -> Result<GetResult, WouldBlock> {
        if self.blocked && self.runs.is_empty() {
            return Err(WouldBlock);
        }
        let mapped_from = self.log.mapped_from(self.reader.limits.mapped_bytes);
        let mut slices: Vec<Bytes> = Vec::with_capacity(self.runs.len());
        let (mut count, mut bytes, mut unreadable) = (0, 0, false);
        for run in &self.runs {
            match self.log.bytes_at(run.start, run.len, mapped_from, self.request.blocking) {
                Ok(Ok(Some(slice))) => {
                    count += run.count;
                    bytes += slice.len();
                    slices.push(slice);
                }
                Ok(Ok(None)) => self.removed = true,
                Ok(Err(WouldBlock)) if slices.is_empty() => return Err(WouldBlock),
                Ok(Err(WouldBlock)) => {
                    self.next = run.first_offset;
                    break;
                }
                Err(error) => {
                    report(&error);
                    // What cannot be read is not passed over: the reader comes back to it.
                    (self.next, unreadable) = (run.first_offset, true);
                    break;
                }
            }
        }
        let status = match (count, self.removed) {
            (1.., _) => GetStatus::Found,
            (0, _) if unreadable => GetStatus::Unreadable,
            (0, true) => GetStatus::MessageWasRemoving,
            (0, false) => GetStatus::NoMatchedMessage,
        };
        let suggest_slave = self.last_physical > 0 && !self.reader.in_memory(self.log, self.last_physical);
        Ok(GetResult {
            status,
            next_offset: self.next,
            min_offset: min,
            max_offset: max,
            slices,
            count,
            bytes,
            suggest_slave,
        })
    }
}

fn report(error: &ReadError) {
    tracing::error!(%error, "records cannot be read");
}
