//! One consumer group with a member of ours and a Java member: the queues are shared without overlap or gap.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{events, keys, Collected, Event};
use ferromq::{ConsumeConcurrentlyStatus, ConsumeFrom, ConsumeOrderlyStatus, Message, Producer, PushConsumer};
use ferromq_interop::{HeaderCodec, Java, PeerOptions, Release};
use ferromq_testing::Cluster;
use std::collections::BTreeSet;
use std::time::Duration;

const QUEUES: usize = 8;
const TOPIC: &str = "Mixed";

async fn send(producer: &Producer, from: usize, to: usize) {
    for n in from..to {
        let message = Message::new(TOPIC, format!("body of k-{n}")).with_key(format!("k-{n}")).with_tag("TagA");
        producer.send(message).await.unwrap();
    }
}

fn queues(events: &[Event]) -> BTreeSet<i32> {
    events.iter().map(|e| e.queue).collect()
}

/// A member of ours that enters everything into `collected`.
async fn our_member(namesrv: &str, collected: &Collected, orderly: bool) -> PushConsumer {
    let books = collected.clone();
    let builder =
        PushConsumer::builder("G_mixed").namesrv(namesrv).consume_from(ConsumeFrom::First).subscribe(TOPIC, "*");
    let builder = if orderly {
        builder.orderly(move |messages, _| {
            messages.iter().for_each(|m| assert!(books.take(m)));
            ConsumeOrderlyStatus::Success
        })
    } else {
        builder.concurrent(move |messages, _| {
            messages.iter().for_each(|m| assert!(books.take(m)));
            ConsumeConcurrentlyStatus::Success
        })
    };
    builder.start().await.unwrap()
}

/// A member of ours and one of this release share a group.
async fn mixed(release: Release, codec: HeaderCodec, orderly: bool) {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_topic(TOPIC, QUEUES as u32).await.unwrap();
    let namesrv = cluster.namesrv_addr();
    let collected = Collected::new(false);
    let ours = our_member(&namesrv, &collected, orderly).await;
    let producer = Producer::builder("PG_mixed").namesrv(&namesrv).start().await.unwrap();
    send(&producer, 0, 2 * QUEUES).await;
    collected.wait_for(2 * QUEUES).await;

    let address = namesrv.clone();
    let mode = if orderly { "orderly" } else { "concurrent" };
    let mut java = tokio::task::spawn_blocking(move || {
        let mut java =
            Java::peer(PeerOptions::new(release, codec), &["consume", &address, TOPIC, "G_mixed", mode, "*", "0"])
                .unwrap();
        java.wait_for("READY").unwrap();
        java
    })
    .await
    .unwrap();
    // Half of the queues are handed over; messages of this phase may come twice around that moment, but none is lost.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(90);
    while ours.assigned_queues().iter().filter(|q| q.topic == TOPIC).count() != QUEUES / 2 {
        assert!(tokio::time::Instant::now() < deadline, "the queues are not shared: {:?}", ours.assigned_queues());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Sent until the Java member shows that it has its share; from then on, exactly one member per queue.
    let mut sent = 2 * QUEUES;
    while queues(&events(&java.seen, "GOT")).len() < QUEUES / 2 {
        assert!(tokio::time::Instant::now() < deadline, "the Java member has no share: {:?}", java.seen);
        send(&producer, sent, sent + QUEUES).await;
        sent += QUEUES;
        tokio::time::sleep(Duration::from_millis(200)).await;
        java.drain();
    }
    let (before, total) = (sent, sent + 20 * QUEUES);
    send(&producer, before, total).await;
    let all = |java: &Java| {
        let mut all = keys(&collected.events());
        all.extend(keys(&events(&java.seen, "GOT")));
        all.len()
    };
    while all(&java) < total {
        assert!(tokio::time::Instant::now() < deadline, "{} of {total}", all(&java));
        tokio::time::sleep(Duration::from_millis(50)).await;
        java.drain();
    }
    let late = |events: Vec<Event>| -> Vec<Event> {
        events.into_iter().filter(|e| e.key[2..].parse::<usize>().unwrap() >= before).collect()
    };
    let (mine, theirs) = (late(collected.events()), late(events(&java.seen, "GOT")));
    assert!(queues(&mine).is_disjoint(&queues(&theirs)), "{:?} and {:?}", queues(&mine), queues(&theirs));
    assert_eq!(queues(&mine).len() + queues(&theirs).len(), QUEUES);
    assert_eq!(mine.len() + theirs.len(), total - before, "each message once");

    // The Java member leaves: we take everything over.
    tokio::task::spawn_blocking(move || java.finish().unwrap()).await.unwrap();
    send(&producer, total, total + 2 * QUEUES).await;
    while late(collected.events()).iter().filter(|e| e.key[2..].parse::<usize>().unwrap() >= total).count() < 2 * QUEUES
    {
        assert!(tokio::time::Instant::now() < deadline + Duration::from_secs(60), "the queues do not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    producer.shutdown().await;
    ours.shutdown().await;
    cluster.shutdown().await;
}

cases! {
    mixed:
    concurrent_540 (Release::V5_4_0, HeaderCodec::Json, false) Gate,
    orderly_540 (Release::V5_4_0, HeaderCodec::Binary, true) Gate,
    concurrent_497 (Release::V4_9_7, HeaderCodec::Binary, false) Full,
    orderly_497 (Release::V4_9_7, HeaderCodec::Json, true) Full,
}
