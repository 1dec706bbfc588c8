//! Start and end of a broker: what cannot start says why in one line, what was answered is there after a restart.
#![allow(clippy::unwrap_used)]
mod support;

use ferromq_broker::{Broker, BrokerConfig};
use ferromq_protocol::body::{RegisterBrokerBody, TopicConfigTable};
use ferromq_protocol::code::request;
use ferromq_protocol::{Command, ExtFields};
use ferromq_remoting::{Client, ClientOptions, Connection, Handler, Limits, NoRequests, OutFrame, Server};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;
use support::{config, Send, TestBroker, DEADLINE};

async fn start_error(config: BrokerConfig) -> String {
    let text = Broker::start(config).await.err().unwrap().to_string();
    assert!(!text.contains('\n'), "more than one line: {text}");
    text
}

// Each thing that keeps a broker from starting is named in one line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_a_broker_from_starting() {
    let running = TestBroker::start(&[]).await;
    let other = tempfile::tempdir().unwrap();
    let port = running.broker().local_addr().port().to_string();
    let text = start_error(config(other.path(), &[("listenPort", &port)])).await;
    assert!(text.contains("main port") && text.contains(&port), "{text}");

    let text = start_error(config(running.dir.path(), &[])).await;
    assert!(text.contains("in use"), "{text}");

    assert_eq!(running.send(Send::to("T")).await.code, 0);
    let dir = running.dir.path().to_path_buf();
    let kept = running;
    let TestBroker { broker, dir: _dir, .. } = kept;
    broker.unwrap().shutdown().await;
    let text = start_error(config(&dir, &[("mappedFileSizeCommitLog", "8388608")])).await;
    assert!(text.contains("8388608") && text.contains("16777216"), "{text}");

    let text = start_error(config(other.path(), &[("listenPort", "2")])).await;
    assert!(text.contains("fast port") || text.contains("permission"), "{text}");
    let text = start_error(config(other.path(), &[("brokerRole", "SLAVE")])).await;
    assert!(text.contains("SLAVE"), "{text}");
    let text = start_error(config(other.path(), &[("messageDelayLevel", "1x")])).await;
    assert!(text.contains("messageDelayLevel"), "{text}");
}

// The fast port is two below the main port, takes sends, and refuses pulls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fast_port() {
    let broker = TestBroker::start(&[]).await;
    let fast = broker.broker().fast_addr();
    assert_eq!(fast.port() + 2, broker.broker().local_addr().port());
    let (ext, body) = Send::to("T").parts();
    assert_eq!(broker.call_at(fast, request::SEND_MESSAGE_V2, ext, body).await.code, 0);
    let pull = broker.call_at(fast, request::PULL_MESSAGE, ExtFields::empty(), "").await;
    assert_eq!((pull.code, pull.remark.as_deref()), (3, Some(" request type 11 not supported")));
    let unknown = broker.call(9999, ExtFields::empty(), "").await;
    assert_eq!((unknown.code, unknown.remark.as_deref()), (3, Some(" request type 9999 not supported")));
    assert_eq!((unknown.language, unknown.version), (12, 493));
    broker.stop().await;
}

// Messages, topics and groups are there after a clean stop, and messages also after a kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives() {
    let mut broker = TestBroker::start(&[]).await;
    broker.create_topic("made", 3).await;
    assert_eq!(broker.send(Send::to("sent")).await.code, 0);
    assert_eq!(broker.pull("sent", 0, 0).await.len(), 1);
    broker.restart().await;
    assert_eq!(broker.pull("sent", 0, 0).await.len(), 1);
    assert_eq!(broker.broker().service().topics.get("made").unwrap().write_queue_nums, 3);
    assert!(broker.broker().service().groups.get("test-group").is_some());
    let json = std::fs::read(broker.dir.path().join("config/topics.json")).unwrap();
    assert!(TopicConfigTable::decode(&json).unwrap().topic_config_table.contains_key("made"));

    assert_eq!(broker.send(Send::to("sent")).await.code, 0);
    broker.kill_and_restart().await;
    assert_eq!(broker.pull("sent", 0, 0).await.len(), 2);
    broker.stop().await;
}

// With SYNC_FLUSH the answer waits for the disk, and a connection that waits still serves its other requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synchronous_flush() {
    let broker = TestBroker::start(&[("flushDiskType", "SYNC_FLUSH")]).await;
    let no_wait = support::properties(&[("WAIT", "false")]);
    let sends = (0..64).map(|i| {
        let properties = if i % 2 == 0 { "" } else { no_wait.as_str() };
        Send { properties, ..Send::to("T") }.command(ferromq_protocol::Codec::Json)
    });
    let answers = broker.call_all(sends.collect()).await;
    assert!(answers.iter().all(|a| a.code == 0), "{:?}", answers.iter().map(|a| a.code).collect::<Vec<_>>());
    broker.wait_for_offset("T", 0, 64).await;
    broker.stop().await;
}

/// A name server that only remembers.
#[derive(Default)]
struct Recorder(Mutex<Vec<Command>>);

impl Handler for Recorder {
    fn requests(&self, _: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        for request in requests.drain(..) {
            answers.push(OutFrame::from(&Command::response_to(&request, 0, None)));
            self.0.lock().push(request);
        }
    }
}

impl Recorder {
    fn topics(&self, code: i32) -> Vec<Vec<String>> {
        let requests = self.0.lock();
        let of_code = requests.iter().filter(|r| r.code == code);
        let body = |r: &Command| RegisterBrokerBody::decode(&r.body).unwrap().topic_config_table.topic_config_table;
        of_code.map(|r| body(r).into_keys().collect()).collect()
    }
}

// All name servers are told everything at start, new topics at once, and the end; one that is dead holds nobody up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registration() {
    let recorders = [Arc::new(Recorder::default()), Arc::new(Recorder::default())];
    let any = "127.0.0.1:0".parse().unwrap();
    let mut servers = Vec::new();
    for recorder in &recorders {
        servers.push(Server::bind(any, Limits::default(), recorder.clone()).await.unwrap());
    }
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = format!("{};{dead};{}", servers[0].local_addr(), servers[1].local_addr());
    let broker = TestBroker::start(&[("namesrvAddr", &addresses)]).await;
    for recorder in &recorders {
        let registered = recorder.topics(request::REGISTER_BROKER);
        assert!(registered[0].iter().any(|t| t == "TBW102") && registered[0].len() > 10, "{registered:?}");
        let first = recorder.0.lock()[0].clone();
        assert_eq!(first.ext.get("brokerAddr"), Some(broker.broker().registered_addr()));
        assert_eq!(first.ext.get("brokerName"), Some("broker-t"));
    }
    assert_eq!(broker.send(Send::to("new-topic")).await.code, 0);
    let deadline = Instant::now() + DEADLINE;
    let told = |r: &Arc<Recorder>| r.topics(request::REGISTER_BROKER).iter().any(|topics| *topics == ["new-topic"]);
    while !recorders.iter().all(told) {
        assert!(Instant::now() < deadline, "the new topic was not registered");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    broker.stop().await;
    assert!(recorders.iter().all(|r| r.0.lock().last().is_some_and(|last| last.code == request::UNREGISTER_BROKER)));
}

/// A name server that, told that the broker leaves, asks that broker something before it answers.
struct LastQuestion {
    broker: Mutex<Option<std::net::SocketAddr>>,
    client: Arc<Client>,
    served: Arc<Mutex<Vec<i32>>>,
}

impl Handler for LastQuestion {
    fn requests(&self, connection: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
        for request in requests.drain(..) {
            let answer = OutFrame::from(&Command::response_to(&request, 0, None));
            let broker = self.broker.lock().filter(|_| request.code == request::UNREGISTER_BROKER);
            let Some(broker) = broker else {
                answers.push(answer);
                continue;
            };
            let (client, connection, served) = (self.client.clone(), connection.clone(), self.served.clone());
            tokio::spawn(async move {
                let (ext, body) = Send::to("T").parts();
                let send = Command::request(request::SEND_MESSAGE_V2, ext, body);
                let code = client.call(&broker.to_string(), send, DEADLINE).await.map_or(-1, |answer| answer.code);
                served.lock().push(code);
                let _ = connection.send(answer);
            });
        }
    }
}

// A graceful stop leaves the routes first, while the broker still serves; what was answered until the ports closed is on disk, and the
// mark of an unclean end is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_unregisters_first_then_drains_then_flushes() {
    let client = Arc::new(Client::new(ClientOptions::default(), Arc::new(NoRequests)));
    let served = Arc::new(Mutex::new(Vec::new()));
    let last = LastQuestion { broker: Mutex::new(None), client: client.clone(), served: served.clone() };
    let last = Arc::new(last);
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), Limits::default(), last.clone()).await.unwrap();
    let mut broker = TestBroker::start(&[("namesrvAddr", &server.local_addr().to_string())]).await;
    *last.broker.lock() = Some(broker.broker().local_addr());
    // Sends go on until the port closes.
    let acknowledged = Arc::new(Mutex::new(0));
    let sender = tokio::spawn({
        let (client, acknowledged, at) =
            (client.clone(), acknowledged.clone(), broker.broker().local_addr().to_string());
        async move {
            let send = || Send::to("T").command(ferromq_protocol::Codec::Json);
            while client.call(&at, send(), DEADLINE).await.is_ok_and(|answer| answer.code == 0) {
                *acknowledged.lock() += 1;
            }
        }
    });
    broker.wait_for_offset("T", 0, 10).await;
    let abort = broker.dir.path().join("abort");
    assert!(abort.exists(), "a running broker marks its directory");
    broker.broker.take().unwrap().shutdown().await;
    assert_eq!(*served.lock(), [0], "the broker served when it had left the routes");
    assert!(!abort.exists());
    sender.await.unwrap();
    let broker = Broker::start(broker.config.clone()).await.unwrap();
    let stored = broker.service().store.max_offset("T", 0);
    let answered = *acknowledged.lock() + 1;
    assert!(stored >= answered, "{answered} sends were answered, {stored} are there");
    broker.shutdown().await;
    client.shutdown().await;
}
