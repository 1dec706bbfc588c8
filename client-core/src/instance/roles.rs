//! What an instance serves: the producers and consumers that are registered in it.
//!
//! A group is registered once per instance and kind. The instance calls roles from its own tasks and from the network
//! task; roles must not block there.
use crate::error::Error;
use crate::message::MessageExt;
use ferromq_protocol::body::{
    ConsumeMessageDirectlyResult, ConsumerData, ConsumerRunningInfo, HeartbeatData, MessageQueue, ProducerData,
};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A future on the heap, for traits that are used as objects.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A consumer as its instance sees it.
pub trait ConsumerRole: Send + Sync + 'static {
    /// What heartbeats say about the group.
    fn heartbeat_data(&self) -> ConsumerData;

    /// Topics whose routes are kept fresh for it.
    fn topics(&self) -> Vec<String>;

    /// Something changed (members, route, a broker came back): look at the distribution of queues soon. Called often and
    /// from any thread; only wakes.
    fn rebalance_now(&self);

    /// RESET_CONSUMER_CLIENT_OFFSET: continue at these offsets of `topic`. Starts the work and returns (client.md 3.16).
    fn reset_offset(&self, topic: &str, offsets: BTreeMap<MessageQueue, i64>);

    /// GET_CONSUMER_STATUS_FROM_CLIENT: offsets in memory of a topic.
    fn offsets(&self, topic: &str) -> BTreeMap<MessageQueue, i64>;

    /// GET_CONSUMER_RUNNING_INFO (client.md 3.17).
    fn running_info(&self) -> ConsumerRunningInfo;

    /// CONSUME_MESSAGE_DIRECTLY: run the message through the listener alone. `None` for consumers without one.
    fn consume_directly(&self, message: MessageExt) -> Option<BoxFuture<ConsumeMessageDirectlyResult>>;
}

/// The groups registered in an instance.
///
/// Locks: both tables are guarded by their own lock, held only to copy out what is needed.
#[derive(Default)]
pub(crate) struct Roles {
    consumers: RwLock<BTreeMap<String, Arc<dyn ConsumerRole>>>,
    producers: RwLock<BTreeSet<String>>,
}

impl Roles {
    pub(crate) fn add_producer(&self, group: &str) -> Result<(), Error> {
        if !self.producers.write().insert(group.to_owned()) {
            return Err(taken("producer", group));
        }
        Ok(())
    }

    pub(crate) fn add_consumer(&self, group: &str, role: Arc<dyn ConsumerRole>) -> Result<(), Error> {
        let mut consumers = self.consumers.write();
        if consumers.contains_key(group) {
            return Err(taken("consumer", group));
        }
        consumers.insert(group.to_owned(), role);
        Ok(())
    }

    pub(crate) fn remove_producer(&self, group: &str) -> bool {
        self.producers.write().remove(group)
    }

    pub(crate) fn remove_consumer(&self, group: &str) -> bool {
        self.consumers.write().remove(group).is_some()
    }

    pub(crate) fn consumer(&self, group: &str) -> Option<Arc<dyn ConsumerRole>> {
        self.consumers.read().get(group).cloned()
    }

    pub(crate) fn consumers(&self) -> Vec<Arc<dyn ConsumerRole>> {
        self.consumers.read().values().cloned().collect()
    }

    pub(crate) fn producer_groups(&self) -> Vec<String> {
        self.producers.read().iter().cloned().collect()
    }

    pub(crate) fn consumer_groups(&self) -> Vec<String> {
        self.consumers.read().keys().cloned().collect()
    }

    /// Wakes the consumers that subscribe to `topic`.
    pub(crate) fn rebalance_topic(&self, topic: &str) {
        for consumer in self.consumers() {
            if consumer.topics().iter().any(|subscribed| subscribed == topic) {
                consumer.rebalance_now();
            }
        }
    }

    /// Wakes all consumers.
    pub(crate) fn rebalance_all(&self) {
        self.consumers().iter().for_each(|consumer| consumer.rebalance_now());
    }

    /// The heartbeat of the moment; `None` when nothing is registered.
    pub(crate) fn heartbeat(&self, client_id: &str) -> Option<HeartbeatData> {
        let consumer_data_set: Vec<_> = self.consumers().iter().map(|c| c.heartbeat_data()).collect();
        let producers = self.producer_groups().into_iter();
        let producer_data_set: Vec<_> = producers.map(|group_name| ProducerData { group_name }).collect();
        if consumer_data_set.is_empty() && producer_data_set.is_empty() {
            return None;
        }
        let client_id = client_id.to_owned();
        Some(HeartbeatData { client_id, consumer_data_set, producer_data_set, ..HeartbeatData::default() })
    }
}

fn taken(kind: &str, group: &str) -> Error {
    Error::config(
        "group",
        format!("the {kind} group {group} is registered in this instance already, choose another name"),
    )
}
