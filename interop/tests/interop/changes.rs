//! What changes under official Java clients that go on working: a broker that is restarted and killed under ordered consumption, and
//! a topic whose queues become more and fewer.
//!
//! The gate runs 5.4.0; 4.9.7 runs with `cargo xtask test --full`.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{assert_first_deliveries_in_order, keys, Clients, Event};
use ferromq_interop::{HeaderCodec, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Messages of each phase.
const COUNT: usize = 40;

fn numbered(mode: &str, until: usize) -> BTreeSet<String> {
    (0..until).map(|n| format!("{mode}-{n}")).collect()
}

/// The broker goes away in order and comes back, then it is killed and comes back: ordered messages stay so, and none is lost.
async fn restart(clients: &mut Clients, cluster: &mut Cluster) {
    clients.run("push orderly G_ordered Ordered orderly=1");
    for round in 0..3 {
        // One half is sent while the broker goes away and comes back.
        let send = |from: usize| format!("send producer Ordered ordered {} from={from} retry=1", COUNT / 2);
        clients.run(&send(round * COUNT));
        clients.begin(&send(round * COUNT + COUNT / 2));
        match round {
            0 => cluster.stop_broker(0).await,
            1 => cluster.kill_broker(0),
            _ => {}
        }
        if round < 2 {
            cluster.start_broker(0).await.unwrap();
        }
        let got = clients.wait_for("orderly GOT", &numbered("ordered", (round + 1) * COUNT), 1);
        assert_first_deliveries_in_order(&got);
    }
}

/// Sends in rounds until the last round is as wanted; returns how many messages there are then.
fn send_until(clients: &mut Clients, from: usize, wanted: impl Fn(&BTreeSet<i32>) -> bool) -> usize {
    let deadline = Instant::now() + Duration::from_secs(90);
    let mut sent = from;
    loop {
        clients.run(&format!("send producer Changing sync {COUNT} from={sent}"));
        sent += COUNT;
        let all: Vec<Event> = clients.events("producer SENT");
        let queues = all[all.len() - COUNT..].iter().map(|e| e.queue).collect();
        if wanted(&queues) {
            return sent;
        }
        assert!(Instant::now() < deadline, "the producer still uses the queues {queues:?}");
    }
}

/// Queues are added, then taken away, first from writers, then from readers: every message comes.
fn queues(clients: &mut Clients) {
    let update = |clients: &mut Clients, read: u32, write: u32| {
        let said = clients.admin(&format!("updateTopic -c DefaultCluster -t Changing -r {read} -w {write}"));
        assert!(said.iter().any(|line| line.contains("success")), "{said:#?}");
    };
    clients.run("push changes G_changing Changing");
    let mut sent = send_until(clients, 0, |queues| queues.len() == 2);
    for (read, write) in [(6, 6), (6, 2), (2, 2), (3, 3)] {
        update(clients, read, write);
        sent = send_until(clients, sent, |queues| queues.iter().copied().eq(0..write as i32));
        clients.wait_for("changes GOT", &numbered("sync", sent), 1);
    }
    let got = clients.events("changes GOT");
    assert_eq!(keys(&got).len(), sent);
    assert!(got.iter().any(|e| e.queue == 5), "the queues that were there for a while were used");
}

async fn changes(release: Release, codec: HeaderCodec) {
    let mut cluster = Cluster::start().await.unwrap();
    cluster.create_topic("Changing", 2).await.unwrap();
    cluster.create_topic("Ordered", 4).await.unwrap();
    let mut clients = Clients::java(release, codec, &cluster.namesrv_addr());
    clients.run("producer producer PG_changes");
    queues(&mut clients);
    restart(&mut clients, &mut cluster).await;
    clients.finish();
    cluster.shutdown().await;
}

with_clients! {
    changes:
    java_540_json V5_4_0 Json Gate,
    java_540_binary V5_4_0 Binary Gate,
    java_497_json V4_9_7 Json Full,
    java_497_binary V4_9_7 Binary Full,
}
