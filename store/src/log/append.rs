//! Appending: offsets, patches, one copy, one publication per run of records, all under the append lock.
use super::{now_ms, Descriptor, Log, Tail, BLANK_BYTES};
use crate::batch::AppendBatch;
use crate::error::{AppendError, NotWritable};
use crate::types::RecordResult;
use ferromq_protocol::record::{MAGIC_BLANK, PHYSICAL_OFFSET_AT, QUEUE_OFFSET_AT};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// How far an append has come in its batch.
#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    entry: usize,
    /// The queue of the batch that was given to dispatch last, and its place there.
    queue: Option<(usize, usize)>,
}

/// Why filling stopped.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Done,
    NeedSegment,
    Closed,
    Broken,
}

impl Log {
    /// Appends the records of `batch`, whose queues are set. Results are in the batch; after an error they tell what was
    /// stored nevertheless.
    pub fn append(&self, batch: &mut AppendBatch, delay_levels: &[i64]) -> Result<(), AppendError> {
        self.check_sizes(batch)?;
        let mut progress = Progress::default();
        let mut deadline = None;
        loop {
            let (stop, lost) = {
                let mut tail = self.tail.lock();
                // Dispatch took what it was given before.
                progress.queue = None;
                let stop = self.fill(&mut tail, batch, &mut progress, delay_levels);
                self.held_since.store(0, Ordering::Relaxed);
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
                Stop::Closed => return Err(NotWritable::ShutDown.into()),
                Stop::Broken => {
                    let reason = "the end of the log lies outside its segment; restart the broker".to_owned();
                    return Err(AppendError::NoSegment { reason });
                }
            }
        }
        self.growth.notify();
        Ok(())
    }

    /// A group has to fit into an empty segment.
    fn check_sizes(&self, batch: &AppendBatch) -> Result<(), AppendError> {
        let max = self.segment_size - BLANK_BYTES;
        match batch.entries.iter().find(|entry| entry.group_bytes > max) {
            None => Ok(()),
            Some(entry) => {
                let topic = batch.topic_of(entry).to_owned();
                Err(AppendError::RecordTooLarge { topic, len: entry.group_bytes, max })
            }
        }
    }

    /// Puts as much of the batch into the log as there are segments for.
    fn fill(&self, tail: &mut Tail, batch: &mut AppendBatch, progress: &mut Progress, delay_levels: &[i64]) -> Stop {
        if tail.closed {
            return Stop::Closed;
        }
        let clock = now_ms();
        self.held_since.store(clock, Ordering::Relaxed);
        tail.last_timestamp = tail.last_timestamp.max(clock);
        let (before, placed_before) = (tail.end(), batch.results.len());
        // Records that were given a place at the end of the segment and are not copied yet.
        let mut run = 0..0;
        let mut stop = Stop::Done;
        while let Some(entry) = batch.entries.get(progress.entry) {
            let (count, bytes, at) = (entry.group_count.max(1), entry.group_bytes, entry.at);
            if run.is_empty() {
                run = at..at;
            }
            if tail.position + run.len() + bytes + BLANK_BYTES > self.segment_size {
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
            let first_physical = tail.end() + run.len() as i64;
            place(tail, batch, progress, count, first_physical, delay_levels);
            run.end = at + bytes;
        }
        if !copy(tail, batch, &mut run) {
            stop = Stop::Broken;
        }
        self.count_pushed(batch.results.len() - placed_before);
        self.publish(tail, before);
        stop
    }

    /// Makes what was copied visible.
    pub(super) fn publish(&self, tail: &Tail, before: i64) {
        let end = tail.end();
        let bytes = self.bytes_appended.load(Ordering::Relaxed) + (end - before).max(0) as u64;
        self.bytes_appended.store(bytes, Ordering::Relaxed);
        self.written.store(end, Ordering::Release);
        // After the position: what is flushed up to there has this time, or an earlier one.
        self.last_timestamp.store(tail.last_timestamp, Ordering::Release);
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
        self.written.store(tail.end(), Ordering::Release);
        self.prepare.segment_taken();
    }

    pub(super) fn count_pushed(&self, count: usize) {
        // Read by the dispatcher without the append lock.
        let pushed = self.pushed.load(Ordering::Relaxed) + count as u64;
        self.pushed.store(pushed, Ordering::Release);
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

/// Gives the next `count` records their offsets and times, from `physical` on, and leaves their descriptors for dispatch.
fn place(
    tail: &mut Tail,
    batch: &mut AppendBatch,
    progress: &mut Progress,
    count: usize,
    mut physical: i64,
    delay_levels: &[i64],
) {
    let store_timestamp = tail.last_timestamp;
    let last = (progress.entry + count).min(batch.entries.len());
    for entry in &batch.entries[progress.entry..last] {
        let queue = &batch.queues[entry.queue];
        let place = match progress.queue {
            Some((known, place)) if known == entry.queue => place,
            _ => {
                tail.pending.queues.push(queue.clone());
                tail.pending.queues.len() - 1
            }
        };
        progress.queue = Some((entry.queue, place));
        let enters_queue = entry.facts.enters_queue;
        let queue_offset = if enters_queue { queue.take_offset(entry.facts.messages) } else { 0 };
        let bytes = &mut batch.bytes[entry.at..entry.at + entry.len];
        bytes[QUEUE_OFFSET_AT..QUEUE_OFFSET_AT + 8].copy_from_slice(&queue_offset.to_be_bytes());
        bytes[PHYSICAL_OFFSET_AT..PHYSICAL_OFFSET_AT + 8].copy_from_slice(&physical.to_be_bytes());
        bytes[entry.timestamp_at..entry.timestamp_at + 8].copy_from_slice(&store_timestamp.to_be_bytes());
        let size = entry.len as u32;
        batch.results.push(RecordResult { physical_offset: physical, queue_offset, store_timestamp, size });
        tail.pending.descriptors.push(Descriptor {
            queue: place,
            queue_offset,
            physical,
            size: size as i32,
            tags_code: entry.facts.unit_code(store_timestamp, delay_levels),
            store_timestamp,
            enters_queue,
            messages: entry.facts.messages,
        });
        physical += i64::from(size);
    }
    progress.entry = last;
}
