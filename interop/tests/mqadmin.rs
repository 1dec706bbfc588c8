//! The official mqadmin, of both releases, against our broker and name server: what an operator does on the first day.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use ferromq_interop::{HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;
use support::{events, skipped, step};

const QUEUES: usize = 6;

/// The rows of a table whose first words are these.
fn rows<'a>(lines: &'a [String], words: &[&str]) -> Vec<Vec<&'a str>> {
    let rows = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.starts_with(words)).collect()
}

/// The text of all lines without white space: releases lay out their JSON in different ways.
fn dense(lines: &[String]) -> String {
    lines.concat().split_whitespace().collect()
}

/// A topic and a group are made, used, looked at and the topic deleted.
fn first_day(release: Release, namesrv: &str, broker_addr: &str) {
    let admin = |command: &str, rest: &[&str]| step(&[&["admin", command, "-n", namesrv], rest].concat());
    let steps = [
        admin("updateTopic", &["-c", "DefaultCluster", "-t", "Orders", "-r", "6", "-w", "6"]),
        admin("updateSubGroup", &["-c", "DefaultCluster", "-g", "G_orders", "-q", "3"]),
        step(&["produce", namesrv, "Orders", "sync", "12"]),
        step(&["consume", namesrv, "Orders", "G_orders", "concurrent", "*", "12"]),
        admin("clusterList", &[]),
        admin("topicRoute", &["-t", "Orders"]),
        admin("topicStatus", &["-t", "Orders"]),
        admin("topicList", &[]),
        admin("consumerProgress", &["-g", "G_orders"]),
        admin("brokerStatus", &["-b", broker_addr]),
        admin("getBrokerConfig", &["-b", broker_addr]),
        admin("deleteTopic", &["-c", "DefaultCluster", "-t", "Orders"]),
        admin("topicList", &[]),
    ];
    let said = Java::steps(PeerOptions::new(release, HeaderCodec::Json), &steps).unwrap();
    for (step, lines) in steps.iter().zip(&said) {
        if release == Release::V4_9_7 && step[1] == "clusterList" {
            continue; // misses getTransferedTps, which 5.x spells correctly: as with Apache's own 5.4.0 broker
        }
        assert!(!lines.iter().any(|l| l.contains("Exception")), "{step:?}: {lines:#?}");
    }
    let [topic, group, sent, got, clusters, route, status, list, progress, runtime, config, deleted, list_after] =
        said.as_slice()
    else {
        panic!("{} steps", said.len());
    };
    assert!(topic.iter().any(|l| l.contains(&format!("create topic to {broker_addr} success"))), "{topic:?}");
    assert!(group.iter().any(|l| l.contains("success")), "{group:?}");
    assert!(dense(group).contains("retryQueueNums=3"), "{group:?}");
    assert_eq!((events(sent, "SENT").len(), events(got, "GOT").len()), (12, 12));
    assert_eq!(rows(clusters, &["DefaultCluster", "broker-a", "0", broker_addr]).len(), 1, "{clusters:?}");
    let route = dense(route);
    assert!(route.contains(&format!("0:\"{broker_addr}\"")), "{route}");
    assert!(route.contains("\"readQueueNums\":6") && route.contains("\"writeQueueNums\":6"), "{route}");

    // Two messages in each queue, all consumed.
    let status = rows(status, &["broker-a"]);
    assert_eq!(status.len(), QUEUES, "{status:?}");
    assert!(status.iter().all(|row| row[2..4] == ["0", "2"]), "{status:?}");
    let queues = rows(progress, &["Orders", "broker-a"]);
    assert_eq!(queues.len(), QUEUES, "{progress:#?}");
    assert!(queues.iter().all(|row| row[3..6] == ["2", "2", "0"]), "{progress:#?}");
    assert!(progress.iter().any(|l| l.contains("Diff Total: 0")), "{progress:?}");

    assert_eq!(rows(runtime, &["putMessageTimesTotal"])[0][2], "12");
    assert_eq!(rows(config, &["brokerName"])[0][2], "broker-a");
    assert_eq!(rows(list, &["Orders"]).len(), 1, "{list:?}");
    assert!(deleted.iter().any(|l| l.contains("success")), "{deleted:?}");
    assert_eq!(rows(list_after, &["Orders"]).len(), 0, "{list_after:?}");
}

async fn mqadmin(release: Release) {
    let cluster = Cluster::start().await.unwrap();
    let (namesrv, broker) = (cluster.namesrv_addr(), cluster.broker_addr(0));
    tokio::task::spawn_blocking(move || first_day(release, &namesrv, &broker)).await.unwrap();
    cluster.shutdown().await;
}

/// mqadmin 5.4.0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqadmin_540() {
    if !skipped("mqadmin_540") {
        mqadmin(Release::V5_4_0).await;
    }
}

/// mqadmin 4.9.7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqadmin_497() {
    if !skipped("mqadmin_497") {
        mqadmin(Release::V4_9_7).await;
    }
}
