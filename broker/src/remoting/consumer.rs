//! Requests of consumers and about them: pulls, offsets, heartbeats, locks, queries, statistics.
//!
//! What may read old data from the disk runs on a blocking thread and answers later ([`later`]); everything else is
//! answered at once on the connection's task.
mod client;
mod offset;
mod pull;
mod query;
mod relay;

use super::reply::{unreadable, Reply};
use super::{overload, Context, Port};
use crate::service::{heartbeat, Refusal, Service};
use ferromq_protocol::code::request as code;
use ferromq_protocol::{Command, ExtFields, Header};
use ferromq_remoting::Connection;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Requests of this kind that read the disk at a time, over all brokers of the process; more wait, and are bounded by the
/// connections' limits on requests in flight.
static DISK_READERS: Semaphore = Semaphore::const_new(16);

/// True for the codes that are answered with messages.
pub(super) fn is_pull(code: i32) -> bool {
    matches!(code, code::PULL_MESSAGE | code::LITE_PULL_MESSAGE)
}

/// Serves a request; `None` when its code belongs to nobody here.
pub(super) fn handle(context: &Context<'_>, request: &Command) -> Option<Reply> {
    let reply = match request.code {
        code::PULL_MESSAGE | code::LITE_PULL_MESSAGE if context.port == Port::Main => pull::pull(context, request),
        code::UPDATE_CONSUMER_OFFSET => offset::commit(context, request),
        code::QUERY_CONSUMER_OFFSET => offset::committed(context, request),
        code::GET_MAX_OFFSET => offset::max(context, request),
        code::GET_MIN_OFFSET => offset::min(context, request),
        code::GET_ALL_CONSUMER_OFFSET => offset::all(context, request),
        code::INVOKE_BROKER_TO_RESET_OFFSET => offset::reset(context, request),
        code::CLONE_GROUP_OFFSET => offset::clone(context, request),
        code::QUERY_CORRECTION_OFFSET => offset::correction(context, request),
        code::HEART_BEAT => client::heartbeat(context, request),
        code::UNREGISTER_CLIENT => client::unregister(context, request),
        code::CHECK_CLIENT_CONFIG => client::check_config(context, request),
        code::GET_CONSUMER_LIST_BY_GROUP => client::consumer_list(context, request),
        code::GET_CONSUMER_CONNECTION_LIST => client::consumer_connections(context, request),
        code::GET_PRODUCER_CONNECTION_LIST => client::producer_connections(context, request),
        code::GET_ALL_PRODUCER_INFO => client::all_producers(context, request),
        code::LOCK_BATCH_MQ => client::lock(context, request),
        code::UNLOCK_BATCH_MQ => client::unlock(context, request),
        code::QUERY_TOPIC_CONSUME_BY_WHO => query::groups_of_topic(context, request),
        code::QUERY_TOPICS_BY_CONSUMER => query::topics_of_group(context, request),
        code::QUERY_SUBSCRIPTION_BY_CONSUMER => query::subscription(context, request),
        code::GET_CONSUMER_RUNNING_INFO => relay::running_info(context, request),
        code::CONSUME_MESSAGE_DIRECTLY => relay::consume_directly(context, request),
        code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS => relay::consumer_status(context, request),
        code::SEARCH_OFFSET_BY_TIMESTAMP => later(context, request, offset::at_time),
        code::GET_EARLIEST_MSG_STORETIME => later(context, request, offset::earliest),
        code::QUERY_MESSAGE => later(context, request, query::by_key),
        code::VIEW_MESSAGE_BY_ID => later(context, request, query::by_offset),
        code::GET_TOPIC_STATS_INFO => later(context, request, query::topic_stats),
        code::VIEW_BROKER_STATS_DATA => query::broker_stats(context, request),
        code::GET_BROKER_CONSUME_STATS => later(context, request, query::all_consume_stats),
        code::GET_CONSUME_STATS => later(context, request, query::consume_stats),
        code::QUERY_CONSUME_QUEUE => later(context, request, query::consume_queue),
        code::QUERY_CONSUME_TIME_SPAN => later(context, request, query::time_span),
        _ => return None,
    };
    Some(reply.unwrap_or_else(|refusal| Reply::refused(request, &refusal)))
}

/// A connection is gone.
pub(super) fn closed(service: &Arc<Service>, link_id: u64) {
    heartbeat::closed(service, link_id);
}

/// Reads the header of a request.
fn header<'a, H: Header<'a>>(request: &'a Command) -> Result<H, Refusal> {
    H::decode(&request.ext).map_err(unreadable)
}

/// A field that is a number, or absent when it is none.
fn number<T: std::str::FromStr>(ext: &ExtFields, name: &str) -> Option<T> {
    ext.get(name).and_then(|text| text.parse().ok())
}

/// Runs `serve` on a thread that may wait for the disk; the answer goes out through the connection.
fn later(
    context: &Context<'_>,
    request: &Command,
    serve: fn(&Service, &Command) -> Result<Reply, Refusal>,
) -> Result<Reply, Refusal> {
    let (service, request) = (Arc::clone(context.service), request.clone());
    on_disk_thread(Arc::clone(context.connection), move |connection| {
        // Answers are long: one read full of questions would make gigabytes for a client that takes none.
        let reply = overload::room(connection, 0).and_then(|()| serve(&service, &request));
        reply.unwrap_or_else(|refusal| Reply::refused(&request, &refusal)).send(connection, &request);
    });
    Ok(Reply::Later)
}

/// Runs `work` on a thread that may wait, as soon as there is a place for it, unless the client is gone by then.
fn on_disk_thread(connection: Arc<Connection>, work: impl FnOnce(&Arc<Connection>) + Send + 'static) {
    tokio::spawn(async move {
        // The semaphore is never closed.
        let Ok(place) = DISK_READERS.acquire().await else { return };
        if connection.is_open() {
            tokio::task::spawn_blocking(move || {
                work(&connection);
                drop(place);
            });
        }
    });
}
