//! Transactions (broker.md 7, store.md 8): half messages wait until their producer says what becomes of them; producers that
//! say nothing are asked.
//!
//! A half message is stored by an ordinary send ([`half::push_half`]). Its end, whoever decides it, is one append: the message
//! that is delivered or given up, if any, and the op record that says that the half message has ended. So a kill leaves
//! both or none, but for one that comes while these two records are being copied: then the message may be delivered again.
//! What has ended is also known in memory (`pending`), which makes every further end of it a success that does
//! nothing.
//!
//! A half message is not stored again when its producers are asked, as Apache does to count the checks: both ways to end
//! it, the producer's own and the answer to a check, name the same record, and only one of them counts. The checks are
//! counted in memory; after a restart the count begins anew.
//!
//! Progress is that of Apache's, the offsets of the group CID_RMQ_SYS_TRANS on both topics: a directory can move from one
//! broker to the other at any time.
//!
//! Thread: `broker-transaction` ([`check::run`]), which sleeps without a timer while nothing waits. Locks: `state`, held for a
//! few operations on sets, never while the store or a client is called.
pub mod check;
mod close;
mod decide;
mod end;
pub mod half;
mod load;
mod op;
mod pending;
mod resume;

pub use decide::{Decision, EndRequest};
pub use end::{end, may_wait, EndOutcome};
pub use load::load;
pub use resume::resume;

use super::Service;
use ferromq_protocol::topic;
use op::OpProgress;
use parking_lot::{Condvar, Mutex};
use pending::{Claim, Pending};
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

/// The group whose offsets are the progress of this service.
const GROUP: &str = "CID_RMQ_SYS_TRANS";

/// A producer is asked what became of its transaction (CHECK_TRANSACTION_STATE).
#[derive(Debug)]
pub struct CheckRequest<'a> {
    /// Topic of the half message.
    pub topic: &'a str,
    /// Its offset in the half queue.
    pub queue_offset: i64,
    /// Its offset in the log.
    pub log_offset: i64,
    /// UNIQ_KEY, the id of message and transaction.
    pub unique_key: Option<&'a str>,
    /// Its offset message id.
    pub offset_id: &'a str,
    /// The broker that asks.
    pub broker: &'a str,
    /// The record, under its real topic.
    pub record: &'a [u8],
}

#[derive(Debug, Default)]
struct State {
    pending: Pending,
    ops: OpProgress,
    /// Half messages whose message is delivered although their op record could not be written; they stay taken until it is.
    owed: Vec<i64>,
    /// The thread sleeps until somebody wakes it.
    idle: bool,
    /// Something ended or began since the progress was looked at.
    changed: bool,
    stopped: bool,
}

/// The half messages of the broker.
#[derive(Debug, Default)]
pub struct Transactions {
    state: Mutex<State>,
    woken: Condvar,
    /// Which member of a producer group is asked first; spreads the checks.
    turn: AtomicUsize,
}

impl Transactions {
    /// Without half messages, until [`load`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A half message was stored at this offset of the half queue.
    pub fn prepared(&self, queue_offset: i64) {
        let mut state = self.state.lock();
        state.pending.extend(queue_offset.saturating_add(1));
        state.changed = true;
        if std::mem::take(&mut state.idle) {
            self.woken.notify_one();
        }
    }

    /// Number of half messages that wait for their end.
    pub fn waiting(&self) -> u64 {
        self.state.lock().pending.waiting()
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.woken.notify_one();
    }

    fn is_stopped(&self) -> bool {
        self.state.lock().stopped
    }

    fn claim(&self, offset: i64) -> Claim {
        self.state.lock().pending.claim(offset)
    }

    fn give_back(&self, offset: i64) {
        self.state.lock().pending.give_back(offset);
    }

    /// Sleeps until something waits, and from then for `interval()`. False at the end.
    fn sleep_until_round(&self, interval: impl FnOnce() -> Duration) -> bool {
        let mut state = self.state.lock();
        while !state.stopped && state.pending.is_quiet() && !state.changed {
            state.idle = true;
            self.woken.wait(&mut state);
        }
        state.idle = false;
        let Some(deadline) = Instant::now().checked_add(interval()) else {
            // An interval beyond all time: never.
            while !state.stopped {
                self.woken.wait(&mut state);
            }
            return false;
        };
        while !state.stopped && !self.woken.wait_until(&mut state, deadline).timed_out() {}
        !state.stopped
    }
}

/// Stores how far half messages and op records are done with, if that changed. What ended is forced to the disk before:
/// progress that outlives it in a power failure would lose messages.
pub fn save_progress(service: &Service) {
    let (half, op) = {
        let mut state = service.transactions.state.lock();
        if !std::mem::take(&mut state.changed) {
            return;
        }
        let (first, quiet) = (state.pending.first(), state.pending.is_quiet());
        (first, state.ops.advance(first, quiet))
    };
    let committed = |topic| service.offsets.committed(GROUP, topic, half::QUEUE);
    if (committed(topic::TRANS_HALF), committed(topic::TRANS_OP_HALF)) == (Some(half), Some(op)) {
        return;
    }
    if let Err(error) = service.store.flush() {
        tracing::error!(%error, "ends of transactions could not be flushed; their progress is not stored");
        service.transactions.state.lock().changed = true;
        return;
    }
    service.offsets.commit(GROUP, topic::TRANS_HALF, half::QUEUE, half);
    service.offsets.commit(GROUP, topic::TRANS_OP_HALF, half::QUEUE, op);
}
