//! A data directory changes hands: written by our broker and read back through Apache's, and the reverse. Its log lies in two
//! directories, and Apache's consume queues have extensions, which ours do not write.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use ferromq_interop::{Apache, HeaderCodec, Java, PeerOptions, Release};
use ferromq_store::tool::{verify, Directory, DirectoryOptions};
use ferromq_testing::Cluster;
use std::path::{Path, PathBuf};
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

/// The directories of the log, as both brokers take them.
fn log_directories(data: &Path) -> String {
    format!("{0}/log-a,{0}/log-b", data.display())
}

/// The directory that somebody left is sound, and both directories of the log are used.
fn check(data: &Path) {
    let commit_log: Vec<_> = log_directories(data).split(',').map(PathBuf::from).collect();
    assert!(commit_log.iter().all(|dir| std::fs::read_dir(dir).unwrap().count() > 0));
    let options = DirectoryOptions { root: data.to_path_buf(), commit_log, ..Default::default() };
    let seen = verify(&Directory::open(options).unwrap(), &mut |finding| println!("{finding}")).unwrap();
    assert!(seen.damages == 0 && seen.records >= 450, "{seen:?}");
}

fn consume(namesrv: &str, release: Release, count: usize) -> Vec<Event> {
    consume_some(namesrv, release, "G_reader", "*", count)
}

fn consume_some(namesrv: &str, release: Release, group: &str, tags: &str, count: usize) -> Vec<Event> {
    let args = ["consume", namesrv, TOPIC, group, "concurrent", tags, &count.to_string()];
    events(&Java::peer(PeerOptions::new(release, HeaderCodec::Json), &args).unwrap().finish().unwrap(), "GOT")
}

fn same(sent: &[Event], got: &[Event]) {
    assert_eq!(keys(sent).len(), 450);
    assert_eq!(places(sent), places(got));
    assert_gapless(got);
}

async fn ours(data: &Path) -> Cluster {
    let mut builder = Cluster::builder()
        .property("storePathRootDir", &data.display().to_string())
        .property("storePathCommitLog", &log_directories(data));
    for (name, value) in SIZES {
        builder = builder.property(name, value);
    }
    builder.start().await.unwrap()
}

fn theirs(release: Release, folder: &Path, data: &Path) -> (Apache, Apache) {
    let ns = Apache::name_server(release, folder).unwrap();
    let sizes: String = SIZES.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let settings = format!("{sizes}storePathCommitLog={}\nenableConsumeQueueExt=true\n", log_directories(data));
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
        check(&data);
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
            check(&store);
            sent
        })
        .await
        .unwrap();
        let cluster = ours(&data).await;
        cluster.wait_for_route(TOPIC).await.unwrap();
        let namesrv = cluster.namesrv_addr();
        tokio::task::spawn_blocking(move || {
            let got = consume(&namesrv, release, sent.len());
            same(&sent, &got);
            let tagged: Vec<Event> = got.into_iter().filter(|event| event.tag == "TagA").collect();
            let found = consume_some(&namesrv, release, "G_tagged", "TagA", tagged.len());
            assert_eq!((places(&found), tagged.len()), (places(&tagged), 150));
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
