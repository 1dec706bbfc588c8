//! Delayed messages (store.md 7.1): when a level's next message is due it is stored again under its real topic.
//!
//! One thread, `broker-delay`, sleeps until the earliest due time of all levels, or until a message arrives that is due
//! before. Within a level messages are due in the order they were stored, so only the first one of each level counts and a
//! level with 100,000 pending messages costs as much as one with a single one: nothing until its time comes.
//!
//! Delivery is at least once: progress is written every `flushDelayOffsetInterval`, and after a kill the messages delivered
//! since are delivered again.
//!
//! Locks: `wake` (when to wake up) is taken by dispatch threads for a comparison; `offsets` only by the delay thread and by
//! whoever reads or writes `delayOffset.json`. Neither is held while the store is called.
use super::clock::now_ms;
use super::send::properties::{self as text, Scan};
use super::send::Put;
use super::Service;
use crate::config::BrokerConfig;
use ferromq_protocol::body::{BodyError, DataVersion, DelayOffsetTable};
use ferromq_protocol::{properties as names, record, sysflag, topic};
use ferromq_store::{AppendBatch, Arrival, ReadError};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Messages stored again with one append.
const BATCH_MESSAGES_MAX: usize = 64;
/// Bytes of messages stored again with one append.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Wait after a failed append before the same messages are tried again.
const RETRY_MS: i64 = 100;
/// Wait after a message could not be read.
const UNREADABLE_MS: i64 = 1000;
/// For so long a level waits for what its disk does not give; then it goes on behind it, for the messages behind it can do nothing for it.
const UNREADABLE_PATIENCE: Duration = Duration::from_secs(60);
/// Deliveries per step of the data version (store.md 7.1, 6).
const DELIVERIES_PER_VERSION: u64 = 200;

#[derive(Debug)]
struct Wake {
    /// The thread sleeps until then, milliseconds since 1970; 0 while it works.
    at_ms: i64,
    stopped: bool,
}

#[derive(Debug, Default)]
struct Progress {
    next: BTreeMap<i32, i64>,
    version: DataVersion,
    deliveries: u64,
    dirty: bool,
}

/// State of the delay service.
#[derive(Debug)]
pub struct Delay {
    /// Milliseconds of each level, level 1 first.
    delays_ms: Vec<i64>,
    wake: Mutex<Wake>,
    woken: Condvar,
    progress: Mutex<Progress>,
}

impl Delay {
    /// For the given levels, in milliseconds.
    pub fn new(delays_ms: Vec<i64>) -> Self {
        Self {
            delays_ms,
            wake: Mutex::new(Wake { at_ms: 0, stopped: false }),
            woken: Condvar::new(),
            progress: Mutex::new(Progress::default()),
        }
    }

    /// The highest level.
    pub fn levels(&self) -> i32 {
        i32::try_from(self.delays_ms.len()).unwrap_or(i32::MAX)
    }

    /// New messages are visible: wakes the thread when one of them is due before it would wake by itself.
    pub fn arrived<'a, Run: Iterator<Item = Arrival<'a>> + Clone>(&self, runs: impl Iterator<Item = Run>) {
        let scheduled = |run: &Run| run.clone().next().is_some_and(|first| first.topic == topic::SCHEDULE);
        let due = runs.filter(scheduled).flatten().map(|a| a.tags_code).min();
        let Some(due) = due else { return };
        let mut wake = self.wake.lock();
        if due < wake.at_ms {
            wake.at_ms = 0;
            self.woken.notify_one();
        }
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.wake.lock().stopped = true;
        self.woken.notify_one();
    }

    /// Sleeps until `at_ms`, a wake-up, or the end. False at the end.
    ///
    /// `from` is what the thread had seen when it decided to sleep; arrivals since then are found because `at_ms` is
    /// published before the levels are looked at a last time.
    fn sleep(&self, wait: Duration) -> bool {
        let deadline = Instant::now() + wait;
        let mut wake = self.wake.lock();
        while !wake.stopped && wake.at_ms != 0 {
            if self.woken.wait_until(&mut wake, deadline).timed_out() {
                break;
            }
        }
        !wake.stopped
    }

    /// Announces when the thread wakes up by itself.
    fn announce(&self, at_ms: i64) {
        self.wake.lock().at_ms = at_ms;
    }

    fn is_stopped(&self) -> bool {
        self.wake.lock().stopped
    }

    /// Next queue offset of a level.
    pub fn next_offset(&self, level: i32) -> i64 {
        self.progress.lock().next.get(&level).copied().unwrap_or(0)
    }

    fn advance(&self, level: i32, next: i64, delivered: u64) {
        let mut progress = self.progress.lock();
        if progress.next.insert(level, next) == Some(next) {
            return;
        }
        progress.dirty = true;
        let before = progress.deliveries / DELIVERIES_PER_VERSION;
        progress.deliveries += delivered;
        if progress.deliveries / DELIVERIES_PER_VERSION != before {
            progress.version.next(now_ms());
        }
    }

    /// Progress of all levels, as in `delayOffset.json`.
    pub fn table(&self) -> DelayOffsetTable {
        let progress = self.progress.lock();
        DelayOffsetTable { data_version: progress.version, offset_table: progress.next.clone() }
    }

    /// True once after the progress changed.
    pub fn take_dirty(&self) -> bool {
        std::mem::take(&mut self.progress.lock().dirty)
    }

    /// Reads the content of `delayOffset.json`.
    pub fn load(&self, json: &[u8]) -> Result<(), BodyError> {
        let loaded = DelayOffsetTable::decode(json)?;
        let mut progress = self.progress.lock();
        progress.next = loaded.offset_table;
        progress.version = loaded.data_version;
        Ok(())
    }
}

/// The thread: delivers until [`Delay::stop`].
pub fn run(service: &Service) {
    /// With nothing pending the thread still looks around this often; arrivals wake it before.
    const IDLE_MS: i64 = 60_000;
    let mut batch = service.store.new_batch();
    let mut levels = vec![Level::default(); service.delay.delays_ms.len()];
    while !service.delay.is_stopped() {
        // Announced before looking, so that a message arriving while we look wakes us.
        service.delay.announce(i64::MAX);
        let next = service
            .delay
            .delays_ms
            .iter()
            .zip(1..)
            .zip(&mut levels)
            .map(|((delay, number), level)| deliver_due(service, &mut batch, level, number, *delay));
        let next_ms = next.min().unwrap_or(i64::MAX);
        let now = now_ms();
        let wait_ms = next_ms.saturating_sub(now).clamp(0, IDLE_MS);
        if wait_ms == 0 {
            continue;
        }
        let mut wake = service.delay.wake.lock();
        if wake.at_ms == 0 {
            continue;
        }
        wake.at_ms = now + wait_ms;
        drop(wake);
        if !service.delay.sleep(Duration::from_millis(wait_ms.unsigned_abs())) {
            break;
        }
    }
}

/// What the thread remembers of a level.
#[derive(Debug, Clone, Default)]
struct Level {
    /// Since when none of its messages could be read.
    unreadable_since: Option<Instant>,
}

impl Level {
    /// A message cannot be read; true when its level waits for it.
    fn waits(&mut self, now: Instant) -> bool {
        now.duration_since(*self.unreadable_since.get_or_insert(now)) < UNREADABLE_PATIENCE
    }
}

/// Delivers what is due at a level. Gives the time at which to look again; `i64::MAX`: when something arrives.
fn deliver_due(service: &Service, batch: &mut AppendBatch, state: &mut Level, level: i32, delay_ms: i64) -> i64 {
    let queue_id = level - 1;
    loop {
        let Some((min, max)) = service.store.queue_offsets(topic::SCHEDULE, queue_id) else { return i64::MAX };
        let from = service.delay.next_offset(level).clamp(min, max);
        service.delay.advance(level, from, 0);
        if from >= max {
            return i64::MAX;
        }
        let config = service.config();
        let mut step = Step { service, config: &config, batch, state, level, delay_ms, next: from, wait_until: None };
        step.collect(queue_id, max);
        let Step { next, wait_until, .. } = step;
        if let Err(error) = append(service, batch) {
            tracing::warn!(level, offset = from, %error, "delayed messages could not be delivered, trying again");
            return now_ms() + RETRY_MS;
        }
        service.delay.advance(level, next, (next - from).unsigned_abs());
        if let Some(at) = wait_until {
            return at;
        }
        if service.delay.is_stopped() {
            return i64::MAX;
        }
    }
}

/// Stores what was laid out; nothing is fine too.
fn append(service: &Service, batch: &mut AppendBatch) -> Result<(), ferromq_store::AppendError> {
    if batch.is_empty() {
        return Ok(());
    }
    service.store.append(batch).map(|_| ())
}

/// One batch of due messages of a level.
struct Step<'a> {
    service: &'a Service,
    config: &'a BrokerConfig,
    batch: &'a mut AppendBatch,
    state: &'a mut Level,
    level: i32,
    delay_ms: i64,
    next: i64,
    wait_until: Option<i64>,
}

impl Step<'_> {
    fn collect(&mut self, queue_id: i32, max: i64) {
        self.batch.clear();
        let now = now_ms();
        while self.next < max && self.batch.len() < BATCH_MESSAGES_MAX && self.batch.bytes_len() < BATCH_BYTES_MAX {
            let Some(unit) = self.service.store.unit(topic::SCHEDULE, queue_id, self.next) else {
                // The file of this offset was removed meanwhile: the smallest offset is corrected at the next look.
                self.wait_until = Some(now + RETRY_MS);
                return;
            };
            // A time further away than the level's delay comes from a clock or setting that changed.
            let due = if unit.tags_code > now + self.delay_ms { now } else { unit.tags_code };
            if due > now {
                self.wait_until = Some(due);
                return;
            }
            if unit.is_blank() {
                self.next += 1;
                continue;
            }
            match self.service.store.record_at(unit.physical) {
                Ok(Some(bytes)) => {
                    self.state.unreadable_since = None;
                    self.lay_out(&bytes);
                }
                Ok(None) => self.drop_message("the log no longer has it"),
                // The disk may give it later, or there may be too many open files now: it is no reason to lose a message.
                Err(error @ ReadError::Io { .. }) if self.state.waits(Instant::now()) => {
                    tracing::error!(level = self.level, offset = self.next, %error, "a delayed message cannot be read, its level waits");
                    self.wait_until = Some(now + UNREADABLE_MS);
                    return;
                }
                Err(error) => self.drop_message(&error.to_string()),
            }
            self.next += 1;
        }
    }

    fn drop_message(&self, why: &str) {
        tracing::error!(level = self.level, offset = self.next, why, "delayed message dropped");
    }

    /// The record under its real topic. Its property text stays as it is (consumers still see DELAY, REAL_TOPIC and
    /// REAL_QID), except that it is not delayed again.
    fn lay_out(&mut self, bytes: &[u8]) {
        let original = match record::parse(bytes, false) {
            Ok(original) => original,
            Err(error) => return self.drop_message(&error.to_string()),
        };
        let stored = original.properties();
        let (Some(real_topic), Some(real_queue)) = (
            names::get(stored, names::REAL_TOPIC),
            names::get(stored, names::REAL_QUEUE_ID).and_then(|q| q.parse().ok()),
        ) else {
            return self.drop_message("it has no real topic and queue");
        };
        if real_topic == topic::TRANS_HALF {
            return self.drop_message("its real topic is the half topic");
        }
        let mut properties = String::with_capacity(stored.len() + 1);
        text::push_text(&mut properties, stored);
        let message = record::Message {
            topic: real_topic,
            queue_id: real_queue,
            flag: original.flag(),
            sys_flag: original.sys_flag() & !(sysflag::BORN_HOST_V6 | sysflag::STORE_HOST_V6),
            born_timestamp: original.born_timestamp(),
            born_host: original.born_host(),
            store_timestamp: now_ms(),
            store_host: self.service.identity.store_host,
            reconsume_times: original.reconsume_times(),
            prepared_transaction_offset: 0,
            body: original.body(),
            properties: &properties,
            queue_offset: 0,
            physical_offset: 0,
        };
        let put = Put { service: self.service, config: self.config, writable: &Ok(()) };
        if let Err(refusal) = put.lay_out(self.batch, &message, None, 0, &Scan::default()) {
            self.drop_message(&refusal.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A level waits for a message that cannot be read, for a minute since it could read one, and then no more for those behind it.
    #[test]
    fn a_level_loses_patience() {
        let (mut level, start) = (Level::default(), Instant::now());
        let asked = |level: &mut Level, seconds| level.waits(start + Duration::from_secs(seconds));
        assert_eq!([0, 30, 59, 60, 61].map(|seconds| asked(&mut level, seconds)), [true, true, true, false, false]);
        level.unreadable_since = None;
        assert!(asked(&mut level, 62));
    }
}
