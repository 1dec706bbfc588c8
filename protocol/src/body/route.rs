//! Routes: which brokers have a topic, and how many queues (wire.md 5.1).
use crate::json::Flavour;
use bytes::Bytes;
use std::collections::BTreeMap;

json_body! {
    /// The queues of a topic on one broker.
    #[derive(Eq)]
    pub struct QueueData {
        broker_name: String = "brokerName";
        /// Bits: 1 inherit, 2 write, 4 read, 8 priority.
        perm: i32 = "perm";
        read_queue_nums: i32 = "readQueueNums";
        /// Bits: 1 unit, 2 has unit subscription.
        topic_sys_flag: i32 = "topicSysFlag" | "topicSynFlag";
        write_queue_nums: i32 = "writeQueueNums";
    }
}

json_body! {
    /// A broker with its master and slaves.
    #[derive(Eq)]
    pub struct BrokerData {
        /// By broker id; 0 is the master.
        broker_addrs: BTreeMap<i64, String> = "brokerAddrs";
        broker_name: String = "brokerName";
        cluster: String = "cluster";
        /// 5.x.
        enable_acting_master: bool = "enableActingMaster";
        /// 5.x.
        zone_name: Option<String> = "zoneName";
    }
}

impl BrokerData {
    /// The address of the master.
    pub fn master(&self) -> Option<&str> {
        self.broker_addrs.get(&0).map(String::as_str)
    }
}

json_body! {
    /// The part of a static topic's mapping that routes and registrations carry (5.x).
    #[derive(Eq)]
    pub struct TopicQueueMappingInfo {
        bname: String = "bname";
        curr_id_map: BTreeMap<i32, i32> = "currIdMap";
        dirty: bool = "dirty";
        epoch: i64 = "epoch";
        scope: Option<String> = "scope";
        topic: String = "topic";
        total_queues: i32 = "totalQueues";
    }
}

json_body! {
    /// The answer to a route query (105).
    #[derive(Eq)]
    pub struct TopicRouteData {
        broker_datas: Vec<BrokerData> = "brokerDatas";
        /// By broker address; empty in practice.
        filter_server_table: BTreeMap<String, Vec<String>> = "filterServerTable";
        /// `broker:queues;..` of an ordered topic.
        order_topic_conf: Option<String> = "orderTopicConf";
        queue_datas: Vec<QueueData> = "queueDatas";
        /// Static topics only (5.x).
        topic_queue_mapping_by_broker: Option<BTreeMap<String, TopicQueueMappingInfo>> = "topicQueueMappingByBroker";
    }
}
json_codec!(@common TopicRouteData);

impl TopicRouteData {
    /// `standard` for requesters of version 401 and later or with `acceptStandardJsonOnly`; older ones get Java's bare
    /// integer keys.
    pub fn encode(&self, standard: bool) -> Bytes {
        self.encode_as(if standard { Flavour::Standard } else { Flavour::Java })
    }
}
