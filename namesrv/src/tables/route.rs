//! The route of a topic (broker.md 1.6).
use super::Tables;
use bytes::Bytes;
use ferromq_protocol::body::{BrokerData, TopicRouteData};
use std::borrow::Cow;

/// Topics by which groups of brokers keep in step; they get no acting master.
const SYNC_TOPIC_PREFIX: &str = "rmq_sys_SYNC_BROKER_MEMBER_";

/// What a route query asks for besides the topic.
#[derive(Debug, Default, Clone)]
pub struct RouteOptions<'a> {
    /// Standard JSON instead of Java's bare integer keys.
    pub standard: bool,
    /// Only brokers of this zone.
    pub zone: Option<&'a str>,
    /// The order configuration to attach.
    pub order_conf: Option<String>,
    /// Offer the lowest slave as master where the group has none.
    pub acting_master: bool,
}

impl Tables {
    /// The encoded route; `None` when no broker has the topic.
    pub fn route(&self, topic: &str, options: &RouteOptions<'_>) -> Option<Cow<'_, Bytes>> {
        let kept = self.topics.get(topic)?.encoded(options.standard);
        // What depends on more than the topic is rare, and encoded each time.
        let plain = options.zone.is_none() && options.order_conf.is_none() && !options.acting_master;
        if let Some(encoded) = kept.get().filter(|_| plain) {
            return Some(Cow::Borrowed(encoded));
        }
        let encoded = self.route_data(topic, options)?.encode(options.standard);
        if plain {
            // Still the present state: nobody changes it while we look at it.
            return Some(Cow::Borrowed(kept.get_or_init(|| encoded)));
        }
        Some(Cow::Owned(encoded))
    }

    /// The route as a value.
    pub fn route_data(&self, topic: &str, options: &RouteOptions<'_>) -> Option<TopicRouteData> {
        let queues = self.topics.get(topic)?.queues();
        let brokers: Vec<BrokerData> = queues.keys().filter_map(|name| self.brokers.get(name)).cloned().collect();
        if brokers.is_empty() {
            return None;
        }
        let mut route = TopicRouteData {
            broker_datas: brokers,
            queue_datas: queues.values().cloned().collect(),
            order_topic_conf: options.order_conf.clone(),
            topic_queue_mapping_by_broker: self.mappings.get(topic).cloned(),
            ..TopicRouteData::default()
        };
        if options.acting_master && !topic.starts_with(SYNC_TOPIC_PREFIX) {
            route.broker_datas.iter_mut().for_each(|broker| self.appoint_master(topic, broker));
        }
        if let Some(zone) = options.zone {
            keep_zone(&mut route, zone);
        }
        Some(route)
    }

    /// Moves the lowest slave to id 0 when the group has no master and its queues cannot be written.
    fn appoint_master(&self, topic: &str, broker: &mut BrokerData) {
        let queues = self.topics.get(topic).and_then(|topic| topic.queues().get(&broker.broker_name));
        let writable = queues.is_some_and(|q| q.perm & super::PERM_WRITE != 0);
        if !broker.enable_acting_master || broker.master().is_some() || writable {
            return;
        }
        if let Some((_, addr)) = broker.broker_addrs.pop_first() {
            broker.broker_addrs.insert(0, addr);
        }
    }
}

/// Leaves the brokers of the zone and those without a master.
fn keep_zone(route: &mut TopicRouteData, zone: &str) {
    let in_zone = |b: &BrokerData| b.zone_name.as_deref().is_some_and(|z| z.eq_ignore_ascii_case(zone));
    route.broker_datas.retain(|broker| broker.master().is_none() || in_zone(broker));
    let kept = &route.broker_datas;
    route.queue_datas.retain(|queues| kept.iter().any(|broker| broker.broker_name == queues.broker_name));
}
