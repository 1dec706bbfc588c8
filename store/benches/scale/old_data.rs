//! A reader of old data beside a thread that produces and reads new data in turn, in a log that is larger than the memory it may have.
//!
//! The memory is a model: what the reader of old data has left behind, and what it has not come to, is thrown out of the page cache all the
//! time, as it would be if the log were much larger than memory. So each of its reads meets data that only the disk has; how much it
//! reads from the disk is noted.
//!
//! Time is that of the thread that is measured without the time for which it was ready and the processor was with others: what slows it
//! down by locks, by the disk or in the store counts, other programs on the machine do not. The two kinds of slices alternate.
use crate::measure::Scale;
use crate::records::{message, options, TOPIC};
use crate::row::Row;
use crate::system::{disk_bytes, own_seconds};
use ferromq_store::{FlushMode, GetRequest, GetStatus, MatchAll, NoListener, Store, StoreOptions};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of old data.
const OLD_BYTES: usize = 640 << 20;
/// Bytes appended in one slice.
const SLICE_BYTES: usize = 64 << 20;
const PAIRS: usize = 11;
/// Bytes the reader of old data takes in a second, as much as a link of a gigabit carries: what it would take without a bound is the
/// processor's and the disk's to share, not the store's.
const OLD_RATE: f64 = 125e6;
const BODY_BYTES: usize = 1024;
const BATCH: usize = 16;
const SEGMENT_BYTES: u64 = 128 << 20;
/// Open files: few, so that the maps of old segments are closed and their pages can go.
const FILES: usize = 6;
/// The producer's rate, and that of the reader of new data, with the reader of old data against without it.
const WANTED: f64 = 0.9;
/// Queues of old and of new data.
const OLD: usize = 0;
const NEW: usize = 1;

/// Two rows: the producer, and the reader of new data.
pub fn beside_new(scale: Scale) -> Vec<Row> {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        segment_size: SEGMENT_BYTES,
        mapped_files_max: FILES,
        index_enabled: false,
        flush: FlushMode::default(),
        read: ferromq_store::ReadLimits { mapped_bytes: SEGMENT_BYTES, ..Default::default() },
        ..options(dir.path())
    };
    let log = options.commit_log_dir();
    let store = Store::open(options, Arc::new(NoListener)).unwrap();
    append(&store, OLD, scale.of(OLD_BYTES));
    store.flush().unwrap();
    let old_end = store.max_log_offset();
    let (mut produced, mut followed) = (Vec::new(), Vec::new());
    let (old_bytes, from_disk) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..scale.pairs(PAIRS) {
        let alone = slice(&store, scale.of(SLICE_BYTES));
        let stop = AtomicBool::new(false);
        let beside = std::thread::scope(|scope| {
            scope.spawn(|| {
                let before = disk_bytes();
                old_bytes.fetch_add(read_old(&store, &log, old_end, &stop), Ordering::Relaxed);
                from_disk.fetch_add(disk_bytes() - before, Ordering::Relaxed);
            });
            let beside = slice(&store, scale.of(SLICE_BYTES));
            stop.store(true, Ordering::Relaxed);
            beside
        });
        produced.push((beside.0, alone.0));
        followed.push((beside.1, alone.1));
    }
    store.abandon();
    let megabytes = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed) >> 20;
    let old = format!(
        "read of old data meanwhile: {} MiB, {} MiB from the disk",
        megabytes(&old_bytes),
        megabytes(&from_disk)
    );
    vec![
        Row::of_rates("producing beside a reader of old data, against alone", "MiB/s", &produced, WANTED).note(old),
        Row::of_rates("reading new data beside a reader of old data", "MiB/s", &followed, WANTED),
    ]
}

/// Appends so many bytes and reads them; the rates of both.
fn slice(store: &Store, bytes: usize) -> (f64, f64) {
    let from = store.max_offset(TOPIC, NEW as i32);
    let rate = |seconds: f64| bytes as f64 / seconds / (1 << 20) as f64;
    let produced = own_seconds(|| append(store, NEW, bytes));
    let followed = own_seconds(|| follow(store, from, from + messages(bytes) as i64));
    (rate(produced), rate(followed))
}

fn messages(bytes: usize) -> usize {
    (bytes / BODY_BYTES).div_ceil(BATCH) * BATCH
}

fn append(store: &Store, queue: usize, bytes: usize) {
    let (mut batch, body) = (store.new_batch(), vec![b'x'; BODY_BYTES]);
    for _ in 0..messages(bytes) / BATCH {
        batch.clear();
        (0..BATCH).for_each(|_| batch.push(&message(queue, &body)).unwrap());
        store.append(&mut batch).unwrap();
    }
}

/// Reads a queue from `offset` up to `end`, or until `done`.
fn read(store: &Store, queue: usize, offset: i64, end: i64, done: &dyn Fn(&[bytes::Bytes]) -> bool) {
    let mut offset = offset;
    while offset < end {
        let (topic, queue_id, max_count, max_bytes, filter) = (TOPIC, queue as i32, 32, 1 << 18, &MatchAll);
        let request = GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking: false };
        // As the broker does it: what would block is asked for again by a thread that may.
        let result = store.get(&request).or_else(|_| store.get(&GetRequest { blocking: true, ..request })).unwrap();
        assert_eq!(result.status, GetStatus::Found);
        offset = result.next_offset;
        if done(&result.slices) {
            break;
        }
    }
}

fn follow(store: &Store, from: i64, to: i64) {
    read(store, NEW, from, to, &|slices| {
        slices.iter().for_each(|slice| _ = std::hint::black_box(crc32fast::hash(slice)));
        false
    });
}

/// Goes over the old data until it is told to stop; returns how many bytes that were.
fn read_old(store: &Store, log: &Path, old_end: i64, stop: &AtomicBool) -> u64 {
    let end = store.max_offset(TOPIC, OLD as i32);
    let total = AtomicU64::new(0);
    let evicted_at = AtomicU64::new(0);
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        evict(log, old_end);
        read(store, OLD, 0, end, &|slices| {
            let bytes = slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
            slices.iter().for_each(|slice| _ = std::hint::black_box(crc32fast::hash(slice)));
            let read = total.fetch_add(bytes, Ordering::Relaxed) + bytes;
            // What lies behind goes; and what was read ahead by others.
            if read - evicted_at.load(Ordering::Relaxed) > SEGMENT_BYTES {
                evicted_at.store(read, Ordering::Relaxed);
                evict(log, old_end);
            }
            let due = Duration::from_secs_f64(read as f64 / OLD_RATE);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            stop.load(Ordering::Relaxed)
        });
    }
    total.into_inner()
}

/// Throws the old segments out of the page cache, as far as they are not mapped.
fn evict(log: &Path, old_end: i64) {
    for entry in std::fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        let base: i64 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        if base + SEGMENT_BYTES as i64 <= old_end {
            let file = std::fs::File::open(path).unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
    }
}
