//! What a queue costs in memory that nobody writes to or reads.
//!
//! One test only: all memory of the process is counted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Queues of the test: so many that what a store costs by itself does not count.
const QUEUES: usize = 1000;
/// Bytes a queue may cost.
const QUEUE_BYTES_MAX: usize = 1024;

/// Counts what is in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A queue that was opened costs less than a kilobyte, after a clean stop and after an unclean one, with a topic of its own.
#[test]
fn idle_queues_cost_little() {
    let dir = tempfile::tempdir().unwrap();
    let options = common::tiny(dir.path());
    let in_use = |queues: usize| {
        let store = common::open(&options);
        assert_eq!(store.topics().len(), queues);
        IN_USE.load(Ordering::Relaxed)
    };
    let without = in_use(0);
    let store = common::open(&options);
    (0..QUEUES).for_each(|i| _ = common::append(&store, &format!("topic-{i:08}"), 0, b"body"));
    store.abandon();
    drop(store);
    for stop in ["unclean", "clean"] {
        let store = common::open(&options);
        let with = IN_USE.load(Ordering::Relaxed);
        let each = with.saturating_sub(without) / QUEUES;
        println!("{stop}: {each} bytes a queue");
        assert!(each < QUEUE_BYTES_MAX, "{stop}: {each} bytes a queue");
        assert_eq!(store.topics().len(), QUEUES);
        store.shutdown().unwrap();
    }
    assert!(in_use(QUEUES) > without);
}
