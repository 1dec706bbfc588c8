//! A queue in which messages wait by the million costs files, not memory. The rate is `benches/scale/deep.rs`'s business.
//!
//! One test only: the memory of the whole process is looked at.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use ferromq_store::{GetRequest, GetStatus, MatchAll, Store, StoreOptions};

/// Messages that wait.
const MESSAGES: i64 = 1_000_000;
/// Memory may grow by this while they come, and while they are read: buffers, and the tables of a few dozen files.
const GROWTH_MAX: u64 = 12 << 20;

/// Bytes of the process that no file stands behind; None where the system does not tell.
fn anonymous_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn append(store: &Store, count: i64) {
    let mut batch = store.new_batch();
    for _ in 0..count / 100 {
        batch.clear();
        (0..100).for_each(|_| batch.push(&common::message("A", 0, b"waiting")).unwrap());
        store.append(&mut batch).unwrap();
    }
}

/// Memory stays where it was while a million messages come and while all of them are read from the front.
#[test]
fn waiting_messages_cost_no_memory() {
    let Some(_) = anonymous_bytes() else {
        return println!("SKIPPED: the system does not tell the memory of a process");
    };
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { segment_size: 32 << 20, index_enabled: false, ..StoreOptions::small(dir.path()) };
    let store = common::open(&StoreOptions { consume_queue_file_units: 100_000, ..options });
    append(&store, MESSAGES / 10);
    let before = anonymous_bytes().unwrap();
    append(&store, MESSAGES / 10 * 9);
    let filled = anonymous_bytes().unwrap();
    let (mut offset, mut count) = (0, 0);
    while offset < MESSAGES {
        let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, true);
        let request = GetRequest { topic: "A", queue_id: 0, offset, max_count, max_bytes, filter, blocking };
        let result = store.get(&request).unwrap();
        assert_eq!(result.status, GetStatus::Found);
        (offset, count) = (result.next_offset, count + result.count as i64);
    }
    let read = anonymous_bytes().unwrap();
    assert_eq!((count, store.max_offset("A", 0)), (MESSAGES, MESSAGES));
    println!("memory: {before} with a tenth, {filled} with all, {read} after reading all");
    assert!(filled.saturating_sub(before) < GROWTH_MAX && read.saturating_sub(before) < GROWTH_MAX);
    store.abandon();
}
