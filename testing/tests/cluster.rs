//! The cluster that all other tests stand on: it starts at once, comes back where it was, and leaves nothing behind.
use ferromq_testing::Cluster;
use std::time::{Duration, Instant};

/// A cluster is there in a fraction of a second, serves topics, and its files are gone when it is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_and_vanishes() {
    let started = Instant::now();
    let cluster = Cluster::start().await.unwrap();
    // Milliseconds on an idle machine; the limit is for a busy one.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    cluster.create_topic("t", 3).await.unwrap();
    let data = cluster.data_dir(0);
    assert!(data.join("commitlog").exists());
    drop(cluster);
    assert!(!data.exists());
}

/// Brokers that were stopped or killed come back on their port with their topics; the others go on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_come_back() {
    let mut cluster = Cluster::builder().brokers(2).start().await.unwrap();
    cluster.create_topic("t", 2).await.unwrap();
    for killed in [false, true] {
        let address = cluster.broker_addr(0);
        match killed {
            true => cluster.kill_broker(0),
            false => cluster.stop_broker(0).await,
        }
        assert!(cluster.broker(0).is_none() && cluster.broker(1).is_some());
        cluster.wait_for_route("t").await.unwrap();
        cluster.start_broker(0).await.unwrap();
        assert_eq!(cluster.broker_addr(0), address);
        let topics = std::fs::read_to_string(cluster.data_dir(0).join("config").join("topics.json")).unwrap();
        assert!(topics.contains("\"t\""), "{topics}");
    }
    cluster.shutdown().await;
}
