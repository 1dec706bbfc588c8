//! Directories whose oldest log files are gone: consume queues go on where they were, begin where the log does, and are on the disk
//! before what they lead to is deleted. What kills and power cuts leave is made by hand here; `torture` makes it by chance.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, cleaned_on_request, files, open, tiny, Model, SEGMENT, UNITS};
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use ferromq_store::{Store, StoreOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
/// A queue of so many units has a last one that lies in two sectors of 512 bytes: half of it may be lost in a power cut.
const STRADDLING: usize = 26;

/// Appends to one queue.
fn append_many(store: &Store, queue: i32, count: usize) {
    (0..count).for_each(|_| _ = append(store, "T", queue, b"body"));
}

/// Fills other queues up to the next segment, and some way into it.
fn next_segment(store: &Store) {
    let segment = store.max_log_offset() / SEGMENT as i64;
    while store.max_log_offset() / (SEGMENT as i64) == segment {
        append(store, "other", 0, &[b'x'; 1000]);
    }
    append(store, "other", 0, b"first of the next segment");
}

/// Removes all log files but the last `left` that were written to; returns where the log begins then.
fn remove_segments(options: &StoreOptions, end: i64, left: i64) -> i64 {
    let begin = (end / SEGMENT as i64 - left + 1) * SEGMENT as i64;
    for path in files(&options.commit_log_dir()) {
        let base: i64 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        if base < begin {
            std::fs::remove_file(path).unwrap();
        }
    }
    begin
}

/// When the removal of consume queue files was cut short, several files of a queue have expired: its smallest offset is that of the
/// first record of the log all the same, after a clean stop and after a kill.
#[test]
fn a_queue_begins_with_the_log() {
    for clean in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let options = tiny(dir.path());
        let store = open(&options);
        let mut model = Model::default();
        model.fill(&store, 2000);
        let before = bodies(&store, "A", 0);
        if clean {
            store.shutdown().unwrap();
        }
        store.abandon();
        let begin = remove_segments(&options, store.max_log_offset(), 2);
        let wanted = |offset: i64| store.unit("A", 0, offset).is_some_and(|unit| unit.physical >= begin);
        let first = before.iter().find(|(offset, _)| wanted(*offset)).unwrap().0;
        assert!(first > 2 * UNITS as i64, "{first}: not in the first file");
        let max = store.max_offset("A", 0);
        drop(store);
        let store = open(&options);
        assert_eq!(
            (store.min_log_offset(), store.queue_offsets("A", 0)),
            (begin, Some((first, max))),
            "clean: {clean}"
        );
        assert_eq!(bodies(&store, "A", 0), before[first as usize..]);
        store.shutdown().unwrap();
    }
}

/// After a kill the last unit of a queue is kept although its record is gone with its segment: the next record gets the next offset,
/// not the same again.
#[test]
fn offsets_go_on_behind_deleted_records() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    append_many(&store, 0, STRADDLING);
    next_segment(&store);
    store.flush().unwrap();
    store.abandon();
    remove_segments(&options, store.max_log_offset(), 1);
    drop(store);
    let store = open(&options);
    let end = STRADDLING as i64;
    assert_eq!(store.queue_offsets("T", 0), Some((end, end)));
    assert_eq!(append(&store, "T", 0, b"next").queue_offset, end);
    store.shutdown().unwrap();
}

/// A power cut takes the newest records, whose units were the only ones in the only file of their queue: the file stays, and says after
/// the next kill, too, where the offsets go on.
#[test]
fn an_empty_file_says_where_offsets_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    append_many(&store, 0, UNITS);
    next_segment(&store);
    append_many(&store, 0, 3);
    store.flush().unwrap();
    store.abandon();
    let end = store.max_log_offset();
    drop(store);
    let begin = remove_segments(&options, end, 1);
    let queue = files(&options.consume_queue_dir().join("T/0"));
    std::fs::remove_file(&queue[0]).unwrap();
    let log = options.commit_log_dir().join(format!("{begin:020}"));
    for path in [&queue[1], &log] {
        let len = std::fs::metadata(path).unwrap().len();
        std::fs::write(path, vec![0; len as usize]).unwrap();
    }
    for _ in 0..2 {
        let store = open(&options);
        assert_eq!(store.queue_offsets("T", 0), Some((UNITS as i64, UNITS as i64)));
        store.abandon();
    }
    let store = open(&options);
    assert_eq!(append(&store, "T", 0, b"next").queue_offset, UNITS as i64);
    store.shutdown().unwrap();
}

/// A disk that remembers which files were forced to it and which were removed, in order.
#[derive(Default)]
struct Watched(Mutex<Vec<(PathBuf, &'static str)>>);

impl Faults for Watched {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        let what = match effect {
            Effect::Sync { .. } => "forced",
            Effect::Remove => "removed",
            _ => return Verdict::Go,
        };
        self.0.lock().unwrap().push((path.to_path_buf(), what));
        Verdict::Go
    }
}

/// A segment is deleted when the units of its records are on the disk, and not before: after a power cut only they would say which
/// offsets were given.
#[test]
fn units_are_on_the_disk_before_their_segment_goes() {
    let dir = tempfile::tempdir().unwrap();
    let retention = cleaned_on_request(Duration::from_millis(5));
    let queue_flush_interval = Duration::from_secs(3600);
    let options = StoreOptions { cleaning: true, retention, queue_flush_interval, ..tiny(dir.path()) };
    let watched = Arc::new(Watched::default());
    let _mounted = mount(dir.path(), watched.clone());
    let store = open(&options);
    append_many(&store, 0, STRADDLING);
    next_segment(&store);
    assert!(store.clean_log());
    let deadline = Instant::now() + PATIENCE;
    while store.min_log_offset() == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let seen = watched.0.lock().unwrap();
    let place = |dir: PathBuf, what| seen.iter().position(|(path, done)| path.starts_with(&dir) && *done == what);
    let forced = place(options.consume_queue_dir().join("T/0"), "forced").unwrap();
    assert!(forced < place(options.commit_log_dir(), "removed").unwrap(), "{seen:?}");
    drop(seen);
    store.shutdown().unwrap();
}
