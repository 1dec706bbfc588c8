//! The store: one data directory, opened. Everything public goes through here.
//!
//! [`Store`] is the handle; dropping the last one without [`Store::shutdown`] ends the threads and leaves the directory as
//! after a kill. What threads work on is [`Inner`](crate::life::Inner), which does not own them.
use crate::get::{tags_code_of, Reader};
use crate::life::{Inner, Life};
use crate::log::append_result;
use crate::queue::Queue;
use crate::*;
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records given for one key at most, whatever was asked for (`maxMsgsNumBatch`).
const QUERY_MAX: usize = 64;
/// Bytes of records given for one key at most: as many as a frame of the protocol holds beside its header (16 MiB, wire.md 1.1), since
/// no client takes a longer answer. The newest record is given whatever its size; those that are left out are the oldest, and are
/// found by asking for earlier ones. Without this bound an answer would have 64 times `maxMessageSize`.
const QUERY_BYTES_MAX: usize = (16 << 20) - (64 << 10);
/// How long a query waits for the index thread, which gathers for 2 ms. A busy broker is never idle: there the newest
/// records may still be missing from the answer.
const INDEX_WAIT: Duration = Duration::from_millis(20);

/// An open data directory. Shared by everyone who reads or appends; all methods take `&self`.
pub struct Store {
    inner: Arc<Inner>,
    reader: Reader,
    life: Life,
}

impl Store {
    /// Opens `options.root`: takes the lock file, loads and recovers log, consume queues and index, starts the threads.
    /// `listener` hears of every record that becomes readable from now on.
    pub fn open(options: StoreOptions, listener: Arc<dyn ArrivalListener>) -> Result<Arc<Store>, OpenError> {
        let reader = Reader::new(options.read, options.delay_levels.clone());
        let (inner, life) = life::open(options, listener)?;
        Ok(Arc::new(Self { inner, reader, life }))
    }

    /// What it was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.inner.options
    }

    /// A batch with this store's limits.
    pub fn new_batch(&self) -> AppendBatch {
        AppendBatch::with_max_message_size(self.inner.options.max_message_size)
    }

    /// Appends the records of `batch` in order, under one lock. On return they are stored (not yet forced to the disk, see
    /// [`when_flushed`](Self::when_flushed)); [`AppendBatch::results`] has their offsets. After an error the results tell
    /// which of them were stored nevertheless.
    pub fn append(&self, batch: &mut AppendBatch) -> Result<Appended, AppendError> {
        let inner = &self.inner;
        batch.forget_results();
        inner.writable()?;
        batch.find_queues(&inner.queues);
        self.append_found(batch)
    }

    /// The rest of an append, for a batch whose queues are found. They may end meanwhile.
    fn append_found(&self, batch: &mut AppendBatch) -> Result<Appended, AppendError> {
        let inner = &self.inner;
        let dispatch = |pending: &mut _, batch: &mut _, from| inner.dispatch.take(pending, batch, from);
        let find_queues = |batch: &mut AppendBatch| {
            // What is placed is of the queues that were found before.
            inner.dispatch.tell(batch.queues(), &batch.placed);
            batch.placed.clear();
            batch.find_queues(&inner.queues);
        };
        let outcome = inner.log.append(batch, &inner.options.delay_levels, dispatch, find_queues);
        inner.after_append(Some(batch));
        outcome?;
        Ok(append_result(batch, &inner.log))
    }

    /// Appends raw bytes of a log at its end, as replication and tools do. `offset` must be the end of the log.
    pub fn append_raw(&self, offset: i64, bytes: &[u8]) -> Result<(), AppendError> {
        let inner = &self.inner;
        inner.writable()?;
        inner.log.append_raw(offset, bytes, &inner.queues, &inner.options.delay_levels)?;
        inner.after_append(None);
        Ok(())
    }

    /// Calls `done` when everything below `end_offset` is on the disk, or when `deadline` passes. With asynchronous flush
    /// nobody waits: `done` is called at once. Called from another thread, or from this one before it returns.
    pub fn when_flushed(&self, end_offset: i64, deadline: Instant, done: Box<dyn FnOnce(FlushOutcome) + Send>) {
        if self.inner.is_sync() {
            self.inner.waiters.add(&self.inner.log, end_offset, deadline, done);
        } else {
            done(FlushOutcome::Flushed);
        }
    }

    /// Reads a queue. [`WouldBlock`] only without `blocking`: ask again, blocking, from a thread that may wait.
    pub fn get(&self, request: &GetRequest<'_>) -> Result<GetResult, WouldBlock> {
        let queue = self.inner.queues.find(request.topic, request.queue_id);
        let result = self.reader.get(&self.inner.log, queue.as_deref(), request)?;
        self.inner.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.records_read.fetch_add(result.count as u64, Ordering::Relaxed);
        Ok(result)
    }

    /// A queue, for those who push to it often; None for a queue that nothing was written to.
    pub fn queue(&self, topic: &str, queue_id: i32) -> Option<QueueHandle> {
        self.inner.queues.find(topic, queue_id).map(QueueHandle)
    }

    /// Smallest and next offset of a queue; None for a queue that nothing was written to.
    pub fn queue_offsets(&self, topic: &str, queue_id: i32) -> Option<(i64, i64)> {
        self.inner.queues.find(topic, queue_id).map(|queue| (queue.min(), queue.max()))
    }

    /// Smallest offset of a queue; 0 for an unknown one.
    pub fn min_offset(&self, topic: &str, queue_id: i32) -> i64 {
        self.queue_offsets(topic, queue_id).map_or(0, |(min, _)| min)
    }

    /// Next offset of a queue; 0 for an unknown one.
    pub fn max_offset(&self, topic: &str, queue_id: i32) -> i64 {
        self.queue_offsets(topic, queue_id).map_or(0, |(_, max)| max)
    }

    /// The record at a physical offset, checked; None when the log does not reach to it, or no longer, and while it may not
    /// be seen yet ([`confirmed_offset`](Self::confirmed_offset)). May wait.
    pub fn record_at(&self, physical: i64) -> Result<Option<Bytes>, ReadError> {
        if physical >= self.inner.confirmed() {
            return Ok(None);
        }
        self.inner.log.record_at(physical, self.inner.options.read.mapped_bytes)
    }

    /// The record at an offset of a queue. May wait for the disk.
    pub fn record_of(&self, topic: &str, queue_id: i32, queue_offset: i64) -> Option<Bytes> {
        let unit = self.unit(topic, queue_id, queue_offset)?;
        self.record_at(unit.physical).ok().flatten()
    }

    /// Store time of a record of a queue, milliseconds. May wait for the disk.
    pub fn store_time_of(&self, topic: &str, queue_id: i32, queue_offset: i64) -> Option<i64> {
        let unit = self.unit(topic, queue_id, queue_offset)?;
        self.inner.log.store_time_at(unit.physical).ok().flatten()
    }

    /// The consume queue unit at an offset. May wait for the disk.
    pub fn unit(&self, topic: &str, queue_id: i32, queue_offset: i64) -> Option<Unit> {
        let queue = self.inner.queues.find(topic, queue_id)?;
        let mut unit = queue.unit(queue_offset)?;
        if unit.is_extended() {
            let extended = queue.extension_reader().and_then(|mut reader| reader.tags_code(unit.tags_code));
            let code = extended.or_else(|| {
                let record = self.record_at(unit.physical).ok().flatten();
                record.and_then(|record| tags_code_of(&record, &self.reader.delay_levels))
            });
            unit.tags_code = code.unwrap_or(unit.tags_code);
        }
        Some(unit)
    }

    /// Whether the record of a queue lies so near to the end of the log that it counts as being in memory.
    pub fn is_in_memory(&self, topic: &str, queue_id: i32, queue_offset: i64) -> bool {
        let unit = self.unit(topic, queue_id, queue_offset);
        unit.is_some_and(|unit| self.reader.in_memory(&self.inner.log, unit.physical))
    }

    /// The offset of a queue that a time means (store.md 3.4), between its smallest and next offset; 0 for an unknown one.
    pub fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp: i64, boundary: Boundary) -> i64 {
        let Some(queue) = self.inner.queues.find(topic, queue_id) else { return 0 };
        queue.offset_by_time(timestamp, boundary, |physical| self.inner.log.store_time_at(physical))
    }

    /// Store time of the first record of a queue, milliseconds; -1 without one.
    pub fn earliest_store_time(&self, topic: &str, queue_id: i32) -> i64 {
        let min = self.min_offset(topic, queue_id);
        self.store_time_of(topic, queue_id, min).unwrap_or(-1)
    }

    /// Records whose key (or unique key) hashes like `key`, stored in `begin..=end` ms, newest first, `max` or 64 at most, and no more than
    /// fit into a frame; what cannot be read is left out and named in the log. The caller compares the key itself. May wait for the
    /// disk, and shortly for the index thread, so that who has sent a message finds it.
    pub fn query(&self, topic: &str, key: &str, max: usize, begin: i64, end: i64) -> QueryResult {
        let Some(index) = &self.inner.index else { return QueryResult::default() };
        index.wait_idle(INDEX_WAIT);
        let answer = index.query(topic, key, max.min(QUERY_MAX), begin, end);
        QueryResult {
            slices: self.newest(&answer.offsets),
            index_last_update_timestamp: answer.last_update_timestamp,
            index_last_update_phyoffset: answer.last_update_physical,
        }
    }

    /// The records at these offsets, as many from the front as an answer holds.
    fn newest(&self, offsets: &[i64]) -> Vec<Bytes> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        for physical in offsets {
            match self.record_at(*physical) {
                Ok(Some(record)) if records.is_empty() || bytes + record.len() <= QUERY_BYTES_MAX => {
                    bytes += record.len();
                    records.push(record);
                }
                Ok(Some(_)) => break,
                // Deleted, or not to be seen yet.
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "a record that has the key cannot be read"),
            }
        }
        records
    }

    /// Follows the raw bytes of the log from `from` on.
    pub fn cursor(self: &Arc<Self>, from: i64) -> LogCursor {
        LogCursor { store: self.clone(), offset: from }
    }

    /// Offset of the oldest byte of the log.
    pub fn min_log_offset(&self) -> i64 {
        self.inner.log.min_offset()
    }

    /// End of the log.
    pub fn max_log_offset(&self) -> i64 {
        self.inner.log.written()
    }

    /// Everything below is on the disk.
    pub fn flushed_offset(&self) -> i64 {
        self.inner.log.flushed()
    }

    /// Everything below may be seen: what is flushed with synchronous flush, else what is written.
    pub fn confirmed_offset(&self) -> i64 {
        self.inner.confirmed()
    }

    /// Bytes of the log that are not in their consume queues yet.
    pub fn dispatch_behind_bytes(&self) -> i64 {
        if self.inner.dispatch.is_idle() {
            return 0;
        }
        (self.inner.log.written() - self.inner.dispatch.end()).max(0)
    }

    /// Why no record is accepted at the moment, if so.
    pub fn is_writable(&self) -> Result<(), NotWritable> {
        self.inner.writable()
    }

    /// Whether an append of so many bytes may have to wait for the disk, so that a thread that must not wait leaves it to another. A
    /// guess: others append meanwhile.
    pub fn append_may_wait(&self, bytes: usize) -> bool {
        self.inner.log.may_wait(bytes)
    }

    /// For how long appends have been kept waiting, milliseconds: the append lock has been held, or the next segment has not been
    /// ready; 0 while neither is so.
    pub fn append_lock_held_ms(&self) -> i64 {
        self.inner.log.lock_held_ms()
    }

    /// Topics that have a consume queue.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.inner.queues.topics()
    }

    /// Numbers of a topic's queues, ascending.
    pub fn queue_ids(&self, topic: &str) -> Vec<i32> {
        self.inner.queues.queue_ids(topic)
    }

    /// The topic is of type BatchCQ: queues that it gets from now on have units of 46 bytes (store.md 3.6). To be called before its
    /// first record is appended.
    pub fn set_batch_topic(&self, topic: &str) {
        self.inner.queues.set_batch(topic);
    }

    /// Removes the consume queues of a topic. The log keeps its records until they expire.
    pub fn remove_topic(&self, topic: &str) -> std::io::Result<()> {
        let inner = &self.inner;
        if !inner.queues.queue_ids(topic).is_empty() {
            inner.known.delete(topic, inner.log.written(), inner.log.min_offset())?;
        }
        inner.queues.remove_topic(topic)
    }

    /// Asks for the deletion of expired segments now instead of in the hours of `deleteWhen`; it is done in the background. False
    /// when the store cleans nothing.
    pub fn clean_log(&self) -> bool {
        self.life.clean_now()
    }

    /// Removes the consume queues of topics that `in_use` does not want; returns their names.
    pub fn clean_unused_topics(&self, in_use: &dyn Fn(&str) -> bool) -> std::io::Result<Vec<Arc<str>>> {
        let unused: Vec<_> = self.topics().into_iter().filter(|topic| !in_use(topic)).collect();
        unused.iter().try_for_each(|topic| self.remove_topic(topic))?;
        Ok(unused)
    }

    /// Removes consume queues whose records have all expired and that `in_use` does not want; returns how many. Better than Apache, which
    /// removes those in use too and so begins their offsets at 0 again, below what consumers have committed.
    pub fn clean_expired_queues(&self, in_use: &dyn Fn(&str, i32) -> bool) -> std::io::Result<usize> {
        let (min, log) = (self.min_log_offset(), &self.inner.log);
        let expired = |queue: &Queue| queue.max() > 0 && queue.physical_end() <= min;
        // Its newest record may be on the way to it, for as long as a flush takes.
        let ends = |queue: &Queue| log.with_pending(|_| queue.end_if_settled());
        self.inner.queues.remove_where(|queue| expired(queue) && !in_use(&queue.topic, queue.id) && ends(queue))
    }

    /// Counters.
    pub fn stats(&self) -> StoreStats {
        let inner = &self.inner;
        let (records_appended, bytes_appended, flushes) = inner.log.counters();
        StoreStats {
            records_appended,
            bytes_appended,
            flushes,
            reads: inner.reads.load(Ordering::Relaxed),
            records_read: inner.records_read.load(Ordering::Relaxed),
            segments: inner.log.used_segments().len(),
            topics: inner.queues.topic_count(),
        }
    }

    /// Forces log, consume queues and checkpoint to the disk now.
    pub fn flush(&self) -> Result<(), NotWritable> {
        self.inner.flush_everything()
    }

    /// Stops: no append is accepted any more, everything is dispatched and forced to the disk, the mark of an unclean
    /// stop is removed. Idempotent.
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        self.life.shutdown(&self.inner)
    }

    /// Ends like a killed process as well as one can from inside: appends are refused, nothing more is flushed, the
    /// directory can be opened again at once, by a store that recovers it. For tests, and for starts that fail half-way.
    pub fn abandon(&self) {
        self.life.abandon(&self.inner);
    }
}

/// Follows the raw bytes of the log, blank records included, up to what may be seen.
pub struct LogCursor {
    store: Arc<Store>,
    offset: i64,
}

impl LogCursor {
    /// Offset of the next byte.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The next bytes, `max` at most and of one segment; None at the end of what may be seen. May wait for the disk.
    pub fn read(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        let inner = &self.store.inner;
        let mapped_from = inner.log.mapped_from(inner.options.read.mapped_bytes);
        let bytes = inner.log.raw_at(self.offset, max, inner.confirmed(), mapped_from)?;
        self.offset += bytes.as_ref().map_or(0, |bytes| bytes.len() as i64);
        Ok(bytes)
    }

    /// Waits until there is something to read; false when `timeout` passes first.
    pub fn wait_for_growth(&self, timeout: Duration) -> bool {
        let inner = &self.store.inner;
        inner.log.wait_for_growth(Instant::now() + timeout, || inner.confirmed() > self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::tests::message;

    /// A queue that ends between the look-up and the append lock gets no record: the record goes to the queue that has its name then.
    #[test]
    fn who_appends_looks_for_another_queue_when_his_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::new(dir.path()), Arc::new(NoListener)).unwrap();
        let mut batch = store.new_batch();
        (0..2).for_each(|queue| batch.push(&message(queue)).unwrap());
        store.append(&mut batch).unwrap();
        batch.clear();
        (0..2).for_each(|queue| batch.push(&message(queue)).unwrap());
        let queues = &store.inner.queues;
        batch.find_queues(queues);
        assert_eq!(queues.remove_where(|queue| queue.id == 1 && queue.end_if_settled()).unwrap(), 1);
        store.append_found(&mut batch).unwrap();
        let offsets: Vec<i64> = batch.results().iter().map(|result| result.queue_offset).collect();
        assert_eq!(offsets, [1, 0]);
        assert_eq!([0, 1].map(|queue| store.max_offset("topic", queue)), [2, 1]);
        assert!(store.record_of("topic", 1, 0).is_some());
        store.shutdown().unwrap();
    }
}
