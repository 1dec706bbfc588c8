//! The running name server: listening, the scan for silent brokers, stopping.
use crate::config::ConfigError;
use crate::handler::{Requests, Service};
use crate::kv::KvConfig;
use crate::NameServerConfig;
use ferromq_remoting::{BindError, Limits, Server};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Requests answered before their answers are written: a client that sends many at a time reads the first ones while the next are
/// looked up.
const BATCH_REQUESTS_MAX: usize = 96;

/// Why a name server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An option cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The KV configuration cannot be read.
    #[error("cannot read the KV configuration {path}: {source}; repair or remove the file")]
    KvConfig {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// A running name server. Dropping it stops it without waiting.
pub struct NameServer {
    server: Option<Server>,
    local: SocketAddr,
    service: Arc<Service>,
    scan: JoinHandle<()>,
}

impl std::fmt::Debug for NameServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NameServer({})", self.local)
    }
}

impl NameServer {
    /// Reads the KV configuration and serves requests from now on.
    pub async fn start(config: NameServerConfig) -> Result<Self, StartError> {
        let kv = KvConfig::load(config.kv_file())
            .map_err(|source| StartError::KvConfig { path: config.kv_config_path.clone(), source })?;
        let address = config.listen_address()?;
        let idle = Duration::from_secs(config.server_channel_max_idle_time_seconds.max(1).unsigned_abs());
        let interval = Duration::from_millis(config.scan_not_active_broker_interval.max(1).unsigned_abs());
        let limits = Limits { idle, batch_requests_max: BATCH_REQUESTS_MAX, ..Limits::default() };
        let service = Arc::new(Service::new(config, kv));
        let server = Server::bind(address, limits, Arc::new(Requests(service.clone()))).await?;
        let local = server.local_addr();
        let scan = tokio::spawn(scan(service.clone(), interval));
        tracing::info!(%local, "name server started");
        Ok(Self { server: Some(server), local, service, scan })
    }

    /// The address listened on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The options now in effect.
    pub fn config(&self) -> NameServerConfig {
        self.service.config.read().clone()
    }

    /// Tells `watcher` of every change of the options by a request: the options before and after it.
    pub fn watch(&self, watcher: impl Fn(&NameServerConfig, &NameServerConfig) + Send + Sync + 'static) {
        self.service.watchers.lock().push(Box::new(watcher));
    }

    /// The line that scripts wait for (broker.md 1.2).
    pub fn boot_message(&self) -> String {
        format!("The Name Server boot success. serializeType=JSON, address {}", self.local)
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.server.as_ref().map_or(0, Server::connections)
    }

    /// Stops listening, closes all connections, and waits until they are closed.
    pub async fn shutdown(mut self) {
        self.scan.abort();
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
        tracing::info!(local = %self.local, "name server stopped");
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.scan.abort();
    }
}

/// Looks for silent brokers now and then; the first time after one interval.
async fn scan(service: Arc<Service>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        service.drop_silent_brokers();
    }
}
