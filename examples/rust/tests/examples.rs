//! Every example runs against a real broker and says what it promises.
#![expect(clippy::unwrap_used, reason = "tests")]
use ferromq_testing::Cluster;
use std::time::Duration;
use tokio::process::Command;

async fn run(program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Producer, then the three consumers, each in its own group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_runs() {
    let cluster = Cluster::start().await.unwrap();
    let namesrv = cluster.namesrv_addr();
    let sent = run(env!("CARGO_BIN_EXE_producer"), &[&namesrv, "Examples"]).await;
    assert!(sent.ends_with("7 messages sent\n"), "{sent}");
    let pushed = run(env!("CARGO_BIN_EXE_push_consumer"), &[&namesrv, "Examples", "4"]).await;
    assert!(pushed.contains("one coffee") && pushed.contains("cake 3"), "{pushed}");
    let ordered = run(env!("CARGO_BIN_EXE_orderly_consumer"), &[&namesrv, "Examples", "3"]).await;
    let steps: Vec<&str> = ordered.lines().filter_map(|l| l.split_once(": ").map(|(_, step)| step)).collect();
    assert_eq!(steps, ["created", "paid", "served"]);
    let pulled = run(env!("CARGO_BIN_EXE_lite_pull_consumer"), &[&namesrv, "Examples", "7"]).await;
    assert!(pulled.ends_with("7 messages received\n"), "{pulled}");
    cluster.shutdown().await;
}

/// The Rust code of README.md is the code of the example `readme`, which the compiler has seen.
#[test]
fn the_readme_compiles() {
    let readme = include_str!("../../../README.md");
    let shown =
        readme.split_once("```rust\n").and_then(|(_, rest)| rest.split_once("```")).map(|(code, _)| code).unwrap();
    let source = include_str!("../src/bin/readme.rs");
    let imports: String = source.lines().filter(|l| l.starts_with("use ")).map(|l| format!("{l}\n")).collect();
    let body =
        source.split_once("// README begins here.\n").and_then(|(_, rest)| rest.split_once("    // README ends"));
    let body: String = body.unwrap().0.lines().map(|l| format!("{}\n", l.strip_prefix("    ").unwrap_or(l))).collect();
    assert_eq!(shown, format!("{imports}\n{body}"));
}
