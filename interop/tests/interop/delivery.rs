//! What a broker does with messages that wait, fail, or are traced, under official Java clients of both releases: delays on time,
//! retries until the dead letter, the trace topic as the official tool reads it.
//!
//! The gate runs 5.4.0; 4.9.7 runs with `cargo xtask test --full`.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{places, times, Clients};
use ferromq_interop::{HeaderCodec, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Seconds of each level.
const LEVELS: &str = "1s 2s 3s 4s";
/// How late a message may be on a machine that is doing something else; benchmarks say how late it is.
const LATE_MS: i64 = 5000;

/// Keys of numbered messages of one mode.
fn keys(mode: &str, numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    numbers.map(|n| format!("{mode}-{n}")).collect()
}

/// Messages of every level come after their time, and those of a level that is not there after the time of the last.
fn delays_begin(clients: &mut Clients) {
    clients.run("push waits G_delayed Delayed");
    for (n, level) in [1, 2, 3, 99].iter().enumerate() {
        clients.begin(&format!("send producer Delayed sync 5 from={} delay={level}", n * 5));
    }
    clients.begin("send producer Delayed sync 5 from=20");
}

fn delays_end(clients: &mut Clients) {
    let got = clients.wait_for("waits GOT", &keys("sync", 0..25), 1);
    assert_eq!(got.len(), 25, "each message once");
    for event in &got {
        let n: usize = event.key["sync-".len()..].parse().unwrap();
        let delay = [1000, 2000, 3000, 4000, 0][n / 5];
        assert!((delay..delay + LATE_MS).contains(&event.waited), "{event:?} waited for {delay} ms");
    }
}

/// A message that always fails comes as often as its consumer allows, and then is a dead letter with its first properties.
fn dead_letters_begin(clients: &mut Clients) {
    clients.run("push fails G_failing Failing fail=1000 max=2");
    clients.begin("push buries G_burying %DLQ%G_failing");
    clients.begin("send producer Failing ordered 10 pad=6000");
}

fn dead_letters_end(clients: &mut Clients) {
    let wanted = keys("ordered", 0..10);
    let dead = clients.wait_for("buries GOT", &wanted, 1);
    assert_eq!(dead.len(), 10, "each message is dead once");
    assert!(dead.iter().all(|e| (e.queue, e.reconsumed) == (0, 3) && e.tag.starts_with("Tag")), "{dead:#?}");
    let failed = clients.events("fails FAILED");
    assert_eq!(times(&failed), wanted.iter().map(|key| (key.clone(), 3)).collect(), "three attempts each");
    for attempt in 0..3 {
        assert_eq!(failed.iter().filter(|e| e.reconsumed == attempt).count(), 10, "attempt {attempt}");
    }
    let sent: BTreeSet<_> = places(&clients.events("producer SENT"));
    let first = failed.iter().filter(|e| e.reconsumed == 0);
    assert!(first.map(|e| (e.key.clone(), e.queue, e.offset)).all(|place| sent.contains(&place)));
}

/// What clients do with a message is in the trace topic, where the official tool finds it. A client sends a trace once and forgets it
/// when that fails or takes long, as on a machine that is doing something else: then another message is traced.
fn traces(clients: &mut Clients) {
    clients.run("producer traced PG_traced trace=1");
    clients.run("push traces G_traced Traced trace=1");
    clients.run("send traced Traced batch 3");
    let mut said = Vec::new();
    let found = (0..4).any(|attempt| trace(clients, attempt * 3, &mut said));
    assert!(found, "{said:#?}");
}

/// Whether what clients did with messages from number `from` on is found; else what the tool says.
fn trace(clients: &mut Clients, from: usize, said: &mut Vec<String>) -> bool {
    clients.run(&format!("send traced Traced async 3 from={from}"));
    clients.wait_for("traces GOT", &keys("async", from..from + 3), 1);
    let found = clients.admin(&format!("queryMsgByKey -t Traced -k async-{}", from + 2));
    let id =
        found.iter().find(|line| line.len() > 32 && !line.starts_with('#')).unwrap_or_else(|| panic!("{found:#?}"));
    let query = format!("queryMsgTraceById -i {}", id.split(' ').next().unwrap());
    // Clients send their traces after a while.
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        *said = clients.admin(&query);
        let row = |kind: &str| said.iter().any(|l| l.starts_with(kind) && l.trim_end().ends_with("success"));
        let group = |name: &str| said.iter().any(|l| l.contains(name));
        if row("Pub") && group("PG_traced") && row("Sub") && group(" G_traced") {
            return true;
        }
    }
    false
}

async fn delivery(release: Release, codec: HeaderCodec) {
    let properties = [("messageDelayLevel", LEVELS), ("traceTopicEnable", "true")];
    let builder = properties.iter().fold(Cluster::builder(), |builder, (name, value)| builder.property(name, value));
    let cluster = builder.start().await.unwrap();
    for topic in ["Delayed", "Failing", "Traced"] {
        cluster.create_topic(topic, 4).await.unwrap();
    }
    let mut clients = Clients::java(release, codec, &cluster.namesrv_addr());
    clients.run("producer producer PG_delivery");
    // What waits waits together.
    dead_letters_begin(&mut clients);
    delays_begin(&mut clients);
    traces(&mut clients);
    delays_end(&mut clients);
    dead_letters_end(&mut clients);
    clients.finish();
    cluster.shutdown().await;
}

with_clients! {
    delivery:
    java_540_json V5_4_0 Json Gate,
    java_540_binary V5_4_0 Binary Gate,
    java_497_json V4_9_7 Json Full,
    java_497_binary V4_9_7 Binary Full,
}
