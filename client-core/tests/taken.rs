//! A push consumer without listener: messages are taken and settled by the application.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
use ferromq::{ConsumeFrom, Delivery, LitePullConsumer, Message, Outcome, Producer, PushConsumer, PushConsumerBuilder};
use ferromq_testing::Cluster;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Longest time a test waits for messages.
const PATIENCE: Duration = Duration::from_secs(30);
const CONSUMED: Outcome = Outcome::Consumed;
const RETRY: Outcome = Outcome::Retry { delay_level: 1 };

fn builder(cluster: &Cluster, group: &str) -> PushConsumerBuilder {
    PushConsumer::builder(group).namesrv(cluster.namesrv_addr()).consume_from(ConsumeFrom::First).subscribe("T", "*")
}

/// A consumer and its wake-ups.
struct Taker {
    consumer: PushConsumer,
    ready: Arc<Notify>,
}

impl Taker {
    async fn start(builder: PushConsumerBuilder, orderly: bool) -> Self {
        let ready = Arc::new(Notify::new());
        let wake = ready.clone();
        let on_ready = move || wake.notify_one();
        let builder = if orderly { builder.taken_orderly(on_ready) } else { builder.taken(on_ready) };
        Self { consumer: builder.start().await.unwrap(), ready }
    }

    /// Waits until something can be taken; a lost wake-up ends the test.
    async fn take(&self, max: usize) -> Vec<Delivery> {
        loop {
            let (taken, more) = self.consumer.take(max);
            if more {
                self.ready.notify_one();
            }
            if !taken.is_empty() {
                return taken;
            }
            timeout(PATIENCE, self.ready.notified()).await.expect("a wake-up");
        }
    }
}

fn number(delivery: &Delivery) -> usize {
    std::str::from_utf8(delivery.message().body()).unwrap().parse().unwrap()
}

async fn send(cluster: &Cluster, queues: usize, count: usize) {
    cluster.create_topic("T", queues as u32).await.unwrap();
    let producer = Producer::builder("P").namesrv(cluster.namesrv_addr()).start().await.unwrap();
    let queues = producer.publish_queues("T").await.unwrap();
    for i in 0..count {
        producer.send_to(Message::new("T", i.to_string()), &queues[i % queues.len()]).await.unwrap();
    }
    producer.shutdown().await;
}

async fn committed(cluster: &Cluster, group: &str) -> i64 {
    let reader = LitePullConsumer::builder(group).namesrv(cluster.namesrv_addr()).start().await.unwrap();
    let mut sum = 0;
    for queue in reader.fetch_queues("T").await.unwrap() {
        sum += reader.committed(&queue).await.unwrap().unwrap_or(0);
    }
    reader.shutdown().await;
    sum
}

/// Every message is taken once; a failed one comes again through the retry topic, a released one at once, and after the
/// shutdown the broker knows that everything was consumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taken_and_settled_without_order() {
    let cluster = Cluster::start().await.unwrap();
    send(&cluster, 4, 200).await;
    let taker = Taker::start(builder(&cluster, "G"), false).await;
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    while seen.len() < 200 || seen[&7] < 2 || seen[&8] < 2 {
        let settled = taker.take(16).await.into_iter().map(|delivery| {
            let number = number(&delivery);
            let times = seen.entry(number).or_default();
            *times += 1;
            let outcome = match (number, *times) {
                (7, 1) => RETRY,
                (8, 1) => Outcome::Release,
                _ => CONSUMED,
            };
            if (number, *times) == (7, 2) {
                assert_eq!(delivery.message().reconsume_times(), 1);
            }
            (delivery, outcome)
        });
        let settled = settled.collect();
        taker.consumer.settle(settled);
    }
    assert_eq!(seen.values().sum::<usize>(), 202);
    taker.consumer.shutdown().await;
    assert!(taker.consumer.take(1).0.is_empty());
    assert_eq!(committed(&cluster, "G").await, 200);
    cluster.shutdown().await;
}

/// What is taken or in line when the consumer is shut down stays uncommitted, and another member gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsettled_messages_come_again_elsewhere() {
    let cluster = Cluster::start().await.unwrap();
    send(&cluster, 1, 40).await;
    let first = Taker::start(builder(&cluster, "G").drain_timeout(Duration::ZERO), false).await;
    let held = first.take(1).await;
    assert_eq!(number(&held[0]), 0);
    first.consumer.shutdown().await;
    first.consumer.settle(held.into_iter().map(|delivery| (delivery, CONSUMED)).collect());
    let second = Taker::start(builder(&cluster, "G"), false).await;
    let mut seen = Vec::new();
    while seen.len() < 40 {
        let taken = second.take(64).await;
        seen.extend(taken.iter().map(number));
        second.consumer.settle(taken.into_iter().map(|delivery| (delivery, CONSUMED)).collect());
    }
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    second.consumer.shutdown().await;
    cluster.shutdown().await;
}

/// In order: one lease per queue at a time, its first messages count although a later one fails, and nothing overtakes the
/// one that failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_keep_the_order() {
    let cluster = Cluster::start().await.unwrap();
    send(&cluster, 2, 60).await;
    let options = builder(&cluster, "G").consume_batch_size(8).suspend(Duration::from_millis(10));
    let taker = Taker::start(options, true).await;
    let mut next: HashMap<i32, usize> = HashMap::new();
    let (mut consumed, mut failures) = (0, 0);
    while consumed < 60 {
        let lease = taker.take(100).await;
        assert!(lease.len() <= 8);
        let queue = lease[0].message().queue_id();
        let mut failed = false;
        let mut settled = Vec::new();
        for delivery in lease {
            let number = number(&delivery);
            assert_eq!(delivery.message().queue_id(), queue);
            if !failed {
                let next = next.entry(queue).or_insert(number);
                assert_eq!(number, *next, "queue {queue}");
                let expected = if number == 20 { failures } else { 0 };
                assert_eq!(delivery.message().reconsume_times(), expected, "only what failed counts attempts");
                failed = number == 20 && delivery.message().reconsume_times() < 2;
                failures += i32::from(failed);
                *next += if failed { 0 } else { 2 };
                consumed += usize::from(!failed);
            }
            settled.push((delivery, if failed { RETRY } else { CONSUMED }));
        }
        taker.consumer.settle(settled);
    }
    assert_eq!(failures, 2);
    taker.consumer.shutdown().await;
    assert_eq!(committed(&cluster, "G").await, 60);
    cluster.shutdown().await;
}
