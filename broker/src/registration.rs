//! Registration with the name servers (broker.md 2.4, wire.md 4.6): everything at start and periodically, changed topics at
//! once, and a farewell at shutdown. All name servers in parallel; one that does not answer holds up nobody else.
//!
//! One task. The list of name servers is read from the configuration each time.
use crate::config::BrokerConfig;
use crate::service::changes::RouteChange;
use crate::service::topics::{perm, table_of, Topic};
use crate::service::Service;
use bytes::Bytes;
use ferromq_protocol::body::{DataVersion, KvTable, RegisterBrokerBody, TopicConfig};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::{QueryDataVersion, QueryDataVersionResponse, RegisterBroker, UnregisterBroker};
use ferromq_protocol::{crc, Command, Header};
use ferromq_remoting::{CallError, Client, ClientOptions, NoRequests};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The longest time that the first registration may delay a start.
pub const FIRST_REGISTRATION_MAX: Duration = Duration::from_secs(3);
/// The first periodic registration comes after this time.
const FIRST_PERIOD: Duration = Duration::from_secs(10);
/// Limits of `registerNameServerPeriod`, milliseconds.
const PERIOD_MS: (i32, i32) = (10_000, 60_000);
/// The farewell may take this long.
const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(3);

/// The registration task.
pub(crate) struct Registration {
    service: Arc<Service>,
    client: Arc<Client>,
    task: JoinHandle<()>,
}

impl Registration {
    /// Registers, then goes on in a task until `stopped`.
    pub(crate) async fn start(service: Arc<Service>, stopped: watch::Receiver<bool>) -> Self {
        let client = Arc::new(Client::new(ClientOptions::default(), Arc::new(NoRequests)));
        // The topics of this start are part of the first registration.
        service.changes.forget_routes();
        let first = register(&service, &client, None);
        if tokio::time::timeout(FIRST_REGISTRATION_MAX, first).await.is_err() {
            tracing::warn!("registration takes long; the broker serves meanwhile");
        }
        let task = tokio::spawn(run(Arc::clone(&service), Arc::clone(&client), stopped));
        Self { service, client, task }
    }

    /// Tells all name servers that this broker leaves.
    pub(crate) async fn unregister(&self) {
        self.task.abort();
        let mut calls = JoinSet::new();
        for server in name_servers(&self.service.config()) {
            let identity = self.service.identity.clone();
            let client = Arc::clone(&self.client);
            calls.spawn(async move {
                let header = UnregisterBroker {
                    broker_name: &identity.name,
                    broker_addr: &identity.address,
                    cluster_name: &identity.cluster,
                    broker_id: identity.id,
                };
                let command = Command::request(request::UNREGISTER_BROKER, header.to_ext(), Bytes::new());
                match client.call(&server, command, UNREGISTER_TIMEOUT).await {
                    Ok(_) => tracing::info!(server, "unregistered"),
                    Err(error) => tracing::warn!(%error, server, "not unregistered"),
                }
            });
        }
        while calls.join_next().await.is_some() {}
    }

    /// Stops without telling anybody.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }

    /// Closes the connections to the name servers.
    pub(crate) async fn close(&self) {
        self.client.shutdown().await;
    }
}

async fn run(service: Arc<Service>, client: Arc<Client>, mut stopped: watch::Receiver<bool>) {
    let mut next = FIRST_PERIOD;
    loop {
        let change = tokio::select! {
            _ = stopped.changed() => return,
            change = service.changes.wait_for_routes() => change,
            () = tokio::time::sleep(next) => RouteChange::All,
        };
        match change {
            RouteChange::Topics(topics) => register(&service, &client, Some(&topics)).await,
            RouteChange::All => register(&service, &client, None).await,
        }
        let period = service.config().register_name_server_period.clamp(PERIOD_MS.0, PERIOD_MS.1);
        next = Duration::from_millis(u64::from(period.unsigned_abs()));
    }
}

/// The name servers of `namesrvAddr`.
fn name_servers(config: &BrokerConfig) -> Vec<String> {
    config.namesrv_addr.split(';').map(str::trim).filter(|a| !a.is_empty()).map(str::to_owned).collect()
}

/// Registers everything, or only the given topics; a name server that does not know this broker gets everything.
async fn register(service: &Arc<Service>, client: &Arc<Client>, topics: Option<&[String]>) {
    let servers = name_servers(&service.config());
    if servers.is_empty() {
        return;
    }
    let (body, version) = body(service, topics);
    let mut calls = JoinSet::new();
    for server in servers {
        let one = One { service: Arc::clone(service), client: Arc::clone(client), server, version };
        let (body, incremental) = (body.clone(), topics.is_some());
        calls.spawn(async move { one.register(body, incremental).await });
    }
    let mut order_topics = None;
    while let Some(answered) = calls.join_next().await {
        order_topics = order_topics.or(answered.ok().flatten());
    }
    if let Some(order_topics) = order_topics {
        service.topics.mark_ordered(order_topics.table.keys());
    }
}

/// The body of a registration and the version it stands for.
fn body(service: &Service, only: Option<&[String]>) -> (Bytes, DataVersion) {
    let broker_permission = service.config().broker_permission;
    let (mut configs, version) = match only {
        Some(names) => service.topics.some(names),
        None => service.topics.all(),
    };
    if broker_permission != perm::READ_WRITE {
        for config in configs.values_mut() {
            *config = Topic::new(TopicConfig { perm: config.perm & broker_permission, ..TopicConfig::clone(config) });
        }
    }
    let mut table = table_of(&configs, version);
    table.mapping_data_version = Some(version);
    table.topic_queue_mapping_info_map = Some(BTreeMap::new());
    (RegisterBrokerBody { filter_server_list: Vec::new(), topic_config_table: table }.encode(), version)
}

/// One name server.
struct One {
    service: Arc<Service>,
    client: Arc<Client>,
    server: String,
    version: DataVersion,
}

impl One {
    /// Registers; gives the ordered topics that the name server knows of.
    async fn register(self, content: Bytes, incremental: bool) -> Option<KvTable> {
        if !incremental && !self.service.config().force_register && self.is_current().await {
            return None;
        }
        let answer = match self.call(content).await {
            Ok(answer) if answer.code != response::SUCCESS && incremental => {
                // A name server that restarted knows nothing of the other topics.
                let (everything, _) = body(&self.service, None);
                self.call(everything).await
            }
            other => other,
        };
        match answer {
            Ok(answer) if answer.code == response::SUCCESS => {
                tracing::debug!(server = self.server, incremental, "registered");
                KvTable::decode(&answer.body).ok()
            }
            Ok(answer) => {
                let (code, remark) = (answer.code, answer.remark.unwrap_or_default());
                tracing::warn!(server = self.server, code, remark, "the name server refused the registration");
                None
            }
            Err(error) => {
                tracing::warn!(server = self.server, %error, "not registered, trying again later");
                None
            }
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.service.config().register_broker_timeout_mills.unsigned_abs()))
    }

    async fn call(&self, content: Bytes) -> Result<Command, CallError> {
        let identity = &self.service.identity;
        let header = RegisterBroker {
            broker_name: &identity.name,
            broker_addr: &identity.address,
            cluster_name: &identity.cluster,
            ha_server_addr: &identity.ha_address,
            broker_id: identity.id,
            heartbeat_timeout_millis: None,
            enable_acting_master: None,
            compressed: false,
            body_crc32: crc::crc32(&content),
            zone_name: None,
        };
        let command = Command::request(request::REGISTER_BROKER, header.to_ext(), content);
        self.client.call(&self.server, command, self.timeout()).await
    }

    /// True when the name server already has this version of the topics.
    async fn is_current(&self) -> bool {
        let identity = &self.service.identity;
        let header = QueryDataVersion {
            broker_name: &identity.name,
            broker_addr: &identity.address,
            cluster_name: &identity.cluster,
            broker_id: identity.id,
        };
        let command = Command::request(request::QUERY_DATA_VERSION, header.to_ext(), self.version.encode());
        match self.client.call(&self.server, command, self.timeout()).await {
            Ok(answer) if answer.code == response::SUCCESS => {
                QueryDataVersionResponse::decode(&answer.ext).is_ok_and(|header| !header.changed)
            }
            _ => false,
        }
    }
}
