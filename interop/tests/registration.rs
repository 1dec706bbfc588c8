//! Brokers and name servers of both makes find each other.
mod support;

use ferromq_interop::{Apache, HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;
use support::{events, skipped};

/// Sends and receives ten messages with the Java client through this name server.
fn ten_messages(release: Release, namesrv: &str, topic: &str) {
    let options = PeerOptions::new(release, HeaderCodec::Json);
    let sent = Java::peer(options, &["produce", namesrv, topic, "sync", "10"]).unwrap().finish().unwrap();
    assert_eq!(events(&sent, "SENT").len(), 10);
    let args = ["consume", namesrv, topic, "G_registration", "concurrent", "*", "10"];
    let got = Java::peer(options, &args).unwrap().finish().unwrap();
    assert_eq!(events(&got, "GOT").len(), 10);
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
        }
    })
    .await
    .unwrap();
    cluster.shutdown().await;
}
