//! Transactions of the official Java producer: with our broker, and across a data directory that changes hands.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{assert_gapless, events, keys, skipped, step, Event};
use ferromq_interop::{Apache, HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;
use std::path::Path;

const TOPIC: &str = "Transacted";
const QUEUES: i32 = 2;
const GROUP: &str = "PG_tx";

/// The producer is asked soon, and so often that a slow machine has time to start it.
const HASTY: [(&str, &str); 3] =
    [("transactionTimeOut", "500"), ("transactionCheckInterval", "500"), ("transactionCheckMax", "1000")];
/// The same for Apache's broker, which records ends after 3 s only and delivers again what it asks about before.
const APACHES: [(&str, &str); 2] = [("transactionTimeOut", "6000"), ("transactionCheckInterval", "5000")];
/// The producer is not asked while this runs.
const PATIENT: [(&str, &str); 1] = [("transactionCheckInterval", "3600000")];

/// File sizes that both brokers are given.
const SIZES: [(&str, &str); 4] = [
    ("mappedFileSizeCommitLog", "1048576"),
    ("mappedFileSizeConsumeQueue", "20000"),
    ("maxHashSlotNum", "1000"),
    ("maxIndexNum", "4000"),
];

fn expected(numbers: impl Iterator<Item = usize>) -> BTreeSet<String> {
    numbers.map(|n| format!("tx-{n}")).collect()
}

fn transact(namesrv: &str, count: &str, local: &str, check: &str, checks: &str) -> Vec<String> {
    step(&["transact", namesrv, TOPIC, GROUP, count, local, check, checks])
}

fn consume(namesrv: &str, count: usize) -> Vec<String> {
    step(&["consume", namesrv, TOPIC, "G_tx", "concurrent", "*", &count.to_string()])
}

/// Runs steps in one process; what the last one got.
fn run(options: PeerOptions, steps: &[Vec<String>]) -> Vec<Event> {
    let lines = Java::steps(options, steps).unwrap();
    events(lines.last().unwrap(), "GOT")
}

async fn ours(data: Option<&Path>, properties: &[(&str, &str)]) -> Cluster {
    let mut builder = Cluster::builder();
    if let Some(data) = data {
        builder = builder.property("storePathRootDir", &data.display().to_string());
    }
    for (name, value) in SIZES.iter().chain(properties) {
        builder = builder.property(name, value);
    }
    builder.start().await.unwrap()
}

/// Messages of the topic on our broker, delivered or not.
fn delivered(cluster: &Cluster) -> i64 {
    let store = &cluster.broker(0).unwrap().service().store;
    (0..QUEUES).map(|queue| store.max_offset(TOPIC, queue)).sum()
}

fn waiting(cluster: &Cluster) -> u64 {
    cluster.broker(0).unwrap().service().transactions.waiting()
}

/// Commit, rollback, an answer to a check; then a producer that leaves and one of its group that answers for it.
async fn java_producer(release: Release, codec: HeaderCodec) {
    let cluster = ours(None, &HASTY).await;
    cluster.create_topic(TOPIC, QUEUES.unsigned_abs()).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    let options = PeerOptions::new(release, codec);
    let got = tokio::task::spawn_blocking(move || {
        let steps = [
            transact(&namesrv, "30", "CRU", "C", "checks=10"),
            consume(&namesrv, 20),
            transact(&namesrv, "12", "U", "U", "checks=0"),
            transact(&namesrv, "0", "U", "CR", "checks=12"),
        ];
        let lines = Java::steps(options, &steps).unwrap();
        let sent: Vec<Event> = lines.iter().flat_map(|lines| events(lines, "SENT")).collect();
        assert_eq!(sent.len(), 42);
        events(&lines[1], "GOT")
    })
    .await
    .unwrap();
    assert_eq!(keys(&got), expected((0..30).filter(|n| n % 3 != 1)));
    assert_gapless(&got);
    assert_eq!((delivered(&cluster), waiting(&cluster)), (26, 0), "each once");
    cluster.shutdown().await;
}

with_clients! {
    java_producer:
    java_540_json V5_4_0 Json Gate,
    java_540_binary V5_4_0 Binary Gate,
    java_497_json V4_9_7 Json Full,
    java_497_binary V4_9_7 Binary Full,
}

fn theirs(release: Release, folder: &Path, data: &Path) -> (Apache, Apache) {
    let ns = Apache::name_server(release, folder).unwrap();
    let settings: String = SIZES.iter().chain(&APACHES).map(|(name, value)| format!("{name}={value}\n")).collect();
    let broker = Apache::broker(release, folder, data, "broker-a", &ns.address, &settings).unwrap();
    (ns, broker)
}

/// What was prepared with us is committed by Apache's broker, and what had ended stays so, there and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_here_committed_by_apache() {
    if skipped("prepared_here_committed_by_apache") {
        return;
    }
    let release = Release::V5_4_0;
    let options = PeerOptions::new(release, HeaderCodec::Json);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let cluster = ours(Some(&data), &PATIENT).await;
    cluster.create_topic(TOPIC, QUEUES.unsigned_abs()).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    tokio::task::spawn_blocking(move || run(options, &[transact(&namesrv, "12", "CRU", "U", "checks=0")]))
        .await
        .unwrap();
    assert_eq!((delivered(&cluster), waiting(&cluster)), (4, 4));
    cluster.shutdown().await;
    let (path, store) = (folder.path().to_path_buf(), data.clone());
    let got = tokio::task::spawn_blocking(move || {
        let (ns, broker) = theirs(release, &path, &store);
        let steps = [transact(&ns.address, "0", "U", "C", "checks=4"), consume(&ns.address, 8)];
        let got = run(options, &steps);
        broker.stop().unwrap();
        ns.kill();
        got
    })
    .await
    .unwrap();
    assert_eq!(keys(&got), expected((0..12).filter(|n| n % 3 != 1)));
    assert_gapless(&got);
    let cluster = ours(Some(&data), &PATIENT).await;
    assert_eq!(delivered(&cluster), 8, "each once");
    cluster.shutdown().await;
}

/// What was prepared with Apache's broker, and asked about there without a result, is committed here; op records of both
/// releases' forms say what had ended.
async fn from_apache(release: Release) {
    let options = PeerOptions::new(release, HeaderCodec::Json);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (path, store) = (folder.path().to_path_buf(), data.clone());
    tokio::task::spawn_blocking(move || {
        let (ns, broker) = theirs(release, &path, &store);
        let queues = QUEUES.to_string();
        let create = [
            "admin",
            "updateTopic",
            "-n",
            &ns.address,
            "-c",
            "DefaultCluster",
            "-t",
            TOPIC,
            "-r",
            &queues,
            "-w",
            &queues,
        ];
        run(options, &[step(&create), transact(&ns.address, "12", "CRU", "U", "checks=4")]);
        broker.stop().unwrap();
        ns.kill();
    })
    .await
    .unwrap();
    let cluster = ours(Some(&data), &HASTY).await;
    cluster.wait_for_route(TOPIC).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    let got = tokio::task::spawn_blocking(move || {
        run(options, &[transact(&namesrv, "0", "U", "C", "checks=4"), consume(&namesrv, 8)])
    })
    .await
    .unwrap();
    assert_eq!(keys(&got), expected((0..12).filter(|n| n % 3 != 1)));
    assert_gapless(&got);
    assert_eq!((delivered(&cluster), waiting(&cluster)), (8, 0), "each once");
    cluster.shutdown().await;
}

// From 5.4.0, whose op records name many half messages; from 4.9.7, whose op records name one each.
cases! {
    from_apache:
    prepared_by_apache_540_committed_here (Release::V5_4_0) Gate,
    prepared_by_apache_497_committed_here (Release::V4_9_7) Full,
}
