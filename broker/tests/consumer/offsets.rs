//! Committed offsets, offsets of queues, resets.
use super::rig::{number, pull, text, Pull, Rig};
use ferromq_protocol::body::MessageModel;
use ferromq_protocol::code::request as code;

// A new group on a young topic starts at the beginning, on an empty queue as well; a missing topic has no beginning.
#[tokio::test]
async fn where_a_new_group_starts() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    assert_eq!(client.offset("g", "t", 0).await, Ok(0));
    client.send("t", 0, "x", "a").await;
    assert_eq!(client.offset("g", "t", 0).await, Ok(0));
    assert_eq!(client.offset("g", "none", 0).await, Err(22));
    assert_eq!(client.offset("g", "t", -1).await, Err(22));
    let fields = [("consumerGroup", "g"), ("topic", "t"), ("queueId", "0"), ("setZeroIfNotFound", "false")];
    let answer = client.call(code::QUERY_CONSUMER_OFFSET, &fields).await;
    assert_eq!(answer.remark.as_deref(), Some("Not found, do not set to zero, maybe this group boot first"));
    rig.stop().await;
}

// Commits need a known group and topic and may go backwards; a pull commits only in its first pass and when it is served.
#[tokio::test]
async fn commits() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    assert_eq!(client.commit("g", "t", 1).await.code, 26);
    client.create_group("g", "").await;
    let unknown = client.commit("g", "none", 1).await;
    assert_eq!((unknown.code, unknown.remark.as_deref()), (17, Some("Topic none not exist!")));
    assert_eq!(client.commit("g", "t", 7).await.code, 0);
    assert_eq!(client.commit("g", "t", 3).await.code, 0);
    assert_eq!(client.offset("g", "t", 0).await, Ok(3));
    client.pull(Pull { flags: 5, commit: 5, ..pull("g", "t", 0) }).await;
    client.pull(Pull { flags: 4, commit: 9, ..pull("g", "t", 0) }).await;
    assert_eq!(client.offset("g", "t", 0).await, Ok(5));
    assert!(text(&client.call(code::GET_ALL_CONSUMER_OFFSET, &[]).await).contains("\"t@g\":{\"0\":5}"));
    let incomplete = [("consumerGroup", "g"), ("topic", "t"), ("queueId", "0")];
    let answer = client.call(code::UPDATE_CONSUMER_OFFSET, &incomplete).await;
    assert_eq!((answer.code, answer.remark.as_deref()), (29, Some("Offset is null, topic is t")));
    rig.stop().await;
}

// Queues say where they start, end, and what was stored when; what does not exist starts and ends at 0.
#[tokio::test]
async fn offsets_of_queues() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    client.send("t", 0, "x", "a").await;
    client.send("t", 0, "x", "b").await;
    let queue = [("topic", "t"), ("queueId", "0")];
    assert_eq!(number(&client.call(code::GET_MAX_OFFSET, &queue).await, "offset"), 2);
    assert_eq!(number(&client.call(code::GET_MIN_OFFSET, &queue).await, "offset"), 0);
    assert_eq!(number(&client.call(code::GET_MAX_OFFSET, &[("topic", "none"), ("queueId", "3")]).await, "offset"), 0);
    let earliest = number(&client.call(code::GET_EARLIEST_MSG_STORETIME, &queue).await, "timestamp");
    assert!(earliest > 1_600_000_000_000);
    let search = |timestamp: &'static str, boundary: &'static str| {
        let client = client.clone();
        async move {
            let fields = [("topic", "t"), ("queueId", "0"), ("timestamp", timestamp), ("boundaryType", boundary)];
            number(&client.call(code::SEARCH_OFFSET_BY_TIMESTAMP, &fields).await, "offset")
        }
    };
    assert_eq!((search("0", "LOWER").await, search("4000000000000", "lower").await), (0, 2));
    assert_eq!((search("0", "UPPER").await, search("4000000000000", "UPPER").await), (0, 1));
    rig.stop().await;
}

// A reset counts at once, sends the next pull to its offset, and makes late commits of the old place harmless.
#[tokio::test]
async fn resets() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    client.create_group("g", "").await;
    for body in ["a", "b", "c"] {
        client.send("t", 0, "x", body).await;
    }
    client.commit("g", "t", 3).await;
    let reset = [("topic", "t"), ("group", "g"), ("timestamp", "0"), ("isForce", "true")];
    let answer = client.call(code::INVOKE_BROKER_TO_RESET_OFFSET, &reset).await;
    assert_eq!(text(&answer), r#"{"offsetTable":{{"brokerName":"broker-t","queueId":0,"topic":"t"}:0}}"#);
    let late = client.commit("g", "t", 3).await;
    assert_eq!((late.code, late.remark.as_deref()), (0, Some("Offset has been previously reset")));
    assert_eq!(client.offset("g", "t", 0).await, Ok(0));
    let moved = client.pull(Pull { flags: 5, commit: 3, ..pull("g", "t", 3) }).await;
    assert_eq!((moved.code, moved.remark.as_deref(), number(&moved, "nextBeginOffset")), (21, Some("OFFSET_RESET"), 0));
    assert_eq!(client.offset("g", "t", 0).await, Ok(0));
    assert_eq!(client.commit("g", "t", 2).await.remark, None);
    assert_eq!(client.offset("g", "t", 0).await, Ok(2));
    let outside =
        [("topic", "t"), ("group", "g"), ("timestamp", "-1"), ("isForce", "true"), ("queueId", "0"), ("offset", "9")];
    let answer = client.call(code::INVOKE_BROKER_TO_RESET_OFFSET, &outside).await;
    assert_eq!(answer.remark.as_deref(), Some("Target offset 9 not in consume queue range [0-3]"));
    rig.stop().await;
}

// As brokers of 4.x reset: the group has to be there, every client is told where to go, and nothing moves until it commits.
#[tokio::test]
async fn resets_by_clients() {
    let rig = Rig::start_with(&[("useServerSideResetOffset", "false")]).await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    for body in ["a", "b", "c"] {
        client.send("t", 0, "x", body).await;
    }
    let reset = |force: &'static str| {
        let client = client.clone();
        async move {
            let fields = [("topic", "t"), ("group", "g"), ("timestamp", "-1"), ("isForce", force)];
            client.call(code::INVOKE_BROKER_TO_RESET_OFFSET, &fields).await
        }
    };
    let unknown = reset("true").await;
    assert_eq!((unknown.code, unknown.remark.as_deref()), (1, Some("THe consumer group <g> not exist")));
    client.create_group("g", "").await;
    client.commit("g", "t", 1).await;
    assert_eq!(reset("true").await.code, 206, "nobody is online");
    client.beat("c", "g", "t", "*", MessageModel::Clustering).await;
    client.drain().await;
    for (force, offset) in [("false", 1), ("true", 3)] {
        let answer = reset(force).await;
        let wanted = format!(r#"{{"offsetTable":{{{{"brokerName":"broker-t","queueId":0,"topic":"t"}}:{offset}}}}}"#);
        assert_eq!((answer.code, text(&answer)), (0, wanted.clone()));
        let (_, told) = client.asked().await;
        assert_eq!((told.code, text(&told)), (code::RESET_CONSUMER_CLIENT_OFFSET, wanted));
        assert!(told.is_oneway() && told.ext.get("group") == Some("g") && told.ext.get("isForce") == Some(force));
    }
    assert_eq!(client.offset("g", "t", 0).await, Ok(1), "until the client commits");
    rig.stop().await;
}
