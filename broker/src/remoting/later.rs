//! Requests that are answered later, by a thread that may wait for the disk.
//!
//! Their answers are long, and one read is full of requests: what they may take is bounded before they are made. A request waits, in this
//! order, for room in its connection (answers that are made for a client at a time come to no more than its output may hold, so that one client
//! has one place among the readers as long as nobody knows how long its answers are), and for a reader's place; and it is refused
//! when the client has not taken what is there already, or when too many wait.
use super::overload::{overload, room};
use super::reply::Reply;
use super::Context;
use crate::service::{Refusal, Service};
use bytes::Bytes;
use ferromq_protocol::Command;
use ferromq_remoting::Connection;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Requests that read the disk at a time, over all brokers of the process; more wait.
static READERS: Semaphore = Semaphore::const_new(16);

/// Bytes of an answer that has a few numbers.
pub(super) const SHORT: usize = 1024;
/// Bytes of an answer that may have any length: it is made when nothing else is made for its client.
pub(super) const ANY: usize = usize::MAX;

/// Runs `serve`, whose answer has up to `bytes`, on a thread that may wait for the disk; the answer goes out through the connection.
/// `serve` gets the request without its body.
pub(super) fn later(
    context: &Context<'_>,
    request: &Command,
    bytes: usize,
    serve: fn(&Service, &Command) -> Result<Reply, Refusal>,
) -> Result<Reply, Refusal> {
    may_wait(context)?;
    // The body would keep the whole buffer that it was read into.
    let request = Command { body: Bytes::new(), ..request.clone() };
    let service = Arc::clone(context.service);
    on_disk_thread(Arc::clone(context.connection), bytes, move |connection| {
        let reply = room(connection, 0).and_then(|()| serve(&service, &request));
        reply.unwrap_or_else(|refusal| Reply::refused(&request, &refusal)).send(connection, &request);
    });
    Ok(Reply::Later)
}

/// Refuses one more request of a connection that has as many as it may have of those that wait, for a message or for the disk.
pub(super) fn may_wait(context: &Context<'_>) -> Result<(), Refusal> {
    let most = usize::try_from(context.service.config().connection_held_pulls_max).unwrap_or(0);
    if context.connection.requests_waiting() >= most {
        Err(overload())
    } else {
        Ok(())
    }
}

/// Runs `work`, which makes an answer of up to `bytes`, on a thread that may wait, as soon as there is room and a place for it, unless the
/// client is gone by then.
pub(super) fn on_disk_thread(
    connection: Arc<Connection>,
    bytes: usize,
    work: impl FnOnce(&Arc<Connection>) + Send + 'static,
) {
    tokio::spawn(async move {
        let Some(room) = connection.reserve(bytes).await else { return };
        // The semaphore is never closed.
        let Ok(place) = READERS.acquire().await else { return };
        if connection.is_open() {
            tokio::task::spawn_blocking(move || {
                work(&connection);
                drop((place, room));
            });
        }
    });
}
