//! Requests of consumers and about them: pulls, offsets, heartbeats, locks, queries, statistics.
//!
//! What may read old data from the disk runs on a blocking thread and answers later ([`later`](super::later)); everything else is
//! answered at once on the connection's task.
mod client;
mod offset;
mod pull;
mod query;
mod relay;

use super::later::{self, later};
use super::reply::{unreadable, Reply};
use super::{Context, Port};
use crate::service::{heartbeat, Refusal, Service};
use ferromq_protocol::code::request as code;
use ferromq_protocol::{Command, ExtFields, Header};
use std::sync::Arc;

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
        code::SEARCH_OFFSET_BY_TIMESTAMP => later(context, request, later::SHORT, offset::at_time),
        code::GET_EARLIEST_MSG_STORETIME => later(context, request, later::SHORT, offset::earliest),
        code::QUERY_MESSAGE => later(context, request, later::ANY, query::by_key),
        code::VIEW_MESSAGE_BY_ID => later(context, request, later::ANY, query::by_offset),
        code::GET_TOPIC_STATS_INFO => later(context, request, later::ANY, query::topic_stats),
        code::VIEW_BROKER_STATS_DATA => query::broker_stats(context, request),
        code::GET_BROKER_CONSUME_STATS => later(context, request, later::ANY, query::all_consume_stats),
        code::GET_CONSUME_STATS => later(context, request, later::ANY, query::consume_stats),
        code::QUERY_CONSUME_QUEUE => later(context, request, later::ANY, query::consume_queue),
        code::QUERY_CONSUME_TIME_SPAN => later(context, request, later::ANY, query::time_span),
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
