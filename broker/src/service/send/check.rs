//! The checks of a send, in the order that decides the answer (broker.md 3.2, 4 and 5).
use super::SendRequest;
use crate::config::BrokerConfig;
use crate::service::error::FAQ;
use crate::service::topics::{perm, AutoCreate, Topic, UNIT, UNIT_SUB};
use crate::service::{names, Refusal, Service};
use ferromq_protocol::body::TopicConfig;
use ferromq_protocol::code::response;
use ferromq_protocol::topic;
use std::net::SocketAddr;
use std::sync::Arc;

/// Refuses sends before the time the operator set.
pub fn accepting(config: &BrokerConfig, now_ms: i64) -> Result<(), Refusal> {
    let from = config.start_accept_send_request_time_stamp;
    if now_ms < from {
        return Err(Refusal::system_error(format!("broker unable to service, until {from}")));
    }
    Ok(())
}

/// The topic of a send: the one that is `known`, or one created if the request and the settings allow it; then the queue.
///
/// The topic's own WRITE bit is not looked at: clients leave unwritable queues out by the route (broker.md 15.1).
pub fn topic(
    service: &Service,
    config: &BrokerConfig,
    request: &SendRequest<'_>,
    producer: SocketAddr,
    known: Option<Arc<Topic>>,
) -> Result<Arc<Topic>, Refusal> {
    if !perm::is_writable(config.broker_permission) && known.as_ref().is_some_and(|t| t.order) {
        return Err(broker_forbidden(service));
    }
    if known.is_none() {
        names::check_topic(request.topic)?;
    }
    sendable(request.topic)?;
    let found = match known {
        Some(found) => found,
        None => create(service, config, request)?,
    };
    queue(&found, request.queue_id, producer)?;
    Ok(found)
}

/// The broker's permission does not include sending.
pub fn broker_forbidden(service: &Service) -> Refusal {
    let remark = format!("the broker[{}] sending message is forbidden", service.identity.ip);
    Refusal::new(response::NO_PERMISSION, remark)
}

/// Refuses the topics that only the broker writes. The wheel timer's is among them here although the reference accepts such
/// sends, because there they stop its timer service for good (broker.md 3.6).
fn sendable(name: &str) -> Result<(), Refusal> {
    if topic::is_sendable(name) && name != topic::WHEEL_TIMER {
        return Ok(());
    }
    Err(Refusal::new(response::NO_PERMISSION, format!("Sending message to topic[{name}] is forbidden.")))
}

fn create(service: &Service, config: &BrokerConfig, request: &SendRequest<'_>) -> Result<Arc<Topic>, Refusal> {
    // Java looks a missing name up in a map that takes no null.
    let Some(template) = request.default_topic else {
        return Err(Refusal::thrown("header field defaultTopic is missing"));
    };
    let wanted = AutoCreate { template, queues: request.default_topic_queues, unit: request.unit_mode };
    if let Some(created) = service.topics.create_from_template(request.topic, &wanted, config) {
        tracing::info!(topic = request.topic, template, "topic created by a send");
        return Ok(created);
    }
    if topic::is_retry(request.topic) {
        let sys_flag = if request.unit_mode { UNIT_SUB } else { 0 };
        return Ok(service.topics.get_or_create_own(request.topic, 1, perm::READ_WRITE, sys_flag));
    }
    Err(missing(request.topic))
}

/// The topic does not exist and is not created.
pub fn missing(name: &str) -> Refusal {
    Refusal::new(response::TOPIC_NOT_EXIST, format!("topic[{name}] not exist, apply first please!{FAQ}"))
}

fn queue(config: &TopicConfig, queue_id: i32, producer: SocketAddr) -> Result<(), Refusal> {
    if queue_id < config.write_queue_nums.max(config.read_queue_nums) {
        return Ok(());
    }
    let remark = format!("request queueId[{queue_id}] is illegal, {} Producer: {producer}", describe(config));
    Err(Refusal::new(response::INVALID_PARAMETER, remark))
}

/// A topic's configuration as Java prints it.
fn describe(config: &TopicConfig) -> String {
    let attributes: Vec<String> = config.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!(
        "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={}, topicSysFlag={}, \
         order={}, attributes={{{}}}]",
        config.topic_name,
        config.read_queue_nums,
        config.write_queue_nums,
        perm::text(config.perm),
        config.topic_filter_type,
        config.topic_sys_flag,
        config.order,
        attributes.join(", ")
    )
}

/// Where a consumer's own retry goes: its retry topic, or the dead-letter topic when it was consumed too often, or when the
/// group holds a queue lock, which marks an orderly consumer (broker.md 3.2, 7). `Some` is the dead-letter topic.
pub fn dead_letter(
    service: &Service,
    config: &BrokerConfig,
    request: &SendRequest<'_>,
    now_ms: i64,
) -> Result<Option<Arc<Topic>>, Refusal> {
    let Some(group) = request.topic.strip_prefix(topic::RETRY_PREFIX) else { return Ok(None) };
    let Some(settings) = service.groups.find(group, config) else {
        let remark = format!("subscription group not exist, {group}{FAQ}");
        return Err(Refusal::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, remark));
    };
    let max = retry_limit(settings.retry_max_times, request.max_reconsume_times, request.client_version);
    if request.reconsume_times <= max && !service.locks.any_unexpired(group, now_ms) {
        return Ok(None);
    }
    let sys_flag = if request.unit_mode { UNIT } else { 0 };
    Ok(Some(service.topics.get_or_create_own(&topic::dlq_topic(group), 1, perm::READ_WRITE, sys_flag)))
}

/// How often a message may be retried: what the request says if its client is new enough to mean it, else the group's limit.
pub fn retry_limit(group_max: i32, request_max: Option<i32>, client_version: i32) -> i32 {
    /// Clients before V3_4_9 sent the field without a meaning.
    const V3_4_9: i32 = 121;
    request_max.filter(|_| client_version >= V3_4_9).unwrap_or(group_max)
}
