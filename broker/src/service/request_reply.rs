//! Replies to requests (broker.md 3.9): the broker hands a reply to the producer that waits for it, and keeps a copy in the
//! reply topic.
//!
//! Two steps, with the transport in between, which hands the reply to the client and waits for its word: [`prepare`] checks
//! the reply and finds the client, [`conclude`] stores the copy and tells what to answer. Nothing here waits; the copy is
//! not waited for on the disk, since the reply itself has been delivered or not by then.
use super::clock::now_ms;
use super::send::properties::{self, Scan};
use super::send::{self, SendRequest};
use super::topics::Topic;
use super::{Caller, ClientLink, Refusal, Service};
use ferromq_protocol::code::response;
use ferromq_protocol::{properties as names, record, sysflag};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;

/// A reply that passed the checks.
pub struct Prepared {
    topic: Arc<Topic>,
    queue_id: i32,
    /// The stored text.
    properties: String,
    /// The client that waits for the reply, or why there is none.
    pub asker: Result<Asker, String>,
    /// When the broker took the reply, milliseconds since 1970.
    pub store_timestamp: i64,
}

/// The client that waits for a reply.
pub struct Asker {
    /// The id it gave itself.
    pub client_id: String,
    /// The way to it.
    pub link: Arc<dyn ClientLink>,
    /// The property text it gets.
    pub properties: String,
}

impl Asker {
    /// The remark when the client does not take the reply.
    pub fn failed(&self) -> String {
        format!("push reply message to {}fail.", self.client_id)
    }
}

/// What to answer. The reply may be stored although the client did not take it, and the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concluded {
    /// SUCCESS when the client took the reply.
    pub code: i32,
    /// Why it did not.
    pub remark: Option<String>,
    /// The queue of the copy; `None` when nothing was delivered nor stored.
    pub queue_id: Option<i32>,
    /// Where the copy went: offset in the log and in its queue.
    pub stored: Option<(i64, i64)>,
}

/// Checks a reply like any send to its topic, and finds the client it is for.
pub fn prepare(service: &Service, caller: &Caller, reply: &SendRequest<'_>) -> Result<Prepared, Refusal> {
    let (config, now) = (service.config(), now_ms());
    send::accepting(&config, now)?;
    let topic = send::check_topic(service, &config, reply, caller.peer, service.topics.get(reply.topic))?;
    let queue_id = match reply.queue_id {
        id if id >= 0 => id,
        _ => service.any_queue(topic.write_queue_nums)?,
    };
    let mut text = String::with_capacity(reply.properties.len() + 96);
    let set_here = |name: &str| matches!(name, names::MSG_REGION | names::TRACE_SWITCH);
    properties::push_without(&mut text, reply.properties, set_here);
    properties::push(&mut text, names::MSG_REGION, &config.region_id);
    properties::push(&mut text, names::TRACE_SWITCH, if config.trace_on { "true" } else { "false" });
    let asker = asker(service, &text, now);
    Ok(Prepared { topic, queue_id, properties: text, asker, store_timestamp: now })
}

fn asker(service: &Service, text: &str, now_ms: i64) -> Result<Asker, String> {
    let Some(client_id) = names::get(text, names::REPLY_TO_CLIENT) else {
        return Err(format!("reply message properties[{}] is null", names::REPLY_TO_CLIENT));
    };
    let Some(link) = service.members.producer_link(client_id) else {
        return Err(format!("push reply message fail, channel of <{client_id}> not found."));
    };
    let mut pushed = String::with_capacity(text.len() + 32);
    properties::push_without(&mut pushed, text, |name| name == names::PUSH_REPLY_TIME);
    properties::push(&mut pushed, names::PUSH_REPLY_TIME, &now_ms.to_string());
    Ok(Asker { client_id: client_id.to_owned(), link, properties: pushed })
}

/// Stores the copy, if it is wanted, and tells what to answer. `pushed` is the remark when the client did not take it.
pub fn conclude(
    service: &Service,
    producer: SocketAddr,
    reply: &SendRequest<'_>,
    prepared: &Prepared,
    pushed: Result<(), String>,
) -> Concluded {
    let stored = if service.config().store_reply_message_enable {
        store(service, producer, reply, prepared)
            .inspect_err(|refusal| tracing::warn!(topic = reply.topic, %refusal, "a reply is not stored"))
            .ok()
    } else {
        None
    };
    let code = if pushed.is_ok() { response::SUCCESS } else { response::SYSTEM_ERROR };
    let queue_id = (pushed.is_ok() || stored.is_some()).then_some(prepared.queue_id);
    Concluded { code, remark: pushed.err(), queue_id, stored }
}

/// Offsets of the copy in the log and in its queue.
fn store(
    service: &Service,
    producer: SocketAddr,
    reply: &SendRequest<'_>,
    prepared: &Prepared,
) -> Result<(i64, i64), Refusal> {
    let config = service.config();
    let message = record::Message {
        topic: &prepared.topic.topic_name,
        queue_id: prepared.queue_id,
        flag: reply.flag,
        // The compression of the body; a reply is no part of a transaction.
        sys_flag: reply.sys_flag & (sysflag::COMPRESSED | sysflag::COMPRESSION_MASK),
        born_timestamp: reply.born_timestamp,
        born_host: producer,
        store_timestamp: prepared.store_timestamp,
        store_host: service.identity.store_host,
        reconsume_times: reply.reconsume_times,
        prepared_transaction_offset: 0,
        body: reply.body,
        properties: &prepared.properties,
        queue_offset: 0,
        physical_offset: 0,
    };
    let mut batch = service.store.new_batch();
    let put = send::Put { service, config: &config, writable: &send::writable(service) };
    put.lay_out(&mut batch, &message, None, 0, &Scan::default())?;
    let bytes = batch.bytes_len();
    service.store.append(&mut batch).map_err(|error| send::refusal_of(&error, &config))?;
    service.stats.put_messages.fetch_add(1, Relaxed);
    service.stats.put_bytes.fetch_add(i64::try_from(bytes).unwrap_or(0), Relaxed);
    let at = batch.results().first().map(|result| (result.physical_offset, result.queue_offset));
    at.ok_or_else(|| Refusal::system_error("UNKNOWN_ERROR"))
}
