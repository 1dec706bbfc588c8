//! The small values of the public interface: requests, answers, arrivals, units.
use crate::log::Descriptor;
use crate::queue::Queue;
use bytes::Bytes;
use std::sync::Arc;

/// A consume queue unit: where a record lies (store.md 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Offset of the record in the log.
    pub physical: i64,
    /// Bytes of the record.
    pub size: i32,
    /// Java hash of the tag, or the deliver time in SCHEDULE_TOPIC_XXXX.
    pub tags_code: i64,
}

/// Size written into units before the first one of a queue that does not start at the front of its file.
pub const BLANK_UNIT_SIZE: i32 = i32::MAX;

impl Unit {
    /// True for a unit that only keeps the place of units that are gone.
    pub fn is_blank(&self) -> bool {
        self.size == BLANK_UNIT_SIZE && self.physical == 0
    }

    /// True when the tags code is an address in a consume queue extension, as they are written with enableConsumeQueueExt (store.md
    /// 3.1). The code itself is then found there, or with the record.
    pub fn is_extended(&self) -> bool {
        self.tags_code < i64::from(i32::MIN)
    }

    /// True for anything that was written: zeros were not (store.md 3.3).
    pub fn is_valid(&self) -> bool {
        self.physical >= 0 && self.size > 0
    }
}

/// Decides which records a read gives: by the tags code of a unit, before the record is read, and by the record itself
/// where a filter asks for it.
pub trait UnitFilter {
    /// True when the record is wanted, as far as its tags code tells.
    fn matches(&self, tags_code: i64) -> bool;

    /// True when everything is wanted: then [`matches`](Self::matches) need not be asked.
    fn matches_all(&self) -> bool {
        false
    }

    /// True when [`matches_record`](Self::matches_record) has to be asked as well; every record looked at is read then.
    fn reads_records(&self) -> bool {
        false
    }

    /// True when the record is wanted.
    fn matches_record(&self, _record: &[u8]) -> bool {
        true
    }
}

/// Wants everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct MatchAll;

impl UnitFilter for MatchAll {
    fn matches_all(&self) -> bool {
        true
    }

    fn matches(&self, _tags_code: i64) -> bool {
        true
    }
}

impl<F: Fn(i64) -> bool> UnitFilter for F {
    fn matches(&self, tags_code: i64) -> bool {
        self(tags_code)
    }
}

/// One read of a queue.
#[derive(Clone, Copy)]
pub struct GetRequest<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Queue of the topic.
    pub queue_id: i32,
    /// First queue offset wanted.
    pub offset: i64,
    /// Most records.
    pub max_count: usize,
    /// Most bytes; the first record is given whatever its size.
    pub max_bytes: usize,
    /// What is wanted.
    pub filter: &'a dyn UnitFilter,
    /// True: wait for the disk. False: give [`crate::WouldBlock`] when something is not in memory.
    pub blocking: bool,
}

/// Outcome of a read, in the order of the checks (store.md 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetStatus {
    /// Records are there.
    Found,
    /// Units were looked at, none was wanted.
    NoMatchedMessage,
    /// The queue is empty.
    NoMessageInQueue,
    /// There is no such queue.
    NoMatchedLogicQueue,
    /// The offset is below the smallest.
    OffsetTooSmall,
    /// The offset is the next one to come.
    OffsetOverflowOne,
    /// The offset is beyond the next one to come.
    OffsetOverflowBadly,
    /// The consume queue file of the offset is gone.
    OffsetFoundNull,
    /// The log no longer has the records.
    MessageWasRemoving,
    /// The records, or their units, are there and the disk does not give them. The reader is to come back to the same offset:
    /// Apache's store lets it go on behind them.
    Unreadable,
}

/// Answer to a read.
#[derive(Debug, Clone)]
pub struct GetResult {
    /// What was found.
    pub status: GetStatus,
    /// Where to read on.
    pub next_offset: i64,
    /// Smallest offset of the queue.
    pub min_offset: i64,
    /// Next offset of the queue to come.
    pub max_offset: i64,
    /// The records, in order; neighbours in the log share a slice.
    pub slices: Vec<Bytes>,
    /// Records in the slices.
    pub count: usize,
    /// Bytes in the slices.
    pub bytes: usize,
    /// The data lies so far back that reading from a slave is better.
    pub suggest_slave: bool,
}

impl GetResult {
    pub(crate) fn empty(status: GetStatus, next_offset: i64, min_offset: i64, max_offset: i64) -> Self {
        let (count, bytes, suggest_slave) = (0, 0, false);
        Self { status, next_offset, min_offset, max_offset, slices: Vec::new(), count, bytes, suggest_slave }
    }
}

/// Which of two neighbours a time between them means (store.md 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The first record at or after the time.
    Lower,
    /// The last record at or before the time.
    Upper,
}

/// Outcome of waiting for a flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlushOutcome {
    /// On the disk (or: flushing is asynchronous and nobody waits).
    Flushed,
    /// Not yet on the disk when the time was over; the records are stored.
    TimedOut,
    /// The flush failed, or the store was shut down before it.
    Failed(crate::NotWritable),
}

/// A record that can now be read from its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Queue of the topic.
    pub queue_id: i32,
    /// Its offset in the queue.
    pub queue_offset: i64,
    /// See [`Unit::tags_code`].
    pub tags_code: i64,
    /// Milliseconds, by the broker's clock.
    pub store_timestamp: i64,
}

/// Records that can now be read, in the order of the log.
#[derive(Debug, Clone, Copy)]
pub struct Arrivals<'a> {
    pub(crate) queues: &'a [Arc<Queue>],
    pub(crate) records: &'a [Descriptor],
}

impl<'a> Arrivals<'a> {
    /// The records.
    pub fn iter(&self) -> impl Iterator<Item = Arrival<'a>> + Clone {
        let queues = self.queues;
        self.records.iter().filter(|record| record.enters_queue).map(move |record| {
            let queue = &queues[record.queue as usize];
            Arrival {
                topic: &queue.topic,
                queue_id: queue.id,
                queue_offset: record.queue_offset,
                tags_code: record.tags_code,
                store_timestamp: record.store_timestamp,
            }
        })
    }

    /// Stretches of records for one queue; neighbouring ones may be for the same.
    pub fn by_queue(&self) -> impl Iterator<Item = Arrivals<'a>> {
        let queues = self.queues;
        self.records.chunk_by(|a, b| a.queue == b.queue).map(move |records| Arrivals { queues, records })
    }
}

/// Told about every record that becomes readable, once.
pub trait ArrivalListener: Send + Sync {
    /// Called after the units are visible, from whichever thread dispatches. The records of one call are in the order of the log; calls
    /// of several threads may come in another order than theirs. Must not block and must not call
    /// [`crate::Store::append`].
    fn arrived(&self, arrivals: Arrivals<'_>);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoListener;

impl ArrivalListener for NoListener {
    fn arrived(&self, _arrivals: Arrivals<'_>) {}
}

/// What happened to one record of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordResult {
    /// Offset in the log.
    pub physical_offset: i64,
    /// Offset in the queue; 0 for prepared and rolled back transaction records.
    pub queue_offset: i64,
    /// Milliseconds, by the broker's clock.
    pub store_timestamp: i64,
    /// Bytes of the record.
    pub size: u32,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// End of the last record: give this to [`crate::Store::when_flushed`].
    pub end_offset: i64,
}

/// Answer to a query by key.
#[derive(Debug, Clone, Default)]
pub struct QueryResult {
    /// The records, newest first, one slice each.
    pub slices: Vec<Bytes>,
    /// Newest store time stamp in the index.
    pub index_last_update_timestamp: i64,
    /// Log offset of the newest record in the index.
    pub index_last_update_phyoffset: i64,
}

/// Numbers of a running store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Records appended since the start.
    pub records_appended: u64,
    /// Bytes appended since the start.
    pub bytes_appended: u64,
    /// Flushes of the log since the start.
    pub flushes: u64,
    /// Reads answered since the start.
    pub reads: u64,
    /// Records given to readers since the start.
    pub records_read: u64,
    /// Log segments.
    pub segments: usize,
    /// Topics that have a queue.
    pub topics: usize,
}

/// The calendar day of `unix_ms` (milliseconds since 1970) in the time zone of this machine: year, month, day.
pub fn local_day(unix_ms: i64) -> (i32, u32, u32) {
    let time = crate::index::platform::local_time(unix_ms);
    (time.year, time.month, time.day)
}
