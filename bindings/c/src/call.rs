//! Calls whose result the caller waits for.
use crate::log;
use ferromq_bridge::{Class, Event, Failure, ReplyTo, Slot, Value};
use std::time::Duration;

/// A limit to wait as C gives it.
pub fn span(timeout_ms: i64) -> Duration {
    u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis)
}

/// Begins a call and waits for its result.
pub fn wait(what: &str, timeout_ms: i64, begin: impl FnOnce(ReplyTo) -> Result<(), Failure>) -> Result<Event, Failure> {
    let slot = Slot::default();
    begin(ReplyTo::Slot(slot.clone()))?;
    let event = slot.wait(span(timeout_ms));
    log::dispatch();
    event.ok_or_else(|| {
        let message = format!("{what} has not ended after {timeout_ms} ms; it goes on");
        Failure { retriable: true, not_sent: false, ..Failure::new(Class::Timeout, message) }
    })
}

/// The same for calls other than sends.
pub fn done(what: &str, timeout_ms: i64, begin: impl FnOnce(ReplyTo) -> Result<(), Failure>) -> Result<Value, Failure> {
    match wait(what, timeout_ms, begin)? {
        Event::Done { result, .. } => result,
        _ => Err(unexpected(what)),
    }
}

/// The bridge answered with something else than its documentation says.
pub fn unexpected(what: &str) -> Failure {
    Failure::new(
        Class::Internal,
        format!("{what} had a result of another call: a mistake in ferromq, please report it"),
    )
}
