//! Heartbeats: who this client is and what it subscribes to, told to every broker in parallel (client.md 1.8).
//!
//! They go out every 30 s, right after a registration, to a single broker right after its connection was made, since a
//! broker that was restarted knows nobody, and when an answer says that the broker has forgotten this client. With consumers every replica gets them, without only masters.
use super::ClientInstance;
use bytes::Bytes;
use ferromq_protocol::body::HeartbeatData;
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::UnregisterClient;
use ferromq_protocol::{Command, ExtFields, Header};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A broker that says again and again that it does not know this client hears from it once in this time. Without it every pull of
/// every queue would be a heartbeat.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// When a broker last heard from this client because it had said that it does not know it. Locked while the heartbeat is under way:
/// the pulls of other queues wait for its answer instead of sending their own.
type Introduced = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// What brokers said about themselves in their answers, and what they had to be told again; by address.
#[derive(Default)]
pub(super) struct Heartbeats {
    /// MQVersion ordinals.
    versions: Mutex<HashMap<Arc<str>, i32>>,
    introduced: Mutex<HashMap<Arc<str>, Introduced>>,
}

impl Heartbeats {
    pub(super) fn forget(&self, addr: &str) {
        self.versions.lock().remove(addr);
        self.introduced.lock().remove(addr);
    }
}

/// The periodic task.
pub(super) async fn run(instance: Weak<ClientInstance>, stopped: impl Future<Output = ()>) {
    tokio::pin!(stopped);
    loop {
        let Some(alive) = instance.upgrade() else { return };
        let interval = alive.options.heartbeat_interval;
        drop(alive);
        tokio::select! {
            _ = &mut stopped => return,
            _ = tokio::time::sleep(interval) => {}
        }
        let Some(alive) = instance.upgrade() else { return };
        tokio::select! {
            _ = &mut stopped => return,
            _ = alive.send_heartbeats_now() => {}
        }
    }
}

impl ClientInstance {
    /// Sends a heartbeat to every broker of the cached routes at the same time and waits for the answers, each for at most
    /// the metadata budget. Returns how many brokers answered with success; failures are logged.
    pub async fn send_heartbeats_now(self: &Arc<Self>) -> usize {
        let Some(data) = self.roles.heartbeat(&self.client_id) else { return 0 };
        let masters_only = data.consumer_data_set.is_empty();
        let body = data.encode();
        let mut running = JoinSet::new();
        for addr in self.routes.broker_addrs(masters_only) {
            let (instance, body) = (self.clone(), body.clone());
            running.spawn(async move { instance.heartbeat_to(&addr, body).await });
        }
        let mut answered = 0;
        while let Some(done) = running.join_next().await {
            answered += usize::from(matches!(done, Ok(true)));
        }
        answered
    }

    /// Heartbeat to one broker whose connection was just made, then a look at the distribution of queues.
    pub(super) async fn greet(&self, addr: &str) {
        let Some(data) = self.roles.heartbeat(&self.client_id) else { return };
        if self.heartbeat_to(addr, HeartbeatData::encode(&data)).await {
            self.roles.rebalance_all();
        }
    }

    /// Heartbeat to a broker that has said that it does not know a subscription: it may have forgotten this client while it did not hear
    /// from it. True when the broker has taken one, now or less than [`AGAIN_AFTER`] ago.
    pub(crate) async fn introduce(&self, addr: &str) -> bool {
        let introduced = Arc::clone(self.heartbeats.introduced.lock().entry(Arc::from(addr)).or_default());
        let mut last = introduced.lock().await;
        if last.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
            return true;
        }
        let Some(data) = self.roles.heartbeat(&self.client_id) else { return false };
        let taken = self.heartbeat_to(addr, data.encode()).await;
        *last = taken.then(Instant::now);
        taken
    }

    async fn heartbeat_to(&self, addr: &str, body: Bytes) -> bool {
        let command = Command::request(request::HEART_BEAT, ExtFields::absent(), body);
        match self.call(addr, command, self.options.api_timeout).await {
            Ok(answer) if answer.code == response::SUCCESS => {
                self.heartbeats.versions.lock().insert(Arc::from(addr), answer.version);
                true
            }
            Ok(answer) => {
                tracing::warn!(addr, code = answer.code, remark = ?answer.remark, "heartbeat refused");
                false
            }
            Err(error) => {
                tracing::debug!(addr, %error, "heartbeat failed");
                self.routes.refresh_soon();
                false
            }
        }
    }

    /// The MQVersion ordinal a broker gave in its last heartbeat answer; `None` before the first.
    pub fn broker_version(&self, addr: &str) -> Option<i32> {
        self.heartbeats.versions.lock().get(addr).copied()
    }

    /// Tells all brokers with an open connection, at the same time, that groups of producers or of consumers end here. Others learn of
    /// it by the closed connection.
    pub(super) async fn unregister_everywhere<'a>(
        &self,
        groups: impl IntoIterator<Item = (Option<&'a str>, Option<&'a str>)>,
    ) {
        let mut running = JoinSet::new();
        let addrs = self.routes.broker_addrs(false);
        for (producer_group, consumer_group) in groups {
            let header = UnregisterClient { client_id: &self.client_id, producer_group, consumer_group };
            let mut command = Command::request(request::UNREGISTER_CLIENT, header.to_ext(), Bytes::new());
            self.stamp(&mut command);
            for addr in &addrs {
                let Some(connection) = self.client.open_connection(addr) else { continue };
                let (addr, command, timeout) = (addr.clone(), command.clone(), self.options.api_timeout);
                running.spawn(async move {
                    if let Err(error) = connection.call(command, timeout).await {
                        tracing::debug!(%addr, %error, "broker not told that the group ends");
                    }
                });
            }
        }
        while running.join_next().await.is_some() {}
    }
}
