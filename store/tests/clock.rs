//! A wall clock that steps back and forth, in a process of its own, since all of it has one clock.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{open, tiny, Model};
use ferromq_store::faults::shift_clock;
use ferromq_store::{Boundary, FlushMode, FlushOutcome, Store, StoreOptions};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const DAY_MS: i64 = 86_400_000;
const PATIENCE: Duration = Duration::from_secs(30);

fn wait_for_flush(store: &Store) {
    let (tell, told) = channel();
    let done = Box::new(move |outcome| tell.send(outcome).unwrap());
    store.when_flushed(store.max_log_offset(), Instant::now() + PATIENCE, done);
    assert_eq!(told.recv().unwrap(), FlushOutcome::Flushed);
}

/// Store times never go back along the log, over steps of the clock and over restarts of both kinds; nothing is lost, flushes are
/// waited for as ever, and times find their messages.
#[test]
fn the_clock_steps_back_and_forth() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { flush: FlushMode::Sync { timeout: PATIENCE }, ..tiny(dir.path()) };
    let mut model = Model::default();
    let mut last = 0;
    for (round, days) in [0, 2, -3, 1, -1, 5, 0, -400].into_iter().enumerate() {
        shift_clock(days * DAY_MS);
        let store = open(&options);
        model.check(&store);
        for step in [0, DAY_MS / 2, -DAY_MS / 2, 1, -3_600_000] {
            shift_clock(days * DAY_MS + step);
            for number in 0..20 {
                let result = model.append(&store, "A", 0, format!("{round} {step} {number}").as_bytes());
                assert!(result.store_timestamp >= last, "{} after {last}", result.store_timestamp);
                last = result.store_timestamp;
            }
            wait_for_flush(&store);
            let found = store.offset_by_time("A", 0, last, Boundary::Upper);
            assert_eq!(found, store.max_offset("A", 0) - 1);
            assert_eq!(store.store_time_of("A", 0, found), Some(last));
        }
        if round % 2 == 0 {
            store.shutdown().unwrap();
        } else {
            store.flush().unwrap();
            store.abandon();
        }
    }
    shift_clock(0);
    let store = open(&options);
    model.check(&store);
    store.shutdown().unwrap();
}
