//! Accounting of received requests whose answers are outstanding, per connection and for all connections.
//!
//! Requests answered within the handler call are never entered: most connections never touch the table. Only when a
//! call returns with fewer answers than requests are the rest entered, by opaque, until their answers are sent. A request
//! that is never answered is forgotten after [`FORGOTTEN_AFTER`].
//!
//! Locks: one short mutex per connection, taken by the connection's task after a batch with late answers and by whoever
//! sends one of them.
use crate::pending::OpaqueMap;
use crate::Limits;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No client waits longer for an answer (long polls are held up to 30 s): its bytes count no more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// Bytes on all connections of a server or client together.
#[derive(Default)]
pub(crate) struct Totals {
    /// Of received requests whose answers are outstanding.
    inflight: AtomicUsize,
    /// That wait to be written.
    pub(crate) outgoing: AtomicUsize,
}

/// Requests with the same opaque, usually one. A peer may give all of them the same: they count all the same.
struct Waiting {
    requests: usize,
    bytes: usize,
    /// When the last one arrived.
    at: Instant,
}

#[derive(Default)]
struct Table {
    /// What waits for its answer, by opaque.
    waiting: OpaqueMap<Waiting>,
    requests: usize,
    bytes: usize,
    /// A handler call runs: answers sent meanwhile are noted in `early`, since their requests are not entered yet.
    in_batch: bool,
    early: Vec<i32>,
}

pub(crate) struct Received {
    table: Mutex<Table>,
    total: Arc<Totals>,
    /// True when answers must be reported: a batch runs, or something waits. Spares senders the lock otherwise.
    watch: AtomicBool,
    /// The task stopped reading because of this table and wants to be told of progress.
    paused: AtomicBool,
}

impl Received {
    pub(crate) fn new(total: Arc<Totals>) -> Self {
        Self { table: Mutex::default(), total, watch: AtomicBool::new(false), paused: AtomicBool::new(false) }
    }

    /// A handler call begins.
    pub(crate) fn begin_batch(&self) {
        self.table.lock().in_batch = true;
        self.watch.store(true, Ordering::SeqCst);
    }

    /// The handler call ended. `requests` are the two-way requests it was given (opaque, bytes), `answers` the number of answers
    /// it left to the transport, `answered` their opaques.
    pub(crate) fn end_batch(
        &self,
        requests: &mut Vec<(i32, usize)>,
        answers: usize,
        answered: impl Iterator<Item = i32>,
    ) {
        let mut table = self.table.lock();
        table.in_batch = false;
        if answers < requests.len() {
            let now = Instant::now();
            for (opaque, bytes) in requests.iter() {
                let same = table.waiting.entry(*opaque).or_insert(Waiting { requests: 0, bytes: 0, at: now });
                (same.requests, same.bytes, same.at) = (same.requests + 1, same.bytes + bytes, now);
                (table.requests, table.bytes) = (table.requests + 1, table.bytes + bytes);
                self.total.inflight.fetch_add(*bytes, Ordering::Relaxed);
            }
            answered.for_each(|opaque| self.take(&mut table, opaque));
            for opaque in std::mem::take(&mut table.early) {
                self.take(&mut table, opaque);
            }
        }
        table.early.clear();
        requests.clear();
        if table.waiting.is_empty() {
            self.watch.store(false, Ordering::SeqCst);
        }
    }

    /// One request with this opaque is answered: its share of their bytes counts no more.
    fn take(&self, table: &mut Table, opaque: i32) {
        let Some(same) = table.waiting.get_mut(&opaque) else { return };
        let bytes = same.bytes / same.requests;
        (same.requests, same.bytes) = (same.requests - 1, same.bytes - bytes);
        if same.requests == 0 {
            table.waiting.remove(&opaque);
        }
        (table.requests, table.bytes) = (table.requests - 1, table.bytes - bytes);
        self.total.inflight.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Requests whose answers are outstanding since earlier handler calls.
    pub(crate) fn waiting(&self) -> usize {
        if self.watches() {
            self.table.lock().requests
        } else {
            0
        }
    }

    /// True when [`Self::answered`] wants to know of answers.
    pub(crate) fn watches(&self) -> bool {
        self.watch.load(Ordering::SeqCst)
    }

    /// An answer was sent outside of a batch's own. True when the task should be woken to look whether it may read.
    pub(crate) fn answered(&self, opaque: i32) -> bool {
        let mut table = self.table.lock();
        if table.in_batch {
            table.early.push(opaque);
        } else if !table.waiting.is_empty() {
            self.take(&mut table, opaque);
            if table.waiting.is_empty() {
                self.watch.store(false, Ordering::SeqCst);
            }
        }
        drop(table);
        self.paused.load(Ordering::SeqCst)
    }

    /// True when the connection must not be read from now. The task will then be told of each answer.
    pub(crate) fn must_pause(&self, limits: &Limits) -> bool {
        if !self.watches() {
            return false;
        }
        // Set before looking: an answer after the look wakes the task, one before it is seen.
        self.paused.store(true, Ordering::SeqCst);
        let table = self.table.lock();
        let own = table.bytes > limits.inflight_bytes_max || table.requests > limits.inflight_requests_max;
        let all =
            !table.waiting.is_empty() && self.total.inflight.load(Ordering::Relaxed) > limits.inflight_bytes_total_max;
        let pause = own || all;
        self.paused.store(pause, Ordering::SeqCst);
        pause
    }

    /// Drops requests that will never be answered. Called from time to time.
    pub(crate) fn forget_old(&self) {
        if !self.watches() {
            return;
        }
        let mut table = self.table.lock();
        let old = table.waiting.iter().filter(|(_, same)| same.at.elapsed() > FORGOTTEN_AFTER);
        let old: Vec<(i32, usize)> = old.map(|(opaque, same)| (*opaque, same.requests)).collect();
        old.into_iter().for_each(|(opaque, requests)| (0..requests).for_each(|_| self.take(&mut table, opaque)));
        if table.waiting.is_empty() && !table.in_batch {
            self.watch.store(false, Ordering::SeqCst);
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.total.inflight.fetch_sub(self.table.get_mut().bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests that all have the same opaque count like others, and each answer takes one away.
    #[test]
    fn the_same_opaque_again_and_again() {
        let received = Received::new(Arc::default());
        received.begin_batch();
        received.end_batch(&mut vec![(7, 10), (7, 20), (7, 31)], 0, std::iter::empty());
        assert_eq!((received.waiting(), received.total.inflight.load(Ordering::Relaxed)), (3, 61));
        let limits = Limits { inflight_requests_max: 2, ..Limits::default() };
        assert!(received.must_pause(&limits));
        assert!(received.answered(7));
        assert!(!received.must_pause(&limits));
        received.answered(7);
        received.answered(7);
        received.answered(7);
        assert_eq!((received.waiting(), received.total.inflight.load(Ordering::Relaxed)), (0, 0));
    }
}
