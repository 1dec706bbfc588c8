//! The tables of the name server (broker.md 1.1) and the rules by which they change. Plain data: the time is passed in,
//! connections are numbers, answers are bodies. All tables stand under one read-write lock, held by the caller.
//!
//! Invariants
//! * A broker name is in `brokers` exactly as long as it has an address, and then in its cluster's set.
//! * A topic is in `topics` exactly as long as a broker has queues of it.
//! * A topic holds its route encoded, of the present state only: whatever changes a route makes its topics forget it.
mod leave;
mod permission;
mod query;
mod register;
mod route;
#[cfg(test)]
mod tests;
mod topic;

pub use leave::MinBrokerChange;
pub use register::{Registered, Registration, Rejected};
pub use route::RouteOptions;

use ferromq_protocol::body::{BrokerData, DataVersion, TopicQueueMappingInfo};
use foldhash::quality::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use topic::Topic;

/// Permission bit of writing.
const PERM_WRITE: i32 = 2;

/// A broker process as it last showed itself. Keyed by cluster and address.
#[derive(Debug, Clone)]
struct Live {
    broker_name: String,
    /// Milliseconds on the caller's clock.
    last_update_ms: i64,
    timeout_ms: i64,
    version: DataVersion,
    /// The connection it registered on.
    connection: u64,
    ha_server_addr: String,
}

/// Cluster and address.
type LiveKey = (String, String);

/// Everything the name server knows of topics and brokers.
#[derive(Debug, Default)]
pub struct Tables {
    /// topic → queues by broker name, and the encoded route. The hash is seeded at random, for clients name topics.
    topics: HashMap<String, Topic, RandomState>,
    /// broker name → cluster and addresses by id.
    brokers: HashMap<String, BrokerData>,
    /// cluster → broker names.
    clusters: BTreeMap<String, BTreeSet<String>>,
    live: HashMap<LiveKey, Live>,
    /// topic → broker name → mapping of a static topic.
    mappings: HashMap<String, BTreeMap<String, TopicQueueMappingInfo>>,
}

impl Tables {
    /// What routes show of a broker has changed.
    fn broker_changed(&mut self, broker_name: &str) {
        let of_broker = self.topics.values_mut().filter(|topic| topic.queues().contains_key(broker_name));
        of_broker.for_each(Topic::route_changed);
    }
}
