//! Opening a large directory after a clean stop: 50,000 queues, 100 GB of log. The directory is made of sparse files, so that it takes
//! half a gigabyte; nothing but the names, lengths and records of a real one is in it. Time for which the processor was with other
//! programs does not count.
use crate::measure::Scale;
use crate::records::{message, options, BODY};
use crate::row::{median, Row};
use crate::system::{anonymous_bytes, own_seconds};
use ferromq_protocol::record::{self, Message, MAGIC_BLANK};
use ferromq_store::{NoListener, Store, StoreOptions};
use std::fs::{create_dir_all, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Tells the program that it is the child, and which directory it is to open.
const CHILD: &str = "FERROMQ_BENCH_OPEN";
/// Starts that are measured.
const STARTS: usize = 5;
/// Queues of a topic.
const QUEUES: usize = 4;
/// A start may take so long, milliseconds.
const WANTED_MS: f64 = 2000.0;
/// Memory an idle queue may take, bytes.
const WANTED_BYTES: f64 = 1024.0;

/// Topics, segments, bytes of a segment.
fn size(scale: Scale) -> (usize, usize, u64) {
    match scale {
        Scale::Full => (12_500, 100, 1 << 30),
        Scale::Quick => (50, 4, 4 << 20),
    }
}

/// As the child opens a directory.
pub fn store_options(dir: &Path, segment_size: u64) -> StoreOptions {
    StoreOptions { segment_size, ..options(dir) }
}

/// The two rows: how long a clean start takes, and what a queue takes in memory.
pub fn clean(scale: Scale) -> Vec<Row> {
    let (topics, segments, segment_size) = size(scale);
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), topics, segments, segment_size);
    let first = open(dir.path(), segment_size).0;
    let mut starts: Vec<(f64, f64)> = Vec::new();
    for _ in 0..STARTS {
        let (ms, bytes, queues) = open_in_child(dir.path(), segment_size);
        assert_eq!(queues as usize, topics * QUEUES);
        starts.push((ms, bytes / queues));
    }
    let times = starts.iter().map(|start| (start.0, WANTED_MS)).collect::<Vec<_>>();
    let memory: Vec<_> = starts.iter().map(|start| (start.1, WANTED_BYTES)).collect();
    let gigabytes = (segments as u64 * segment_size) >> 30;
    let about =
        format!("{} queues, {gigabytes} GiB of log; {first:.0} ms when nothing was known of them", topics * QUEUES);
    let best = starts.iter().map(|start| start.0).fold(f64::INFINITY, f64::min);
    vec![
        Row::of_costs("clean start, against what it may take", "ms", &times, 1.0)
            .note(about)
            .note(format!("best {best:.0} ms, median {:.0} ms", median(starts.iter().map(|start| start.0).collect()))),
        Row::of_costs("memory of an idle queue, against what it may be", "bytes", &memory, 1.0),
    ]
}

/// Opens the directory in a process of its own: milliseconds, bytes of memory, queues.
pub fn open_in_child(dir: &Path, segment_size: u64) -> (f64, f64, f64) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.env(CHILD, dir).env("FERROMQ_BENCH_SEGMENT", segment_size.to_string()).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse::<f64>().unwrap());
    let mut next = || numbers.next().unwrap();
    (next(), next(), next())
}

/// What the child does: opens the directory, prints milliseconds, bytes of memory and queues. False for the parent.
pub fn child() -> bool {
    let (Ok(dir), Ok(segment)) = (std::env::var(CHILD), std::env::var("FERROMQ_BENCH_SEGMENT")) else { return false };
    let (ms, bytes, queues) = open(Path::new(&dir), segment.parse().unwrap());
    println!("{ms} {bytes} {queues}");
    true
}

fn open(dir: &Path, segment_size: u64) -> (f64, f64, usize) {
    let before = anonymous_bytes();
    let mut opened = None;
    let seconds = own_seconds(|| {
        opened = Some(Store::open(store_options(dir, segment_size), Arc::new(NoListener)).unwrap());
    });
    let (store, ms) = (opened.unwrap(), seconds * 1000.0);
    let bytes = anonymous_bytes().saturating_sub(before) as f64;
    let queues = store.topics().iter().map(|topic| store.queue_ids(topic).len()).sum();
    store.shutdown().unwrap();
    (ms, bytes, queues)
}

/// A message in every queue, spread over all segments, each of which ends right behind its messages.
fn build(dir: &Path, topics: usize, segments: usize, segment_size: u64) {
    let options = store_options(dir, segment_size);
    let (log, queues) = (options.commit_log_dir(), options.consume_queue_dir());
    create_dir_all(&log).unwrap();
    let all = topics * QUEUES;
    let mut next = 0;
    for segment in 0..segments {
        let base = segment as u64 * segment_size;
        let file = File::create_new(log.join(format!("{base:020}"))).unwrap();
        file.set_len(segment_size).unwrap();
        let mut bytes = Vec::new();
        while next < all * (segment + 1) / segments {
            let topic = format!("topic-of-usual-length-{:05}", next / QUEUES);
            let physical = base + bytes.len() as u64;
            let size = put_record(&mut bytes, &topic, next % QUEUES, physical);
            put_unit(&queues.join(&topic).join((next % QUEUES).to_string()), &options, physical, size);
            next += 1;
        }
        if segment + 1 < segments {
            let rest = (segment_size - bytes.len() as u64) as i32;
            bytes.extend_from_slice(&rest.to_be_bytes());
            bytes.extend_from_slice(&MAGIC_BLANK.to_be_bytes());
        }
        file.write_all_at(&bytes, 0).unwrap();
    }
}

fn put_record(bytes: &mut Vec<u8>, topic: &str, queue: usize, physical: u64) -> usize {
    let (at, store_timestamp) = (bytes.len(), 1_700_000_000_000 + physical as i64 / 1024);
    let physical_offset = physical as i64;
    record::encode(bytes, &Message { topic, store_timestamp, physical_offset, ..message(queue, BODY) }).unwrap();
    bytes.len() - at
}

fn put_unit(dir: &Path, options: &StoreOptions, physical: u64, size: usize) {
    create_dir_all(dir).unwrap();
    let file = File::create_new(dir.join(format!("{:020}", 0))).unwrap();
    file.set_len(options.consume_queue_file_bytes() as u64).unwrap();
    let mut unit = [0; ferromq_store::UNIT_BYTES];
    unit[..8].copy_from_slice(&physical.to_be_bytes());
    unit[8..12].copy_from_slice(&(size as i32).to_be_bytes());
    file.write_all_at(&unit, 0).unwrap();
}
