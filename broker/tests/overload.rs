//! What clients get when the broker cannot keep up, and what they cannot make it keep: a log that does not grow, requests that wait too
//! long, answers that nobody takes, pulls without end, connections that only exist.
#![allow(clippy::unwrap_used)]
mod support;

use bytes::BytesMut;
use ferromq_protocol::code::request;
use ferromq_protocol::{frame, Codec, Command, ExtFields};
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Send, TestBroker, DEADLINE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BUSY: i32 = 2;
const REJECTED: &str = "[REJECTREQUEST]system busy, start flow control for a while";
const OVERLOAD: &str = "[OVERLOAD]system busy, start flow control for a while";

/// New files of the log wait while the disk is stuck.
struct Stuck(AtomicBool);

impl Faults for Stuck {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        let is_new = matches!(effect, Effect::Create) && path.parent().is_some_and(|dir| dir.ends_with("commitlog"));
        while is_new && self.0.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        Verdict::Go
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn encoded(mut command: Command, opaque: i32) -> Vec<u8> {
    command.opaque = opaque;
    let mut out = BytesMut::new();
    command.encode(&mut out).unwrap();
    out.to_vec()
}

fn send(body: &[u8]) -> Command {
    Send { body, ..Send::to("T") }.command(Codec::Json)
}

fn max_offset() -> Command {
    Command::request(request::GET_MAX_OFFSET, ExtFields::from_iter([("topic", "T"), ("queueId", "0")]), "".into())
}

/// A pull of up to 32 messages; `hold_ms` above 0 lets the broker hold it.
fn pull(queue: i32, offset: i64, hold_ms: i32) -> Command {
    let ext = ExtFields::from_iter([
        ("consumerGroup", "test-group"),
        ("topic", "T"),
        ("queueId", &queue.to_string()),
        ("queueOffset", &offset.to_string()),
        ("maxMsgNums", "32"),
        ("sysFlag", if hold_ms > 0 { "6" } else { "4" }),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", &hold_ms.to_string()),
        ("subscription", "*"),
        ("subVersion", "0"),
        ("expressionType", "TAG"),
    ]);
    Command::request(request::PULL_MESSAGE, ext, "".into())
}

/// All messages with a key that a query gives.
fn by_key() -> Command {
    let ext = ExtFields::from_iter([
        ("topic", "T"),
        ("key", "k"),
        ("maxNum", "64"),
        ("beginTimestamp", "0"),
        ("endTimestamp", &i64::MAX.to_string()),
    ]);
    Command::request(request::QUERY_MESSAGE, ext, "".into())
}

/// A client that writes and reads when it is told to.
struct Raw {
    socket: TcpStream,
    input: BytesMut,
}

impl Raw {
    async fn connect(broker: &TestBroker) -> Self {
        let socket = TcpStream::connect(broker.broker().local_addr()).await.unwrap();
        Self { socket, input: BytesMut::new() }
    }

    /// Writes requests in one go; their opaques count from 0.
    async fn write(&mut self, commands: Vec<Command>) {
        let numbered = commands.into_iter().enumerate();
        let bytes: Vec<u8> = numbered.flat_map(|(opaque, command)| encoded(command, opaque as i32)).collect();
        self.socket.write_all(&bytes).await.unwrap();
    }

    async fn read(&mut self) -> Command {
        let read = async {
            loop {
                if let Some(command) = frame::decode(&mut self.input, 1 << 24).unwrap() {
                    return command;
                }
                assert_ne!(self.socket.read_buf(&mut self.input).await.unwrap(), 0, "the broker closed the connection");
            }
        };
        tokio::time::timeout(DEADLINE, read).await.unwrap()
    }
}

// While the log cannot grow: new sends are refused, who only asks is served although more senders wait than the runtime has threads,
// and of what was sent behind a send that waited, what is too old is refused and not stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_grow() {
    let properties = [
        ("mappedFileSizeCommitLog", "65536"),
        ("osPageCacheBusyTimeOutMills", "50"),
        ("waitTimeMillsInSendQueue", "40"),
        ("brokerFastFailureEnable", "true"),
    ];
    let broker = TestBroker::start(&properties).await;
    broker.create_topic("T", 4).await;
    let disk = Arc::new(Stuck(AtomicBool::new(true)));
    let _mounted = mount(broker.dir.path(), disk.clone());
    let store = Arc::clone(&broker.broker().service().store);
    while !store.append_may_wait(1100) {
        assert_eq!(broker.send(Send { body: &[b'x'; 1000], ..Send::to("T") }).await.code, 0);
    }
    // One write, small enough for one read: a send that waits, a question, and a send behind it.
    let mut first = Raw::connect(&broker).await;
    first.write(vec![send(&[b'x'; 1000]), max_offset(), send(b"late")]).await;
    until("the log is full", || store.append_lock_held_ms() > 0).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let mut other = Raw::connect(&broker).await;
        other.write(vec![send(&[b'y'; 1000])]).await;
        others.push(other);
    }
    let mut asks = Raw::connect(&broker).await;
    asks.write(vec![max_offset()]).await;
    assert_eq!(asks.read().await.code, 0);
    until("the log is busy", || store.append_lock_held_ms() > 50).await;
    let answer = broker.send(Send::to("T")).await;
    assert_eq!((answer.code, answer.remark.as_deref()), (BUSY, Some(REJECTED)));
    disk.0.store(false, Ordering::Release);
    for _ in 0..2 {
        let answer = first.read().await;
        assert_eq!(answer.code, 0, "{:?}", answer.remark);
    }
    let late = first.read().await;
    let remark = late.remark.unwrap();
    assert_eq!(late.code, BUSY, "{remark}");
    let expected = "[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: ";
    assert!(remark.starts_with(expected) && remark.ends_with("ms, size of queue: 1"), "{remark}");
    for mut other in others {
        // Those that came before it was known are stored, the others refused.
        let answer = other.read().await;
        assert!([0, BUSY].contains(&answer.code), "{answer:?}");
    }
    assert_eq!(broker.send(Send::to("T")).await.code, 0);
    broker.stop().await;
}

// Of sends that the log keeps waiting, those that have just come are told so in other words than those that have waited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_page_cache_is_told_by_age() {
    use ferromq_broker::service::send::{SendScratch, Sending};
    let properties = [("mappedFileSizeCommitLog", "65536"), ("osPageCacheBusyTimeOutMills", "1")];
    let broker = TestBroker::start(&properties).await;
    broker.create_topic("T", 4).await;
    let disk = Arc::new(Stuck(AtomicBool::new(true)));
    let _mounted = mount(broker.dir.path(), disk.clone());
    let service = Arc::clone(broker.broker().service());
    let mut sender = Raw::connect(&broker).await;
    sender.write(vec![send(&[b'x'; 8000]); 30]).await;
    until("the log is busy", || service.store.append_lock_held_ms() > 1).await;
    let mut scratch = SendScratch::default();
    let sending = Sending::start(&service, "127.0.0.1:1".parse().unwrap(), &mut scratch);
    let remark = |waited| sending.gate(Duration::from_millis(waited), 3).unwrap_err().remark;
    assert_eq!(remark(0), REJECTED);
    let waited =
        "[PCBUSY_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: 12ms, size of queue: 3";
    assert_eq!(remark(12), waited);
    disk.0.store(false, Ordering::Release);
    for _ in 0..30 {
        assert_eq!(sender.read().await.code, 0);
    }
    broker.stop().await;
}

// Pulls above the limits, of all and of one connection, are refused so that clients pause, and so are questions that would wait for the
// disk; a closed connection's make room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_pulls_are_bounded() {
    let broker = TestBroker::start(&[("heldPullsMax", "5"), ("connectionHeldPullsMax", "3")]).await;
    broker.create_topic("T", 4).await;
    let holds = Arc::clone(&broker.broker().service().holds);
    let mut first = Raw::connect(&broker).await;
    for opaque in 0..3 {
        first.socket.write_all(&encoded(pull(0, 0, 60_000), opaque)).await.unwrap();
        until("it is held", || holds.len() == opaque as usize + 1).await;
    }
    first.socket.write_all(&encoded(pull(0, 0, 60_000), 3)).await.unwrap();
    let refused = first.read().await;
    assert_eq!((refused.opaque, refused.code, refused.remark.as_deref()), (3, BUSY, Some(OVERLOAD)));
    first.socket.write_all(&encoded(by_key(), 4)).await.unwrap();
    let refused = first.read().await;
    assert_eq!((refused.opaque, refused.code, refused.remark.as_deref()), (4, BUSY, Some(OVERLOAD)));
    let mut second = Raw::connect(&broker).await;
    second.write(vec![pull(0, 0, 60_000), pull(1, 0, 60_000), pull(2, 0, 60_000)]).await;
    let refused = second.read().await;
    assert_eq!((refused.code, refused.remark.as_deref()), (BUSY, Some(OVERLOAD)));
    assert_eq!(holds.len(), 5);
    drop(first);
    until("its pulls are let go", || holds.len() == 2).await;
    broker.stop().await;
}

/// Memory of this process that no file holds, in bytes.
#[cfg(target_os = "linux")]
fn anonymous_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() * 1024
}

/// Fills a topic whose messages are then read from the file, into memory of ours.
#[cfg(target_os = "linux")]
async fn filled() -> TestBroker {
    let mut broker =
        TestBroker::start(&[("connectionOutgoingBytesPause", "1000000"), ("connectionHeldPullsMax", "1000")]).await;
    broker.create_topic("T", 4).await;
    let keyed = Send { properties: "KEYS\u{1}k\u{2}", body: &[b'x'; 8000], ..Send::to("T") };
    broker.call_all(vec![keyed.command(Codec::Json); 100]).await;
    broker.restart().await;
    broker
}

/// Clients that ask this without end and never read an answer keep a bounded amount of memory, others are served, and the broker reads no
/// more requests of them than it can keep the answers of.
#[cfg(target_os = "linux")]
async fn never_reads(command: Command) {
    const DEAF: usize = 4;
    const AT_ONCE: usize = 64;
    let broker = filled().await;
    assert!(!broker.pull("T", 0, 0).await.is_empty());
    let before = anonymous_bytes();
    let asked = Arc::new(AtomicUsize::new(0));
    let mut deaf = Vec::new();
    for _ in 0..DEAF {
        let (requests, asked) = (encoded(command.clone(), 1).repeat(AT_ONCE), Arc::clone(&asked));
        let (read, mut write) = Raw::connect(&broker).await.socket.into_split();
        let writing = tokio::spawn(async move {
            while write.write_all(&requests).await.is_ok() {
                asked.fetch_add(AT_ONCE, Ordering::Relaxed);
            }
        });
        deaf.push((read, writing));
    }
    let deadline = Instant::now() + DEADLINE;
    loop {
        let at_first = asked.load(Ordering::Relaxed);
        for _ in 0..50 {
            assert_eq!(broker.send(Send { queue_id: 3, ..Send::to("T") }).await.code, 0);
            assert!(!broker.pull("T", 0, 0).await.is_empty());
        }
        if asked.load(Ordering::Relaxed) == at_first && at_first > 0 {
            break;
        }
        assert!(Instant::now() < deadline, "the broker goes on reading");
    }
    // Unbounded, answers with messages would be gigabytes, and the questions that wait for the disk 160 MB.
    let grown = anonymous_bytes().saturating_sub(before);
    assert!(grown < 60_000_000, "{grown} bytes more because of request {}", command.code);
    deaf.into_iter().for_each(|(_, writing)| writing.abort());
    broker.stop().await;
}

// Clients that never read cannot grow our memory, whether they ask for messages, by place or by key, for listings, or send some.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_cannot_grow_our_memory() {
    let all_topics = Command::request(request::GET_ALL_TOPIC_CONFIG, ExtFields::absent(), "".into());
    for command in [pull(0, 0, 0), send(b"x"), by_key(), all_topics] {
        never_reads(command).await;
    }
}

// A connection whose client has spoken once and is silent since keeps a few kilobytes.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_small() {
    const COUNT: usize = 1000;
    let broker = TestBroker::start(&[]).await;
    let mut open = Vec::with_capacity(COUNT);
    let mut connect = async |number: usize| {
        let body = format!(
            "{{\"clientID\":\"c{number}\",\"consumerDataSet\":[],\"producerDataSet\":[{{\"groupName\":\"G\"}}]}}"
        );
        let mut raw = Raw::connect(&broker).await;
        raw.write(vec![Command::request(request::HEART_BEAT, ExtFields::absent(), body.into())]).await;
        assert_eq!(raw.read().await.code, 0);
        raw.input = BytesMut::new();
        open.push(raw);
    };
    connect(0).await;
    let before = anonymous_bytes();
    for number in 1..COUNT {
        connect(number).await;
    }
    let each = anonymous_bytes().saturating_sub(before) / COUNT;
    // Ten thousand of them in 200 MB is 20 kB for each; the other tests of this process run meanwhile.
    assert!(each < 20_000, "{each} bytes for a connection");
    broker.stop().await;
}
