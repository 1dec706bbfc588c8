//! The store: one data directory, opened. Everything public goes through here.
use crate::*;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An open data directory. Shared by everyone who reads or appends; all methods take `&self`.
pub struct Store {
    options: StoreOptions,
}

#[allow(unused_variables, missing_docs)]
impl Store {
    pub fn open(options: StoreOptions, listener: Arc<dyn ArrivalListener>) -> Result<Arc<Store>, OpenError> {
        Ok(Arc::new(Self { options }))
    }
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }
    pub fn new_batch(&self) -> AppendBatch {
        AppendBatch::with_max_message_size(self.options.max_message_size)
    }
    pub fn append(&self, batch: &mut AppendBatch) -> Result<Appended, AppendError> {
        Err(NotWritable::ShutDown.into())
    }
    pub fn append_raw(&self, offset: i64, bytes: &[u8]) -> Result<(), AppendError> {
        Err(NotWritable::ShutDown.into())
    }
    pub fn when_flushed(&self, end_offset: i64, deadline: Instant, done: Box<dyn FnOnce(FlushOutcome) + Send>) {
        done(FlushOutcome::Flushed)
    }
    pub fn get(&self, request: &GetRequest<'_>) -> Result<GetResult, WouldBlock> {
        Ok(GetResult::empty(GetStatus::NoMatchedLogicQueue, 0, 0, 0))
    }
    pub fn queue_offsets(&self, topic: &str, queue_id: i32) -> Option<(i64, i64)> {
        None
    }
    pub fn min_offset(&self, topic: &str, queue_id: i32) -> i64 {
        0
    }
    pub fn max_offset(&self, topic: &str, queue_id: i32) -> i64 {
        0
    }
    pub fn record_at(&self, physical: i64) -> Result<Option<Bytes>, ReadError> {
        Ok(None)
    }
    pub fn record_of(&self, topic: &str, queue_id: i32, queue_offset: i64) -> Option<Bytes> {
        None
    }
    pub fn store_time_of(&self, topic: &str, queue_id: i32, queue_offset: i64) -> Option<i64> {
        None
    }
    pub fn unit(&self, topic: &str, queue_id: i32, queue_offset: i64) -> Option<Unit> {
        None
    }
    pub fn is_in_memory(&self, topic: &str, queue_id: i32, queue_offset: i64) -> bool {
        true
    }
    pub fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp: i64, boundary: Boundary) -> i64 {
        0
    }
    pub fn earliest_store_time(&self, topic: &str, queue_id: i32) -> i64 {
        -1
    }
    pub fn query(&self, topic: &str, key: &str, max: usize, begin: i64, end: i64) -> QueryResult {
        QueryResult::default()
    }
    pub fn cursor(self: &Arc<Self>, from: i64) -> LogCursor {
        LogCursor {}
    }
    pub fn min_log_offset(&self) -> i64 {
        0
    }
    pub fn max_log_offset(&self) -> i64 {
        0
    }
    pub fn flushed_offset(&self) -> i64 {
        0
    }
    pub fn confirmed_offset(&self) -> i64 {
        0
    }
    pub fn dispatch_behind_bytes(&self) -> i64 {
        0
    }
    pub fn is_writable(&self) -> Result<(), NotWritable> {
        Ok(())
    }
    pub fn append_lock_held_ms(&self) -> i64 {
        0
    }
    pub fn topics(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
    pub fn queue_ids(&self, topic: &str) -> Vec<i32> {
        Vec::new()
    }
    pub fn remove_topic(&self, topic: &str) -> std::io::Result<()> {
        Ok(())
    }
    pub fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
    pub fn flush(&self) -> Result<(), NotWritable> {
        Ok(())
    }
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        Ok(())
    }
}

/// Follows the raw bytes of the log.
pub struct LogCursor {}

#[allow(unused_variables, missing_docs)]
impl LogCursor {
    pub fn offset(&self) -> i64 {
        0
    }
    pub fn read(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        Ok(None)
    }
    pub fn wait_for_growth(&self, timeout: Duration) -> bool {
        false
    }
}
