//! The life of one broker in a process: start, shutdown in order, and the sudden end that tests need.
//!
//! Threads: the store's own, `broker-persist`, `broker-delay`, `broker-transaction`; everything else is tasks of the tokio
//! runtime it was started in. All of them end with the broker.
use crate::config::{BrokerConfig, BrokerRole, ConfigError, LiveConfig};
use crate::ports::{self, Ports};
use crate::registration::Registration;
use crate::remoting::{Port, RemotingHandler};
use crate::service::arrivals::Arrivals;
use crate::service::{
    changes, clock, delay, filters, groups, heartbeat, holds, identity, locks, members, mornings, notices, offsets,
    persist, stats, topic_puts, topics, transaction,
};
use crate::service::{Identity, Service};
use crate::store_options::{delay_levels, store_options};
use ferromq_protocol::ids::UniqueIdGenerator;
use ferromq_remoting::BindError;
use ferromq_store::config_file::ConfigFileError;
use ferromq_store::{OpenError, Store};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::AtomicU32;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often clients without heartbeat are looked for and rates are sampled (broker.md 2.4).
const HOUSEKEEPING_PERIOD: Duration = Duration::from_secs(10);

/// Why a broker did not start. Each text is one clear line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A property makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A port cannot be opened.
    #[error("cannot listen on the {which} port: {source}")]
    Bind {
        /// `main` or `fast`.
        which: &'static str,
        /// Address and reason.
        source: BindError,
    },
    /// There is no room for the fast port below the main port.
    #[error(
        "listenPort {0} leaves no room for the fast port, which is two below it; use 3 or more, or 0 for free ports"
    )]
    NoFastPort(u16),
    /// `bindAddress` or `brokerIP1` is no address and no known host name.
    #[error("property {name} has the value {value:?}, which is no address: {reason}")]
    Address {
        /// Property name.
        name: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        reason: String,
    },
    /// The role or id asks for something that does not exist here.
    #[error("{0}")]
    Unsupported(String),
    /// The data directory cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A file of the `config` directory cannot be read.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// A running broker.
pub struct Broker {
    service: Arc<Service>,
    /// `None` once it is shut down.
    ports: Option<Ports>,
    main_addr: SocketAddr,
    fast_addr: SocketAddr,
    registration: Registration,
    housekeeping: JoinHandle<()>,
    threads: Vec<thread::JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Broker {
    /// Opens ports and data, registers with the name servers and serves. Name servers that do not answer delay the start by
    /// at most [`FIRST_REGISTRATION_MAX`](crate::registration::FIRST_REGISTRATION_MAX).
    pub async fn start(config: BrokerConfig) -> Result<Self, StartError> {
        check(&config)?;
        let main = RemotingHandler::new(Port::Main);
        let fast = RemotingHandler::new(Port::Fast);
        let bind_ip = resolve("bindAddress", &config.bind_address)?;
        let limits = ports::limits(&config);
        let listen_port = u16::try_from(config.listen_port).unwrap_or(0);
        let handlers = (Arc::clone(&main), Arc::clone(&fast));
        let ports = ports::open(bind_ip, listen_port, limits, handlers).await?;
        let identity = identity(&config, ports.main.local_addr().port())?;
        let service = open(config, identity).await?;
        let threads = start_threads(&service)?;
        let (stop, stopped) = watch::channel(false);
        let housekeeping = tokio::spawn(housekeeping(Arc::clone(&service), stopped.clone()));
        main.open(Arc::clone(&service));
        fast.open(Arc::clone(&service));
        let registration = Registration::start(Arc::clone(&service), stopped).await;
        let (main_addr, fast_addr) = (ports.main.local_addr(), ports.fast.local_addr());
        tracing::info!(
            broker = service.identity.name,
            address = service.identity.address,
            listening = %main_addr,
            fast = %fast_addr,
            data = service.config().store_path_root_dir,
            "broker started"
        );
        Ok(Self { service, ports: Some(ports), main_addr, fast_addr, registration, housekeeping, threads, stop })
    }

    /// The address of the main port.
    pub fn local_addr(&self) -> SocketAddr {
        self.main_addr
    }

    /// The address of the fast port.
    pub fn fast_addr(&self) -> SocketAddr {
        self.fast_addr
    }

    /// The broker's name.
    pub fn name(&self) -> &str {
        &self.service.identity.name
    }

    /// The address clients are told: `brokerIP1:port`.
    pub fn registered_addr(&self) -> &str {
        &self.service.identity.address
    }

    /// What the broker does, for tests and for programs that embed it.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Shuts down in order (broker.md 2.5): leave the routes, close the ports, stop what works in the background, save,
    /// flush and close the store.
    pub async fn shutdown(mut self) {
        tracing::info!(broker = self.service.identity.name, "broker stops");
        self.stop.send_replace(true);
        self.registration.unregister().await;
        if let Some(Ports { main, fast }) = self.ports.take() {
            tokio::join!(main.shutdown(), fast.shutdown());
        }
        self.service.holds.close();
        self.service.delay.stop();
        self.service.transactions.stop();
        self.service.changes.stop();
        self.housekeeping.abort();
        let (service, threads) = (Arc::clone(&self.service), std::mem::take(&mut self.threads));
        let closed = tokio::task::spawn_blocking(move || {
            join(threads);
            transaction::save_progress(&service);
            persist::save_all(&service);
            if let Err(error) = service.store.shutdown() {
                tracing::error!(%error, "store not shut down cleanly");
            }
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "shutdown interrupted");
        }
        self.registration.close().await;
        tracing::info!(broker = self.service.identity.name, "broker stopped");
    }

    /// Ends like a killed process as well as one can from inside: nothing is unregistered, saved or flushed. The data
    /// directory can be opened again when this returns. Dropping a broker does the same.
    pub fn kill(self) {
        drop(self);
    }

    fn abandon(&mut self) {
        self.stop.send_replace(true);
        self.registration.abort();
        if let Some(Ports { main, fast }) = self.ports.take() {
            // Their connections are closed without waiting for them to end.
            drop((main, fast));
        }
        self.housekeeping.abort();
        self.service.delay.stop();
        self.service.transactions.stop();
        self.service.changes.abandon();
        join(std::mem::take(&mut self.threads));
        self.service.store.abandon();
        self.service.holds.close();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.ports.is_some() {
            self.abandon();
        }
    }
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the broker had panicked");
        }
    }
}

fn check(config: &BrokerConfig) -> Result<(), StartError> {
    if config.broker_role == BrokerRole::Slave {
        return Err(StartError::Unsupported("brokerRole SLAVE is not available; run a master".into()));
    }
    if config.broker_id != 0 {
        return Err(StartError::Unsupported(format!(
            "brokerId {} is a slave's, and slaves are not available",
            config.broker_id
        )));
    }
    Ok(())
}

/// An address or host name as an IP address.
fn resolve(name: &'static str, value: &str) -> Result<IpAddr, StartError> {
    let failed = |reason: String| StartError::Address { name, value: value.to_owned(), reason };
    if let Ok(ip) = value.parse() {
        return Ok(ip);
    }
    let mut found = (value, 0).to_socket_addrs().map_err(|e| failed(e.to_string()))?;
    found.next().map(|a| a.ip()).ok_or_else(|| failed("the name has no address".into()))
}

fn identity(config: &BrokerConfig, port: u16) -> Result<Identity, StartError> {
    let ip = resolve("brokerIP1", &config.broker_ip1)?;
    let replication_ip = if config.broker_ip2.is_empty() { &config.broker_ip1 } else { &config.broker_ip2 };
    let ha_port = match config.ha_listen_port {
        0 => i32::from(port) + 1,
        port => port,
    };
    Ok(Identity {
        cluster: config.broker_cluster_name.clone(),
        name: config.broker_name.clone(),
        id: config.broker_id,
        ip: config.broker_ip1.clone(),
        address: identity::address(&config.broker_ip1, i32::from(port)),
        ha_address: identity::address(replication_ip, ha_port),
        store_host: SocketAddr::new(ip, port),
    })
}

/// Opens the data and reads the tables.
async fn open(mut config: BrokerConfig, identity: Identity) -> Result<Arc<Service>, StartError> {
    config.listen_port = i32::from(identity.store_host.port());
    let mut options = store_options(&config)?;
    let holds = Arc::new(holds::Holds::new());
    let delay = Arc::new(delay::Delay::new(delay_levels(&config)?));
    let listener = Arc::new(Arrivals { holds: Arc::clone(&holds), delay: Arc::clone(&delay) });
    let opened = tokio::task::spawn_blocking(move || {
        options.batch_topics = persist::batch_topics(&config);
        let store = Store::open(options, listener)?;
        let service = new_service(config, identity, store, holds, delay);
        if let Err(error) = persist::load(&service) {
            // The lock must not outlive a start that failed.
            service.store.abandon();
            return Err(StartError::from(error));
        }
        service.topics.create_system_topics(&service.identity, &service.config());
        service.groups.create_system_groups();
        transaction::load(&service);
        Ok(Arc::new(service))
    });
    opened.await.map_err(|error| StartError::Thread(std::io::Error::other(error)))?
}

fn new_service(
    config: BrokerConfig,
    identity: Identity,
    store: Arc<Store>,
    holds: Arc<holds::Holds>,
    delay: Arc<delay::Delay>,
) -> Service {
    let changes = Arc::new(changes::Changes::new());
    // Any number will do that differs between two starts on one machine.
    let random = RandomState::new().hash_one(clock::now_ms()) as u32;
    let offsets = offsets::Offsets::new();
    offsets.set_version_step(config.consumer_offset_update_version_step);
    Service {
        topics: topics::Topics::new(&identity, Arc::clone(&changes)),
        groups: groups::Groups::new(Arc::clone(&changes)),
        offsets,
        members: members::Members::new(),
        request_modes: Default::default(),
        filters: filters::Filters::new(),
        locks: locks::QueueLocks::new(),
        holds,
        delay,
        transactions: transaction::Transactions::new(),
        stats: stats::Stats::new(),
        topic_puts: topic_puts::TopicPuts::new(&store, clock::now_ms()),
        mornings: mornings::Mornings::new(ferromq_store::local_day(clock::now_ms())),
        notices: notices::Notices::default(),
        changes,
        unique_ids: UniqueIdGenerator::new(identity.store_host.ip(), std::process::id(), random, 0),
        files: persist::Files::default(),
        spread: AtomicU32::new(random),
        live_config: LiveConfig::new(config),
        identity,
        store,
    }
}

fn start_threads(service: &Arc<Service>) -> Result<Vec<thread::JoinHandle<()>>, StartError> {
    let start = |name: &str, run: fn(&Service)| {
        let service = Arc::clone(service);
        thread::Builder::new().name(name.to_owned()).spawn(move || run(&service)).map_err(StartError::Thread)
    };
    Ok(vec![
        start("broker-persist", persist::run)?,
        start("broker-delay", delay::run)?,
        start("broker-transaction", transaction::check::run)?,
    ])
}

/// Periodic work that is neither registration nor writing files.
async fn housekeeping(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(HOUSEKEEPING_PERIOD) => {}
        }
        let now = clock::now_ms();
        service.stats.sample(now);
        service.topic_puts.sample(&service.store, now);
        service.mornings.look(ferromq_store::local_day(now), || service.totals());
        service.locks.sweep(now);
        let expired = heartbeat::expire(&service);
        if expired > 0 {
            tracing::info!(expired, "clients without heartbeat dropped");
        }
    }
}
