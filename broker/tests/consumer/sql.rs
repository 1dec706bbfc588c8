//! Consumers that filter with SQL92: on pulls, on held pulls, with kept filter data, and when they may not.
use super::rig::{bodies, number, pull, text, until, Peer, Pull, Rig, PATIENCE};
use ferromq_protocol::body::{CheckClientConfigBody, MessageModel, SubscriptionData, EXPRESSION_SQL92};
use ferromq_protocol::code::request as code;
use ferromq_protocol::{Codec, Command};

const SUSPEND: i32 = 2;
const SQL_ON: &[(&str, &str)] = &[("enablePropertyFilter", "true")];

fn sql<'a>(group: &'a str, subscription: &'a str) -> Pull<'a> {
    Pull { subscription, kind: EXPRESSION_SQL92, ..pull(group, "t", 0) }
}

fn subscription(expression: &str, sub_version: i64) -> SubscriptionData {
    SubscriptionData {
        topic: "t".into(),
        sub_string: expression.into(),
        expression_type: EXPRESSION_SQL92.into(),
        sub_version,
        ..SubscriptionData::default()
    }
}

async fn beat(client: &Peer, expression: &str, version: i64) {
    let answer = client.beat_with("c", "g", subscription(expression, version), MessageModel::Clustering).await;
    assert_eq!(answer.code, 0);
}

/// Messages `0`, `1`, ... with the property n.
async fn send_numbers(client: &Peer, count: usize) {
    for n in 0..count {
        client.send_with("t", 0, &format!("n\x01{n}\x02"), &n.to_string()).await;
    }
}

async fn check(client: &Peer, data: SubscriptionData) -> Command {
    let body = CheckClientConfigBody {
        client_id: "c".into(),
        group: "g".into(),
        subscription_data: Some(data),
        ..CheckClientConfigBody::default()
    };
    client.call_body(code::CHECK_CLIENT_CONFIG, body.encode()).await
}

// A pull gets what its own expression, or its group's, is true for; the offset goes on behind what was looked at.
#[tokio::test]
async fn pulls_are_filtered() {
    let rig = Rig::start_with(SQL_ON).await;
    let mut client = rig.client().await;
    client.create_topic("t", 1).await;
    send_numbers(&client, 8).await;
    for codec in [Codec::Json, Codec::Binary] {
        client.codec = codec;
        let some = client.pull(sql("g", "n > 1 AND n NOT BETWEEN 3 AND 5")).await;
        assert_eq!((bodies(&some), number(&some, "nextBeginOffset")), (vec!["2".into(), "6".into(), "7".into()], 8));
        let first = client.pull(Pull { max: 1, ..sql("g", "n >= 3") }).await;
        assert_eq!((bodies(&first), number(&first, "nextBeginOffset")), (vec!["3".into()], 4));
        let none = client.pull(sql("g", "n > 100")).await;
        assert_eq!((none.code, number(&none, "nextBeginOffset")), (20, 8));
    }
    beat(&client, "n = 5", 100).await;
    let subscribed = client.pull(Pull { flags: 0, version: 100, ..sql("g", "n = 1") }).await;
    assert_eq!(bodies(&subscribed), ["5"], "what the group subscribed to counts");
    let unit = [("topic", "t"), ("queueId", "0"), ("index", "0"), ("count", "1"), ("consumerGroup", "g")];
    let seen = text(&client.call(code::QUERY_CONSUME_QUEUE, &unit).await);
    assert!(seen.contains("n = 5") && seen.contains("bitNum"), "{seen}");
    rig.stop().await;
}

// What is wrong with an expression or its version is told with the codes of the reference, and repaired by a heartbeat.
#[tokio::test]
async fn refusals() {
    let rig = Rig::start_with(SQL_ON).await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    send_numbers(&client, 3).await;
    let subscribed = |version| Pull { flags: 0, version, ..sql("g", "") };
    beat(&client, "n >", 100).await;
    let wrong = client.pull(subscribed(100)).await;
    let remark = "The broker's consumer filter data is not exist!Your expression may be wrong!";
    assert_eq!((wrong.code, wrong.remark.as_deref()), (27, Some(remark)));
    beat(&client, "n > 1", 101).await;
    assert_eq!(bodies(&client.pull(subscribed(101)).await), ["2"]);
    assert_eq!(client.pull(subscribed(102)).await.code, 25);
    assert_eq!(client.pull(sql("g", "")).await.code, 23);
    assert_eq!(bodies(&client.pull(sql("g", "n >")).await).len(), 3, "as with the reference, it lets everything pass");
    let bad = check(&client, subscription("n >", 1)).await;
    assert_eq!((bad.code, bad.remark.unwrap().contains("position 4")), (23, true));
    let unknown = check(&client, SubscriptionData { expression_type: "XPATH".into(), ..subscription("n", 1) }).await;
    assert_eq!(unknown.code, 23);
    assert_eq!(check(&client, subscription("n > 1", 1)).await.code, 0);
    rig.stop().await;
}

// Unless the operator allows it, nothing is filtered by expression: clients are told at their start and at each pull.
#[tokio::test]
async fn off_by_default() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    let refused = (1, Some("The broker does not support consumer to filter message by SQL92".to_owned()));
    let pulled = client.pull(sql("g", "n > 1")).await;
    assert_eq!((pulled.code, pulled.remark), refused);
    let checked = check(&client, subscription("n > 1", 1)).await;
    assert_eq!((checked.code, checked.remark), refused);
    beat(&client, "n > 1", 100).await;
    assert_eq!(client.pull(Pull { flags: 0, ..sql("g", "") }).await.code, 1);
    assert_eq!(check(&client, SubscriptionData::parse_tag("t", "a").unwrap()).await.code, 0);
    rig.stop().await;
}

// A held pull goes on waiting when messages come that its expression does not want, and is answered by the first it wants.
#[tokio::test]
async fn a_held_pull_waits_for_its_message() {
    let rig = Rig::start_with(SQL_ON).await;
    let (consumer, producer) = (rig.client().await, rig.client().await);
    producer.create_topic("t", 1).await;
    let held = Pull { flags: 4 | SUSPEND, hold_ms: 60_000, ..sql("g", "n = 40") };
    let waiting = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.pull(held).await }
    });
    until(|| rig.broker.service().holds.len() == 1).await;
    send_numbers(&producer, 40).await;
    // It is looked at off the path of the sends, and held again behind what it did not want.
    until(|| rig.broker.service().holds.len() == 1).await;
    assert!(!waiting.is_finished());
    producer.send_with("t", 0, "n\x0140\x02", "mine").await;
    let answer = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!((answer.code, bodies(&answer), number(&answer, "nextBeginOffset")), (0, vec!["mine".into()], 41));
    let short = Pull { offset: 41, hold_ms: 300, ..held };
    let waiting = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.pull(short).await }
    });
    until(|| rig.broker.service().holds.len() == 1).await;
    producer.send_with("t", 0, "n\x011\x02", "other").await;
    let answer = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(number(&answer, "nextBeginOffset"), 42, "its time is over, and what it did not want is behind it");
    assert!(matches!(answer.code, 19 | 20) && rig.broker.service().holds.is_empty());
    rig.stop().await;
}

// Filter data outlives its consumers and the broker: dead on disk, alive with the same version after the next heartbeat.
#[tokio::test]
async fn filter_data_is_kept() {
    let rig = Rig::start_with(SQL_ON).await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    send_numbers(&client, 3).await;
    beat(&client, "n = 1", 100).await;
    client.call(code::UNREGISTER_CLIENT, &[("clientID", "c"), ("consumerGroup", "g")]).await;
    let rig = rig.restart().await;
    let file = rig.config_file("consumerFilter.json");
    assert!(file.contains("\"dead\":true") && file.contains("\"expression\":\"n = 1\""), "{file}");
    assert_eq!(rig.broker.service().filters.get("g", "t").unwrap().client_version, 100);
    let client = rig.client().await;
    beat(&client, "n = 1", 100).await;
    assert_eq!(bodies(&client.pull(Pull { flags: 0, version: 100, ..sql("g", "") }).await), ["1"]);
    let rig = rig.restart().await;
    let file = rig.config_file("consumerFilter.json");
    assert!(file.contains("\"clientVersion\":100") && rig.config_file("consumerFilter.json.bak") != file, "{file}");
    rig.stop().await;
}

// With filterSupportRetry a retry topic is filtered by the expression for the topic that a message came from.
#[tokio::test]
async fn retry_topics() {
    let rig = Rig::start_with(&[SQL_ON[0], ("filterSupportRetry", "true")]).await;
    let client = rig.client().await;
    client.create_topic("t", 1).await;
    beat(&client, "n = 1", 100).await;
    for (origin, n) in [("t", 1), ("t", 2), ("u", 2)] {
        let properties = format!("RETRY_TOPIC\x01{origin}\x02n\x01{n}\x02");
        client.send_with("%RETRY%g", 0, &properties, &format!("{origin}{n}")).await;
    }
    assert_eq!(bodies(&client.pull(pull("g", "%RETRY%g", 0)).await), ["t1", "u2"]);
    rig.stop().await;
}
