//! Lite pull consumers against a real broker: both modes, seek, commit, resuming, pausing, errors.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
use ferromq::{
    ConsumeFrom, Error, LitePullConsumer, LitePullConsumerBuilder, Message, MessageExt, MessageQueue, Producer,
};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Longest time a test waits for messages.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

async fn cluster(queues: u32) -> (Cluster, Producer) {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic("T", queues).await.unwrap();
    let producer = Producer::builder("P").namesrv(cluster.namesrv_addr()).start().await.unwrap();
    (cluster, producer)
}

fn consumer(cluster: &Cluster, group: &str) -> LitePullConsumerBuilder {
    let builder = LitePullConsumer::builder(group).namesrv(cluster.namesrv_addr()).consume_from(ConsumeFrom::First);
    builder.pull_error_pause(Duration::from_millis(50))
}

async fn send(producer: &Producer, queue: &MessageQueue, range: std::ops::Range<usize>) {
    for i in range {
        producer.send_to(Message::new("T", i.to_string()), queue).await.unwrap();
    }
}

fn number(message: &MessageExt) -> usize {
    std::str::from_utf8(message.body()).unwrap().parse().unwrap()
}

/// Polls until `count` messages came.
async fn take(consumer: &LitePullConsumer, count: usize) -> Vec<usize> {
    let deadline = Instant::now() + PATIENCE;
    let mut taken = Vec::new();
    while taken.len() < count {
        assert!(Instant::now() < deadline, "got {} of {count}", taken.len());
        taken.extend(consumer.poll(POLL).await.unwrap().iter().map(number));
    }
    taken
}

/// Assigned queues are read in order; a seek goes anywhere within the queue and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn assign_and_seek() {
    let (cluster, producer) = cluster(1).await;
    let member = consumer(&cluster, "G").auto_commit(false).start().await.unwrap();
    let queues = member.fetch_queues("T").await.unwrap();
    send(&producer, &queues[0], 0..100).await;
    member.assign(&queues).await.unwrap();
    assert_eq!(take(&member, 100).await, (0..100).collect::<Vec<_>>());
    assert_eq!(member.position(&queues[0]), Some(100));
    member.seek(&queues[0], 90).await.unwrap();
    assert_eq!(member.position(&queues[0]), Some(90));
    assert_eq!(take(&member, 10).await, (90..100).collect::<Vec<_>>());
    member.seek_to_begin(&queues[0]).await.unwrap();
    assert_eq!(take(&member, 1).await[0], 0);
    member.seek_to_end(&queues[0]).await.unwrap();
    assert!(member.poll(Duration::from_millis(300)).await.unwrap().is_empty());
    send(&producer, &queues[0], 100..101).await;
    assert_eq!(take(&member, 1).await, [100]);
    for outside in [-1, 102] {
        assert!(matches!(member.seek(&queues[0], outside).await, Err(Error::Validation { .. })));
    }
    let unknown = MessageQueue::new("T", "broker-a", 9);
    assert!(matches!(member.seek(&unknown, 0).await, Err(Error::Validation { .. })));
    assert!(matches!(member.subscribe("T", "*").await, Err(Error::State { .. })));
    member.shutdown().await;
    assert!(matches!(member.poll(POLL).await, Err(Error::State { .. })));
    cluster.shutdown().await;
}

/// What was committed is where the next consumer of the group begins; what was only polled comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_and_resume() {
    let (cluster, producer) = cluster(2).await;
    let first = consumer(&cluster, "G").auto_commit(false).pull_batch_size(5).start().await.unwrap();
    let queues = first.fetch_queues("T").await.unwrap();
    send(&producer, &queues[0], 0..10).await;
    send(&producer, &queues[1], 10..20).await;
    first.subscribe("T", "*").await.unwrap();
    let polled: BTreeSet<usize> = take(&first, 10).await.into_iter().collect();
    first.commit().await.unwrap();
    let sum: i64 = queues.iter().filter_map(|queue| first.position(queue)).sum();
    assert_eq!(sum as usize, polled.len());
    take(&first, 1).await;
    first.shutdown().await;
    let second = consumer(&cluster, "G").auto_commit(false).start().await.unwrap();
    second.subscribe("T", "*").await.unwrap();
    let rest: BTreeSet<usize> = take(&second, 20 - polled.len()).await.into_iter().collect();
    assert!(polled.is_disjoint(&rest));
    assert_eq!(polled.len() + rest.len(), 20);
    second.commit().await.unwrap();
    for queue in &queues {
        assert_eq!(second.committed(queue).await.unwrap(), Some(10));
    }
    second.shutdown().await;
    cluster.shutdown().await;
}

/// With auto commit, what polls returned is committed by later polls and at shutdown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auto_commit() {
    let (cluster, producer) = cluster(1).await;
    let queue = MessageQueue::new("T", "broker-a", 0);
    send(&producer, &queue, 0..10).await;
    let first = consumer(&cluster, "G").auto_commit_interval(Duration::from_millis(10)).start().await.unwrap();
    first.subscribe("T", "*").await.unwrap();
    take(&first, 10).await;
    let other = consumer(&cluster, "G").auto_commit(false).start().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        first.poll(Duration::from_millis(20)).await.unwrap();
        let look = consumer(&cluster, "G").start().await.unwrap();
        let committed = look.committed(&queue).await.unwrap();
        look.shutdown().await;
        if committed == Some(10) {
            break;
        }
        assert!(Instant::now() < deadline, "committed {committed:?}");
    }
    send(&producer, &queue, 10..12).await;
    take(&first, 2).await;
    first.shutdown().await;
    assert_eq!(other.committed(&queue).await.unwrap(), Some(12));
    other.shutdown().await;
    cluster.shutdown().await;
}

/// A poll that waits does not keep others from seeking and committing; a paused queue brings nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_blocks_nobody() {
    let (cluster, producer) = cluster(1).await;
    let queue = MessageQueue::new("T", "broker-a", 0);
    send(&producer, &queue, 0..3).await;
    let member = consumer(&cluster, "G").auto_commit(false).start().await.unwrap();
    member.assign(std::slice::from_ref(&queue)).await.unwrap();
    take(&member, 3).await;
    let waiting = tokio::spawn({
        let member = member.clone();
        async move { member.poll(PATIENCE).await.unwrap() }
    });
    member.commit().await.unwrap();
    member.seek(&queue, 1).await.unwrap();
    let got = waiting.await.unwrap();
    assert_eq!(number(&got[0]), 1);
    member.pause(std::slice::from_ref(&queue));
    member.seek(&queue, 0).await.unwrap();
    assert!(member.poll(Duration::from_millis(200)).await.unwrap().is_empty());
    member.resume(std::slice::from_ref(&queue));
    assert_eq!(take(&member, 3).await, [0, 1, 2]);
    member.shutdown().await;
    cluster.shutdown().await;
}

/// Tags select, and the position moves over what they skip.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filtered() {
    let (cluster, producer) = cluster(1).await;
    let queue = MessageQueue::new("T", "broker-a", 0);
    for (i, tag) in ["a", "b", "a", "b"].into_iter().enumerate() {
        producer.send_to(Message::new("T", i.to_string()).with_tag(tag), &queue).await.unwrap();
    }
    let member = consumer(&cluster, "G").auto_commit(false).start().await.unwrap();
    member.assign_filtered(std::slice::from_ref(&queue), "a").await.unwrap();
    assert_eq!(take(&member, 2).await, [0, 2]);
    let deadline = Instant::now() + PATIENCE;
    while member.position(&queue) != Some(4) {
        assert!(Instant::now() < deadline, "position {:?}", member.position(&queue));
        assert!(member.poll(POLL).await.unwrap().is_empty());
    }
    member.shutdown().await;
    cluster.shutdown().await;
}

/// Two members share the queues without overlap or gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share() {
    let (cluster, _producer) = cluster(5).await;
    let first = consumer(&cluster, "G").start().await.unwrap();
    first.subscribe("T", "*").await.unwrap();
    let second = consumer(&cluster, "G").start().await.unwrap();
    second.subscribe("T", "*").await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (a, b) = (first.assignment(), second.assignment());
        let together: BTreeSet<_> = a.iter().chain(&b).collect();
        if (a.len(), b.len(), together.len()) == (3, 2, 5) || (a.len(), b.len(), together.len()) == (2, 3, 5) {
            break;
        }
        assert!(Instant::now() < deadline, "{a:?} {b:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.shutdown().await;
    second.shutdown().await;
    cluster.shutdown().await;
}

/// A broker that comes back: reading goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_restart() {
    let (mut cluster, producer) = cluster(1).await;
    let queue = MessageQueue::new("T", "broker-a", 0);
    send(&producer, &queue, 0..5).await;
    let member = consumer(&cluster, "G").auto_commit(false).start().await.unwrap();
    member.assign(std::slice::from_ref(&queue)).await.unwrap();
    take(&member, 5).await;
    cluster.stop_broker(0).await;
    cluster.start_broker(0).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while producer.send_to(Message::new("T", "5"), &queue).await.is_err() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(take(&member, 1).await, [5]);
    member.shutdown().await;
    cluster.shutdown().await;
}

/// A topic that does not exist and name servers that do not answer are told apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors() {
    let (cluster, _producer) = cluster(1).await;
    let member = consumer(&cluster, "G").start().await.unwrap();
    assert!(matches!(member.subscribe("Missing", "*").await, Err(Error::NoRoute { .. })));
    assert!(matches!(member.assign(&[]).await, Err(Error::Validation { .. })));
    member.shutdown().await;
    let lost = LitePullConsumer::builder("G").namesrv("127.0.0.1:1").start().await.unwrap();
    let error = lost.subscribe("T", "*").await.unwrap_err();
    assert!(matches!(error, Error::NoNameServer { .. }) && error.to_string().contains("127.0.0.1:1"), "{error}");
    lost.shutdown().await;
    cluster.shutdown().await;
}
