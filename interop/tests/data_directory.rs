//! A data directory changes hands: written by our broker and read back through Apache's, and the reverse.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use ferromq_interop::{Apache, HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;
use std::path::Path;
use support::{assert_gapless, events, keys, places, skipped, step, Event};

const TOPIC: &str = "Moved";
const MODES: [&str; 3] = ["sync", "ordered", "batch"];
const COUNT: &str = "150";

/// File sizes that both brokers are given: small, so that the log has several files.
const SIZES: [(&str, &str); 4] = [
    ("mappedFileSizeCommitLog", "262144"),
    ("mappedFileSizeConsumeQueue", "2000"),
    ("maxHashSlotNum", "1000"),
    ("maxIndexNum", "4000"),
];

fn produce(namesrv: &str, release: Release) -> Vec<Event> {
    let steps = ["pad=0", "pad=3000", "pad=6000"];
    let steps: Vec<_> =
        MODES.iter().zip(steps).map(|(mode, pad)| step(&["produce", namesrv, TOPIC, mode, COUNT, pad])).collect();
    let lines = Java::steps(PeerOptions::new(release, HeaderCodec::Json), &steps).unwrap();
    events(&lines.concat(), "SENT")
}

fn consume(namesrv: &str, release: Release, count: usize) -> Vec<Event> {
    let args = ["consume", namesrv, TOPIC, "G_reader", "concurrent", "*", &count.to_string()];
    events(&Java::peer(PeerOptions::new(release, HeaderCodec::Json), &args).unwrap().finish().unwrap(), "GOT")
}

fn same(sent: &[Event], got: &[Event]) {
    assert_eq!(keys(sent).len(), 450);
    assert_eq!(places(sent), places(got));
    assert_gapless(got);
}

async fn ours(data: &Path) -> Cluster {
    let mut builder = Cluster::builder().property("storePathRootDir", &data.display().to_string());
    for (name, value) in SIZES {
        builder = builder.property(name, value);
    }
    builder.start().await.unwrap()
}

fn theirs(release: Release, folder: &Path, data: &Path) -> (Apache, Apache) {
    let ns = Apache::name_server(release, folder).unwrap();
    let settings: String = SIZES.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let broker = Apache::broker(release, folder, data, "broker-a", &ns.address, &settings).unwrap();
    (ns, broker)
}

/// Ours to theirs: every message is read back at its place through Apache's broker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn written_by_us_read_by_apache() {
    if skipped("written_by_us_read_by_apache") {
        return;
    }
    for release in Release::ALL {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let cluster = ours(&data).await;
        cluster.create_topic(TOPIC, 4).await.unwrap();
        let namesrv = cluster.namesrv_addr();
        let sent = tokio::task::spawn_blocking(move || produce(&namesrv, release)).await.unwrap();
        cluster.shutdown().await;
        let path = folder.path().to_path_buf();
        tokio::task::spawn_blocking(move || {
            let (ns, broker) = theirs(release, &path, &data);
            same(&sent, &consume(&ns.address, release, sent.len()));
            broker.kill();
            ns.kill();
        })
        .await
        .unwrap();
    }
}

/// Theirs to ours: every message is read back at its place through our broker, and more can be sent behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn written_by_apache_read_by_us() {
    if skipped("written_by_apache_read_by_us") {
        return;
    }
    for release in Release::ALL {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (path, store) = (folder.path().to_path_buf(), data.clone());
        let sent = tokio::task::spawn_blocking(move || {
            let (ns, broker) = theirs(release, &path, &store);
            let sent = produce(&ns.address, release);
            broker.stop().unwrap();
            ns.kill();
            sent
        })
        .await
        .unwrap();
        let cluster = ours(&data).await;
        cluster.wait_for_route(TOPIC).await.unwrap();
        let namesrv = cluster.namesrv_addr();
        tokio::task::spawn_blocking(move || {
            same(&sent, &consume(&namesrv, release, sent.len()));
            let more =
                Java::peer(PeerOptions::new(release, HeaderCodec::Json), &["produce", &namesrv, TOPIC, "async", "40"])
                    .unwrap();
            let more = events(&more.finish().unwrap(), "SENT");
            let all: Vec<Event> = sent.into_iter().chain(more).collect();
            assert_gapless(&all);
        })
        .await
        .unwrap();
        cluster.shutdown().await;
    }
}
