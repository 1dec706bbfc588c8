//! What every client object stands on, against scripted servers: heartbeats, route changes, and requests from brokers.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod support;

use bytes::Bytes;
use ferromq::{BoxFuture, ClientInstance, ClientOptions, ConsumerRole, Identity, MessageExt, MessageQueue};
use ferromq_protocol::body::{
    ConsumeMessageDirectlyResult, ConsumerData, ConsumerRunningInfo, GetConsumerStatusBody, HeartbeatData,
    ResetOffsetBody, SubscriptionData,
};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::{
    ConsumeMessageDirectly, GetConsumerRunningInfo, GetConsumerStatus, NotifyConsumerIdsChanged, ResetOffset,
};
use ferromq_protocol::json::Flavour;
use ferromq_protocol::{Command, ExtFields, Header};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::*;

const CALL: Duration = Duration::from_secs(5);

/// A consumer that only counts.
#[derive(Default)]
struct Counting {
    rebalances: AtomicUsize,
    resets: Mutex<Vec<BTreeMap<MessageQueue, i64>>>,
}

impl ConsumerRole for Counting {
    fn heartbeat_data(&self) -> ConsumerData {
        let subscription = SubscriptionData::parse_tag("T", "a || b").unwrap();
        ConsumerData { group_name: "CG".into(), subscription_data_set: vec![subscription], ..ConsumerData::default() }
    }
    fn topics(&self) -> Vec<String> {
        vec!["T".into()]
    }
    fn rebalance_now(&self) {
        self.rebalances.fetch_add(1, Ordering::Relaxed);
    }
    fn reset_offset(&self, _topic: &str, offsets: BTreeMap<MessageQueue, i64>) {
        self.resets.lock().unwrap().push(offsets);
    }
    fn offsets(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        [(MessageQueue::new(topic, "a", 0), 7)].into()
    }
    fn running_info(&self) -> ConsumerRunningInfo {
        ConsumerRunningInfo { properties: [("k".into(), "v".into())].into(), ..Default::default() }
    }
    fn consume_directly(&self, message: MessageExt) -> Option<BoxFuture<ConsumeMessageDirectlyResult>> {
        let remark = Some(String::from_utf8_lossy(message.body()).into_owned());
        Some(Box::pin(async { ConsumeMessageDirectlyResult { remark, ..Default::default() } }))
    }
}

fn options(namesrv: &str) -> ClientOptions {
    ClientOptions { namesrv: Some(namesrv.into()), ..ClientOptions::default() }
}

async fn instance(namesrv: &str) -> Arc<ClientInstance> {
    ClientInstance::start(options(namesrv), Identity::default()).unwrap()
}

/// Heartbeats carry id, groups and subscriptions; one silent broker delays no other.
#[tokio::test]
async fn heartbeats_are_parallel() {
    let silent = Fake::start(|_| Reply::Silence).await;
    let (b, c) = (Fake::start(stored).await, Fake::start(stored).await);
    let book = RouteBook::default();
    book.set("T", &[("a", &silent.addr(), 1), ("b", &b.addr(), 1), ("c", &c.addr(), 1)]);
    let names = book.serve().await;
    let settings = ClientOptions { api_timeout: Duration::from_millis(800), ..options(&names.addr()) };
    let instance = ClientInstance::start(settings, Identity::default()).unwrap();
    instance.routes().refresh("T").await.unwrap();
    instance.register_consumer("CG", Arc::<Counting>::default()).unwrap();
    let begun = Instant::now();
    let (answered, _) = tokio::join!(instance.send_heartbeats_now(), async {
        eventually("both others have theirs", || async {
            !b.seen(request::HEART_BEAT).is_empty() && !c.seen(request::HEART_BEAT).is_empty()
        })
        .await;
        assert!(begun.elapsed() < Duration::from_millis(700), "{:?}", begun.elapsed());
    });
    assert_eq!(answered, 2);
    let body = HeartbeatData::decode(&b.seen(request::HEART_BEAT)[0].body).unwrap();
    assert_eq!((body.client_id.as_str(), body.consumer_data_set[0].group_name.as_str()), (instance.client_id(), "CG"));
    assert_eq!(body.consumer_data_set[0].subscription_data_set[0].sub_string, "a || b");
    assert_eq!(instance.broker_version(&b.addr()), Some(493));
    instance.shutdown().await;
    assert_eq!(b.seen(request::UNREGISTER_CLIENT).len(), 1);
}

/// A heartbeat goes out in its interval although no name server answers.
#[tokio::test]
async fn heartbeats_do_not_wait_for_name_servers() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let asked = Arc::new(AtomicUsize::new(0));
    let names = Fake::start(move |r| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => book.answer(r),
        _ => Reply::Silence,
    })
    .await;
    let settings = ClientOptions {
        heartbeat_interval: Duration::from_millis(20),
        route_interval: Duration::from_millis(10),
        ..options(&names.addr())
    };
    let instance = ClientInstance::start(settings, Identity::default()).unwrap();
    instance.routes().refresh("T").await.unwrap();
    instance.register_producer("PG").unwrap();
    eventually("many heartbeats", || async { broker.seen(request::HEART_BEAT).len() > 10 }).await;
    assert!(instance.routes().cached("T").is_some(), "the cached route stays");
    instance.shutdown().await;
}

/// A changed route wakes the consumers of the topic, and brokers in no route any more are disconnected.
#[tokio::test]
async fn route_changes_are_noticed() {
    let (a, b) = (Fake::start(stored).await, Fake::start(stored).await);
    let book = RouteBook::default();
    book.set("T", &[("a", &a.addr(), 1)]);
    let names = book.serve().await;
    let settings = ClientOptions { route_interval: Duration::from_millis(20), ..options(&names.addr()) };
    let instance = ClientInstance::start(settings, Identity::default()).unwrap();
    let consumer = Arc::new(Counting::default());
    instance.register_consumer("CG", consumer.clone()).unwrap();
    assert!(instance.register_consumer("CG", consumer.clone()).is_err(), "a group is registered once");
    eventually("the topic's route is fetched", || async { instance.routes().cached("T").is_some() }).await;
    instance.send_heartbeats_now().await;
    let before = consumer.rebalances.load(Ordering::Relaxed);
    book.set("T", &[("b", &b.addr(), 2)]);
    eventually("the consumer is woken", || async { consumer.rebalances.load(Ordering::Relaxed) > before }).await;
    assert_eq!(instance.routes().subscribe_queues("T").await.unwrap().len(), 2);
    eventually("the old broker is disconnected", || async { a.connections().iter().all(|c| !c.is_open()) }).await;
    instance.shutdown().await;
}

/// Brokers' requests reach the consumer of the group and are answered as Java does.
#[tokio::test]
async fn requests_of_brokers() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let instance = instance(&names.addr()).await;
    let consumer = Arc::new(Counting::default());
    instance.register_consumer("CG", consumer.clone()).unwrap();
    instance.routes().refresh("T").await.unwrap();
    assert_eq!(instance.send_heartbeats_now().await, 1);
    let connection = broker.connections().remove(0);
    let ask = |code, ext: ExtFields, body| connection.call(Command::request(code, ext, body), CALL);

    let before = consumer.rebalances.load(Ordering::Relaxed);
    let ext = NotifyConsumerIdsChanged { consumer_group: "CG" }.to_ext();
    connection.oneway(Command::request(request::NOTIFY_CONSUMER_IDS_CHANGED, ext, Bytes::new())).unwrap();
    eventually("rebalance", || async { consumer.rebalances.load(Ordering::Relaxed) > before }).await;

    let table: BTreeMap<_, _> = [(MessageQueue::new("T", "a", 0), 5)].into();
    let reset = ResetOffset { topic: "T", group: "CG", queue_id: -1, offset: None, timestamp: 0, is_force: true };
    let map = ResetOffsetBody { offset_table: table.clone() };
    for body in [Bytes::from(map.to_json().write(Flavour::Java)), map.encode_list()] {
        let command = Command::request(request::RESET_CONSUMER_CLIENT_OFFSET, reset.to_ext(), body);
        connection.oneway(command).unwrap();
    }
    eventually("both forms of the reset", || async { consumer.resets.lock().unwrap().len() == 2 }).await;
    assert!(consumer.resets.lock().unwrap().iter().all(|seen| *seen == table));

    let status = GetConsumerStatus { topic: "T", group: "CG", client_addr: None }.to_ext();
    let answer = ask(request::GET_CONSUMER_STATUS_FROM_CLIENT, status, Bytes::new()).await.unwrap();
    let body = GetConsumerStatusBody::decode(&answer.body).unwrap();
    assert_eq!(body.message_queue_table, [(MessageQueue::new("T", "a", 0), 7)].into());

    let info = |consumer_group| GetConsumerRunningInfo { consumer_group, client_id: "c", jstack_enable: None }.to_ext();
    let answer = ask(request::GET_CONSUMER_RUNNING_INFO, info("CG"), Bytes::new()).await.unwrap();
    assert_eq!(ConsumerRunningInfo::decode(&answer.body).unwrap().properties["k"], "v");
    let answer = ask(request::GET_CONSUMER_RUNNING_INFO, info("other"), Bytes::new()).await.unwrap();
    assert_eq!(answer.code, response::SYSTEM_ERROR);

    let directly = ConsumeMessageDirectly {
        consumer_group: "CG",
        client_id: None,
        msg_id: None,
        broker_name: Some("a"),
        topic: None,
        topic_sys_flag: None,
        group_sys_flag: None,
    };
    let answer = ask(request::CONSUME_MESSAGE_DIRECTLY, directly.to_ext(), record(b"hello")).await.unwrap();
    assert_eq!(ConsumeMessageDirectlyResult::decode(&answer.body).unwrap().remark.as_deref(), Some("hello"));
    let answer = ask(request::CONSUME_MESSAGE_DIRECTLY, directly.to_ext(), Bytes::from_static(b"junk")).await.unwrap();
    assert_eq!(answer.code, response::SYSTEM_ERROR);

    let answer = ask(9999, ExtFields::absent(), Bytes::new()).await.unwrap();
    assert_eq!(answer.code, response::REQUEST_CODE_NOT_SUPPORTED);
    instance.shutdown().await;
    eventually("shutdown closes the connections", || async { !connection.is_open() }).await;
}

fn record(body: &[u8]) -> Bytes {
    let host = "127.0.0.1:10911".parse().unwrap();
    let message = ferromq_protocol::record::Message {
        topic: "T",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 1,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: "",
        queue_offset: 0,
        physical_offset: 0,
    };
    let mut out = Vec::new();
    ferromq_protocol::record::encode(&mut out, &message).unwrap();
    Bytes::from(out)
}

/// An instance that is dropped without a shutdown leaves no connection behind.
#[tokio::test]
async fn dropping_ends_everything() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).start().await.unwrap();
    producer.send(message("T")).await.unwrap();
    drop(producer);
    eventually("connections are closed", || async {
        let all = [broker.connections(), names.connections()].concat();
        all.iter().all(|c| !c.is_open())
    })
    .await;
}
