//! END_TRANSACTION (broker.md 7.2): commits and rollbacks, a whole run of them with one append.
//!
//! A half message ends once. Who comes later, from whatever side, is told that it is done: what was decided first stays.
use super::close::Closing;
use super::decide::{may_end, Decision, EndRequest, Limits};
use super::half::{Half, QUEUE};
use super::Claim;
use crate::config::BrokerConfig;
use crate::service::clock::now_ms;
use crate::service::send::properties::scan;
use crate::service::{Refusal, Service};
use bytes::Bytes;
use ferromq_protocol::topic;

/// What was done for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOutcome {
    /// The producer does not know yet; it gets no answer.
    Nothing,
    /// The message is delivered.
    Committed,
    /// The message is forgotten.
    RolledBack,
}

/// Distance from the end of the log within which a half message counts as being in memory.
const RECENT_BYTES: i64 = 64 * 1024 * 1024;

/// Whether [`end`] may have to read the disk for one of these offsets of the log.
pub fn may_wait(service: &Service, mut log_offsets: impl Iterator<Item = i64>) -> bool {
    let recent = service.store.max_log_offset() - RECENT_BYTES;
    log_offsets.any(|offset| offset < recent)
}

/// Bytes of messages from which an append is not made larger: a thousand small requests may deliver a thousand large ones.
const APPEND_BYTES: usize = 1024 * 1024;

/// Ends transactions; the outcomes are in the order of the requests.
pub fn end(service: &Service, requests: &[EndRequest<'_>]) -> Vec<Result<EndOutcome, Refusal>> {
    let mut outcomes = Vec::with_capacity(requests.len());
    while outcomes.len() < requests.len() {
        end_some(service, &requests[outcomes.len()..], &mut outcomes);
    }
    outcomes
}

/// One append; handles the first request at least.
fn end_some(service: &Service, requests: &[EndRequest<'_>], outcomes: &mut Vec<Result<EndOutcome, Refusal>>) {
    let config = service.config();
    let mut closing = Closing::start(service, &config);
    // The outcome of each half message that is taken.
    let mut taken = Vec::new();
    for request in requests {
        let before = closing.len();
        outcomes.push(one(service, &config, &mut closing, request));
        if closing.len() > before {
            taken.push(outcomes.len() - 1);
        }
        if closing.bytes_len() >= APPEND_BYTES {
            break;
        }
    }
    for (at, stored) in taken.into_iter().zip(closing.store()) {
        if let Err(refusal) = stored {
            outcomes[at] = Err(refusal);
        }
    }
}

fn one(
    service: &Service,
    config: &BrokerConfig,
    closing: &mut Closing<'_>,
    request: &EndRequest<'_>,
) -> Result<EndOutcome, Refusal> {
    if request.decision == Decision::Unknown {
        tracing::debug!(offset = request.queue_offset, group = request.group, "a producer does not know yet");
        return Ok(EndOutcome::Nothing);
    }
    let missing = || Refusal::system_error("Find prepared transaction message failed");
    let bytes = half_at(service, request.log_offset).ok_or_else(missing)?;
    let half = Half::parse(&bytes).ok_or_else(missing)?;
    may_end(&half, request, &Limits::of(config), now_ms())?;
    let (claim, outcome) = match request.decision {
        Decision::Commit => (commit(service, config, closing, &half)?, EndOutcome::Committed),
        _ => (closing.add(request.queue_offset, None)?, EndOutcome::RolledBack),
    };
    match claim {
        Claim::Taken => {}
        Claim::Ended => {
            tracing::debug!(offset = request.queue_offset, group = request.group, "the transaction has ended before");
        }
        Claim::Unknown => return Err(missing()),
    }
    Ok(outcome)
}

fn commit(
    service: &Service,
    config: &BrokerConfig,
    closing: &mut Closing<'_>,
    half: &Half<'_>,
) -> Result<Claim, Refusal> {
    if service.store.append_lock_held_ms() > config.os_page_cache_busy_time_out_mills {
        return Err(Refusal::system_error("OS page cache busy, please try another machine"));
    }
    let properties = half.committed_properties();
    let scan = scan(&properties);
    // Nobody could be told of a level that is no number; it was prepared without a look at it.
    let level = scan.delay.and_then(|level| level.parse().ok()).unwrap_or(0);
    closing.add(half.queue_offset(), Some((&half.committed(&properties), level, &scan)))
}

/// The record at an offset of the log, if its consume queue says that a half message lies there. Without this second look
/// the body of a message could hold a made-up half message.
fn half_at(service: &Service, log_offset: i64) -> Option<Bytes> {
    let bytes = service.store.record_at(log_offset).ok().flatten()?;
    let queue_offset = Half::parse(&bytes)?.queue_offset();
    // Its unit may follow in a moment.
    let unit = service.store.unit(topic::TRANS_HALF, QUEUE, queue_offset);
    unit.is_none_or(|unit| unit.physical == log_offset).then_some(bytes)
}
