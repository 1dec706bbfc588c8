//! Reading a queue: units, filter, limits, and the records as slices of the log (store.md 3.7).
use crate::batch::Facts;
use crate::error::{ReadError, WouldBlock};
use crate::log::Log;
use crate::options::{ReadLimits, UNIT_BYTES};
use crate::platform::memory_bytes;
use crate::queue::batch::BatchUnit;
use crate::queue::extension::ExtensionReader;
use crate::queue::{decode_unit, Queue, Units};
use crate::types::{GetRequest, GetResult, GetStatus, Unit};
use bytes::Bytes;
use ferromq_protocol::record;
use smallvec::SmallVec;

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
    let facts = Facts::of(view.topic(), view.sys_flag(), view.properties());
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

/// What all units of a scan are compared with.
struct Bounds {
    /// Offset of the oldest byte of the log.
    min_physical: i64,
    mapped_from: i64,
    /// The filter wants to see records.
    reads_records: bool,
}

/// A scan over units.
struct Scan<'a> {
    log: &'a Log,
    reader: &'a Reader,
    request: &'a GetRequest<'a>,
    /// Mostly one: neighbours in a queue lie side by side, or in one batch of their producer.
    runs: SmallVec<[Run; 4]>,
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
            let min = queue.min();
            if offset < min {
                // Deleted in between.
                return Ok(GetResult::empty(GetStatus::OffsetTooSmall, min, min, max));
            }
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
            runs: SmallVec::new(),
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
        let bounds = Bounds {
            min_physical: self.log.min_offset(),
            mapped_from: self.log.mapped_from(self.reader.limits.mapped_bytes),
            reads_records: self.request.filter.reads_records(),
        };
        let mut place = 0;
        while let Some(read) = units.at(place) {
            if !self.look_at(&read, &bounds) {
                return;
            }
            place += 1;
            if !bounds.reads_records {
                place += self.take_neighbours(units.simple_from(place));
            }
        }
    }

    /// Looks at one unit; false when the scan ends before it.
    fn look_at(&mut self, read: &BatchUnit, bounds: &Bounds) -> bool {
        let (unit, offset, messages) = (read.unit, read.base, usize::from(read.count.unsigned_abs().max(1)));
        let size = usize::try_from(unit.size).unwrap_or(0);
        let in_log = !unit.is_blank() && unit.is_valid();
        if in_log && self.is_full(size, messages, unit.physical) {
            return false;
        }
        self.next = read.end();
        if !in_log {
            return true;
        }
        self.last_physical = unit.physical;
        if !unit.is_extended() && !self.request.filter.matches(unit.tags_code) {
            return true;
        }
        if unit.physical < bounds.min_physical {
            self.removed = true;
            return true;
        }
        let wanted = (!unit.is_extended() || self.wants_extended(&unit, size, bounds.mapped_from))
            && (!bounds.reads_records || self.wants(&unit, size, bounds.mapped_from));
        if wanted {
            self.add(offset, &unit, size, messages);
        } else if self.blocked {
            self.next = offset;
            return false;
        }
        true
    }

    /// The usual case, on the way of every message: units that are wanted and whose records lie behind each other and behind the last one
    /// that was added. Ends before the first one that is anything else; returns how many it took.
    fn take_neighbours(&mut self, units: &[[u8; UNIT_BYTES]]) -> usize {
        let Some(run) = self.runs.last() else { return 0 };
        let (mut end, mut stop) = (run.start + run.len as i64, run.segment_end);
        let (bytes_max, count_max) = self.limits(end);
        if end < self.memory_from {
            // Other limits hold from there on.
            stop = stop.min(self.memory_from);
        }
        let matches_all = self.request.filter.matches_all();
        let (mut taken, mut bytes) = (0, 0);
        for unit in units.iter().take(count_max.saturating_sub(self.count)) {
            let unit = decode_unit(unit);
            let size = usize::try_from(unit.size).unwrap_or(0);
            let follows = unit.physical == end && end < stop && size > 0 && self.bytes + bytes + size <= bytes_max;
            let wanted = matches_all || (!unit.is_extended() && self.request.filter.matches(unit.tags_code));
            if !follows || !wanted {
                break;
            }
            (taken, bytes) = (taken + 1, bytes + size);
            self.last_physical = unit.physical;
            end += i64::from(unit.size);
        }
        if let Some(run) = self.runs.last_mut() {
            run.len += bytes;
            run.count += taken;
        }
        self.count += taken;
        self.bytes += bytes;
        self.next += taken as i64;
        taken
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
        let (bytes_max, count_max) = self.limits(physical);
        self.count > 0 && (self.count + messages > count_max || self.bytes + size > bytes_max)
    }

    /// Most bytes and records of an answer whose last record lies at `physical`.
    fn limits(&self, physical: i64) -> (usize, usize) {
        let (request, limits) = (self.request, &self.reader.limits);
        let (bytes_max, count_max) = if physical >= self.memory_from {
            (limits.memory_bytes_max, limits.memory_count_max)
        } else {
            (limits.disk_bytes_max, limits.disk_count_max)
        };
        (request.max_bytes.min(bytes_max), request.max_count.min(count_max))
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
