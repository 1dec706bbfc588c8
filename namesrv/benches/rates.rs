//! The rows of `cargo xtask bench namesrv`, each printed as one JSON object {"row", "ours", "baseline", "ratio", "wanted", "met"}:
//!
//! * 10,000 topics, each on four brokers, registered in under a second (milliseconds, of the whole name server);
//! * routes answered per second, at least 60 % of what an echo server answers with the same bytes. Both are asked by the same client in
//!   short slices in turn, with runtimes of the same kind; what counts is the median of the ratios of slices that follow each other, because
//!   the machine may have other things to do for a while.
//!
//! Given `--quick`, small numbers that say nothing and only show that it works. Ends with an error when a row is missed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a benchmark that fails ends")]
use bytes::{Buf, Bytes, BytesMut};
use ferromq_namesrv::{NameServer, NameServerConfig};
use ferromq_protocol::body::{RegisterBrokerBody, TopicConfig, TopicConfigTable};
use ferromq_protocol::headers::RegisterBroker;
use ferromq_protocol::{code::request, Command, ExtFields, Header};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

const BROKERS: usize = 4;
/// Requests under way at a time, on one connection.
const WINDOW: usize = 256;

/// What is done, in full or quickly.
struct Size {
    topics: usize,
    slices: usize,
    slice: Duration,
}

fn main() {
    let given = |name: &str| std::env::args().any(|arg| arg == name);
    // `cargo test` runs it without the argument that `cargo bench` gives.
    let quick = given("--quick") || !given("--bench");
    let size = match quick {
        true => Size { topics: 100, slices: 1, slice: Duration::from_millis(50) },
        false => Size { topics: 10_000, slices: 21, slice: Duration::from_millis(200) },
    };
    let runtime = runtime("bench-namesrv");
    let server = runtime.block_on(NameServer::start(NameServerConfig::ephemeral())).unwrap();
    let ms = register(server.local_addr(), &size);
    let mut met = row("10,000 topics on four brokers registered, ms", ms, 1000.0, 1000.0 / ms, 1.0, ms < 1000.0);
    let slices = routes(server.local_addr(), &size);
    let of = |value: fn(&(f64, f64)) -> f64| median(slices.iter().map(value).collect());
    let ratio = of(|(ours, echo)| ours / echo);
    met &= row("routes per second against an echo server", of(|s| s.0), of(|s| s.1), ratio, 0.6, ratio >= 0.6);
    runtime.block_on(server.shutdown());
    assert!(met || quick, "a row was missed");
}

/// A runtime of its own for each server, whose threads can be told apart.
fn runtime(name: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build().unwrap()
}

fn row(row: &str, ours: f64, baseline: f64, ratio: f64, wanted: f64, met: bool) -> bool {
    println!(
        "{{\"row\":\"{row}\",\"ours\":{ours:.1},\"baseline\":{baseline:.1},\"ratio\":{ratio:.3},\"wanted\":{wanted},\"met\":{met}}}"
    );
    met
}

fn encoded(command: &Command) -> Bytes {
    let mut out = BytesMut::new();
    command.encode(&mut out).unwrap();
    out.freeze()
}

fn registration(broker: usize, topics: usize) -> Bytes {
    let table =
        (0..topics).map(|n| format!("benchmark-topic-{n:05}")).map(|t| (t.clone(), TopicConfig::new(t, 8))).collect();
    let topic_config_table = TopicConfigTable { topic_config_table: table, ..TopicConfigTable::default() };
    let body = RegisterBrokerBody { topic_config_table, ..RegisterBrokerBody::default() }.encode();
    let (name, addr) = (format!("broker-{broker}"), format!("10.0.0.{broker}:10911"));
    let header = RegisterBroker {
        broker_name: &name,
        broker_addr: &addr,
        cluster_name: "DefaultCluster",
        ha_server_addr: "10.0.0.1:10912",
        broker_id: 0,
        heartbeat_timeout_millis: None,
        enable_acting_master: None,
        compressed: false,
        body_crc32: ferromq_protocol::crc::crc32(&body),
        zone_name: None,
    };
    encoded(&Command { opaque: 1, ..Command::request(request::REGISTER_BROKER, header.to_ext(), body) })
}

/// Milliseconds from the first byte of four registrations until all are answered.
fn register(address: SocketAddr, size: &Size) -> f64 {
    let frames: Vec<Bytes> = (0..BROKERS).map(|broker| registration(broker, size.topics)).collect();
    let streams: Vec<TcpStream> = frames.iter().map(|_| TcpStream::connect(address).unwrap()).collect();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for (mut stream, frame) in streams.iter().zip(&frames) {
            scope.spawn(move || {
                stream.write_all(frame).unwrap();
                assert!(read_frame(&mut stream).windows(9).any(|w| w == b"\"code\":0,"), "registered");
            });
        }
    });
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    // The registrations hold only as long as their connections.
    streams.into_iter().for_each(std::mem::forget);
    ms
}

fn read_frame(stream: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    frame
}

fn query(topic: usize) -> Bytes {
    let ext = ExtFields::from_iter([("topic", format!("benchmark-topic-{topic:05}").as_str())]);
    encoded(&Command { opaque: 7, ..Command::request(request::GET_ROUTEINFO_BY_TOPIC, ext, Bytes::new()) })
}

/// Rates of the name server and of the echo server, in slices that follow each other.
fn routes(address: SocketAddr, size: &Size) -> Vec<(f64, f64)> {
    let runtime = runtime("bench-echo");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&query(0)).unwrap();
    let body = read_frame(&mut stream);
    let mut answer = BytesMut::new();
    answer.extend_from_slice(&(body.len() as u32).to_be_bytes());
    answer.extend_from_slice(&body);
    let echo = runtime.block_on(echo(answer.freeze()));
    let queries: Vec<Bytes> = (0..size.topics.min(1000)).map(query).collect();
    let slice = |address| rate(address, &queries, size.slice);
    (0..size.slices).map(|_| (slice(address), slice(echo))).collect()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Answers per second to one connection with a window of requests.
fn rate(address: SocketAddr, queries: &[Bytes], slice: Duration) -> f64 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut next, mut input, mut chunk) = (0, BytesMut::new(), vec![0; 256 * 1024]);
    let mut ask = |stream: &mut TcpStream, count: usize| {
        let mut out = Vec::new();
        (0..count).for_each(|_| {
            out.extend_from_slice(&queries[next % queries.len()]);
            next += 1;
        });
        stream.write_all(&out).unwrap();
    };
    ask(&mut stream, WINDOW);
    let (mut started, mut answered, mut warm) = (Instant::now(), 0_u64, false);
    loop {
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "the server closed the connection");
        input.extend_from_slice(&chunk[..n]);
        let mut whole = 0;
        while let Some(length) = input.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize) {
            if input.len() < 4 + length {
                break;
            }
            input.advance(4 + length);
            whole += 1;
        }
        answered += whole as u64;
        // The first tenth of a slice warms up.
        if !warm && started.elapsed() > slice / 10 {
            (started, answered, warm) = (Instant::now(), 0, true);
        }
        if warm && started.elapsed() > slice {
            return answered as f64 / started.elapsed().as_secs_f64();
        }
        if whole > 0 {
            ask(&mut stream, whole);
        }
    }
}

/// Answers every frame with the same bytes.
async fn echo(answer: Bytes) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let (mut input, mut out) = (BytesMut::with_capacity(256 * 1024), Vec::new());
                while stream.read_buf(&mut input).await.is_ok_and(|n| n > 0) {
                    out.clear();
                    while let Some(length) = input.first_chunk::<4>().map(|l| u32::from_be_bytes(*l) as usize) {
                        if input.len() < 4 + length {
                            break;
                        }
                        input.advance(4 + length);
                        out.extend_from_slice(&answer);
                    }
                    if stream.write_all(&out).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
