//! A consumer gives a message back to be tried again later (broker.md 3.8; store.md 9).
use super::clock::now_ms;
use super::error::FAQ;
use super::send::properties::{self, Scan};
use super::send::{self, broker_forbidden, retry_limit};
use super::topics::{perm, Topic, UNIT, UNIT_SUB};
use super::{Caller, Refusal, Service};
use crate::config::BrokerConfig;
use ferromq_protocol::body::SubscriptionGroupConfig;
use ferromq_protocol::code::response;
use ferromq_protocol::ids::OffsetMessageId;
use ferromq_protocol::{properties as names, record, sysflag, topic};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;

/// What the consumer asks for.
#[derive(Debug, Clone, Copy)]
pub struct SendBack<'a> {
    /// Where the message lies in the log.
    pub offset: i64,
    /// The consumer's group.
    pub group: &'a str,
    /// Negative: dead letter at once; 0: by the number of retries; else the level.
    pub delay_level: i32,
    /// Unit mode.
    pub unit_mode: bool,
    /// The consumer's own limit of retries.
    pub max_reconsume_times: Option<i32>,
}

/// Where a message that came back goes, with its delay level.
struct Destination {
    topic: Arc<Topic>,
    queue_id: i32,
    level: i32,
}

/// Stores the message again, in the retry topic of the group or in its dead-letter topic.
pub fn send_back(service: &Service, caller: &Caller, request: &SendBack<'_>) -> Result<(), Refusal> {
    let config = service.config();
    let Some(group) = service.groups.find(request.group, &config) else {
        let remark = format!("subscription group not exist, {}{FAQ}", request.group);
        return Err(Refusal::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, remark));
    };
    if !perm::is_writable(config.broker_permission) {
        return Err(broker_forbidden(service));
    }
    if group.retry_queue_nums <= 0 {
        return Ok(());
    }
    let retry = retry_topic(service, request, &group)?;
    let record = service.store.record_at(request.offset).ok().flatten();
    let missing = || Refusal::system_error(format!("look message by offset failed, {}", request.offset));
    let record = record.ok_or_else(missing)?;
    let original = record::parse(&record, false).map_err(|_| missing())?;
    let destination = destination(service, request, caller, &group, retry, original.reconsume_times())?;
    store(service, &config, request, &original, &destination)
}

fn retry_topic(
    service: &Service,
    request: &SendBack<'_>,
    group: &SubscriptionGroupConfig,
) -> Result<Arc<Topic>, Refusal> {
    let name = topic::retry_topic(request.group);
    let sys_flag = if request.unit_mode { UNIT_SUB } else { 0 };
    let retry = service.topics.get_or_create_own(&name, group.retry_queue_nums, perm::READ_WRITE, sys_flag);
    if perm::is_writable(retry.perm) {
        return Ok(retry);
    }
    Err(Refusal::new(response::NO_PERMISSION, format!("the topic[{name}] sending message is forbidden")))
}

fn destination(
    service: &Service,
    request: &SendBack<'_>,
    caller: &Caller,
    group: &SubscriptionGroupConfig,
    retry: Arc<Topic>,
    reconsumed: i32,
) -> Result<Destination, Refusal> {
    let max = retry_limit(group.retry_max_times, request.max_reconsume_times, caller.version);
    if reconsumed >= max || request.delay_level < 0 {
        let sys_flag = if request.unit_mode { UNIT } else { 0 };
        let name = topic::dlq_topic(request.group);
        let topic = service.topics.get_or_create_own(&name, 1, perm::READ_WRITE, sys_flag);
        service.stats.dead_letters.fetch_add(1, Relaxed);
        return Ok(Destination { topic, queue_id: 0, level: 0 });
    }
    let level = if request.delay_level == 0 { 3i32.saturating_add(reconsumed) } else { request.delay_level };
    Ok(Destination { queue_id: service.any_queue(group.retry_queue_nums)?, topic: retry, level })
}

fn store(
    service: &Service,
    config: &BrokerConfig,
    request: &SendBack<'_>,
    original: &record::RecordView<'_>,
    to: &Destination,
) -> Result<(), Refusal> {
    let text = new_properties(original, to.level);
    let message = record::Message {
        topic: &to.topic.topic_name,
        queue_id: to.queue_id,
        flag: original.flag(),
        sys_flag: original.sys_flag() & !(sysflag::BORN_HOST_V6 | sysflag::STORE_HOST_V6),
        born_timestamp: original.born_timestamp(),
        born_host: original.born_host(),
        store_timestamp: now_ms(),
        store_host: service.identity.store_host,
        reconsume_times: original.reconsume_times().saturating_add(1),
        prepared_transaction_offset: 0,
        body: original.body(),
        properties: &text,
        queue_offset: 0,
        physical_offset: 0,
    };
    let mut batch = service.store.new_batch();
    let put = send::Put { service, config, writable: &send::writable(service) };
    put.lay_out(&mut batch, &message, None, to.level, &Scan::default()).map_err(as_status)?;
    service.store.append(&mut batch).map_err(|e| as_status(send::refusal_of(&e, config)))?;
    service.stats.send_backs.fetch_add(1, Relaxed);
    tracing::debug!(group = request.group, topic = to.topic.topic_name, level = to.level, "message sent back");
    Ok(())
}

/// A failed put is SYSTEM_ERROR with the name of the put status (broker.md 3.8, 8).
fn as_status(refusal: Refusal) -> Refusal {
    let status = match refusal.code {
        response::MESSAGE_ILLEGAL => "MESSAGE_ILLEGAL",
        response::SERVICE_NOT_AVAILABLE => "SERVICE_NOT_AVAILABLE",
        response::SYSTEM_BUSY => "OS_PAGE_CACHE_BUSY",
        _ => "UNKNOWN_ERROR",
    };
    Refusal::system_error(status)
}

/// The original's properties; first topic and first id of the chain are kept, the new delay level is set.
fn new_properties(original: &record::RecordView<'_>, level: i32) -> String {
    let text = original.properties();
    let changed =
        |name: &str| matches!(name, names::WAIT | names::DELAY | names::RETRY_TOPIC | names::ORIGIN_MESSAGE_ID);
    let mut out = String::with_capacity(text.len() + 128);
    properties::push_without(&mut out, text, changed);
    properties::push(&mut out, names::RETRY_TOPIC, names::get(text, names::RETRY_TOPIC).unwrap_or(original.topic()));
    properties::push(&mut out, names::WAIT, "false");
    let mut id = String::new();
    match names::get(text, names::ORIGIN_MESSAGE_ID) {
        Some(first) if !first.trim().is_empty() => id.push_str(first),
        _ => OffsetMessageId { store_host: original.store_host(), physical_offset: original.physical_offset() }
            .write_to(&mut id),
    }
    properties::push(&mut out, names::ORIGIN_MESSAGE_ID, &id);
    properties::push(&mut out, names::DELAY, &level.to_string());
    out
}
