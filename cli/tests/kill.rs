//! A broker under load is killed with SIGKILL and started again on the same ports, three times over. The same clients go on
//! by themselves, every acknowledged message is there, and queue offsets have no gap and no double. Delayed messages that wait when
//! the broker is killed are delivered by the next one.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]
mod support;

use ferromq::{Admin, LitePullConsumer, Message, Producer};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::Server;

const TOPIC: &str = "kill";
const QUEUES: i32 = 4;
const ROUNDS: usize = 3;
/// Producers, each with its own connection.
const PRODUCERS: usize = 3;
/// Sends in flight on each of them.
const SENDERS: usize = 4;
/// Messages that have to be acknowledged before a kill, and again after it.
const STEP: usize = 1500;
/// Nothing takes longer than this.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause after a failed send or poll.
const PAUSE: Duration = Duration::from_millis(20);

/// By queue and queue offset: the body.
type Seen = BTreeMap<(i32, i64), String>;

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acknowledged: Mutex<Seen>,
    consumed: Mutex<Seen>,
    failures: Mutex<BTreeSet<String>>,
}

impl Shared {
    fn failed(&self, error: &ferromq::Error) {
        self.failures.lock().unwrap().insert(error.to_string().chars().take(160).collect());
    }

    /// Waits until more than `count` messages are acknowledged.
    async fn acknowledged(&self, count: usize) {
        until("sends go on", || async { self.acknowledged.lock().unwrap().len() >= count }).await;
    }
}

async fn until<F: Future<Output = bool>>(what: &str, reached: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !reached().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends until told to stop; what is acknowledged is remembered, what fails may or may not be stored.
async fn send(shared: Arc<Shared>, producer: Producer, name: String) {
    let mut number = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        number += 1;
        let body = format!("{name}.{number}");
        match producer.send(Message::new(TOPIC, body.clone())).await {
            Ok(result) => {
                let place = (result.queue.queue_id, result.queue_offset);
                let before = shared.acknowledged.lock().unwrap().insert(place, body);
                assert_eq!(before, None, "{place:?} was given twice");
            }
            Err(error) => {
                shared.failed(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Polls until told to stop; a message seen again must be the same.
async fn consume(shared: Arc<Shared>, consumer: Arc<LitePullConsumer>) {
    while !shared.stop.load(Ordering::Relaxed) {
        match consumer.poll(Duration::from_millis(200)).await {
            Ok(messages) => messages.iter().for_each(|message| {
                let place = (message.queue_id(), message.queue_offset());
                let body = String::from_utf8(message.body().to_vec()).unwrap();
                let before = shared.consumed.lock().unwrap().insert(place, body.clone());
                assert!(before.is_none_or(|before| before == body), "{place:?} holds two messages");
            }),
            Err(error) => {
                shared.failed(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// All acknowledged messages are among the consumed ones, whose offsets start at 0 and have no gap.
fn check(acknowledged: &Seen, consumed: &Seen) {
    for (place, body) in acknowledged {
        assert_eq!(consumed.get(place), Some(body), "{place:?} was acknowledged");
    }
    for queue in 0..QUEUES {
        let offsets = consumed.keys().filter(|(id, _)| *id == queue).map(|(_, offset)| *offset);
        let count = offsets.clone().count() as i64;
        assert!(offsets.eq(0..count), "queue {queue}: a gap");
    }
    let distinct: BTreeSet<&String> = acknowledged.values().collect();
    assert_eq!(distinct.len(), acknowledged.len());
}

async fn consumer(namesrv: &str, group: &str) -> Arc<LitePullConsumer> {
    let consumer = LitePullConsumer::builder(group).namesrv(namesrv).auto_commit(false).start().await.unwrap();
    let queues = consumer.fetch_queues(TOPIC).await.unwrap();
    assert_eq!(queues.len(), QUEUES as usize);
    consumer.assign(&queues).await.unwrap();
    for queue in &queues {
        consumer.seek_to_begin(queue).await.unwrap();
    }
    Arc::new(consumer)
}

/// The consumer has handed out everything up to the end of every queue.
async fn caught_up(consumer: &LitePullConsumer) -> bool {
    for queue in consumer.assignment() {
        let (Ok(end), Some(position)) = (consumer.max_offset(&queue).await, consumer.position(&queue)) else {
            return false;
        };
        if position < end {
            return false;
        }
    }
    true
}

/// Reads everything with a client that has seen no kill.
async fn read_all(namesrv: &str) -> Seen {
    let shared = Arc::new(Shared::default());
    let consumer = consumer(namesrv, "fresh").await;
    let task = tokio::spawn(consume(shared.clone(), consumer.clone()));
    until("a new consumer reads everything", || caught_up(&consumer)).await;
    shared.stop.store(true, Ordering::Relaxed);
    task.await.unwrap();
    consumer.shutdown().await;
    let seen = shared.consumed.lock().unwrap().clone();
    seen
}

async fn survive(flush: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let flush = format!("flushDiskType={flush}");
    let start = |namesrv: &str, broker: &str| {
        Server::start(&["--namesrv-port", namesrv, "--broker-port", broker, "--data-dir", &data, "--property", &flush])
    };
    let mut server = start("0", "0");
    let (namesrv, broker) = (server.namesrv.clone(), server.broker.clone());
    let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();

    let admin = Admin::builder().namesrv(&namesrv).start().await.unwrap();
    admin.create_topic(TOPIC, QUEUES).await.unwrap();
    let shared = Arc::new(Shared::default());
    let (mut tasks, mut producers) = (Vec::new(), Vec::new());
    for p in 0..PRODUCERS {
        let builder = Producer::builder("killers").namesrv(&namesrv).instance_name(format!("producer-{p}"));
        let producer = builder.start().await.unwrap();
        for s in 0..SENDERS {
            tasks.push(tokio::spawn(send(shared.clone(), producer.clone(), format!("{p}.{s}"))));
        }
        producers.push(producer);
    }
    let follower = consumer(&namesrv, "follower").await;
    tasks.push(tokio::spawn(consume(shared.clone(), follower.clone())));

    for round in 0..ROUNDS {
        let before = shared.acknowledged.lock().unwrap().len();
        shared.acknowledged(before + STEP).await;
        drop(server);
        let at_kill = shared.acknowledged.lock().unwrap().clone();
        let killed = Instant::now();
        server = start(&port(&namesrv), &port(&broker));
        shared.acknowledged(at_kill.len() + PRODUCERS * SENDERS + 1).await;
        println!("round {round}: {} acknowledged, sends go on {:?} after the kill", at_kill.len(), killed.elapsed());
        check(&at_kill, &read_all(&namesrv).await);
    }
    let before = shared.acknowledged.lock().unwrap().len();
    shared.acknowledged(before + STEP).await;
    shared.stop.store(true, Ordering::Relaxed);
    let last = tasks.pop().unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    last.await.unwrap();
    // The consumer that lived through all kills goes on to the end.
    shared.stop.store(false, Ordering::Relaxed);
    let task = tokio::spawn(consume(shared.clone(), follower.clone()));
    until("the old consumer reads everything", || caught_up(&follower)).await;
    shared.stop.store(true, Ordering::Relaxed);
    task.await.unwrap();
    let acknowledged = shared.acknowledged.lock().unwrap().clone();
    check(&acknowledged, &shared.consumed.lock().unwrap());
    check(&acknowledged, &read_all(&namesrv).await);
    println!("{} acknowledged; failures met: {:#?}", acknowledged.len(), shared.failures.lock().unwrap());
    for producer in producers {
        producer.shutdown().await;
    }
    follower.shutdown().await;
    admin.shutdown().await;
    assert!(server.signal("TERM"));
}

fn run(scene: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(scene);
}

/// Asynchronous flush: what the process wrote outlives it.
#[test]
fn acknowledged_messages_survive_kills() {
    run(survive("ASYNC_FLUSH"));
}

/// Synchronous flush.
#[test]
fn flushed_messages_survive_kills() {
    run(survive("SYNC_FLUSH"));
}

/// Messages that wait in one level.
const DELAYED: usize = 100_000;
/// Delivered ones when the broker is killed again.
const SOME: i64 = 20_000;

/// Sends messages that are delivered after a while, from many tasks.
async fn send_delayed(namesrv: &str) {
    const SENDERS: usize = 200;
    let producer = Producer::builder("delayers").namesrv(namesrv).start().await.unwrap();
    let tasks: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let producer = producer.clone();
            tokio::spawn(async move {
                for number in (sender..DELAYED).step_by(SENDERS) {
                    let message = || Message::new(TOPIC, number.to_string()).with_delay_level(1);
                    // A busy machine may make the broker refuse one; it is not stored then.
                    while producer.send(message()).await.is_err() {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    producer.shutdown().await;
}

/// Messages of the topic in all its queues.
async fn delivered(admin: &Admin) -> i64 {
    let stats = admin.topic_stats(TOPIC).await;
    stats.map_or(0, |stats| stats.offset_table.values().map(|queue| queue.max_offset).sum())
}

/// Killed while all wait, then while they are delivered: none is lost, and none comes more often than a kill can explain.
async fn survive_delayed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let start = |delay: &str| {
        let level = format!("messageDelayLevel={delay}");
        let began = Instant::now();
        let server = Server::start(&["--data-dir", &data, "--property", &level]);
        println!("a start took {:?}", began.elapsed());
        server
    };
    let admin_of = async |server: &Server| Admin::builder().namesrv(&server.namesrv).start().await.unwrap();
    let server = start("1h");
    let admin = admin_of(&server).await;
    admin.create_topic(TOPIC, QUEUES).await.unwrap();
    send_delayed(&server.namesrv).await;
    assert_eq!(delivered(&admin).await, 0);
    admin.shutdown().await;
    drop(server);

    // A broker whose level is shorter delivers at once what would wait for longer than that.
    let server = start("1s");
    let admin = admin_of(&server).await;
    until("deliveries begin", || async { delivered(&admin).await >= SOME }).await;
    admin.shutdown().await;
    drop(server);

    let server = start("1s");
    let admin = admin_of(&server).await;
    until("everything is delivered", || async { delivered(&admin).await >= DELAYED as i64 }).await;
    admin.shutdown().await;
    let mut times = vec![0; DELAYED];
    for body in read_all(&server.namesrv).await.values() {
        times[body.parse::<usize>().unwrap()] += 1;
    }
    let (lost, doubles) = (times.iter().filter(|n| **n == 0).count(), times.iter().filter(|n| **n == 2).count());
    println!("{doubles} came twice");
    assert_eq!(lost, 0, "lost");
    assert!(times.iter().all(|n| *n <= 2), "one kill during the delivery: twice at most");
    assert!(server.signal("TERM"));
}

/// A hundred thousand delayed messages wait in one level.
#[test]
fn delayed_messages_survive_kills() {
    run(survive_delayed());
}
