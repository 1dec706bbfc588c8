//! Requests of the broker to a client, with an answer.
use super::link::Link;
use crate::service::ClientLink;
use ferromq_protocol::Command;
use ferromq_remoting::{CallError, CloseReason};
use std::time::Duration;

/// Asks a client; `done` gets its answer on the task of its connection. A client that is gone fails like a closed
/// connection.
pub(super) fn call(
    link: &dyn ClientLink,
    ask: Command,
    timeout: Duration,
    done: impl FnOnce(Result<Command, CallError>) + Send + 'static,
) {
    match link.as_any().downcast_ref::<Link>().and_then(Link::connection) {
        Some(connection) => connection.call_with(ask, timeout, done),
        None => done(Err(CallError::Closed { addr: link.peer().to_string(), reason: CloseReason::Peer })),
    }
}
