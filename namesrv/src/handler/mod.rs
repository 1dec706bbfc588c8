//! Requests of brokers, clients and tools, turned into calls on the tables. Unknown codes get code 3 (broker.md 0.3).
//!
//! Threads and locks: runs on the tasks of the connections. The tables' lock is held for the time of one change or one
//! look-up; what writes files runs on a blocking thread and answers from there.
mod answers;
mod broker;
mod settings;
mod topic;

use crate::kv::KvConfig;
use crate::tables::{MinBrokerChange, Tables};
use crate::NameServerConfig;
use answers::Answers;
use bytes::Bytes;
use ferromq_protocol::code::{request as req, response as res};
use ferromq_protocol::headers::NotifyMinBrokerIdChange;
use ferromq_protocol::{Command, Header, HeaderError};
use ferromq_remoting::{CloseReason, Connection, Handler, OutFrame};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Called with the options before and after a change.
pub(crate) type Watcher = Box<dyn Fn(&NameServerConfig, &NameServerConfig) + Send + Sync>;

/// Everything the requests work on.
pub(crate) struct Service {
    pub(crate) tables: RwLock<Tables>,
    pub(crate) config: RwLock<NameServerConfig>,
    /// Told of every change of `config`, while it is locked.
    pub(crate) watchers: Mutex<Vec<Watcher>>,
    kv: Arc<KvConfig>,
    started: Instant,
    /// Connections on which brokers registered, by number.
    brokers: Mutex<HashMap<u64, Weak<Connection>>>,
}

/// How a request is answered.
enum Answer {
    /// With this.
    Now(Command),
    /// Somebody else answers.
    Later,
}

/// A refusal: code and remark.
struct Refusal(i32, String);

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        Refusal(res::SYSTEM_ERROR, error.to_string())
    }
}

type Outcome = Result<Answer, Refusal>;

/// An answer without header fields and body.
fn done(request: &Command) -> Outcome {
    Ok(Answer::Now(Command::response_to(request, res::SUCCESS, None)))
}

fn with_body(request: &Command, body: impl Into<Bytes>) -> Outcome {
    let mut answer = Command::response_to(request, res::SUCCESS, None);
    answer.body = body.into();
    Ok(Answer::Now(answer))
}

fn with_header<'a>(request: &Command, header: &impl Header<'a>) -> Outcome {
    let mut answer = Command::response_to(request, res::SUCCESS, None);
    answer.ext = header.to_ext();
    Ok(Answer::Now(answer))
}

impl Service {
    pub(crate) fn new(config: NameServerConfig, kv: KvConfig) -> Self {
        Self {
            tables: RwLock::default(),
            config: RwLock::new(config),
            watchers: Mutex::default(),
            kv: Arc::new(kv),
            started: Instant::now(),
            brokers: Mutex::default(),
        }
    }

    /// The clock of the tables: milliseconds since the start. It never steps back.
    fn now_ms(&self) -> i64 {
        self.started.elapsed().as_millis() as i64
    }

    /// Drops brokers that were silent for too long, closes their connections, and tells those concerned.
    pub(crate) fn drop_silent_brokers(&self) {
        let (connections, changes) = self.tables.write().expire(self.now_ms());
        for connection in connections {
            let known = self.brokers.lock().get(&connection).and_then(Weak::upgrade);
            if let Some(connection) = known {
                connection.close("its broker was silent for too long");
            }
        }
        self.notify(changes);
    }

    /// 905 to those concerned, if the option says so.
    fn notify(&self, changes: impl IntoIterator<Item = MinBrokerChange>) {
        if !self.config.read().notify_min_broker_id_changed {
            return;
        }
        for change in changes {
            let header = NotifyMinBrokerIdChange {
                min_broker_id: Some(change.min_broker_id),
                broker_name: Some(&change.broker_name),
                min_broker_addr: Some(&change.min_broker_addr),
                offline_broker_addr: change.offline_broker_addr.as_deref(),
                ha_broker_addr: change.ha_broker_addr.as_deref(),
            };
            for connection in &change.tell {
                let known = self.brokers.lock().get(connection).and_then(Weak::upgrade);
                let command = Command::request(req::NOTIFY_MIN_BROKER_ID_CHANGE, header.to_ext(), Bytes::new());
                if let Some(Err(error)) = known.map(|c| c.oneway(command)) {
                    tracing::warn!(broker = %change.broker_name, %error, "change of the lowest broker id not told");
                }
            }
        }
    }

    fn answer(&self, connection: &Arc<Connection>, request: &Command) -> Outcome {
        match request.code {
            req::REGISTER_BROKER => self.register_broker(connection, request),
            req::UNREGISTER_BROKER => self.unregister_broker(request),
            req::QUERY_DATA_VERSION => self.query_data_version(request),
            req::BROKER_HEARTBEAT => self.broker_heartbeat(request),
            req::GET_BROKER_MEMBER_GROUP => self.member_group(request),
            req::GET_BROKER_CLUSTER_INFO => self.cluster_info(request),
            req::GET_ALL_TOPIC_LIST_FROM_NAMESERVER
            | req::GET_TOPICS_BY_CLUSTER
            | req::GET_SYSTEM_TOPIC_LIST_FROM_NS
            | req::GET_UNIT_TOPIC_LIST
            | req::GET_HAS_UNIT_SUB_TOPIC_LIST
            | req::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => self.topic_list(request),
            req::WIPE_WRITE_PERM_OF_BROKER => self.wipe_write_permission(request),
            req::ADD_WRITE_PERM_OF_BROKER => self.add_write_permission(request),
            req::DELETE_TOPIC_IN_NAMESRV => self.delete_topic(request),
            req::REGISTER_TOPIC_IN_NAMESRV => self.register_topic(request),
            req::PUT_KV_CONFIG => self.put_kv(connection, request),
            req::GET_KV_CONFIG => self.get_kv(request),
            req::DELETE_KV_CONFIG => self.delete_kv(connection, request),
            req::GET_KVLIST_BY_NAMESPACE => self.list_kv(request),
            req::UPDATE_NAMESRV_CONFIG => self.update_config(connection, request),
            req::GET_NAMESRV_CONFIG => with_body(request, self.config.read().to_properties()),
            code => Err(Refusal(res::REQUEST_CODE_NOT_SUPPORTED, format!(" request type {code} not supported"))),
        }
    }
}

/// The handler of the connections: the service behind a pointer that deferred answers can share.
pub(crate) struct Requests(pub(crate) Arc<Service>);

impl Handler for Requests {
    fn requests(&self, connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        let mut answers = Answers::to(answers);
        for run in requests.chunk_by(|one, next| topic::asks_for_route(one) == topic::asks_for_route(next)) {
            if run.first().is_some_and(topic::asks_for_route) {
                self.0.routes(run, &mut answers);
                continue;
            }
            for request in run {
                match self.0.answer(connection, request) {
                    Ok(Answer::Now(answer)) => answers.push(request, &answer),
                    Ok(Answer::Later) => {}
                    Err(refusal) => answers.refuse(request, refusal),
                }
            }
        }
    }

    fn closed(&self, connection: &Arc<Connection>, _reason: &CloseReason) {
        if self.0.brokers.lock().remove(&connection.id()).is_some() {
            let changes = self.0.tables.write().connection_closed(connection.id());
            self.0.notify(changes);
        }
    }
}
