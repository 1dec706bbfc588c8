//! A data directory changes hands: written by our broker and read back through Apache's, and the reverse, after clean stops and after
//! SIGKILL under load. Its log lies in two directories, one of which may be read only; its consume queues have extensions.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{assert_gapless, events, keys, places, step, Event};
use ferromq_interop::{Apache, HeaderCodec, Java, PeerOptions, Release};
use ferromq_store::tool::{verify, Directory, DirectoryOptions};
use ferromq_testing::Cluster;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const TOPIC: &str = "Moved";
const MODES: [&str; 3] = ["sync", "ordered", "batch"];
const COUNT: &str = "150";

/// Settings that both brokers are given: small files, so that there are several of each kind. Units do not divide all sizes.
const SETTINGS: [(&str, &str); 6] = [
    ("mappedFileSizeCommitLog", "262144"),
    ("mappedFileSizeConsumeQueue", "1990"),
    ("enableConsumeQueueExt", "true"),
    ("mappedFileSizeConsumeQueueExt", "1234"),
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

/// Where the log is: new segments in both directories in turn, or the first one read only.
#[derive(Clone, Copy, PartialEq)]
enum Paths {
    Both,
    FirstReadOnly,
}

impl Paths {
    fn settings(self, data: &Path) -> Vec<(&'static str, String)> {
        let mut settings = vec![("storePathCommitLog", log_directories(data))];
        if self == Paths::FirstReadOnly {
            settings.push(("readOnlyCommitLogStorePaths", format!("{}/log-a", data.display())));
        }
        settings
    }
}

/// The directory that somebody left is sound and has so many records, and both directories of the log are used.
fn check(data: &Path, records: usize) {
    let commit_log: Vec<_> = log_directories(data).split(',').map(PathBuf::from).collect();
    assert!(commit_log.iter().all(|dir| std::fs::read_dir(dir).unwrap().count() > 0));
    let options = DirectoryOptions { root: data.to_path_buf(), commit_log, ..Default::default() };
    let seen = verify(&Directory::open(options).unwrap(), &mut |finding| println!("{finding}")).unwrap();
    let extension = data.join("consumequeue_ext").join(TOPIC).join("0");
    assert!(std::fs::read_dir(extension).unwrap().count() > 1);
    assert!(seen.damages == 0 && seen.records >= records as u64, "{seen:?}");
}

fn consume(namesrv: &str, release: Release, count: usize) -> Vec<Event> {
    consume_some(namesrv, release, "G_reader", "*", count)
}

fn consume_some(namesrv: &str, release: Release, group: &str, tags: &str, count: usize) -> Vec<Event> {
    let args = ["consume", namesrv, TOPIC, group, "concurrent", tags, &count.to_string()];
    events(&Java::peer(PeerOptions::new(release, HeaderCodec::Json), &args).unwrap().finish().unwrap(), "GOT")
}

/// Those with one tag are found by it: the broker reads tags where the consume queue says.
fn by_tag(namesrv: &str, release: Release, sent: &[Event]) {
    // Messages 0, 3, 6... of each producer have it.
    let number = |event: &Event| event.key.rsplit('-').next().unwrap().parse::<usize>().unwrap();
    let tagged: Vec<Event> = sent.iter().filter(|event| number(event) % 3 == 0).cloned().collect();
    let found = consume_some(namesrv, release, "G_tagged", "TagA", tagged.len());
    assert_eq!((places(&found), tagged.len()), (places(&tagged), 150));
}

fn same(sent: &[Event], got: &[Event]) {
    assert_eq!(keys(sent).len(), 450);
    assert_eq!(places(sent), places(got));
    assert_gapless(got);
}

async fn ours(data: &Path) -> Cluster {
    ours_with(data, Paths::Both).await
}

async fn ours_with(data: &Path, paths: Paths) -> Cluster {
    let mut builder = Cluster::builder().property("storePathRootDir", &data.display().to_string());
    for (name, value) in SETTINGS {
        builder = builder.property(name, value);
    }
    for (name, value) in paths.settings(data) {
        builder = builder.property(name, &value);
    }
    builder.start().await.unwrap()
}

fn theirs(release: Release, folder: &Path, data: &Path) -> (Apache, Apache) {
    theirs_with(release, folder, data, Paths::Both)
}

fn theirs_with(release: Release, folder: &Path, data: &Path, paths: Paths) -> (Apache, Apache) {
    let ns = Apache::name_server(release, folder).unwrap();
    let settings: String = SETTINGS.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let paths = paths.settings(data).into_iter().map(|(name, value)| format!("{name}={value}\n"));
    let settings: String = std::iter::once(settings).chain(paths).collect();
    let broker = Apache::broker(release, folder, data, "broker-a", &ns.address, &settings).unwrap();
    (ns, broker)
}

/// Ours to theirs: every message is read back at its place through Apache's broker.
async fn written_by_us_read_by_apache(release: Release) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let cluster = ours(&data).await;
    cluster.create_topic(TOPIC, 4).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    let sent = tokio::task::spawn_blocking(move || produce(&namesrv, release)).await.unwrap();
    cluster.shutdown().await;
    check(&data, sent.len());
    let path = folder.path().to_path_buf();
    tokio::task::spawn_blocking(move || {
        let (ns, broker) = theirs(release, &path, &data);
        same(&sent, &consume(&ns.address, release, sent.len()));
        by_tag(&ns.address, release, &sent);
        broker.kill();
        ns.kill();
    })
    .await
    .unwrap();
}

/// Theirs to ours: every message is read back at its place through our broker, and more can be sent behind them.
async fn written_by_apache_read_by_us(release: Release) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (path, store) = (folder.path().to_path_buf(), data.clone());
    let sent = tokio::task::spawn_blocking(move || {
        let (ns, broker) = theirs(release, &path, &store);
        let sent = produce(&ns.address, release);
        broker.stop().unwrap();
        ns.kill();
        check(&store, sent.len());
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
        by_tag(&namesrv, release, &got);
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

/// Files of the first directory of the log.
fn first_files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("log-a")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A directory of the log that became read only is read by both brokers and gets no new segment from either; what they write goes
/// behind it.
async fn read_only_directory(release: Release) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (path, store) = (folder.path().to_path_buf(), data.clone());
    let (mut sent, files) = tokio::task::spawn_blocking(move || {
        let (ns, broker) = theirs(release, &path, &store);
        let sent = produce(&ns.address, release);
        broker.stop().unwrap();
        ns.kill();
        (sent, first_files(&store))
    })
    .await
    .unwrap();
    let cluster = ours_with(&data, Paths::FirstReadOnly).await;
    cluster.wait_for_route(TOPIC).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    sent = tokio::task::spawn_blocking(move || {
        same(&sent, &consume(&namesrv, release, sent.len()));
        // Several segments, of messages with keys of their own.
        let more = [step(&["produce", &namesrv, TOPIC, "async", COUNT, "pad=6000"])];
        let more = Java::steps(PeerOptions::new(release, HeaderCodec::Json), &more).unwrap();
        sent.extend(events(&more.concat(), "SENT"));
        sent
    })
    .await
    .unwrap();
    cluster.shutdown().await;
    assert_eq!(first_files(&data), files, "ours put segments there");
    let (path, store) = (folder.path().to_path_buf(), data.clone());
    let files_then = tokio::task::spawn_blocking(move || {
        let (ns, broker) = theirs_with(release, &path, &store, Paths::FirstReadOnly);
        let got = consume_some(&ns.address, release, "G_again", "*", sent.len());
        assert_eq!(places(&got), places(&sent));
        assert_gapless(&got);
        produce(&ns.address, release);
        broker.stop().unwrap();
        ns.kill();
        check(&store, sent.len() + 450);
        first_files(&store)
    })
    .await
    .unwrap();
    assert_eq!(files_then, files, "Apache's put segments there");
}

/// Set for the process that is killed: its data directory.
const DATA: &str = "FERROMQ_INTEROP_DATA";
/// Acknowledged messages of each producer before the kill.
const BEFORE_THE_KILL: usize = 400;

/// Not a test by itself: our broker in a process that can be killed. Says where its name server is and ends with its input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(data) = std::env::var(DATA) else { return };
    let cluster = ours(Path::new(&data)).await;
    cluster.create_topic(TOPIC, 4).await.unwrap();
    // Not `println!`, which a test keeps to itself.
    std::io::stdout().write_all(format!("\nREADY {}\n", cluster.namesrv_addr()).as_bytes()).unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

/// Our broker in a process of its own, and where its name server is.
fn ours_in_a_process(data: &Path) -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "data_directory::child", "--nocapture", "--test-threads=1"]).env(DATA, data);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let namesrv = lines.into_iter().find_map(|line| line.strip_prefix("READY ").map(str::to_owned));
    (child, namesrv.unwrap())
}

/// Two producers send until `kill` has ended the broker; what was acknowledged.
fn produce_until_killed(namesrv: &str, release: Release, kill: impl FnOnce()) -> Vec<Event> {
    let start = |mode, pad| {
        let words = ["produce", namesrv, TOPIC, mode, "1000000", pad];
        Java::peer(PeerOptions::new(release, HeaderCodec::Json), &words).unwrap()
    };
    let mut producers = [start("sync", "pad=500"), start("batch", "pad=50")];
    producers.iter_mut().for_each(|producer| producer.wait_count("SENT", BEFORE_THE_KILL).unwrap());
    kill();
    let sent = producers.iter_mut().flat_map(|producer| {
        producer.wait_for("no such line").expect_err("a producer whose broker is gone ends");
        events(&producer.seen, "SENT")
    });
    sent.collect()
}

/// Everything that was acknowledged is read in its place; what is there besides was under way. More goes behind it.
fn all_is_there(namesrv: &str, release: Release, sent: &[Event]) {
    let words = ["consume", namesrv, TOPIC, "G_after", "concurrent", "*", "0"];
    let mut consumer = Java::peer(PeerOptions::new(release, HeaderCodec::Json), &words).unwrap();
    let (wanted, mut count) = (places(sent), sent.len());
    let missing = |consumer: &Java| {
        let got = places(&events(&consumer.seen, "GOT"));
        wanted.difference(&got).count()
    };
    loop {
        consumer.wait_count("GOT", count).unwrap();
        match missing(&consumer) {
            0 => break,
            some => count = events(&consumer.seen, "GOT").len() + some,
        }
    }
    let got = events(&consumer.finish().unwrap(), "GOT");
    assert_gapless(&got);
    let more = step(&["produce", namesrv, TOPIC, "async", "40"]);
    let more = Java::steps(PeerOptions::new(release, HeaderCodec::Json), &[more]).unwrap();
    let all: Vec<Event> = got.into_iter().chain(events(&more.concat(), "SENT")).collect();
    assert_gapless(&all);
}

/// Our broker is killed under load: Apache's recovers its directory.
async fn killed_ours_recovered_by_apache(release: Release) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (mut child, namesrv) = ours_in_a_process(&data);
    let sent = produce_until_killed(&namesrv, release, || child.kill().unwrap());
    child.wait().unwrap();
    check(&data, sent.len());
    let (ns, broker) = theirs(release, folder.path(), &data);
    all_is_there(&ns.address, release, &sent);
    broker.stop().unwrap();
    ns.kill();
    check(&data, sent.len() + 40);
}

/// Apache's broker is killed under load: ours recovers its directory.
async fn killed_apache_recovered_by_us(release: Release) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (path, store) = (folder.path().to_path_buf(), data.clone());
    let killed = move || {
        let (ns, broker) = theirs(release, &path, &store);
        let sent = produce_until_killed(&ns.address, release, || broker.kill());
        check(&store, sent.len());
        sent
    };
    let sent = tokio::task::spawn_blocking(killed).await.unwrap();
    let cluster = ours(&data).await;
    cluster.wait_for_route(TOPIC).await.unwrap();
    let (namesrv, count) = (cluster.namesrv_addr(), sent.len());
    tokio::task::spawn_blocking(move || all_is_there(&namesrv, release, &sent)).await.unwrap();
    cluster.shutdown().await;
    check(&data, count + 40);
}

cases! {
    written_by_us_read_by_apache:
    from_us_540 (Release::V5_4_0) Gate,
    from_us_497 (Release::V4_9_7) Full,
}

cases! {
    written_by_apache_read_by_us:
    from_apache_540 (Release::V5_4_0) Gate,
    from_apache_497 (Release::V4_9_7) Full,
}

cases! {
    read_only_directory:
    read_only_540 (Release::V5_4_0) Gate,
    read_only_497 (Release::V4_9_7) Full,
}

cases! {
    killed_ours_recovered_by_apache:
    killed_us_540 (Release::V5_4_0) Gate,
    killed_us_497 (Release::V4_9_7) Full,
}

cases! {
    killed_apache_recovered_by_us:
    killed_apache_540 (Release::V5_4_0) Gate,
    killed_apache_497 (Release::V4_9_7) Full,
}
