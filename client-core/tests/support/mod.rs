//! Scripted servers on loopback: a name server with routes that the test changes, and brokers that answer as told. They
//! speak the protocol through the real transport; nothing is stored.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
#![allow(dead_code, reason = "every test file uses its own part")]
use bytes::Bytes;
use ferromq::{Message, Producer, ProducerBuilder};
use ferromq_protocol::body::{BrokerData, QueueData, TopicRouteData};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{GetRouteInfo, SendMessage, SendMessageResponse};
use ferromq_protocol::{Command, Header};
use ferromq_remoting::{Connection, Handler, Limits, OutFrame, Server};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest time a test waits for a condition.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a server does with a request.
pub enum Reply {
    Answer(Command),
    Silence,
    Close,
}

type Script = Box<dyn FnMut(&Command) -> Reply + Send>;

/// A server that answers by its script and remembers what it was asked.
pub struct Fake {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Script>,
    seen: Mutex<Vec<Command>>,
    connections: Mutex<Vec<Arc<Connection>>>,
}

impl Handler for Shared {
    fn connected(&self, connection: &Arc<Connection>) {
        self.connections.lock().unwrap().push(connection.clone());
    }

    fn requests(&self, connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        for request in requests.drain(..) {
            let reply = (self.script.lock().unwrap())(&request);
            match reply {
                Reply::Answer(answer) if !request.is_oneway() => answers.push(OutFrame::from(&answer)),
                Reply::Close => connection.close("as the script says"),
                _ => {}
            }
            self.seen.lock().unwrap().push(request);
        }
    }
}

impl Fake {
    pub async fn start(script: impl FnMut(&Command) -> Reply + Send + 'static) -> Fake {
        Self::start_at("127.0.0.1:0", script).await
    }

    pub async fn start_at(addr: &str, script: impl FnMut(&Command) -> Reply + Send + 'static) -> Fake {
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            seen: Mutex::default(),
            connections: Mutex::default(),
        });
        let server = Server::bind(addr.parse().unwrap(), Limits::default(), shared.clone()).await.unwrap();
        Fake { server, shared }
    }

    pub fn addr(&self) -> String {
        self.server.local_addr().to_string()
    }

    /// Requests with this code so far.
    pub fn seen(&self, code: i32) -> Vec<Command> {
        self.shared.seen.lock().unwrap().iter().filter(|c| c.code == code).cloned().collect()
    }

    /// Connections made so far, closed ones included.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.shared.connections.lock().unwrap().clone()
    }

    pub async fn stop(self) -> String {
        let addr = self.addr();
        self.server.shutdown().await;
        addr
    }
}

/// The routes a scripted name server knows.
#[derive(Clone, Default)]
pub struct RouteBook(pub Arc<Mutex<HashMap<String, TopicRouteData>>>);

impl RouteBook {
    pub fn set(&self, topic: &str, brokers: &[(&str, &str, i32)]) {
        self.0.lock().unwrap().insert(topic.into(), route(brokers));
    }

    pub fn answer(&self, request: &Command) -> Reply {
        let topic = GetRouteInfo::decode(&request.ext).unwrap().topic.to_owned();
        Reply::Answer(match self.0.lock().unwrap().get(&topic) {
            Some(route) => Command { body: route.encode(true), ..ok(request) },
            None => {
                error(request, response::TOPIC_NOT_EXIST, &format!("No topic route info in name server for: {topic}"))
            }
        })
    }

    pub async fn serve(&self) -> Fake {
        let book = self.clone();
        Fake::start(move |request| book.answer(request)).await
    }
}

/// A route over brokers (name, address, queues).
pub fn route(brokers: &[(&str, &str, i32)]) -> TopicRouteData {
    let queue_datas = brokers.iter().map(|(name, _, queues)| QueueData {
        broker_name: (*name).into(),
        perm: 6,
        read_queue_nums: *queues,
        write_queue_nums: *queues,
        ..QueueData::default()
    });
    let broker_datas = brokers.iter().map(|(name, addr, _)| BrokerData {
        broker_name: (*name).into(),
        cluster: "C".into(),
        broker_addrs: [(0, (*addr).to_owned())].into(),
        ..BrokerData::default()
    });
    TopicRouteData { queue_datas: queue_datas.collect(), broker_datas: broker_datas.collect(), ..Default::default() }
}

pub fn ok(request: &Command) -> Command {
    Command::response_to(request, response::SUCCESS, None)
}

pub fn error(request: &Command, code: i32, remark: &str) -> Command {
    Command::response_to(request, code, Some(remark.into()))
}

/// The answer of a broker that stored the message; anything else is simply acknowledged.
pub fn stored(request: &Command) -> Reply {
    stored_with(request, response::SUCCESS)
}

pub fn stored_with(request: &Command, code: i32) -> Reply {
    if !matches!(request.code, request::SEND_MESSAGE_V2 | request::SEND_BATCH_MESSAGE) {
        return Reply::Answer(ok(request));
    }
    let header = SendMessage::decode_named(&request.ext, Naming::Short).unwrap();
    let answer = SendMessageResponse {
        msg_id: "7F00000100002A9F0000000000000000",
        queue_id: header.queue_id,
        queue_offset: 0,
        transaction_id: None,
        batch_uniq_id: None,
        recall_handle: None,
        msg_region: None,
        trace_on: None,
    };
    Reply::Answer(Command { ext: answer.to_ext(), ..Command::response_to(request, code, None) })
}

/// A producer for scripted servers.
pub fn producer(servers: &str) -> ProducerBuilder {
    Producer::builder("PG").namesrv(servers)
}

pub fn message(topic: &str) -> Message {
    Message::new(topic, Bytes::from_static(b"hello"))
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An address where nobody listens.
pub async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}
