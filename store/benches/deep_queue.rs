//! Does a queue slow down when ten million messages wait in it? `cargo bench -p ferromq-store --bench deep_queue`.
//!
//! Prints the rate of appending and of reading at the front, with a tenth of the messages waiting and with all of them. Not a test.
#![allow(clippy::unwrap_used, reason = "a benchmark may end by panicking")]

use ferromq_protocol::record::Message;
use ferromq_store::{FlushMode, GetRequest, MatchAll, NoListener, Store, StoreOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages that wait in the end.
const MESSAGES: i64 = 10_000_000;
/// Messages of one measurement.
const MEASURED: i64 = 1_000_000;

fn append(store: &Store, count: i64) -> f64 {
    let host = std::net::SocketAddr::from(([127, 0, 0, 1], 10911));
    let message = Message {
        topic: "deep",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: host,
        store_timestamp: 0,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &[b'x'; 32],
        properties: "",
        queue_offset: 0,
        physical_offset: 0,
    };
    let mut batch = store.new_batch();
    let start = Instant::now();
    for _ in 0..count / 50 {
        batch.clear();
        (0..50).for_each(|_| batch.push(&message).unwrap());
        store.append(&mut batch).unwrap();
    }
    count as f64 / start.elapsed().as_secs_f64()
}

fn read(store: &Store, from: i64, count: i64) -> f64 {
    let mut offset = from;
    let start = Instant::now();
    while offset < from + count {
        let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, true);
        let request = GetRequest { topic: "deep", queue_id: 0, offset, max_count, max_bytes, filter, blocking };
        offset = store.get(&request).unwrap().next_offset;
    }
    count as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::new(dir.path());
    (options.cleaning, options.index_enabled) = (false, false);
    // The disk is not what is measured.
    let never = Duration::from_secs(3600);
    options.flush = FlushMode::Async { interval: never, least_pages: u32::MAX, thorough: never };
    options.queue_flush_interval = never;
    let store = Store::open(options, Arc::new(NoListener)).unwrap();
    let line = |what: &str, waiting: i64, rate: f64| {
        println!("{what:20} with {waiting:>10} waiting: {:6.2} million messages a second", rate / 1e6);
    };
    let first = append(&store, MEASURED);
    line("append", MEASURED, first);
    line("read at the front", MEASURED, read(&store, 0, MEASURED));
    append(&store, MESSAGES - 2 * MEASURED);
    line("append", MESSAGES, append(&store, MEASURED));
    line("read at the front", MESSAGES, read(&store, 0, MEASURED));
    line("read at the end", MESSAGES, read(&store, MESSAGES - MEASURED, MEASURED));
    store.abandon();
}
