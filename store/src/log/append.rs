//! Appending: offsets, patches, one copy, one publication per run of records, all under the append lock.
use super::{Descriptor, Log, Pending, Tail, BLANK_BYTES};
use crate::batch::AppendBatch;
use crate::clock::{now_ms, recent_ms};
use crate::error::{AppendError, NotWritable};
use crate::spin::lock_soon;
use crate::types::RecordResult;
use ferromq_protocol::record::{MAGIC_BLANK, PHYSICAL_OFFSET_AT, QUEUE_OFFSET_AT};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Why filling stopped.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Done,
    NeedSegment,
    QueueRemoved,
    Closed,
    Broken,
}

impl Log {
    /// Appends the records of `batch`, whose queues are set. Results are in the batch; after an error they tell what was
    /// stored nevertheless. `dispatch` is given them under the append lock, those in [`AppendBatch::placed`] from some place on, as soon
    /// as they can be read: it takes them out of there, or leaves there what is dispatched already. `find_queues` looks for the queues
    /// again, when one of them has ended.
    pub fn append(
        &self,
        batch: &mut AppendBatch,
        delay_levels: &[i64],
        dispatch: impl Fn(&mut Pending, &mut AppendBatch, usize),
        find_queues: impl Fn(&mut AppendBatch),
    ) -> Result<(), AppendError> {
        self.check_sizes(batch)?;
        let (mut done, mut deadline, mut watched) = (0, None, false);
        loop {
            // Asked without the lock, which is held for less time than that takes.
            let clock = recent_ms();
            let (stop, lost) = {
                let mut tail = lock_soon(&self.tail);
                let placed_before = batch.placed.len();
                let stop = self.fill(&mut tail, batch, &mut done, clock, delay_levels);
                if batch.placed.len() > placed_before {
                    dispatch(&mut tail.pending, batch, placed_before);
                }
                watched |= self.growth.is_watched();
                self.end.held_since.store(0, Ordering::Relaxed);
                (stop, tail.writer.map().has_lost())
            };
            if lost {
                // What was written to a page that is lost is in no file: the flush fails, for good.
                self.flush()?;
            }
            self.prepare.wake_if_due(self.written());
            match stop {
                Stop::Done => break,
                Stop::NeedSegment => {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.segment_timeout);
                    // The earliest of several that wait counts.
                    let _ = self.waits_since.compare_exchange(0, now_ms(), Ordering::Relaxed, Ordering::Relaxed);
                    let waited = self.prepare.wait_for_segment(deadline);
                    self.waits_since.store(0, Ordering::Relaxed);
                    waited.map_err(|reason| AppendError::NoSegment { reason })?;
                }
                Stop::QueueRemoved => find_queues(batch),
                Stop::Closed => return Err(NotWritable::ShutDown.into()),
                Stop::Broken => {
                    let reason = "the end of the log lies outside its segment; restart the broker".to_owned();
                    return Err(AppendError::NoSegment { reason });
                }
            }
        }
        if watched {
            self.growth.notify();
        }
        Ok(())
    }

    /// A group has to fit into an empty segment.
    fn check_sizes(&self, batch: &AppendBatch) -> Result<(), AppendError> {
        let max = self.segment_size - BLANK_BYTES;
        match batch.group_longer_than(max) {
            None => Ok(()),
            Some(entry) => {
                let topic = batch.topic_of(entry).to_owned();
                Err(AppendError::RecordTooLarge { topic, len: entry.group_bytes, max })
            }
        }
    }

    /// Puts as much of the batch into the log as there are segments for, from record `done` on.
    fn fill(
        &self,
        tail: &mut Tail,
        batch: &mut AppendBatch,
        done: &mut usize,
        clock: i64,
        delay_levels: &[i64],
    ) -> Stop {
        if tail.closed {
            return Stop::Closed;
        }
        if batch.queues().iter().any(|queue| queue.is_removed()) {
            return Stop::QueueRemoved;
        }
        self.end.held_since.store(clock, Ordering::Relaxed);
        tail.last_timestamp = tail.last_timestamp.max(clock);
        let (before, placed_before) = (tail.end(), batch.results.len());
        // Records that were given a place at the end of the segment and are not copied yet.
        let mut run = 0..0;
        let mut stop = Stop::Done;
        loop {
            let room = self.segment_size.saturating_sub(tail.position + run.len() + BLANK_BYTES);
            let Some((count, bytes)) = batch.next_for(*done, room) else { break };
            if bytes > room {
                if !copy(tail, batch, &mut run) {
                    stop = Stop::Broken;
                    break;
                }
                if tail.next.is_none() {
                    stop = Stop::NeedSegment;
                    break;
                }
                self.roll(tail);
                continue;
            }
            let (at, first_physical) = (batch.entries[*done].at, tail.end() + run.len() as i64);
            place(tail, batch, *done..*done + count, first_physical, delay_levels);
            *done += count;
            run = if run.is_empty() { at..at + bytes } else { run.start..at + bytes };
        }
        if !copy(tail, batch, &mut run) {
            stop = Stop::Broken;
        }
        self.count_records(batch.results.len() - placed_before);
        self.publish(tail, before);
        stop
    }

    /// Makes what was copied visible.
    pub(super) fn publish(&self, tail: &Tail, before: i64) {
        let end = tail.end();
        let bytes = self.end.bytes_appended.load(Ordering::Relaxed) + (end - before).max(0) as u64;
        self.end.bytes_appended.store(bytes, Ordering::Relaxed);
        self.end.written.store(end, Ordering::Release);
        // After the position: what is flushed up to there has this time, or an earlier one.
        self.end.last_timestamp.store(tail.last_timestamp, Ordering::Release);
    }

    /// Ends the segment with a blank record and goes on with the next one, which must be there (store.md 2.5).
    fn roll(&self, tail: &mut Tail) {
        let rest = self.segment_size - tail.position;
        let mut blank = [0; BLANK_BYTES];
        blank[..4].copy_from_slice(&(rest as i32).to_be_bytes());
        blank[4..].copy_from_slice(&MAGIC_BLANK.to_be_bytes());
        if !tail.writer.write(tail.position, &blank) {
            tracing::error!(path = %tail.segment.path.display(), position = tail.position, "no room for the blank record");
        }
        self.next_segment(tail);
    }

    /// Goes on with the next segment; the current one counts as full.
    pub(super) fn next_segment(&self, tail: &mut Tail) {
        let Some((segment, writer)) = tail.next.take() else { return };
        tail.writer.publish(self.segment_size);
        tail.segment = segment;
        tail.writer = writer;
        tail.position = 0;
        self.end.written.store(tail.end(), Ordering::Release);
        self.prepare.segment_taken();
    }

    pub(super) fn count_records(&self, count: usize) {
        let records = self.end.records.load(Ordering::Relaxed) + count as u64;
        self.end.records.store(records, Ordering::Relaxed);
    }

    /// So many descriptors were left in [`Pending`]. Under the append lock.
    pub fn count_left(&self, count: usize) {
        // Read by the dispatcher without the append lock.
        let left = self.end.left.load(Ordering::Relaxed) + count as u64;
        self.end.left.store(left, Ordering::Release);
    }
}

/// Bytes copied at a time. For longer pieces the C library takes an instruction for strings, which some processors need three
/// times as long for.
const COPY_BYTES: usize = 1024;

/// Copies the run to the end of the log.
fn copy(tail: &mut Tail, batch: &AppendBatch, run: &mut std::ops::Range<usize>) -> bool {
    let range = std::mem::replace(run, 0..0);
    if range.is_empty() {
        return true;
    }
    for piece in batch.bytes[range].chunks(COPY_BYTES) {
        if !tail.writer.write(tail.position, piece) {
            return false;
        }
        tail.position += piece.len();
    }
    tail.writer.publish(tail.position);
    true
}

/// Gives the records `range` their offsets and times, from `physical` on.
fn place(
    tail: &mut Tail,
    batch: &mut AppendBatch,
    range: std::ops::Range<usize>,
    mut physical: i64,
    delay_levels: &[i64],
) {
    let store_timestamp = tail.last_timestamp;
    let AppendBatch { bytes, entries, queues, results, placed, .. } = batch;
    results.reserve(range.len());
    placed.extend(entries[range].iter().map(|entry| {
        let (queue, facts) = (&queues[entry.queue as usize], &entry.facts);
        let queue_offset = if facts.enters_queue { queue.take_offset(facts.messages) } else { 0 };
        let record = &mut bytes[entry.at..entry.at + entry.len as usize];
        let mut patch = |at: usize, value: i64| record[at..at + 8].copy_from_slice(&value.to_be_bytes());
        patch(QUEUE_OFFSET_AT, queue_offset);
        patch(PHYSICAL_OFFSET_AT, physical);
        patch(entry.timestamp_at as usize, store_timestamp);
        let (physical_offset, size) = (physical, entry.len);
        results.push(RecordResult { physical_offset, queue_offset, store_timestamp, size });
        physical += i64::from(size);
        Descriptor {
            queue: entry.queue,
            queue_offset,
            physical: physical_offset,
            size: size as i32,
            tags_code: facts.unit_code(store_timestamp, delay_levels),
            store_timestamp,
            enters_queue: facts.enters_queue,
            messages: facts.messages,
        }
    }));
}
