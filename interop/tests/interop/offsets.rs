//! Where official Java clients of both releases go on: offsets that the official tool resets while the consumer runs, in the
//! broker's and in the client's way, offsets that a consumer resets itself, offsets that are cloned to another group, and those of
//! broadcasting, which the broker does not keep.
//!
//! The gate runs 5.4.0; 4.9.7 runs with `cargo xtask test --full`.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{assert_gapless, times, Clients};
use ferromq_interop::{HeaderCodec, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

const COUNT: usize = 20;

fn numbered(numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    numbers.map(|n| format!("sync-{n}")).collect()
}

/// A millisecond after everything that was stored before, and before everything that is stored later.
fn moment() -> u128 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let moment = now() + 2;
    while now() <= moment {
        std::thread::yield_now();
    }
    moment
}

/// Sends the messages of these numbers and waits until `consumer` has them.
fn send(clients: &mut Clients, numbers: std::ops::Range<usize>, consumer: &str) {
    clients.run(&format!("send producer Reset sync {} from={}", numbers.len(), numbers.start));
    clients.wait_for(&format!("{consumer} GOT"), &numbered(numbers), 1);
}

/// Goes back to a moment in three ways: what came later comes again each time, what came before does not.
fn reset(clients: &mut Clients, broker: &str) {
    clients.run("push resets G_reset Reset");
    send(clients, 0..COUNT, "resets");
    let moment = moment();
    send(clients, COUNT..2 * COUNT, "resets");
    let (before, after) = (numbered(0..COUNT), numbered(COUNT..2 * COUNT));

    // The consumer tells where it is, then the tool sends it back: the broker answers its next pull with the new offset.
    let reset = format!("resetOffsetByTime -g G_reset -t Reset -s {moment}");
    let said = clients.admin(&reset);
    assert!(said.iter().any(|line| line.contains("broker-a")), "{said:#?}");
    clients.wait_for("resets GOT", &after, 2);

    // As 4.x brokers do: the client is told the new offsets and goes there.
    let said = clients.admin(&format!("updateBrokerConfig -b {broker} -k useServerSideResetOffset -v false"));
    assert!(said.iter().any(|line| line.contains("success")), "{said:#?}");
    let said = clients.admin(&reset);
    assert!(said.iter().any(|line| line.contains("broker-a")), "{said:#?}");
    clients.wait_for("resets GOT", &after, 3);

    // The client by itself.
    clients.run(&format!("seek resets {moment}"));
    let got = clients.wait_for("resets GOT", &after, 4);
    let times = times(&got);
    assert!(before.iter().all(|key| times[key] == 1), "what came before does not come again: {times:?}");
}

/// A group with the offsets of another goes on where that one is.
fn clone(clients: &mut Clients) {
    // Its end is where it stores its offsets.
    clients.run("stop resets");
    let said = clients.admin("updateSubGroup -c DefaultCluster -g G_cloned");
    assert!(said.iter().any(|line| line.contains("success")), "{said:#?}");
    let said = clients.admin("cloneGroupOffset -s G_reset -d G_cloned -t Reset");
    assert!(said.iter().any(|line| line.contains("clone group offset success")), "{said:#?}");
    clients.run("push clones G_cloned Reset");
    send(clients, 2 * COUNT..2 * COUNT + 5, "clones");
    let got = clients.events("clones GOT");
    assert_eq!(got.len(), 5, "nothing of before the clone: {got:?}");
}

/// Every member gets every message.
fn broadcast(clients: &mut Clients) {
    let members = ["one", "other"];
    for member in members {
        clients.run(&format!("push {member} G_all Broadcast broadcast=1"));
    }
    clients.run(&format!("send producer Broadcast sync {COUNT}"));
    for member in members {
        let got = clients.wait_for(&format!("{member} GOT"), &numbered(0..COUNT), 1);
        assert_eq!(got.len(), COUNT, "{member}: each message once");
        assert_gapless(&got);
    }
}

async fn offsets(release: Release, codec: HeaderCodec) {
    let cluster = Cluster::start().await.unwrap();
    for topic in ["Reset", "Broadcast"] {
        cluster.create_topic(topic, 2).await.unwrap();
    }
    let mut clients = Clients::java(release, codec, &cluster.namesrv_addr());
    clients.run("producer producer PG_offsets");
    broadcast(&mut clients);
    reset(&mut clients, &cluster.broker_addr(0));
    clone(&mut clients);
    clients.finish();
    cluster.shutdown().await;
}

with_clients! {
    offsets:
    java_540_json V5_4_0 Json Gate,
    java_540_binary V5_4_0 Binary Full,
    java_497_json V4_9_7 Json Full,
    java_497_binary V4_9_7 Binary Full,
}
