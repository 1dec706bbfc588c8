//! The official mqadmin, of both releases: every subcommand that needs no slave, controller, access control or static topic, asked
//! of our servers and of Apache's in the same state. What it prints and its exit codes must be the same, but for times, addresses
//! and ids.
//!
//! The steps are `mqadmin/steps.txt`; `interop/java/Operator.java` runs them in one process. Release 4.9.7 runs only with
//! `cargo xtask test --full`.
#![allow(clippy::unwrap_used, reason = "tests")]
pub mod transcript;
use ferromq_interop::{Apache, Java, Release};
use ferromq_testing::Cluster;
use std::path::{Path, PathBuf};
use transcript::{compare, Step};

fn steps_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/mqadmin").join("steps.txt")
}

/// Settings of both brokers. On a busy machine sends wait longer than the 200 ms after which they are refused.
const SETTINGS: [(&str, &str); 2] = [("traceTopicEnable", "true"), ("waitTimeMillsInSendQueue", "60000")];
/// Files that steps name.
const FILES: [(&str, &str); 2] = [
    (
        "topics.json",
        r#"[{"topicName":"ListedA","readQueueNums":2,"writeQueueNums":2,"perm":6},
            {"topicName":"ListedB","readQueueNums":3,"writeQueueNums":3,"perm":6}]"#,
    ),
    ("groups.json", r#"[{"groupName":"G_listed_a"},{"groupName":"G_listed_b","retryMaxTimes":3}]"#),
];

/// What the tool says to one name server and its broker.
fn operate(release: Release, namesrv: &str, broker: &str, folder: &Path) -> Vec<Step> {
    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let values = [("namesrv", namesrv), ("broker", broker), ("folder", &folder.display().to_string())];
    transcript::parse(&Java::operate(release, &steps_file(), &values).unwrap())
}

/// The same against Apache's servers.
fn apache(release: Release) -> Vec<Step> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let namesrv = Apache::name_server(Release::V5_4_0, &path("namesrv")).unwrap();
    let settings: String = SETTINGS.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let broker =
        Apache::broker(Release::V5_4_0, &path("broker"), &path("data"), "broker-a", &namesrv.address, &settings);
    let broker = broker.unwrap();
    operate(release, &namesrv.address, &broker.address, &path("export"))
}

async fn ours(release: Release) -> Vec<Step> {
    let builder = SETTINGS.iter().fold(Cluster::builder(), |builder, (name, value)| builder.property(name, value));
    let cluster = builder.start().await.unwrap();
    let (namesrv, broker) = (cluster.namesrv_addr(), cluster.broker_addr(0));
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    let run = move || operate(release, &namesrv, &broker, &export);
    let steps = tokio::task::spawn_blocking(run).await.unwrap();
    cluster.shutdown().await;
    steps
}

/// The tool of this release prints the same about our servers as about Apache's 5.4.0.
async fn mqadmin(release: Release) {
    let theirs = tokio::task::spawn_blocking(move || apache(release));
    let (ours, theirs) = (ours(release).await, theirs.await.unwrap());
    let differences = compare(&ours, &theirs, release);
    assert!(differences.is_empty(), "{} steps differ\n{}", differences.len(), differences.join("\n"));
}

cases! {
    mqadmin:
    mqadmin_540 (Release::V5_4_0) Gate,
    mqadmin_497 (Release::V4_9_7) Full,
}
