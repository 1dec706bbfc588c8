//! Faults against a real broker, with a proxy that misbehaves in front of it and of the name server.
//!
//! First what a call says when something is wrong: a typed error that names the cause and the servers tried, within its
//! budget. Then that producers and consumers of every kind go on by themselves, and that nothing acknowledged is lost.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod support;

use bytes::Bytes;
use ferromq::{
    client_code, Admin, ClientOptions, ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, Error, ErrorKind,
    LitePullConsumer, Message, MessageExt, MessageQueue, Producer, PushConsumer, PushConsumerBuilder, SHUTDOWN_WITHIN,
};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::{Command, ExtFields};
use ferromq_remoting::Limits;
use ferromq_testing::{Cluster, Fault};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{nobody, Fake, RouteBook};

/// Budget of the sends that fail.
const BUDGET: Duration = Duration::from_millis(400);
/// What a machine with other work may add to a budget.
const SLACK: Duration = Duration::from_secs(2);
/// Longest time until everything goes on: a lost pull is repeated after 11 s.
const PATIENCE: Duration = Duration::from_secs(40);
/// Queues of the topic.
const QUEUES: i32 = 2;

/// A broker behind a proxy, with a name server behind another that leads to the first.
struct Scene {
    cluster: Cluster,
    broker: Fault,
    names: Fault,
    _book: Fake,
}

impl Scene {
    async fn start() -> Scene {
        let cluster = Cluster::start().await.unwrap();
        cluster.create_topic("T", QUEUES as u32).await.unwrap();
        let broker = Fault::before(&cluster.broker_addr(0)).await.unwrap();
        let book = RouteBook::default();
        book.set("T", &[("broker-a", &broker.address(), QUEUES)]);
        book.set("%RETRY%G", &[("broker-a", &broker.address(), 1)]);
        let served = book.serve().await;
        let names = Fault::before(&served.addr()).await.unwrap();
        Scene { cluster, broker, names, _book: served }
    }

    /// Options under which faults are noticed in a test's time.
    fn options(&self) -> ClientOptions {
        ClientOptions {
            namesrv: Some(self.names.address()),
            api_timeout: Duration::from_millis(500),
            heartbeat_interval: Duration::from_millis(200),
            route_interval: Duration::from_millis(200),
            limits: Limits { silence: Duration::from_millis(400), ..Limits::default() },
            ..ClientOptions::default()
        }
    }

    async fn producer(&self) -> Producer {
        let builder = Producer::builder("P").client_options(self.options());
        builder.send_timeout(Duration::from_millis(700)).start().await.unwrap()
    }

    fn push(&self) -> PushConsumerBuilder {
        let builder = PushConsumer::builder("G").client_options(self.options()).subscribe("T", "*");
        let builder = builder.consume_from(ConsumeFrom::First).pull_error_pause(Duration::from_millis(50));
        builder.commit_interval(Duration::from_millis(100)).broker_suspend(Duration::from_secs(1))
    }
}

/// Waits until `condition` holds.
async fn eventually<F: std::future::Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn message() -> Message {
    Message::new("T", "x")
}

/// Runs a call that must fail within a budget.
async fn fails<T: std::fmt::Debug>(
    budget: Duration,
    call: impl std::future::Future<Output = Result<T, Error>>,
) -> Error {
    let begun = Instant::now();
    let error = call.await.unwrap_err();
    assert!(begun.elapsed() < budget + SLACK, "{:?}: {error}", begun.elapsed());
    error
}

#[track_caller]
fn says(error: &Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in: {text}"));
    assert!(!text.contains("none is configured"), "{text}");
}

/// Changes the permission of topic `T`.
async fn permit(cluster: &Cluster, perm: &str) {
    let fields = [
        ("topic", "T"),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", "2"),
        ("writeQueueNums", "2"),
        ("perm", perm),
        ("topicFilterType", "SINGLE_TAG"),
        ("topicSysFlag", "0"),
        ("order", "false"),
    ];
    let ext: ExtFields = fields.into_iter().collect();
    let command = Command::request(request::UPDATE_AND_CREATE_TOPIC, ext, Bytes::new());
    cluster.must(&cluster.broker_addr(0), command, "the permission").await.unwrap();
}

/// A name server address where nobody listens is named by every kind of client.
#[tokio::test]
async fn wrong_address() {
    let address = nobody().await;
    let producer = Producer::builder("P").namesrv(&address).send_timeout(BUDGET).start().await.unwrap();
    let error = fails(BUDGET, producer.send(message())).await;
    says(&error, ErrorKind::NoNameServer, &[&address, "route of topic T"]);
    assert_eq!((error.code(), error.retriable(), error.not_sent()), (client_code::NO_NAME_SERVER, true, true));

    let push = PushConsumer::builder("G").namesrv(&address).subscribe("T", "*");
    let error = fails(BUDGET, push.concurrent(|_, _| ConsumeConcurrentlyStatus::Success).start()).await;
    says(&error, ErrorKind::NoNameServer, &[&address]);
    let lite = LitePullConsumer::builder("G").namesrv(&address).start().await.unwrap();
    says(&fails(BUDGET, lite.subscribe("T", "*")).await, ErrorKind::NoNameServer, &[&address]);
    let admin = Admin::builder().namesrv(&address).start().await.unwrap();
    says(&fails(BUDGET, admin.topic_stats("T")).await, ErrorKind::NoNameServer, &[&address]);
    producer.shutdown().await;
    lite.shutdown().await;
    admin.shutdown().await;

    // A right name server whose route leads nowhere: the broker is named, and that nothing was sent.
    let book = RouteBook::default();
    book.set("T", &[("broker-x", &address, 1)]);
    let names = book.serve().await;
    let producer = Producer::builder("P").namesrv(names.addr()).send_timeout(BUDGET).start().await.unwrap();
    let error = fails(BUDGET, producer.send(message())).await;
    says(&error, ErrorKind::Connect, &[&address, "broker-x", "topic T"]);
    assert_eq!((error.address(), error.not_sent()), (Some(&*address), true));
    producer.shutdown().await;
}

/// Without auto-creation a topic that does not exist is told with the name server asked; one that was deleted meanwhile
/// with the broker that refused it.
#[tokio::test]
async fn missing_topic() {
    let cluster = Cluster::builder().property("autoCreateTopicEnable", "false").start().await.unwrap();
    let names = cluster.namesrv_addr();
    let producer = Producer::builder("P").namesrv(&names).send_timeout(BUDGET).start().await.unwrap();
    let error = fails(BUDGET, producer.send(message())).await;
    says(&error, ErrorKind::NoRoute, &["topic T", "does not exist", &names]);
    assert_eq!((error.code(), error.not_sent()), (client_code::NOT_FOUND_TOPIC, true));
    says(&fails(BUDGET, producer.send_oneway(message())).await, ErrorKind::NoRoute, &[&names]);
    says(&fails(BUDGET, producer.send_sharded(message(), "k")).await, ErrorKind::NoRoute, &[&names]);
    says(&fails(BUDGET, producer.publish_queues("T")).await, ErrorKind::NoRoute, &[&names]);
    let lite = LitePullConsumer::builder("G").namesrv(&names).start().await.unwrap();
    says(&fails(BUDGET, lite.subscribe("T", "*")).await, ErrorKind::NoRoute, &["topic T", &names]);

    cluster.create_topic("T", 2).await.unwrap();
    producer.send(message()).await.unwrap();
    let admin = Admin::builder().namesrv(&names).start().await.unwrap();
    admin.delete_topic("T").await.unwrap();
    let error = fails(BUDGET, producer.send(message())).await;
    says(&error, ErrorKind::Broker, &["TOPIC_NOT_EXIST", &cluster.broker_addr(0), "attempts"]);
    assert_eq!((error.code(), error.not_sent()), (response::TOPIC_NOT_EXIST, true));
    lite.shutdown().await;
    cluster.shutdown().await;
}

/// A read-only topic is told with the broker that has it so, a write-only one has no queues to read, and what is allowed
/// goes on.
#[tokio::test]
async fn no_permission() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 2).await.unwrap();
    let (names, broker) = (cluster.namesrv_addr(), cluster.broker_addr(0));
    let producer = Producer::builder("P").namesrv(&names).send_timeout(BUDGET).start().await.unwrap();
    producer.send(message()).await.unwrap();
    permit(&cluster, "4").await;
    // The name server learns of it with the broker's next registration.
    eventually("the topic is read-only", || async {
        producer.instance().routes().refresh("T").await.unwrap().publish_queues().is_empty()
    })
    .await;
    let error = fails(BUDGET, producer.send(message())).await;
    says(&error, ErrorKind::NoRoute, &["topic T", "read-only", &broker, "permission 4"]);
    says(&fails(BUDGET, producer.send_sharded(message(), "k")).await, ErrorKind::NoRoute, &["read-only", &broker]);
    says(&fails(BUDGET, producer.send_oneway(message())).await, ErrorKind::NoRoute, &["read-only", &broker]);
    let lite = LitePullConsumer::builder("G").namesrv(&names).consume_from(ConsumeFrom::First).start().await.unwrap();
    lite.subscribe("T", "*").await.unwrap();
    assert_eq!(lite.poll(PATIENCE).await.unwrap().len(), 1);
    permit(&cluster, "2").await;
    eventually("the topic is write-only", || async { lite.fetch_queues("T").await.unwrap().is_empty() }).await;
    eventually("it can be written", || async { producer.send(message()).await.is_ok() }).await;
    lite.shutdown().await;
    cluster.shutdown().await;
}

/// A broker that takes no messages at all is named with its permission.
#[tokio::test]
async fn a_read_only_broker() {
    let cluster = Cluster::builder().property("brokerPermission", "4").start().await.unwrap();
    cluster.create_topic("T", 2).await.unwrap();
    let producer = Producer::builder("P").namesrv(cluster.namesrv_addr()).send_timeout(BUDGET).start().await.unwrap();
    let error = fails(BUDGET, producer.send(message())).await;
    says(&error, ErrorKind::NoRoute, &["read-only", "broker-a", &cluster.broker_addr(0)]);
    cluster.shutdown().await;
}

/// A body over the client's limit is refused here, over the broker's limit there, and over the protocol's limit here again
/// without a connection lost.
#[tokio::test]
async fn body_too_large() {
    let cluster = Cluster::builder().property("maxMessageSize", "1000").start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let builder = Producer::builder("P").namesrv(cluster.namesrv_addr()).compress_over(usize::MAX);
    let producer = builder.max_message_size(64 << 20).send_timeout(Duration::from_secs(3)).start().await.unwrap();
    let large = |bytes: usize| Message::new("T", vec![7; bytes]);
    let error = fails(BUDGET, producer.send(large(65 << 20))).await;
    says(&error, ErrorKind::Validation, &["topic T", "68157440 bytes", "67108864"]);
    assert_eq!(error.code(), response::MESSAGE_ILLEGAL);
    let error = fails(BUDGET, producer.send(large(2000))).await;
    says(&error, ErrorKind::Broker, &["MESSAGE_ILLEGAL", &cluster.broker_addr(0)]);
    let error = fails(BUDGET, producer.send(large(17 << 20))).await;
    says(&error, ErrorKind::Send, &[&cluster.broker_addr(0), "cannot be encoded"]);
    assert!(error.not_sent() && !error.retriable(), "{error}");
    producer.send(message()).await.unwrap();
    cluster.shutdown().await;
}

/// A broker that died, one that hangs and one that is slow: the address is named, the budget holds, and it is said whether
/// the message may be stored.
#[tokio::test]
async fn broker_gone_hanging_or_slow() {
    let mut scene = Scene::start().await;
    let producer = scene.producer().await;
    let address = scene.broker.address();
    producer.send(message()).await.unwrap();

    scene.broker.swallow();
    let error = fails(BUDGET, producer.send_within(message(), BUDGET)).await;
    says(&error, ErrorKind::Timeout, &[&address, "no answer"]);
    assert_eq!((error.code(), error.not_sent()), (client_code::ACCESS_BROKER_TIMEOUT, false));
    let lite = LitePullConsumer::builder("L").client_options(scene.options()).start().await.unwrap();
    let queue = MessageQueue::new("T", "broker-a", 0);
    let error = fails(BUDGET, lite.max_offset(&queue)).await;
    says(&error, ErrorKind::Timeout, &[&address]);
    scene.broker.heal();
    producer.send_within(message(), Duration::from_secs(5)).await.unwrap();

    scene.broker.delay(Duration::from_millis(150));
    let error = fails(BUDGET, producer.send_within(message(), Duration::from_millis(100))).await;
    says(&error, ErrorKind::Timeout, &[&address, "no answer"]);
    producer.send_within(message(), Duration::from_secs(5)).await.unwrap();
    scene.broker.heal();

    scene.broker.refuse();
    let error = fails(BUDGET, producer.send_within(message(), BUDGET)).await;
    says(&error, ErrorKind::Send, &[&address, "closed"]);
    scene.broker.heal();
    let direct =
        Producer::builder("P").namesrv(scene.cluster.namesrv_addr()).send_timeout(BUDGET).start().await.unwrap();
    direct.send(message()).await.unwrap();
    scene.cluster.kill_broker(0);
    let error = fails(BUDGET, direct.send(message())).await;
    says(&error, ErrorKind::Connect, &[&scene.cluster.broker_addr(0), "broker-a"]);
    producer.shutdown().await;
    direct.shutdown().await;
    lite.shutdown().await;
}

/// A name server that died or hangs: whoever has a route goes on, who has none hears the servers tried, within the budget.
#[tokio::test]
async fn name_server_gone_or_hanging() {
    let scene = Scene::start().await;
    let producer = scene.producer().await;
    let address = scene.names.address();
    producer.send(message()).await.unwrap();
    scene.names.swallow();
    let other = || Message::new("U", "x");
    says(&fails(BUDGET, producer.send_within(other(), BUDGET)).await, ErrorKind::NoNameServer, &[&address, "topic U"]);
    producer.send(message()).await.unwrap();
    scene.names.refuse();
    says(&fails(BUDGET, producer.send_within(other(), BUDGET)).await, ErrorKind::NoNameServer, &[&address, "topic U"]);
    producer.send(message()).await.unwrap();
    scene.names.heal();
    eventually("the name server answers", || async {
        matches!(producer.send_within(other(), BUDGET).await, Err(Error::NoRoute { .. }))
    })
    .await;
    producer.shutdown().await;
}

/// A broker that hangs cannot keep anybody from shutting down, whatever there is to tell it: offsets, locks, members.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_with_a_hanging_broker() {
    let scene = Scene::start().await;
    // Every budget as long as users have it.
    let patient = || ClientOptions { namesrv: Some(scene.names.address()), ..ClientOptions::default() };
    let producer = Producer::builder("P").client_options(patient()).start().await.unwrap();
    let got = Arc::new(AtomicUsize::new(0));
    let counter = got.clone();
    let push = scene.push().client_options(patient()).orderly(move |_, _| {
        counter.fetch_add(1, Ordering::AcqRel);
        ConsumeOrderlyStatus::Success
    });
    let push = push.start().await.unwrap();
    let lite = LitePullConsumer::builder("L").client_options(patient()).consume_from(ConsumeFrom::First);
    let lite = lite.start().await.unwrap();
    lite.subscribe("T", "*").await.unwrap();
    producer.send(message()).await.unwrap();
    assert_eq!(lite.poll(PATIENCE).await.unwrap().len(), 1);
    eventually("the message", || async { got.load(Ordering::Acquire) == 1 }).await;
    scene.broker.swallow();
    let begun = Instant::now();
    tokio::join!(producer.shutdown(), push.shutdown(), lite.shutdown());
    assert!(begun.elapsed() < SHUTDOWN_WITHIN + SLACK, "{:?}", begun.elapsed());
}

/// A broker that hangs does not keep a shutdown from those that answer: they have the last offsets and are left, even when a commit was
/// under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_tells_the_brokers_that_answer() {
    let cluster = Cluster::builder().brokers(2).start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let hanging = Fault::before(&cluster.broker_addr(1)).await.unwrap();
    let (book, answers) = (RouteBook::default(), cluster.broker_addr(0));
    let brokers = [("broker-a", &*answers, 1), ("broker-b", &*hanging.address(), 1)];
    book.set("T", &brokers);
    book.set("%RETRY%G", &brokers);
    let names = book.serve().await;
    let options = || ClientOptions { namesrv: Some(names.addr()), ..ClientOptions::default() };
    let producer = Producer::builder("P").client_options(options()).start().await.unwrap();
    let got = Arc::new(AtomicUsize::new(0));
    let counter = got.clone();
    let push =
        PushConsumer::builder("G").client_options(options()).subscribe("T", "*").consume_from(ConsumeFrom::First);
    let push = push.commit_interval(Duration::from_millis(10)).orderly(move |_, _| {
        counter.fetch_add(1, Ordering::AcqRel);
        ConsumeOrderlyStatus::Success
    });
    let push = push.start().await.unwrap();
    let (to_a, to_b) = (MessageQueue::new("T", "broker-a", 0), MessageQueue::new("T", "broker-b", 0));
    producer.send_to(message(), &to_a).await.unwrap();
    producer.send_to(message(), &to_b).await.unwrap();
    eventually("both messages", || async { got.load(Ordering::Acquire) == 2 }).await;
    // What comes now is behind a commit that hangs, if one does.
    hanging.swallow();
    producer.send_to(message(), &to_a).await.unwrap();
    eventually("the last message", || async { got.load(Ordering::Acquire) == 3 }).await;
    push.shutdown().await;
    let service = cluster.broker(0).unwrap().service();
    assert_eq!(service.offsets.committed("G", "T", 0), Some(2));
    assert!(service.members.consumers("G").is_empty());
}

/// What was acknowledged, and what was delivered where.
#[derive(Default)]
struct Books {
    acknowledged: Mutex<BTreeSet<usize>>,
    /// First deliveries, per queue by offset.
    delivered: Mutex<BTreeMap<i32, BTreeMap<i64, usize>>>,
    /// Sends that failed.
    failed: AtomicUsize,
    /// Disorder within a queue: an offset that came first after a higher one.
    overtaken: AtomicUsize,
}

impl Books {
    fn note(&self, messages: &[MessageExt]) {
        let mut delivered = self.delivered.lock().unwrap();
        for message in messages {
            let queue = delivered.entry(message.queue_id()).or_default();
            let offset = message.queue_offset();
            if queue.contains_key(&offset) {
                continue;
            }
            if queue.last_key_value().is_some_and(|(last, _)| offset != last + 1) {
                self.overtaken.fetch_add(1, Ordering::Relaxed);
            }
            queue.insert(offset, String::from_utf8_lossy(message.body()).parse().unwrap());
        }
    }

    fn seen(&self) -> BTreeSet<usize> {
        self.delivered.lock().unwrap().values().flat_map(|queue| queue.values().copied()).collect()
    }

    fn missing(&self) -> usize {
        let seen = self.seen();
        self.acknowledged.lock().unwrap().iter().filter(|number| !seen.contains(number)).count()
    }

    /// Every queue was delivered from its first message to its last, without a gap.
    fn check_gaps(&self) {
        for (id, queue) in self.delivered.lock().unwrap().iter() {
            let expected: Vec<i64> = (0..queue.len() as i64).collect();
            assert_eq!(queue.keys().copied().collect::<Vec<_>>(), expected, "queue {id}");
        }
    }
}

/// Sends numbers until told to stop; what was acknowledged is booked. Errors are part of the test.
fn send_all_the_time(producer: Producer, books: Arc<Books>) -> (Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let sending = tokio::spawn(async move {
        let mut number = 0;
        while !stopped.load(Ordering::Acquire) {
            match producer.send(Message::new("T", number.to_string())).await {
                Ok(_) => drop(books.acknowledged.lock().unwrap().insert(number)),
                Err(_) => drop(books.failed.fetch_add(1, Ordering::Relaxed)),
            }
            number += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        producer.shutdown().await;
    });
    (stop, sending)
}

/// Waits until messages sent from now on are acknowledged and delivered again.
async fn goes_on(books: &Books, after: &str) {
    let count = || books.acknowledged.lock().unwrap().len();
    let begun = count();
    eventually(&format!("sends after {after}"), || async { count() > begun + 5 }).await;
    let last = *books.acknowledged.lock().unwrap().last().unwrap();
    eventually(&format!("deliveries after {after}"), || async { books.seen().contains(&last) }).await;
}

/// Waits until the fault that is on has let a send fail.
async fn is_noticed(books: &Books, what: &str) {
    let before = books.failed.load(Ordering::Relaxed);
    eventually(what, || async { books.failed.load(Ordering::Relaxed) > before }).await;
}

/// All faults in turn, under load.
async fn suffer(scene: &mut Scene, books: &Books) {
    goes_on(books, "the start").await;
    scene.broker.cut();
    goes_on(books, "a cut").await;
    scene.broker.refuse();
    is_noticed(books, "a refusal").await;
    scene.broker.heal();
    goes_on(books, "a refusal").await;
    scene.broker.swallow();
    is_noticed(books, "a hanging broker").await;
    scene.broker.heal();
    goes_on(books, "a hanging broker").await;
    scene.broker.delay(Duration::from_millis(20));
    goes_on(books, "slowness").await;
    scene.broker.heal();
    scene.names.refuse();
    goes_on(books, "the loss of the name server").await;
    scene.cluster.kill_broker(0);
    scene.cluster.start_broker(0).await.unwrap();
    goes_on(books, "a killed broker").await;
    scene.names.heal();
    scene.cluster.stop_broker(0).await;
    scene.cluster.start_broker(0).await.unwrap();
    goes_on(books, "a restarted broker").await;
}

async fn all_arrives(books: &Books, stop: &AtomicBool, sending: tokio::task::JoinHandle<()>) {
    stop.store(true, Ordering::Release);
    sending.await.unwrap();
    eventually("everything acknowledged", || async { books.missing() == 0 }).await;
    books.check_gaps();
}

/// A concurrent consumer goes on after every fault; nothing acknowledged is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_consumer_goes_on() {
    let mut scene = Scene::start().await;
    let books = Arc::new(Books::default());
    let noted = books.clone();
    let builder = scene.push().concurrent(move |messages, _| {
        noted.note(messages);
        ConsumeConcurrentlyStatus::Success
    });
    let member = builder.start().await.unwrap();
    let (stop, sending) = send_all_the_time(scene.producer().await, books.clone());
    suffer(&mut scene, &books).await;
    all_arrives(&books, &stop, sending).await;
    member.shutdown().await;
    scene.cluster.shutdown().await;
}

/// An orderly consumer does so too, and nothing ever overtakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orderly_consumer_goes_on() {
    let mut scene = Scene::start().await;
    let books = Arc::new(Books::default());
    let (noted, running) = (books.clone(), Arc::new(Mutex::new(BTreeSet::new())));
    let builder = scene.push().orderly(move |messages, _| {
        let id = messages[0].queue_id();
        assert!(running.lock().unwrap().insert(id), "two calls for one queue at a time");
        noted.note(messages);
        running.lock().unwrap().remove(&id);
        ConsumeOrderlyStatus::Success
    });
    let member = builder.start().await.unwrap();
    let (stop, sending) = send_all_the_time(scene.producer().await, books.clone());
    suffer(&mut scene, &books).await;
    all_arrives(&books, &stop, sending).await;
    assert_eq!(books.overtaken.load(Ordering::Relaxed), 0);
    member.shutdown().await;
    scene.cluster.shutdown().await;
}

/// A lite pull consumer does so too, in order, with commits on the way that end where its positions are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lite_pull_consumer_goes_on() {
    let mut scene = Scene::start().await;
    let books = Arc::new(Books::default());
    let builder = LitePullConsumer::builder("G").client_options(scene.options()).consume_from(ConsumeFrom::First);
    let builder = builder.auto_commit_interval(Duration::from_millis(50)).broker_suspend(Duration::from_secs(1));
    let consumer = builder.pull_error_pause(Duration::from_millis(50)).start().await.unwrap();
    consumer.subscribe("T", "*").await.unwrap();
    let (noted, polling) = (books.clone(), consumer.clone());
    let polled = tokio::spawn(async move {
        while let Ok(messages) = polling.poll(Duration::MAX).await {
            noted.note(&messages);
        }
    });
    let (stop, sending) = send_all_the_time(scene.producer().await, books.clone());
    suffer(&mut scene, &books).await;
    all_arrives(&books, &stop, sending).await;
    assert_eq!(books.overtaken.load(Ordering::Relaxed), 0);
    consumer.commit().await.unwrap();
    for queue in consumer.assignment() {
        assert_eq!(consumer.committed(&queue).await.unwrap(), consumer.position(&queue), "{queue}");
    }
    consumer.shutdown().await;
    polled.await.unwrap();
    scene.cluster.shutdown().await;
}
