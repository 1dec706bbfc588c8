//! Pulling and long polling.
use super::rig::{bodies, number, pull, text, until, Peer, Pull, Rig, PATIENCE};
use ferromq_protocol::body::MessageModel;
use ferromq_protocol::code::request as code;
use ferromq_protocol::Codec;
use std::time::{Duration, Instant};

const SUSPEND: i32 = 2;

// Every answer carries the offsets a client needs to go on, in both codecs, and messages come as they are stored.
#[tokio::test]
async fn answers_carry_messages_and_offsets() {
    let rig = Rig::start().await;
    let mut client = rig.client().await;
    client.create_topic("t", 1).await;
    for body in ["a", "b", "c"] {
        client.send("t", 0, "x", body).await;
    }
    for codec in [Codec::Json, Codec::Binary] {
        client.codec = codec;
        let found = client.pull(Pull { max: 2, ..pull("g", "t", 0) }).await;
        assert_eq!((found.code, found.remark.as_deref()), (0, Some("FOUND")));
        assert_eq!(bodies(&found), ["a", "b"]);
        let offsets =
            ["nextBeginOffset", "minOffset", "maxOffset", "suggestWhichBrokerId", "topicSysFlag", "groupSysFlag"];
        assert_eq!(offsets.map(|name| number(&found, name)), [2, 0, 3, 0, 0, 0]);
        let end = client.pull(pull("g", "t", 3)).await;
        assert_eq!((end.code, end.remark.as_deref()), (19, Some("OFFSET_OVERFLOW_ONE")));
        let beyond = client.pull(pull("g", "t", 9)).await;
        assert_eq!((beyond.code, number(&beyond, "nextBeginOffset")), (21, 3));
        assert_eq!(client.pull(pull("g", "t", -1)).await.code, 21);
    }
    rig.stop().await;
}

// The checks come in the order of the reference: group before topic before queue, each with its code and text.
#[tokio::test]
async fn refusals() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    client.create_group("off", ",\"consumeEnable\":false").await;
    let bad_group = client.pull(pull("bad group", "none", 0)).await;
    assert_eq!(bad_group.code, 26);
    let off = client.pull(pull("off", "none", 0)).await;
    assert_eq!((off.code, off.ext.get("forbiddenType")), (16, Some("2")));
    let no_topic = client.pull(pull("g", "none", 0)).await;
    assert_eq!(no_topic.code, 17);
    assert!(no_topic.remark.unwrap().starts_with("topic[none] not exist, apply first please! \nSee "));
    let queue = client.pull(Pull { queue: 1, ..pull("g", "t", 0) }).await;
    assert_eq!(queue.code, 29);
    assert!(queue
        .remark
        .unwrap()
        .starts_with("queueId[1] is illegal, topic:[t] topicConfig.readQueueNums:[1] consumer:["));
    assert_eq!(client.pull(Pull { subscription: "||", ..pull("g", "t", 0) }).await.code, 23);
    assert_eq!(client.pull(Pull { flags: 0, ..pull("g", "t", 0) }).await.code, 24);
    client.beat("c", "g", "t", "*", MessageModel::Clustering).await;
    assert_eq!(client.pull(Pull { flags: 0, version: 101, ..pull("g", "t", 0) }).await.code, 25);
    assert_eq!(client.pull(Pull { flags: 0, version: 100, ..pull("g", "t", 0) }).await.code, 19);
    let fast = Peer::connect(&rig.broker.fast_addr().to_string());
    let refused = fast.pull(pull("g", "t", 0)).await;
    assert_eq!((refused.code, refused.remark.as_deref()), (3, Some(" request type 11 not supported")));
    rig.stop().await;
}

// Tags are filtered by what the pull says, or by what the group subscribed to.
#[tokio::test]
async fn tags() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    for tag in ["x", "y", "z"] {
        client.send("t", 0, tag, tag).await;
    }
    let some = client.pull(Pull { subscription: "x || z", ..pull("g", "t", 0) }).await;
    assert_eq!(bodies(&some), ["x", "z"]);
    let none = client.pull(Pull { subscription: "q", ..pull("g", "t", 0) }).await;
    assert_eq!((none.code, number(&none, "nextBeginOffset")), (20, 3));
    client.beat("c", "g", "t", "y", MessageModel::Clustering).await;
    let subscribed = client.pull(Pull { flags: 0, subscription: "x", ..pull("g", "t", 0) }).await;
    assert_eq!(bodies(&subscribed), ["y"]);
    rig.stop().await;
}

// A held pull is answered by the message it waits for, not by others, and does not keep its connection from other work.
#[tokio::test]
async fn a_held_pull_waits_for_its_message() {
    let rig = Rig::start().await;
    let (consumer, producer) = (rig.client().await, rig.client().await);
    producer.create_topic("t", 1).await;
    let held = Pull { flags: 4 | SUSPEND, hold_ms: 60_000, subscription: "x", ..pull("g", "t", 0) };
    let waiting = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.pull(held).await }
    });
    until(|| rig.broker.service().holds.len() == 1).await;
    producer.send("t", 0, "y", "other").await;
    assert_eq!(
        consumer.call(code::GET_MAX_OFFSET, &[("topic", "t"), ("queueId", "0")]).await.ext.get("offset"),
        Some("1")
    );
    assert_eq!(rig.broker.service().holds.len(), 1);
    producer.send("t", 0, "x", "mine").await;
    let answer = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!((answer.code, bodies(&answer)), (0, vec!["mine".to_owned()]));
    assert_eq!(number(&answer, "nextBeginOffset"), 2);
    assert!(rig.broker.service().holds.is_empty());
    rig.stop().await;
}

// Without the flag, beyond the end, or when there is something, nothing is held; a hold without a message ends in time.
#[tokio::test]
async fn holds_end() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    let held = Pull { flags: 4 | SUSPEND, hold_ms: 300, ..pull("g", "t", 0) };
    let before = Instant::now();
    let answer = client.pull(held).await;
    assert_eq!((answer.code, answer.remark.as_deref()), (19, Some("NO_MESSAGE_IN_QUEUE")));
    assert!(before.elapsed() >= Duration::from_millis(300) && before.elapsed() < Duration::from_secs(5));
    let long = Pull { hold_ms: 60_000, ..held };
    assert_eq!(client.pull(Pull { offset: 5, ..long }).await.code, 21);
    assert_eq!(client.pull(Pull { flags: 4, ..long }).await.code, 19);
    client.send("t", 0, "x", "a").await;
    assert_eq!(client.pull(long).await.code, 0);
    assert_eq!(client.pull(Pull { offset: 9, ..long }).await.code, 21);
    rig.stop().await;
}

// At the bound on held pulls the client is told to slow down; one that goes away leaves nothing behind.
#[tokio::test]
async fn holds_are_bounded() {
    let rig = Rig::start_with(&[("heldPullsMax", "1")]).await;
    let (first, second) = (rig.client().await, rig.client().await);
    first.create_topic("t", 1).await;
    let held = Pull { flags: 4 | SUSPEND, hold_ms: 60_000, ..pull("g", "t", 0) };
    let waiting = tokio::spawn({
        let first = first.clone();
        async move { first.pull(held).await }
    });
    until(|| rig.broker.service().holds.len() == 1).await;
    assert_eq!(second.pull(held).await.code, 2, "system busy");
    waiting.abort();
    first.close();
    second.send("t", 0, "x", "a").await;
    until(|| rig.broker.service().holds.is_empty()).await;
    assert_eq!(bodies(&second.pull(held).await), ["a"]);
    rig.stop().await;
}

// A header that cannot be read is an error of that request only; a one-way pull is never answered.
#[tokio::test]
async fn bad_headers() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    for fields in [&[("consumerGroup", "g"), ("topic", "t"), ("queueId", "x")][..], &[]] {
        assert_eq!(client.call(code::PULL_MESSAGE, fields).await.code, 1);
    }
    assert!(text(&client.call(code::GET_ALL_CONSUMER_OFFSET, &[]).await).contains("offsetTable"));
    rig.stop().await;
}
