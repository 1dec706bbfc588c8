//! The rows of `cargo xtask bench delay`, each printed as one JSON object {"row", "ours", "baseline", "ratio", "wanted", "met"}, about a
//! level with 100,000 pending messages: how late they are delivered (p99, milliseconds, below 100) and how much of a core waiting for
//! them takes (percent, below 0.5).
//!
//! A message's lateness is the difference between the store time of what was delivered and the time at which it was due, as both
//! stand in the log: no clock of the benchmark's own is in it. Given `--quick`, small numbers that only show that it works. Ends with
//! an error when a row is missed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a benchmark that fails ends")]
use ferromq_broker::{Broker, BrokerConfig};
use ferromq_protocol::{code::request, header::Naming, headers::SendMessage, topic, Command, ExtFields, Header};
use ferromq_remoting::{Client, ClientOptions, NoRequests};
use ferromq_store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TOPIC: &str = "delayed";
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests under way at a time.
const WINDOW: usize = 1000;

fn main() {
    let given = |name: &str| std::env::args().any(|arg| arg == name);
    // `cargo test` runs it without the argument that `cargo bench` gives.
    let quick = given("--quick") || !given("--bench");
    let (messages, level) = if quick { (1000, "1s") } else { (100_000, "20s") };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let met = runtime.block_on(measure(messages, level, quick));
    assert!(met || quick, "a row was missed");
}

async fn measure(messages: usize, level: &str, quick: bool) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut config = BrokerConfig { namesrv_addr: String::new(), listen_port: 0, ..BrokerConfig::default() };
    let data = folder.path().display().to_string();
    let own = [("storePathRootDir", data.as_str()), ("brokerIP1", "127.0.0.1"), ("bindAddress", "127.0.0.1")];
    for (name, value) in own.into_iter().chain([("messageDelayLevel", level), ("maxHashSlotNum", "100000")]) {
        config.set(name, value).unwrap();
    }
    let broker = Broker::start(config).await.unwrap();
    let store = broker.service().store.clone();
    send(&broker, messages).await;
    assert_eq!(store.max_offset(topic::SCHEDULE, 0), messages as i64);
    let delivered = || (0..4).map(|queue| store.max_offset(TOPIC, queue)).sum::<i64>();
    let mut met = true;
    if !quick {
        // Everything waits now.
        let (cpu, since) = (cpu_ms(), Instant::now());
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(delivered(), 0, "the machine is too slow for this delay");
        let percent = (cpu_ms() - cpu) / since.elapsed().as_secs_f64() / 10.0;
        met &= row("waiting for 100,000 messages, percent of a core", percent, 0.5, percent < 0.5);
    }
    let deadline = Instant::now() + PATIENCE;
    while delivered() < messages as i64 {
        assert!(Instant::now() < deadline, "{} of {messages} delivered", delivered());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let late = lateness(&store, messages);
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize] as f64;
    println!("late by p50 {} ms, p99 {} ms, at most {} ms", at(0.5), at(0.99), at(1.0));
    met &= row("100,000 messages delivered late by, ms at p99", at(0.99), 100.0, at(0.99) < 100.0);
    broker.shutdown().await;
    met
}

fn row(row: &str, ours: f64, baseline: f64, met: bool) -> bool {
    let ratio = ours / baseline;
    println!(
        "{{\"row\":\"{row}\",\"ours\":{ours:.2},\"baseline\":{baseline},\"ratio\":{ratio:.3},\"wanted\":1,\"met\":{met}}}"
    );
    met
}

async fn send(broker: &Broker, messages: usize) {
    let client = Client::new(ClientOptions::default(), Arc::new(NoRequests));
    let connection = client.connection(&broker.local_addr().to_string()).await.unwrap();
    let (done, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..messages {
        let mut ext = ExtFields::empty();
        SendMessage {
            producer_group: "P",
            topic: TOPIC,
            default_topic: "TBW102",
            default_topic_queue_nums: 4,
            queue_id: (n % 4) as i32,
            sys_flag: 0,
            born_timestamp: 1_700_000_000_000,
            flag: 0,
            properties: Some("DELAY\u{1}1\u{2}"),
            reconsume_times: 0,
            unit_mode: false,
            max_reconsume_times: None,
            batch: false,
            broker_name: None,
        }
        .encode_named(&mut ext, Naming::Short);
        let command = Command::request(request::SEND_MESSAGE_V2, ext, bytes::Bytes::from_static(&[b'.'; 128]));
        let done = done.clone();
        connection.call_with(command, PATIENCE, move |answer| done.send(answer.unwrap().code).unwrap_or_default());
        if n >= WINDOW {
            assert_eq!(answers.recv().await, Some(0));
        }
    }
    for _ in 0..messages.min(WINDOW) {
        assert_eq!(answers.recv().await, Some(0));
    }
    client.shutdown().await;
}

/// How late each message was, milliseconds, sorted. A message keeps its place in its queue, and all are due in the order in which they
/// stand in the schedule topic.
fn lateness(store: &Store, messages: usize) -> Vec<i64> {
    let mut next = [0_i64; 4];
    let mut late: Vec<i64> = (0..messages)
        .map(|n| {
            let unit = store.unit(topic::SCHEDULE, 0, n as i64).expect("a delayed message");
            let queue = n % 4;
            let stored = store.store_time_of(TOPIC, queue as i32, next[queue]).expect("a delivered message");
            next[queue] += 1;
            stored - unit.tags_code
        })
        .collect();
    late.sort_unstable();
    late
}

/// Processor time of this process, milliseconds. Linux only; 0 elsewhere.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|f| f.parse().unwrap_or(0)).collect();
    // USER_HZ is 100 on every Linux that matters.
    (fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0)) as f64 * 10.0
}
