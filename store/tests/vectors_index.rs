//! The hash index against the index files of Apache RocketMQ 4.9.7 and 5.4.0: reading theirs, and writing the same bytes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferromq_store::checkpoint::Checkpoint;
use ferromq_store::index::{IndexEntry, IndexOptions, IndexService, LogSource};

mod vectors;
use vectors::{physical_of, Recording, ALL, CLEAN};

const PATIENCE: Duration = Duration::from_secs(20);

/// The log of a recording, read from its files.
struct Log {
    dir: PathBuf,
    segment: u64,
}

impl LogSource for Log {
    fn read(&self, from: i64, max: usize) -> io::Result<Option<(i64, Bytes)>> {
        let start = from as u64 / self.segment * self.segment;
        let Ok(bytes) = std::fs::read(self.dir.join(format!("{start:020}"))) else { return Ok(None) };
        let rest = Bytes::from(bytes).slice((from as u64 - start) as usize..);
        Ok((!rest.is_empty()).then(|| (from, rest.slice(..rest.len().min(max)))))
    }
}

fn options(recording: &Recording) -> IndexOptions {
    let sizes = &recording.config.config;
    IndexOptions { hash_slots: sizes.max_hash_slot_num, entries: sizes.max_index_num, ..IndexOptions::default() }
}

fn log(recording: &Recording) -> Arc<Log> {
    let segment = recording.config.config.mapped_file_size_commit_log;
    Arc::new(Log { dir: recording.root().join("commitlog"), segment })
}

fn checkpoint(recording: &Recording) -> Arc<Checkpoint> {
    Arc::new(Checkpoint::open(recording.root().join("checkpoint")).unwrap())
}

fn contents(dir: &Path) -> Vec<Vec<u8>> {
    let files: BTreeMap<_, _> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap()).map(|e| (e.file_name(), e.path())).collect();
    files.into_values().map(|path| std::fs::read(path).unwrap()).collect()
}

fn log_end(recording: &Recording) -> i64 {
    recording.messages().iter().map(|m| m.commit_log_offset + i64::from(m.store_size)).max().unwrap()
}

/// Hands over the unique ids and keys of all messages, in the order of the log.
fn offer_all(recording: &Recording, index: &IndexService) {
    let mut messages = recording.messages();
    messages.sort_by_key(|m| m.commit_log_offset);
    for message in &messages {
        let entry = |key: &&str| IndexEntry {
            hash: ferromq_protocol::hash::index_key_hash(&message.topic, key),
            physical: message.commit_log_offset,
            store_timestamp: message.store_timestamp,
        };
        index.offer(&message.index_keys().iter().map(entry).collect::<Vec<_>>());
    }
}

fn check_same_files(recording: &Recording, dir: &Path) {
    let (ours, theirs) = (contents(dir), contents(&recording.root().join("index")));
    assert_eq!(ours.len(), theirs.len(), "{}", recording.name);
    for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert!(ours == theirs, "{}: file {i} differs", recording.name);
    }
}

/// Every recorded answer is found, and besides hash collisions nothing else.
fn check_answers(recording: &Recording, index: &IndexService) {
    let messages = recording.messages();
    let keys: BTreeMap<i64, Vec<String>> = messages
        .iter()
        .map(|m| (m.commit_log_offset, m.index_keys().iter().map(|key| format!("{}#{key}", m.topic)).collect()))
        .collect();
    let facts = recording.facts();
    assert!(facts.query_message.len() > 70);
    for fact in &facts.query_message {
        let wanted: BTreeSet<i64> = fact.offset_msg_ids.iter().map(|id| physical_of(id)).collect();
        let key = format!("{}#{}", fact.topic, fact.key);
        let answer = index.query(&fact.topic, &fact.key, 64, 0, i64::MAX);
        assert!(
            answer.offsets.windows(2).all(|pair| pair[0] > pair[1]),
            "newest first, none twice: {:?}",
            answer.offsets
        );
        let mut found: BTreeSet<i64> =
            answer.offsets.into_iter().filter(|o| keys.get(o).is_some_and(|keys| keys.contains(&key))).collect();
        if fact.unique && recording.name.starts_with("4.9.7") {
            found = found.first().copied().into_iter().collect();
        }
        assert_eq!(found, wanted, "{}: {key}", recording.name);
    }
}

/// The files as Apache left them, queried without any recovery.
#[test]
fn files_of_apache_answer_its_queries() {
    for name in CLEAN {
        let recording = Recording::unpack(name);
        let index =
            IndexService::open(&recording.root().join("index"), options(&recording), &checkpoint(&recording), false);
        let index = index.unwrap();
        check_answers(&recording, &index);
        let answer = index.query("none", "none", 64, 0, i64::MAX);
        let newest = recording.messages().iter().map(|m| m.store_timestamp).max().unwrap();
        assert_eq!(answer.last_update_timestamp, newest, "{name}");
        assert_eq!(Some(answer.last_update_physical), index.end_phy_offset());
    }
}

/// The index built from the log is byte for byte the one Apache wrote, file by file.
#[test]
fn a_rebuilt_index_has_the_bytes_of_apache() {
    let recording = Recording::unpack("5.4.0");
    let rebuilt = recording.root().join("rebuilt");
    let index = IndexService::open(&rebuilt, options(&recording), &checkpoint(&recording), false).unwrap();
    index.start(log(&recording), log_end(&recording)).unwrap();
    assert!(index.wait_idle(PATIENCE));
    assert!(index.shutdown(PATIENCE).unwrap());
    check_same_files(&recording, &rebuilt);
    check_answers(&recording, &index);
}

/// The same with entries handed over by a dispatcher, and without the tags, which 4.9.7 did not index.
#[test]
fn an_index_of_offered_entries_has_the_bytes_of_apache() {
    let recording = Recording::unpack("4.9.7");
    let offered = recording.root().join("offered");
    let index = IndexService::open(&offered, options(&recording), &checkpoint(&recording), false).unwrap();
    index.start(log(&recording), 0).unwrap();
    offer_all(&recording, &index);
    assert!(index.shutdown(PATIENCE).unwrap());
    check_same_files(&recording, &offered);
    check_answers(&recording, &index);
}

/// After a kill the files that the checkpoint does not cover go, and the log fills in all of them.
#[test]
fn after_a_kill_the_index_is_complete_again() {
    for name in ["4.9.7-crash", "5.4.0-crash"] {
        let recording = Recording::unpack(name);
        let dir = recording.root().join("index");
        let before = contents(&dir).len();
        let index = IndexService::open(&dir, options(&recording), &checkpoint(&recording), true).unwrap();
        assert_eq!(contents(&dir).len(), before - 1, "only the newest file was open");
        index.start(log(&recording), log_end(&recording)).unwrap();
        assert!(index.wait_idle(PATIENCE));
        check_answers(&recording, &index);
        assert!(index.shutdown(PATIENCE).unwrap());
        let again = IndexService::open(&dir, options(&recording), &checkpoint(&recording), false).unwrap();
        check_answers(&recording, &again);
    }
}

/// A queue of one descriptor overflows at once; what was let go is read from the log, in order and completely.
#[test]
fn an_overflowing_queue_loses_nothing() {
    for name in ALL {
        let recording = Recording::unpack(name);
        let dir = recording.root().join("small");
        let small = IndexOptions { queue_max: 1, ..options(&recording) };
        let index = IndexService::open(&dir, small, &checkpoint(&recording), false).unwrap();
        index.start(log(&recording), 0).unwrap();
        offer_all(&recording, &index);
        assert!(index.wait_idle(PATIENCE));
        check_answers(&recording, &index);
    }
}

/// Files that name records beyond the end of the log are dropped and what is left of them is filled in again.
#[test]
fn an_index_ahead_of_the_log_is_cut_back() {
    let recording = Recording::unpack("5.4.0");
    let dir = recording.root().join("index");
    let mut offsets: Vec<i64> = recording.messages().iter().map(|m| m.commit_log_offset).collect();
    offsets.sort_unstable();
    let end = offsets[offsets.len() / 2];
    let index = IndexService::open(&dir, options(&recording), &checkpoint(&recording), false).unwrap();
    index.start(log(&recording), end).unwrap();
    assert!(index.wait_idle(PATIENCE));
    assert!(index.end_phy_offset().unwrap() < end);
    for message in recording.messages() {
        for key in message.index_keys() {
            let found = index.query(&message.topic, key, 1000, 0, i64::MAX).offsets;
            assert_eq!(found.contains(&message.commit_log_offset), message.commit_log_offset < end);
            assert!(found.iter().all(|offset| *offset < end));
        }
    }
}
