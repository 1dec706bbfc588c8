//! Disks that say they are fuller than a watermark, whatever is on them: who refuses writes, with which reason, and how a store stops then.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, cleaned_on_request, open, tiny, try_append, until, SEGMENT};
use ferromq_store::faults::{self, Effect, Faults, Verdict};
use ferromq_store::{Store, StoreOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// A disk that is as full as it is told: that of the consume queues, or that of the log.
#[derive(Default)]
struct Disks {
    log: AtomicU8,
    queues: AtomicU8,
    /// How often somebody asked.
    looks: AtomicUsize,
}

/// Looks at both disks after which a pass of the clean-up has begun and ended.
const LOOKS: usize = 6;

impl Faults for Disks {
    fn before(&self, _path: &Path, _effect: Effect<'_>) -> Verdict {
        Verdict::Go
    }

    fn used_percent(&self, dir: &Path) -> Option<u8> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        Some(if dir.ends_with("consumequeue") { &self.queues } else { &self.log }.load(Ordering::SeqCst))
    }
}

fn watched(root: &Path) -> StoreOptions {
    StoreOptions { cleaning: true, retention: cleaned_on_request(Duration::from_millis(2)), ..tiny(root) }
}

/// Empty disks under `root`, as long as the mount lives.
fn mount(root: &Path) -> (Arc<Disks>, faults::Mounted) {
    let disks = Arc::new(Disks::default());
    let mounted = faults::mount(root, disks.clone());
    (disks, mounted)
}

fn refusal(store: &Store) -> String {
    until("writes are refused", || store.is_writable().is_err());
    try_append(store, &mut store.new_batch(), "A", b"refused").unwrap_err()
}

/// Either disk above the warning level refuses writes and is named; at the level itself, and with room again, writes are taken.
#[test]
fn each_disk_has_its_say() {
    let dir = tempfile::tempdir().unwrap();
    let (disks, _mounted) = mount(dir.path());
    let store = open(&watched(dir.path()));
    for (disk, name) in [(&disks.log, "commit log"), (&disks.queues, "consume queues")] {
        append(&store, "A", 0, b"taken");
        disk.store(91, Ordering::SeqCst);
        let why = refusal(&store);
        assert!(why.contains(name) && why.contains("watermark"), "{why}");
        disk.store(90, Ordering::SeqCst);
        until("writes are taken again", || store.is_writable().is_ok());
    }
    assert_eq!(bodies(&store, "A", 0).len(), 2);
    store.shutdown().unwrap();
}

/// A disk above its watermark has room for what was taken: the stop is a clean one, and the next start need not read the log.
#[test]
fn a_stop_above_the_watermark_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    let (disks, _mounted) = mount(dir.path());
    let store = open(&watched(dir.path()));
    append(&store, "A", 0, b"taken");
    disks.log.store(99, Ordering::SeqCst);
    refusal(&store);
    store.shutdown().unwrap();
    assert!(!dir.path().join("abort").exists());
    drop(store);
    let store = open(&tiny(dir.path()));
    assert_eq!(bodies(&store, "A", 0), [(0, b"taken".to_vec())]);
    store.shutdown().unwrap();
}

/// Above the level of forced cleaning segments go before they expire, the oldest first and never the one that is written to, with the queues
/// behind them; none does where that is forbidden, or at the level itself.
#[test]
fn forced_cleaning_has_its_level() {
    let dir = tempfile::tempdir().unwrap();
    let (disks, _mounted) = mount(dir.path());
    let mut options = watched(dir.path());
    options.retention.reserved_hours = 72;
    let mut store = open(&options);
    while store.max_log_offset() < 3 * SEGMENT as i64 {
        append(&store, "A", 0, &[1; 1000]);
    }
    let last = store.max_log_offset() / SEGMENT as i64 * SEGMENT as i64;
    for (forcibly, percent, begin) in [(false, 99, 0), (true, 85, 0), (true, 86, last)] {
        store.shutdown().unwrap();
        drop(store);
        options.retention.clean_forcibly = forcibly;
        store = open(&options);
        disks.log.store(percent, Ordering::SeqCst);
        let looks = disks.looks.load(Ordering::SeqCst);
        until("the store has looked at its disks", || disks.looks.load(Ordering::SeqCst) > looks + LOOKS);
        until("the log begins where it is to", || store.min_log_offset() == begin);
        disks.log.store(0, Ordering::SeqCst);
        until("writes are taken", || store.is_writable().is_ok());
        assert_eq!(store.min_log_offset(), begin, "{percent} percent, forced: {forcibly}");
    }
    until("the queue follows", || store.min_offset("A", 0) > 0);
    store.shutdown().unwrap();
}
