//! Requests of the broker to a client.
use super::link::Link;
use crate::service::ClientLink;
use ferromq_protocol::Command;
use ferromq_remoting::{CallError, CloseReason, Connection};
use std::sync::Arc;
use std::time::Duration;

fn connection(link: &dyn ClientLink) -> Option<Arc<Connection>> {
    link.as_any().downcast_ref::<Link>().and_then(Link::connection)
}

/// Tells a client something that has no answer; one that is gone is told nothing.
pub(super) fn tell(link: &dyn ClientLink, request: Command) {
    if let Some(Err(error)) = connection(link).map(|connection| connection.oneway(request)) {
        tracing::debug!(%error, peer = %link.peer(), "a client could not be told");
    }
}

/// Asks a client; `done` gets its answer on the task of its connection. A client that is gone fails like a closed
/// connection.
pub(super) fn call(
    link: &dyn ClientLink,
    ask: Command,
    timeout: Duration,
    done: impl FnOnce(Result<Command, CallError>) + Send + 'static,
) {
    match connection(link) {
        Some(connection) => connection.call_with(ask, timeout, done),
        None => done(Err(CallError::Closed { addr: link.peer().to_string(), reason: CloseReason::Peer })),
    }
}
