//! Synchronous flush: one force of the disk serves all who wait.
use crate::measure::{passing, Scale};
use crate::records::{message, open, options, queues, record_len, BODY, QUEUES};
use crate::row::{median, Row};
use ferromq_store::{FlushMode, FlushOutcome, Store, StoreOptions};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{channel, Sender};
use std::time::{Duration, Instant};

/// Messages that wait at the same time.
const WAITERS: usize = 256;
/// Messages of a slice of ours, and of the baseline.
const SLICE: (usize, usize) = (1 << 15, 1 << 8);
/// Pairs of slices.
const PAIRS: usize = 7;
/// A flush that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// 256 producers, each of which sends its next message when the one before is on the disk; against one message per force. A
/// producer is a callback, as in the broker, whose threads do not wait.
pub fn waiters(scale: Scale) -> Row {
    let (ours, bare, pairs) = (scale.of(SLICE.0).max(WAITERS), scale.of(SLICE.1), scale.pairs(PAIRS));
    let dir = tempfile::tempdir().unwrap();
    let flush = FlushMode::Sync { timeout: PATIENCE };
    let store = open(StoreOptions { flush, ..options(&dir.path().join("store")) });
    let file = reserved(&dir.path().join("bare"), (bare * pairs * record_len()) as u64);
    let (mut rates, mut ones, mut at) = (Vec::new(), Vec::new(), 0);
    for _ in 0..pairs {
        let (flushes, sent) = (store.stats().flushes, ours as f64);
        let seconds = passing(|| send(&store, ours, WAITERS)) / 1e9;
        let together = sent / (store.stats().flushes - flushes).max(1) as f64;
        let alone = passing(|| at = force_each(&file, at, bare)) / 1e9;
        rates.push((sent / seconds, bare as f64 / alone));
        ones.push(bare as f64 / (passing(|| send(&store, bare, 1)) / 1e9));
        println!("  a force of the disk served {together:.0} messages");
    }
    store.abandon();
    Row::of_rates("synchronous flush, 256 waiters", "messages per second", &rates, 50.0)
        .note(format!("one at a time through the store: {:.0} messages per second", median(ones)))
}

/// A file whose space is there, as that of a log segment.
fn reserved(path: &Path, bytes: u64) -> File {
    let file = File::options().create(true).truncate(true).read(true).write(true).open(path).unwrap();
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    while at < bytes {
        file.write_all_at(&zeros, at).unwrap();
        at += zeros.len() as u64;
    }
    file.sync_all().unwrap();
    file
}

/// Writes records from `at` on, and forces each one to the disk before the next.
fn force_each(file: &File, mut at: u64, records: usize) -> u64 {
    let record = vec![7; record_len()];
    for _ in 0..records {
        file.write_all_at(&record, at).unwrap();
        file.sync_data().unwrap();
        at += record.len() as u64;
    }
    at
}

/// Sends so many messages, of which `waiters` wait at any time.
fn send(store: &Store, messages: usize, waiters: usize) {
    let (done, next) = channel();
    let (mut batch, queues) = (store.new_batch(), queues(store));
    let mut sent = 0;
    let mut send_next = || {
        batch.clear();
        batch.push_to(&queues[sent % QUEUES], &message(sent % QUEUES, BODY)).unwrap();
        let end = store.append(&mut batch).unwrap().end_offset;
        wait_for(store, end, done.clone());
        sent += 1;
    };
    (0..waiters.min(messages)).for_each(|_| send_next());
    for answered in 0..messages {
        assert_eq!(next.recv().unwrap(), FlushOutcome::Flushed);
        if answered + waiters < messages {
            send_next();
        }
    }
}

fn wait_for(store: &Store, end: i64, done: Sender<FlushOutcome>) {
    store.when_flushed(end, Instant::now() + PATIENCE, Box::new(move |outcome| drop(done.send(outcome))));
}
