//! Append, stop somehow, damage somehow, open again, over and over: the store always has what a simple model has.
//!
//! `FERROMQ_SEED` repeats a run that failed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{bodies, message, open, tiny, SEGMENT};
use ferromq_store::{FlushMode, RecordResult, Store, StoreOptions};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

const CYCLES: usize = 40;
const TOPICS: [&str; 3] = ["orders", "%RETRY%group", "t"];

/// A generator of numbers that can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// All records in the order of the log.
#[derive(Default)]
struct Log(Vec<(usize, i32, Vec<u8>, RecordResult)>);

impl Log {
    fn append(&mut self, store: &Store, random: &mut Random, number: &mut usize) {
        let mut batch = store.new_batch();
        let mut sent = Vec::new();
        for _ in 0..1 + random.below(4) {
            let group = random.one_in(3);
            let records: Vec<_> = (0..1 + random.below(5))
                .map(|_| {
                    *number += 1;
                    let len = if random.one_in(40) { random.below(20_000) } else { random.below(400) };
                    (
                        random.below(TOPICS.len()),
                        random.below(3) as i32,
                        format!("{number} ").repeat(1 + len / 8).into_bytes(),
                    )
                })
                .collect();
            let messages: Vec<_> =
                records.iter().map(|(topic, queue, body)| message(TOPICS[*topic], *queue, body)).collect();
            if group && messages.iter().map(|m| m.body.len()).sum::<usize>() < SEGMENT as usize / 2 {
                batch.group(|batch| messages.iter().try_for_each(|message| batch.push(message))).unwrap();
            } else {
                messages.iter().for_each(|message| batch.push(message).unwrap());
            }
            sent.extend(records);
        }
        store.append(&mut batch).unwrap();
        let results = batch.results().iter();
        self.0
            .extend(sent.into_iter().zip(results).map(|((topic, queue, body), result)| (topic, queue, body, *result)));
    }

    fn check(&self, store: &Store) {
        type Bodies = Vec<(i64, Vec<u8>)>;
        let mut queues: BTreeMap<(usize, i32), Bodies> = BTreeMap::new();
        for (topic, queue, body, result) in &self.0 {
            queues.entry((*topic, *queue)).or_default().push((result.queue_offset, body.clone()));
        }
        for (topic, name) in TOPICS.iter().enumerate() {
            for queue in 0..3 {
                let wanted = queues.remove(&(topic, queue)).unwrap_or_default();
                assert!(
                    wanted.iter().map(|(offset, _)| *offset).eq(0..wanted.len() as i64),
                    "offsets without gap or double"
                );
                let found = bodies(store, name, queue);
                assert_eq!(found.len(), wanted.len(), "{name}/{queue}");
                assert!(found == wanted, "{name}/{queue}");
            }
        }
    }

    /// Cuts the log inside or before a record near its end; that one and all behind it are lost.
    fn tear(&mut self, options: &StoreOptions, random: &mut Random) {
        let back = random.below(30).min(self.0.len());
        let Some((_, _, _, result)) = self.0.get(self.0.len() - back).cloned() else { return };
        let cut = result.physical_offset + random.below(result.size as usize) as i64;
        self.0.truncate(self.0.len() - back);
        for path in common::files(&options.commit_log_dir()) {
            let base: i64 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            let from = (cut - base).clamp(0, SEGMENT as i64);
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&vec![0; SEGMENT as usize - from as usize], from as u64).unwrap();
        }
    }
}

fn remove(path: &std::path::Path) {
    let _ = fs::remove_dir_all(path);
    let _ = fs::remove_file(path);
}

fn run(seed: u64) {
    println!("FERROMQ_SEED={seed}");
    let mut random = Random(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut options = tiny(dir.path());
    let (mut log, mut number) = (Log::default(), 0);
    for cycle in 0..CYCLES {
        options.flush = match random.one_in(3) {
            true => FlushMode::Sync { timeout: Duration::from_secs(5) },
            false => FlushMode::default(),
        };
        let store = open(&options);
        log.check(&store);
        for _ in 0..random.below(60) {
            log.append(&store, &mut random, &mut number);
        }
        let stop = random.below(3);
        println!("cycle {cycle}: {} records, end {}, stop {stop}", log.0.len(), store.max_log_offset());
        stop_store(store, stop);
        if stop > 0 && random.one_in(3) {
            log.tear(&options, &mut random);
        }
        let parts = [options.root.join("checkpoint"), options.root.join("index"), options.consume_queue_dir()];
        for part in &parts {
            if random.one_in(6) {
                println!("without {}", part.display());
                remove(part);
            }
        }
    }
    let store = open(&options);
    log.check(&store);
    store.shutdown().unwrap();
}

fn stop_store(store: Arc<Store>, how: usize) {
    match how {
        0 => store.shutdown().unwrap(),
        1 => store.abandon(),
        _ => drop(store),
    }
}

/// Forty stops of all kinds, for some seeds.
#[test]
fn the_store_has_what_the_model_has() {
    match std::env::var("FERROMQ_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => run(seed),
        None => (1..=2u64).for_each(|seed| run(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
    }
}
