//! The index on its own: order and limits of answers, rolling, damaged and foreign files, deletion, a disk that fails.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferromq_protocol::hash;
use ferromq_store::checkpoint::Checkpoint;
use ferromq_store::index::{IndexEntry, IndexError, IndexOptions, IndexService, LogSource};
use proptest::prelude::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A log without anything in it.
struct NoLog;

impl LogSource for NoLog {
    fn read(&self, _from: i64, _max: usize) -> io::Result<Option<(i64, Bytes)>> {
        Ok(None)
    }
}

fn options(hash_slots: u32, entries: u32) -> IndexOptions {
    IndexOptions { hash_slots, entries, ..IndexOptions::default() }
}

fn checkpoint(dir: &Path) -> Arc<Checkpoint> {
    Arc::new(Checkpoint::open(dir.join("checkpoint")).unwrap())
}

fn open(dir: &Path, options: IndexOptions) -> IndexService {
    let index = IndexService::open(&dir.join("index"), options, &checkpoint(dir), false).unwrap();
    // Without files a log end above 0 would ask for the records before it.
    let log_end = if index.end_phy_offset().is_some() { i64::MAX } else { 0 };
    index.start(Arc::new(NoLog), log_end).unwrap();
    index
}

fn entry(key: &str, physical: i64, store_timestamp: i64) -> IndexEntry {
    IndexEntry { hash: hash::index_key_hash("T", key), physical, store_timestamp }
}

fn offer(index: &IndexService, entries: &[IndexEntry]) {
    index.offer(entries);
    assert!(index.wait_idle(PATIENCE));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir.join("index")).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

/// Answers come newest first over several files, stop at the limit, and keep to the times asked for.
#[test]
fn answers_across_files() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), options(3, 5));
    let entries: Vec<_> =
        (0..30).map(|i| entry(["a", "b"][i % 2], i as i64 * 100, 1_000_000 + i as i64 * 1000)).collect();
    for entry in &entries {
        offer(&index, std::slice::from_ref(entry));
    }
    assert_eq!(files(dir.path()).len(), 8, "four entries in a file of five, number 0 being unused");
    let all = |max, begin, end| index.query("T", "a", max, begin, end).offsets;
    let newest_first: Vec<i64> = (0..15).rev().map(|i| i * 200).collect();
    assert_eq!(all(100, 0, i64::MAX), newest_first);
    assert_eq!(all(4, 0, i64::MAX), newest_first[..4]);
    assert_eq!(all(100, 1_010_000, 1_020_000), [2000, 1800, 1600, 1400, 1200, 1000]);
    assert_eq!(all(100, 2_000_000, i64::MAX), []);
    assert_eq!(all(0, 0, i64::MAX), []);
    let answer = index.query("T", "nobody", 10, 0, i64::MAX);
    assert_eq!((answer.last_update_physical, answer.last_update_timestamp), (2900, 1_029_000));
}

/// What lies before the end of the index is not written again; the keys of one record are all kept.
#[test]
fn records_are_indexed_once() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), options(10, 100));
    offer(&index, &[entry("a", 100, 5000), entry("b", 100, 5000), entry("a", 200, 5000)]);
    offer(&index, &[entry("a", 100, 5000), entry("a", 200, 5000), entry("a", 300, 5000)]);
    assert_eq!(index.query("T", "a", 10, 0, i64::MAX).offsets, [300, 200, 100]);
    assert_eq!(index.query("T", "b", 10, 0, i64::MAX).offsets, [100]);
    assert_eq!(index.end_phy_offset(), Some(300));
}

/// Old files go with the log, the newest stays; answers no longer hold what went.
#[test]
fn files_are_deleted_with_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), options(3, 5));
    offer(&index, &(0..12).map(|i| entry("a", i * 100, 1_000_000)).collect::<Vec<_>>());
    assert_eq!(index.delete_before(300).unwrap(), 0, "the first file ends at 300, which is still there");
    assert_eq!(index.delete_before(301).unwrap(), 1);
    assert_eq!(index.delete_before(i64::MAX).unwrap(), 1);
    assert_eq!(files(dir.path()).len(), 1);
    assert_eq!(index.query("T", "a", 10, 0, i64::MAX).offsets, [1100, 1000, 900, 800]);
}

/// Names grow even if the clock does not; what is no index file is left alone; a file without its length is made again.
#[test]
fn names_and_other_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("index")).unwrap();
    let far = dir.path().join("index/99991231235959998");
    std::fs::write(&far, b"").unwrap();
    std::fs::write(dir.path().join("index/notes.txt"), b"mine").unwrap();
    let shape = options(3, 5);
    offer(&open(dir.path(), shape.clone()), &[entry("a", 0, 1_000_000)]);
    assert!(!far.exists());
    std::fs::rename(files(dir.path()).first().unwrap(), &far).unwrap();
    let index = open(dir.path(), shape);
    offer(&index, &(0..9).map(|i| entry("a", i * 100, 1_000_000)).collect::<Vec<_>>());
    let names: Vec<_> = files(dir.path()).iter().map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["99991231235959998", "99991231235959999", "99991231235960000", "notes.txt"]);
}

/// A file of another size says which sizes to configure instead of being misread.
#[test]
fn other_sizes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    offer(&open(dir.path(), options(3, 5)), &[entry("a", 0, 1)]);
    let other = IndexService::open(&dir.path().join("index"), options(3, 6), &checkpoint(dir.path()), false);
    assert!(matches!(other, Err(IndexError::Length { .. })));
}

/// While files cannot be made nothing is lost: the entries stay to be read from the log, and the stop is not a clean one.
#[test]
fn a_failing_disk_is_told_and_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), options(3, 5));
    std::fs::remove_dir(dir.path().join("index")).unwrap();
    index.offer(&[entry("a", 0, 1)]);
    let deadline = Instant::now() + PATIENCE;
    while !index.is_failing() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert!(!index.shutdown(Duration::ZERO).unwrap());
}

/// After an abnormal stop files younger than the checkpoint's index time are gone, older ones stay.
#[test]
fn unflushed_files_go_after_an_abnormal_stop() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path(), options(3, 5));
    offer(&index, &(0..8).map(|i| entry("a", i * 100, 1_000_000 + i * 1000)).collect::<Vec<_>>());
    drop(index);
    let checkpoint = checkpoint(dir.path());
    checkpoint.raise_index_timestamp(1_003_000);
    let index = IndexService::open(&dir.path().join("index"), options(3, 5), &checkpoint, true).unwrap();
    assert_eq!(index.end_phy_offset(), Some(300));
    assert_eq!(files(dir.path()).len(), 1);
}

/// A clean stop is complete and lets the checkpoint know how far the index is on disk.
#[test]
fn a_clean_stop_moves_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint(dir.path());
    let index = IndexService::open(&dir.path().join("index"), options(3, 5), &checkpoint, false).unwrap();
    index.start(Arc::new(NoLog), 0).unwrap();
    index.offer(&[entry("a", 0, 7_000)]);
    assert!(index.shutdown(PATIENCE).unwrap());
    assert!(index.shutdown(PATIENCE).unwrap());
    assert_eq!(checkpoint.index_timestamp(), 7_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is offered, every key gives exactly its records, newest first, across reopening.
    #[test]
    fn answers_equal_a_map(
        keys in prop::collection::vec(0u8..6, 1..80),
        slots in 1u32..8, entries in 2u32..20, reopen_at in 0usize..80,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path(), options(slots, entries));
        let mut model: HashMap<u8, Vec<i64>> = HashMap::new();
        for (i, key) in keys.iter().enumerate() {
            if i == reopen_at {
                prop_assert!(index.shutdown(PATIENCE).unwrap());
                index = open(dir.path(), options(slots, entries));
            }
            let physical = i as i64 * 10;
            index.offer(&[entry(&key.to_string(), physical, 1_000_000 + i as i64 * 700)]);
            model.entry(*key).or_default().insert(0, physical);
        }
        prop_assert!(index.wait_idle(PATIENCE));
        for key in 0..6 {
            let found = index.query("T", &key.to_string(), 1000, 0, i64::MAX).offsets;
            prop_assert_eq!(found, model.get(&key).cloned().unwrap_or_default());
        }
    }

    /// A file of the right length with any bytes in it neither hangs nor breaks queries, appends and reopening.
    #[test]
    fn damaged_files_do_no_harm(
        mut bytes in prop::collection::vec(any::<u8>(), 40 + 4 * 7 + 20 * 30),
        small in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        if small {
            // Mostly plausible values: entry numbers within the file, so that chains lead somewhere.
            for word in bytes.chunks_exact_mut(4).skip(8) {
                word[..3].fill(0);
                word[3] %= 32;
            }
        }
        std::fs::create_dir_all(dir.path().join("index")).unwrap();
        std::fs::write(dir.path().join("index/20240101000000000"), &bytes).unwrap();
        let index = open(dir.path(), options(7, 30));
        for key in 0..10 {
            prop_assert!(index.query("T", &key.to_string(), 1000, 0, i64::MAX).offsets.len() <= 1000);
            index.query("T", &key.to_string(), 3, i64::MIN, i64::MAX);
        }
        let newest = i64::MAX - 1;
        index.offer(&[entry("x", newest, i64::MAX)]);
        prop_assert!(index.wait_idle(PATIENCE));
        prop_assert!(index.shutdown(PATIENCE).unwrap());
        open(dir.path(), options(7, 30));
    }
}
