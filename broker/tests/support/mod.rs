//! A broker on free ports and a temporary directory, spoken to with raw requests of the protocol.
#![allow(dead_code, clippy::unwrap_used)]
use bytes::Bytes;
use ferromq_broker::{Broker, BrokerConfig};
use ferromq_protocol::code::request;
use ferromq_protocol::header::Naming;
use ferromq_protocol::headers::{OffsetResponse, SendMessage};
use ferromq_protocol::{record, Codec, Command, ExtFields, Header};
use ferromq_remoting::{Client, ClientOptions, NoRequests};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing in these tests takes this long; at the end of it a test fails instead of hanging.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Properties of a broker whose files are small.
pub const SMALL: [(&str, &str); 7] = [
    ("brokerName", "broker-t"),
    ("brokerIP1", "127.0.0.1"),
    ("bindAddress", "127.0.0.1"),
    ("mappedFileSizeCommitLog", "16777216"),
    ("mappedFileSizeConsumeQueue", "20000"),
    ("maxHashSlotNum", "5000"),
    ("maxIndexNum", "20000"),
];

/// The configuration of a small broker in `dir`.
pub fn config(dir: &std::path::Path, properties: &[(&str, &str)]) -> BrokerConfig {
    let mut config = BrokerConfig {
        store_path_root_dir: dir.to_string_lossy().into_owned(),
        listen_port: 0,
        namesrv_addr: String::new(),
        ..BrokerConfig::default()
    };
    for (name, value) in SMALL.iter().chain(properties) {
        config.set(name, value).unwrap();
    }
    config
}

/// A running broker with a client.
pub struct TestBroker {
    pub broker: Option<Broker>,
    pub dir: TempDir,
    pub config: BrokerConfig,
    client: Arc<Client>,
    pub codec: Codec,
}

impl TestBroker {
    /// Starts a broker with the given properties.
    pub async fn start(properties: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), properties);
        let broker = Broker::start(config.clone()).await.unwrap();
        let client = Arc::new(Client::new(ClientOptions::default(), Arc::new(NoRequests)));
        Self { broker: Some(broker), dir, config, client, codec: Codec::Json }
    }

    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().unwrap()
    }

    /// Stops the broker in order and starts it again on the same data.
    pub async fn restart(&mut self) {
        self.broker.take().unwrap().shutdown().await;
        self.broker = Some(Broker::start(self.config.clone()).await.unwrap());
    }

    /// Ends the broker as if it were killed and starts it again on the same data.
    pub async fn kill_and_restart(&mut self) {
        self.broker.take().unwrap().kill();
        self.broker = Some(Broker::start(self.config.clone()).await.unwrap());
    }

    pub async fn stop(mut self) {
        self.client.shutdown().await;
        self.broker.take().unwrap().shutdown().await;
    }

    /// Sends a request to the main port.
    pub async fn call(&self, code: i32, ext: ExtFields, body: impl Into<Bytes>) -> Command {
        self.call_at(self.broker().local_addr(), code, ext, body).await
    }

    /// Sends a request to a port.
    pub async fn call_at(
        &self,
        at: std::net::SocketAddr,
        code: i32,
        ext: ExtFields,
        body: impl Into<Bytes>,
    ) -> Command {
        let mut command = Command::request(code, ext, body.into());
        command.codec = self.codec;
        self.client.call(&at.to_string(), command, DEADLINE).await.unwrap()
    }

    /// Sends all requests at once; the answers in the order of the requests.
    pub async fn call_all(&self, commands: Vec<Command>) -> Vec<Command> {
        let connection = self.client.connection(&self.broker().local_addr().to_string()).await.unwrap();
        let (done, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let count = commands.len();
        for (at, command) in commands.into_iter().enumerate() {
            let done = done.clone();
            connection.call_with(command, DEADLINE, move |answer| drop(done.send((at, answer.unwrap()))));
        }
        let mut all: Vec<Option<Command>> = (0..count).map(|_| None).collect();
        for _ in 0..count {
            let (at, answer) = answers.recv().await.unwrap();
            all[at] = Some(answer);
        }
        all.into_iter().flatten().collect()
    }

    /// A one-way request.
    pub async fn oneway(&self, code: i32, ext: ExtFields, body: impl Into<Bytes>) {
        let command = Command::request(code, ext, body.into());
        self.client.oneway(&self.broker().local_addr().to_string(), command, DEADLINE).await.unwrap();
    }

    /// Creates a topic by administration.
    pub async fn create_topic(&self, topic: &str, queues: i32) {
        let queues = queues.to_string();
        let ext = ExtFields::from_iter([
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", &queues),
            ("writeQueueNums", &queues),
            ("perm", "6"),
            ("topicFilterType", "SINGLE_TAG"),
            ("topicSysFlag", "0"),
            ("order", "false"),
        ]);
        let answer = self.call(request::UPDATE_AND_CREATE_TOPIC, ext, "").await;
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
    }

    /// Sends one message with the short names.
    pub async fn send(&self, send: Send<'_>) -> Command {
        let (ext, body) = send.parts();
        self.call(request::SEND_MESSAGE_V2, ext, body).await
    }

    pub async fn max_offset(&self, topic: &str, queue_id: i32) -> i64 {
        let ext = ExtFields::from_iter([("topic", topic), ("queueId", &queue_id.to_string())]);
        let answer = self.call(request::GET_MAX_OFFSET, ext, "").await;
        OffsetResponse::decode(&answer.ext).unwrap().offset
    }

    /// Waits until a queue has this many messages.
    pub async fn wait_for_offset(&self, topic: &str, queue_id: i32, offset: i64) {
        let deadline = Instant::now() + DEADLINE;
        while self.max_offset(topic, queue_id).await < offset {
            assert!(Instant::now() < deadline, "{topic}/{queue_id} has {}", self.max_offset(topic, queue_id).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads the messages of a queue from an offset.
    pub async fn pull(&self, topic: &str, queue_id: i32, from: i64) -> Vec<Received> {
        let ext = ExtFields::from_iter([
            ("consumerGroup", "test-group"),
            ("topic", topic),
            ("queueId", &queue_id.to_string()),
            ("queueOffset", &from.to_string()),
            ("maxMsgNums", "32"),
            ("sysFlag", "4"),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "0"),
            ("subscription", "*"),
            ("subVersion", "0"),
            ("expressionType", "TAG"),
        ]);
        let answer = self.call(request::PULL_MESSAGE, ext, "").await;
        record::iter(&answer.body).map(|r| Received::of(&r.unwrap())).collect()
    }
}

/// A message read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub topic: String,
    pub queue_id: i32,
    pub queue_offset: i64,
    pub physical_offset: i64,
    pub body: Vec<u8>,
    pub properties: String,
    pub sys_flag: i32,
    pub flag: i32,
    pub reconsume_times: i32,
    pub store_timestamp: i64,
}

impl Received {
    pub fn of(r: &record::RecordView<'_>) -> Self {
        Self {
            topic: r.topic().to_owned(),
            queue_id: r.queue_id(),
            queue_offset: r.queue_offset(),
            physical_offset: r.physical_offset(),
            body: r.body().to_vec(),
            properties: r.properties().to_owned(),
            sys_flag: r.sys_flag(),
            flag: r.flag(),
            reconsume_times: r.reconsume_times(),
            store_timestamp: r.store_timestamp(),
        }
    }

    pub fn property(&self, name: &str) -> Option<&str> {
        ferromq_protocol::properties::get(&self.properties, name)
    }
}

/// A send with the usual values.
#[derive(Debug, Clone, Copy)]
pub struct Send<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub properties: &'a str,
    pub body: &'a [u8],
    pub sys_flag: i32,
    pub reconsume_times: i32,
    pub max_reconsume_times: Option<i32>,
    pub default_topic: &'a str,
    pub queues: i32,
    pub batch: bool,
}

impl<'a> Send<'a> {
    pub fn to(topic: &'a str) -> Self {
        Self {
            topic,
            queue_id: 0,
            properties: "",
            body: b"hello",
            sys_flag: 0,
            reconsume_times: 0,
            max_reconsume_times: None,
            default_topic: "TBW102",
            queues: 4,
            batch: false,
        }
    }

    pub fn header(&self) -> SendMessage<'a> {
        SendMessage {
            producer_group: "PG",
            topic: self.topic,
            default_topic: self.default_topic,
            default_topic_queue_nums: self.queues,
            queue_id: self.queue_id,
            sys_flag: self.sys_flag,
            born_timestamp: 1_700_000_000_000,
            flag: 0,
            properties: Some(self.properties),
            reconsume_times: self.reconsume_times,
            unit_mode: false,
            max_reconsume_times: self.max_reconsume_times,
            batch: self.batch,
            broker_name: None,
        }
    }

    pub fn parts(&self) -> (ExtFields, Bytes) {
        let mut ext = ExtFields::empty();
        self.header().encode_named(&mut ext, Naming::Short);
        (ext, Bytes::copy_from_slice(self.body))
    }

    pub fn command(&self, codec: Codec) -> Command {
        let (ext, body) = self.parts();
        Command { codec, ..Command::request(request::SEND_MESSAGE_V2, ext, body) }
    }
}

/// Property text of pairs.
pub fn properties(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect()
}
