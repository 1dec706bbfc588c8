//! The calls of a connection that wait for their answers, matched by opaque.
//!
//! Time-outs: each call has a deadline but no timer. The connection's task sweeps the table when the earliest deadline
//! known is due. A call wakes the task only when its deadline is earlier than the planned sweep, which for calls with
//! equal time-outs is once per time-out, not once per call.
//!
//! Locks: one short mutex; outcomes are delivered after it is released.
use crate::{CallError, CloseReason};
use ferromq_protocol::Command;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Sweeps are at least this far apart, so that a thousand different deadlines cost a few sweeps and not a thousand.
const SWEEP_GAP: Duration = Duration::from_millis(5);

/// Who is told the outcome.
pub(crate) enum Waiter {
    Task(oneshot::Sender<Result<Command, CallError>>),
    Callback(Box<dyn FnOnce(Result<Command, CallError>) + Send>),
}

impl Waiter {
    pub(crate) fn finish(self, outcome: Result<Command, CallError>) {
        match self {
            // A receiver that is gone was cancelled: nobody wants the outcome.
            Self::Task(sender) => drop(sender.send(outcome)),
            Self::Callback(done) => done(outcome),
        }
    }
}

struct Call {
    deadline: Instant,
    after: Duration,
    waiter: Waiter,
}

/// Opaques are counted upwards: a multiplication spreads them well enough.
#[derive(Default)]
pub(crate) struct OpaqueHasher(u64);

impl Hasher for OpaqueHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = (self.0 << 8) ^ u64::from(*b));
    }
    fn write_i32(&mut self, value: i32) {
        self.0 = u64::from(value as u32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

pub(crate) type OpaqueMap<V> = HashMap<i32, V, BuildHasherDefault<OpaqueHasher>>;

#[derive(Default)]
struct Table {
    calls: OpaqueMap<Call>,
    /// Last opaque given away.
    opaque: i32,
    /// When the task will sweep next; `None` while nothing waits.
    sweep_at: Option<Instant>,
    /// Time of the first call since the last answer.
    unanswered_since: Option<Instant>,
    /// Set when the connection ended: later calls are refused.
    closed: Option<CloseReason>,
}

/// Why a call was not taken; it gives the waiter back so that it can be told.
pub(crate) enum Refused {
    Closed(CloseReason, Waiter),
    Full(Waiter),
}

/// A call that was taken.
pub(crate) struct Taken {
    pub(crate) opaque: i32,
    /// The sweep moved to an earlier time: the task must be woken to re-arm its timer.
    pub(crate) rearm: bool,
    /// Calls that wait, this one included.
    pub(crate) waiting: usize,
}

#[derive(Default)]
pub(crate) struct Pending {
    table: Mutex<Table>,
    /// Size of the table, readable without the lock.
    len: AtomicUsize,
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn insert(&self, timeout: Duration, waiter: Waiter, max: usize) -> Result<Taken, Refused> {
        let now = Instant::now();
        // A time-out beyond the range of the clock means a day.
        let deadline = now.checked_add(timeout).unwrap_or(now + Duration::from_secs(86_400));
        let mut table = self.table.lock();
        if let Some(reason) = &table.closed {
            return Err(Refused::Closed(reason.clone(), waiter));
        }
        if table.calls.len() >= max {
            return Err(Refused::Full(waiter));
        }
        let mut opaque = table.opaque;
        loop {
            opaque = opaque.wrapping_add(1);
            if !table.calls.contains_key(&opaque) {
                break;
            }
        }
        table.opaque = opaque;
        table.unanswered_since.get_or_insert(now);
        table.calls.insert(opaque, Call { deadline, after: timeout, waiter });
        let rearm = table.sweep_at.is_none_or(|at| deadline < at);
        if rearm {
            table.sweep_at = Some(deadline);
        }
        let waiting = table.calls.len();
        self.len.store(waiting, Ordering::Relaxed);
        Ok(Taken { opaque, rearm, waiting })
    }

    /// An opaque for a one-way request, from the same sequence.
    pub(crate) fn next_opaque(&self) -> i32 {
        let mut table = self.table.lock();
        table.opaque = table.opaque.wrapping_add(1);
        table.opaque
    }

    pub(crate) fn remove(&self, opaque: i32) -> Option<Waiter> {
        let mut table = self.table.lock();
        let call = table.calls.remove(&opaque)?;
        self.len.store(table.calls.len(), Ordering::Relaxed);
        Some(call.waiter)
    }

    /// Delivers answers; one that nobody waits for (late, or never asked for) is dropped. `scratch` is left empty.
    pub(crate) fn deliver(&self, answers: &mut Vec<Command>, scratch: &mut Vec<(Waiter, Command)>) {
        if answers.is_empty() {
            return;
        }
        let mut table = self.table.lock();
        table.unanswered_since = None;
        for answer in answers.drain(..) {
            match table.calls.remove(&answer.opaque) {
                Some(call) => scratch.push((call.waiter, answer)),
                None => tracing::debug!(opaque = answer.opaque, code = answer.code, "answer without a request dropped"),
            }
        }
        self.len.store(table.calls.len(), Ordering::Relaxed);
        drop(table);
        scratch.drain(..).for_each(|(waiter, answer)| waiter.finish(Ok(answer)));
    }

    /// When the next sweep is due.
    pub(crate) fn sweep_at(&self) -> Option<Instant> {
        self.table.lock().sweep_at
    }

    /// Ends the calls whose deadline has passed and plans the next sweep. Gives for how long no call was answered when
    /// calls were ended.
    pub(crate) fn sweep(&self, now: Instant, addr: &str) -> Option<Duration> {
        let mut table = self.table.lock();
        let late = take_late(&mut table.calls, now);
        let earliest = table.calls.values().map(|c| c.deadline).min();
        table.sweep_at = earliest.map(|at| at.max(now + SWEEP_GAP));
        self.len.store(table.calls.len(), Ordering::Relaxed);
        let silence = table.unanswered_since.filter(|_| !late.is_empty()).map(|since| now - since);
        drop(table);
        for call in late {
            call.waiter.finish(Err(CallError::Timeout { addr: addr.to_owned(), after: call.after }));
        }
        silence
    }

    /// Ends all calls and refuses new ones.
    pub(crate) fn close(&self, reason: &CloseReason, addr: &str) {
        let mut table = self.table.lock();
        table.closed.get_or_insert_with(|| reason.clone());
        table.sweep_at = None;
        let calls = std::mem::take(&mut table.calls);
        self.len.store(0, Ordering::Relaxed);
        drop(table);
        for (_, call) in calls {
            call.waiter.finish(Err(CallError::Closed { addr: addr.to_owned(), reason: reason.clone() }));
        }
    }
}

/// Takes the calls that are too late out of the table.
fn take_late(calls: &mut OpaqueMap<Call>, now: Instant) -> Vec<Call> {
    let late: Vec<i32> = calls.iter().filter(|(_, c)| c.deadline <= now).map(|(o, _)| *o).collect();
    late.into_iter().filter_map(|o| calls.remove(&o)).collect()
}
