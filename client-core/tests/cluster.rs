//! The producer and the admin client against a real broker and name server in this process.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
use ferromq::{Admin, Boundary, Codec, Compression, ErrorKind, Message, MessageQueue, Producer, SendStatus};
use ferromq_testing::Cluster;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

async fn start(cluster: &Cluster) -> (Producer, Admin) {
    let producer = Producer::builder("PG").namesrv(cluster.namesrv_addr()).start().await.unwrap();
    (producer, Admin::builder().namesrv(cluster.namesrv_addr()).start().await.unwrap())
}

async fn total(admin: &Admin, topic: &str) -> i64 {
    admin.topic_stats(topic).await.unwrap().offset_table.values().map(|at| at.max_offset).sum()
}

/// Every way of sending stores what it says, in both header codecs, and the message comes back as it was.
#[tokio::test]
async fn every_way_of_sending() {
    let cluster = Cluster::start().await.unwrap();
    let (_, admin) = start(&cluster).await;
    admin.create_topic("T", 4).await.unwrap();
    for codec in [Codec::Json, Codec::Binary] {
        let producer = Producer::builder("PG").namesrv(cluster.namesrv_addr()).header_codec(codec);
        let producer = producer.start().await.unwrap();
        let before = total(&admin, "T").await;
        let message = || Message::new("T", "hello").with_tag("a").with_keys(["k1", "k2"]);
        let sent = producer.send(message().with_property("p", "v").unwrap().with_flag(9)).await.unwrap();
        assert_eq!(sent.status, SendStatus::SendOk);
        let found = admin.view_message("T", &sent.offset_message_id).await.unwrap().unwrap();
        assert_eq!((&found.body()[..], found.tag(), found.keys()), (&b"hello"[..], Some("a"), Some("k1 k2")));
        assert_eq!((found.property("p"), found.flag(), &*found.message_id()), (Some("v"), 9, &*sent.message_id));
        assert_eq!((found.queue(), found.queue_offset()), (sent.queue.clone(), sent.queue_offset));

        let queue = MessageQueue::new("T", "broker-a", 2);
        let end = admin.max_offset(&queue).await.unwrap();
        let given = producer.send_to(message(), &queue).await.unwrap();
        assert_eq!((&given.queue, given.queue_offset), (&queue, end));
        let chosen = producer.send_selected(message(), |queues, _| queues.len() - 1).await.unwrap();
        assert_eq!(chosen.queue.queue_id, 3);
        let sharded = producer.send_sharded(message(), "polygenelubricants").await.unwrap();
        assert_eq!(sharded.queue.queue_id as usize, ferromq::hash_index("polygenelubricants", 4));
        let batch = producer.send_batch_to(vec![message(), message(), message()], &queue).await.unwrap();
        assert_eq!((batch.queue_offset, batch.message_id.split(',').count()), (end + 1, 3));
        assert_eq!(batch.offset_message_id.split(',').count(), 3);
        assert_eq!(producer.send_batch(vec![message()]).await.unwrap().status, SendStatus::SendOk);
        producer.send_oneway(message()).await.unwrap();
        let wanted = before + 9;
        while total(&admin, "T").await != wanted {
            assert!(total(&admin, "T").await < wanted);
            tokio::task::yield_now().await;
        }
        producer.shutdown().await;
    }
    admin.shutdown().await;
    cluster.shutdown().await;
}

/// Bodies of every compression come back as they were sent, binary zeros included.
#[tokio::test]
async fn compressed_bodies() {
    let cluster = Cluster::start().await.unwrap();
    let admin = Admin::builder().namesrv(cluster.namesrv_addr()).start().await.unwrap();
    admin.create_topic("T", 1).await.unwrap();
    let body: Vec<u8> = (0..300_000u32).map(|i| (i / 1000) as u8).collect();
    for compression in [Compression::Zlib, Compression::Lz4, Compression::Zstd] {
        let producer = Producer::builder("PG").namesrv(cluster.namesrv_addr()).compression(compression);
        let producer = producer.start().await.unwrap();
        let sent = producer.send(Message::new("T", body.clone())).await.unwrap();
        let found = admin.view_message("T", &sent.offset_message_id).await.unwrap().unwrap();
        assert_eq!(found.body(), &body);
        assert!(found.stored_bytes() < 20_000, "{compression:?}: {}", found.stored_bytes());
        producer.shutdown().await;
    }
    cluster.shutdown().await;
}

/// Topics that do not exist are created by the first send; queues are used evenly over two brokers.
#[tokio::test]
async fn round_robin_over_brokers() {
    let cluster = Cluster::builder().brokers(2).start().await.unwrap();
    let (producer, admin) = start(&cluster).await;
    admin.create_topic("T", 2).await.unwrap();
    let mut used: BTreeMap<MessageQueue, usize> = BTreeMap::new();
    for _ in 0..40 {
        *used.entry(producer.send(Message::new("T", "x")).await.unwrap().queue).or_default() += 1;
    }
    assert_eq!(used.values().copied().collect::<Vec<_>>(), [10, 10, 10, 10]);
    let created = producer.send(Message::new("Created", "x")).await.unwrap();
    assert_eq!(admin.max_offset(&created.queue).await.unwrap(), 1);
    cluster.shutdown().await;
}

/// Ids of messages sent at once by many tasks differ, and so do their places.
#[tokio::test]
async fn many_at_once() {
    let cluster = Cluster::start().await.unwrap();
    let (producer, admin) = start(&cluster).await;
    admin.create_topic("T", 8).await.unwrap();
    let sends: Vec<_> = (0..2000)
        .map(|i| {
            let producer = producer.clone();
            tokio::spawn(async move { producer.send(Message::new("T", format!("{i}"))).await.unwrap() })
        })
        .collect();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for send in sends {
        let sent = send.await.unwrap();
        ids.insert(sent.message_id);
        places.insert((sent.queue, sent.queue_offset));
    }
    assert_eq!((ids.len(), places.len()), (2000, 2000));
    assert_eq!(total(&admin, "T").await, 2000);
    cluster.shutdown().await;
}

/// A restarted broker and a lost name server stop nobody who has a route.
#[tokio::test]
async fn restarts_and_lost_name_servers() {
    let mut cluster = Cluster::start().await.unwrap();
    let (producer, admin) = start(&cluster).await;
    admin.create_topic("T", 2).await.unwrap();
    producer.send(Message::new("T", "x")).await.unwrap();
    cluster.stop_name_server().await;
    producer.send(Message::new("T", "x")).await.unwrap();
    let error = producer.send(Message::new("Other", "x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoNameServer);
    assert!(error.to_string().contains(&cluster.namesrv_addr()), "{error}");
    cluster.start_name_server().await.unwrap();

    cluster.stop_broker(0).await;
    let sender = producer.clone();
    let send = tokio::spawn(async move { sender.send_within(Message::new("T", "x"), Duration::from_secs(10)).await });
    cluster.start_broker(0).await.unwrap();
    send.await.unwrap().unwrap();

    cluster.kill_broker(0);
    cluster.start_broker(0).await.unwrap();
    producer.send_within(Message::new("T", "x"), Duration::from_secs(10)).await.unwrap();
    cluster.shutdown().await;
}

/// The admin client creates, lists, asks about and deletes topics.
#[tokio::test]
async fn administration() {
    let cluster = Cluster::builder().brokers(2).start().await.unwrap();
    let (producer, admin) = start(&cluster).await;
    admin.create_topic("T", 3).await.unwrap();
    assert!(admin.topic_list().await.unwrap().contains(&"T".to_owned()));
    assert_eq!(admin.topic_route("T").await.unwrap().queue_datas.len(), 2);
    let sent = producer.send(Message::new("T", "x").with_key("needle")).await.unwrap();
    let queue = &sent.queue;
    assert_eq!((admin.min_offset(queue).await.unwrap(), admin.max_offset(queue).await.unwrap()), (0, 1));
    let stored = admin.earliest_store_time(queue).await.unwrap();
    assert!(stored > 0);
    assert_eq!(admin.search_offset(queue, stored, Boundary::Lower).await.unwrap(), 0);
    assert_eq!(admin.search_offset(queue, stored + 1, Boundary::Lower).await.unwrap(), 1);
    let found = loop {
        // The index is built by a thread of its own.
        let found = admin.query_by_key("T", "needle", 10, 0, i64::MAX).await.unwrap();
        if !found.is_empty() {
            break found;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((found.len(), &*found[0].message_id()), (1, &*sent.message_id));
    assert!(admin.view_message("T", &sent.message_id).await.unwrap().is_some());
    let error = admin.create_topic("TBW102", 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    admin.delete_topic("T").await.unwrap();
    assert_eq!(admin.topic_route("T").await.unwrap_err().kind(), ErrorKind::NoRoute);
    cluster.shutdown().await;
}

/// What the broker refuses is told with its code: here a body larger than it takes.
#[tokio::test]
async fn a_body_too_large_for_the_broker() {
    let cluster = Cluster::builder().property("maxMessageSize", "1000").start().await.unwrap();
    let (producer, admin) = start(&cluster).await;
    admin.create_topic("T", 1).await.unwrap();
    let error = producer.send(Message::new("T", vec![b'x'; 2000])).await.unwrap_err();
    assert_eq!((error.code(), error.kind(), error.retriable()), (13, ErrorKind::Broker, false));
    assert_eq!(error.address(), Some(&*cluster.broker_addr(0)));
    cluster.shutdown().await;
}
