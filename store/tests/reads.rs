//! Reads at their edges: limits in memory and on disk, offsets by time, queries by key and unique key.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, is_of_log, message, open, tiny};
use ferromq_protocol::record::{self, Message};
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use ferromq_store::{Boundary, GetRequest, GetResult, GetStatus, MatchAll, ReadLimits, Store, StoreOptions};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A store whose data counts as being in memory, or not, with these limits.
fn limited(root: &Path, in_memory: bool) -> Arc<Store> {
    let memory_ratio_percent = if in_memory { 100 } else { 0 };
    let limits = ReadLimits { memory_bytes_max: 4000, memory_count_max: 6, ..ReadLimits::default() };
    let read = ReadLimits { disk_bytes_max: 2000, disk_count_max: 3, memory_ratio_percent, ..limits };
    open(&StoreOptions { read, ..tiny(root) })
}

fn get(store: &Store, offset: i64, max_count: usize, max_bytes: usize) -> GetResult {
    let (filter, blocking) = (&MatchAll, true);
    store.get(&GetRequest { topic: "A", queue_id: 0, offset, max_count, max_bytes, filter, blocking }).unwrap()
}

/// Count and bytes end an answer where the smallest of the limits says; the first record comes whatever its size.
#[test]
fn limits_in_memory_and_on_disk() {
    for (in_memory, count, bytes) in [(true, 6, 4000), (false, 3, 2000)] {
        let dir = tempfile::tempdir().unwrap();
        let store = limited(dir.path(), in_memory);
        let len = |body: usize| record::encoded_len(&message("A", 0, &vec![b'x'; body]));
        // Small ones, limited by their number; then large ones, limited by their bytes; then one that is larger than all limits.
        let half = bytes / 2 - len(0);
        for body in [vec![0; 20], vec![half; 4], vec![half + 1; 2], vec![bytes; 2]].concat() {
            common::append(&store, "A", 0, &vec![b'x'; body]);
        }
        // The first 20 are records without a body.
        assert_eq!(get(&store, 0, 32, 1 << 20).count, count);
        assert_eq!(get(&store, 0, count - 1, 1 << 20).count, count - 1, "the request's own number");
        assert_eq!(get(&store, 0, 32, 2 * len(0)).count, 2, "the request's own bytes");
        assert_eq!(get(&store, 0, 32, 2 * len(0) - 1).count, 1);
        let exact = get(&store, 20, 32, 1 << 20);
        assert_eq!((exact.count, exact.bytes, exact.next_offset), (2, bytes, 22), "exactly the limit");
        assert_eq!(get(&store, 24, 32, 1 << 20).count, 1, "a byte more is too much");
        let huge = get(&store, 26, 32, 100);
        assert_eq!((huge.status, huge.count, huge.next_offset), (GetStatus::Found, 1, 27));
        assert_eq!(huge.suggest_slave, !in_memory);
        assert_eq!((store.is_in_memory("A", 0, 0), store.is_in_memory("A", 0, 99)), (in_memory, false));
        store.abandon();
    }
}

/// A store with one record for each time.
fn with_times(root: &Path, times: &[i64]) -> Arc<Store> {
    with_records(root, (0..).zip(times.iter().copied()))
}

/// A store with records that have these queue offsets and times, put in as another log's bytes.
fn with_records(root: &Path, records: impl Iterator<Item = (i64, i64)>) -> Arc<Store> {
    let store = open(&StoreOptions { consume_queue_file_units: 4, ..tiny(root) });
    for (queue_offset, store_timestamp) in records {
        let physical_offset = store.max_log_offset();
        let mut bytes = Vec::new();
        let record = Message { queue_offset, physical_offset, store_timestamp, ..message("A", 0, b"x") };
        record::encode(&mut bytes, &record).unwrap();
        store.append_raw(physical_offset, &bytes).unwrap();
    }
    store
}

/// Offsets by time in every case of store.md 3.4, over files of four units.
#[test]
fn offsets_by_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_times(dir.path(), &[100, 100, 200, 200, 200, 200, 400, 400, 400, 900]);
    let cases = [
        // time, lower, upper
        (0, 0, 0),
        (99, 0, 0),
        (100, 0, 1),
        (101, 2, 1),
        (199, 2, 1),
        (200, 2, 5),
        (201, 6, 5),
        (400, 6, 8),
        (401, 9, 8),
        (899, 9, 8),
        (900, 9, 9),
        (901, 10, 9),
        (i64::MAX, 10, 9),
    ];
    for (time, lower, upper) in cases {
        let found = [Boundary::Lower, Boundary::Upper].map(|boundary| store.offset_by_time("A", 0, time, boundary));
        assert_eq!(found, [lower, upper], "time {time}");
    }
    assert_eq!(store.offset_by_time("nothing", 0, 100, Boundary::Lower), 0);
    assert_eq!((store.earliest_store_time("A", 0), store.earliest_store_time("nothing", 0)), (100, -1));
    assert_eq!((store.store_time_of("A", 0, 9), store.store_time_of("A", 0, 10)), (Some(900), None));
    store.abandon();
    let one = tempfile::tempdir().unwrap();
    let store = with_times(one.path(), &[500]);
    for (time, lower, upper) in [(499, 0, 0), (500, 0, 0), (501, 1, 0)] {
        let found = [Boundary::Lower, Boundary::Upper].map(|boundary| store.offset_by_time("A", 0, time, boundary));
        assert_eq!(found, [lower, upper], "one record, time {time}");
    }
    store.abandon();
}

/// Offsets that were passed over have no time: those that have one are found around them.
#[test]
fn offsets_by_time_around_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_records(dir.path(), (0..3).chain(100..103).map(|offset| (offset, 1000 + offset)));
    for (time, lower, upper) in [(1001, 1, 1), (1002, 2, 99), (1003, 100, 99), (1101, 101, 101), (1103, 103, 102)] {
        let found = [Boundary::Lower, Boundary::Upper].map(|boundary| store.offset_by_time("A", 0, time, boundary));
        assert_eq!(found, [lower, upper], "time {time}");
    }
    store.abandon();
}

/// A disk that does not give the record at one place of the log.
struct BadPlace(u64);

impl Faults for BadPlace {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        match effect {
            Effect::Read { from, .. } if is_of_log(path) && from == self.0 => {
                Verdict::Fail(std::io::Error::from_raw_os_error(5))
            }
            _ => Verdict::Go,
        }
    }
}

/// A record that cannot be read sends nobody past the messages before it.
#[test]
fn offsets_by_time_on_a_bad_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_records(dir.path(), (0..100).map(|offset| (offset, 1000 + offset)));
    // The first place that is looked at, and one that is looked at later.
    for bad in [50, 12] {
        let at = store.unit("A", 0, bad).unwrap().physical as u64;
        let _mounted = mount(dir.path(), Arc::new(BadPlace(at)));
        for (time, lower) in [(1010, 10), (1011, 11), (1049, 49), (1070, 70)] {
            assert!(store.offset_by_time("A", 0, time, Boundary::Lower) <= lower, "time {time}, {bad} is bad");
        }
        assert_eq!(store.offset_by_time("A", 0, 1010, Boundary::Lower), 10, "{bad} is bad");
    }
    store.abandon();
}

/// Keys and unique keys find their records of one topic, newest first, with both ends of the time range, and never more than 64.
#[test]
fn queries_by_key_and_unique_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&tiny(dir.path()));
    let mut batch = store.new_batch();
    for number in 0..70 {
        let properties = format!("KEYS\u{1}all n{number}\u{2}UNIQ_KEY\u{1}U{number}\u{2}");
        batch.push(&Message { properties: &properties, ..message("A", number % 2, b"x") }).unwrap();
        batch.push(&Message { properties: &properties, ..message("B", 0, b"x") }).unwrap();
    }
    store.append(&mut batch).unwrap();
    let results = batch.results().to_vec();
    let of_a: Vec<i64> = results.iter().step_by(2).map(|result| result.physical_offset).collect();
    let time = results[0].store_timestamp;
    let deadline = Instant::now() + Duration::from_secs(20);
    let query = |key: &str, max, begin, end| -> Vec<i64> {
        let found = store.query("A", key, max, begin, end);
        let places = |slice: &bytes::Bytes| {
            let view = record::parse(slice, true).unwrap();
            assert_eq!(view.topic(), "A");
            view.physical_offset()
        };
        found.slices.iter().map(places).collect()
    };
    while query("n69", 1, 0, i64::MAX).is_empty() {
        assert!(Instant::now() < deadline, "the index is there in time");
    }
    assert_eq!(query("n7", 10, 0, i64::MAX), [of_a[7]]);
    assert_eq!(query("U7", 10, 0, i64::MAX), [of_a[7]]);
    let newest: Vec<i64> = of_a.iter().rev().copied().collect();
    assert_eq!(query("all", 1000, 0, i64::MAX), newest[..64]);
    assert_eq!(query("all", 3, 0, i64::MAX), newest[..3]);
    assert!(query("all", 0, 0, i64::MAX).is_empty() && query("none", 10, 0, i64::MAX).is_empty());
    // The index knows whole seconds behind the first record of its file; all of these were stored at one time.
    assert_eq!(query("all", 3, time, time), newest[..3], "both ends belong to the range");
    assert!(query("all", 3, 0, time - 1).is_empty() && query("all", 3, time + 1000, i64::MAX).is_empty());
    store.abandon();
}

/// Units whose tags codes are addresses in an extension, as Apache writes them with enableConsumeQueueExt, are read like others: by
/// tag filters, on their own, and by who wants to know when a delayed message is due.
#[test]
fn extended_units_are_read_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    let mut batch = store.new_batch();
    for number in 0..30 {
        let properties = format!("TAGS\u{1}{}\u{2}DELAY\u{1}3\u{2}", ["red", "blue", "green"][number % 3]);
        for topic in ["A", "SCHEDULE_TOPIC_XXXX"] {
            batch.push(&Message { properties: &properties, ..message(topic, 0, b"x") }).unwrap();
        }
    }
    store.append(&mut batch).unwrap();
    let units = |store: &Store| -> Vec<_> {
        let all = |topic| (0..30).map(move |offset| store.unit(topic, 0, offset).unwrap());
        all("A").chain(all("SCHEDULE_TOPIC_XXXX")).collect()
    };
    let before = units(&store);
    store.shutdown().unwrap();
    drop(store);
    for topic in ["A", "SCHEDULE_TOPIC_XXXX"] {
        let path = options.consume_queue_dir().join(format!("{topic}/0/{:020}", 0));
        let mut bytes = std::fs::read(&path).unwrap();
        for (number, unit) in bytes.chunks_exact_mut(20).take(30).enumerate() {
            unit[12..].copy_from_slice(&(i64::MIN + number as i64 * 34).to_be_bytes());
        }
        std::fs::write(&path, bytes).unwrap();
    }
    let store = open(&options);
    assert_eq!(units(&store), before);
    let blue = before[1].tags_code;
    let filter = move |code: i64| code == blue;
    for blocking in [true, false] {
        let (max_count, max_bytes, offset) = (32, 1 << 20, 0);
        let request = GetRequest { topic: "A", queue_id: 0, offset, max_count, max_bytes, filter: &filter, blocking };
        let result = store.get(&request).unwrap();
        assert_eq!((result.status, result.count, result.next_offset), (GetStatus::Found, 10, 30));
        for slice in &result.slices {
            assert_eq!(record::parse(slice, true).unwrap().property("TAGS"), Some("blue"));
        }
    }
    store.shutdown().unwrap();
}

/// A query gives the newest records that fit into a frame together, and a record that does not fit at all alone.
#[test]
fn a_query_fits_into_a_frame() {
    const FRAME: usize = 16 << 20;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { segment_size: 64 << 20, max_message_size: 2 * FRAME, ..tiny(dir.path()) };
    let store = open(&options);
    let sent: Vec<i64> = (0..20).map(|i| append(&store, "A", 0, &vec![i; 1 << 20]).physical_offset).collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    // What a query gives as soon as the index has the record at `newest`.
    let query = |newest: i64| -> Vec<i64> {
        loop {
            let found = store.query("A", "k1", 64, 0, i64::MAX);
            if found.index_last_update_phyoffset == newest {
                return found
                    .slices
                    .iter()
                    .map(|slice| record::parse(slice, true).unwrap().physical_offset())
                    .collect();
            }
            assert!(Instant::now() < deadline, "the index is there in time");
        }
    };
    let newest_first: Vec<i64> = sent.iter().rev().copied().take(15).collect();
    assert_eq!(query(sent[19]), newest_first, "one more would not fit beside the header of an answer");
    let large = append(&store, "A", 0, &vec![7; FRAME + 1]).physical_offset;
    assert_eq!(query(large), [large]);
    store.shutdown().unwrap();
}

/// A disk that counts the bytes of the log that are asked for.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Faults for Counting {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        if let Effect::Read { len, .. } = effect {
            self.0.fetch_add(if is_of_log(path) { len } else { 0 }, Ordering::SeqCst);
        }
        Verdict::Go
    }
}

/// Clients ask for messages at any place of the log: one in the middle of a body that looks like the beginning of a record is refused before
/// more is read than its head.
#[test]
fn a_body_is_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { segment_size: 16 << 20, ..tiny(dir.path()) };
    let store = open(&options);
    let mut body = vec![0; 4 << 20];
    body[..4].copy_from_slice(&(3i32 << 20).to_be_bytes());
    body[4..8].copy_from_slice(&(-626_843_481i32).to_be_bytes());
    let at = append(&store, "A", 0, &body).physical_offset;
    append(&store, "A", 0, b"behind");
    store.shutdown().unwrap();
    drop(store);
    // What was there before a start is read from the disk.
    let store = open(&options);
    let disk = Arc::new(Counting::default());
    let _mounted = mount(dir.path(), disk.clone());
    // Behind the 88 bytes of the head lies the body.
    let inside = store.record_at(at + 88).unwrap_err().to_string();
    assert!(inside.contains("says that it lies at"), "{inside}");
    let asked = disk.0.load(Ordering::SeqCst);
    assert!(asked > 0 && asked < 4096, "{asked} bytes");
    assert_eq!(store.record_at(at).unwrap().map(|record| record.len() > body.len()), Some(true));
    store.shutdown().unwrap();
}
