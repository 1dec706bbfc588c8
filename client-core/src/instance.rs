//! What producers, consumers and the admin client stand on: one connection pool, one route table, heartbeats, and the
//! dispatch of requests from brokers (client.md 1).
//!
//! Every object has an instance of its own, so settings never mix and client ids are unique (client.md 8.2, points 17
//! and 35). It is a plain struct behind an `Arc`; its tasks hold weak references and end with it.
//!
//! Tasks, independent of each other: route refresh (with cleaning of offline brokers), heartbeats, and one short task per
//! broker that comes back. A heartbeat never waits for a route refresh.
mod calls;
mod heartbeat;
mod inbound;
mod names;
mod roles;
mod routes;

pub use calls::Boundary;
pub use roles::{BoxFuture, ConsumerRole};
pub use routes::Routes;

use crate::ending::Ending;
use crate::error::Error;
use crate::options::ClientOptions;
use crate::platform;
use crate::route::{BrokerAddress, BrokerRole};
use crate::tasks::Tasks;
use ferromq_protocol::ids::UniqueIdGenerator;
use ferromq_protocol::Command;
use ferromq_remoting::Client;
use heartbeat::Heartbeats;
use inbound::Inbound;
use names::NameServers;
use roles::Roles;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How the client id is made (client.md 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Replace the default instance name by a unique one; false only for broadcasting consumers.
    pub rename: bool,
    /// Append `@STREAM`: pull consumers.
    pub stream: bool,
}

impl Default for Identity {
    fn default() -> Self {
        Self { rename: true, stream: false }
    }
}

/// The shared part of a client object.
pub struct ClientInstance {
    client_id: String,
    ip: IpAddr,
    options: ClientOptions,
    client: Client,
    names: Arc<NameServers>,
    roles: Arc<Roles>,
    routes: Routes,
    heartbeats: Heartbeats,
    unique_ids: UniqueIdGenerator,
    tasks: Tasks,
}

impl std::fmt::Debug for ClientInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientInstance({})", self.client_id)
    }
}

impl ClientInstance {
    /// Makes an instance and starts its tasks on the current tokio runtime. Asks no server: a name server that is down now
    /// may be up later.
    pub fn start(options: ClientOptions, identity: Identity) -> Result<Arc<Self>, Error> {
        let servers = options.name_servers()?;
        let (ip_text, ip) = options.ip(&servers);
        let client_id = options.client_id(&ip_text, identity.rename, identity.stream);
        let roles = Arc::new(Roles::default());
        let instance = Arc::new_cyclic(|weak: &Weak<Self>| {
            let inbound = Arc::new(Inbound::new(roles.clone(), weak.clone()));
            let client_options = ferromq_remoting::ClientOptions {
                connect_timeout: options.connect_timeout,
                limits: options.limits.clone(),
                ..ferromq_remoting::ClientOptions::default()
            };
            let client = Client::new(client_options, inbound);
            let names = Arc::new(NameServers::new(servers, client.clone()));
            let routes = Routes::new(names.clone(), roles.clone(), &options);
            let random = platform::random() as u32;
            let unique_ids = UniqueIdGenerator::new(ip, std::process::id(), random, platform::utc_offset_ms());
            let (heartbeats, tasks) = (Heartbeats::default(), Tasks::default());
            Self { client_id, ip, options, client, names, roles, routes, heartbeats, unique_ids, tasks }
        });
        instance.tasks.spawn(refresh_routes(Arc::downgrade(&instance), instance.tasks.stopped()));
        instance.tasks.spawn(heartbeat::run(Arc::downgrade(&instance), instance.tasks.stopped()));
        Ok(instance)
    }

    /// `ip@instance[@unit][@STREAM]`.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The address in the client id and in unique ids.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The options given at start.
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// The name servers configured.
    pub fn name_servers(&self) -> &[String] {
        self.names.list()
    }

    /// The route table.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The address of a broker by its name, out of the cached routes.
    pub fn broker_addr(&self, name: &str, role: BrokerRole) -> Option<BrokerAddress> {
        self.routes.broker_addr(name, role)
    }

    /// A new unique message id (wire.md 6.7).
    pub fn unique_id(&self) -> String {
        self.unique_ids.next(platform::now_ms())
    }

    /// Sends a request to a server and waits for its answer, connecting included, within `timeout`. Any code is `Ok`.
    /// Codec and language are those of the options.
    pub fn call<'a>(
        &'a self,
        addr: &'a str,
        mut command: Command,
        timeout: Duration,
    ) -> impl Future<Output = Result<Command, Error>> + Send + 'a {
        self.stamp(&mut command);
        // Not an `async fn`: that would move the command once more.
        let answer = self.client.call(addr, command, timeout);
        async move { Ok(answer.await?) }
    }

    /// Like [`Self::call`], but an answer with another code than 0 is [`Error::Broker`].
    pub async fn call_ok(&self, addr: &str, command: Command, timeout: Duration) -> Result<Command, Error> {
        let request = command.code;
        let answer = self.call(addr, command, timeout).await?;
        check(addr, request, answer)
    }

    /// Sends a request that is not answered.
    pub async fn oneway(&self, addr: &str, mut command: Command, timeout: Duration) -> Result<(), Error> {
        self.stamp(&mut command);
        Ok(self.client.oneway(addr, command, timeout).await?)
    }

    /// Asks the name servers, one after the other, within `timeout`. Any code but busy ones is `Ok`.
    pub async fn call_name_server(
        &self,
        what: &str,
        mut command: Command,
        timeout: Duration,
    ) -> Result<Command, Error> {
        self.stamp(&mut command);
        let request = command.code;
        let asked = self.names.call(&command, timeout).await;
        let (addr, answer) = asked.map_err(|none| none.into_error(what))?;
        check(&addr, request, answer)
    }

    fn stamp(&self, command: &mut Command) {
        // Codes above 32,767 fall back to JSON by themselves.
        command.codec = self.options.header_codec;
        command.language = self.options.language;
    }

    /// Registers a producer group: heartbeats name it from now on.
    pub fn register_producer(&self, group: &str) -> Result<(), Error> {
        self.check_running()?;
        self.roles.add_producer(group)
    }

    /// Registers a consumer group: heartbeats carry it, routes of its topics are kept fresh, and requests of brokers for
    /// the group reach it.
    pub fn register_consumer(&self, group: &str, role: Arc<dyn ConsumerRole>) -> Result<(), Error> {
        self.check_running()?;
        self.roles.add_consumer(group, role)
    }

    /// Ends a producer group here and tells the brokers. Failures are logged.
    pub async fn unregister_producer(&self, group: &str) {
        if self.roles.remove_producer(group) {
            self.unregister_everywhere([(Some(group), None)]).await;
        }
    }

    /// Ends a consumer group here and tells the brokers. Failures are logged.
    pub async fn unregister_consumer(&self, group: &str) {
        if self.roles.remove_consumer(group) {
            self.unregister_everywhere([(None, Some(group))]).await;
        }
    }

    /// Runs a task that ends with the instance at the latest.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// A future that is ready when the instance shuts down. It borrows nothing.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        self.tasks.stopped()
    }

    /// True once the instance was shut down.
    pub fn is_stopped(&self) -> bool {
        self.tasks.is_stopped()
    }

    fn check_running(&self) -> Result<(), Error> {
        if self.is_stopped() {
            return Err(Error::State { what: "client", state: "shut down" });
        }
        Ok(())
    }

    /// Unregisters what is registered, ends all tasks, closes all connections, within [`SHUTDOWN_WITHIN`](crate::SHUTDOWN_WITHIN). A
    /// second call does nothing.
    ///
    /// Must not be awaited inside a task started with [`Self::spawn`]: it waits for those for up to a second.
    pub async fn shutdown(&self) {
        self.end(Ending::begin()).await;
    }

    /// The shutdown as the last part of that of the object it belongs to.
    pub(crate) async fn end(&self, ending: Ending) {
        if self.is_stopped() {
            return;
        }
        self.tasks.stop();
        let (consumers, producers) = (self.roles.consumer_groups(), self.roles.producer_groups());
        let groups =
            consumers.iter().filter(|group| self.roles.remove_consumer(group)).map(|group| (None, Some(&**group)));
        let groups = groups.chain(
            producers.iter().filter(|group| self.roles.remove_producer(group)).map(|group| (Some(&**group), None)),
        );
        ending.leave(self.unregister_everywhere(groups)).await;
        self.tasks.stop_and_join(ending.for_tasks()).await;
        self.client.shutdown().await;
    }
}

impl ClientInstance {
    /// The end without a shutdown: nothing is told to the brokers, but connections do not linger.
    pub(crate) fn abandon(&self) {
        self.tasks.stop();
        for addr in self.client.open_addresses() {
            self.client.close(&addr);
        }
    }
}

impl Drop for ClientInstance {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Answers with another code than 0 are errors.
pub(crate) fn check(addr: &str, request: i32, answer: Command) -> Result<Command, Error> {
    if answer.code == ferromq_protocol::code::response::SUCCESS {
        return Ok(answer);
    }
    let remark = answer.remark.unwrap_or_default();
    Err(Error::Broker { code: answer.code, remark, addr: addr.to_owned(), request })
}

/// Refreshes routes in their interval, or earlier when asked, but never more often than every second.
async fn refresh_routes(instance: Weak<ClientInstance>, stopped: impl Future<Output = ()>) {
    const PAUSE_MIN: Duration = Duration::from_secs(1);
    tokio::pin!(stopped);
    loop {
        let Some(alive) = instance.upgrade() else { return };
        let interval = alive.options.route_interval;
        // The wait must not keep the instance alive.
        let hurry = alive.routes.hurry.clone();
        drop(alive);
        tokio::select! {
            _ = &mut stopped => return,
            _ = tokio::time::sleep(interval) => {}
            _ = hurry.notified() => tokio::select! {
                // A shutdown in this second must not wait for its end.
                _ = &mut stopped => return,
                _ = tokio::time::sleep(PAUSE_MIN.min(interval)) => {}
            },
        }
        let Some(alive) = instance.upgrade() else { return };
        tokio::select! {
            _ = &mut stopped => return,
            _ = alive.routes.refresh_all() => {}
        }
        for addr in alive.routes.clean_offline() {
            tracing::info!(%addr, "broker is in no route any more");
            alive.client.close(&addr);
            alive.heartbeats.forget(&addr);
        }
    }
}
