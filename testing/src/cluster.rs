//! The cluster: servers, their restarts, and a little administration over the protocol.
use bytes::Bytes;
use ferromq_broker::config::{BrokerConfig, THROW_AWAY};
use ferromq_broker::Broker;
use ferromq_namesrv::{NameServer, NameServerConfig};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::CreateTopic;
use ferromq_protocol::{Command, ExtFields, Header};
use ferromq_remoting::{CallError, Client, ClientOptions, Connection, Handler, OutFrame};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Free ports of the loopback address.
const SETTINGS: &[(&str, &str)] = &[("brokerIP1", "127.0.0.1"), ("bindAddress", "127.0.0.1"), ("listenPort", "0")];
/// Longest time that a call of this crate takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest time until a killed broker has let go of its port and files.
const RELEASE: Duration = Duration::from_secs(2);

/// Why the cluster could not do what the test asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The temporary directory.
    #[error("temporary directory: {0}")]
    Folder(#[from] std::io::Error),
    /// A server did not start.
    #[error("{what} did not start: {text}")]
    Start {
        /// Which server.
        what: String,
        /// Its own words.
        text: String,
    },
    /// A request failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A server refused a request.
    #[error("{what} was refused with code {code}: {remark}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The response code.
        code: i32,
        /// The server's words.
        remark: String,
    },
}

/// How a cluster starts.
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    brokers: usize,
    properties: Vec<(String, String)>,
    external_namesrv: Option<String>,
}

impl ClusterBuilder {
    /// Number of brokers (default 1), named `broker-a`, `broker-b`, ...
    pub fn brokers(mut self, brokers: usize) -> Self {
        self.brokers = brokers;
        self
    }

    /// Sets a property of every broker.
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// Brokers register at these name servers instead of one of the cluster.
    pub fn external_namesrv(mut self, addresses: &str) -> Self {
        self.external_namesrv = Some(addresses.into());
        self
    }

    /// Starts all servers; every broker is registered when this returns.
    pub async fn start(self) -> Result<Cluster, ClusterError> {
        let folder = tempfile::Builder::new().prefix("ferromq-test-").tempdir()?;
        let name_server = match &self.external_namesrv {
            Some(_) => None,
            None => Some(start_name_server(folder.path(), 0).await?),
        };
        let client = Client::new(ClientOptions::default(), Arc::new(NoCallbacks));
        let namesrv = match (&self.external_namesrv, &name_server) {
            (Some(addresses), _) => addresses.clone(),
            (None, Some(server)) => server.local_addr().to_string(),
            (None, None) => String::new(),
        };
        let mut cluster = Cluster { name_server, namesrv, brokers: Vec::new(), client, folder };
        for i in 0..self.brokers {
            let name = format!("broker-{}", char::from(b'a' + (i % 26) as u8));
            let mut config = BrokerConfig::default();
            let data = cluster.folder.path().join(&name).display().to_string();
            let fixed = [("brokerName", name.as_str()), ("namesrvAddr", &cluster.namesrv), ("storePathRootDir", &data)];
            let settings = THROW_AWAY.iter().chain(SETTINGS).copied().chain(fixed);
            let chosen = self.properties.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            for (property, value) in settings.chain(chosen) {
                let wrong = |e: ferromq_broker::config::ConfigError| ClusterError::Start {
                    what: name.clone(),
                    text: e.to_string(),
                };
                config.set(property, value).map_err(wrong)?;
            }
            cluster.brokers.push(Member { config, running: None });
            cluster.start_broker(i).await?;
        }
        Ok(cluster)
    }
}

struct Member {
    config: BrokerConfig,
    running: Option<Broker>,
}

/// A running cluster.
pub struct Cluster {
    name_server: Option<NameServer>,
    namesrv: String,
    brokers: Vec<Member>,
    client: Client,
    folder: TempDir,
}

impl Cluster {
    /// One name server and one broker.
    pub async fn start() -> Result<Cluster, ClusterError> {
        Cluster::builder().start().await
    }

    /// A cluster of another shape.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder { brokers: 1, properties: Vec::new(), external_namesrv: None }
    }

    /// `host:port` of the name server, for clients.
    pub fn namesrv_addr(&self) -> String {
        self.namesrv.clone()
    }

    /// The data directory of broker `i`.
    pub fn data_dir(&self, i: usize) -> std::path::PathBuf {
        self.brokers[i].config.store_path_root_dir.clone().into()
    }

    /// `host:port` of broker `i`; the same after a restart.
    pub fn broker_addr(&self, i: usize) -> String {
        format!("127.0.0.1:{}", self.brokers[i].config.listen_port)
    }

    /// Broker `i`, unless it is stopped.
    pub fn broker(&self, i: usize) -> Option<&Broker> {
        self.brokers[i].running.as_ref()
    }

    /// Starts broker `i` again, on the same port and data.
    pub async fn start_broker(&mut self, i: usize) -> Result<(), ClusterError> {
        let member = &mut self.brokers[i];
        let what = member.config.broker_name.clone();
        // A killed broker's port and lock are free only when its tasks have noticed: that is waited for.
        let again = member.config.listen_port != 0;
        let deadline = tokio::time::Instant::now() + RELEASE;
        let broker = loop {
            match Broker::start(member.config.clone()).await {
                Ok(broker) => break broker,
                Err(_) if again && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(e) => return Err(ClusterError::Start { what, text: e.to_string() }),
            }
        };
        member.config.listen_port = i32::from(broker.local_addr().port());
        member.running = Some(broker);
        Ok(())
    }

    /// Stops broker `i` in order.
    pub async fn stop_broker(&mut self, i: usize) {
        if let Some(broker) = self.brokers[i].running.take() {
            broker.shutdown().await;
        }
    }

    /// Ends broker `i` as abruptly as a process can do it to itself: nothing is flushed, nobody is told.
    pub fn kill_broker(&mut self, i: usize) {
        if let Some(broker) = self.brokers[i].running.take() {
            broker.kill();
        }
    }

    /// Stops the name server.
    pub async fn stop_name_server(&mut self) {
        if let Some(server) = self.name_server.take() {
            server.shutdown().await;
        }
    }

    /// Starts the name server again, on the same port. Brokers register at their next period.
    pub async fn start_name_server(&mut self) -> Result<(), ClusterError> {
        let port = self.namesrv.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
        self.name_server = Some(start_name_server(self.folder.path(), port).await?);
        Ok(())
    }

    /// Creates a topic on every running broker; its route is known when this returns.
    pub async fn create_topic(&self, topic: &str, queues: u32) -> Result<(), ClusterError> {
        let queues = i32::try_from(queues).unwrap_or(i32::MAX);
        let ext = CreateTopic {
            topic,
            default_topic: "TBW102",
            read_queue_nums: queues,
            write_queue_nums: queues,
            perm: 6,
            topic_filter_type: "SINGLE_TAG",
            topic_sys_flag: Some(0),
            order: false,
            attributes: None,
            force: None,
        }
        .to_ext();
        for i in (0..self.brokers.len()).filter(|i| self.brokers[*i].running.is_some()) {
            let command = Command::request(request::UPDATE_AND_CREATE_TOPIC, ext.clone(), Bytes::new());
            self.must(&self.broker_addr(i), command, &format!("creating topic {topic}")).await?;
        }
        self.wait_for_route(topic).await
    }

    /// Waits until the name server has a route for `topic`.
    pub async fn wait_for_route(&self, topic: &str) -> Result<(), ClusterError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let address = self.namesrv.split(';').next().unwrap_or_default().to_string();
        loop {
            let ext: ExtFields = [("topic", topic)].into_iter().collect();
            let command = Command::request(request::GET_ROUTEINFO_BY_TOPIC, ext, Bytes::new());
            match self.must(&address, command, &format!("the route of {topic}")).await {
                Ok(_) => return Ok(()),
                Err(e) if tokio::time::Instant::now() > deadline => return Err(e),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Sends a raw request and demands success.
    pub async fn must(&self, address: &str, command: Command, what: &str) -> Result<Command, ClusterError> {
        let answer = self.client.call(address, command, PATIENCE).await?;
        if answer.code == response::SUCCESS {
            return Ok(answer);
        }
        let remark = answer.remark.unwrap_or_default();
        Err(ClusterError::Refused { what: what.into(), code: answer.code, remark })
    }

    /// Ends everything in order.
    pub async fn shutdown(mut self) {
        for i in 0..self.brokers.len() {
            self.stop_broker(i).await;
        }
        self.stop_name_server().await;
        self.client.shutdown().await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.brokers.len()).for_each(|i| self.kill_broker(i));
    }
}

async fn start_name_server(folder: &Path, port: u16) -> Result<NameServer, ClusterError> {
    let config = NameServerConfig {
        bind_address: "127.0.0.1".into(),
        listen_port: port,
        kv_config_path: folder.join("kvConfig.json").display().to_string(),
        ..NameServerConfig::ephemeral()
    };
    NameServer::start(config)
        .await
        .map_err(|e| ClusterError::Start { what: "the name server".into(), text: e.to_string() })
}

/// This client has no callbacks to serve.
struct NoCallbacks;

impl Handler for NoCallbacks {
    fn requests(&self, _: &Arc<Connection>, requests: &mut Vec<Command>, _: &mut Vec<OutFrame>) {
        requests.clear();
    }
}
