//! A queue this member owns: its cache, its phase, and who waits for what.
//!
//! Life of a queue: *active*; *leaving* (no more pulls, no new listener calls, results of running ones still count);
//! *dropped* (results are ignored, the next owner gets the messages again). Taken again, it is a new object.
//!
//! Threads and locks: everything that changes is in `state`, under one lock that is never held across an await or a
//! listener call. `leaving` mirrors the phase for tasks that wait; `idle` and `room` are notified under no lock.
use crate::consumer::locks;
use crate::consumer::process_queue::{CacheLimits, ProcessQueue, Put};
use crate::consumer::stats::LastMinute;
use crate::message::MessageExt;
use crate::platform;
use ferromq_protocol::body::{MessageQueue, ProcessQueueInfo};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{watch, Notify};
use tokio::time::Instant;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Active,
    Leaving,
    Dropped,
}

#[derive(Debug)]
struct State {
    cache: ProcessQueue<MessageExt>,
    phase: Phase,
    /// Messages that a listener has.
    running: usize,
    /// The pull task waits for room.
    blocked: bool,
    /// When the broker last granted the lock; `None` without locks.
    locked_at: Option<Instant>,
    lock_time_ms: i64,
    last_pull_ms: i64,
    last_consume_ms: i64,
    stats: LastMinute,
}

/// An owned queue.
#[derive(Debug)]
pub(super) struct OwnedQueue {
    pub(super) queue: Arc<MessageQueue>,
    pub(super) broker: Arc<str>,
    state: Mutex<State>,
    leaving: watch::Sender<bool>,
    idle: Notify,
    room: Notify,
}

impl OwnedQueue {
    /// A queue that was just taken; `locked` when its broker granted the lock.
    pub(super) fn new(queue: MessageQueue, locked: bool) -> Self {
        let state = State {
            cache: ProcessQueue::default(),
            phase: Phase::Active,
            running: 0,
            blocked: false,
            locked_at: locked.then(Instant::now),
            lock_time_ms: platform::now_ms(),
            last_pull_ms: 0,
            last_consume_ms: 0,
            stats: LastMinute::default(),
        };
        Self {
            broker: Arc::from(queue.broker_name.as_str()),
            queue: Arc::new(queue),
            state: Mutex::new(state),
            leaving: watch::channel(false).0,
            idle: Notify::new(),
            room: Notify::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// No more pulls and listener calls. False when it was leaving already.
    pub(super) fn leave(&self) -> bool {
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Active {
                return false;
            }
            state.phase = Phase::Leaving;
        }
        self.leaving.send_replace(true);
        true
    }

    /// From now on results are ignored.
    pub(super) fn drop_now(&self) {
        self.state.lock().phase = Phase::Dropped;
        self.leaving.send_replace(true);
    }

    /// Ready once the queue is not active any more.
    pub(super) async fn left(&self) {
        let _ = self.leaving.subscribe().wait_for(|leaving| *leaving).await;
    }

    /// True while a listener has messages.
    pub(super) fn is_running(&self) -> bool {
        self.state.lock().running > 0
    }

    /// Ready once no listener has messages.
    pub(super) async fn wait_idle(&self) {
        loop {
            let notified = self.idle.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.state.lock().running == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Ready once the cache is within its limits.
    pub(super) async fn wait_room(&self, limits: impl Fn() -> CacheLimits) {
        loop {
            {
                let mut state = self.state.lock();
                if state.cache.full(&limits()).is_none() {
                    state.blocked = false;
                    return;
                }
                state.blocked = true;
            }
            self.room.notified().await;
        }
    }

    /// Adds what a pull found; `next` is where the next one begins.
    pub(super) fn put(&self, messages: &[MessageExt], next: i64, took: Duration) -> Put {
        let now = platform::now_ms();
        let mut state = self.state.lock();
        state.stats.pulled(now, messages.len(), took.as_millis() as u64);
        let put = state.cache.put(messages.iter().map(|m| (m.queue_offset(), m.body().len(), m.clone())));
        state.cache.reached(next);
        put
    }

    /// A pull was sent.
    pub(super) fn pulling(&self) {
        self.state.lock().last_pull_ms = platform::now_ms();
    }

    /// Nothing before `next` is left to pull. True when it may be committed.
    pub(super) fn reached(&self, next: i64) -> bool {
        self.state.lock().cache.reached(next)
    }

    /// Where to go on when the broker says that its queue ends at `end` already: not behind what is not settled here.
    pub(super) fn back_to(&self, end: i64) -> i64 {
        self.state.lock().cache.commit_offset().map_or(end, |lowest| lowest.min(end))
    }

    /// A listener without order gets the messages at these offsets; false when the queue is not active any more.
    pub(super) fn begin(&self, offsets: impl ExactSizeIterator<Item = i64>) -> bool {
        let now = platform::now_ms();
        let mut state = self.state.lock();
        if state.phase != Phase::Active {
            return false;
        }
        state.running += offsets.len();
        state.last_consume_ms = now;
        state.cache.started(offsets, now as u64);
        true
    }

    /// True while a message is cached and results count.
    pub(super) fn holds(&self, offset: i64) -> bool {
        let state = self.state.lock();
        state.phase != Phase::Dropped && state.cache.contains(offset)
    }

    /// Settles messages of a concurrent consumer. Returns the offset to note.
    pub(super) fn settle(&self, offsets: impl IntoIterator<Item = i64>, limits: &CacheLimits) -> Option<i64> {
        let mut state = self.state.lock();
        if state.phase == Phase::Dropped {
            return None;
        }
        let offset = state.cache.remove(offsets);
        self.make_room(&mut state, limits);
        offset
    }

    /// Takes messages for an orderly listener call and begins it. `None`: the queue is not active any more. Empty: nothing
    /// is here, the runner has to end.
    pub(super) fn take(&self, count: usize) -> Option<Vec<MessageExt>> {
        let mut state = self.state.lock();
        if state.phase != Phase::Active {
            state.cache.runner_ended();
            return None;
        }
        let taken = state.cache.take(count);
        if !taken.is_empty() {
            state.running += taken.len();
            state.last_consume_ms = platform::now_ms();
        }
        Some(taken)
    }

    /// Settles the first `count` of what was taken. Returns the offset to note.
    pub(super) fn commit(&self, count: usize, limits: &CacheLimits) -> Option<i64> {
        let mut state = self.state.lock();
        let offset = state.cache.commit(count);
        self.make_room(&mut state, limits);
        offset.filter(|_| state.phase != Phase::Dropped)
    }

    /// Puts back what was taken, with one attempt more on each of the first `failed`.
    pub(super) fn rollback(&self, failed: usize) {
        let mut left = failed;
        self.state.lock().cache.rollback(|_, message| {
            if left > 0 {
                message.count_attempt();
                left -= 1;
            }
        });
    }

    /// Messages that were begun are through: so many consumed, so many not, and that is noted.
    pub(super) fn end(&self, ok: usize, failed: usize, took: Duration) {
        self.state.lock().stats.consumed(platform::now_ms(), ok, failed, took.as_millis() as u64);
        self.unbegin(ok + failed);
    }

    /// Messages that were begun were not looked at.
    pub(super) fn unbegin(&self, count: usize) {
        let mut state = self.state.lock();
        state.running = state.running.saturating_sub(count);
        let idle = state.running == 0;
        drop(state);
        if idle {
            self.idle.notify_waiters();
        }
    }

    fn make_room(&self, state: &mut State, limits: &CacheLimits) {
        if state.blocked && state.cache.full(limits).is_none() {
            state.blocked = false;
            self.room.notify_one();
        }
    }

    /// The first message, if a listener has had it for longer than `limit`.
    pub(super) fn overdue_head(&self, limit: Duration) -> Option<(i64, MessageExt)> {
        let before = platform::now_ms().saturating_sub(limit.as_millis() as i64);
        let state = self.state.lock();
        if state.phase == Phase::Active {
            state.cache.overdue_head(before.max(0) as u64)
        } else {
            None
        }
    }

    /// The runner of an orderly queue ends without having found the cache empty.
    pub(super) fn runner_ended(&self) {
        self.state.lock().cache.runner_ended();
    }

    /// The broker granted the lock.
    pub(super) fn locked(&self) {
        let mut state = self.state.lock();
        state.locked_at = Some(Instant::now());
        state.lock_time_ms = platform::now_ms();
    }

    /// True while the lock may be used.
    pub(super) fn lock_holds(&self) -> bool {
        self.state.lock().locked_at.is_some_and(|at| at.elapsed() < locks::EXPIRES_HERE)
    }

    /// How long the broker surely keeps others away.
    pub(super) fn lock_left_at_broker(&self) -> Duration {
        let locked_at = self.state.lock().locked_at;
        locked_at.map_or(Duration::ZERO, |at| locks::SURE_AT_BROKER.saturating_sub(at.elapsed()))
    }

    /// For running info.
    pub(super) fn info(&self, commit_offset: i64) -> ProcessQueueInfo {
        const MIB: usize = 1024 * 1024;
        let state = self.state.lock();
        let (min, max) = state.cache.bounds().unwrap_or((0, 0));
        ProcessQueueInfo {
            cached_msg_count: state.cache.len() as i32,
            cached_msg_max_offset: max,
            cached_msg_min_offset: min,
            cached_msg_size_in_mib: (state.cache.bytes() / MIB) as i32,
            commit_offset,
            dropped: state.phase != Phase::Active,
            last_consume_timestamp: state.last_consume_ms,
            last_lock_timestamp: state.lock_time_ms,
            last_pull_timestamp: state.last_pull_ms,
            locked: state.locked_at.is_none_or(|at| at.elapsed() < locks::EXPIRES_HERE),
            ..ProcessQueueInfo::default()
        }
    }

    /// Adds the last minute to the figures of the topic.
    pub(super) fn add_stats(&self, status: &mut ferromq_protocol::body::ConsumeStatus) {
        self.state.lock().stats.add_to(platform::now_ms(), status);
    }
}
