//! Brokers and name servers of both makes find each other.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{events, places, skipped, step};
use ferromq_interop::{is_registered, Apache, HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;

/// Sends and receives ten messages with the Java client through this name server.
fn ten_messages(release: Release, namesrv: &str, topic: &str) {
    let options = PeerOptions::new(release, HeaderCodec::Json);
    let send = step(&["produce", namesrv, topic, "sync", "10"]);
    let take = step(&["consume", namesrv, topic, "G_registration", "concurrent", "*", "10"]);
    let lines = Java::steps(options, &[send, take]).unwrap();
    let (sent, got) = (events(&lines[0], "SENT"), events(&lines[1], "GOT"));
    assert_eq!((sent.len(), got.len()), (10, 10));
    assert_eq!(places(&sent), places(&got));
}

/// Our broker registers with Apache's name server, auto-creates a topic there, and Java clients use it through that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_broker_with_apaches_name_server() {
    if skipped("our_broker_with_apaches_name_server") {
        return;
    }
    for release in Release::ALL {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_path_buf();
        let ns = tokio::task::spawn_blocking(move || Apache::name_server(release, &path)).await.unwrap().unwrap();
        let cluster = Cluster::builder().external_namesrv(&ns.address).start().await.unwrap();
        let address = ns.address.clone();
        tokio::task::spawn_blocking(move || ten_messages(release, &address, "OursAtTheirs")).await.unwrap();
        cluster.shutdown().await;
        assert!(!is_registered(&ns.address, "broker-a").unwrap(), "our broker unregisters when it stops");
        ns.kill();
    }
}

/// Apache's broker registers with our name server, and Java clients find it through that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apaches_broker_with_our_name_server() {
    if skipped("apaches_broker_with_our_name_server") {
        return;
    }
    let cluster = Cluster::builder().brokers(0).start().await.unwrap();
    let namesrv = cluster.namesrv_addr();
    tokio::task::spawn_blocking(move || {
        for release in Release::ALL {
            let folder = tempfile::tempdir().unwrap();
            let data = folder.path().join("data");
            let name = format!("apache-{}", release.version());
            let broker = Apache::broker(release, folder.path(), &data, &name, &namesrv, "").unwrap();
            ten_messages(release, &namesrv, &format!("TheirsAtOurs{}", release.version().replace('.', "_")));
            broker.stop().unwrap();
            assert!(!is_registered(&namesrv, &name).unwrap(), "{name} unregisters when it stops");
        }
    })
    .await
    .unwrap();
    cluster.shutdown().await;
}
