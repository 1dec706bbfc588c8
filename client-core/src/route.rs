//! Pure functions over the route of a topic: which queues can be written and read, in which order, and what the template
//! topic stands for (client.md 1.6).
//!
//! The order is a promise between languages: a sharding key must choose the same queue in every client. Static topics
//! (a mapping of logical queues, 5.x) are not supported: their physical queues are used.
use ferromq_protocol::body::{MessageQueue, QueueData, TopicRouteData, PERM_READ, PERM_WRITE};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

/// Id of a master.
pub(crate) const MASTER_ID: i64 = 0;

/// Which replica of a broker is asked for (client.md 1.6, address lookups).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerRole {
    /// The master only: sends, offsets, locks.
    Master,
    /// Replica `id`; without it the next one, and without that any: pulls.
    Replica(i64),
    /// Replica `id` only.
    OnlyReplica(i64),
    /// Any, the lowest id first: administration.
    Any,
}

/// An address out of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    /// `host:port`.
    pub addr: Arc<str>,
    /// Broker id; 0 is the master.
    pub id: i64,
}

impl BrokerAddress {
    /// True for any id but the master's.
    pub fn is_slave(&self) -> bool {
        self.id != MASTER_ID
    }
}

/// Addresses of one broker by id.
pub(crate) type Replicas = BTreeMap<i64, Arc<str>>;

/// Chooses a replica.
pub(crate) fn choose_replica(replicas: &Replicas, role: BrokerRole) -> Option<BrokerAddress> {
    let of = |id: i64| replicas.get(&id).map(|addr| BrokerAddress { addr: addr.clone(), id });
    let any = || replicas.first_key_value().map(|(id, addr)| BrokerAddress { addr: addr.clone(), id: *id });
    match role {
        BrokerRole::Master => of(MASTER_ID),
        BrokerRole::OnlyReplica(id) => of(id),
        BrokerRole::Any => any(),
        BrokerRole::Replica(id) => {
            let next = || if id == MASTER_ID { None } else { of(id + 1) };
            of(id).or_else(next).or_else(any)
        }
    }
}

/// An immutable snapshot of one topic's route, with what follows from it.
#[derive(Debug)]
pub struct TopicRoute {
    data: TopicRouteData,
    publish: Arc<[MessageQueue]>,
    subscribe: Arc<[MessageQueue]>,
    /// True when it was made from the template topic because the topic does not exist yet.
    is_default: bool,
    /// Where round robin stands; carried over to later snapshots of the topic.
    next: Arc<AtomicU32>,
}

impl TopicRoute {
    pub(crate) fn new(topic: &str, mut data: TopicRouteData, is_default: bool, next: Arc<AtomicU32>) -> Self {
        sort(&mut data);
        let publish = publish_queues(topic, &data).into();
        let subscribe = subscribe_queues(topic, &data).into();
        Self { data, publish, subscribe, is_default, next }
    }

    /// As the name server gave it, queue and broker entries sorted.
    pub fn data(&self) -> &TopicRouteData {
        &self.data
    }

    /// The queues that can be written, in Java's order.
    pub fn publish_queues(&self) -> &Arc<[MessageQueue]> {
        &self.publish
    }

    /// The queues that can be read.
    pub fn subscribe_queues(&self) -> &Arc<[MessageQueue]> {
        &self.subscribe
    }

    /// True when the topic has an order configuration.
    pub fn is_ordered(&self) -> bool {
        order_conf(&self.data).is_some()
    }

    /// True when it was made from the template topic.
    pub fn is_default(&self) -> bool {
        self.is_default
    }

    pub(crate) fn counter(&self) -> &Arc<AtomicU32> {
        &self.next
    }

    /// Number for the next choice by round robin: counts up, never negative (client.md 2.6).
    pub(crate) fn next_index(&self) -> usize {
        (self.next.fetch_add(1, Ordering::Relaxed) & 0x7FFF_FFFF) as usize
    }
}

/// Sorts what name servers give in any order, so that equal routes compare equal.
pub(crate) fn sort(data: &mut TopicRouteData) {
    data.queue_datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
    data.broker_datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
}

fn order_conf(data: &TopicRouteData) -> Option<&str> {
    data.order_topic_conf.as_deref().filter(|conf| !conf.is_empty())
}

/// The queues of a route that can be written.
///
/// With an order configuration (`broker-a:4;broker-b:2`) its brokers and counts, in its order. Else the queue entries by
/// broker name, those that are writable and whose broker has a master, with their write queues.
pub fn publish_queues(topic: &str, data: &TopicRouteData) -> Vec<MessageQueue> {
    if let Some(conf) = order_conf(data) {
        return ordered_queues(topic, conf);
    }
    let has_master = |name: &str| data.broker_datas.iter().any(|b| b.broker_name == name && b.master().is_some());
    let mut entries: Vec<&QueueData> = data.queue_datas.iter().collect();
    entries.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
    let usable = |entry: &&QueueData| entry.perm & PERM_WRITE != 0 && has_master(&entry.broker_name);
    let queues = |entry: &QueueData| queues_of(topic, &entry.broker_name, entry.write_queue_nums);
    entries.into_iter().filter(usable).flat_map(queues).collect()
}

/// Parts that are not `name:count` are skipped: one bad entry must not stop the others.
fn ordered_queues(topic: &str, conf: &str) -> Vec<MessageQueue> {
    let part = |part: &str| {
        let (broker, count) = part.split_once(':')?;
        Some(queues_of(topic, broker, count.trim().parse().ok()?))
    };
    conf.split(';').filter_map(part).flatten().collect()
}

/// The queues of a route that can be read: the readable entries with their read queues. A master is not required.
pub fn subscribe_queues(topic: &str, data: &TopicRouteData) -> Vec<MessageQueue> {
    let readable = data.queue_datas.iter().filter(|entry| entry.perm & PERM_READ != 0);
    // A set as in Java: a doubled entry must not give a queue twice.
    let queues: BTreeSet<MessageQueue> =
        readable.flat_map(|entry| queues_of(topic, &entry.broker_name, entry.read_queue_nums)).collect();
    queues.into_iter().collect()
}

/// Queues 0 to `count` - 1. Counts come from the network: what no broker allows is cut off.
fn queues_of(topic: &str, broker: &str, count: i32) -> Vec<MessageQueue> {
    const QUEUES_MAX: i32 = 65_536;
    (0..count.min(QUEUES_MAX)).map(|id| MessageQueue::new(topic, broker, id)).collect()
}

/// What the template topic's route says about a topic that does not exist yet: queue counts are the smaller of the
/// template's read queues and `default_queues` (client.md 1.6, point 2).
pub fn default_route(mut template: TopicRouteData, default_queues: i32) -> TopicRouteData {
    for entry in &mut template.queue_datas {
        let queues = entry.read_queue_nums.min(default_queues);
        entry.read_queue_nums = queues;
        entry.write_queue_nums = queues;
    }
    template
}

/// The index a key chooses among `queues`: the remainder of Java's hash, taken absolute (client.md 2.5). `queues` > 0.
pub fn hash_index(key: &str, queues: usize) -> usize {
    let hash = i64::from(ferromq_protocol::hash::java_string_hash(key));
    (hash % queues.max(1) as i64).unsigned_abs() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::body::BrokerData;

    fn entry(broker: &str, read: i32, write: i32, perm: i32) -> QueueData {
        QueueData {
            broker_name: broker.into(),
            read_queue_nums: read,
            write_queue_nums: write,
            perm,
            ..QueueData::default()
        }
    }

    fn broker(name: &str, ids: &[i64]) -> BrokerData {
        let broker_addrs = ids.iter().map(|id| (*id, format!("{name}:{id}"))).collect();
        BrokerData { broker_name: name.into(), broker_addrs, ..BrokerData::default() }
    }

    fn names(queues: &[MessageQueue]) -> Vec<String> {
        queues.iter().map(|q| format!("{}{}", q.broker_name, q.queue_id)).collect()
    }

    /// A route with more queues than a broker allows does not fill the memory.
    #[test]
    fn absurd_queue_counts_are_cut_off() {
        let data = TopicRouteData { queue_datas: vec![entry("b", i32::MAX, 1, 6)], ..TopicRouteData::default() };
        assert_eq!(subscribe_queues("T", &data).len(), 65_536);
    }

    /// Writable queues are sorted by broker; brokers without master, permission or address do not count.
    #[test]
    fn publish_in_javas_order() {
        let data = TopicRouteData {
            queue_datas: vec![
                entry("b", 4, 2, 6),
                entry("a", 1, 1, 6),
                entry("readonly", 1, 1, 4),
                entry("slave", 1, 1, 6),
                entry("unknown", 1, 1, 6),
            ],
            broker_datas: vec![
                broker("b", &[0, 1]),
                broker("a", &[0]),
                broker("readonly", &[0]),
                broker("slave", &[1]),
            ],
            ..TopicRouteData::default()
        };
        assert_eq!(names(&publish_queues("T", &data)), ["a0", "b0", "b1"]);
        let readable = names(&subscribe_queues("T", &data));
        assert_eq!(readable, ["a0", "b0", "b1", "b2", "b3", "readonly0", "slave0", "unknown0"]);
    }

    /// An order configuration decides brokers, counts and order; its broken parts are skipped.
    #[test]
    fn order_configuration() {
        let conf = Some("b:2;x;a:1;c:y".to_owned());
        let data =
            TopicRouteData { order_topic_conf: conf, queue_datas: vec![entry("a", 9, 9, 6)], ..Default::default() };
        assert_eq!(names(&publish_queues("T", &data)), ["b0", "b1", "a0"]);
        assert!(TopicRoute::new("T", data, false, Arc::default()).is_ordered());
    }

    /// Negative and absurd counts from the network cost nothing.
    #[test]
    fn counts_are_bounded() {
        assert!(queues_of("T", "a", -1).is_empty());
        assert_eq!(queues_of("T", "a", i32::MAX).len(), 65_536);
    }

    /// The template's queues are cut to the wanted number, and never raised.
    #[test]
    fn template() {
        let template =
            TopicRouteData { queue_datas: vec![entry("a", 8, 8, 7), entry("b", 2, 8, 7)], ..Default::default() };
        let made = default_route(template, 4);
        let counts: Vec<_> = made.queue_datas.iter().map(|e| (e.read_queue_nums, e.write_queue_nums)).collect();
        assert_eq!(counts, [(4, 4), (2, 2)]);
    }

    /// Replica choice: the id, else the next, else any; masters only where only masters will do.
    #[test]
    fn replicas() {
        let replicas: Replicas = [(1, Arc::from("s1")), (2, Arc::from("s2"))].into();
        let id = |role| choose_replica(&replicas, role).map(|a| a.id);
        assert_eq!(id(BrokerRole::Master), None);
        assert_eq!(id(BrokerRole::Replica(0)), Some(1));
        assert_eq!(id(BrokerRole::Replica(2)), Some(2));
        let gap: Replicas = [(0, Arc::from("m")), (2, Arc::from("s2"))].into();
        assert_eq!(choose_replica(&gap, BrokerRole::Replica(1)).map(|a| a.id), Some(2));
        assert_eq!(choose_replica(&gap, BrokerRole::OnlyReplica(1)), None);
        assert_eq!(id(BrokerRole::Any), Some(1));
    }

    /// The smallest hash has no absolute value of its own; the remainder has.
    #[test]
    fn hash_of_the_smallest_integer() {
        assert_eq!(hash_index("polygenelubricants", 7), 2);
        assert_eq!(hash_index("", 7), 0);
    }
}
