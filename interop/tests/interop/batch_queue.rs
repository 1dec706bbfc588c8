//! A topic of type BatchCQ in a data directory that changes hands: from Apache's broker, which puts several messages into one record, to
//! ours and back, after clean stops and after kills.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{events, keys, step, Event};
use ferromq_interop::{Apache, HeaderCodec, Java, PeerOptions, Release};
use ferromq_store::tool::{inspect, verify, Directory, DirectoryOptions, UnitKind};
use ferromq_testing::Cluster;
use std::path::Path;

const TOPIC: &str = "Batches";
const RELEASE: Release = Release::V5_4_0;

/// File sizes that both brokers are given.
const SIZES: [(&str, &str); 4] = [
    ("mappedFileSizeCommitLog", "262144"),
    ("mapperFileSizeBatchConsumeQueue", "2300"),
    ("maxHashSlotNum", "1000"),
    ("maxIndexNum", "4000"),
];

fn steps(steps: &[Vec<String>]) -> Vec<Vec<String>> {
    Java::steps(PeerOptions::new(RELEASE, HeaderCodec::Json), steps).unwrap()
}

/// Sends in these ways; what was sent. Every way has keys of its own.
fn produce(namesrv: &str, modes: [&str; 2]) -> Vec<Event> {
    let modes = modes.map(|mode| step(&["produce", namesrv, TOPIC, mode, "60"]));
    events(&steps(&modes).concat(), "SENT")
}

/// Reads everything with a new group.
fn consume(namesrv: &str, group: &str, count: usize) -> Vec<Event> {
    let got = step(&["consume", namesrv, TOPIC, group, "concurrent", "*", &count.to_string()]);
    events(&steps(&[got]).concat(), "GOT")
}

fn theirs(folder: &Path, data: &Path) -> (Apache, Apache) {
    let ns = Apache::name_server(RELEASE, folder).unwrap();
    let settings: String = SIZES.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let broker = Apache::broker(RELEASE, folder, data, "broker-a", &ns.address, &settings).unwrap();
    (ns, broker)
}

async fn ours(data: &Path) -> Cluster {
    let mut builder = Cluster::builder().property("storePathRootDir", &data.display().to_string());
    for (name, value) in SIZES {
        builder = builder.property(name, value);
    }
    builder.start().await.unwrap()
}

/// The directory is sound, and the topic's queues, all of them of the right kind, have so many messages.
fn check(data: &Path, messages: usize) {
    let look = || Directory::open(DirectoryOptions { root: data.to_path_buf(), ..Default::default() }).unwrap();
    let seen = verify(&look(), &mut |finding| println!("{finding}")).unwrap();
    assert_eq!(seen.damages, 0);
    let seen = inspect(&look()).unwrap();
    let queues: Vec<_> = seen.queues.iter().filter(|queue| queue.topic == TOPIC && queue.max > 0).collect();
    assert!(!queues.is_empty() && queues.iter().all(|queue| queue.kind == UnitKind::Batch), "{queues:?}");
    assert_eq!(queues.iter().map(|queue| queue.max - queue.min).sum::<i64>() as usize, messages);
}

/// There and back again: every message is read from both brokers, and none has lost its place.
async fn there_and_back(kill: bool) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (path, store) = (folder.path().to_path_buf(), data.clone());
    let first = move || {
        let (ns, broker) = theirs(&path, &store);
        let words = ["-c", "DefaultCluster", "-t", TOPIC, "-r", "2", "-w", "2", "-a", "+queue.type=BatchCQ"];
        steps(&[step(&[&["admin", "updateTopic", "-n", &ns.address], &words[..]].concat())]);
        let sent = produce(&ns.address, ["sync", "batch"]);
        assert_eq!(keys(&consume(&ns.address, "G_first", sent.len())), keys(&sent));
        if kill {
            broker.kill();
        } else {
            broker.stop().unwrap();
        }
        ns.kill();
        check(&store, sent.len());
        sent
    };
    let sent = tokio::task::spawn_blocking(first).await.unwrap();
    let cluster = ours(&data).await;
    cluster.wait_for_route(TOPIC).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    let second = move || {
        assert_eq!(keys(&consume(&namesrv, "G_second", sent.len())), keys(&sent));
        let more = produce(&namesrv, ["async", "ordered"]);
        sent.into_iter().chain(more).collect::<Vec<Event>>()
    };
    let all = tokio::task::spawn_blocking(second).await.unwrap();
    cluster.shutdown().await;
    let path = folder.path().to_path_buf();
    let third = move || {
        check(&data, all.len());
        let (ns, broker) = theirs(&path, &data);
        assert_eq!(keys(&consume(&ns.address, "G_third", all.len())), keys(&all));
        broker.kill();
        ns.kill();
    };
    tokio::task::spawn_blocking(third).await.unwrap();
}

cases! {
    there_and_back:
    after_clean_stops (false) Gate,
    after_kills (true) Gate,
}
