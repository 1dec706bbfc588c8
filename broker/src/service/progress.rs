//! Requests about offsets (broker.md 5.6, 10.3): what a group consumed, where a queue starts and ends, resets.
use super::{Refusal, Service};
use ferromq_protocol::body::{MessageQueue, ResetOffsetBody};
use ferromq_protocol::code::response;
use ferromq_store::Boundary;
use std::collections::BTreeMap;

/// UPDATE_CONSUMER_OFFSET. A missing offset is told apart from a missing topic, as by the reference.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    /// Consumer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Queue of the topic.
    pub queue_id: Option<i32>,
    /// Next offset to consume.
    pub offset: Option<i64>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Stored.
    Stored,
    /// Ignored, since a reset waits for the next pull of the queue.
    IgnoredForReset,
}

/// Remark of a commit that was ignored.
pub const IGNORED_FOR_RESET: &str = "Offset has been previously reset";

/// Stores an offset.
pub fn commit(service: &Service, request: &Commit<'_>) -> Result<Committed, Refusal> {
    let Commit { group, topic, .. } = *request;
    if !service.groups.contains(group) {
        return Err(Refusal::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, format!("Group {group} not exist!")));
    }
    if !service.topics.contains(topic) {
        return Err(Refusal::new(response::TOPIC_NOT_EXIST, format!("Topic {topic} not exist!")));
    }
    let Some(queue_id) = request.queue_id else {
        return Err(Refusal::new(response::INVALID_PARAMETER, format!("QueueId is null, topic is {topic}")));
    };
    let Some(offset) = request.offset else {
        return Err(Refusal::new(response::INVALID_PARAMETER, format!("Offset is null, topic is {topic}")));
    };
    if service.config().use_server_side_reset_offset && service.offsets.has_reset(group, topic, queue_id) {
        return Ok(Committed::IgnoredForReset);
    }
    service.offsets.commit(group, topic, queue_id, offset);
    Ok(Committed::Stored)
}

/// The offset a group continues at, or QUERY_NOT_FOUND, after which the client decides where a new group starts.
///
/// A group without an offset starts at 0 as long as the queue still has its first message in memory, or nothing at all: a
/// new group on a young topic gets everything. 5.4.0 says "not found" for an empty queue, whose consumer then asks for the
/// end and skips what arrives meanwhile; 4.9.7 says 0, and so do we.
pub fn committed(
    service: &Service,
    group: &str,
    topic: &str,
    queue_id: i32,
    zero_if_unknown: bool,
) -> Result<i64, Refusal> {
    let not_found = |remark: &str| Refusal::new(response::QUERY_NOT_FOUND, remark);
    if let Some(offset) = service.offsets.committed(group, topic, queue_id).filter(|offset| *offset >= 0) {
        return Ok(offset);
    }
    if !zero_if_unknown {
        return Err(not_found("Not found, do not set to zero, maybe this group boot first"));
    }
    let (min, max) = service.store.queue_offsets(topic, queue_id).unwrap_or_default();
    let exists = service.topics.get(topic).is_some_and(|config| (0..config.read_queue_nums).contains(&queue_id));
    if exists && min <= 0 && (max == 0 || service.store.is_in_memory(topic, queue_id, 0)) {
        return Ok(0);
    }
    Err(not_found("Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first"))
}

/// The offset of a queue at a store time. Names that are no boundary count as the lower one.
pub fn at_time(service: &Service, topic: &str, queue_id: i32, timestamp: i64, boundary: &str) -> i64 {
    let upper = boundary.eq_ignore_ascii_case("UPPER");
    service.store.offset_by_time(topic, queue_id, timestamp, if upper { Boundary::Upper } else { Boundary::Lower })
}

/// INVOKE_BROKER_TO_RESET_OFFSET.
#[derive(Debug, Clone, Copy)]
pub struct Reset<'a> {
    /// Consumer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Negative: every queue.
    pub queue_id: i32,
    /// An offset, for a single queue.
    pub offset: Option<i64>,
    /// Store time; negative: the end of the queue.
    pub timestamp: i64,
    /// Also forward, where that makes a difference.
    pub is_force: bool,
}

impl Reset<'_> {
    fn by_time(&self, service: &Service, queue_id: i32) -> i64 {
        match self.timestamp {
            ..0 => service.store.max_offset(self.topic, queue_id),
            timestamp => service.store.offset_by_time(self.topic, queue_id, timestamp, Boundary::Lower),
        }
    }
}

/// Resets offsets here: they are committed, and the next pull of each queue is sent to them. Consumers need not be online.
pub fn reset(service: &Service, request: &Reset<'_>) -> Result<ResetOffsetBody, Refusal> {
    let Reset { group, topic, queue_id, .. } = *request;
    let Some(config) = service.topics.get(topic) else {
        return Err(Refusal::new(response::TOPIC_NOT_EXIST, format!("Topic {topic} does not exist")));
    };
    if !service.groups.contains(group) {
        return Err(Refusal::new(response::SUBSCRIPTION_GROUP_NOT_EXIST, format!("Group {group} does not exist")));
    }
    let by_time = |queue_id: i32| request.by_time(service, queue_id);
    let mut targets = BTreeMap::new();
    match request.offset.filter(|offset| queue_id >= 0 && *offset >= 0) {
        Some(offset) => {
            let (min, max) = service.store.queue_offsets(topic, queue_id).unwrap_or_default();
            // The reference lets one more than the end pass; the pull that takes it is moved to the end.
            if !(min..=max.saturating_add(1)).contains(&offset) {
                let remark = format!("Target offset {offset} not in consume queue range [{min}-{max}]");
                return Err(Refusal::system_error(remark));
            }
            targets.insert(queue_id, offset);
        }
        None if queue_id >= 0 => drop(targets.insert(queue_id, by_time(queue_id))),
        None => targets.extend((0..config.read_queue_nums).map(|queue_id| (queue_id, by_time(queue_id)))),
    }
    if targets.is_empty() {
        return Err(Refusal::system_error("No queues to reset."));
    }
    let queue = |queue_id| MessageQueue::new(topic, &service.identity.name, queue_id);
    let offset_table = targets.iter().map(|(queue_id, offset)| (queue(*queue_id), *offset)).collect();
    targets.iter().for_each(|(queue_id, offset)| service.offsets.reset(group, topic, *queue_id, *offset));
    tracing::info!(group, topic, ?targets, "offsets reset");
    Ok(ResetOffsetBody { offset_table })
}

/// Where the clients of a group have to go, as brokers of 4.x find it out (`useServerSideResetOffset` off): by time, for every queue
/// that is written; the group must have an offset in each, and goes forward only by force. Nothing changes here: the clients are
/// told, go there, and commit.
pub fn reset_of_clients(service: &Service, request: &Reset<'_>) -> Result<ResetOffsetBody, Refusal> {
    let Reset { group, topic, .. } = *request;
    let Some(config) = service.topics.get(topic) else {
        let remark = format!("[reset-offset] reset offset failed, no topic in this broker. topic={topic}");
        return Err(Refusal::system_error(remark));
    };
    let mut body = ResetOffsetBody::default();
    for queue_id in 0..config.write_queue_nums {
        let Some(committed) = service.offsets.committed(group, topic, queue_id) else {
            return Err(Refusal::system_error(format!("THe consumer group <{group}> not exist")));
        };
        let wanted = request.by_time(service, queue_id).max(0);
        let target = if request.is_force { wanted } else { wanted.min(committed) };
        body.offset_table.insert(MessageQueue::new(topic, &service.identity.name, queue_id), target);
    }
    Ok(body)
}

/// Copies the offsets of one group to another; skipped when the topic is unknown, or the first group is online and no
/// longer subscribed. Without a topic nothing is copied, as by the reference.
pub fn clone_offsets(service: &Service, from: &str, to: &str, topic: Option<&str>, offline: bool) {
    let Some(topic) = topic.filter(|topic| service.topics.contains(topic)) else { return };
    let subscribed = service.members.subscribed_topics(from);
    if offline || subscribed.is_empty() || subscribed.contains(topic) {
        service.offsets.copy(from, to, topic);
    }
}

/// Per queue, the least offset over all groups on the topic but `without`; the highest number when `compare` is behind it.
pub fn correction(service: &Service, topic: &str, compare: &str, without: &str) -> BTreeMap<i32, i64> {
    let without: Vec<&str> = without.split(',').filter(|group| !group.is_empty()).collect();
    let mut least: BTreeMap<i32, i64> = BTreeMap::new();
    for group in service.offsets.groups_of(topic).iter().filter(|group| !without.contains(&group.as_str())) {
        for (queue_id, offset) in service.offsets.queues(group, topic) {
            let (min, _) = service.store.queue_offsets(topic, queue_id).unwrap_or_default();
            if offset >= min {
                least.entry(queue_id).and_modify(|known| *known = offset.min(*known)).or_insert(offset);
            }
        }
    }
    for (queue_id, offset) in service.offsets.queues(compare, topic) {
        if let Some(known) = least.get_mut(&queue_id).filter(|known| **known > offset) {
            *known = i64::MAX;
        }
    }
    least
}
