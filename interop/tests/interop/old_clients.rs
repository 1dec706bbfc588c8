//! Clients of before, which people still run, against our broker and name server: Java 4.3.2 and 4.9.1, and the C++ client of the
//! 4.x line. Sending, pushing, pulling.
//!
//! The gate runs each Java release with one codec; the other ones run with `cargo xtask test --full`.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{assert_gapless, assert_in_order, places, Clients, Event};
use ferromq_interop::{cpp_client, HeaderCodec, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;

const COUNT: usize = 30;

/// What is done with these clients.
struct Scene {
    /// How they send.
    modes: &'static [&'static str],
    /// Whether they tell where a message went.
    tells_places: bool,
    /// Whether a message fails alone, not with those that came with it.
    fails_alone: bool,
}

impl Scene {
    fn expected(&self) -> BTreeSet<String> {
        self.modes.iter().flat_map(|mode| (0..COUNT).map(move |n| format!("{mode}-{n}"))).collect()
    }

    fn play(&self, clients: &mut Clients) {
        // One that waits at the broker, and one that fails everything once.
        clients.begin(&format!("pull waits G_waiting Single {COUNT}"));
        clients.run("push fails G_failing Single fail=1");
        // The C++ client begins with what comes after it.
        clients.run("push broadcast G_broadcast Old broadcast=1");
        clients.run("producer producer PG_old");
        for mode in self.modes {
            clients.run(&format!("send producer Old {mode} {COUNT}"));
        }
        let sent = clients.events("producer SENT");
        let answered = self.modes.iter().filter(|mode| **mode != "oneway").count();
        assert_eq!(sent.len(), answered * COUNT);
        let all = self.modes.len() * COUNT;
        clients.run("push concurrent G_concurrent Old");
        clients.run("push orderly G_orderly Old orderly=1");
        clients.run(&format!("pull pulls G_pulling Old {all}"));
        for consumer in ["concurrent", "orderly", "broadcast", "pulls"] {
            let got = clients.wait_for(&format!("{consumer} GOT"), &self.expected(), 1);
            assert_eq!(got.len(), all, "{consumer}: each message once");
            assert_gapless(&got);
            if self.tells_places {
                assert!(places(&got).is_superset(&places(&sent)), "{consumer}: where the producer was told");
            }
            if consumer == "orderly" {
                assert_in_order(&got);
            }
        }
        clients.run(&format!("send producer Single sync {COUNT}"));
        let wanted = (0..COUNT).map(|n| format!("sync-{n}")).collect();
        clients.wait_for("waits GOT", &wanted, 1);
        let again = clients.wait_for("fails GOT", &wanted, 1);
        let came_back = |e: &Event| if self.fails_alone { e.reconsumed == 1 } else { e.reconsumed >= 1 };
        assert!(again.iter().all(came_back), "through the retry topic: {again:#?}");
    }
}

async fn cluster() -> Cluster {
    // The C++ client cannot choose the level of a retry: the third is the first that a broker takes by itself.
    let cluster = Cluster::builder().property("messageDelayLevel", "1s 1s 1s 1s").start().await.unwrap();
    cluster.create_topic("Old", 4).await.unwrap();
    cluster.create_topic("Single", 1).await.unwrap();
    cluster
}

async fn java(release: Release, codec: HeaderCodec) {
    let cluster = cluster().await;
    let mut clients = Clients::java(release, codec, &cluster.namesrv_addr());
    Scene { modes: &["sync", "async", "oneway", "ordered", "batch"], tells_places: true, fails_alone: true }
        .play(&mut clients);
    clients.finish();
    cluster.shutdown().await;
}

with_clients! {
    java:
    java_432_json V4_3_2 Json Gate,
    java_432_binary V4_3_2 Binary Full,
    java_491_json V4_9_1 Json Full,
    java_491_binary V4_9_1 Binary Gate,
}

/// The C++ client sends, pushes and pulls. Its batches are left out: it says that they are in a way that no Java broker reads, and they
/// are stored as one message there too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpp() {
    let cluster = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    match cpp_client(&cluster.namesrv_addr(), folder.path()).unwrap() {
        Err(reason) => crate::support::say_skipped("cpp", &reason),
        Ok(process) => {
            let mut clients = Clients(process);
            Scene { modes: &["sync", "async", "oneway", "ordered"], tells_places: false, fails_alone: false }
                .play(&mut clients);
            clients.finish();
        }
    }
    cluster.shutdown().await;
}
