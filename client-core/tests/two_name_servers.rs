//! Two name servers of which one dies: brokers stay registered, and producers, consumers and administration go on.
#![allow(clippy::unwrap_used, reason = "tests")]
use ferromq::{Admin, ConsumeConcurrentlyStatus, ConsumeFrom, Message, Producer, PushConsumer};
use ferromq_testing::Cluster;
use std::time::Duration;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

/// A name server alone.
async fn name_server() -> Cluster {
    Cluster::builder().brokers(0).start().await.unwrap()
}

/// Whichever of the two dies: topics that are new after that are made, found, sent to and consumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_name_servers_is_enough() {
    for dies in [0, 1] {
        let mut names = [name_server().await, name_server().await];
        let both = format!("{};{}", names[0].namesrv_addr(), names[1].namesrv_addr());
        let cluster = Cluster::builder().external_namesrv(&both).start().await.unwrap();
        let admin = Admin::builder().namesrv(&both).start().await.unwrap();
        let producer = Producer::builder("P").namesrv(&both).start().await.unwrap();
        admin.create_topic("Before", 2).await.unwrap();
        producer.send(Message::new("Before", "1")).await.unwrap();

        names[dies].stop_name_server().await;
        producer.send(Message::new("Before", "2")).await.unwrap();
        admin.create_topic("After", 2).await.unwrap();
        producer.send(Message::new("After", "3")).await.unwrap();
        let (taken, mut received) = mpsc::unbounded_channel();
        let consumer = PushConsumer::builder("G")
            .namesrv(&both)
            .consume_from(ConsumeFrom::First)
            .subscribe("Before", "*")
            .subscribe("After", "*")
            .concurrent(move |messages, _context| {
                for message in messages {
                    let _ = taken.send(String::from_utf8_lossy(message.body()).into_owned());
                }
                ConsumeConcurrentlyStatus::Success
            })
            .start()
            .await
            .unwrap();
        let mut bodies = Vec::new();
        while bodies.len() < 3 {
            bodies.push(tokio::time::timeout(PATIENCE, received.recv()).await.expect("three messages").unwrap());
        }
        bodies.sort();
        assert_eq!(bodies, ["1", "2", "3"]);
        consumer.shutdown().await;
        producer.shutdown().await;
        admin.shutdown().await;
        cluster.shutdown().await;
        for server in names {
            server.shutdown().await;
        }
    }
}
