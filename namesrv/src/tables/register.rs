//! Registration of brokers and their signs of life (broker.md 1.3, 1.4).
use super::{Live, LiveKey, MinBrokerChange, Tables, Topic, PERM_WRITE};
use ferromq_protocol::body::{BrokerData, DataVersion, QueueData, TopicConfig, TopicConfigTable};

/// A broker that gives no time-out of its own is dropped after this many silent milliseconds.
const TIMEOUT_MS: i64 = 120_000;

/// A broker introduces itself.
#[derive(Debug, Clone)]
pub struct Registration<'a> {
    /// Cluster name.
    pub cluster: &'a str,
    /// Broker name.
    pub broker_name: &'a str,
    /// Broker id; 0 is the master.
    pub broker_id: i64,
    /// `host:port`.
    pub broker_addr: &'a str,
    /// Replication address.
    pub ha_server_addr: &'a str,
    /// Zone of the broker.
    pub zone: Option<&'a str>,
    /// Milliseconds of silence after which it is dropped.
    pub timeout_ms: Option<i64>,
    /// `None`: a broker that does not know acting masters.
    pub enable_acting_master: Option<bool>,
    /// Its topics.
    pub topics: TopicConfigTable,
    /// Number of the connection.
    pub connection: u64,
    /// Topics that it does not name are taken from it.
    pub delete_missing_topics: bool,
}

/// What a slave is told about its master, and whom else to tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// Replication address of the master.
    pub ha_server_addr: Option<String>,
    /// Address of the master.
    pub master_addr: Option<String>,
    /// The lowest id of the group changed.
    pub min_change: Option<MinBrokerChange>,
}

/// The registration was not accepted: a broker that the server does not know registered exactly one topic, which only
/// an incremental registration does. Its next full one repairs it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("register broker failed")]
pub struct Rejected;

impl Tables {
    /// Enters a broker and its topics.
    pub fn register(&mut self, new: &Registration<'_>, now_ms: i64) -> Result<Registered, Rejected> {
        let known = self.brokers.get(new.broker_name);
        let min_before = known.and_then(|b| b.broker_addrs.keys().next().copied());
        let holder = known.and_then(|b| b.broker_addrs.get(&new.broker_id)).cloned();
        if let Some(held) = holder.as_ref().filter(|held| *held != new.broker_addr) {
            let holder_version = self.live.get(&key(new.cluster, held)).map(|live| live.version.state_version);
            if holder_version.is_some_and(|v| v > new.topics.data_version.state_version) {
                tracing::warn!(broker = new.broker_name, id = new.broker_id, held_by = %held, "older registration ignored");
                self.live.remove(&key(new.cluster, new.broker_addr));
                return Ok(Registered::default());
            }
        }
        if holder.is_none() && new.topics.topic_config_table.len() == 1 {
            return Err(Rejected);
        }
        let first = self.enter_broker(new, holder.as_deref());
        let min_now = self.min_broker_id(new.broker_name);
        let is_prime_slave = new.enable_acting_master.is_some() && new.broker_id != 0 && Some(new.broker_id) == min_now;
        if new.broker_id == 0 || is_prime_slave {
            self.enter_topics(new, first, is_prime_slave);
        }
        self.live.insert(key(new.cluster, new.broker_addr), live_of(new, now_ms));
        let mut registered = Registered::default();
        if new.broker_id != 0 {
            self.tell_of_master(new, &mut registered);
        }
        // Java takes 0 for the lowest id of an unknown group.
        if new.broker_id < min_before.unwrap_or(0) {
            registered.min_change = self.min_change(new.cluster, new.broker_name, None);
        }
        Ok(registered)
    }

    /// Puts the address in its place. True when the id had none before.
    fn enter_broker(&mut self, new: &Registration<'_>, holder: Option<&str>) -> bool {
        self.clusters.entry(new.cluster.to_owned()).or_default().insert(new.broker_name.to_owned());
        let broker = self.brokers.entry(new.broker_name.to_owned()).or_insert_with(|| BrokerData {
            cluster: new.cluster.to_owned(),
            broker_name: new.broker_name.to_owned(),
            ..BrokerData::default()
        });
        let before = broker.clone();
        broker.enable_acting_master = new.enable_acting_master.unwrap_or(false);
        broker.zone_name = new.zone.map(str::to_owned);
        // A slave that became master keeps its address: the old id goes.
        broker.broker_addrs.retain(|id, addr| *id == new.broker_id || addr != new.broker_addr);
        broker.broker_addrs.insert(new.broker_id, new.broker_addr.to_owned());
        if *broker != before {
            self.broker_changed(new.broker_name);
        }
        holder.is_none()
    }

    fn enter_topics(&mut self, new: &Registration<'_>, first: bool, is_prime_slave: bool) {
        let stored = self.live.get(&key(new.cluster, new.broker_addr)).map(|live| live.version);
        let changed = first || stored != Some(new.topics.data_version);
        let mappings = new.topics.topic_queue_mapping_info_map.as_ref();
        if new.delete_missing_topics && mappings.is_none_or(|m| m.is_empty()) {
            let kept = &new.topics.topic_config_table;
            self.remove_queues(new.broker_name, |topic| !kept.contains_key(topic));
        }
        let acting = is_prime_slave && self.brokers.get(new.broker_name).is_some_and(|b| b.enable_acting_master);
        for (topic, config) in &new.topics.topic_config_table {
            let known = self.topics.get(topic).is_some_and(|topic| topic.queues().contains_key(new.broker_name));
            if !changed && known {
                continue;
            }
            let mut queues = queues_of(new.broker_name, config);
            if acting {
                queues.perm &= !PERM_WRITE;
            }
            self.topics.entry(topic.clone()).or_default().put(queues);
        }
        if changed {
            for (topic, mapping) in mappings.into_iter().flatten() {
                self.mappings.entry(topic.clone()).or_default().insert(mapping.bname.clone(), mapping.clone());
                self.topics.get_mut(topic).into_iter().for_each(Topic::route_changed);
            }
        }
    }

    fn tell_of_master(&self, new: &Registration<'_>, registered: &mut Registered) {
        let master = self.brokers.get(new.broker_name).and_then(BrokerData::master);
        let live = master.and_then(|addr| self.live.get(&key(new.cluster, addr)));
        if let (Some(master), Some(live)) = (master, live) {
            registered.ha_server_addr = Some(live.ha_server_addr.clone());
            registered.master_addr = Some(master.to_owned());
        }
    }

    /// 322: is the broker's version another one than the stored? Counts as a sign of life. Gives the stored version too.
    pub fn query_version(
        &mut self,
        cluster: &str,
        addr: &str,
        version: DataVersion,
        now_ms: i64,
    ) -> (bool, Option<DataVersion>) {
        let Some(live) = self.live.get_mut(&key(cluster, addr)) else { return (true, None) };
        live.last_update_ms = now_ms;
        (live.version != version, Some(live.version))
    }

    /// 904: a sign of life. False when the broker is not known.
    pub fn heartbeat(&mut self, cluster: &str, addr: &str, now_ms: i64) -> bool {
        let live = self.live.get_mut(&key(cluster, addr));
        live.map(|live| live.last_update_ms = now_ms).is_some()
    }
}

pub(super) fn key(cluster: &str, addr: &str) -> LiveKey {
    (cluster.to_owned(), addr.to_owned())
}

fn live_of(new: &Registration<'_>, now_ms: i64) -> Live {
    Live {
        broker_name: new.broker_name.to_owned(),
        last_update_ms: now_ms,
        timeout_ms: new.timeout_ms.unwrap_or(TIMEOUT_MS),
        version: new.topics.data_version,
        connection: new.connection,
        ha_server_addr: new.ha_server_addr.to_owned(),
    }
}

fn queues_of(broker_name: &str, config: &TopicConfig) -> QueueData {
    QueueData {
        broker_name: broker_name.to_owned(),
        perm: config.perm,
        read_queue_nums: config.read_queue_nums,
        topic_sys_flag: config.topic_sys_flag,
        write_queue_nums: config.write_queue_nums,
    }
}
