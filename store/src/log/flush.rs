//! Forcing the log to the disk, and waiting for it.
//!
//! A flush that failed is never tried again: the system may have dropped the dirty pages, so a later success would prove
//! nothing. The store then refuses writes until a restart recovers what is really there.
//!
//! Locks: `flushing` (one flush at a time), then nothing. The waiters have a lock of their own; callbacks run without it.
use super::{segment::Segment, Log};
use crate::error::NotWritable;
use crate::types::FlushOutcome;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Bytes behind the end of the log that are made writable again after a flush has write-protected them.
const REPOPULATE: usize = 64 * 1024;

impl Log {
    /// Forces everything written so far to the disk; returns up to where. One at a time, and none after one that failed.
    pub fn flush(&self) -> Result<i64, NotWritable> {
        let mut broken = self.flushing.lock();
        if let Some(why) = broken.as_ref() {
            return Err(why.clone());
        }
        let flushed = self.flush_to(self.written());
        *broken = flushed.as_ref().err().cloned();
        flushed
    }

    /// Somebody else failed to force these bytes: nothing is flushed any more.
    pub(super) fn flush_failed(&self, segment: &Segment, from: i64, to: i64, error: &io::Error) {
        self.flushing.lock().get_or_insert_with(|| not_flushed(segment, from, to, error));
    }

    /// Forces everything below `to` to the disk.
    fn flush_to(&self, to: i64) -> Result<i64, NotWritable> {
        let from = self.flushed();
        let mut at = from;
        while at < to {
            let Some(segment) = self.segment_at(at) else {
                // Deleted before it was flushed: nobody can miss it.
                at = self.min_offset().max(at + 1);
                continue;
            };
            let end = to.min(segment.end());
            let (start, stop) = ((at - segment.base) as usize, (end - segment.base) as usize);
            let failed = |error| not_flushed(&segment, at, end, &error);
            let map = segment.mapped().map_err(failed)?;
            map.sync(start, stop).map_err(failed)?;
            if end == to {
                map.populate(stop, stop + REPOPULATE);
            }
            at = end;
        }
        if to > from {
            self.flushes.fetch_add(1, Ordering::Relaxed);
            self.flushed.store(to, Ordering::Release);
        }
        Ok(to.max(from))
    }
}

fn not_flushed(segment: &Segment, from: i64, to: i64, error: &io::Error) -> NotWritable {
    let (file, reason) = (segment.path.display().to_string(), format!("offset {from} to {to}: {error}"));
    NotWritable::FlushFailed { file, reason }
}

/// Called exactly once with what became of the flush.
pub(crate) type Done = Box<dyn FnOnce(FlushOutcome) + Send>;

struct Waiter {
    end: i64,
    deadline: Instant,
    done: Done,
}

#[derive(Default)]
struct State {
    waiters: Vec<Waiter>,
    wake: bool,
    stop: bool,
    /// When the watcher wakes up by itself.
    watching: Option<Instant>,
}

/// Those who wait for a flush, and the flush thread's alarm.
#[derive(Default)]
pub(crate) struct Waiters {
    state: Mutex<State>,
    /// Wakes the flush thread.
    flush: Condvar,
    /// Wakes the watcher of deadlines.
    watch: Condvar,
    /// The flush thread has been woken and has not looked yet.
    kicked: AtomicBool,
    /// How many wait. Stored under `state`.
    waiting: AtomicUsize,
    /// Set once: the store takes no more writes.
    failed: OnceLock<NotWritable>,
}

impl Waiters {
    /// Why flushing ended for good, if it did.
    pub fn failure(&self) -> Option<&NotWritable> {
        self.failed.get()
    }

    /// Ends flushing for good; everybody who waits is told.
    pub fn fail(&self, why: NotWritable) {
        tracing::error!("{why}");
        let why = self.failed.get_or_init(|| why).clone();
        self.complete(|_| Some(FlushOutcome::Failed(why.clone())));
    }

    /// Wakes the flush thread; cheap when it is awake.
    pub fn kick(&self) {
        if !self.kicked.swap(true, Ordering::AcqRel) {
            self.state.lock().wake = true;
            self.flush.notify_one();
        }
    }

    /// Calls `done` when the log is flushed to `end`, or with the reason why not.
    pub fn add(&self, log: &Log, end: i64, deadline: Instant, done: Done) {
        let mut state = self.state.lock();
        // Looked at under the lock: completion takes it after raising the flushed position.
        let outcome = match self.failed.get() {
            _ if log.flushed() >= end => Some(FlushOutcome::Flushed),
            Some(why) => Some(FlushOutcome::Failed(why.clone())),
            None if state.stop => Some(FlushOutcome::Failed(NotWritable::ShutDown)),
            None => None,
        };
        if let Some(outcome) = outcome {
            drop(state);
            return done(outcome);
        }
        state.waiters.push(Waiter { end, deadline, done });
        self.waiting.store(state.waiters.len(), Ordering::Relaxed);
        if state.watching.is_none_or(|at| deadline < at) {
            self.watch.notify_one();
        }
        drop(state);
        self.kick();
    }

    /// How many wait; may be over already.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Tells everybody whose records are on the disk; returns how many these were.
    pub fn flushed_to(&self, flushed: i64) -> usize {
        self.complete(|waiter| (waiter.end <= flushed).then_some(FlushOutcome::Flushed))
    }

    fn complete(&self, outcome: impl Fn(&Waiter) -> Option<FlushOutcome>) -> usize {
        let mut done = Vec::new();
        {
            let mut state = self.state.lock();
            if state.waiters.is_empty() {
                return 0;
            }
            let mut kept = Vec::new();
            for waiter in state.waiters.drain(..) {
                match outcome(&waiter) {
                    Some(outcome) => done.push((waiter, outcome)),
                    None => kept.push(waiter),
                }
            }
            self.waiting.store(kept.len(), Ordering::Relaxed);
            state.waiters = kept;
        }
        let count = done.len();
        for (waiter, outcome) in done {
            (waiter.done)(outcome);
        }
        count
    }

    /// Waits for the alarm or for `interval`; false at the end.
    pub fn wait_for_work(&self, interval: Option<Duration>) -> bool {
        let mut state = self.state.lock();
        let deadline = interval.map(|interval| Instant::now() + interval);
        while !state.wake && !state.stop {
            match deadline {
                None => self.flush.wait(&mut state),
                Some(deadline) => {
                    if self.flush.wait_until(&mut state, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        state.wake = false;
        // Reads what was stored before the last kick: who was told that we are awake has appended before we look.
        self.kicked.swap(false, Ordering::AcqRel);
        !state.stop
    }

    /// The body of the watcher: tells those whose time is over.
    pub fn run_watch(&self) {
        loop {
            {
                let mut state = self.state.lock();
                if state.stop {
                    return;
                }
                state.watching = state.waiters.iter().map(|waiter| waiter.deadline).min();
                match state.watching {
                    None => self.watch.wait(&mut state),
                    Some(at) => {
                        self.watch.wait_until(&mut state, at);
                    }
                }
            }
            let now = Instant::now();
            self.complete(|waiter| (waiter.deadline <= now).then_some(FlushOutcome::TimedOut));
        }
    }

    /// Ends the threads. Who still waits is told that the store is shut down.
    pub fn stop(&self) {
        {
            let mut state = self.state.lock();
            state.stop = true;
            self.flush.notify_all();
            self.watch.notify_all();
        }
        self.complete(|_| Some(FlushOutcome::Failed(NotWritable::ShutDown)));
    }
}
