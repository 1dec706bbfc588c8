//! Whatever was appended can be read as soon as the append has returned (synchronous flush: when it is flushed), however
//! many threads append at once: no record waits for a later append to be dispatched.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use ferromq_protocol::record::Message;
use ferromq_store::{ArrivalListener, Arrivals, FlushMode, FlushOutcome, Store, StoreOptions};

const THREADS: usize = 4;
/// Short bursts with a stop after each find a lost wake-up; a later append would hide it.
const BURSTS: usize = 400;

#[derive(Default)]
struct Counting(AtomicI64);

impl ArrivalListener for Counting {
    fn arrived(&self, arrivals: Arrivals<'_>) {
        self.0.fetch_add(arrivals.iter().count() as i64, Ordering::SeqCst);
    }
}

fn append(store: &Store, queue_id: i32) -> i64 {
    let host = "127.0.0.1:10911".parse().unwrap();
    let mut batch = store.new_batch();
    let message = Message {
        topic: "T",
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 0,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"body",
        properties: "KEYS\u{1}k\u{2}",
        queue_offset: 0,
        physical_offset: 0,
    };
    batch.push(&message).unwrap();
    store.append(&mut batch).unwrap().end_offset
}

fn total(store: &Store) -> i64 {
    (0..THREADS as i32).map(|id| store.max_offset("T", id)).sum()
}

/// With asynchronous flush all of a burst is there when its last thread has come back.
#[test]
fn an_append_returns_when_everything_is_on_its_way() {
    let dir = tempfile::tempdir().unwrap();
    let listener = Arc::new(Counting::default());
    let store = Store::open(StoreOptions::small(dir.path()), listener.clone()).unwrap();
    for burst in 1..=BURSTS {
        let start = Arc::new(Barrier::new(THREADS));
        thread::scope(|scope| {
            for id in 0..THREADS {
                let (store, start) = (&store, start.clone());
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..3 {
                        append(store, id as i32);
                    }
                });
            }
        });
        let wanted = (burst * THREADS * 3) as i64;
        assert_eq!(total(&store), wanted, "burst {burst}");
        assert_eq!(listener.0.load(Ordering::SeqCst), wanted, "burst {burst}");
        assert_eq!(store.dispatch_behind_bytes(), 0);
    }
    store.shutdown().unwrap();
}

/// With synchronous flush nothing is seen before it is flushed, and everything soon after the wait is over.
#[test]
fn flushed_records_are_seen_without_a_later_append() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::small(dir.path());
    options.flush = FlushMode::Sync { timeout: Duration::from_secs(5) };
    let store = Store::open(options, Arc::new(Counting::default())).unwrap();
    for burst in 1..=BURSTS / 8 {
        thread::scope(|scope| {
            for id in 0..THREADS {
                let store = &store;
                scope.spawn(move || {
                    let end = append(store, id as i32);
                    let (tell, told) = std::sync::mpsc::channel();
                    let done = Box::new(move |outcome| tell.send(outcome).unwrap());
                    store.when_flushed(end, Instant::now() + Duration::from_secs(20), done);
                    assert_eq!(told.recv().unwrap(), FlushOutcome::Flushed);
                    assert!(store.flushed_offset() >= end);
                });
            }
        });
        let (wanted, deadline) = ((burst * THREADS) as i64, Instant::now() + Duration::from_secs(20));
        while total(&store) < wanted {
            assert!(Instant::now() < deadline, "burst {burst}: {} of {wanted}", total(&store));
            thread::yield_now();
        }
    }
    store.shutdown().unwrap();
}
