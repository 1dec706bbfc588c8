//! Appending raw bytes at the end of the log, as a follower of another log does. Records may be cut anywhere between
//! two calls; each is left for dispatch when it is complete.
use super::{Descriptor, Log};
use crate::batch::Facts;
use crate::error::{AppendError, NotWritable};
use crate::queue::{Queue, QueueTable};
use ferromq_protocol::record::{self, RecordError, RecordView};
use std::sync::Arc;
use std::time::Instant;

/// How far raw appends have been looked through. Guarded by its lock, which is taken before the append lock.
#[derive(Debug, Default)]
pub(crate) struct RawState {
    /// End of the last raw append.
    end: i64,
    /// Start of the first record that was not complete then.
    next: i64,
}

impl Log {
    /// Appends `bytes`, which must start where the log ends; returns the new end.
    pub fn append_raw(
        &self,
        offset: i64,
        bytes: &[u8],
        queues: &QueueTable,
        delay_levels: &[i64],
    ) -> Result<i64, AppendError> {
        let mut raw = self.raw.lock();
        if raw.end != offset {
            raw.next = offset;
        }
        let mut rest = bytes;
        let deadline = Instant::now() + self.segment_timeout;
        let mut at = offset;
        while !rest.is_empty() {
            let copied = self.copy_raw(at, rest)?;
            if copied == 0 {
                self.prepare.wait_for_segment(deadline).map_err(|reason| AppendError::NoSegment { reason })?;
            }
            at += copied as i64;
            rest = &rest[copied..];
        }
        raw.end = at;
        raw.next = self.push_complete(raw.next, at, queues, delay_levels);
        self.prepare.wake_if_due(at);
        self.notify_growth();
        Ok(at)
    }

    /// Copies what fits into the current segment.
    fn copy_raw(&self, at: i64, bytes: &[u8]) -> Result<usize, AppendError> {
        let mut tail = self.tail.lock();
        if tail.closed {
            return Err(NotWritable::ShutDown.into());
        }
        if tail.end() != at {
            return Err(AppendError::RawOffset { offset: at, end: tail.end() });
        }
        if tail.position == self.segment_size {
            self.next_segment(&mut tail);
        }
        let before = tail.end();
        let count = bytes.len().min(self.segment_size - tail.position);
        let position = tail.position;
        if count == 0 || !tail.writer.write(position, &bytes[..count]) {
            return Ok(0);
        }
        tail.position += count;
        tail.writer.publish(position + count);
        self.publish(&tail, before);
        Ok(count)
    }

    /// Leaves every complete record between `from` and `end` for dispatch; returns where the first incomplete one starts.
    fn push_complete(&self, from: i64, end: i64, queues: &QueueTable, delay_levels: &[i64]) -> i64 {
        let mut at = from;
        let mut described = Vec::new();
        while let Some(segment) = self.segment_at(at).filter(|_| at < end) {
            let stop = end.min(segment.end());
            let (from, to) = ((at - segment.base) as usize, (stop - segment.base) as usize);
            let Some(bytes) = segment.share(from, to).ok().flatten() else { break };
            match record::parse(&bytes, false) {
                Ok(view) => {
                    described.push(describe(&view, at, queues, delay_levels));
                    at += view.len() as i64;
                }
                Err(RecordError::Blank { .. }) => at = segment.end(),
                Err(RecordError::Truncated { .. }) => break,
                Err(error) => {
                    tracing::error!(offset = at, %error, "raw bytes are no record; the rest of the segment is not dispatched");
                    at = segment.end();
                }
            }
        }
        let mut tail = self.tail.lock();
        self.count_records(described.len());
        self.count_left(described.len());
        for (queue, descriptor) in described {
            tail.last_timestamp = tail.last_timestamp.max(descriptor.store_timestamp);
            tail.pending.add(std::iter::once(descriptor), &[queue]);
        }
        at
    }
}

/// What dispatch has to know of a record in the log, and the queue of the record.
fn describe(
    view: &RecordView<'_>,
    physical: i64,
    queues: &QueueTable,
    delay_levels: &[i64],
) -> (Arc<Queue>, Descriptor) {
    let store_timestamp = view.store_timestamp();
    let facts = Facts::of(view.topic(), view.sys_flag(), view.properties());
    let queue = queues.find_or_create(view.topic(), view.queue_id());
    if facts.enters_queue {
        queue.raise_next_offset(view.queue_offset(), facts.messages);
    }
    let descriptor = Descriptor {
        queue: 0,
        queue_offset: view.queue_offset(),
        physical,
        size: view.len() as i32,
        tags_code: facts.unit_code(store_timestamp, delay_levels),
        store_timestamp,
        enters_queue: facts.enters_queue,
        messages: facts.messages,
    };
    (queue, descriptor)
}
