//! The route table of an instance: what is known, asking for what is not, and keeping it fresh.
//!
//! Routes stay usable when name servers are gone: only a newer answer replaces one. Of several tasks that want the same
//! unknown topic one asks, the others take its answer.
//!
//! Threads and locks: `table` and `brokers` are guarded by their own locks, held for look-ups and replacement only;
//! `asking` gives each topic a lock that is held while its question is under way.
use super::names::{NameServers, NoneAnswered};
use super::roles::Roles;
use crate::error::{Error, ServerTried};
use crate::options::ClientOptions;
use crate::platform::after;
use crate::route::{choose_replica, default_route, sort, BrokerAddress, BrokerRole, Replicas, TopicRoute};
use bytes::Bytes;
use ferromq_protocol::body::{MessageQueue, TopicRouteData, PERM_WRITE};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::GetRouteInfo;
use ferromq_protocol::{topic, Command, Header};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::AtomicU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{timeout_at, Instant};

/// The routes of an instance.
pub struct Routes {
    names: Arc<NameServers>,
    roles: Arc<Roles>,
    api_timeout: Duration,
    codec: ferromq_protocol::Codec,
    language: i32,
    table: RwLock<HashMap<String, Arc<TopicRoute>>>,
    /// Addresses by broker name, out of all routes.
    brokers: RwLock<HashMap<String, Replicas>>,
    asking: Mutex<HashMap<String, Arc<tokio::sync::Mutex<LastAnswer>>>>,
    /// Wakes the refresh task early.
    pub(super) hurry: Arc<Notify>,
}

/// What the last question about a topic gave, for those who waited meanwhile.
#[derive(Default)]
struct LastAnswer {
    ended: Option<Instant>,
    failure: Option<Failure>,
    /// It fell back to the template topic.
    with_default: bool,
    /// The time it had.
    budget: Duration,
}

impl LastAnswer {
    /// True when this is as good as an answer to a question of one's own, with a fall-back or not, until `deadline`.
    fn serves(&self, with_default: bool, deadline: Instant) -> bool {
        match &self.failure {
            None => true,
            _ if self.with_default != with_default => false,
            // It may have had too little time; who has more asks again.
            Some(Failure::Unreachable(_)) => deadline.saturating_duration_since(Instant::now()) <= self.budget,
            Some(_) => true,
        }
    }
}

/// Why there is no route. Cheap to copy for everybody who waits.
#[derive(Debug, Clone)]
enum Failure {
    /// The name server `0` does not know the topic.
    Unknown(ServerTried),
    Unreachable(NoneAnswered),
    Refused {
        addr: String,
        code: i32,
        remark: String,
    },
    Unreadable {
        addr: String,
        reason: String,
    },
}

impl Failure {
    fn into_error(self, topic: &str) -> Error {
        match self {
            Self::Unknown(server) => {
                Error::NoRoute { topic: topic.to_owned(), reason: "it does not exist", servers: vec![server] }
            }
            Self::Unreachable(none) => none.into_error(format!("the route of topic {topic}")),
            Self::Refused { addr, code, remark } => {
                Error::Broker { code, remark, addr, request: request::GET_ROUTEINFO_BY_TOPIC }
            }
            Self::Unreadable { addr, reason } => {
                Error::Decode { addr, request: request::GET_ROUTEINFO_BY_TOPIC, reason }
            }
        }
    }
}

impl Routes {
    pub(super) fn new(names: Arc<NameServers>, roles: Arc<Roles>, options: &ClientOptions) -> Self {
        Self {
            names,
            roles,
            api_timeout: options.api_timeout,
            codec: options.header_codec,
            language: options.language,
            table: RwLock::default(),
            brokers: RwLock::default(),
            asking: Mutex::default(),
            hurry: Arc::default(),
        }
    }

    /// The cached route, if there is one.
    pub fn cached(&self, topic: &str) -> Option<Arc<TopicRoute>> {
        self.table.read().get(topic).cloned()
    }

    /// The route of a topic: cached, else asked for within the metadata budget.
    pub async fn get(&self, topic: &str) -> Result<Arc<TopicRoute>, Error> {
        match self.cached(topic).filter(|route| !route.is_default()) {
            Some(route) => Ok(route),
            None => self.refresh(topic).await,
        }
    }

    /// The queues of a topic that can be read, cached or asked for. Empty only when no broker lets it be read.
    pub async fn subscribe_queues(&self, topic: &str) -> Result<Arc<[MessageQueue]>, Error> {
        Ok(self.get(topic).await?.subscribe_queues().clone())
    }

    /// The queues of a topic that can be written, in Java's order, cached or asked for.
    pub async fn publish_queues(&self, topic: &str) -> Result<Arc<[MessageQueue]>, Error> {
        Ok(self.get(topic).await?.publish_queues().clone())
    }

    /// Asks a name server for the route, whatever is cached. A failure leaves the cached route as it is.
    pub async fn refresh(&self, topic: &str) -> Result<Arc<TopicRoute>, Error> {
        self.refresh_until(topic, after(self.api_timeout)).await
    }

    /// The same with an end of its own, if that is earlier.
    pub(crate) async fn refresh_until(&self, topic: &str, deadline: Instant) -> Result<Arc<TopicRoute>, Error> {
        self.ask(topic, deadline.min(after(self.api_timeout)), None).await
    }

    /// A route with at least one writable queue (client.md 2.4, point 2): cached, else the topic's own, else that of the
    /// template topic cut to `default_queues`.
    pub(crate) async fn for_sending(
        &self,
        topic: &str,
        default_queues: i32,
        deadline: Instant,
    ) -> Result<Arc<TopicRoute>, Error> {
        if let Some(route) = self.cached(topic).filter(|route| !route.publish_queues().is_empty()) {
            return Ok(route);
        }
        let deadline = deadline.min(after(self.api_timeout));
        let route = self.ask(topic, deadline, Some(default_queues)).await?;
        if route.publish_queues().is_empty() {
            let (reason, servers) = not_writable(route.data());
            return Err(Error::NoRoute { topic: topic.to_owned(), reason, servers });
        }
        Ok(route)
    }

    /// One question per topic at a time. `default_queues`: fall back to the template topic.
    async fn ask(&self, topic: &str, deadline: Instant, default_queues: Option<i32>) -> Result<Arc<TopicRoute>, Error> {
        let came = Instant::now();
        let cell = self.asking.lock().entry(topic.to_owned()).or_default().clone();
        let question = Question { routes: self, topic, cell };
        let Ok(mut last) = timeout_at(deadline, question.cell.lock()).await else {
            let waited = deadline.saturating_duration_since(came).as_millis();
            let silent = |addr: &String| ServerTried {
                addr: addr.clone(),
                outcome: format!("an earlier question was not answered within {waited} ms"),
            };
            let servers = self.names.list().iter().map(silent).collect();
            return Err(Error::NoNameServer { what: format!("the route of topic {topic}"), servers });
        };
        let failure = match last.ended {
            // Somebody asked the same while this one waited.
            Some(ended) if ended > came && last.serves(default_queues.is_some(), deadline) => last.failure.clone(),
            _ => {
                let begun = Instant::now();
                let failure = self.ask_servers(topic, deadline, default_queues).await.err();
                let with_default = default_queues.is_some();
                let budget = deadline.saturating_duration_since(begun);
                *last = LastAnswer { ended: Some(Instant::now()), failure: failure.clone(), with_default, budget };
                failure
            }
        };
        drop(last);
        drop(question);
        match failure {
            None => self.cached(topic).ok_or_else(|| Error::NoRoute {
                topic: topic.to_owned(),
                reason: "it was removed meanwhile",
                servers: Vec::new(),
            }),
            Some(failure) => Err(failure.into_error(topic)),
        }
    }

    async fn ask_servers(&self, topic: &str, deadline: Instant, default_queues: Option<i32>) -> Result<(), Failure> {
        let unknown = match self.query(topic, deadline).await {
            Ok(data) => {
                self.store(topic, data, false);
                return Ok(());
            }
            Err(Failure::Unknown(server)) => server,
            Err(other) => return Err(other),
        };
        let Some(queues) = default_queues.filter(|_| topic != topic::AUTO_CREATE) else {
            return Err(Failure::Unknown(unknown));
        };
        match self.query(topic::AUTO_CREATE, deadline).await {
            Ok(template) => {
                self.store(topic, default_route(template, queues), true);
                Ok(())
            }
            Err(Failure::Unknown(_)) => Err(Failure::Unknown(unknown)),
            Err(other) => Err(other),
        }
    }

    async fn query(&self, topic: &str, deadline: Instant) -> Result<TopicRouteData, Failure> {
        let header = GetRouteInfo { topic, accept_standard_json_only: Some(true) };
        let mut command = Command::request(request::GET_ROUTEINFO_BY_TOPIC, header.to_ext(), Bytes::new());
        command.codec = self.codec;
        command.language = self.language;
        let budget = deadline.saturating_duration_since(Instant::now());
        let (addr, answer) = self.names.call(&command, budget).await.map_err(Failure::Unreachable)?;
        let remark = answer.remark.unwrap_or_default();
        match answer.code {
            response::SUCCESS => {
                TopicRouteData::decode(&answer.body).map_err(|e| Failure::Unreadable { addr, reason: e.to_string() })
            }
            response::TOPIC_NOT_EXIST => Err(Failure::Unknown(ServerTried { addr, outcome: first_line(&remark) })),
            code => Err(Failure::Refused { addr, code, remark }),
        }
    }

    /// Takes over a route. Consumers of the topic are woken when it changed.
    fn store(&self, topic: &str, mut data: TopicRouteData, is_default: bool) {
        sort(&mut data);
        let old = self.cached(topic);
        if old.as_ref().is_some_and(|old| *old.data() == data && old.is_default() == is_default) {
            return;
        }
        let start = || Arc::new(AtomicU32::new(crate::platform::random() as u32));
        let next = old.as_ref().map_or_else(start, |old| old.counter().clone());
        let route = Arc::new(TopicRoute::new(topic, data, is_default, next));
        {
            let mut brokers = self.brokers.write();
            for broker in &route.data().broker_datas {
                let addrs = broker.broker_addrs.iter().map(|(id, addr)| (*id, Arc::from(addr.as_str()))).collect();
                brokers.insert(broker.broker_name.clone(), addrs);
            }
        }
        self.table.write().insert(topic.to_owned(), route);
        tracing::debug!(topic, is_default, "route changed");
        self.roles.rebalance_topic(topic);
    }

    /// The address of a broker by its name, out of the cached routes.
    pub fn broker_addr(&self, name: &str, role: BrokerRole) -> Option<BrokerAddress> {
        choose_replica(self.brokers.read().get(name)?, role)
    }

    /// Every known broker address; masters only, if asked for.
    pub(crate) fn broker_addrs(&self, masters_only: bool) -> BTreeSet<Arc<str>> {
        let brokers = self.brokers.read();
        let wanted = |(id, _): &(&i64, &Arc<str>)| !masters_only || **id == crate::route::MASTER_ID;
        brokers.values().flat_map(|replicas| replicas.iter().filter(wanted)).map(|(_, addr)| addr.clone()).collect()
    }

    /// True when a cached route contains the address.
    pub(crate) fn known_broker(&self, addr: &str) -> bool {
        self.brokers.read().values().any(|replicas| replicas.values().any(|known| **known == *addr))
    }

    /// Asks for fresh routes soon: a broker did not answer.
    pub(crate) fn refresh_soon(&self) {
        self.hurry.notify_one();
    }

    /// Refreshes what producers and consumers use. Ends early when no name server answers: the rest would wait in vain.
    pub(super) async fn refresh_all(&self) {
        let mut topics: HashSet<String> = self.table.read().keys().cloned().collect();
        topics.extend(self.roles.consumers().iter().flat_map(|consumer| consumer.topics()));
        for topic in topics {
            match self.refresh(&topic).await {
                Ok(_) => {}
                Err(error @ Error::NoNameServer { .. }) => {
                    tracing::warn!(%error, "routes are not refreshed, those known stay in use");
                    return;
                }
                Err(error) => tracing::debug!(%topic, %error, "route not refreshed"),
            }
        }
    }

    /// Forgets addresses that no cached route contains and returns the ones gone (client.md 1.3, offline brokers).
    pub(super) fn clean_offline(&self) -> Vec<Arc<str>> {
        let routes: Vec<Arc<TopicRoute>> = self.table.read().values().cloned().collect();
        let mut online: HashSet<&str> = HashSet::new();
        for broker in routes.iter().flat_map(|route| &route.data().broker_datas) {
            online.extend(broker.broker_addrs.values().map(String::as_str));
        }
        let mut gone = Vec::new();
        self.brokers.write().retain(|_, replicas| {
            replicas.retain(|_, addr| {
                let keep = online.contains(&**addr);
                if !keep {
                    gone.push(addr.clone());
                }
                keep
            });
            !replicas.is_empty()
        });
        gone
    }
}

/// Somebody's part in a question. The last one to leave, answered or not, drops the topic's lock, so that wrong names do
/// not pile up.
struct Question<'a> {
    routes: &'a Routes,
    topic: &'a str,
    cell: Arc<tokio::sync::Mutex<LastAnswer>>,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let mut asking = self.routes.asking.lock();
        // Two: the table's and this one. Others get theirs only under the lock held here.
        if Arc::strong_count(&self.cell) <= 2 {
            asking.remove(self.topic);
        }
    }
}

/// Why a route has no queue to write to, broker by broker.
fn not_writable(data: &TopicRouteData) -> (&'static str, Vec<ServerTried>) {
    let mut read_only = !data.queue_datas.is_empty();
    let tried = data.queue_datas.iter().map(|queues| {
        let broker = data.broker_datas.iter().find(|broker| broker.broker_name == queues.broker_name);
        let master = broker.and_then(|broker| broker.master());
        let writable = queues.perm & PERM_WRITE != 0;
        read_only &= !writable;
        let outcome = match (writable, master) {
            (false, _) => {
                format!("broker {} has it with permission {}, without writing", queues.broker_name, queues.perm)
            }
            (true, None) => format!("broker {} has no master", queues.broker_name),
            (true, Some(_)) => format!("broker {} has no queues of it to write to", queues.broker_name),
        };
        ServerTried { addr: master.unwrap_or(&queues.broker_name).to_owned(), outcome }
    });
    let tried = tried.collect();
    let reason = if read_only { "it is read-only" } else { "no broker has a master that takes messages of it" };
    (reason, tried)
}

/// Java's remark carries a help page over several lines.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_remoting::{Client, Connection, Handler, OutFrame};

    struct Deaf;

    impl Handler for Deaf {
        fn requests(&self, _: &Arc<Connection>, _: &mut Vec<Command>, _: &mut Vec<OutFrame>) {}
    }

    /// A question whose asker went away, or whose waiters ran out of time, leaves nothing behind.
    #[tokio::test]
    async fn abandoned_questions_are_forgotten() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(Default::default(), Arc::new(Deaf));
        let names = Arc::new(NameServers::new(vec![silent.local_addr().unwrap().to_string()], client));
        let routes = Routes::new(names, Arc::default(), &ClientOptions::default());
        let soon = || Instant::now() + Duration::from_millis(20);
        let (asked, waited) = tokio::join!(timeout_at(soon(), routes.refresh("T")), routes.refresh_until("T", soon()));
        assert!(asked.is_err() && waited.is_err());
        assert!(routes.asking.lock().is_empty());
    }
}
