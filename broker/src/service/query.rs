//! Looking at what is stored and how far groups are (broker.md 8, 10.1, 10.2).
use super::clock::now_ms;
use super::{Refusal, Service};
use bytes::Bytes;
use ferromq_protocol::body::{
    BrokerStatsData, BrokerStatsItem, ConsumeOffset, ConsumeStats, MessageQueue, TopicOffset, TopicStatsTable,
};
use ferromq_protocol::code::response;
use ferromq_protocol::record::PHYSICAL_OFFSET_AT;
use ferromq_store::{QueryResult, Unit};
use std::collections::BTreeSet;

/// QUERY_MESSAGE.
#[derive(Debug, Clone, Copy)]
pub struct KeyQuery<'a> {
    /// Topic.
    pub topic: &'a str,
    /// A word of KEYS, or a unique id.
    pub key: &'a str,
    /// Most messages wanted.
    pub max: i32,
    /// The key is a unique id: `max` gives way to the broker's own limit.
    pub unique: bool,
    /// Earliest store time, milliseconds.
    pub begin: i64,
    /// Latest store time, milliseconds.
    pub end: i64,
}

/// Most messages that a query by key gives, whatever it asks for (the reference's `maxMsgsNumBatch`).
const BY_KEY_MAX: i32 = 64;

/// Messages by key, found by the hash of the key only: the newest ones, in the order in which they were stored. May read
/// the disk.
pub fn by_key(service: &Service, query: &KeyQuery<'_>) -> QueryResult {
    let max = if query.unique { service.config().default_query_max_num } else { query.max };
    let max = usize::try_from(max.min(BY_KEY_MAX)).unwrap_or(0);
    let mut found = service.store.query(query.topic, query.key, max, query.begin, query.end);
    let place = |record: &Bytes| {
        let bytes = record.get(PHYSICAL_OFFSET_AT..).and_then(<[u8]>::first_chunk);
        bytes.map(|bytes| i64::from_be_bytes(*bytes))
    };
    found.slices.sort_by_key(place);
    if found.slices.is_empty() {
        // What the index knows is told only with a message.
        return QueryResult::default();
    }
    found
}

/// Remark of a query by key that found nothing.
pub const NO_MESSAGE_BY_KEY: &str = "can not find message, maybe time range not correct";

/// The message at an offset of the log. May read the disk.
pub fn by_offset(service: &Service, offset: i64) -> Result<Bytes, Refusal> {
    let found = service.store.record_at(offset).ok().flatten();
    found.ok_or_else(|| Refusal::system_error(format!("can not find message by the offset, {offset}")))
}

/// GET_TOPIC_STATS_INFO. May read the disk.
pub fn topic_stats(service: &Service, topic: &str) -> Result<TopicStatsTable, Refusal> {
    let Some(config) = service.topics.get(topic) else { return Err(no_topic(topic)) };
    let mut table = TopicStatsTable::default();
    for queue_id in 0..config.write_queue_nums.max(config.read_queue_nums) {
        let (min_offset, max_offset) = service.store.queue_offsets(topic, queue_id).unwrap_or_default();
        let last_update_timestamp = store_time(service, topic, queue_id, max_offset - 1);
        let offset = TopicOffset { last_update_timestamp, max_offset, min_offset: min_offset.max(0) };
        table.offset_table.insert(MessageQueue::new(topic, &service.identity.name, queue_id), offset);
    }
    Ok(table)
}

/// The refusal of administration for a topic that does not exist.
pub fn no_topic(topic: &str) -> Refusal {
    Refusal::new(response::TOPIC_NOT_EXIST, format!("topic[{topic}] not exist"))
}

fn store_time(service: &Service, topic: &str, queue_id: i32, queue_offset: i64) -> i64 {
    if queue_offset < 0 {
        return 0;
    }
    service.store.store_time_of(topic, queue_id, queue_offset).unwrap_or(0).max(0)
}

/// Topics named by a request for consume statistics.
#[derive(Debug, Clone)]
pub enum Topics<'a> {
    /// All on which the group has offsets.
    All,
    /// One.
    One(&'a str),
    /// Several, whether the group is subscribed to them or not.
    List(Vec<&'a str>),
}

/// GET_CONSUME_STATS: how far a group is. Topics that a connected group is no longer subscribed to are left out. May read
/// the disk.
pub fn consume_stats(service: &Service, group: &str, topics: &Topics<'_>) -> ConsumeStats {
    let (names, check) = match topics {
        Topics::All => (service.offsets.topics_of(group), true),
        Topics::One(topic) => (BTreeSet::from([(*topic).to_owned()]), true),
        Topics::List(list) => (list.iter().map(|topic| (*topic).to_owned()).collect(), false),
    };
    let subscribed = service.members.subscribed_topics(group);
    let mut stats = ConsumeStats::default();
    for topic in names {
        let Some(config) = service.topics.get(&topic) else { continue };
        if check && !subscribed.is_empty() && !subscribed.contains(&topic) {
            continue;
        }
        for queue_id in 0..config.read_queue_nums {
            let offset = consume_offset(service, group, &topic, queue_id);
            stats.offset_table.insert(MessageQueue::new(topic.clone(), &service.identity.name, queue_id), offset);
        }
        stats.consume_tps += service.offsets.delivery_rate(group, &topic, now_ms());
    }
    stats
}

fn consume_offset(service: &Service, group: &str, topic: &str, queue_id: i32) -> ConsumeOffset {
    let consumer_offset = service.offsets.committed(group, topic, queue_id).unwrap_or(0).max(0);
    let pulled = service.offsets.pulled_to(group, topic, queue_id).unwrap_or(0);
    ConsumeOffset {
        broker_offset: service.store.max_offset(topic, queue_id).max(0),
        consumer_offset,
        last_timestamp: store_time(service, topic, queue_id, consumer_offset - 1),
        pull_offset: pulled.max(consumer_offset),
    }
}

/// Groups that consume a topic: connected and subscribed, or with offsets on it.
pub fn groups_of_topic(service: &Service, topic: &str) -> BTreeSet<String> {
    let mut groups = service.members.groups_subscribed(topic);
    groups.extend(service.offsets.groups_of(topic));
    groups
}

/// Times of one queue, milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeSpan {
    /// The queue.
    pub queue: MessageQueue,
    /// Store time of the first message.
    pub oldest: i64,
    /// Store time of the last message.
    pub newest: i64,
    /// Store time of the last message consumed.
    pub consumed: i64,
    /// How long the next message to consume has been waiting.
    pub delay: i64,
}

/// QUERY_CONSUME_TIME_SPAN. May read the disk.
pub fn time_spans(service: &Service, group: &str, topic: &str) -> Result<Vec<TimeSpan>, Refusal> {
    let Some(config) = service.topics.get(topic) else { return Err(no_topic(topic)) };
    let span = |queue_id| {
        let max = service.store.max_offset(topic, queue_id);
        let oldest = service.store.earliest_store_time(topic, queue_id);
        let next = service.offsets.committed(group, topic, queue_id).unwrap_or(0).max(0);
        let consumed = if next > 0 { store_time(service, topic, queue_id, next - 1) } else { oldest };
        let waiting = if next < max { store_time(service, topic, queue_id, next) } else { 0 };
        TimeSpan {
            queue: MessageQueue::new(topic, &service.identity.name, queue_id),
            oldest,
            newest: store_time(service, topic, queue_id, max - 1),
            consumed,
            delay: if waiting > 0 { now_ms() - waiting } else { 0 },
        }
    };
    Ok((0..config.write_queue_nums).map(span).collect())
}

/// Most units given to one request.
const UNITS_MAX: i32 = 4096;

/// Units of a queue from `index` on. May read the disk.
pub fn units(service: &Service, topic: &str, queue_id: i32, index: i64, count: i32) -> Vec<Unit> {
    let count = i64::from(count.clamp(0, UNITS_MAX));
    (index..index.saturating_add(count)).map_while(|at| service.store.unit(topic, queue_id, at)).collect()
}

/// VIEW_BROKER_STATS_DATA. What is kept: messages per group and topic over the last minute; the longer periods are empty,
/// as they are on a reference broker that was just started.
pub fn broker_stats(service: &Service, name: Option<&str>, key: Option<&str>) -> Result<BrokerStatsData, Refusal> {
    let missing = || {
        let remark = format!("The stats <{}> <{}> not exist", name.unwrap_or("null"), key.unwrap_or("null"));
        Refusal::system_error(remark)
    };
    if let (Some("TOPIC_PUT_NUMS"), Some(topic)) = (name, key) {
        return service.topic_puts.stats(&service.store, topic, now_ms()).ok_or_else(missing);
    }
    let (Some("GROUP_GET_NUMS"), Some((topic, group))) = (name, key.and_then(|key| key.split_once('@'))) else {
        return Err(missing());
    };
    let (sum, tps) = service.offsets.deliveries(group, topic, now_ms()).ok_or_else(missing)?;
    Ok(BrokerStatsData { stats_minute: BrokerStatsItem { avgpt: 0.0, sum, tps }, ..BrokerStatsData::default() })
}

/// GET_BROKER_CONSUME_STATS: for every group, one statistics per topic it has offsets on. May read the disk.
pub fn all_consume_stats(service: &Service) -> Vec<(String, Vec<ConsumeStats>)> {
    let groups = service.groups.all().subscription_group_table;
    let stats = groups.into_keys().map(|group| {
        let topics = service.offsets.topics_of(&group);
        let stats = topics.iter().map(|topic| consume_stats(service, &group, &Topics::One(topic)));
        let filled: Vec<ConsumeStats> = stats.filter(|stats| !stats.offset_table.is_empty()).collect();
        (group, filled)
    });
    stats.filter(|(_, stats)| !stats.is_empty()).collect()
}
