//! The official Java clients of both releases, with both header codecs, against our broker and name server.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{assert_gapless, assert_in_order, events, keys, places, step, Event};
use ferromq_interop::{HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;

const MODES: [&str; 5] = ["sync", "async", "oneway", "ordered", "batch"];
const COUNT: usize = 60;
const TOPIC: &str = "Interop";

fn expected(tags: &[usize]) -> BTreeSet<String> {
    let numbers = (0..COUNT).filter(|n| tags.contains(&(n % 3)));
    numbers.flat_map(|n| MODES.map(|mode| format!("{mode}-{n}"))).collect()
}

/// Sends in every mode; returns what was answered. Every second mode has bodies that the client compresses.
fn produce_all(options: PeerOptions, namesrv: &str) -> Vec<Event> {
    let count = COUNT.to_string();
    let pads = ["pad=0", "pad=6000"].iter().cycle();
    let steps = MODES.iter().zip(pads).map(|(mode, pad)| step(&["produce", namesrv, TOPIC, mode, &count, pad]));
    let lines = Java::steps(options, &steps.collect::<Vec<_>>()).unwrap();
    let sent: Vec<_> = lines.iter().map(|lines| events(lines, "SENT")).collect();
    for (mode, sent) in MODES.iter().zip(&sent) {
        assert_eq!(sent.len(), if *mode == "oneway" { 0 } else { COUNT }, "{mode}");
    }
    // Messages of one key are in one queue, in order.
    for key in 0..7 {
        let of_key = |e: &&Event| {
            e.key.strip_prefix("ordered-").and_then(|n| n.parse().ok()).is_some_and(|n: usize| n % 7 == key)
        };
        let queues: BTreeSet<i32> = sent[3].iter().filter(of_key).map(|e| e.queue).collect();
        assert_eq!(queues.len(), 1, "order-{key}");
    }
    assert_in_order(&sent[3]);
    sent.concat()
}

/// Produces in every mode and consumes in every mode; what was sent is what comes, in order where that is promised.
fn produce_and_consume(options: PeerOptions, namesrv: &str) {
    let sent = produce_all(options, namesrv);
    let total = MODES.len() * COUNT;
    // Group, mode, tags, messages, failing; one after the other in one process.
    let consumers = [
        ("G_concurrent", "concurrent", "*", total, "fail=0"),
        ("G_orderly", "orderly", "*", total, "fail=0"),
        ("G_tags", "concurrent", "TagA || TagC", total / 3 * 2, "fail=0"),
        ("G_broadcast", "broadcast", "*", total, "fail=0"),
        ("G_litepull", "litepull", "*", total, "fail=0"),
        ("G_assign", "assign", "*", total, "fail=0"),
        ("G_retry", "concurrent", "*", total, "fail=1"),
        ("G_suspend", "orderly", "*", total, "fail=1"),
    ];
    let steps: Vec<_> = consumers
        .iter()
        .map(|(group, mode, tags, count, fail)| {
            step(&["consume", namesrv, TOPIC, group, mode, tags, &count.to_string(), fail])
        })
        .collect();
    let got: Vec<Vec<Event>> = Java::steps(options, &steps).unwrap().iter().map(|lines| events(lines, "GOT")).collect();

    assert_gapless(&got[0]);
    assert!(places(&got[0]).is_superset(&places(&sent)), "messages are where their producer was told");
    for (consumer, got) in consumers.iter().zip(&got) {
        let tags: &[usize] = if consumer.2 == "*" { &[0, 1, 2] } else { &[0, 2] };
        assert_eq!(keys(got), expected(tags), "{consumer:?}");
        if consumer.0 == "G_retry" {
            assert!(got.iter().all(|e| e.reconsumed == 1), "every message came back through the retry topic");
        } else if consumer.1 != "assign" {
            // The Java client may still hand out a pull that was under way when it was told to seek to the beginning.
            assert_eq!(got.len(), consumer.3, "{consumer:?}: each message once");
        }
        if consumer.1 == "orderly" {
            assert_in_order(got);
        }
    }
}

async fn all_modes(release: Release, codec: HeaderCodec) {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic(TOPIC, 4).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    let options = PeerOptions::new(release, codec);
    tokio::task::spawn_blocking(move || produce_and_consume(options, &namesrv)).await.unwrap();
    cluster.shutdown().await;
}

with_clients! {
    all_modes:
    java_540_json V5_4_0 Json Gate,
    java_540_binary V5_4_0 Binary Gate,
    java_497_json V4_9_7 Json Gate,
    java_497_binary V4_9_7 Binary Full,
}
