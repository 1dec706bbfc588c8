//! Push consumers against a real broker: retries, order across members, broadcasting, tags, restarts, shutdown.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
use ferromq::{
    ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, Error, Message, MessageExt, MessageModel, Producer,
    PushConsumer, PushConsumerBuilder,
};
use ferromq_testing::Cluster;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest time a test waits for a condition.
const PATIENCE: Duration = Duration::from_secs(30);

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a condition that has to be asked for.
async fn until_async<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn producer(cluster: &Cluster) -> Producer {
    Producer::builder("P").namesrv(cluster.namesrv_addr()).start().await.unwrap()
}

fn consumer(cluster: &Cluster, group: &str) -> PushConsumerBuilder {
    PushConsumer::builder(group)
        .namesrv(cluster.namesrv_addr())
        .consume_from(ConsumeFrom::First)
        .pull_error_pause(Duration::from_millis(50))
}

fn text(message: &MessageExt) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

/// Sends `range` as texts and waits for every answer.
async fn send(producer: &Producer, topic: &str, range: std::ops::Range<usize>) {
    for i in range {
        producer.send(Message::new(topic, i.to_string())).await.unwrap();
    }
}

/// Counts deliveries by body.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, usize>>>);

impl Seen {
    fn note(&self, message: &MessageExt) {
        *self.0.lock().unwrap().entry(text(message)).or_default() += 1;
    }
    fn distinct(&self) -> usize {
        self.0.lock().unwrap().len()
    }
    fn total(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

async fn committed(consumer: &PushConsumer, topic: &str, group: &str, cluster: &Cluster) -> i64 {
    let admin = ferromq::LitePullConsumer::builder(group).namesrv(cluster.namesrv_addr()).start().await.unwrap();
    let mut sum = 0;
    for queue in admin.fetch_queues(topic).await.unwrap() {
        sum += admin.committed(&queue).await.unwrap().unwrap_or(0);
    }
    admin.shutdown().await;
    let _ = consumer;
    sum
}

/// Every message is delivered once; after shutdown the broker knows all offsets, and a second shutdown does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivers_once_and_commits_at_shutdown() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 4).await.unwrap();
    let producer = producer(&cluster).await;
    let seen = Seen::default();
    let noted = seen.clone();
    let member = consumer(&cluster, "G")
        .subscribe("T", "*")
        .concurrent(move |messages, _| {
            messages.iter().for_each(|message| noted.note(message));
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await
        .unwrap();
    send(&producer, "T", 0..200).await;
    until("200 messages", || seen.distinct() == 200).await;
    member.shutdown().await;
    member.shutdown().await;
    assert_eq!(seen.total(), 200);
    assert_eq!(committed(&member, "T", "G", &cluster).await, 200);
    producer.shutdown().await;
    cluster.shutdown().await;
}

/// A message that fails, and one whose listener panics, come again from the retry topic under their own topic's name; with
/// several messages per call only those after the acknowledged index do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_come_again() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let producer = producer(&cluster).await;
    let seen: Arc<Mutex<Vec<(String, i32, String)>>> = Arc::default();
    let noted = seen.clone();
    let member = consumer(&cluster, "G")
        .subscribe("T", "*")
        .consume_batch_size(1)
        .concurrent(move |messages, context| {
            let message = &messages[0];
            noted.lock().unwrap().push((text(message), message.reconsume_times(), message.topic().to_owned()));
            context.set_delay_level(1);
            match (text(message).as_str(), message.reconsume_times()) {
                ("fails", 0) => ConsumeConcurrentlyStatus::ReconsumeLater,
                ("panics", 0) => panic!("as the test wants"),
                _ => ConsumeConcurrentlyStatus::Success,
            }
        })
        .start()
        .await
        .unwrap();
    for body in ["fine", "fails", "panics"] {
        producer.send(Message::new("T", body)).await.unwrap();
    }
    until("five deliveries", || seen.lock().unwrap().len() == 5).await;
    let again: BTreeSet<_> = seen.lock().unwrap().iter().filter(|(_, times, _)| *times == 1).cloned().collect();
    let expected = ["fails", "panics"].map(|body| (body.to_owned(), 1, "T".to_owned()));
    assert_eq!(again, BTreeSet::from(expected));
    member.shutdown().await;
    cluster.shutdown().await;
}

/// An async listener works the same, and only messages after the acknowledged index come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn async_listener_with_ack_index() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let producer = producer(&cluster).await;
    let batch = (0..4).map(|i| Message::new("T", i.to_string())).collect();
    producer.send_batch(batch).await.unwrap();
    let (seen, again) = (Seen::default(), Seen::default());
    let (first, second) = (seen.clone(), again.clone());
    let member = consumer(&cluster, "G")
        .subscribe("T", "*")
        .consume_batch_size(4)
        .concurrent_async(move |messages, context| {
            let (first, second) = (first.clone(), second.clone());
            async move {
                tokio::task::yield_now().await;
                for message in &messages {
                    if message.reconsume_times() == 0 {
                        first.note(message)
                    } else {
                        second.note(message)
                    }
                }
                context.set_delay_level(1);
                if messages[0].reconsume_times() == 0 {
                    context.set_ack_index(1);
                }
                ConsumeConcurrentlyStatus::Success
            }
        })
        .start()
        .await
        .unwrap();
    until("two retries", || again.distinct() == 2).await;
    assert_eq!(seen.total(), 4);
    assert_eq!(again.0.lock().unwrap().keys().cloned().collect::<Vec<_>>(), ["2", "3"]);
    member.shutdown().await;
    cluster.shutdown().await;
}

/// A message that always fails becomes a dead letter after the attempts given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let producer = producer(&cluster).await;
    producer.send(Message::new("T", "bad")).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let member = consumer(&cluster, "G")
        .subscribe("T", "*")
        .max_reconsume_times(1)
        .concurrent(move |_, context| {
            count.fetch_add(1, Ordering::AcqRel);
            context.set_delay_level(1);
            ConsumeConcurrentlyStatus::ReconsumeLater
        })
        .start()
        .await
        .unwrap();
    cluster.wait_for_route("%DLQ%G").await.unwrap();
    assert_eq!(calls.load(Ordering::Acquire), 2);
    member.shutdown().await;
    cluster.shutdown().await;
}

/// Tags select at the broker, and the consumer removes what only has the same hash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 2).await.unwrap();
    let producer = producer(&cluster).await;
    // "AaAa" and "BBBB" have the same hash.
    for tag in ["AaAa", "BBBB", "other", "late", "AaAa"] {
        producer.send(Message::new("T", tag).with_tag(tag)).await.unwrap();
    }
    producer.send(Message::new("T", "none")).await.unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let member = consumer(&cluster, "G")
        .subscribe("T", "AaAa || late")
        .concurrent(move |messages, _| {
            messages.iter().for_each(|message| noted.note(message));
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await
        .unwrap();
    until("three messages", || seen.total() == 3).await;
    member.shutdown().await;
    let found: BTreeMap<String, usize> = [("AaAa".to_owned(), 2), ("late".to_owned(), 1)].into();
    assert_eq!(*seen.0.lock().unwrap(), found);
    // What the filter skipped counts as consumed.
    assert_eq!(committed(&member, "T", "G", &cluster).await, 6);
    cluster.shutdown().await;
}

/// Every member of a broadcasting group gets every message, and one that comes back goes on where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broadcasting() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 3).await.unwrap();
    let producer = producer(&cluster).await;
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &'static str, seen: Seen| {
        let builder = consumer(&cluster, "G").message_model(MessageModel::Broadcasting).instance_name(name);
        builder.local_offset_dir(folder.path()).subscribe("T", "*").concurrent(move |messages, _| {
            messages.iter().for_each(|message| seen.note(message));
            ConsumeConcurrentlyStatus::Success
        })
    };
    let seen = [Seen::default(), Seen::default()];
    let first = start("one", seen[0].clone()).start().await.unwrap();
    let second = start("two", seen[1].clone()).start().await.unwrap();
    send(&producer, "T", 0..30).await;
    until("everything twice", || seen.iter().all(|seen| seen.distinct() == 30)).await;
    first.shutdown().await;
    second.shutdown().await;
    send(&producer, "T", 30..40).await;
    let again = Seen::default();
    let third = start("one", again.clone()).start().await.unwrap();
    until("what came meanwhile", || again.distinct() == 10).await;
    third.shutdown().await;
    assert_eq!((seen[0].total(), seen[1].total(), again.total()), (30, 30, 10));
    cluster.shutdown().await;
}

/// What the members of an orderly group did: per queue the offsets in the order of consumption, and overlaps.
#[derive(Default)]
struct Ledger {
    order: Mutex<HashMap<i32, Vec<i64>>>,
    busy: Mutex<HashMap<i32, String>>,
    overlaps: AtomicUsize,
    members: Mutex<BTreeMap<String, usize>>,
}

impl Ledger {
    fn enter(&self, member: &str, message: &MessageExt) {
        let queue = message.queue_id();
        if self.busy.lock().unwrap().insert(queue, member.to_owned()).is_some() {
            self.overlaps.fetch_add(1, Ordering::AcqRel);
        }
        self.order.lock().unwrap().entry(queue).or_default().push(message.queue_offset());
        std::thread::yield_now();
        *self.members.lock().unwrap().entry(member.to_owned()).or_default() += 1;
        self.busy.lock().unwrap().remove(&queue);
    }

    fn total(&self) -> usize {
        self.order.lock().unwrap().values().map(Vec::len).sum()
    }
}

/// Members that join and leave take queues over without overlap, gap, repetition or disorder, and within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orderly_members_join_and_leave() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 4).await.unwrap();
    let producer = producer(&cluster).await;
    let ledger = Arc::new(Ledger::default());
    let start = |name: &'static str| {
        let ledger = ledger.clone();
        consumer(&cluster, "G").subscribe("T", "*").orderly(move |messages, _| {
            messages.iter().for_each(|message| ledger.enter(name, message));
            ConsumeOrderlyStatus::Success
        })
    };
    let of_topic = |member: &PushConsumer| member.assigned_queues().iter().filter(|q| q.topic == "T").count();
    let stop = Arc::new(AtomicBool::new(false));
    let (told, sender) = (stop.clone(), producer.clone());
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while !told.load(Ordering::Acquire) {
            send(&sender, "T", sent..sent + 16).await;
            sent += 16;
        }
        sent
    });
    let first = start("one").start().await.unwrap();
    until("all queues at the first", || of_topic(&first) == 4).await;
    let joined = Instant::now();
    let second = start("two").start().await.unwrap();
    until("half of the queues each", || of_topic(&first) == 2 && of_topic(&second) == 2).await;
    assert!(joined.elapsed() < Duration::from_secs(5), "sharing took {:?}", joined.elapsed());
    until("the second member works", || ledger.members.lock().unwrap().get("two").is_some_and(|n| *n > 50)).await;
    first.shutdown().await;
    until("all queues at the second", || of_topic(&second) == 4).await;
    stop.store(true, Ordering::Release);
    let sent = sending.await.unwrap();
    until("everything consumed", || ledger.total() >= sent).await;
    second.shutdown().await;
    assert_eq!(ledger.overlaps.load(Ordering::Acquire), 0);
    for (queue, offsets) in ledger.order.lock().unwrap().iter() {
        let expected: Vec<i64> = (0..offsets.len() as i64).collect();
        assert_eq!(offsets, &expected, "queue {queue}");
    }
    assert_eq!(ledger.total(), sent);
    cluster.shutdown().await;
}

/// A concurrent member that joins gets its share within seconds, and one that goes leaves nothing behind unconsumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_members_join_and_leave() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 4).await.unwrap();
    let producer = producer(&cluster).await;
    let seen = Seen::default();
    let start = || {
        let noted = seen.clone();
        consumer(&cluster, "G").subscribe("T", "*").concurrent(move |messages, _| {
            messages.iter().for_each(|message| noted.note(message));
            ConsumeConcurrentlyStatus::Success
        })
    };
    let of_topic = |member: &PushConsumer| member.assigned_queues().iter().filter(|q| q.topic == "T").count();
    let first = start().start().await.unwrap();
    send(&producer, "T", 0..100).await;
    until("all queues at the first", || of_topic(&first) == 4).await;
    let joined = Instant::now();
    let second = start().start().await.unwrap();
    until("half of the queues each", || of_topic(&first) == 2 && of_topic(&second) == 2).await;
    assert!(joined.elapsed() < Duration::from_secs(5), "sharing took {:?}", joined.elapsed());
    send(&producer, "T", 100..200).await;
    second.shutdown().await;
    send(&producer, "T", 200..300).await;
    until("everything", || seen.distinct() == 300).await;
    first.shutdown().await;
    assert_eq!(committed(&first, "T", "G", &cluster).await, 300);
    cluster.shutdown().await;
}

/// A failing message of an orderly queue is tried again before anything behind it, also when the listener panics; with its
/// attempts used up it becomes a dead letter and the queue goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orderly_failures_block_and_die() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let producer = producer(&cluster).await;
    send(&producer, "T", 0..4).await;
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = calls.clone();
    let member = consumer(&cluster, "G")
        .subscribe("T", "*")
        .max_reconsume_times(2)
        .orderly(move |messages, context| {
            let mut calls = noted.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            calls.push(text(&messages[0]));
            context.set_suspend(Duration::from_millis(10));
            match text(&messages[0]).as_str() {
                "1" => ConsumeOrderlyStatus::SuspendCurrentQueueAMoment,
                "2" if calls.iter().filter(|call| *call == "2").count() == 1 => panic!("as the test wants"),
                _ => ConsumeOrderlyStatus::Success,
            }
        })
        .start()
        .await
        .unwrap();
    let all = || calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    until("the last message", || all().iter().any(|call| call == "3")).await;
    assert_eq!(all(), ["0", "1", "1", "1", "2", "2", "3"]);
    cluster.wait_for_route("%DLQ%G").await.unwrap();
    member.shutdown().await;
    cluster.shutdown().await;
}

/// A broker that is killed and comes back while messages are consumed: nothing acknowledged is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_restart() {
    let mut cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 4).await.unwrap();
    let producer = producer(&cluster).await;
    let seen = Seen::default();
    let noted = seen.clone();
    let member = consumer(&cluster, "G")
        .subscribe("T", "*")
        .concurrent(move |messages, _| {
            messages.iter().for_each(|message| noted.note(message));
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await
        .unwrap();
    send(&producer, "T", 0..100).await;
    until("a part", || seen.distinct() > 20).await;
    cluster.kill_broker(0);
    cluster.start_broker(0).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    for i in 100..200 {
        while let Err(error) = producer.send(Message::new("T", i.to_string())).await {
            assert!(Instant::now() < deadline && error.retriable(), "{error}");
        }
    }
    until("everything", || seen.distinct() == 200).await;
    member.shutdown().await;
    cluster.shutdown().await;
}

/// Without a name server, a running consumer goes on, and a new one fails with the servers it tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn name_server_gone() {
    let mut cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 2).await.unwrap();
    let producer = producer(&cluster).await;
    let seen = Seen::default();
    let noted = seen.clone();
    let listen = move |messages: &[MessageExt], _: &ferromq::ConcurrentContext| {
        messages.iter().for_each(|message| noted.note(message));
        ConsumeConcurrentlyStatus::Success
    };
    let member = consumer(&cluster, "G").subscribe("T", "*").concurrent(listen.clone()).start().await.unwrap();
    send(&producer, "T", 0..10).await;
    until("the first ten", || seen.distinct() == 10).await;
    let address = cluster.namesrv_addr();
    cluster.stop_name_server().await;
    send(&producer, "T", 10..20).await;
    until("ten more", || seen.distinct() == 20).await;
    let refused = consumer(&cluster, "H").subscribe("T", "*").concurrent(listen).start().await.unwrap_err();
    assert!(matches!(refused, Error::NoNameServer { .. }) && refused.to_string().contains(&address), "{refused}");
    member.shutdown().await;
    cluster.shutdown().await;
}

/// A topic that does not exist at start is consumed once it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topic_comes_later() {
    let cluster = Cluster::start().await.unwrap();
    let producer = producer(&cluster).await;
    let seen = Seen::default();
    let noted = seen.clone();
    let member = consumer(&cluster, "G")
        .subscribe("Later", "*")
        .concurrent(move |messages, _| {
            messages.iter().for_each(|message| noted.note(message));
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await
        .unwrap();
    cluster.create_topic("Later", 2).await.unwrap();
    send(&producer, "Later", 0..5).await;
    until("the messages", || seen.distinct() == 5).await;
    member.shutdown().await;
    cluster.shutdown().await;
}

/// A shutdown waits for the listener that runs and commits what it did; what had not begun comes to the next member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_drains() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let producer = producer(&cluster).await;
    send(&producer, "T", 0..10).await;
    let (began, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (noted, gate) = (began.clone(), go.clone());
    let member = consumer(&cluster, "G")
        .subscribe("T", "*")
        .consume_threads(1)
        .concurrent(move |_, _| {
            noted.fetch_add(1, Ordering::AcqRel);
            while !gate.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await
        .unwrap();
    until("the first call", || began.load(Ordering::Acquire) == 1).await;
    let ending = tokio::spawn({
        let member = member.clone();
        async move { member.shutdown().await }
    });
    until("no queues", || member.assigned_queues().is_empty()).await;
    assert!(!ending.is_finished());
    go.store(true, Ordering::Release);
    ending.await.unwrap();
    assert_eq!(began.load(Ordering::Acquire), 1);
    assert_eq!(committed(&member, "T", "G", &cluster).await, 1);
    let rest = Seen::default();
    let noted = rest.clone();
    let next = consumer(&cluster, "G")
        .subscribe("T", "*")
        .concurrent(move |messages, _| {
            messages.iter().for_each(|message| noted.note(message));
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await
        .unwrap();
    until("the other nine", || rest.distinct() == 9).await;
    next.shutdown().await;
    assert_eq!(rest.total(), 9);
    cluster.shutdown().await;
}

/// A shutdown called by a listener ends the consumer and does not wait for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_inside_a_listener() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let producer = producer(&cluster).await;
    let me: Arc<Mutex<Option<PushConsumer>>> = Arc::default();
    let ended = Arc::new(AtomicBool::new(false));
    let (inside, flag) = (me.clone(), ended.clone());
    let member = consumer(&cluster, "G")
        .subscribe("T", "*")
        .concurrent_async(move |_, _| {
            let (me, flag) = (inside.lock().unwrap().clone(), flag.clone());
            async move {
                me.unwrap().shutdown().await;
                flag.store(true, Ordering::Release);
                ConsumeConcurrentlyStatus::Success
            }
        })
        .start()
        .await
        .unwrap();
    *me.lock().unwrap() = Some(member);
    let begun = Instant::now();
    send(&producer, "T", 0..1).await;
    until("the shutdown", || ended.load(Ordering::Acquire)).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    me.lock().unwrap().take();
    cluster.shutdown().await;
}

/// A suspended consumer gets nothing new; resumed, it gets what came meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspend_and_resume() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", 1).await.unwrap();
    let producer = producer(&cluster).await;
    let seen = Seen::default();
    let noted = seen.clone();
    let member = consumer(&cluster, "G")
        .broker_suspend(Duration::from_millis(50))
        .subscribe("T", "*")
        .concurrent(move |messages, _| {
            messages.iter().for_each(|message| noted.note(message));
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await
        .unwrap();
    send(&producer, "T", 0..1).await;
    until("the first", || seen.distinct() == 1).await;
    member.suspend();
    // A pull that was under way may still bring something; after its time none follows.
    let last = AtomicUsize::new(1);
    until_async("a message that is not delivered", || async {
        let next = last.fetch_add(1, Ordering::AcqRel);
        send(&producer, "T", next..next + 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen.distinct() < next
    })
    .await;
    member.resume();
    until("everything", || seen.distinct() == last.load(Ordering::Acquire)).await;
    member.shutdown().await;
    cluster.shutdown().await;
}
