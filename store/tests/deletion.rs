//! What a reader is told in the moment in which a segment goes, and behind gaps in a queue when old segments have gone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, cleaned_on_request, is_of_log, message, open, tiny, until, SEGMENT};
use ferromq_protocol::record::{self, Message};
use ferromq_store::faults::{self, Effect, Faults, Verdict};
use ferromq_store::{GetRequest, GetResult, GetStatus, MatchAll, RetentionOptions, Store, StoreOptions};
use parking_lot::Mutex;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

fn get(store: &Store, offset: i64) -> GetResult {
    let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, true);
    store.get(&GetRequest { topic: "A", queue_id: 0, offset, max_count, max_bytes, filter, blocking }).unwrap()
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
        let is_removal = is_of_log(path) && effect == Effect::Remove;
        let Some(store) = self.store.lock().upgrade().filter(|_| is_removal) else {
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

/// Puts a record with this queue offset at the end of the log, as another log's bytes.
fn put(store: &Store, queue_offset: i64) {
    let physical_offset = store.max_log_offset();
    let body = vec![1; 900];
    let mut bytes = Vec::new();
    record::encode(&mut bytes, &Message { queue_offset, physical_offset, ..message("A", 0, &body) }).unwrap();
    // A record does not go over the end of a segment.
    assert!(physical_offset / SEGMENT as i64 == (physical_offset + bytes.len() as i64) / SEGMENT as i64);
    store.append_raw(physical_offset, &bytes).unwrap();
}

/// Appends to another topic until the next segment begins.
fn fill_segment(store: &Store) {
    let end = (store.max_log_offset() / SEGMENT as i64 + 1) * SEGMENT as i64;
    while store.max_log_offset() < end {
        append(store, "OTHER", 0, &[2; 1000]);
    }
}

/// Where offsets were passed over a queue has blank units. When the first segment goes, the queue begins with its first message behind that
/// segment, whether blank units follow later, or are all that a power cut has left at the end.
#[test]
fn gaps_hide_nothing_that_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let retention = RetentionOptions { reserved_hours: 24, ..cleaned_on_request(Duration::from_millis(2)) };
    let options = StoreOptions { cleaning: true, retention, ..tiny(dir.path()) };
    let store = open(&options);
    (0..10).for_each(|offset| put(&store, offset));
    fill_segment(&store);
    (10..20).chain(100..110).for_each(|offset| put(&store, offset));
    fill_segment(&store);
    append(&store, "OTHER", 0, b"x");
    assert_eq!((store.queue_offsets("A", 0), bodies(&store, "A", 0).len()), (Some((0, 110)), 30));
    let first = std::fs::File::open(options.commit_log_dir().join(format!("{:020}", 0))).unwrap();
    first.set_modified(SystemTime::now() - Duration::from_secs(7 * 86_400)).unwrap();
    store.clean_log();
    until("the queue follows the log", || store.min_offset("A", 0) > 0);
    let left: Vec<i64> = (10..20).chain(100..110).collect();
    let offsets = |store: &Store| bodies(store, "A", 0).into_iter().map(|(offset, _)| offset).collect::<Vec<_>>();
    assert_eq!((store.min_log_offset(), store.min_offset("A", 0)), (SEGMENT as i64, 10));
    assert_eq!(offsets(&store), left);
    store.shutdown().unwrap();
    drop(store);
    let units =
        std::fs::OpenOptions::new().write(true).open(options.consume_queue_dir().join(format!("A/0/{:020}", 2000)));
    let blank = [&[0; 8][..], &i32::MAX.to_be_bytes(), &[0; 8]].concat();
    units.unwrap().write_all_at(&blank.repeat(5), 10 * 20).unwrap();
    let store = open(&options);
    assert_eq!(store.queue_offsets("A", 0), Some((10, 115)));
    assert_eq!(offsets(&store), left);
    store.shutdown().unwrap();
}
