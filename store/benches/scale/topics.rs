//! 10,000 topics with a few messages each: what one of them takes in memory and on the disk, while it is written to and after a restart.
//!
//! Memory is told by the system: that of an idle topic of a child process, that of one that is written to of this one, before other rows
//! have left memory behind that is used again.
use crate::measure::Scale;
use crate::opening::{open_in_child, store_options};
use crate::records::{message, BODY};
use crate::row::Row;
use crate::system::{anonymous_bytes, file_bytes};
use ferromq_protocol::record::Message;
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use ferromq_store::{NoListener, Store};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// Topics, with one queue each.
const TOPICS: usize = 10_000;
/// Messages of each.
const MESSAGES: usize = 3;
/// Bytes of a log file: that of a broker is reserved as a whole, whatever is in it.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Memory a topic may take after a restart, when its queue is idle.
const WANTED_BYTES: f64 = 1024.0;
/// What a consume queue file takes whose blocks are all there: told for comparison, nothing is asked for.
const WHOLE_FILE_BYTES: f64 = 6e6;
const NOT_JUDGED: f64 = 0.0;

/// Nothing is forced to the disk: 10,000 small files would take it minutes, and blocks are the same.
struct Unforced;

impl Faults for Unforced {
    fn before(&self, _path: &Path, effect: Effect<'_>) -> Verdict {
        match effect {
            Effect::Sync { .. } | Effect::SyncDir => Verdict::Skip,
            _ => Verdict::Go,
        }
    }
}

/// Memory of an idle topic; memory of a topic that is written to; disk.
pub fn small(scale: Scale) -> Vec<Row> {
    let topics = scale.of(TOPICS);
    let dir = tempfile::tempdir().unwrap();
    let _mounted = mount(dir.path(), Arc::new(Unforced));
    let each = |bytes: u64| bytes as f64 / topics as f64;
    let store = Store::open(store_options(dir.path(), SEGMENT_BYTES), Arc::new(NoListener)).unwrap();
    let before = (anonymous_bytes(), file_bytes());
    let mut batch = store.new_batch();
    for _ in 0..MESSAGES {
        for topic in 0..topics {
            let topic = format!("topic-of-usual-length-{topic:05}");
            batch.clear();
            batch.push(&Message { topic: &topic, ..message(0, BODY) }).unwrap();
            store.append(&mut batch).unwrap();
        }
    }
    let (own, mapped) = (each(anonymous_bytes().saturating_sub(before.0)), each(file_bytes().saturating_sub(before.1)));
    store.shutdown().unwrap();
    drop(store);
    let disk = each(allocated(dir.path()));
    let (_, idle, queues) = open_in_child(dir.path(), SEGMENT_BYTES);
    assert_eq!(queues as usize, topics);
    let idle = idle / queues;
    vec![
        Row::of_costs("memory of a topic with three messages, idle", "bytes", &[(idle, WANTED_BYTES)], 1.0)
            .note(format!("{topics} topics, after a restart")),
        Row::of_costs("the same while it is written to (not judged)", "bytes", &[(own, WANTED_BYTES)], NOT_JUDGED)
            .note(format!("and {mapped:.0} bytes of mapped files, log and index among them")),
        Row::of_costs("its blocks on the disk, against a whole file", "bytes", &[(disk, WHOLE_FILE_BYTES)], NOT_JUDGED)
            .note("its share of log and index included".to_owned()),
    ]
}

/// Blocks of a folder and everything in it, bytes.
fn allocated(dir: &Path) -> u64 {
    let below: u64 = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => allocated(&entry.path()),
            false => entry.metadata().unwrap().blocks() * 512,
        })
        .sum();
    below + std::fs::metadata(dir).unwrap().blocks() * 512
}
