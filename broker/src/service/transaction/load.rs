//! What waits when a broker starts: the half messages behind the stored progress, without those that op records name.
//!
//! Reads the op records since the progress was stored last, of either release's form: those of one round of checks, or as
//! many as came since the oldest half message that still waits.
use super::half::QUEUE;
use super::op::{self, OpProgress};
use super::pending::Pending;
use super::GROUP;
use crate::service::Service;
use ferromq_protocol::{record, topic};

/// Reads the state of all transactions. May take long, and is done before the first request.
pub fn load(service: &Service) {
    let begin = |topic| {
        let (min, max) = service.store.queue_offsets(topic, QUEUE).unwrap_or((0, 0));
        let stored = service.offsets.committed(GROUP, topic, QUEUE).unwrap_or(min);
        (stored.clamp(min, max), max)
    };
    let (half, half_max) = begin(topic::TRANS_HALF);
    let (from, op_max) = begin(topic::TRANS_OP_HALF);
    let mut pending = Pending::new(half, half_max);
    let mut ops = OpProgress::new(from);
    for offset in from..op_max {
        let mut largest = -1;
        for ended in ended_by(service, offset) {
            pending.remove(ended);
            largest = largest.max(ended);
        }
        ops.note(offset, largest);
    }
    let waiting = pending.waiting();
    if waiting > 0 {
        tracing::info!(waiting, op_records = op_max - from, "half messages wait for their end");
    }
    let mut state = service.transactions.state.lock();
    (state.pending, state.ops, state.changed) = (pending, ops, waiting > 0 || op_max > from);
}

/// The half queue offsets that an op record names; none if it is gone or something else.
fn ended_by(service: &Service, offset: i64) -> Vec<i64> {
    let Some(bytes) = service.store.record_of(topic::TRANS_OP_HALF, QUEUE, offset) else { return Vec::new() };
    match record::parse(&bytes, false) {
        Ok(op) if op.property("TAGS") == Some(op::TAG) => op::offsets(op.body()).collect(),
        _ => {
            tracing::warn!(offset, "a record of the op topic is no op record");
            Vec::new()
        }
    }
}
