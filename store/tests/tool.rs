//! The tools on data directories: Apache's recorded ones and ours, sound and damaged in every way, read and repaired.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;
mod vectors;

use common::{append, open, tiny, Model, SEGMENT, UNITS};
use ferromq_store::tool::{
    dump, inspect, repair, verify, Directory, DirectoryOptions, DumpRange, Finding, Severity, UnitKind, Verification,
};
use ferromq_store::{OpenError, StoreOptions, UNIT_BYTES};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use vectors::{Recording, ALL, CLEAN};

fn directory(root: &Path) -> Directory {
    Directory::open(DirectoryOptions { root: root.to_path_buf(), ..DirectoryOptions::default() }).unwrap()
}

fn verified(root: &Path) -> (Verification, Vec<Finding>) {
    let mut findings = Vec::new();
    let seen = verify(&directory(root), &mut |finding| findings.push(finding.clone())).unwrap();
    let damages = findings.iter().filter(|finding| finding.severity == Severity::Damage).count();
    assert_eq!(damages as u64, seen.damages);
    (seen, findings)
}

/// Every file below a folder with its bytes.
fn content(root: &Path) -> BTreeMap<String, Vec<u8>> {
    vectors::files_below(root).into_keys().map(|name| (name.clone(), std::fs::read(root.join(name)).unwrap())).collect()
}

/// A store of several segments and queue files, stopped cleanly.
fn ours(root: &Path) -> StoreOptions {
    let options = tiny(root);
    let store = open(&options);
    Model::default().fill(&store, 1170);
    store.shutdown().unwrap();
    options
}

/// Apache's directories are sound, after a kill too, every message is counted, and looking changes no byte.
#[test]
fn recorded_directories_are_sound() {
    for name in ALL {
        let recording = Recording::unpack(name);
        let before = content(&recording.root());
        let (seen, findings) = verified(&recording.root());
        let wrong: Vec<String> =
            findings.iter().filter(|f| f.severity == Severity::Damage).map(Finding::to_string).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        let facts = recording.facts();
        assert!(seen.records as usize >= facts.message_count, "{name}: {seen:?}");
        assert_eq!(seen.units as usize, facts.message_count, "{name}: a unit for each message");
        assert!(seen.index_entries > 0 && seen.queues > 10, "{name}: {seen:?}");
        inspect(&directory(&recording.root())).unwrap();
        assert!(before == content(&recording.root()), "{name}: looking changed something");
    }
}

/// Offsets, sizes, times and groups are those that the official broker tells of the same directory.
#[test]
fn inspection_agrees_with_the_official_broker() {
    for name in ALL {
        let recording = Recording::unpack(name);
        let seen = inspect(&directory(&recording.root())).unwrap();
        let (facts, messages) = (recording.facts(), recording.messages());
        assert_eq!(seen.unclean, recording.is_crash());
        assert_eq!(seen.segment_size, recording.config.config.mapped_file_size_commit_log);
        let used: BTreeMap<(String, i32), (i64, i64)> = seen
            .queues
            .iter()
            .filter(|queue| queue.max > 0)
            .map(|queue| ((queue.topic.clone(), queue.queue_id), (queue.min, queue.max)))
            .collect();
        let wanted: BTreeMap<_, _> =
            facts.queues.iter().map(|queue| ((queue.topic.clone(), queue.queue_id), (queue.min, queue.max))).collect();
        assert_eq!(used, wanted, "{name}");
        for queue in seen.queues.iter().filter(|queue| queue.max > 0) {
            let times = || {
                let its = messages.iter().filter(|m| m.topic == queue.topic && m.queue_id == queue.queue_id);
                its.map(|m| m.store_timestamp)
            };
            assert_eq!((queue.first_time, queue.last_time), (times().min(), times().max()), "{name}: {}", queue.topic);
            assert_eq!(queue.kind, UnitKind::Simple);
        }
        let end = messages.iter().map(|m| m.commit_log_offset + i64::from(m.store_size)).max().unwrap();
        assert!(seen.end_offset >= end && seen.end_offset < end + 4096, "{name}: {} and {end}", seen.end_offset);
        for (key, offsets) in &facts.consumer_offsets {
            let (topic, group) = key.split_once('@').unwrap();
            for (queue, offset) in offsets {
                let found = seen.groups.iter().find(|g| {
                    (g.group.as_str(), g.topic.as_str(), g.queue_id.to_string().as_str()) == (group, topic, queue)
                });
                assert_eq!(found.map(|g| g.offset), Some(*offset), "{name}: {key} {queue}");
            }
        }
        let shape = (recording.config.config.max_hash_slot_num, recording.config.config.max_index_num);
        assert!(
            seen.index.iter().all(|file| file.entries <= 1 || file.shape == Some(shape)),
            "{name}: {:?}",
            seen.index
        );
    }
}

/// A dump gives the recorded messages, all or those of a range of offsets or times or of a topic.
#[test]
fn dumps_are_the_recorded_messages() {
    for name in CLEAN {
        let recording = Recording::unpack(name);
        let directory = directory(&recording.root());
        let mut messages = recording.messages();
        messages.sort_by_key(|m| m.commit_log_offset);
        let dumped = |range: DumpRange| {
            let mut found = Vec::new();
            let each = |view: &ferromq_protocol::record::RecordView<'_>| {
                found.push((view.physical_offset(), view.topic().to_owned(), view.queue_offset(), view.body_crc()));
                ControlFlow::Continue(())
            };
            dump(&directory, &range, each, |finding| panic!("{finding}")).unwrap();
            found
        };
        let all = dumped(DumpRange::default());
        for m in &messages {
            let wanted = (m.commit_log_offset, m.topic.clone(), m.queue_offset, m.body_crc);
            assert!(all.contains(&wanted), "{name}: {wanted:?}");
        }
        let (a, b) = (&messages[messages.len() / 3], &messages[messages.len() / 2]);
        let (from_offset, to_offset) = (Some(a.commit_log_offset), Some(b.commit_log_offset));
        let part = dumped(DumpRange { from_offset, to_offset, ..DumpRange::default() });
        let wanted: Vec<_> = all.iter().filter(|r| r.0 >= a.commit_log_offset && r.0 < b.commit_log_offset).collect();
        assert!(!part.is_empty() && part.iter().eq(wanted), "{name}");
        let (from_time, to_time) = (Some(a.store_timestamp), Some(b.store_timestamp));
        let topic = Some(a.topic.clone());
        let part = dumped(DumpRange { from_time, to_time, topic, ..DumpRange::default() });
        let within = |time: i64| time >= a.store_timestamp && time < b.store_timestamp;
        let wanted =
            messages.iter().filter(|m| within(m.store_timestamp) && m.topic == a.topic).map(|m| m.commit_log_offset);
        assert!(!part.is_empty() && part.iter().map(|r| r.0).eq(wanted), "{name}");
    }
}

/// One way to damage a directory, and what has to be found: the file, a byte of it if that is fixed, words of the line.
struct Case {
    what: &'static str,
    damage: fn(&StoreOptions) -> (PathBuf, Option<u64>),
    words: &'static str,
}

fn change(path: &Path, at: u64, with: impl FnOnce(&mut [u8])) -> (PathBuf, Option<u64>) {
    let mut bytes = std::fs::read(path).unwrap();
    with(&mut bytes[at as usize..]);
    std::fs::write(path, bytes).unwrap();
    (path.to_path_buf(), Some(at))
}

fn first(dir: &Path) -> PathBuf {
    common::files(dir).into_iter().find(|path| std::fs::metadata(path).unwrap().len() > 0).unwrap()
}

/// The `number`th record of the first segment: where it begins.
fn record(path: &Path, number: usize) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let mut at = 0;
    for _ in 0..number {
        at += u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    at as u64
}

fn log(options: &StoreOptions) -> PathBuf {
    first(&options.commit_log_dir())
}

fn queue(options: &StoreOptions) -> PathBuf {
    first(&options.consume_queue_dir().join("A/0"))
}

fn index(options: &StoreOptions) -> PathBuf {
    first(&options.root.join("index"))
}

/// Byte of an entry of an index file of 50 slots.
fn entry(number: u64) -> u64 {
    40 + 50 * 4 + number * 20
}

const UNIT: u64 = UNIT_BYTES as u64;

const CASES: &[Case] = &[
    Case {
        what: "a bit of a body",
        damage: |options| {
            let (file, at) = (log(options), record(&log(options), 5));
            change(&file, at + 90, |bytes| bytes[0] ^= 4);
            (file, Some(at))
        },
        words: "body CRC",
    },
    Case {
        what: "a length word",
        damage: |options| change(&log(options), record(&log(options), 7), |bytes| bytes[1] ^= 1),
        words: "are no record",
    },
    Case {
        what: "a page of zeros in the middle of a segment",
        damage: |options| {
            let (file, at) = (log(options), record(&log(options), 9));
            change(&file, at, |bytes| bytes[..4096].fill(0))
        },
        words: "are no record",
    },
    Case {
        what: "the rest of a segment in the middle of the log",
        damage: |options| {
            let (file, at) = (log(options), record(&log(options), 20));
            change(&file, at, |bytes| bytes.fill(0))
        },
        words: "none behind it in this segment",
    },
    Case {
        what: "a record at another place",
        damage: |options| {
            let (file, at) = (log(options), record(&log(options), 3));
            change(&file, at + 28, |bytes| bytes[7] ^= 1);
            (file, Some(at))
        },
        words: "says that it lies at",
    },
    Case {
        what: "a cut segment",
        damage: |options| {
            let path = log(options);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..SEGMENT as usize - 5000]).unwrap();
            (path, Some(SEGMENT - 5000))
        },
        words: "the segment has",
    },
    Case {
        what: "a missing segment",
        damage: |options| {
            let files = common::files(&options.commit_log_dir());
            std::fs::remove_file(&files[1]).unwrap();
            (files[2].clone(), Some(0))
        },
        words: "no segment begins at",
    },
    Case {
        what: "the offset in a unit",
        damage: |options| change(&queue(options), 4 * UNIT, |bytes| bytes[7] ^= 1),
        words: "the unit of queue offset 4 names",
    },
    Case {
        what: "the size in a unit",
        damage: |options| change(&queue(options), 5 * UNIT, |bytes| bytes[11] ^= 1),
        words: "bytes, its record at offset",
    },
    Case {
        what: "the tags code of a unit",
        damage: |options| change(&queue(options), 6 * UNIT, |bytes| bytes[19] ^= 1),
        words: "tags code",
    },
    Case {
        what: "units that are gone from the middle",
        damage: |options| change(&queue(options), 10 * UNIT, |bytes| bytes[..60].fill(0)),
        words: "10 names offset 0",
    },
    Case {
        what: "the last units",
        damage: |options| {
            let path = common::files(&options.consume_queue_dir().join("A/0")).pop().unwrap();
            change(&path, 0, |bytes| bytes.fill(0))
        },
        words: "has no unit",
    },
    Case {
        what: "something behind the last unit",
        damage: |options| {
            let path = common::files(&options.consume_queue_dir().join("B/1")).pop().unwrap();
            change(&path, (UNITS as u64 - 2) * UNIT, |bytes| bytes[3] = 9)
        },
        words: "behind the last valid unit",
    },
    Case {
        what: "a missing queue",
        damage: |options| {
            let dir = options.consume_queue_dir().join("B/1");
            std::fs::remove_dir_all(&dir).unwrap();
            (dir, Some(0))
        },
        words: "the consume queue is missing; 195 records",
    },
    Case {
        what: "a missing file of a queue",
        damage: |options| {
            let files = common::files(&options.consume_queue_dir().join("A/2"));
            std::fs::remove_file(&files[0]).unwrap();
            (options.consume_queue_dir().join("A/2"), Some(0))
        },
        words: "has no unit",
    },
    Case {
        what: "the hash of an index entry",
        damage: |options| {
            change(&index(options), entry(7), |bytes| bytes[3] ^= 16);
            (index(options), None)
        },
        words: "entry 7 has the hash of none",
    },
    Case {
        what: "the offset of an index entry",
        damage: |options| {
            change(&index(options), entry(9) + 4, |bytes| bytes[7] ^= 1);
            (index(options), None)
        },
        words: "entry 9 names offset",
    },
    Case {
        what: "the link of an index entry",
        damage: |options| change(&index(options), entry(200) + 16, |bytes| bytes[3] ^= 1),
        words: "entry 200 is linked to",
    },
    Case {
        what: "a slot of the index",
        damage: |options| {
            change(&index(options), 40, |bytes| bytes[..120].fill(0));
            (index(options), None)
        },
        words: "its latest one is",
    },
    Case {
        what: "an index file that ends early",
        damage: |options| {
            let last = common::files(&options.root.join("index")).pop().unwrap();
            std::fs::remove_file(&last).unwrap();
            (options.root.join("index"), None)
        },
        words: "behind the end of the index",
    },
];

/// Every damage is found and named with its file and place; without damage there is no line.
#[test]
fn every_damage_is_found() {
    let whole = tempfile::tempdir().unwrap();
    let source = ours(whole.path());
    let (seen, findings) = verified(whole.path());
    assert_eq!(
        (seen.records, seen.units, seen.queues, seen.damages, seen.notes),
        (1170, 1170, 6, 0, 0),
        "{findings:?}"
    );
    assert!(seen.index_entries == 3510 && seen.end_offset > 2 * SEGMENT as i64, "{seen:?}");
    for case in CASES {
        let dir = tempfile::tempdir().unwrap();
        common::copy(whole.path(), dir.path());
        let (file, at) = (case.damage)(&StoreOptions { root: dir.path().to_path_buf(), ..source.clone() });
        let (_, findings) = verified(dir.path());
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        let named = findings.iter().any(|finding| {
            finding.severity == Severity::Damage
                && finding.text.contains(case.words)
                && finding.file.starts_with(&file)
                && at.is_none_or(|at| at == finding.offset)
        });
        assert!(named, "{}: {} at {at:?} is not among {lines:#?}", case.what, file.display());
    }
}

/// Queues and index that are gone or wrong are built again, byte for byte as Apache had them where it wrote them cleanly, and
/// nothing is left over.
#[test]
fn repair_gives_back_what_apache_wrote() {
    for name in CLEAN {
        let recording = Recording::unpack(name);
        let root = recording.root();
        let before = content(&root);
        change(&first(&root.join("consumequeue/SCHEDULE_TOPIC_XXXX/15")), 0, |bytes| bytes.fill(3));
        for topic in common::files(&root.join("consumequeue")).into_iter().step_by(2) {
            std::fs::remove_dir_all(&topic).unwrap();
        }
        std::fs::write(first(&root.join("index")), b"no index").unwrap();
        assert!(verified(&root).0.damages > 0);
        let shape = (recording.config.config.max_hash_slot_num, recording.config.config.max_index_num);
        let options = DirectoryOptions { root: root.clone(), index_shape: Some(shape), ..DirectoryOptions::default() };
        let done = repair(&Directory::open_exclusive(options).unwrap(), &mut |finding| panic!("{finding}")).unwrap();
        assert_eq!(done.queues, recording.facts().queues.len(), "{name}");
        let (seen, findings) = verified(&root);
        assert_eq!(seen.damages, 0, "{name}: {findings:#?}");
        let after = content(&root);
        // A queue without messages is a folder without files, or a file without units.
        let units = |files: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, Vec<u8>> {
            let used =
                files.iter().filter(|(name, bytes)| name.starts_with("consumequeue/") && bytes.iter().any(|b| *b != 0));
            used.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
        };
        assert!(units(&before) == units(&after), "{name}: other units");
        let rest = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
            let changed = ["consumequeue/", "index/", "checkpoint", "lock"];
            files.keys().filter(|name| changed.iter().all(|c| !name.starts_with(c))).cloned().collect()
        };
        assert_eq!(rest(&before), rest(&after), "{name}: nothing is left over");
    }
}

/// Every damage to queues and index can be repaired; a queue whose records have all expired keeps its offsets.
#[test]
fn repair_makes_sound() {
    let whole = tempfile::tempdir().unwrap();
    let source = ours(whole.path());
    for case in CASES.iter().skip(7) {
        let dir = tempfile::tempdir().unwrap();
        common::copy(whole.path(), dir.path());
        (case.damage)(&StoreOptions { root: dir.path().to_path_buf(), ..source.clone() });
        let options = DirectoryOptions {
            root: dir.path().to_path_buf(),
            index_shape: Some((50, 500)),
            consume_queue_file_bytes: Some(UNITS * UNIT_BYTES),
            ..DirectoryOptions::default()
        };
        repair(&Directory::open_exclusive(options).unwrap(), &mut |finding| panic!("{finding}")).unwrap();
        let (seen, findings) = verified(dir.path());
        assert_eq!((seen.records, seen.units, seen.damages), (1170, 1170, 0), "{}: {findings:#?}", case.what);
        let store = open(&StoreOptions { root: dir.path().to_path_buf(), ..source.clone() });
        assert_eq!(store.max_offset("A", 0), 195, "{}", case.what);
        store.shutdown().unwrap();
    }
    let root = whole.path();
    let segments = common::files(&root.join("commitlog"));
    segments[..segments.len() - 1].iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let gone = root.join("consumequeue/GONE/0");
    std::fs::create_dir_all(&gone).unwrap();
    std::fs::copy(queue(&source), gone.join(format!("{:020}", 0))).unwrap();
    let options = DirectoryOptions { root: root.to_path_buf(), ..DirectoryOptions::default() };
    let done = repair(&Directory::open_exclusive(options).unwrap(), &mut |finding| panic!("{finding}")).unwrap();
    assert_eq!(done.kept, 1, "{done:?}");
    let seen = inspect(&directory(root)).unwrap();
    let offsets = |topic: &str| {
        let queue = seen.queues.iter().find(|queue| queue.topic == topic && queue.queue_id == 0).unwrap();
        (queue.min, queue.max)
    };
    assert_eq!(offsets("GONE"), (UNITS as i64, UNITS as i64));
    assert!(offsets("A").0 > 0 && offsets("A").1 == 195);
    assert_eq!(verified(root).0.damages, 0);
}

/// A directory in use is refused, and so is a broker while a tool looks; two that only look do not disturb each other.
#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    append(&store, "A", 0, b"x");
    let look = || DirectoryOptions { root: dir.path().to_path_buf(), ..DirectoryOptions::default() };
    assert!(matches!(Directory::open(look()), Err(OpenError::InUse { .. })));
    assert!(matches!(Directory::open_exclusive(look()), Err(OpenError::InUse { .. })));
    store.shutdown().unwrap();
    let (one, two) = (Directory::open(look()).unwrap(), Directory::open(look()).unwrap());
    let refused = ferromq_store::Store::open(options.clone(), std::sync::Arc::new(ferromq_store::NoListener));
    assert!(matches!(refused, Err(OpenError::InUse { .. })));
    assert!(Directory::open_exclusive(look()).is_err());
    drop((one, two));
    open(&options).shutdown().unwrap();
    let elsewhere = DirectoryOptions { root: dir.path().join("config"), ..DirectoryOptions::default() };
    assert!(Directory::open(elsewhere).is_err());
}
