//! Delay levels: delivery in time, under the real topic, over restarts and kills.
#![allow(clippy::unwrap_used)]
mod support;

use ferromq_protocol::code::request;
use ferromq_protocol::ExtFields;
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{properties, Send, TestBroker};

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

// A delayed message appears under its real topic when its time has come, not before and less than 100 ms after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_message_is_on_time() {
    let broker = TestBroker::start(&[("messageDelayLevel", "1s 2s 1h")]).await;
    broker.create_topic("T", 4).await;
    let text = properties(&[("DELAY", "1"), ("TAGS", "a"), ("UNIQ_KEY", "0A"), ("TIMER_DELAY_SEC", "99")]);
    let sent = now_ms();
    for i in 0..200 {
        let send = Send { queue_id: i % 4, properties: &text, ..Send::to("T") };
        assert_eq!(broker.send(send).await.code, 0);
    }
    let all_sent = now_ms();
    assert_eq!(broker.max_offset("T", 0).await, 0);
    assert_eq!(broker.max_offset("SCHEDULE_TOPIC_XXXX", 0).await, 200);
    for queue_id in 0..4 {
        broker.wait_for_offset("T", queue_id, 50).await;
    }
    let message = &broker.pull("T", 3, 0).await[0];
    assert!(message.store_timestamp >= sent + 1000, "{} {sent}", message.store_timestamp);
    assert!(message.store_timestamp < all_sent + 1000 + 100, "{} late", message.store_timestamp - all_sent - 1000);
    let names = ["DELAY", "REAL_TOPIC", "REAL_QID", "TAGS", "UNIQ_KEY", "TIMER_DELAY_SEC"];
    let found = names.map(|name| message.property(name));
    assert_eq!(found, [Some("1"), Some("T"), Some("3"), Some("a"), Some("0A"), None]);
    broker.stop().await;
}

// Levels above the highest one are capped; level 0 and negative ones do not delay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn levels_at_the_edges() {
    let broker = TestBroker::start(&[("messageDelayLevel", "1h 1s")]).await;
    for level in ["99", "0", "-1"] {
        let text = properties(&[("DELAY", level)]);
        assert_eq!(broker.send(Send { properties: &text, ..Send::to("T") }).await.code, 0);
    }
    assert_eq!(broker.max_offset("T", 0).await, 2);
    broker.wait_for_offset("T", 0, 3).await;
    assert_eq!(broker.pull("T", 0, 2).await[0].property("DELAY"), Some("2"));
    broker.stop().await;
}

// What waits survives a restart and a kill, and is delivered afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_messages_survive() {
    let mut broker = TestBroker::start(&[("messageDelayLevel", "1s")]).await;
    let text = properties(&[("DELAY", "1")]);
    let send = Send { properties: &text, ..Send::to("T") };
    assert_eq!(broker.send(send).await.code, 0);
    broker.restart().await;
    broker.wait_for_offset("T", 0, 1).await;
    assert_eq!(broker.send(send).await.code, 0);
    broker.kill_and_restart().await;
    broker.wait_for_offset("T", 0, 2).await;
    let file = broker.dir.path().join("config/delayOffset.json");
    broker.restart().await;
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("offsetTable"), "{text}");
    broker.stop().await;
}

/// A disk that does not give the log while it is ill, and counts how often it was asked then.
#[derive(Default)]
struct Disk {
    ill: AtomicBool,
    asked: AtomicUsize,
}

impl Faults for Disk {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        let is_log = path.parent().is_some_and(|dir| dir.ends_with("commitlog"));
        if is_log && matches!(effect, Effect::Read { .. }) && self.ill.load(Ordering::SeqCst) {
            self.asked.fetch_add(1, Ordering::SeqCst);
            return Verdict::Fail(std::io::Error::from_raw_os_error(5));
        }
        Verdict::Go
    }
}

// A message that cannot be read when its time has come is delivered when it can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_delivered_later() {
    let mut broker = TestBroker::start(&[("messageDelayLevel", "3s")]).await;
    let text = properties(&[("DELAY", "1")]);
    for body in [&b"first"[..], b"second"] {
        assert_eq!(broker.send(Send { body, properties: &text, ..Send::to("T") }).await.code, 0);
    }
    let disk = Arc::new(Disk::default());
    let _mounted = mount(broker.dir.path(), disk.clone());
    // What was there before a start is read from the disk.
    broker.restart().await;
    assert_eq!(broker.max_offset("T", 0).await, 0, "their time has not come");
    disk.ill.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(30);
    while disk.asked.load(Ordering::SeqCst) < 2 {
        assert!(Instant::now() < deadline, "nobody asks for the message again");
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.max_offset("T", 0).await, 0);
    disk.ill.store(false, Ordering::SeqCst);
    broker.wait_for_offset("T", 0, 2).await;
    let bodies: Vec<_> = broker.pull("T", 0, 0).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, [b"first".to_vec(), b"second".to_vec()]);
    broker.stop().await;
}

// A message sent back is delayed by its retries and ends in the dead-letter topic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_back_delays_and_gives_up() {
    let broker = TestBroker::start(&[("messageDelayLevel", "1h 1h 1s")]).await;
    assert_eq!(broker.send(Send::to("T")).await.code, 0);
    let back = |offset: i64, level: &'static str, max: &'static str| {
        let offset = offset.to_string();
        ExtFields::from_iter([
            ("offset", offset.as_str()),
            ("group", "G"),
            ("delayLevel", level),
            ("maxReconsumeTimes", max),
        ])
    };
    let first = broker.pull("T", 0, 0).await.remove(0);
    let answer = broker.call(request::CONSUMER_SEND_MSG_BACK, back(first.physical_offset, "0", "2"), "").await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    broker.wait_for_offset("%RETRY%G", 0, 1).await;
    let retried = broker.pull("%RETRY%G", 0, 0).await.remove(0);
    assert_eq!(
        (retried.reconsume_times, retried.property("RETRY_TOPIC"), retried.property("DELAY")),
        (1, Some("T"), Some("3"))
    );
    assert!(retried.store_timestamp >= first.store_timestamp + 1000);
    let answer = broker.call(request::CONSUMER_SEND_MSG_BACK, back(retried.physical_offset, "-1", "2"), "").await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark);
    broker.wait_for_offset("%DLQ%G", 0, 1).await;
    let dead = broker.pull("%DLQ%G", 0, 0).await.remove(0);
    assert_eq!((dead.reconsume_times, dead.property("DELAY"), dead.property("WAIT")), (2, Some("0"), Some("false")));
    assert_eq!(dead.property("ORIGIN_MESSAGE_ID"), retried.property("ORIGIN_MESSAGE_ID"));
    let answer = broker.call(request::CONSUMER_SEND_MSG_BACK, back(13, "1", "2"), "").await;
    assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("look message by offset failed, 13")));
    tokio::time::timeout(Duration::from_secs(5), broker.stop()).await.unwrap();
}
