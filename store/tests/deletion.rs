//! What a reader is told in the moment in which a segment goes, and behind gaps in a queue when old segments have gone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, cleaned_on_request, open, tiny, SEGMENT};
use ferromq_store::faults::{self, Effect, Faults, Verdict};
use ferromq_store::{GetRequest, GetResult, GetStatus, MatchAll, Store, StoreOptions};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

fn get(store: &Store, offset: i64) -> GetResult {
    let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, true);
    store.get(&GetRequest { topic: "A", queue_id: 0, offset, max_count, max_bytes, filter, blocking }).unwrap()
}

fn until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// What somebody reads who comes right after the file of the first segment was removed, while the log still begins with it.
#[derive(Default)]
struct Reader {
    store: Mutex<Weak<Store>>,
    /// The offset of the segment's first message with the answer there, and the answer at the first one behind the segment.
    seen: Mutex<Vec<(i64, GetResult, GetResult)>>,
}

impl Faults for Reader {
    fn before(&self, _path: &Path, _effect: Effect<'_>) -> Verdict {
        Verdict::Go
    }

    fn after(&self, path: &Path, effect: Effect<'_>) {
        let is_segment = path.parent().is_some_and(|dir| dir.ends_with("commitlog"));
        let Some(store) = self.store.lock().upgrade().filter(|_| is_segment && effect == Effect::Remove) else {
            return;
        };
        let begin = store.min_log_offset();
        let first_from = |physical: i64| {
            let mut offsets = store.min_offset("A", 0)..;
            offsets.find(|offset| store.unit("A", 0, *offset).unwrap().physical >= physical).unwrap()
        };
        let first = first_from(begin);
        self.seen.lock().push((first, get(&store, first), get(&store, first_from(begin + SEGMENT as i64))));
    }
}

/// A segment goes before the smallest offsets move, so that nobody is ever sent past messages that are there: a reader who wants one of
/// its messages in between is told to come back to it, one behind it reads on, and then the offset is said to be too small.
#[test]
fn a_reader_in_the_moment_of_a_deletion() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    while store.max_log_offset() < 4 * SEGMENT as i64 {
        append(&store, "A", 0, &[1; 1000]);
    }
    store.shutdown().unwrap();
    drop(store);
    let reader = Arc::new(Reader::default());
    let _mounted = faults::mount(dir.path(), reader.clone());
    let retention = cleaned_on_request(Duration::from_millis(2));
    // Nearly all files are closed, and one that is gone cannot be opened.
    let store = open(&StoreOptions { cleaning: true, retention, mapped_files_max: 1, ..options });
    *reader.store.lock() = Arc::downgrade(&store);
    let last = store.max_log_offset() / SEGMENT as i64 * SEGMENT as i64;
    store.clean_log();
    until("the queue follows the log", || {
        store.min_log_offset() == last
            && store.unit("A", 0, store.min_offset("A", 0)).is_some_and(|u| u.physical >= last)
    });
    *reader.store.lock() = Weak::new();
    let seen = std::mem::take(&mut *reader.seen.lock());
    assert_eq!(seen.len(), 4, "as many segments went");
    let (min, mut told_to_come_again) = (store.min_offset("A", 0), 0);
    for (asked, gone, behind) in seen {
        match gone.status {
            GetStatus::Unreadable => assert_eq!(gone.next_offset, asked),
            // Still open.
            status => assert_eq!((status, gone.next_offset - asked), (GetStatus::Found, gone.count as i64)),
        }
        told_to_come_again += usize::from(gone.status == GetStatus::Unreadable);
        assert_eq!(behind.status, GetStatus::Found);
        let after = get(&store, asked);
        assert_eq!((after.status, after.next_offset), (GetStatus::OffsetTooSmall, min));
    }
    assert!(told_to_come_again > 0, "no segment was closed when it went");
    assert_eq!(get(&store, min).status, GetStatus::Found);
    store.shutdown().unwrap();
}
