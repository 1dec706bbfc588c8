//! What the broker does, as typed requests and answers with the identity of the caller.
//!
//! It knows no frame, codec or connection: adapters (`remoting`, others later) translate. One [`Service`] holds every
//! manager; a manager owns its tables and their locks and is reached through the service's fields. Managers that need
//! others take `&Service` as an argument instead of keeping references, so there is no cycle of ownership.
//!
//! Locks: each manager documents its own; no manager calls another one while holding its lock, except downwards in the
//! order topics, groups, members, offsets, locks, holds.
pub mod admin;
pub mod arrivals;
pub mod attributes;
pub mod back;
pub mod changes;
pub mod cleaning;
pub mod clock;
pub mod delay;
pub mod disk;
pub mod error;
pub mod filters;
pub mod groups;
pub mod heartbeat;
pub mod holds;
pub mod identity;
pub mod locks;
pub mod members;
pub mod mornings;
pub mod names;
pub mod notices;
pub mod offsets;
pub mod persist;
pub mod progress;
pub mod pull;
pub mod query;
pub mod request_modes;
pub mod request_reply;
pub mod runtime_info;
pub mod send;
pub mod stats;
pub mod topic_puts;
pub mod topics;
pub mod transaction;

pub use error::Refusal;
pub use identity::Identity;

use crate::config::{BrokerConfig, LiveConfig};
use ferromq_protocol::ids::UniqueIdGenerator;
use ferromq_store::Store;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::Arc;

/// Who makes a request.
#[derive(Clone)]
pub struct Caller {
    /// Address of the other side.
    pub peer: SocketAddr,
    /// Language ordinal of the request (wire.md 2.4).
    pub language: i32,
    /// Version ordinal of the request (wire.md 2.5).
    pub version: i32,
    /// The way back to the client; `None` where the transport has none.
    pub link: Option<Arc<dyn ClientLink>>,
}

/// The way back to a connected client, whatever the transport. Ids are unique for the life of the process.
pub trait ClientLink: Send + Sync {
    /// Identity of the connection.
    fn id(&self) -> u64;
    /// Address of the client.
    fn peer(&self) -> SocketAddr;
    /// False once the connection is closed.
    fn is_open(&self) -> bool;
    /// Tells the client that the membership of a consumer group changed (NOTIFY_CONSUMER_IDS_CHANGED). Never blocks.
    fn notify_group_changed(&self, group: &str);
    /// Asks the client what became of a transaction (CHECK_TRANSACTION_STATE). Never blocks; false when the client is gone or
    /// too far behind to be asked.
    fn check_transaction(&self, check: &transaction::CheckRequest<'_>) -> bool;
    /// Closes the connection, with the reason for the log.
    fn close(&self, reason: &str);
    /// Its own type, for the adapter that made it.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// The broker's state and behaviour.
pub struct Service {
    /// Names and addresses of this broker.
    pub identity: Identity,
    /// The configuration; use [`config`](Self::config) for a snapshot.
    pub live_config: LiveConfig,
    /// The durable log.
    pub store: Arc<Store>,
    /// Topic table.
    pub topics: topics::Topics,
    /// Subscription groups.
    pub groups: groups::Groups,
    /// Committed offsets.
    pub offsets: offsets::Offsets,
    /// Connected producers and consumers.
    pub members: members::Members,
    /// How groups want their messages.
    pub request_modes: request_modes::RequestModes,
    /// Expressions of consumer groups, compiled.
    pub filters: filters::Filters,
    /// Queue locks of orderly consumers.
    pub locks: locks::QueueLocks,
    /// Held pulls.
    pub holds: Arc<holds::Holds>,
    /// Delayed messages.
    pub delay: Arc<delay::Delay>,
    /// Half messages.
    pub transactions: transaction::Transactions,
    /// Counters.
    pub stats: stats::Stats,
    /// How many messages every topic got.
    pub topic_puts: topic_puts::TopicPuts,
    /// What both stood at at the last two midnights.
    pub mornings: mornings::Mornings,
    /// Slow and refused requests in the log.
    pub notices: notices::Notices,
    /// What has to be written or registered.
    pub changes: Arc<changes::Changes>,
    /// Ids for messages that come without one.
    pub unique_ids: UniqueIdGenerator,
    /// Who may write a file of the `config` directory.
    pub files: persist::Files,
    /// State of [`any_queue`](Self::any_queue).
    pub spread: AtomicU32,
}

impl Service {
    /// A snapshot of the configuration; take one per request batch.
    pub fn config(&self) -> Arc<BrokerConfig> {
        self.live_config.snapshot()
    }

    /// Messages of clients since the start.
    pub fn totals(&self) -> mornings::Totals {
        // As the reference counts: without what the system sends itself.
        let put = self.topic_puts.all_since_start(&self.store, |topic: &str| !self.topics.is_system(topic));
        mornings::Totals { put, get: self.stats.get_messages.load(Relaxed) }
    }

    /// Some queue of `queues`, spread evenly. A topic without queues is an error, as in Java (division by zero).
    pub fn any_queue(&self, queues: i32) -> Result<i32, Refusal> {
        /// 2^32 divided by the golden ratio: consecutive values lie far apart.
        const STEP: u32 = 0x9E37_79B9;
        let queues = i64::from(queues);
        if queues <= 0 {
            return Err(Refusal::thrown("the topic has no queue to choose from"));
        }
        let value = i64::from(self.spread.fetch_add(STEP, Relaxed) >> 8);
        // Smaller than `queues`, which came from an i32.
        Ok((value % queues) as i32)
    }
}
