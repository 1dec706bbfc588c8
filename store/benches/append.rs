//! Measures appending and reading against bare work on the same bytes in the same run: `cargo bench -p ferromq-store`.
//!
//! Not a test: it prints ratios. The baseline copies the same records into a populated map and computes the CRC32 of their bodies.
#![allow(clippy::unwrap_used, reason = "a benchmark may end by panicking")]

use ferromq_protocol::record::{self, Message};
use ferromq_store::{FlushMode, GetRequest, GetStatus, MatchAll, NoListener, Store, StoreOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time that this thread has been running, where the system tells; a busy machine then does no harm to comparisons. Otherwise
/// the time that has passed.
struct Clock {
    start: Instant,
    running: Option<u64>,
}

impl Clock {
    fn start() -> Clock {
        Clock { running: running_nanos(), start: Instant::now() }
    }

    /// Nanoseconds per record since the start.
    fn per_record(&self) -> f64 {
        let passed = self.start.elapsed().as_nanos() as f64;
        let running = running_nanos().zip(self.running).map(|(now, then)| (now - then) as f64);
        running.unwrap_or(passed) / RECORDS as f64
    }
}

fn running_nanos() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Bytes of a body.
const BODY: usize = 128;
/// Records in a batch.
const BATCH: usize = 64;
/// Records of one measurement.
const RECORDS: usize = 1_000_000;
/// Measurements of each kind, alternating; the median counts.
const REPEATS: usize = 5;
const QUEUES: usize = 8;
const PROPERTIES: &str = "UNIQ_KEY\u{1}7F0000010001511B18AC7F0000010000\u{2}WAIT\u{1}true\u{2}TAGS\u{1}late\u{2}CLUSTER\u{1}DefaultCluster\u{2}";

fn message<'a>(queue_id: usize, body: &'a [u8]) -> Message<'a> {
    let host = std::net::SocketAddr::from(([127, 0, 0, 1], 10911));
    Message {
        topic: "benchmark-topic",
        queue_id: queue_id as i32,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: host,
        store_timestamp: 0,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: PROPERTIES,
        queue_offset: 0,
        physical_offset: 0,
    }
}

fn open(dir: &std::path::Path, index: bool) -> Arc<Store> {
    let mut options = StoreOptions::new(dir);
    options.cleaning = false;
    options.index_enabled = index;
    // The disk is not what is measured.
    options.flush = FlushMode::Async {
        interval: Duration::from_secs(3600),
        least_pages: u32::MAX,
        thorough: Duration::from_secs(3600),
    };
    Store::open(options, Arc::new(NoListener)).unwrap()
}

/// Nanoseconds per record of copying a record into a populated map and summing its body.
fn baseline(record_len: usize) -> f64 {
    let mut map = memmap2::MmapOptions::new().len(RECORDS * record_len).map_anon().unwrap();
    map.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    let record = vec![7; record_len];
    let start = Clock::start();
    let mut sum = 0;
    for (number, place) in map.chunks_exact_mut(record_len).enumerate() {
        place.copy_from_slice(&record);
        place[20..28].copy_from_slice(&number.to_be_bytes());
        sum ^= crc32fast::hash(&place[88..88 + BODY]);
    }
    std::hint::black_box(sum);
    start.per_record()
}

/// Nanoseconds per record of filling a batch: layout, CRC, keys.
fn fill_only() -> f64 {
    let body = [b'x'; BODY];
    let mut batch = ferromq_store::AppendBatch::new();
    let start = Clock::start();
    for round in 0..RECORDS / BATCH {
        batch.clear();
        (0..BATCH).for_each(|_| batch.push(&message(round % QUEUES, &body)).unwrap());
        std::hint::black_box(&batch);
    }
    start.per_record()
}

fn append_batches(index: bool) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), index);
    let body = [b'x'; BODY];
    let mut batch = store.new_batch();
    warm(&store);
    let start = Clock::start();
    for round in 0..RECORDS / BATCH {
        batch.clear();
        (0..BATCH).for_each(|_| batch.push(&message(round % QUEUES, &body)).unwrap());
        store.append(&mut batch).unwrap();
    }
    let nanos = start.per_record();
    store.abandon();
    nanos
}

/// Files, queues and pages of the start are there.
fn warm(store: &Store) {
    let body = [b'x'; BODY];
    let mut batch = store.new_batch();
    for queue in 0..QUEUES {
        batch.push(&message(queue, &body)).unwrap();
    }
    store.append(&mut batch).unwrap();
}

fn append_single(threads: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), true);
    warm(&store);
    let each = RECORDS / threads;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let store = &store;
            scope.spawn(move || {
                let body = [b'x'; BODY];
                let mut batch = store.new_batch();
                for _ in 0..each {
                    batch.clear();
                    batch.push(&message(thread % QUEUES, &body)).unwrap();
                    store.append(&mut batch).unwrap();
                }
            });
        }
    });
    let nanos = start.elapsed().as_nanos() as f64 / (each * threads) as f64;
    store.abandon();
    nanos
}

/// Reads everything in order, summing every body; against summing the same bytes without a store.
fn read_all() -> (f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
    let body = [b'x'; BODY];
    let mut batch = store.new_batch();
    for _ in 0..RECORDS / BATCH {
        batch.clear();
        (0..BATCH).for_each(|_| batch.push(&message(0, &body)).unwrap());
        store.append(&mut batch).unwrap();
    }
    let mut plain = 0;
    let mut cursor = store.cursor(0);
    let start = Clock::start();
    while let Some(bytes) = cursor.read(1 << 20).unwrap() {
        plain ^= crc32fast::hash(&bytes);
    }
    let bare = start.per_record();
    let start = Clock::start();
    let (mut offset, mut sum, mut count) = (0, 0, 0);
    loop {
        let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, false);
        let (topic, queue_id) = ("benchmark-topic", 0);
        let result =
            store.get(&GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking }).unwrap();
        if result.status != GetStatus::Found {
            break;
        }
        for slice in &result.slices {
            sum ^= crc32fast::hash(slice);
        }
        offset = result.next_offset;
        count += result.count;
    }
    assert_eq!(count, RECORDS);
    std::hint::black_box((plain, sum));
    let nanos = start.per_record();
    store.abandon();
    (bare, nanos)
}

/// Nanoseconds per record of opening after a kill, and bytes per second.
fn recover() -> (f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), false);
    let body = [b'x'; BODY];
    let mut batch = store.new_batch();
    for round in 0..RECORDS / BATCH {
        batch.clear();
        (0..BATCH).for_each(|_| batch.push(&message(round % QUEUES, &body)).unwrap());
        store.append(&mut batch).unwrap();
    }
    let bytes = store.max_log_offset() as f64;
    store.abandon();
    drop(store);
    let start = Clock::start();
    let store = open(dir.path(), false);
    let nanos = start.per_record();
    store.abandon();
    (nanos, bytes / RECORDS as f64 / nanos * 1e3)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let body = [b'x'; BODY];
    let record_len = record::encoded_len(&message(0, &body));
    println!(
        "{RECORDS} records of {record_len} bytes, median of {REPEATS}, nanoseconds of the calling thread per record"
    );
    match std::env::args().nth(1).as_deref() {
        Some("fill") => {
            return println!("filling batches only: {:.1} ns", median((0..20).map(|_| fill_only()).collect()))
        }
        Some("read") => return (0..5).for_each(|_| println!("sum, read: {:.1?} ns", read_all())),
        _ => {}
    }
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); 9];
    for _ in 0..REPEATS {
        let (bare, read) = read_all();
        let (recovered, rate) = recover();
        let now = [
            baseline(record_len),
            fill_only(),
            append_batches(false),
            append_batches(true),
            append_single(1),
            append_single(4),
            bare,
            read,
            recovered,
        ];
        all.iter_mut().zip(now).for_each(|(values, value)| values.push(value));
        println!("  recovery after a kill: {rate:.0} MB/s");
    }
    let all: Vec<f64> = all.into_iter().map(median).collect();
    let line = |name: &str, nanos: f64, base: f64| {
        println!("{name:44} {nanos:8.1} ns   {:5.2} of the baseline's rate", base / nanos)
    };
    line("baseline: memcpy and CRC32", all[0], all[0]);
    line("filling batches only", all[1], all[0]);
    line("append, batches of 64, without index", all[2], all[0]);
    line("append, batches of 64, with index", all[3], all[0]);
    line("append, single records, 1 thread, elapsed", all[4], all[0]);
    line("append, single records, 4 threads, elapsed", all[5], all[0]);
    line("plain CRC32 pass over the log", all[6], all[6]);
    line("read with get, every byte summed", all[7], all[6]);
    println!("{:44} {:8.1} ns", "recovery after a kill", all[8]);
}
