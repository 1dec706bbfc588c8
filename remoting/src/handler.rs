//! What the owner of a connection implements to serve its requests.
use crate::{CloseReason, Connection, OutFrame};
use ferromq_protocol::Command;
use std::sync::Arc;

/// Serves the requests that arrive on connections. Called on the connection's task: it must not block.
pub trait Handler: Send + Sync + 'static {
    /// A connection was made or accepted; nothing was read from it yet.
    fn connected(&self, _connection: &Arc<Connection>) {}

    /// All requests decoded from one read, in order; answers to our own calls are matched by the transport itself.
    ///
    /// Answers pushed to `answers` go out in one vectored write after this call. An answer can also be given later
    /// through [`Connection::send`] and its like; until then the request's bytes count as in flight. One-way requests are among
    /// them ([`Command::is_oneway`]) and must not be answered. What is left in `requests` is dropped.
    ///
    /// Bodies are slices of the read buffer, and headers lie in memory that others could use: what is kept for long (held
    /// pulls, registrations) should be copied out, or a few bytes pin up to a few hundred kilobytes.
    fn requests(&self, connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>);

    /// The connection ended. Called once, after all calls that waited on it were told.
    fn closed(&self, _connection: &Arc<Connection>, _reason: &CloseReason) {}
}

/// A handler for clients that expect no requests: answers every one with code 3, as Java clients do (client.md 1.10).
#[derive(Debug, Default, Clone, Copy)]
pub struct NoRequests;

impl Handler for NoRequests {
    fn requests(&self, _connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        for request in requests.drain(..).filter(|r| !r.is_oneway()) {
            let remark = format!(" request type {} not supported", request.code);
            let code = ferromq_protocol::code::response::REQUEST_CODE_NOT_SUPPORTED;
            answers.push(OutFrame::from(&Command::response_to(&request, code, Some(remark))));
        }
    }
}
