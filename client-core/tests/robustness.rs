//! What must hold when things overlap or go wrong: budgets, lost routes, panics in callbacks, shutdowns and drops while a
//! listener runs, offsets that move. Against scripted servers, so that the moment is chosen by the test.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
mod support;

use bytes::Bytes;
use ferromq::{
    AllocateStrategy, ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, ErrorKind, LitePullConsumer,
    MessageQueue, PushConsumer, PushConsumerBuilder,
};
use ferromq_protocol::body::{ConsumerIdList, HeartbeatData, LockBatchRequest, LockBatchResponse};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::headers::{
    OffsetResponse, PullMessage, PullMessageResponse, QueryConsumerOffset, UpdateConsumerOffset,
};
use ferromq_protocol::{record, Command, Header};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::*;

/// A broker whose queues of topic `T` hold numbered messages, and a group with one member.
#[derive(Default)]
struct Model {
    members: Vec<String>,
    /// The offset after the last message of every queue.
    end: i64,
    /// Offsets at which a pull is told to go elsewhere, once each.
    moved: HashMap<i64, i64>,
    /// Messages per pull; 0 is all.
    batch: i64,
    committed: HashMap<(String, i32), i64>,
    /// Queue and offset of every pull of `T`.
    pulls: Vec<(i32, i64)>,
}

impl Model {
    fn answer(&mut self, request: &Command) -> Reply {
        match request.code {
            request::HEART_BEAT => {
                self.members = vec![HeartbeatData::decode(&request.body).unwrap().client_id];
                Reply::Answer(ok(request))
            }
            request::GET_CONSUMER_LIST_BY_GROUP => {
                let list = ConsumerIdList { consumer_id_list: self.members.clone() };
                Reply::Answer(Command { body: list.encode(), ..ok(request) })
            }
            request::QUERY_CONSUMER_OFFSET => {
                let header = QueryConsumerOffset::decode(&request.ext).unwrap();
                match self.committed.get(&(header.topic.to_owned(), header.queue_id)) {
                    Some(offset) => offset_answer(request, *offset),
                    None => Reply::Answer(error(request, response::QUERY_NOT_FOUND, "none")),
                }
            }
            request::UPDATE_CONSUMER_OFFSET => {
                let header = UpdateConsumerOffset::decode(&request.ext).unwrap();
                self.committed.insert((header.topic.to_owned(), header.queue_id), header.commit_offset);
                Reply::Answer(ok(request))
            }
            request::GET_MAX_OFFSET => offset_answer(request, self.end),
            request::LOCK_BATCH_MQ => {
                let granted = LockBatchRequest::decode(&request.body).unwrap().mq_set;
                let body = LockBatchResponse { lock_ok_mq_set: granted }.encode();
                Reply::Answer(Command { body, ..ok(request) })
            }
            request::PULL_MESSAGE | request::LITE_PULL_MESSAGE => self.pull(request),
            _ => stored(request),
        }
    }

    /// At the end of a queue, and for the retry topic, the request is held.
    fn pull(&mut self, request: &Command) -> Reply {
        let header = PullMessage::decode(&request.ext).unwrap();
        if header.topic != "T" {
            return Reply::Silence;
        }
        let (at, id) = (header.queue_offset, header.queue_id);
        self.pulls.push((id, at));
        let upto = if self.batch > 0 { (at + self.batch).min(self.end) } else { self.end };
        let (code, next, body) = match self.moved.remove(&at) {
            Some(to) => (response::PULL_OFFSET_MOVED, to, Bytes::new()),
            None if at >= self.end => return Reply::Silence,
            None => (response::SUCCESS, upto, (at..upto).flat_map(|offset| stored_record(id, offset)).collect()),
        };
        let answer = PullMessageResponse {
            suggest_which_broker_id: 0,
            next_begin_offset: next,
            min_offset: 0,
            max_offset: self.end,
            offset_delta: None,
            topic_sys_flag: None,
            group_sys_flag: None,
            forbidden_type: None,
        };
        Reply::Answer(Command { ext: answer.to_ext(), body, ..Command::response_to(request, code, None) })
    }
}

fn offset_answer(request: &Command, offset: i64) -> Reply {
    Reply::Answer(Command { ext: OffsetResponse { offset }.to_ext(), ..ok(request) })
}

fn stored_record(queue_id: i32, queue_offset: i64) -> Vec<u8> {
    let (host, body): (SocketAddr, _) = ("127.0.0.1:1".parse().unwrap(), queue_offset.to_string());
    let message = record::Message {
        topic: "T",
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 1,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: body.as_bytes(),
        properties: "",
        queue_offset,
        physical_offset: queue_offset * 100,
    };
    let mut out = Vec::new();
    record::encode(&mut out, &message).unwrap();
    out
}

/// The servers of one test.
struct Scene {
    model: Arc<Mutex<Model>>,
    broker: Fake,
    book: RouteBook,
    names: Fake,
}

impl Scene {
    /// A broker whose topic `T` has one queue.
    async fn new(model: Model) -> Scene {
        let model = Arc::new(Mutex::new(model));
        let answering = model.clone();
        let broker = Fake::start(move |request| answering.lock().unwrap().answer(request)).await;
        let book = RouteBook::default();
        let names = book.serve().await;
        let scene = Scene { model, broker, book, names };
        scene.queues("T", 1);
        scene.queues("%RETRY%G", 1);
        scene
    }

    fn queues(&self, topic: &str, count: i32) {
        self.book.set(topic, &[("b", &self.broker.addr(), count)]);
    }

    fn consumer(&self) -> PushConsumerBuilder {
        let builder = PushConsumer::builder("G").namesrv(self.names.addr()).subscribe("T", "*");
        builder.consume_from(ConsumeFrom::First).pull_error_pause(Duration::from_millis(20))
    }

    fn committed(&self) -> Option<i64> {
        self.model.lock().unwrap().committed.get(&("T".to_owned(), 0)).copied()
    }
}

fn queue() -> MessageQueue {
    MessageQueue::new("T", "b", 0)
}

/// A gate that listeners wait at without blocking the runtime.
#[derive(Clone)]
struct Gate(tokio::sync::watch::Sender<bool>);

impl Gate {
    fn new() -> Gate {
        Gate(tokio::sync::watch::channel(false).0)
    }
    fn open(&self) {
        self.0.send_replace(true);
    }
    fn passed(&self) -> impl std::future::Future<Output = ()> + Send + 'static {
        let mut gate = self.0.subscribe();
        async move {
            let _ = gate.wait_for(|open| *open).await;
        }
    }
}

/// A send to a queue whose broker is not known yet asks for its route within the budget of the send, not beyond.
#[tokio::test]
async fn the_route_query_counts_into_the_budget() {
    let names = Fake::start(|_| Reply::Silence).await;
    let producer = producer(&names.addr()).send_timeout(Duration::from_millis(200)).start().await.unwrap();
    let begun = Instant::now();
    let failed = producer.send_to(message("T"), &queue()).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert!(failed.to_string().contains(&names.addr()), "{failed}");
    producer.shutdown().await;
}

/// A route that is lost between two attempts does not hide that the first one may have stored the message.
#[tokio::test]
async fn a_lost_route_keeps_the_attempts_before() {
    let book = RouteBook::default();
    let closing = book.clone();
    let broker = Fake::start(move |request| match request.code {
        request::SEND_MESSAGE_V2 => {
            let mut routes = closing.0.lock().unwrap();
            routes.get_mut("T").unwrap().queue_datas[0].perm = 4;
            Reply::Close
        }
        _ => stored(request),
    })
    .await;
    book.set("T", &[("a", &broker.addr(), 1)]);
    let names = book.serve().await;
    let producer = producer(&names.addr()).route_interval(Duration::from_millis(5)).start().await.unwrap();
    let failed = producer.send(message("T")).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::NoRoute, "{failed}");
    assert!(!failed.not_sent(), "{failed}");
    assert!(failed.to_string().contains("closed before the answer came"), "{failed}");
    producer.shutdown().await;
}

/// Whoever waits for somebody else's question about a topic has its own budget: a short one of the other does not end it,
/// and its own end names the servers.
#[tokio::test]
async fn a_question_that_failed_early_is_asked_again() {
    let broker = Fake::start(stored).await;
    let book = RouteBook::default();
    book.set("T", &[("a", &broker.addr(), 1)]);
    let asked = AtomicUsize::new(0);
    let names = Fake::start(move |request| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::Silence,
        _ => book.answer(request),
    })
    .await;
    let producer = producer(&names.addr()).start().await.unwrap();
    let (short, long) = tokio::join!(
        producer.send_within(message("T"), Duration::from_millis(150)),
        producer.send_within(message("T"), Duration::from_secs(5)),
    );
    assert_eq!(short.unwrap_err().kind(), ErrorKind::NoNameServer);
    long.unwrap();
    producer.shutdown().await;

    let silent = Fake::start(|_| Reply::Silence).await;
    let producer = support::producer(&silent.addr()).start().await.unwrap();
    let (_, late) = tokio::join!(
        producer.send_within(message("T"), Duration::from_millis(600)),
        producer.send_within(message("T"), Duration::from_millis(150)),
    );
    let late = late.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::NoNameServer, "{late}");
    assert!(late.to_string().contains(&silent.addr()), "{late}");
    producer.shutdown().await;
}

/// After a shutdown every way of sending says so, whether the route is known or not.
#[tokio::test]
async fn nothing_is_sent_after_a_shutdown() {
    let names = RouteBook::default().serve().await;
    let producer = producer(&names.addr()).start().await.unwrap();
    producer.shutdown().await;
    let failed = [
        producer.send(message("T")).await.unwrap_err(),
        producer.send_sharded(message("T"), "k").await.unwrap_err(),
        producer.send_to(message("T"), &queue()).await.unwrap_err(),
        producer.send_oneway(message("T")).await.unwrap_err(),
        producer.publish_queues("T").await.unwrap_err(),
    ];
    failed.iter().for_each(|error| assert_eq!(error.kind(), ErrorKind::State, "{error}"));
}

/// A panic in the assignment listener, or in a rule of the user, does not end the sharing out of queues.
#[tokio::test]
async fn panics_in_callbacks_do_not_stop_the_rounds() {
    let scene = Scene::new(Model { end: 1, ..Model::default() }).await;
    scene.queues("U", 1);
    let called = Arc::new(AtomicUsize::new(0));
    let counter = called.clone();
    let rule = move |_: &str, queues: &[MessageQueue], _: &[String]| {
        assert!(counter.fetch_add(1, Ordering::AcqRel) > 0, "as the test wants");
        queues.to_vec()
    };
    let builder = scene.consumer().allocate(AllocateStrategy::Custom(Arc::new(rule)));
    let builder = builder.on_assignment(|_, _, _| panic!("as the test wants"));
    let member = builder.concurrent(|_, _| ConsumeConcurrentlyStatus::Success).start().await.unwrap();
    eventually("T is owned", || async { member.assigned_queues().contains(&queue()) }).await;
    member.subscribe("U", "*").await.unwrap();
    let new = MessageQueue::new("U", "b", 0);
    eventually("U is owned", || async { member.assigned_queues().contains(&new) }).await;
    member.shutdown().await;
}

/// A fixed list of queues is taken once, although it is asked for with every topic of the group.
#[tokio::test]
async fn fixed_queues_are_taken_once() {
    let scene = Scene::new(Model { end: 3, ..Model::default() }).await;
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let noted = seen.clone();
    let builder = scene.consumer().allocate(AllocateStrategy::Config(vec![queue()]));
    let builder = builder.concurrent(move |messages, _| {
        noted.lock().unwrap().extend(messages.iter().map(|message| message.queue_offset()));
        ConsumeConcurrentlyStatus::Success
    });
    let member = builder.start().await.unwrap();
    eventually("the messages", || async { seen.lock().unwrap().len() >= 3 }).await;
    member.resume();
    let rounds = scene.broker.seen(request::GET_CONSUMER_LIST_BY_GROUP).len();
    eventually("two rounds more", || async {
        member.resume();
        scene.broker.seen(request::GET_CONSUMER_LIST_BY_GROUP).len() >= rounds + 6
    })
    .await;
    let from_start = scene.model.lock().unwrap().pulls.iter().filter(|pull| **pull == (0, 0)).count();
    assert_eq!((from_start, seen.lock().unwrap().len()), (1, 3));
    member.shutdown().await;
}

/// A member that shuts down takes no queue any more while it waits for its listeners.
#[tokio::test]
async fn a_closing_member_takes_no_queues() {
    let scene = Scene::new(Model { end: 1, ..Model::default() }).await;
    let (gate, begun) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (inner, counter) = (gate.clone(), begun.clone());
    let builder = scene.consumer().route_interval(Duration::from_millis(10));
    let builder = builder.concurrent_async(move |_, _| {
        counter.fetch_add(1, Ordering::AcqRel);
        let passed = inner.passed();
        async move {
            passed.await;
            ConsumeConcurrentlyStatus::Success
        }
    });
    let member = builder.start().await.unwrap();
    eventually("the listener runs", || async { begun.load(Ordering::Acquire) == 1 }).await;
    let closing = member.clone();
    let ending = tokio::spawn(async move { closing.shutdown().await });
    eventually("nothing is owned", || async { member.assigned_queues().is_empty() }).await;
    scene.queues("T", 2);
    member.instance().routes().refresh("T").await.unwrap();
    let rounds = scene.broker.seen(request::GET_CONSUMER_LIST_BY_GROUP).len();
    let until = Instant::now() + Duration::from_secs(1);
    // Either rounds go on and take nothing, or there are none.
    eventually("rounds", || async {
        member.resume();
        Instant::now() > until || scene.broker.seen(request::GET_CONSUMER_LIST_BY_GROUP).len() >= rounds + 6
    })
    .await;
    assert_eq!(member.assigned_queues(), []);
    gate.open();
    ending.await.unwrap();
    assert_eq!(begun.load(Ordering::Acquire), 1);
    assert!(scene.model.lock().unwrap().pulls.iter().all(|(id, _)| *id == 0));
}

/// A queue whose orderly listener still runs at the end of a shutdown stays locked: another member must not overtake it.
#[tokio::test]
async fn a_running_orderly_queue_is_not_unlocked() {
    let scene = Scene::new(Model { end: 1, ..Model::default() }).await;
    scene.queues("T", 2);
    let (gate, begun) = (Gate::new(), Arc::new(Mutex::new(BTreeSet::new())));
    let (inner, noted) = (gate.clone(), begun.clone());
    let builder = scene.consumer().drain_timeout(Duration::from_millis(50));
    let builder = builder.orderly_async(move |messages, _| {
        let id = messages[0].queue_id();
        noted.lock().unwrap().insert(id);
        let passed = inner.passed();
        async move {
            if id == 0 {
                passed.await;
            }
            ConsumeOrderlyStatus::Success
        }
    });
    let member = builder.start().await.unwrap();
    eventually("both queues", || async { begun.lock().unwrap().len() == 2 }).await;
    member.shutdown().await;
    let unlocked: BTreeSet<MessageQueue> = scene
        .broker
        .seen(request::UNLOCK_BATCH_MQ)
        .iter()
        .flat_map(|request| LockBatchRequest::decode(&request.body).unwrap().mq_set)
        .filter(|queue| queue.topic == "T")
        .collect();
    assert_eq!(unlocked, [MessageQueue::new("T", "b", 1)].into());
    gate.open();
}

/// An async listener, orderly or not, that shuts its consumer down goes on behind that call.
#[tokio::test]
async fn a_listener_survives_its_own_shutdown() {
    let scene = Scene::new(Model { end: 1, ..Model::default() }).await;
    let me: Arc<Mutex<Option<PushConsumer>>> = Arc::default();
    let ended = Arc::new(AtomicBool::new(false));
    let (inside, flag) = (me.clone(), ended.clone());
    let listener = scene.consumer().orderly_async(move |_, _| {
        let (inside, flag) = (inside.clone(), flag.clone());
        async move {
            while inside.lock().unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            let me = inside.lock().unwrap().take().unwrap();
            me.shutdown().await;
            flag.store(true, Ordering::Release);
            ConsumeOrderlyStatus::Success
        }
    });
    let member = listener.start().await.unwrap();
    *me.lock().unwrap() = Some(member);
    eventually("the listener goes on", || async { ended.load(Ordering::Acquire) }).await;
}

/// Says when it is dropped.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// An async listener that never ends does not outlive the shutdown of its consumer.
#[tokio::test]
async fn a_hanging_listener_ends_with_the_shutdown() {
    let scene = Scene::new(Model { end: 1, ..Model::default() }).await;
    let (ended, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (flag, started) = (ended.clone(), begun.clone());
    let builder = scene.consumer().drain_timeout(Duration::from_millis(50));
    let builder = builder.concurrent_async(move |_, _| {
        started.store(true, Ordering::Release);
        let guard = Ended(flag.clone());
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let member = builder.start().await.unwrap();
    eventually("the listener runs", || async { begun.load(Ordering::Acquire) }).await;
    member.shutdown().await;
    eventually("the listener is gone", || async { ended.load(Ordering::Acquire) }).await;
    assert_eq!(scene.committed().unwrap_or(0), 0);
}

/// A consumer that is dropped while its listener hangs leaves the group at once: its connections end.
#[tokio::test]
async fn dropped_while_the_listener_hangs() {
    let scene = Scene::new(Model { end: 1, ..Model::default() }).await;
    let begun = Arc::new(AtomicBool::new(false));
    let started = begun.clone();
    let builder = scene.consumer().concurrent_async(move |_, _| {
        started.store(true, Ordering::Release);
        std::future::pending()
    });
    let member = builder.start().await.unwrap();
    eventually("the listener runs", || async { begun.load(Ordering::Acquire) }).await;
    drop(member);
    eventually("the connections end", || async { scene.broker.connections().iter().all(|c| !c.is_open()) }).await;
}

/// Messages pulled already are consumed although the broker then says that the next offset is gone.
#[tokio::test]
async fn what_is_cached_survives_a_moved_offset() {
    let model = Model { end: 10, batch: 5, moved: [(5, 8)].into(), ..Model::default() };
    let scene = Scene::new(model).await;
    let (gate, seen) = (Gate::new(), Arc::new(Mutex::new(Vec::new())));
    let (inner, noted) = (gate.clone(), seen.clone());
    let builder = scene.consumer().consume_threads(1).commit_interval(Duration::from_millis(5));
    let builder = builder.concurrent_async(move |messages, _| {
        let (passed, noted) = (inner.passed(), noted.clone());
        async move {
            passed.await;
            noted.lock().unwrap().extend(messages.iter().map(|message| message.queue_offset()));
            ConsumeConcurrentlyStatus::Success
        }
    });
    let member = builder.start().await.unwrap();
    eventually("the offset moved", || async { scene.model.lock().unwrap().moved.is_empty() }).await;
    gate.open();
    eventually("all is consumed", || async { seen.lock().unwrap().contains(&9) }).await;
    eventually("and committed", || async { scene.committed() == Some(10) }).await;
    let distinct: BTreeSet<i64> = seen.lock().unwrap().iter().copied().collect();
    assert_eq!(distinct.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 8, 9]);
    member.shutdown().await;
}

/// The same for a lite pull consumer: forwards nothing cached is lost, backwards it goes on at what was not handed out.
#[tokio::test]
async fn lite_pull_survives_a_moved_offset() {
    let model = Model { end: 10, batch: 5, moved: [(5, 8)].into(), ..Model::default() };
    let scene = Scene::new(model).await;
    let consumer = LitePullConsumer::builder("G").namesrv(scene.names.addr()).consume_from(ConsumeFrom::First);
    let consumer = consumer.pull_error_pause(Duration::from_millis(20)).start().await.unwrap();
    consumer.assign(&[queue()]).await.unwrap();
    eventually("the offset moved", || async { scene.model.lock().unwrap().moved.is_empty() }).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&9) {
        let messages = consumer.poll(PATIENCE).await.unwrap();
        assert!(!messages.is_empty());
        seen.extend(messages.iter().map(|message| message.queue_offset()));
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 8, 9]);
    consumer.shutdown().await;

    // The broker lost what came after 3: the next pull at 5 goes back.
    let scene = Scene::new(Model { end: 5, moved: [(5, 3)].into(), ..Model::default() }).await;
    let consumer = LitePullConsumer::builder("G").namesrv(scene.names.addr()).consume_from(ConsumeFrom::First);
    let consumer = consumer.cache_count_total(5).start().await.unwrap();
    consumer.assign(&[queue()]).await.unwrap();
    eventually("it went back", || async { scene.model.lock().unwrap().moved.is_empty() }).await;
    // With what was thrown away still counted, the cache would be full for ever now.
    eventually("it reads on", || async { scene.model.lock().unwrap().pulls.iter().filter(|p| p.1 == 5).count() == 2 })
        .await;
    let seen = consumer.poll(PATIENCE).await.unwrap();
    assert_eq!(seen.iter().map(|message| message.queue_offset()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    consumer.shutdown().await;
}

/// Where a queue without an offset begins is committed: the next owner must not begin behind messages that came meanwhile.
#[tokio::test]
async fn the_first_offset_is_committed() {
    let scene = Scene::new(Model { end: 7, ..Model::default() }).await;
    let builder = scene.consumer().consume_from(ConsumeFrom::Last).commit_interval(Duration::from_millis(5));
    let member = builder.concurrent(|_, _| ConsumeConcurrentlyStatus::Success).start().await.unwrap();
    eventually("it is committed", || async { scene.committed() == Some(7) }).await;
    member.shutdown().await;
}

/// A poll without an end waits for messages, and for a shutdown.
#[tokio::test]
async fn polls_without_an_end() {
    let scene = Scene::new(Model::default()).await;
    let consumer = LitePullConsumer::builder("G").namesrv(scene.names.addr()).auto_commit_interval(Duration::MAX);
    let consumer = consumer.start().await.unwrap();
    consumer.assign(&[queue()]).await.unwrap();
    let polling = consumer.clone();
    let waiting = tokio::spawn(async move { polling.poll(Duration::MAX).await });
    eventually("pulls", || async { !scene.model.lock().unwrap().pulls.is_empty() }).await;
    consumer.shutdown().await;
    let ended = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::State);
}

/// The committed offset of a queue that is not assigned here is asked for each time: its owner moves it.
#[tokio::test]
async fn committed_offsets_of_others_are_fresh() {
    let scene = Scene::new(Model::default()).await;
    let consumer = LitePullConsumer::builder("G").namesrv(scene.names.addr()).start().await.unwrap();
    consumer.fetch_queues("T").await.unwrap();
    for offset in [3, 8] {
        scene.model.lock().unwrap().committed.insert(("T".to_owned(), 0), offset);
        assert_eq!(consumer.committed(&queue()).await.unwrap(), Some(offset));
    }
    consumer.shutdown().await;
}

/// A lite pull consumer that is dropped leaves no connection behind.
#[tokio::test]
async fn dropping_a_lite_pull_consumer_ends_it() {
    let scene = Scene::new(Model { end: 3, ..Model::default() }).await;
    let consumer = LitePullConsumer::builder("G").namesrv(scene.names.addr()).start().await.unwrap();
    consumer.subscribe("T", "*").await.unwrap();
    eventually("pulls", || async { !scene.model.lock().unwrap().pulls.is_empty() }).await;
    drop(consumer);
    eventually("the connections end", || async { scene.broker.connections().iter().all(|c| !c.is_open()) }).await;
}
