//! Messages by key and by place, statistics of topics and groups.
use super::rig::{bodies, pull, text, Rig, PATIENCE};
use ferromq_protocol::body::{ConsumeStats, MessageQueue, TopicStatsTable};
use ferromq_protocol::code::request as code;
use ferromq_protocol::record;
use std::time::{Duration, Instant};

// A message is found by each word of its keys, and by the place that its id names.
#[tokio::test]
async fn messages_are_found_again() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    client.send("t", 0, "x", "a").await;
    let by_key = |key: &'static str| {
        let client = client.clone();
        async move {
            let times = [("beginTimestamp", "0"), ("endTimestamp", "9999999999999")];
            let fields = [("topic", "t"), ("key", key), ("maxNum", "10"), times[0], times[1]];
            client.call(code::QUERY_MESSAGE, &fields).await
        }
    };
    let deadline = Instant::now() + PATIENCE;
    let found = loop {
        let answer = by_key("key-a").await;
        if answer.code == 0 {
            break answer;
        }
        assert!(Instant::now() < deadline, "{:?}", answer.remark);
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(bodies(&found), ["a"]);
    client.send("t", 0, "x", "c").await;
    assert_eq!(bodies(&by_key("key-a").await), ["a"]);
    let missing = by_key("key-b").await;
    assert_eq!((missing.code, missing.ext.get("indexLastUpdatePhyoffset")), (22, Some("0")));
    let place = record::parse(&found.body, true).unwrap().physical_offset().to_string();
    assert_eq!(bodies(&client.call(code::VIEW_MESSAGE_BY_ID, &[("offset", &place)]).await), ["a"]);
    for nowhere in ["-1", "987654321", "3"] {
        let answer = client.call(code::VIEW_MESSAGE_BY_ID, &[("offset", nowhere)]).await;
        assert_eq!(answer.remark, Some(format!("can not find message by the offset, {nowhere}")));
    }
    rig.stop().await;
}

// Statistics show where queues end and how far a group came, committed and pulled.
#[tokio::test]
async fn statistics() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 2).await;
    client.create_group("g", "").await;
    client.send("t", 1, "x", "a").await;
    client.send("t", 0, "x", "b").await;
    client.send("t", 0, "x", "c").await;
    client.pull(pull("g", "t", 0)).await;
    client.commit("g", "t", 1).await;
    let topic = client.call(code::GET_TOPIC_STATS_INFO, &[("topic", "t")]).await;
    let table = TopicStatsTable::decode(&topic.body).unwrap().offset_table;
    assert_eq!(table.values().map(|at| at.max_offset).collect::<Vec<_>>(), [2, 1]);
    assert!(table.values().all(|at| at.last_update_timestamp > 0));
    assert_eq!(client.call(code::GET_TOPIC_STATS_INFO, &[("topic", "none")]).await.code, 17);
    let stats = client.call(code::GET_CONSUME_STATS, &[("consumerGroup", "g"), ("topic", "t")]).await;
    let stats = ConsumeStats::decode(&stats.body).unwrap();
    let queue = stats.offset_table[&MessageQueue::new("t", "broker-t", 0)];
    assert_eq!((queue.broker_offset, queue.consumer_offset, queue.pull_offset), (2, 1, 2));
    assert!(stats.consume_tps > 0.0 && queue.last_timestamp > 0);
    let groups = client.call(code::QUERY_TOPIC_CONSUME_BY_WHO, &[("topic", "t")]).await;
    assert_eq!(text(&groups), r#"{"groupList":["g"]}"#);
    rig.stop().await;
}
