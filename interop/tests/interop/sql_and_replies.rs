//! What a broker does with a message's properties for the official Java clients of both releases, with both header codecs:
//! SQL92 filters, and requests with replies.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{events, keys, step};
use ferromq_interop::{HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;

const COUNT: usize = 60;
const REQUESTS: &str = "10";

/// Keys of the messages whose number `is_wanted`; number `n` has the property `n` and one of three tags in turn.
fn expected(is_wanted: fn(usize) -> bool) -> BTreeSet<String> {
    (0..COUNT).filter(|n| is_wanted(*n)).map(|n| format!("sync-{n}")).collect()
}

/// A condition, how it is consumed, and which numbers fulfil it.
type Consumer = (&'static str, &'static str, fn(usize) -> bool);

const CONSUMERS: [Consumer; 4] = [
    ("concurrent", "sql:n BETWEEN 10 AND 39 AND TAGS IN ('TagA', 'TagB')", |n| (10..=39).contains(&n) && n % 3 < 2),
    ("orderly", "sql:NOT (TAGS = 'TagC' OR n < 30) -- the rest\n", |n| n % 3 < 2 && n >= 30),
    ("broadcast", "sql:missing IS NULL AND n STARTSWITH '1'", |n| n.to_string().starts_with('1')),
    ("litepull", "sql:n >= 50.5", |n| n >= 51),
];

/// Messages that come while consumers wait, and messages that are there before.
fn filters(options: PeerOptions, namesrv: &str, topic: &str) {
    let consume = |(mode, condition, is_wanted): &Consumer, group: &str| {
        let count = expected(*is_wanted).len().to_string();
        step(&["consume", namesrv, topic, group, mode, condition, &count])
    };
    let waiting = consume(&CONSUMERS[0], "G_waiting");
    let mut waiting = Java::peer(options, &waiting.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    waiting.wait_for("READY").unwrap();
    let mut steps = vec![step(&["produce", namesrv, topic, "sync", &COUNT.to_string()])];
    steps.extend(CONSUMERS.iter().map(|consumer| consume(consumer, &format!("G_{}", consumer.0))));
    let lines = Java::steps(options, &steps).unwrap();
    for (consumer, lines) in CONSUMERS.iter().zip(&lines[1..]) {
        let got = events(lines, "GOT");
        let wanted = expected(consumer.2);
        assert_eq!((keys(&got), got.len()), (wanted.clone(), wanted.len()), "{consumer:?}");
    }
    let lines = waiting.finish().unwrap();
    assert_eq!(keys(&events(&lines, "GOT")), expected(CONSUMERS[0].2), "the one that waited");
    // A push consumer asks the broker at its start whether its condition is one.
    let wrong = step(&["consume", namesrv, topic, "G_wrong", "concurrent", "sql:n >", "1"]);
    let said = Java::steps(options, &[wrong]).unwrap_err();
    assert!(said.contains("CODE: 23") && said.contains("position 4"), "{said}");
}

/// Every request gets its own reply; long bodies are compressed by the client on both ways.
fn replies(options: PeerOptions, namesrv: &str, topic: &str) {
    let replier = ["reply", namesrv, topic, "G_replier", "pad=6000"];
    let mut replier = Java::peer(options, &replier).unwrap();
    replier.wait_for("READY").unwrap();
    let steps =
        [step(&["request", namesrv, topic, REQUESTS, "pad=6000"]), step(&["request", namesrv, topic, REQUESTS])];
    for lines in Java::steps(options, &steps).unwrap() {
        let replied: BTreeSet<&str> = lines.iter().filter_map(|line| line.strip_prefix("REPLIED ")).collect();
        assert_eq!(replied.len(), REQUESTS.parse::<usize>().unwrap(), "{lines:#?}");
    }
    let sent = replier.finish().unwrap();
    assert_eq!(events(&sent, "SENT").len(), 2 * REQUESTS.parse::<usize>().unwrap(), "{sent:#?}");
}

async fn filters_and_replies(release: Release, codec: HeaderCodec) {
    let cluster = Cluster::builder().property("enablePropertyFilter", "true").start().await.unwrap();
    cluster.create_topic("Filtered", 4).await.unwrap();
    cluster.create_topic("Asked", 4).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    let options = PeerOptions::new(release, codec);
    tokio::task::spawn_blocking(move || {
        filters(options, &namesrv, "Filtered");
        replies(options, &namesrv, "Asked");
    })
    .await
    .unwrap();
    cluster.shutdown().await;
}

with_clients! {
    filters_and_replies:
    java_540_json V5_4_0 Json Gate,
    java_540_binary V5_4_0 Binary Gate,
    java_497_json V4_9_7 Json Full,
    java_497_binary V4_9_7 Binary Full,
}
