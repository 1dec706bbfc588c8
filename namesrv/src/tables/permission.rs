//! Operations on topics and permissions (broker.md 1.8).
use super::{Tables, PERM_WRITE};
use ferromq_protocol::body::QueueData;

/// Readable and writable.
const PERM_READ_WRITE: i32 = 6;

impl Tables {
    /// 205: the broker's queues cannot be written until it registers with another version. Gives the number of topics.
    pub fn wipe_write_permission(&mut self, broker_name: &str) -> i32 {
        self.change_permission(broker_name, |perm| perm & !PERM_WRITE)
    }

    /// 327: the broker's queues can be read and written.
    pub fn add_write_permission(&mut self, broker_name: &str) -> i32 {
        self.change_permission(broker_name, |_| PERM_READ_WRITE)
    }

    fn change_permission(&mut self, broker_name: &str, change: impl Fn(i32) -> i32) -> i32 {
        self.topics.values_mut().map(|topic| i32::from(topic.change_permission(broker_name, &change))).sum()
    }

    /// 216: forgets a topic, or its queues on the brokers of one cluster.
    pub fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        let Some(cluster) = cluster.filter(|c| !c.is_empty()) else {
            self.topics.remove(topic);
            self.mappings.remove(topic);
            return;
        };
        let names: Vec<String> = self.clusters.get(cluster).into_iter().flatten().cloned().collect();
        for name in names {
            self.remove_queues(&name, |each| each == topic);
        }
    }

    /// 217: adds queues of a topic. Ignored as a whole when one of the brokers is not registered.
    pub fn register_topic(&mut self, topic: &str, queues: &[QueueData]) {
        if queues.is_empty() || queues.iter().any(|q| !self.brokers.contains_key(&q.broker_name)) {
            return;
        }
        let topic = self.topics.entry(topic.to_owned()).or_default();
        queues.iter().for_each(|queues| topic.put(queues.clone()));
    }
}
