//! Every language against Apache's brokers: the same scenarios, run by each language's driver from its installed package
//! (`conformance/drivers/README.md`).
//!
//! `FERROMQ_DRIVERS` names the commands as JSON, `{"python": ["/venv/bin/python", "driver.py"], ...}`; `cargo xtask test` installs
//! the packages and sets it. Without it there is nothing to test here.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use ferromq::{hash_index, Admin};
use ferromq_interop::Release;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::skipped;

/// Messages of a scenario.
const COUNT: u32 = 60;
/// Longest time for one run of a driver.
const PATIENCE: Duration = Duration::from_secs(180);
const QUEUES: i32 = 4;

/// The commands by language.
fn drivers() -> BTreeMap<String, Vec<String>> {
    let text =
        std::env::var("FERROMQ_DRIVERS").expect("FERROMQ_DRIVERS, which `cargo xtask test --only languages` sets");
    serde_json::from_str(&text).expect("FERROMQ_DRIVERS is JSON")
}

/// Runs a driver and returns its lines; it must end well and in time.
fn run(driver: &[String], arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(&driver[0]);
    command.args(&driver[1..]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|e| panic!("{driver:?}: {e}"));
    let pid = child.id();
    let (ended, wait) = std::sync::mpsc::channel();
    let output = std::thread::spawn(move || {
        let output = child.wait_with_output();
        let _ = ended.send(());
        output
    });
    if wait.recv_timeout(PATIENCE).is_err() {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
    let output = output.join().unwrap().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{driver:?} {arguments:?}: {}\n{out}\n{err}", output.status);
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn number(line: &Value, name: &str) -> i64 {
    line[name].as_i64().unwrap_or_else(|| panic!("no number {name} in {line}"))
}

fn text(i: i64) -> String {
    format!("Grüße, 世界 🦀 {i}")
}

fn body(i: i64) -> String {
    let mut body = (i as u32).to_be_bytes().to_vec();
    body.extend(0..=255u8);
    body.extend(text(i).as_bytes());
    body.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything about a consumed message that its producer gave.
fn check_message(line: &Value) {
    let i = number(line, "i");
    assert_eq!(line["body"], body(i), "{i}");
    let (key, tag) = (format!("key-{i}"), if i % 2 == 0 { "even" } else { "odd" });
    assert_eq!((&line["key"], &line["tag"], &line["text"]), (&key.into(), &tag.into(), &text(i).into()));
}

/// The numbers of all lines, which come one after another.
fn check_sent(lines: &[Value], sharded: bool) {
    let numbers: Vec<i64> = lines.iter().map(|line| number(line, "i")).collect();
    assert_eq!(numbers, (0..i64::from(COUNT)).collect::<Vec<_>>());
    let ids: BTreeSet<&str> = lines.iter().map(|line| line["message_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), lines.len(), "unique ids");
    for line in lines.iter().filter(|_| sharded) {
        let key = (number(line, "i") % 7).to_string();
        assert_eq!(number(line, "queue_id"), hash_index(&key, QUEUES as usize) as i64, "Java's queue of key {key}");
    }
}

/// All messages were consumed, each once; with `failing` every tenth one failed before, came again and says so.
fn check_consumed(lines: &[Value], failing: bool) {
    lines.iter().for_each(check_message);
    let ok: Vec<&Value> = lines.iter().filter(|line| line["ok"] == true).collect();
    let numbers: BTreeSet<i64> = ok.iter().map(|line| number(line, "i")).collect();
    assert_eq!(numbers, (0..i64::from(COUNT)).collect::<BTreeSet<_>>());
    assert_eq!(ok.len(), numbers.len(), "each consumed once");
    let failed: BTreeSet<i64> = lines.iter().filter(|line| line["ok"] == false).map(|line| number(line, "i")).collect();
    let tens: BTreeSet<i64> = (0..i64::from(COUNT)).filter(|i| failing && i % 10 == 0).collect();
    assert_eq!(failed, tens);
    for line in ok.iter().filter(|line| tens.contains(&number(line, "i"))) {
        assert!(number(line, "reconsume_times") >= 1, "{line}");
    }
}

/// Of each key, the numbers of successful calls grow.
fn check_order(lines: &[Value]) {
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["ok"] == true) {
        let i = number(line, "i");
        if let Some(before) = last.insert(i % 7, i) {
            assert!(before < i, "{before} before {i} of key {}", i % 7);
        }
    }
}

/// One language against the broker behind `namesrv`; `reader` is another language's driver, which must find the same messages.
fn scenarios(namesrv: &str, language: &str, driver: &[String], reader: &[String]) {
    let began = Instant::now();
    let at = ["--namesrv", namesrv, "--topic"];
    let (plain, sharded) = (format!("Plain_{language}"), format!("Sharded_{language}"));
    let to = COUNT.to_string();
    let send = |topic: &str, more: &[&str]| {
        run(driver, &[&["send"], &at[..], &[topic, "--from", "0", "--to", &to], more].concat())
    };
    let consume = |driver: &[String], topic: &str, group: &str, more: &[&str]| {
        let group = format!("{group}_{language}");
        run(driver, &[&["consume"], &at[..], &[topic, "--group", &group, "--count", &to], more].concat())
    };
    check_sent(&send(&plain, &["--many"]), false);
    check_sent(&send(&sharded, &["--sharded", "--codec", "binary"]), true);
    check_consumed(&consume(driver, &plain, "retry", &["--fail-tens"]), true);
    let ordered = consume(driver, &sharded, "ordered", &["--orderly", "--fail-tens", "--codec", "binary"]);
    check_consumed(&ordered, true);
    check_order(&ordered);
    check_consumed(&consume(reader, &plain, "other", &[]), false);
    let apis = run(driver, &["consume", "--api", "?"]).remove(0);
    for (n, api) in apis.as_array().unwrap().iter().enumerate() {
        let api = api.as_str().unwrap();
        check_consumed(&consume(driver, &plain, &format!("api{n}"), &["--api", api]), false);
    }
    println!("{language}: {:?}", began.elapsed());
}

async fn all_languages(release: Release) {
    let folder = tempfile::tempdir().unwrap();
    let (ns, broker) = support::apache_pair(release, folder.path()).await;
    let admin = Admin::builder().namesrv(&ns.address).start().await.unwrap();
    let drivers = drivers();
    for language in drivers.keys() {
        for topic in ["Plain", "Sharded"].map(|topic| format!("{topic}_{language}")) {
            support::until_ok(|| admin.create_topic(&topic, QUEUES)).await;
        }
    }
    admin.shutdown().await;
    let namesrv = ns.address.clone();
    let run = move || {
        let languages: Vec<&String> = drivers.keys().collect();
        std::thread::scope(|scope| {
            for (n, language) in languages.iter().enumerate() {
                // Each language's messages are read by the next one.
                let reader = &drivers[languages[(n + 1) % languages.len()]];
                let (namesrv, driver) = (&namesrv, &drivers[*language]);
                scope.spawn(move || scenarios(namesrv, language, driver, reader));
            }
        });
    };
    tokio::task::spawn_blocking(run).await.unwrap();
    broker.kill();
    ns.kill();
}

/// All languages against Apache 5.4.0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn languages_540() {
    if !skipped("languages_540") {
        all_languages(Release::V5_4_0).await;
    }
}

/// All languages against Apache 4.9.7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn languages_497() {
    if !skipped("languages_497") {
        all_languages(Release::V4_9_7).await;
    }
}
