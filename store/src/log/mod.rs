//! The commit log: one endless stream of records, cut into segments (store.md 2).
//!
//! It knows positions and bytes, and the queues only as counters to be raised; consume queues follow by dispatch.
//!
//! Positions, each raised only: *flushed* <= *written*. Bytes below *written* never change.
//!
//! Locks: `tail` is the append lock. Nothing under it waits, opens a file, or takes another lock; the prepare thread
//! keeps the pages ahead populated and the next segment ready. `segments` may be taken while nothing else is held.
pub(crate) mod append;
pub(crate) mod cursor;
pub(crate) mod flush;
pub(crate) mod gather;
pub(crate) mod paths;
pub(crate) mod prepare;
pub(crate) mod raw;
pub(crate) mod read;
pub(crate) mod recover;
pub(crate) mod segment;

use crate::batch::AppendBatch;
use crate::clock::now_ms;
use crate::error::NotWritable;
use crate::platform::MapWriter;
use crate::queue::Queue;
use crate::spin::{lock_soon, Padded};
use crate::types::Appended;
use cursor::Growth;
use parking_lot::{Mutex, RwLock};
use paths::LogPaths;
use prepare::Prepare;
use segment::Segment;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes left free at the end of every segment for the blank record (store.md 2.5).
pub(crate) const BLANK_BYTES: usize = 8;

/// A record that is in the log and not yet in its consume queue.
#[derive(Debug)]
pub(crate) struct Descriptor {
    /// Which of the queues beside it, in the batch or in [`Pending::queues`], it goes to.
    pub queue: u32,
    pub queue_offset: i64,
    pub physical: i64,
    pub size: i32,
    pub tags_code: i64,
    pub store_timestamp: i64,
    pub enters_queue: bool,
    pub messages: i16,
}

impl Descriptor {
    /// Offset behind the record.
    pub fn end(&self) -> i64 {
        self.physical + i64::from(self.size)
    }
}

/// What appenders leave for dispatch, in the order of the log, because they could not put it into the queues themselves.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub descriptors: Vec<Descriptor>,
    /// The queues of the descriptors, one for each stretch of neighbours that have the same.
    pub queues: Vec<Arc<Queue>>,
}

impl Pending {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.descriptors.clear();
        self.queues.clear();
    }

    /// Adds descriptors, whose queues are among `queues`.
    pub fn add(&mut self, descriptors: impl Iterator<Item = Descriptor>, queues: &[Arc<Queue>]) {
        let before = self.queues.len() as u32;
        self.queues.extend_from_slice(queues);
        self.descriptors.extend(descriptors.map(|each| Descriptor { queue: before + each.queue, ..each }));
    }
}

/// The end of the log; everything in here is written under the append lock.
#[derive(Debug)]
pub(crate) struct Tail {
    pub segment: Arc<Segment>,
    pub writer: MapWriter,
    /// Where the next record goes in the segment.
    pub position: usize,
    /// The segment to go on with; put here by the prepare thread.
    pub next: Option<(Arc<Segment>, MapWriter)>,
    /// Store times never go back.
    pub last_timestamp: i64,
    pub pending: Pending,
    /// Set once: nothing is appended any more, for the directory may soon be another store's.
    pub closed: bool,
}

impl Tail {
    /// End of the log.
    pub fn end(&self) -> i64 {
        self.segment.base + self.position as i64
    }
}

/// What others may know of the end of the log. Stored under the append lock.
#[derive(Debug)]
struct End {
    /// End of the records. Stored (Release) after the bytes are readable.
    written: AtomicI64,
    /// Store time of the newest record.
    last_timestamp: AtomicI64,
    /// When the append lock was taken, milliseconds; 0 while it is free.
    held_since: AtomicI64,
    /// Descriptors ever left in [`Pending`].
    left: AtomicU64,
    /// Records ever appended.
    records: AtomicU64,
    bytes_appended: AtomicU64,
}

/// The commit log.
pub(crate) struct Log {
    pub paths: LogPaths,
    pub segment_size: usize,
    /// Oldest first, without gaps; the last ones may be prepared and unused.
    segments: RwLock<VecDeque<Arc<Segment>>>,
    /// Offset of the oldest byte: where the first segment begins. Stored under `segments`.
    min: AtomicI64,
    tail: Padded<Mutex<Tail>>,
    end: Padded<End>,
    /// Everything below is on the disk. Stored by whoever flushes, under `flushing`.
    flushed: AtomicI64,
    /// One flush at a time, and none after one that failed, whose reason is kept here.
    flushing: Mutex<Option<NotWritable>>,
    /// Since when an append waits for the next segment, milliseconds; 0 while none does. Stored by those who wait.
    waits_since: AtomicI64,
    flushes: AtomicU64,
    /// Where the last record began at the start, -1 when none was seen.
    pub opened_last_record: i64,
    /// Data below this offset was there before the start: it is read into buffers, for it is not in our page tables.
    opened_at: i64,
    pub prepare: Prepare,
    growth: Growth,
    /// How long an append waits for the next segment.
    segment_timeout: Duration,
    raw: Mutex<raw::RawState>,
}

impl Log {
    /// The log over recovered segments; `tail` is the segment that is written to and where its records end, `last` the
    /// store time of the last record and where it begins.
    pub fn new(
        paths: LogPaths,
        segments: VecDeque<Arc<Segment>>,
        tail: (Arc<Segment>, MapWriter, usize),
        last: (i64, Option<i64>),
        segment_timeout: Duration,
    ) -> Log {
        let (last_timestamp, last_record) = last;
        let (segment, writer, position) = tail;
        let segment_size = segment.size();
        let end = segment.base + position as i64;
        let tail =
            Tail { segment, writer, position, next: None, last_timestamp, pending: Pending::default(), closed: false };
        Log {
            paths,
            segment_size,
            min: AtomicI64::new(segments.front().map_or(0, |segment| segment.base)),
            segments: RwLock::new(segments),
            tail: Padded(Mutex::new(tail)),
            end: Padded(End {
                written: AtomicI64::new(end),
                last_timestamp: AtomicI64::new(last_timestamp),
                held_since: AtomicI64::new(0),
                left: AtomicU64::new(0),
                records: AtomicU64::new(0),
                bytes_appended: AtomicU64::new(0),
            }),
            flushed: AtomicI64::new(end),
            flushing: Mutex::default(),
            waits_since: AtomicI64::new(0),
            flushes: AtomicU64::new(0),
            opened_last_record: last_record.unwrap_or(-1),
            opened_at: end,
            prepare: Prepare::default(),
            growth: Growth::default(),
            segment_timeout,
            raw: Mutex::new(raw::RawState::default()),
        }
    }

    /// Offset of the oldest byte.
    pub fn min_offset(&self) -> i64 {
        self.min.load(Ordering::Acquire)
    }

    /// End of the records.
    pub fn written(&self) -> i64 {
        self.end.written.load(Ordering::Acquire)
    }

    /// Everything below is on the disk.
    pub fn flushed(&self) -> i64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// Store time of the newest record.
    pub fn last_timestamp(&self) -> i64 {
        self.end.last_timestamp.load(Ordering::Acquire)
    }

    /// Descriptors ever left for dispatch.
    pub fn left(&self) -> u64 {
        self.end.left.load(Ordering::Acquire)
    }

    /// Records and bytes appended, and flushes done, since the start.
    pub fn counters(&self) -> (u64, u64, u64) {
        let [records, bytes] = [&self.end.records, &self.end.bytes_appended].map(|count| count.load(Ordering::Relaxed));
        (records, bytes, self.flushes.load(Ordering::Relaxed))
    }

    /// For how long appends have been kept waiting, in milliseconds: the append lock has been held, or the next segment has not been
    /// ready; 0 while neither is so.
    pub fn lock_held_ms(&self) -> i64 {
        let since = [&self.end.held_since, &self.waits_since].map(|since| since.load(Ordering::Relaxed));
        let earliest = since.into_iter().filter(|since| *since != 0).min();
        earliest.map_or(0, |since| (now_ms() - since).max(0))
    }

    /// Whether an append of so many bytes may have to wait for the next segment. A guess: others append meanwhile.
    pub fn may_wait(&self, bytes: usize) -> bool {
        // The position in the segment; a log that has just filled its segment is at 0 of the next one.
        let position = self.written() as usize % self.segment_size;
        let leaves = position + bytes + BLANK_BYTES > self.segment_size;
        // A large batch may need more than the one segment that is ready.
        leaves && (bytes > self.segment_size / 2 || self.tail.lock().next.is_none())
    }

    /// The segment that holds `offset`.
    pub fn segment_at(&self, offset: i64) -> Option<Arc<Segment>> {
        self.segment_in(&self.segments.read(), offset).cloned()
    }

    fn segment_in<'a>(&self, segments: &'a VecDeque<Arc<Segment>>, offset: i64) -> Option<&'a Arc<Segment>> {
        let back = offset.checked_sub(segments.front()?.base).filter(|back| *back >= 0)?;
        segments.get(usize::try_from(back).ok()? / self.segment_size)
    }

    /// All segments that records were written to, oldest first.
    pub fn used_segments(&self) -> Vec<Arc<Segment>> {
        let written = self.written();
        let used = |segment: &&Arc<Segment>| segment.base < written.max(1);
        let segments = self.segments.read();
        let used: Vec<_> = segments.iter().filter(used).cloned().collect();
        if used.is_empty() {
            return segments.front().cloned().into_iter().collect();
        }
        used
    }

    /// Removes the file of the oldest segment and takes it off the log; it must start at `base` and not be the last used one. After an
    /// error it is still the oldest: were the next one removed before it, the next start would find a hole.
    pub fn delete_oldest(&self, base: i64) -> std::io::Result<()> {
        let first = self.segments.read().front().cloned();
        let Some(segment) = first.filter(|first| first.base == base && first.end() < self.written()) else {
            return Err(std::io::Error::other(format!(
                "the log's oldest segment that may go does not start at {base}"
            )));
        };
        tracing::info!(path = %segment.path.display(), "log segment deleted");
        crate::disk::unless_gone(crate::disk::remove_file(&segment.path))?;
        // Before the next one goes: a power cut must not bring this one back without its neighbour.
        segment.path.parent().map_or(Ok(()), crate::disk::sync_dir)?;
        let mut segments = self.segments.write();
        segments.pop_front();
        self.min.store(segments.front().map_or(0, |segment| segment.base), Ordering::Release);
        Ok(())
    }

    /// Tells those who follow the log that it, or the part of it that may be seen, has grown.
    pub fn notify_growth(&self) {
        let watched = {
            let _tail = lock_soon(&self.tail);
            self.growth.is_watched()
        };
        if watched {
            self.growth.notify();
        }
    }

    /// Waits until `reached` holds, which the growth of the log brings about; false when `deadline` passes first.
    pub fn wait_for_growth(&self, deadline: Instant, reached: impl Fn() -> bool) -> bool {
        let under_append_lock = |count: &dyn Fn()| {
            let _tail = self.tail.lock();
            count();
        };
        self.growth.wait(deadline, under_append_lock, reached)
    }

    /// Lets dispatch take what waits for it.
    pub fn with_pending<T>(&self, take: impl FnOnce(&mut Pending) -> T) -> T {
        take(&mut lock_soon(&self.tail).pending)
    }

    /// Refuses appends from now on; those that had the append lock are in the log.
    pub fn close(&self) {
        self.tail.lock().closed = true;
    }

    /// Removes a prepared segment that was never used. For a clean stop.
    pub fn remove_unused(&self) {
        let next = self.tail.lock().next.take();
        let Some((segment, _writer)) = next else { return };
        self.segments.write().retain(|other| other.base != segment.base);
        if let Err(error) = crate::disk::remove_file(&segment.path) {
            tracing::warn!(path = %segment.path.display(), %error, "the unused segment was not removed");
        }
    }
}

/// What an append of the whole batch did.
pub(crate) fn append_result(batch: &AppendBatch, log: &Log) -> Appended {
    let end = batch.results().last().map(|last| last.physical_offset + i64::from(last.size));
    Appended { end_offset: end.unwrap_or_else(|| log.written()) }
}
