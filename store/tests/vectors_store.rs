//! The recorded data directories of Apache RocketMQ 4.9.7 and 5.4.0, opened as a store: exactly the ground truth, before and
//! after our own stop, after a kill, with queues and index removed; and the files we write for the same messages.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferromq_protocol::compress::{self, Compression};
use ferromq_protocol::record::{self, RecordView};
use ferromq_protocol::{properties, sysflag};
use ferromq_store::{
    Boundary, GetRequest, GetStatus, IndexOptions, MatchAll, NoListener, Store, StoreOptions, UNIT_BYTES,
};

#[path = "vectors/sha256.rs"]
mod sha256;
mod vectors;
use vectors::{files_below, physical_of, unhex, Message, Recording, ALL, CLEAN};

const PATIENCE: Duration = Duration::from_secs(20);

/// The options of the broker that wrote the directory. All 18 delay levels: a store delivers nothing by itself, and deliver
/// times of rebuilt queues come out of them.
fn options(recording: &Recording, root: &Path) -> StoreOptions {
    let sizes = &recording.config.config;
    let mut options = StoreOptions::new(root);
    options.segment_size = sizes.mapped_file_size_commit_log;
    options.consume_queue_file_units = sizes.mapped_file_size_consume_queue as usize / UNIT_BYTES;
    options.index =
        IndexOptions { hash_slots: sizes.max_hash_slot_num, entries: sizes.max_index_num, ..IndexOptions::default() };
    options.cleaning = false;
    options
}

fn open(recording: &Recording) -> Arc<Store> {
    Store::open(options(recording, &recording.root()), Arc::new(NoListener)).unwrap()
}

/// Queue (topic, id) to its messages in order.
type Queues = BTreeMap<(String, i32), Vec<Message>>;

fn by_queue(recording: &Recording) -> Queues {
    let mut queues = Queues::new();
    for message in recording.messages() {
        queues.entry((message.topic.clone(), message.queue_id)).or_default().push(message);
    }
    for messages in queues.values_mut() {
        messages.sort_by_key(|m| m.queue_offset);
    }
    queues
}

fn check_all(store: &Store, recording: &Recording) {
    let queues = by_queue(recording);
    check_queues(store, recording, &queues);
    check_messages(store, recording, &queues);
    check_times(store, recording, &queues);
    check_answers_by_key(store, recording);
    let end = queues.values().flatten().map(|m| m.commit_log_offset + i64::from(m.store_size)).max().unwrap();
    assert_eq!(store.max_log_offset(), end, "{}: nothing after the last record", recording.name);
    assert_eq!(store.min_log_offset(), 0);
}

/// Exactly the recorded queues with their offsets and units, and no others.
fn check_queues(store: &Store, recording: &Recording, queues: &Queues) {
    let name = recording.name;
    let facts = recording.facts();
    let mut found = BTreeSet::new();
    for topic in store.topics() {
        for id in store.queue_ids(&topic) {
            if store.max_offset(&topic, id) > 0 {
                found.insert((topic.to_string(), id));
            }
        }
    }
    assert_eq!(found, queues.keys().cloned().collect(), "{name}");
    assert_eq!(facts.queues.len(), queues.len());
    for fact in &facts.queues {
        let offsets = store.queue_offsets(&fact.topic, fact.queue_id);
        assert_eq!(offsets, Some((fact.min, fact.max)), "{name}: {} {}", fact.topic, fact.queue_id);
    }
    for fact in &facts.consume_queues {
        for (offset, wanted) in (fact.from..).zip(&fact.units) {
            let unit = store.unit(&fact.topic, fact.queue_id, offset).unwrap();
            assert_eq!((unit.physical, unit.size, unit.tags_code), *wanted, "{name}: {} {offset}", fact.topic);
        }
        assert_eq!(store.unit(&fact.topic, fact.queue_id, fact.from + fact.units.len() as i64), None);
    }
}

/// Every message of every queue through `get`, field by field, and through the other ways to a record.
fn check_messages(store: &Store, recording: &Recording, queues: &Queues) {
    let mut count = 0;
    for ((topic, queue_id), wanted) in queues {
        let mut offset = 0;
        let mut found = Vec::new();
        loop {
            let (max_count, max_bytes) = (7, 4 << 20);
            let request = GetRequest {
                topic,
                queue_id: *queue_id,
                offset,
                max_count,
                max_bytes,
                filter: &MatchAll,
                blocking: true,
            };
            let result = store.get(&request).unwrap();
            if result.status != GetStatus::Found {
                assert_eq!(result.status, GetStatus::OffsetOverflowOne, "{}: {topic} {offset}", recording.name);
                break;
            }
            let before = found.len();
            for slice in &result.slices {
                for view in record::iter(slice) {
                    found.push(view.unwrap().as_bytes().to_vec());
                }
            }
            assert_eq!(found.len() - before, result.count);
            assert!(result.next_offset > offset);
            offset = result.next_offset;
        }
        assert_eq!(found.len(), wanted.len(), "{}: {topic} {queue_id}", recording.name);
        for (found, wanted) in found.iter().zip(wanted) {
            check_record(&record::parse(found, true).unwrap(), wanted);
            let same = store.record_at(wanted.commit_log_offset).unwrap().unwrap();
            assert_eq!(same, found);
            let same = store.record_of(topic, *queue_id, wanted.queue_offset).unwrap();
            assert_eq!(same, found);
            count += 1;
        }
    }
    assert_eq!(count, recording.facts().message_count);
}

fn check_record(view: &RecordView<'_>, wanted: &Message) {
    let id = &wanted.offset_msg_id;
    assert_eq!(view.topic(), wanted.topic, "{id}");
    assert_eq!((view.queue_id(), view.queue_offset()), (wanted.queue_id, wanted.queue_offset), "{id}");
    assert_eq!(view.physical_offset(), wanted.commit_log_offset, "{id}");
    assert_eq!(view.len() as i32, wanted.store_size, "{id}");
    assert_eq!((view.flag(), view.sys_flag()), (wanted.flag, wanted.sys_flag), "{id}");
    assert_eq!(view.born_timestamp(), wanted.born_timestamp, "{id}");
    assert_eq!(view.store_timestamp(), wanted.store_timestamp, "{id}");
    assert_eq!(view.born_host().to_string(), wanted.born_host, "{id}");
    assert_eq!(view.store_host().to_string(), wanted.store_host, "{id}");
    assert_eq!(view.reconsume_times(), wanted.reconsume_times, "{id}");
    assert_eq!(view.prepared_transaction_offset(), wanted.prepared_transaction_offset, "{id}");
    assert_eq!(view.body_crc(), wanted.body_crc, "{id}");
    assert_eq!(view.offset_message_id().to_string(), *id);
    let ours: BTreeMap<String, String> =
        properties::iter(view.properties()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(ours, wanted.properties, "{id}");
    let body = match Compression::of_sys_flag(view.sys_flag()).unwrap() {
        Some(kind) => compress::decompress(kind, view.body(), wanted.body.len).unwrap(),
        None => view.body().to_vec(),
    };
    assert_eq!(body.len(), wanted.body.len, "{id}");
    match (&wanted.body.hex, &wanted.body.sha256) {
        (Some(hex), _) => assert_eq!(body, unhex(hex), "{id}"),
        (None, digest) => assert_eq!(Some(sha256::hex(&body)), *digest, "{id}"),
    }
}

/// Offsets by time: the recorded answers of 5.4.0, and for both versions the rules of store.md 3.4 in both directions.
/// 4.9.7 chose the file by its modification time and the nearer neighbour; where its answers differ, 5.4.0 is followed.
fn check_times(store: &Store, recording: &Recording, queues: &Queues) {
    let file_units = recording.config.config.mapped_file_size_consume_queue as usize / UNIT_BYTES;
    for fact in &recording.facts().search_offset {
        let (topic, id) = (&fact.topic, fact.queue_id);
        let times: Vec<i64> = queues[&(topic.clone(), id)].iter().map(|m| m.store_timestamp).collect();
        if let Some(earliest) = fact.earliest_msg_store_time {
            assert_eq!(store.earliest_store_time(topic, id), earliest);
            assert_eq!(store.store_time_of(topic, id, 0), Some(earliest));
            continue;
        }
        let timestamp = fact.timestamp.unwrap();
        let lower = store.offset_by_time(topic, id, timestamp, Boundary::Lower);
        let upper = store.offset_by_time(topic, id, timestamp, Boundary::Upper);
        let what = format!("{}: {topic} {id} at {timestamp}", recording.name);
        assert_eq!(lower, lower_by_the_rules(&times, timestamp, file_units), "{what}");
        assert_eq!(upper, upper_by_the_rules(&times, timestamp, file_units), "{what}");
        if recording.name.starts_with("5.4.0") {
            assert_eq!(Some(lower), fact.offset, "{what}");
        }
    }
}

fn lower_by_the_rules(times: &[i64], timestamp: i64, file_units: usize) -> i64 {
    let files: Vec<&[i64]> = times.chunks(file_units).collect();
    let chosen = files.iter().position(|file| *file.last().unwrap() >= timestamp).unwrap_or(files.len() - 1);
    let within = files[chosen].iter().position(|time| *time >= timestamp).unwrap_or(files[chosen].len());
    (chosen * file_units + within) as i64
}

fn upper_by_the_rules(times: &[i64], timestamp: i64, file_units: usize) -> i64 {
    let files: Vec<&[i64]> = times.chunks(file_units).collect();
    let chosen = files.iter().rposition(|file| file[0] <= timestamp);
    chosen.map_or(0, |chosen| {
        let within = files[chosen].iter().rposition(|time| *time <= timestamp).unwrap();
        (chosen * file_units + within) as i64
    })
}

/// QUERY_MESSAGE: the recorded sets. What Apache left out is allowed to be missing nowhere; collisions are dropped as clients do.
fn check_answers_by_key(store: &Store, recording: &Recording) {
    for fact in &recording.facts().query_message {
        let wanted: BTreeSet<i64> = fact.offset_msg_ids.iter().map(|id| physical_of(id)).collect();
        let deadline = Instant::now() + PATIENCE;
        // The index has its own thread and may still be filling in what it found missing.
        loop {
            let found = answer_by_key(store, recording, &fact.topic, &fact.key, fact.unique);
            if found == wanted {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{}: {} {}: {found:?}, not {wanted:?}",
                recording.name,
                fact.topic,
                fact.key
            );
            std::thread::yield_now();
        }
    }
}

fn answer_by_key(store: &Store, recording: &Recording, topic: &str, key: &str, unique: bool) -> BTreeSet<i64> {
    let mut found = BTreeSet::new();
    for slice in store.query(topic, key, 64, 0, i64::MAX).slices {
        let view = record::parse(&slice, true).unwrap();
        let has = |name: &str| view.property(name).is_some_and(|keys| keys.split(' ').any(|k| k == key));
        if view.topic() == topic && (has(properties::KEYS) || view.property(properties::UNIQ_KEY) == Some(key)) {
            found.insert(view.physical_offset());
        }
    }
    if unique && recording.name.starts_with("4.9.7") {
        // The 4.9.7 client gave the oldest match only.
        found = found.first().copied().into_iter().collect();
    }
    found
}

/// Names, lengths and contents below a directory of the store.
fn contents(root: &Path, below: &str) -> BTreeMap<String, Vec<u8>> {
    let dir = root.join(below);
    files_below(&dir).into_keys().map(|name| (name.clone(), std::fs::read(dir.join(name)).unwrap())).collect()
}

/// A clean directory yields the ground truth, and our stop leaves every file of it as it was.
#[test]
fn clean_directories_yield_the_ground_truth_and_stay_as_they_were() {
    for name in CLEAN {
        let recording = Recording::unpack(name);
        let root = recording.root();
        let parts = ["commitlog", "consumequeue", "index", "config", "timerlog", "rocksdbstore", "compaction"];
        let before: Vec<_> = parts.iter().map(|part| contents(&root, part)).collect();
        for round in 0..2 {
            let store = open(&recording);
            assert!(root.join("abort").exists(), "a running store has the marker");
            check_all(&store, &recording);
            store.shutdown().unwrap();
            store.shutdown().unwrap();
            assert!(!root.join("abort").exists(), "a clean stop removes it");
            for (part, before) in parts.iter().zip(&before) {
                let after = contents(&root, part);
                assert!(after.keys().eq(before.keys()), "{name}, round {round}: {:?}", after.keys());
                assert!(after == *before, "{name}, round {round}: {part} was changed");
            }
            assert_eq!(std::fs::metadata(root.join("checkpoint")).unwrap().len(), 4096);
        }
    }
}

/// After SIGKILL exactly the messages that Apache recovered are there, every acknowledged send among them, also after our stop.
#[test]
fn crash_directories_recover_to_what_apache_recovered() {
    for name in ["4.9.7-crash", "5.4.0-crash"] {
        let recording = Recording::unpack(name);
        for _ in 0..2 {
            let store = open(&recording);
            check_all(&store, &recording);
            check_acknowledged(&store, &recording);
            store.shutdown().unwrap();
            assert!(!recording.root().join("abort").exists());
        }
    }
}

fn check_acknowledged(store: &Store, recording: &Recording) {
    let sent = recording.sent();
    assert!(sent.len() > 200);
    for sent in sent.iter().filter(|sent| sent.status == "SEND_OK") {
        for (i, id) in sent.offset_msg_id.split(',').enumerate() {
            let record = store.record_at(physical_of(id)).unwrap().unwrap();
            let view = record::parse(&record, true).unwrap();
            assert_eq!(view.queue_offset(), sent.queue_offset + i as i64, "{}: {id}", recording.name);
            let topic = view.property(properties::REAL_TOPIC).unwrap_or(view.topic());
            assert_eq!(topic, sent.topic, "{}: {id}", recording.name);
        }
    }
}

/// Dropping the store without a stop is a kill: nothing is lost, and the next start recovers.
#[test]
fn a_dropped_store_recovers() {
    for name in ALL {
        let recording = Recording::unpack(name);
        drop(open(&recording));
        assert!(recording.root().join("abort").exists());
        let store = open(&recording);
        check_all(&store, &recording);
        store.shutdown().unwrap();
    }
}

/// Consume queues and index are built again from the log when they are gone, after a clean stop and after a kill.
#[test]
fn missing_queues_and_index_are_built_again() {
    for name in ALL {
        for parts in [&["consumequeue"][..], &["index"], &["consumequeue", "index"]] {
            let recording = Recording::unpack(name);
            let before: Vec<_> = parts.iter().map(|part| contents(&recording.root(), part)).collect();
            for part in parts {
                std::fs::remove_dir_all(recording.root().join(part)).unwrap();
            }
            let store = open(&recording);
            check_all(&store, &recording);
            store.shutdown().unwrap();
            if let (false, Some(i)) = (recording.is_crash(), parts.iter().position(|part| *part == "consumequeue")) {
                assert!(contents(&recording.root(), "consumequeue") == before[i], "{name}: the same bytes");
            }
            let store = open(&recording);
            check_all(&store, &recording);
            store.shutdown().unwrap();
        }
    }
}

/// A missing checkpoint promises nothing and costs nothing but reading.
#[test]
fn a_missing_checkpoint_is_no_harm() {
    for name in ALL {
        let recording = Recording::unpack(name);
        std::fs::remove_file(recording.root().join("checkpoint")).unwrap();
        let store = open(&recording);
        check_all(&store, &recording);
        store.shutdown().unwrap();
    }
}

/// The same messages appended by us lie at the same offsets in the same bytes, store times apart, in files of the same names
/// and lengths.
#[test]
fn what_we_write_is_laid_out_like_apache() {
    for name in CLEAN {
        let recording = Recording::unpack(name);
        let ours = tempfile::tempdir().unwrap();
        let theirs = open(&recording);
        let store = Store::open(options(&recording, ours.path()), Arc::new(NoListener)).unwrap();
        let mut messages = recording.messages();
        messages.sort_by_key(|m| m.commit_log_offset);
        let mut batch = store.new_batch();
        for message in &messages {
            let original = theirs.record_at(message.commit_log_offset).unwrap().unwrap();
            let view = record::parse(&original, true).unwrap();
            batch.clear();
            batch.push(&view.to_message()).unwrap();
            store.append(&mut batch).unwrap();
            let result = batch.results()[0];
            assert_eq!(result.physical_offset, message.commit_log_offset, "{name}: {}", message.offset_msg_id);
            assert_eq!(result.queue_offset, message.queue_offset, "{name}: {}", message.offset_msg_id);
            let record = store.record_at(result.physical_offset).unwrap().unwrap();
            assert_eq!(without_store_time(&record), without_store_time(&original), "{name}: {}", message.offset_msg_id);
        }
        theirs.shutdown().unwrap();
        store.shutdown().unwrap();
        for part in ["commitlog", "consumequeue"] {
            assert_eq!(files_below(&ours.path().join(part)), files_below(&recording.root().join(part)), "{name}");
        }
        check_index_layout(&recording, ours.path());
        assert_eq!(std::fs::metadata(ours.path().join("checkpoint")).unwrap().len(), 4096);
        assert!(!ours.path().join("abort").exists());
    }
}

/// File names are times; lengths and, as 4.9.7 did not index tags, for 5.4.0 the number of files are given.
fn check_index_layout(recording: &Recording, ours: &Path) {
    let (ours, theirs) = (files_below(&ours.join("index")), files_below(&recording.root().join("index")));
    assert!(ours.keys().all(|name| name.len() == 17 && name.bytes().all(|b| b.is_ascii_digit())));
    assert!(ours.values().all(|len| len == theirs.values().next().unwrap()));
    if recording.name == "5.4.0" {
        assert_eq!(ours.len(), theirs.len());
    }
}

fn without_store_time(record: &[u8]) -> Vec<u8> {
    let view = record::parse(record, true).unwrap();
    let at = record::store_timestamp_at(view.sys_flag() & (sysflag::BORN_HOST_V6 | sysflag::STORE_HOST_V6));
    let mut bytes = record.to_vec();
    bytes[at..at + 8].fill(0);
    bytes
}
