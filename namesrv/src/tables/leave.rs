//! How brokers leave: by request, by silence, by a closed connection; and who is told (broker.md 1.5, 1.10).
use super::register::key;
use super::{Live, LiveKey, Tables, Topic, PERM_WRITE};
use std::collections::BTreeSet;

/// A group whose lowest broker id changed, and the addresses to be told (broker.md 1.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinBrokerChange {
    /// Broker name of the group.
    pub broker_name: String,
    /// The lowest id now.
    pub min_broker_id: i64,
    /// Its address.
    pub min_broker_addr: String,
    /// Address of the broker that left, when one left.
    pub offline_broker_addr: Option<String>,
    /// Replication address of the lowest one.
    pub ha_broker_addr: Option<String>,
    /// Connections of the brokers to be told.
    pub tell: Vec<u64>,
}

impl Tables {
    /// 104: takes an address out, and with the last one the broker and its queues.
    pub fn unregister(&mut self, cluster: &str, broker_name: &str, addr: &str) -> Option<MinBrokerChange> {
        self.live.remove(&key(cluster, addr));
        let min_before = self.min_broker_id(broker_name);
        let broker = self.brokers.get_mut(broker_name)?;
        let before = broker.broker_addrs.len();
        broker.broker_addrs.retain(|_, held| held != addr);
        if broker.broker_addrs.len() == before {
            return None;
        }
        self.broker_changed(broker_name);
        let broker = self.brokers.get(broker_name)?;
        if broker.broker_addrs.is_empty() {
            self.remove_broker(broker_name);
            return None;
        }
        if broker.enable_acting_master && broker.master().is_none() {
            self.forbid_writing(broker_name);
        }
        let changed = self.min_broker_id(broker_name) != min_before;
        changed.then(|| self.min_change(cluster, broker_name, Some(addr.to_owned()))).flatten()
    }

    fn remove_broker(&mut self, broker_name: &str) {
        self.brokers.remove(broker_name);
        // A broker that changed its cluster stands in both.
        self.clusters.retain(|_, names| {
            names.remove(broker_name);
            !names.is_empty()
        });
        self.remove_queues(broker_name, |_| true);
    }

    /// Takes the broker's queues out of the chosen topics; topics without queues go.
    pub(super) fn remove_queues(&mut self, broker_name: &str, chosen: impl Fn(&str) -> bool) {
        let topics = &mut self.topics;
        self.mappings.retain(|name, brokers| {
            if chosen(name) && brokers.remove(broker_name).is_some() {
                topics.get_mut(name).into_iter().for_each(Topic::route_changed);
            }
            !brokers.is_empty()
        });
        topics.retain(|name, topic| {
            if chosen(name) {
                topic.remove(broker_name);
            }
            !topic.queues().is_empty()
        });
    }

    fn forbid_writing(&mut self, broker_name: &str) {
        for topic in self.topics.values_mut() {
            topic.change_permission(broker_name, |perm| perm & !PERM_WRITE);
        }
    }

    /// Takes out all brokers that were silent for too long. Gives their connections and the groups to be told.
    pub fn expire(&mut self, now_ms: i64) -> (BTreeSet<u64>, Vec<MinBrokerChange>) {
        self.drop_brokers(|live| live.last_update_ms.saturating_add(live.timeout_ms) < now_ms)
    }

    /// Takes out all brokers that registered on a connection that closed.
    pub fn connection_closed(&mut self, connection: u64) -> Vec<MinBrokerChange> {
        self.drop_brokers(|live| live.connection == connection).1
    }

    fn drop_brokers(&mut self, gone: impl Fn(&Live) -> bool) -> (BTreeSet<u64>, Vec<MinBrokerChange>) {
        let found: Vec<(LiveKey, String, u64)> = self
            .live
            .iter()
            .filter(|(_, live)| gone(live))
            .map(|(key, live)| (key.clone(), live.broker_name.clone(), live.connection))
            .collect();
        let mut connections = BTreeSet::new();
        let mut changes = Vec::new();
        for ((cluster, addr), broker_name, connection) in found {
            tracing::info!(broker = %broker_name, %addr, %cluster, "broker is gone");
            changes.extend(self.unregister(&cluster, &broker_name, &addr));
            connections.insert(connection);
        }
        (connections, changes)
    }

    pub(super) fn min_broker_id(&self, broker_name: &str) -> Option<i64> {
        self.brokers.get(broker_name)?.broker_addrs.keys().next().copied()
    }

    /// Whom to tell what: everybody left when a broker went, everybody but the new lowest one when one came.
    pub(super) fn min_change(
        &self,
        cluster: &str,
        broker_name: &str,
        offline: Option<String>,
    ) -> Option<MinBrokerChange> {
        let broker = self.brokers.get(broker_name)?;
        let (min_id, min_addr) = broker.broker_addrs.iter().next()?;
        let live_of = |addr: &String| self.live.get(&key(cluster, addr));
        let told = broker.broker_addrs.iter().filter(|(id, _)| offline.is_some() || *id != min_id);
        Some(MinBrokerChange {
            broker_name: broker_name.to_owned(),
            min_broker_id: *min_id,
            min_broker_addr: min_addr.clone(),
            ha_broker_addr: live_of(min_addr).map(|live| live.ha_server_addr.clone()),
            tell: told.filter_map(|(_, addr)| live_of(addr)).map(|live| live.connection).collect(),
            offline_broker_addr: offline,
        })
    }
}
