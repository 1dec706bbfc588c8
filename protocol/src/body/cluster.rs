//! Clusters, broker groups and lists of names (wire.md 5.8, 5.9, 5.15, 5.20).
use super::BrokerData;
use std::collections::{BTreeMap, BTreeSet};

json_body! {
    /// All brokers of all clusters (106).
    #[derive(Eq)]
    pub struct ClusterInfo {
        /// By broker name.
        broker_addr_table: BTreeMap<String, BrokerData> = "brokerAddrTable";
        /// Cluster to broker names.
        cluster_addr_table: BTreeMap<String, BTreeSet<String>> = "clusterAddrTable";
    }
}

json_body! {
    /// One broker's master and slaves.
    #[derive(Eq)]
    pub struct BrokerMemberGroup {
        /// By broker id.
        broker_addrs: BTreeMap<i64, String> = "brokerAddrs";
        broker_name: String = "brokerName";
        cluster: String = "cluster";
    }
}

json_body! {
    /// Answer to 901.
    #[derive(Eq)]
    pub struct GetBrokerMemberGroupBody {
        broker_member_group: Option<BrokerMemberGroup> = "brokerMemberGroup";
    }
}

json_body! {
    /// Names of topics.
    #[derive(Eq)]
    pub struct TopicList {
        /// Of one broker, in some answers.
        broker_addr: Option<String> = "brokerAddr";
        topic_list: Vec<String> = "topicList";
    }
}

json_body! {
    /// Names of groups (300).
    #[derive(Eq)]
    pub struct GroupList {
        group_list: BTreeSet<String> = "groupList";
    }
}

json_body! {
    /// Names and texts: runtime info of a broker, KV configuration.
    #[derive(Eq)]
    pub struct KvTable {
        table: BTreeMap<String, String> = "table";
    }
}
json_codec!(ClusterInfo, GetBrokerMemberGroupBody, TopicList, GroupList, KvTable);
