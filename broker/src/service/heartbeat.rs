//! Heartbeats and what belongs to them (broker.md 5.1, 5.4): who is there, and with which filter.
use super::clock::now_ms;
use super::members::Registration;
use super::pull::NO_SQL;
use super::{filters, Caller, Refusal, Service};
use ferromq_protocol::body::{CheckClientConfigBody, ConsumeType, ConsumerData, HeartbeatData};
use ferromq_protocol::code::response;
use ferromq_protocol::topic;

/// Takes a heartbeat. True when the client has to send its subscriptions in full next time: always for heartbeats without
/// a fingerprint, otherwise when a group's fingerprint differs from the one before.
pub fn heartbeat(service: &Service, caller: &Caller, beat: &HeartbeatData) -> bool {
    let config = service.config();
    let now = now_ms();
    let mut changed = false;
    for data in &beat.consumer_data_set {
        if config.reject_pull_consumer_enable && data.consume_type == ConsumeType::Actively {
            continue;
        }
        changed |= service.members.fingerprint(&data.group_name, beat.heartbeat_fingerprint);
        // A group that may not exist is skipped in silence: its pulls are refused.
        let Some(group) = service.groups.find(&data.group_name, &config) else { continue };
        create_retry_topic(service, data, group.retry_queue_nums);
        let registration = Registration {
            client_id: &beat.client_id,
            data,
            without_subscriptions: beat.without_sub && beat.heartbeat_fingerprint != 0,
            notify: config.notify_consumer_ids_changed_enable && group.notify_consumer_ids_changed_enable,
        };
        service.members.register_consumer(caller, &registration, now);
        if !registration.without_subscriptions && caller.link.is_some() {
            service.filters.register(&data.group_name, &data.subscription_data_set, now);
        }
    }
    for data in &beat.producer_data_set {
        service.members.register_producer(caller, &data.group_name, &beat.client_id, now);
    }
    beat.heartbeat_fingerprint == 0 || changed
}

fn create_retry_topic(service: &Service, data: &ConsumerData, queues: i32) {
    if queues <= 0 || service.topics.contains(&topic::retry_topic(&data.group_name)) {
        return;
    }
    let is_order = |name: &str| service.topics.get(name).is_some_and(|config| config.order);
    let order = data.subscription_data_set.iter().any(|subscription| is_order(&subscription.topic));
    service.topics.get_or_create_retry(&data.group_name, queues, data.unit_mode, order);
}

/// A client leaves the groups it names. Unknown ones are ignored.
pub fn unregister(service: &Service, caller: &Caller, consumer_group: Option<&str>, producer_group: Option<&str>) {
    let Some(link) = &caller.link else { return };
    if let Some(group) = producer_group {
        service.members.unregister_producer(link.id(), group);
    }
    if let Some(group) = consumer_group {
        let wanted = service.groups.get(group).is_none_or(|config| config.notify_consumer_ids_changed_enable);
        let notify = wanted && service.config().notify_consumer_ids_changed_enable;
        service.members.unregister_consumer(link.id(), group, notify);
        forget_filters(service);
    }
}

/// A connection is gone: it leaves every group.
pub fn closed(service: &Service, link_id: u64) {
    service.members.closed(link_id, service.config().notify_consumer_ids_changed_enable);
    forget_filters(service);
}

/// Filter data of groups that lost their last consumer counts as dead from now on. A group that is back already revives it
/// with its next heartbeat.
fn forget_filters(service: &Service) {
    let now = now_ms();
    service.members.take_emptied().iter().for_each(|group| service.filters.unregister(group, now));
}

/// Drops clients that were silent for too long; called every ten seconds.
pub fn expire(service: &Service) -> usize {
    let expired = service.members.expire(now_ms(), service.config().channel_expired_timeout);
    forget_filters(service);
    expired
}

/// Whether the broker can filter as the client wants (CHECK_CLIENT_CONFIG).
pub fn check_client(service: &Service, request: &CheckClientConfigBody) -> Result<(), Refusal> {
    let Some(subscription) = request.subscription_data.as_ref().filter(|data| !data.is_tag()) else { return Ok(()) };
    if !service.config().enable_property_filter {
        return Err(Refusal::system_error(NO_SQL));
    }
    let compiled = filters::compile(&subscription.sub_string, &subscription.expression_type);
    compiled.map(drop).map_err(|error| Refusal::new(response::SUBSCRIPTION_PARSE_FAILED, error))
}
