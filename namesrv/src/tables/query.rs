//! Listings of clusters, brokers and topics (broker.md 1.7).
use super::Tables;
use ferromq_protocol::body::{BrokerMemberGroup, ClusterInfo, QueueData, TopicList};

/// Bits of a topic's sysFlag.
const UNIT: i32 = 1;
const UNIT_SUB: i32 = 2;

impl Tables {
    /// 106: all brokers of all clusters.
    pub fn cluster_info(&self) -> ClusterInfo {
        ClusterInfo {
            broker_addr_table: self.brokers.iter().map(|(name, data)| (name.clone(), data.clone())).collect(),
            cluster_addr_table: self.clusters.clone(),
        }
    }

    /// 206: all topics.
    pub fn all_topics(&self) -> TopicList {
        self.topics_where(|_| true)
    }

    /// 224: topics with queues on a broker of the cluster.
    pub fn topics_of_cluster(&self, cluster: &str) -> TopicList {
        let Some(names) = self.clusters.get(cluster) else { return TopicList::default() };
        let listed = self.topics.iter().filter(|(_, topic)| topic.queues().keys().any(|name| names.contains(name)));
        TopicList { topic_list: sorted(listed.map(|(topic, _)| topic.clone())), ..TopicList::default() }
    }

    /// 304: names of clusters and brokers, with the address of one of them.
    pub fn system_topics(&self) -> TopicList {
        let names = self.clusters.iter().flat_map(|(cluster, brokers)| std::iter::once(cluster).chain(brokers));
        let broker_addr = self.brokers.values().flat_map(|broker| broker.broker_addrs.values()).next().cloned();
        TopicList { topic_list: names.cloned().collect(), broker_addr }
    }

    /// 311: topics of units.
    pub fn unit_topics(&self) -> TopicList {
        self.topics_where(|queues| queues.topic_sys_flag & UNIT != 0)
    }

    /// 312: topics with unit subscriptions; 313: those of them that are no topics of units (`without_unit`).
    pub fn unit_subscription_topics(&self, without_unit: bool) -> TopicList {
        self.topics_where(|queues| {
            let flag = queues.topic_sys_flag;
            flag & UNIT_SUB != 0 && !(without_unit && flag & UNIT != 0)
        })
    }

    /// Topics whose first queues satisfy the condition.
    fn topics_where(&self, condition: impl Fn(&QueueData) -> bool) -> TopicList {
        let listed = self.topics.iter().filter(|(_, topic)| topic.queues().values().next().is_some_and(&condition));
        TopicList { topic_list: sorted(listed.map(|(topic, _)| topic.clone())), ..TopicList::default() }
    }

    /// 901: ids and addresses of a broker; none when it is not known. The cluster is repeated, not looked at.
    pub fn member_group(&self, cluster: &str, broker_name: &str) -> BrokerMemberGroup {
        let addrs = self.brokers.get(broker_name).map(|b| b.broker_addrs.clone());
        BrokerMemberGroup {
            broker_addrs: addrs.unwrap_or_default(),
            broker_name: broker_name.to_owned(),
            cluster: cluster.to_owned(),
        }
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}
