//! Synchronous flush: nothing is seen before it is on the disk, one flush serves all who wait, and time runs out politely.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, cleaned_on_request, open, tiny, SEGMENT};
use ferromq_store::{ArrivalListener, Arrivals, FlushMode, FlushOutcome, NotWritable, Store, StoreOptions};
use std::path::Path;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

fn sync(root: &Path) -> StoreOptions {
    let mut options = tiny(root);
    options.flush = FlushMode::Sync { timeout: Duration::from_secs(5) };
    options
}

fn wait_for(store: &Store, end: i64, deadline: Instant) -> Receiver<FlushOutcome> {
    let (tell, told) = channel();
    store.when_flushed(end, deadline, Box::new(move |outcome| tell.send(outcome).unwrap()));
    told
}

/// Checks on every arrival that the record is flushed; stops the flush thread in the middle of its work when told to.
#[derive(Default)]
struct Gate {
    store: OnceLock<Weak<Store>>,
    /// Entered and left once for each arrival while it is there.
    hold: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl ArrivalListener for Gate {
    fn arrived(&self, arrivals: Arrivals<'_>) {
        let store = self.store.get().and_then(Weak::upgrade);
        for arrival in arrivals.iter() {
            let Some(store) = &store else { continue };
            let unit = store.unit(arrival.topic, arrival.queue_id, arrival.queue_offset).unwrap();
            assert!(unit.physical + i64::from(unit.size) <= store.flushed_offset(), "seen before it was flushed");
        }
        let hold = self.hold.lock().unwrap().take();
        if let Some((entered, leave)) = hold {
            entered.send(()).unwrap();
            leave.recv().unwrap();
        }
    }
}

fn gated(root: &Path) -> (Arc<Store>, Arc<Gate>) {
    gated_with(sync(root))
}

fn gated_with(options: StoreOptions) -> (Arc<Store>, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let store = Store::open(options, gate.clone()).unwrap();
    gate.store.set(Arc::downgrade(&store)).unwrap();
    (store, gate)
}

/// Stops the flush thread behind its next flush; dropping the sender lets it go on.
fn hold(store: &Store, gate: &Gate) -> Sender<()> {
    let ((entered, is_in), (leave, may_leave)) = (channel(), channel());
    *gate.hold.lock().unwrap() = Some((entered, may_leave));
    append(store, "hold", 0, b"x");
    is_in.recv_timeout(PATIENCE).unwrap();
    leave
}

/// Whoever waits longer than the deadline is told so; the record is stored, not seen yet, and seen when it is flushed.
#[test]
fn a_deadline_passes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, gate) = gated(dir.path());
    let leave = hold(&store, &gate);
    let result = append(&store, "T", 0, b"late");
    let end = result.physical_offset + i64::from(result.size);
    let told = wait_for(&store, end, Instant::now() + Duration::from_millis(20));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), FlushOutcome::TimedOut);
    assert_eq!(store.max_offset("T", 0), 0, "not flushed, not seen");
    assert!(store.confirmed_offset() < end && store.max_log_offset() == end);
    let told = wait_for(&store, end, Instant::now() + PATIENCE);
    leave.send(()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), FlushOutcome::Flushed);
    assert_eq!(store.max_offset("T", 0), 1);
    store.shutdown().unwrap();
}

/// A queue whose records have all expired is not removed while a message is on the way to it: its offset was given, and it will be read.
#[test]
fn a_message_on_its_way_keeps_its_queue() {
    let dir = tempfile::tempdir().unwrap();
    let retention = cleaned_on_request(Duration::from_millis(2));
    let (store, gate) = gated_with(StoreOptions { cleaning: true, retention, ..sync(dir.path()) });
    append(&store, "T", 0, b"expires");
    while store.max_log_offset() < SEGMENT as i64 {
        append(&store, "hold", 0, &[1; 1000]);
    }
    let deadline = Instant::now() + PATIENCE;
    while store.min_offset("T", 0) == 0 {
        store.clean_log();
        assert!(Instant::now() < deadline, "the first segment goes");
        std::thread::yield_now();
    }
    let leave = hold(&store, &gate);
    assert_eq!(append(&store, "T", 0, b"comes").queue_offset, 1);
    assert_eq!(store.clean_expired_queues(&|_, _| false).unwrap(), 0);
    leave.send(()).unwrap();
    while store.max_offset("T", 0) < 2 {
        assert!(Instant::now() < deadline, "the message is there");
        std::thread::yield_now();
    }
    assert_eq!(bodies(&store, "T", 0), [(1, b"comes".to_vec())]);
    store.shutdown().unwrap();
}

/// Two flushes at most serve hundreds who wait.
#[test]
fn one_flush_serves_all_who_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (store, gate) = gated(dir.path());
    let leave = hold(&store, &gate);
    let before = store.stats().flushes;
    let told: Vec<_> = (0..256)
        .map(|i| {
            let result = append(&store, "T", i % 4, b"many");
            wait_for(&store, result.physical_offset + i64::from(result.size), Instant::now() + PATIENCE)
        })
        .collect();
    leave.send(()).unwrap();
    for told in told {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), FlushOutcome::Flushed);
    }
    let flushes = store.stats().flushes - before;
    assert!((1..=2).contains(&flushes), "{flushes} flushes");
    store.shutdown().unwrap();
}

/// Nothing is seen before it is flushed, with several appenders and readers at once.
#[test]
fn nothing_is_seen_before_it_is_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _gate) = gated(dir.path());
    std::thread::scope(|scope| {
        for queue in 0..3 {
            let store = &store;
            scope.spawn(move || {
                for _ in 0..100 {
                    let result = append(store, "T", queue, b"x");
                    let end = result.physical_offset + i64::from(result.size);
                    let seen = store.max_offset("T", queue) > result.queue_offset;
                    assert!(!seen || store.flushed_offset() >= end);
                    let told = wait_for(store, end, Instant::now() + PATIENCE);
                    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), FlushOutcome::Flushed);
                    // Dispatch comes before the answer: who was acknowledged can read the record.
                    assert!(store.max_offset("T", queue) > result.queue_offset);
                }
            });
        }
    });
    store.shutdown().unwrap();
}

/// With asynchronous flush nobody waits; a stopped store refuses appends and answers those who ask it to wait.
#[test]
fn asynchronous_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&tiny(dir.path()));
    let result = append(&store, "T", 0, b"x");
    let told = wait_for(&store, result.physical_offset + i64::from(result.size), Instant::now());
    assert_eq!(told.try_recv().unwrap(), FlushOutcome::Flushed);
    store.shutdown().unwrap();
    let mut batch = store.new_batch();
    batch.push(&common::message("T", 0, b"y")).unwrap();
    assert_eq!(store.append(&mut batch), Err(NotWritable::ShutDown.into()));
    store.shutdown().unwrap();

    let dir = tempfile::tempdir().unwrap();
    let store = open(&sync(dir.path()));
    store.shutdown().unwrap();
    let told = wait_for(&store, i64::MAX, Instant::now() + PATIENCE);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), FlushOutcome::Failed(NotWritable::ShutDown));
}
