//! The tables of the name server (broker.md 1.1) and the rules by which they change. Plain data: the time is passed in,
//! connections are numbers, answers are bodies. All tables stand under one read-write lock, held by the caller.
//!
//! Invariants
//! * A broker name is in `brokers` exactly as long as it has an address, and then in its cluster's set.
//! * A topic is in `topics` exactly as long as a broker has queues of it.
//! * `routes` holds encoded answers of the present state only: whatever changes a route empties it.
mod leave;
mod permission;
mod query;
mod register;
mod route;
#[cfg(test)]
mod tests;

pub use leave::MinBrokerChange;
pub use register::{Registered, Registration, Rejected};
pub use route::RouteOptions;

use bytes::Bytes;
use ferromq_protocol::body::{BrokerData, DataVersion, QueueData, TopicQueueMappingInfo};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// The encoded route of a topic: for old clients, and in standard JSON.
#[derive(Debug, Default)]
struct EncodedRoute {
    java: Option<Bytes>,
    standard: Option<Bytes>,
}

/// Everything the name server knows of topics and brokers.
#[derive(Debug, Default)]
pub struct Tables {
    /// topic → broker name → queues.
    topics: HashMap<String, BTreeMap<String, QueueData>>,
    /// broker name → cluster and addresses by id.
    brokers: HashMap<String, BrokerData>,
    /// cluster → broker names.
    clusters: BTreeMap<String, BTreeSet<String>>,
    live: HashMap<LiveKey, Live>,
    /// topic → broker name → mapping of a static topic.
    mappings: HashMap<String, BTreeMap<String, TopicQueueMappingInfo>>,
    /// Filled by readers, emptied by writers.
    routes: Mutex<HashMap<String, EncodedRoute>>,
}

impl Tables {
    /// Something that routes show has changed.
    fn routes_changed(&mut self) {
        self.routes.get_mut().clear();
    }
}
