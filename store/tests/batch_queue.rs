//! Queues of topics of type BatchCQ: units of 46 bytes, records with several messages, recovery, retention and repair.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, cleaned_on_request, message, open, tiny, SEGMENT};
use ferromq_protocol::record::{self, Message};
use ferromq_protocol::sysflag;
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use ferromq_store::tool::{inspect, repair, verify, Directory, DirectoryOptions, UnitKind};
use ferromq_store::{Boundary, GetRequest, GetResult, GetStatus, MatchAll, NoListener, Store, StoreOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const UNIT: usize = 46;

/// Small files, and a topic of type BatchCQ that an official broker would know of too.
fn options(root: &Path) -> StoreOptions {
    std::fs::create_dir_all(root.join("config")).unwrap();
    let topic = |name: &str, kind: &str| format!("\"{name}\":{{\"attributes\":{{{kind}}},\"topicName\":\"{name}\"}}");
    let topics = [topic("BATCH", "\"queue.type\":\"BatchCQ\""), topic("PLAIN", "")].join(",");
    std::fs::write(root.join("config/topics.json"), format!("{{\"topicConfigTable\":{{{topics}}}}}")).unwrap();
    StoreOptions { batch_topics: vec!["BATCH".to_owned()], batch_consume_queue_file_units: 7, ..tiny(root) }
}

fn get(store: &Store, offset: i64, max_count: usize) -> GetResult {
    let (topic, queue_id, max_bytes, filter, blocking) = ("BATCH", 0, 1 << 20, &MatchAll, true);
    store.get(&GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking }).unwrap()
}

/// Appends a record of `count` messages, as the reference lays inner batches out; returns where it lies.
fn inner_batch(store: &Store, queue_offset: i64, count: usize, store_timestamp: i64) -> i64 {
    let physical_offset = store.max_log_offset();
    let properties = format!("INNER_NUM\u{1}{count}\u{2}INNER_BASE\u{1}{queue_offset}\u{2}TAGS\u{1}tag\u{2}");
    let record = Message {
        properties: &properties,
        sys_flag: sysflag::INNER_BATCH | sysflag::NEED_UNWRAP,
        queue_offset,
        physical_offset,
        store_timestamp,
        ..message("BATCH", 0, b"several")
    };
    let mut bytes = Vec::new();
    record::encode(&mut bytes, &record).unwrap();
    store.append_raw(physical_offset, &bytes).unwrap();
    physical_offset
}

fn assert_sound(root: &Path) {
    let directory = Directory::open(DirectoryOptions { root: root.to_path_buf(), ..Default::default() }).unwrap();
    let seen = verify(&directory, &mut |finding| println!("{finding}")).unwrap();
    assert_eq!((seen.damages, seen.notes), (0, 0), "{seen:?}");
}

/// Messages go into units of 46 bytes in a folder of their own, with the fields where store.md 3.6 has them, and are there after a clean
/// stop, after a kill, and when the folder is gone.
#[test]
fn messages_of_batch_topics_have_batch_units() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let store = open(&options);
    let results: Vec<_> =
        (0..20u8).map(|i| (append(&store, "BATCH", 0, &[i]), append(&store, "PLAIN", 0, &[i])).0).collect();
    let wanted: Vec<_> = (0..20u8).map(|i| (i64::from(i), vec![i])).collect();
    assert_eq!(bodies(&store, "BATCH", 0), wanted);
    store.shutdown().unwrap();
    drop(store);
    let queue = dir.path().join("batchconsumequeue/BATCH/0");
    assert!(!dir.path().join("consumequeue/BATCH").exists() && dir.path().join("consumequeue/PLAIN/0").exists());
    let files = common::files(&queue);
    let bytes: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!((files.len(), bytes.len()), (3, 3 * 7 * UNIT));
    for (number, (unit, result)) in bytes.chunks_exact(UNIT).zip(&results).enumerate() {
        let eight = |at: usize| i64::from_be_bytes(unit[at..at + 8].try_into().unwrap());
        assert_eq!((eight(0), eight(20), eight(28)), (result.physical_offset, result.store_timestamp, number as i64));
        assert_eq!(unit[8..12], result.size.to_be_bytes());
        assert_eq!(unit[36..], [0, 1, 255, 255, 255, 255, 0, 0, 0, 0]);
    }
    assert_sound(dir.path());
    let store = open(&StoreOptions { batch_topics: Vec::new(), ..options.clone() });
    assert_eq!(bodies(&store, "BATCH", 0), wanted, "the folder tells the type");
    assert_eq!(append(&store, "BATCH", 0, &[20]).queue_offset, 20);
    store.abandon();
    drop(store);
    std::fs::remove_dir_all(&queue).unwrap();
    let store = open(&options);
    assert_eq!(bodies(&store, "BATCH", 0).len(), 21);
    store.shutdown().unwrap();
    assert_sound(dir.path());
}

/// A record of several messages takes as many offsets; it is found by each of them, counted as its messages, and the next one follows.
#[test]
fn records_of_several_messages() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let store = open(&options);
    let mut places = Vec::new();
    let counts = [3, 1, 5, 10, 2, 1, 1, 4, 8, 3];
    let mut next = 0;
    for (number, count) in counts.into_iter().enumerate() {
        places.push((next, inner_batch(&store, next, count, 1000 + 10 * number as i64)));
        next += count as i64;
    }
    let check = |store: &Store| {
        assert_eq!(store.queue_offsets("BATCH", 0), Some((0, next)));
        for ((base, place), count) in places.iter().zip(counts) {
            for offset in *base..base + count as i64 {
                assert_eq!(store.unit("BATCH", 0, offset).unwrap().physical, *place, "offset {offset}");
                let result = get(store, offset, 1);
                assert_eq!((result.count, result.next_offset), (count, base + count as i64), "the first comes whole");
            }
        }
        assert_eq!(get(store, next, 32).status, GetStatus::OffsetOverflowOne);
        let some = get(store, 0, 9);
        assert_eq!((some.count, some.next_offset), (9, 9), "3, 1 and 5 messages; ten more are too many");
    };
    check(&store);
    store.shutdown().unwrap();
    drop(store);
    let store = open(&options);
    check(&store);
    for (time, lower, upper) in
        [(0, 0, 0), (1000, 0, 0), (1001, 3, 0), (1010, 3, 3), (1015, 4, 3), (1090, 35, 35), (9999, 35, 35)]
    {
        let found = [Boundary::Lower, Boundary::Upper].map(|boundary| store.offset_by_time("BATCH", 0, time, boundary));
        assert_eq!(found, [lower, upper], "time {time}");
    }
    assert_eq!(append(&store, "BATCH", 0, b"one").queue_offset, next);
    store.shutdown().unwrap();
    drop(store);
    assert_sound(dir.path());
    let damaged = common::files(&dir.path().join("batchconsumequeue/BATCH/0"))[0].clone();
    std::fs::write(&damaged, vec![7; 7 * UNIT]).unwrap();
    let look = DirectoryOptions { root: dir.path().to_path_buf(), ..Default::default() };
    assert!(verify(&Directory::open(look.clone()).unwrap(), &mut |_| ()).unwrap().damages > 0);
    repair(&Directory::open_exclusive(look.clone()).unwrap(), &mut |finding| panic!("{finding}")).unwrap();
    assert_sound(dir.path());
    let seen = inspect(&Directory::open(look).unwrap()).unwrap();
    let queue = seen.queues.iter().find(|queue| queue.topic == "BATCH").unwrap();
    assert_eq!((queue.kind, queue.min, queue.max), (UnitKind::Batch, 0, next + 1));
}

/// Batch queues follow the log when it is cleaned, and their offsets go on.
#[test]
fn batch_queues_follow_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let retention = cleaned_on_request(Duration::from_millis(5));
    let options = StoreOptions { cleaning: true, retention, ..options(dir.path()) };
    let store = open(&options);
    for _ in 0..300 {
        append(&store, "BATCH", 0, &[b'x'; 1000]);
    }
    let last = store.max_log_offset() / SEGMENT as i64 * SEGMENT as i64;
    store.clean_log();
    let deadline = Instant::now() + Duration::from_secs(30);
    let followed =
        |store: &Store| store.unit("BATCH", 0, store.min_offset("BATCH", 0)).is_some_and(|u| u.physical >= last);
    while store.min_log_offset() < last || !followed(&store) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let min = store.min_offset("BATCH", 0);
    assert!(min > 200 && get(&store, min - 1, 1).status == GetStatus::OffsetTooSmall);
    assert_eq!(bodies(&store, "BATCH", 0).len() as i64, 300 - min);
    store.shutdown().unwrap();
    drop(store);
    let store = open(&StoreOptions { cleaning: false, ..options });
    assert_eq!(store.queue_offsets("BATCH", 0), Some((min, 300)));
    assert_eq!(append(&store, "BATCH", 0, b"on").queue_offset, 300);
    store.shutdown().unwrap();
}

/// A disk that does not give single batch units back.
struct NoUnits;

impl Faults for NoUnits {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        let in_queue = path.components().any(|part| part.as_os_str() == "batchconsumequeue");
        match effect {
            Effect::Read { len: UNIT, .. } if in_queue => Verdict::Fail(std::io::Error::from_raw_os_error(5)),
            _ => Verdict::Go,
        }
    }
}

/// A unit that cannot be read at the start is an error: taken for none, the queue would give its offsets a second time.
#[test]
fn an_unreadable_unit_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let store = open(&options);
    (0..20u8).for_each(|i| _ = append(&store, "BATCH", 0, &[i]));
    store.shutdown().unwrap();
    drop(store);
    // Without the list of queues a start looks into all of them.
    std::fs::remove_file(dir.path().join("ferromq-queues")).unwrap();
    let mounted = mount(dir.path(), Arc::new(NoUnits));
    let failed = Store::open(options.clone(), Arc::new(NoListener)).err().unwrap().to_string();
    assert!(failed.contains("batchconsumequeue"), "{failed}");
    drop(mounted);
    let store = open(&options);
    assert_eq!(store.queue_offsets("BATCH", 0), Some((0, 20)));
    store.shutdown().unwrap();
}

/// A disk that does not open files of batch consume queues.
struct NoFiles;

impl Faults for NoFiles {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        let in_queue = path.components().any(|part| part.as_os_str() == "batchconsumequeue");
        match effect {
            Effect::Open if in_queue => Verdict::Fail(std::io::Error::from_raw_os_error(5)),
            _ => Verdict::Go,
        }
    }
}

/// A queue that the disk does not give back is an error: the reader comes again and passes over nothing.
#[test]
fn reads_that_fail_pass_nothing_over() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let store = open(&options);
    (0..20).for_each(|_| _ = append(&store, "BATCH", 0, b"one"));
    store.shutdown().unwrap();
    drop(store);
    let store = open(&options);
    for disk in [Arc::new(NoUnits) as Arc<dyn Faults>, Arc::new(NoFiles)] {
        let mounted = mount(dir.path(), disk);
        let result = get(&store, 3, 4);
        assert_eq!((result.status, result.next_offset, result.count), (GetStatus::Unreadable, 3, 0));
        drop(mounted);
    }
    assert_eq!(get(&store, 3, 4).next_offset, 7);
    store.shutdown().unwrap();
}
