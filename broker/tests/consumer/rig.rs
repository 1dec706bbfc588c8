//! A broker in a temporary directory and clients that speak the protocol without a client library.
use bytes::Bytes;
use ferromq_broker::{Broker, BrokerConfig};
use ferromq_protocol::body::{ConsumerData, HeartbeatData, MessageModel, SubscriptionData};
use ferromq_protocol::code::request as code;
use ferromq_protocol::{record, Codec, Command, ExtFields};
use ferromq_remoting::{CallError, Client, ClientOptions, Connection, Handler, OutFrame};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::Mutex;

/// Longest time any answer or notice may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A running broker without name servers.
pub struct Rig {
    pub broker: Broker,
    config: BrokerConfig,
    dir: TempDir,
}

impl Rig {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub async fn start_with(properties: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut config = BrokerConfig::default();
        let root = dir.path().to_string_lossy().into_owned();
        let base = [
            ("storePathRootDir", root.as_str()),
            ("mappedFileSizeCommitLog", "4194304"),
            ("mappedFileSizeConsumeQueue", "20000"),
            ("maxHashSlotNum", "1000"),
            ("maxIndexNum", "4000"),
            ("bindAddress", "127.0.0.1"),
            ("brokerIP1", "127.0.0.1"),
            ("brokerName", "broker-t"),
            ("listenPort", "0"),
            ("namesrvAddr", ""),
        ];
        base.iter().chain(properties).for_each(|(name, value)| config.set(name, value).unwrap());
        Self { broker: Broker::start(config.clone()).await.unwrap(), config, dir }
    }

    /// Stops the broker in order and starts it again on the same data.
    pub async fn restart(self) -> Self {
        self.broker.shutdown().await;
        Self { broker: Broker::start(self.config.clone()).await.unwrap(), ..self }
    }

    /// A file of the `config` directory.
    pub fn config_file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join("config").join(name)).unwrap()
    }

    pub async fn client(&self) -> Peer {
        Peer::connect(&self.broker.local_addr().to_string())
    }

    pub async fn stop(self) {
        self.broker.shutdown().await;
        self.dir.close().unwrap();
    }
}

/// Keeps what the broker asks of the client, with the connection to answer on.
struct Notes(UnboundedSender<Asked>);

impl Handler for Notes {
    fn requests(&self, connection: &Arc<Connection>, requests: &mut Vec<Command>, _answers: &mut Vec<OutFrame>) {
        requests.drain(..).for_each(|request| self.0.send((Arc::clone(connection), request)).unwrap_or_default());
    }
}

/// A request of the broker and the connection to answer it on.
pub type Asked = (Arc<Connection>, Command);

/// One client with one connection.
#[derive(Clone)]
pub struct Peer {
    client: Arc<Client>,
    addr: String,
    asked: Arc<Mutex<UnboundedReceiver<Asked>>>,
    pub codec: Codec,
}

pub type Fields<'a> = &'a [(&'a str, &'a str)];

impl Peer {
    pub fn connect(addr: &str) -> Self {
        let (sender, asked) = unbounded_channel();
        let client = Client::new(ClientOptions::default(), Arc::new(Notes(sender)));
        Self { client: Arc::new(client), addr: addr.to_owned(), asked: Arc::new(Mutex::new(asked)), codec: Codec::Json }
    }

    pub async fn try_call(&self, code: i32, fields: Fields<'_>, body: Bytes) -> Result<Command, CallError> {
        let ext: ExtFields = fields.iter().copied().collect();
        let command = Command { codec: self.codec, ..Command::request(code, ext, body) };
        self.client.call(&self.addr, command, PATIENCE).await
    }

    pub async fn call(&self, code: i32, fields: Fields<'_>) -> Command {
        self.try_call(code, fields, Bytes::new()).await.unwrap()
    }

    pub async fn call_body(&self, code: i32, body: impl Into<Bytes>) -> Command {
        self.try_call(code, &[], body.into()).await.unwrap()
    }

    pub async fn create_topic(&self, topic: &str, queues: i32) {
        let queues = queues.to_string();
        let fields = [
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", &queues),
            ("writeQueueNums", &queues),
            ("perm", "6"),
            ("topicFilterType", "SINGLE_TAG"),
            ("topicSysFlag", "0"),
            ("order", "false"),
        ];
        assert_eq!(self.call(code::UPDATE_AND_CREATE_TOPIC, &fields).await.code, 0);
    }

    pub async fn create_group(&self, group: &str, members: &str) {
        let body = format!("{{\"groupName\":\"{group}\"{members}}}");
        assert_eq!(self.call_body(code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, body).await.code, 0);
    }

    /// Sends a message with a tag and a key.
    pub async fn send(&self, topic: &str, queue: i32, tag: &str, body: &str) -> Command {
        self.send_with(topic, queue, &format!("TAGS\x01{tag}\x02KEYS\x01key-{body}\x02"), body).await
    }

    /// Sends a message with a property text.
    pub async fn send_with(&self, topic: &str, queue: i32, properties: &str, body: &str) -> Command {
        let queue = queue.to_string();
        let fields = [
            ("a", "PG"),
            ("b", topic),
            ("c", "TBW102"),
            ("d", "1"),
            ("e", &queue),
            ("f", "0"),
            ("g", "1700000000000"),
            ("h", "0"),
            ("i", properties),
            ("j", "0"),
        ];
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = self.try_call(code::SEND_MESSAGE_V2, &fields, body).await.unwrap();
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
        answer
    }

    /// Heartbeat of a consumer with one subscription.
    pub async fn beat(&self, client_id: &str, group: &str, topic: &str, tags: &str, model: MessageModel) -> Command {
        let subscription = SubscriptionData { sub_version: 100, ..SubscriptionData::parse_tag(topic, tags).unwrap() };
        self.beat_with(client_id, group, subscription, model).await
    }

    pub async fn beat_with(
        &self,
        client_id: &str,
        group: &str,
        subscription: SubscriptionData,
        model: MessageModel,
    ) -> Command {
        let data = ConsumerData {
            group_name: group.into(),
            message_model: model,
            subscription_data_set: vec![subscription],
            ..ConsumerData::default()
        };
        let beat =
            HeartbeatData { client_id: client_id.into(), consumer_data_set: vec![data], ..HeartbeatData::default() };
        self.call_body(code::HEART_BEAT, beat.encode()).await
    }

    pub async fn pull(&self, pull: Pull<'_>) -> Command {
        let fields = pull.fields();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.call(pull.code, &fields).await
    }

    /// The offset that the group continues at, or the code of the refusal.
    pub async fn offset(&self, group: &str, topic: &str, queue: i32) -> Result<i64, i32> {
        let queue = queue.to_string();
        let fields = [("consumerGroup", group), ("topic", topic), ("queueId", queue.as_str())];
        let answer = self.call(code::QUERY_CONSUMER_OFFSET, &fields).await;
        if answer.code == 0 {
            Ok(number(&answer, "offset"))
        } else {
            Err(answer.code)
        }
    }

    pub async fn commit(&self, group: &str, topic: &str, offset: i64) -> Command {
        let offset = offset.to_string();
        let fields = [("consumerGroup", group), ("topic", topic), ("queueId", "0"), ("commitOffset", offset.as_str())];
        self.call(code::UPDATE_CONSUMER_OFFSET, &fields).await
    }

    /// The next thing the broker asks of this client.
    pub async fn asked(&self) -> Asked {
        let mut asked = self.asked.lock().await;
        tokio::time::timeout(PATIENCE, asked.recv()).await.expect("the broker asked nothing").expect("client open")
    }

    /// What the broker asked so far; complete when an answer to a later request is there.
    pub async fn drain(&self) -> Vec<i32> {
        let mut asked = self.asked.lock().await;
        std::iter::from_fn(|| asked.try_recv().ok()).map(|(_, request)| request.code).collect()
    }

    pub fn close(&self) {
        self.client.close(&self.addr);
    }
}

/// A pull with the usual values.
#[derive(Clone, Copy)]
pub struct Pull<'a> {
    pub code: i32,
    pub group: &'a str,
    pub topic: &'a str,
    pub queue: i32,
    pub offset: i64,
    pub max: i32,
    pub flags: i32,
    pub commit: i64,
    pub hold_ms: i64,
    pub subscription: &'a str,
    pub kind: &'a str,
    pub version: i64,
}

pub fn pull<'a>(group: &'a str, topic: &'a str, offset: i64) -> Pull<'a> {
    let (code, max, hold_ms, subscription, kind) = (code::PULL_MESSAGE, 32, 0, "*", "TAG");
    Pull { code, group, topic, queue: 0, offset, max, flags: 4, commit: 0, hold_ms, subscription, kind, version: 0 }
}

impl Pull<'_> {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("consumerGroup", self.group.into()),
            ("topic", self.topic.into()),
            ("queueId", self.queue.to_string()),
            ("queueOffset", self.offset.to_string()),
            ("maxMsgNums", self.max.to_string()),
            ("sysFlag", self.flags.to_string()),
            ("commitOffset", self.commit.to_string()),
            ("suspendTimeoutMillis", self.hold_ms.to_string()),
            ("subscription", self.subscription.into()),
            ("subVersion", self.version.to_string()),
            ("expressionType", self.kind.into()),
        ]
    }
}

/// Waits for a condition that another task brings about.
pub async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it did not come true");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A header field as a number.
pub fn number(answer: &Command, name: &str) -> i64 {
    answer.ext.get(name).unwrap_or_else(|| panic!("no {name} in {answer:?}")).parse().unwrap()
}

/// The bodies of the messages in an answer.
pub fn bodies(answer: &Command) -> Vec<String> {
    record::iter(&answer.body).map(|r| String::from_utf8(r.unwrap().body().to_vec()).unwrap()).collect()
}

/// The body as text.
pub fn text(answer: &Command) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}
