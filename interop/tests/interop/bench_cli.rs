//! `ferromq bench` measures Apache's brokers as it measures ours.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{apache, our_binary, skipped};
use ferromq_interop::Release;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// One run of the tool; its JSON object.
fn bench(tool: &Path, kind: &str, namesrv: &str, more: &[&str]) -> Value {
    let mut command = Command::new(tool);
    command.args(["bench", kind, "-n", namesrv, "--json"]);
    let out = command.args(["-m", "2000", "--queues", "4", "--no-progress"]).args(more).output().unwrap();
    assert!(out.status.success(), "{kind}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Producer, consumer and the way from the one to the other: every message is counted, none fails, and latencies have a histogram.
#[test]
fn bench_works_with_apaches_broker() {
    if skipped("bench_works_with_apaches_broker") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = "waitTimeMillsInSendQueue=60000";
    let (namesrv, _broker) = apache(Release::V5_4_0, folder.path(), "broker-a", settings);
    let tool = our_binary();
    let runs =
        [("producer", "stored", &["--rate", "5000"][..]), ("consumer", "stored", &[]), ("end-to-end", "both", &[])];
    for (kind, topic, more) in runs {
        let result = bench(&tool, kind, &namesrv.address, &[&["-t", topic], more].concat());
        assert_eq!((&result["messages"], &result["errors"]), (&2000.into(), &0.into()), "{result}");
        assert!(result["messages_per_second"].as_f64().unwrap() > 0.0, "{result}");
        let has_latency = result["latency_us"]["p99"].is_number() && result["latency_us"]["histogram"].is_array();
        assert_eq!(has_latency, kind != "consumer", "{result}");
    }
}
