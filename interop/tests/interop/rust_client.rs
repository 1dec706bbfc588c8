//! Our client, with both header codecs, against Apache's name server and broker of both releases.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{assert_gapless, assert_in_order, keys, Collected};
use ferromq::{Admin, Codec, ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, LitePullConsumer};
use ferromq::{Message, MessageModel, Producer, PushConsumer};
use ferromq_interop::Release;
use std::collections::BTreeSet;
use std::time::Duration;

const MODES: [&str; 5] = ["sync", "async", "oneway", "sharded", "batch"];
const COUNT: usize = 60;
const TOPIC: &str = "RustAtApache";

fn message(mode: &str, n: usize) -> Message {
    let mut body = format!("body of {mode}-{n}").into_bytes();
    // Binary, and every third one large enough to be compressed.
    body.extend([0, 255, 1].iter().cycle().take(if n.is_multiple_of(3) { 6000 } else { 9 }));
    let tag = ["TagA", "TagB", "TagC"][n % 3];
    Message::new(TOPIC, body).with_tag(tag).with_key(format!("{mode}-{n}")).with_property("n", n.to_string()).unwrap()
}

fn expected(tags: &[usize]) -> BTreeSet<String> {
    let numbers = (0..COUNT).filter(|n| tags.contains(&(n % 3)));
    numbers.flat_map(|n| MODES.map(|mode| format!("{mode}-{n}"))).collect()
}

async fn produce_all(namesrv: &str, codec: Codec) {
    let producer = Producer::builder("PG_rust").namesrv(namesrv).header_codec(codec).start().await.unwrap();
    for n in 0..COUNT {
        producer.send(message("sync", n)).await.unwrap();
    }
    let sends: Vec<_> = (0..COUNT)
        .map(|n| {
            let producer = producer.clone();
            tokio::spawn(async move { producer.send(message("async", n)).await })
        })
        .collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    for n in 0..COUNT {
        producer.send_oneway(message("oneway", n)).await.unwrap();
    }
    for n in 0..COUNT {
        producer.send_sharded(message("sharded", n), &format!("order-{}", n % 7)).await.unwrap();
    }
    for n in (0..COUNT).step_by(10) {
        let batch = (n..n + 10).map(|k| message("batch", k)).collect();
        producer.send_batch(batch).await.unwrap();
    }
    producer.shutdown().await;
}

/// What a push consumer of a test does.
#[derive(Clone, Copy)]
struct Push<'a> {
    group: &'a str,
    tags: &'a str,
    model: MessageModel,
    orderly: bool,
    /// Every message is refused once.
    fail: bool,
    /// Distinct messages to wait for.
    count: usize,
}

/// Consumes with a push consumer until all wanted messages are there.
async fn push(namesrv: &str, codec: Codec, wanted: Push<'_>) -> Collected {
    let Push { group, tags, model, orderly, fail, count } = wanted;
    let collected = Collected::new(fail);
    // Used in broadcasting only; its own folder, since such a client's id is the same in every test.
    let offsets = tempfile::tempdir().unwrap();
    let builder = PushConsumer::builder(group)
        .namesrv(namesrv)
        .header_codec(codec)
        .consume_from(ConsumeFrom::First)
        .message_model(model)
        .local_offset_dir(offsets.path())
        .subscribe(TOPIC, tags);
    let books = collected.clone();
    let consumer = if orderly {
        builder.orderly(move |messages, context| {
            context.set_suspend(Duration::from_millis(20));
            if messages.iter().all(|m| books.take(m)) {
                ConsumeOrderlyStatus::Success
            } else {
                ConsumeOrderlyStatus::SuspendCurrentQueueAMoment
            }
        })
    } else {
        builder.concurrent(move |messages, context| {
            context.set_delay_level(1);
            if messages.iter().all(|m| books.take(m)) {
                ConsumeConcurrentlyStatus::Success
            } else {
                ConsumeConcurrentlyStatus::ReconsumeLater
            }
        })
    };
    let consumer = consumer.start().await.unwrap();
    collected.wait_for(count).await;
    consumer.shutdown().await;
    collected
}

async fn lite_pull(namesrv: &str, codec: Codec, assign: bool, count: usize) -> Collected {
    let collected = Collected::new(false);
    let consumer = LitePullConsumer::builder(if assign { "G_assign" } else { "G_litepull" })
        .namesrv(namesrv)
        .header_codec(codec)
        .consume_from(ConsumeFrom::First)
        .start()
        .await
        .unwrap();
    if assign {
        let queues = consumer.fetch_queues(TOPIC).await.unwrap();
        consumer.assign(&queues).await.unwrap();
        for queue in &queues {
            consumer.seek_to_begin(queue).await.unwrap();
        }
    } else {
        consumer.subscribe(TOPIC, "*").await.unwrap();
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while collected.count() < count && tokio::time::Instant::now() < deadline {
        for message in consumer.poll(Duration::from_millis(500)).await.unwrap() {
            assert!(collected.take(&message));
        }
    }
    consumer.commit().await.unwrap();
    let committed: i64 = {
        let mut sum = 0;
        for queue in consumer.assignment() {
            sum += consumer.committed(&queue).await.unwrap().unwrap_or(0);
        }
        sum
    };
    assert_eq!(committed as usize, count, "what was polled is committed");
    consumer.shutdown().await;
    collected
}

/// Every producer and consumer mode of our client against this release with this codec.
async fn all_modes(release: Release, codec: Codec) {
    let folder = tempfile::tempdir().unwrap();
    let (ns, broker) = crate::support::apache_pair(release, folder.path()).await;
    let namesrv = ns.address.as_str();
    let admin = Admin::builder().namesrv(namesrv).start().await.unwrap();
    crate::support::until_ok(|| admin.create_topic(TOPIC, 4)).await;
    produce_all(namesrv, codec).await;

    let total = MODES.len() * COUNT;
    let plain = Push {
        group: "G_concurrent",
        tags: "*",
        model: MessageModel::Clustering,
        orderly: false,
        fail: false,
        count: total,
    };
    let consume = |wanted| push(namesrv, codec, wanted);
    let all = consume(plain).await.events();
    assert_eq!(keys(&all), expected(&[0, 1, 2]));
    assert_gapless(&all);
    let orderly = consume(Push { group: "G_orderly", orderly: true, ..plain }).await.events();
    assert_eq!(keys(&orderly), expected(&[0, 1, 2]));
    assert_in_order(&orderly);
    let tagged = consume(Push { group: "G_tags", tags: "TagA || TagC", count: total * 2 / 3, ..plain }).await.events();
    assert_eq!(keys(&tagged), expected(&[0, 2]));
    let broadcast = consume(Push { group: "G_broadcast", model: MessageModel::Broadcasting, ..plain }).await;
    assert_eq!(keys(&broadcast.events()), expected(&[0, 1, 2]));
    let retried = consume(Push { group: "G_retry", fail: true, ..plain }).await.events();
    assert_eq!(keys(&retried), expected(&[0, 1, 2]));
    assert!(retried.iter().all(|e| e.reconsumed == 1), "every message came back through the retry topic");
    let suspended = consume(Push { group: "G_suspend", orderly: true, fail: true, ..plain }).await.events();
    assert_eq!(keys(&suspended), expected(&[0, 1, 2]));
    assert_in_order(&suspended);
    for assign in [false, true] {
        assert_eq!(keys(&lite_pull(namesrv, codec, assign, total).await.events()), expected(&[0, 1, 2]));
    }
    admin.shutdown().await;
    broker.kill();
    ns.kill();
}

cases! {
    all_modes:
    rust_540_json (Release::V5_4_0, Codec::Json) Gate,
    rust_540_binary (Release::V5_4_0, Codec::Binary) Gate,
    rust_497_json (Release::V4_9_7, Codec::Json) Gate,
    rust_497_binary (Release::V4_9_7, Codec::Binary) Full,
}
