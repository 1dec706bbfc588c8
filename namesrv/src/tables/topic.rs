//! A topic: its queues by broker, and its route as it was last encoded.
//!
//! Invariant: an encoded route is that of the present state. What changes the queues goes through here and forgets it; who changes
//! anything else that a route shows (brokers, mappings) calls [`Topic::route_changed`]. The memory of encoded routes is so bounded
//! by the topics that exist: two forms of each, and nothing of a topic that nobody has.
//!
//! Threads and locks: readers fill an encoded route while they hold the tables for reading (the first one wins, with the same
//! bytes); writers forget it while they hold them alone.
use bytes::Bytes;
use ferromq_protocol::body::QueueData;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The queues of a topic, of one broker at least.
#[derive(Debug, Default)]
pub(super) struct Topic {
    /// By broker name.
    queues: BTreeMap<String, QueueData>,
    /// For old clients, and in standard JSON.
    java: OnceLock<Bytes>,
    standard: OnceLock<Bytes>,
}

impl Topic {
    /// By broker name.
    pub(super) fn queues(&self) -> &BTreeMap<String, QueueData> {
        &self.queues
    }

    /// Enters the queues of a broker, instead of those it had.
    pub(super) fn put(&mut self, queues: QueueData) {
        if self.queues.get(&queues.broker_name) != Some(&queues) {
            self.queues.insert(queues.broker_name.clone(), queues);
            self.route_changed();
        }
    }

    /// Takes the queues of a broker out, if it has any.
    pub(super) fn remove(&mut self, broker_name: &str) {
        if self.queues.remove(broker_name).is_some() {
            self.route_changed();
        }
    }

    /// Changes the permission of a broker's queues. False when it has none.
    pub(super) fn change_permission(&mut self, broker_name: &str, change: impl Fn(i32) -> i32) -> bool {
        let Some(queues) = self.queues.get_mut(broker_name) else { return false };
        queues.perm = change(queues.perm);
        self.route_changed();
        true
    }

    /// Something that the route shows has changed.
    pub(super) fn route_changed(&mut self) {
        (self.java, self.standard) = (OnceLock::new(), OnceLock::new());
    }

    /// Where the route that shows nothing but the state is kept, in standard JSON or with Java's bare integer keys.
    pub(super) fn encoded(&self, standard: bool) -> &OnceLock<Bytes> {
        match standard {
            true => &self.standard,
            false => &self.java,
        }
    }
}
