//! Consume queues with extensions (enableConsumeQueueExt): what lies in their files, and that reading, recovery, deletion and the two
//! ways of switching it lose nothing. That Apache reads them, and we its, is shown in the interop tests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{cleaned_on_request, files, message, open, tiny};
use ferromq_protocol::hash::tags_code;
use ferromq_protocol::record::{self, Message};
use ferromq_store::tool::{verify, Directory, DirectoryOptions};
use ferromq_store::{GetRequest, GetStatus, NoListener, RetentionOptions, Store, StoreOptions, Unit, UNIT_BYTES};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TAGS: [&str; 3] = ["red", "blue", "green"];
/// Bytes of a file: 20 units, the mark, and some to spare.
const FILE: usize = 20 * 20 + 4 + 11;

fn extended(root: &Path) -> StoreOptions {
    StoreOptions { consume_queue_extension: true, consume_queue_extension_file_bytes: FILE, ..tiny(root) }
}

/// Appends messages whose tags go round.
fn fill(store: &Store, from: usize, to: usize) {
    let mut batch = store.new_batch();
    for number in from..to {
        batch.clear();
        let (tag, body) = (TAGS[number % 3], number.to_string().repeat(50));
        let properties = format!("TAGS\u{1}{tag}\u{2}KEYS\u{1}k\u{2}");
        batch.push(&Message { properties: &properties, ..message("A", 0, body.as_bytes()) }).unwrap();
        store.append(&mut batch).unwrap();
    }
}

/// Queue offsets of the messages with a tag from `offset` on, without looking at what the others say.
fn tagged(store: &Store, tag: &str, mut offset: i64) -> Vec<i64> {
    let wanted = tags_code(tag);
    let filter = move |code: i64| code == wanted;
    let mut found = Vec::new();
    loop {
        let (topic, queue_id, max_count, max_bytes, blocking) = ("A", 0, 32, 1 << 20, offset % 2 == 0);
        let request = GetRequest { topic, queue_id, offset, max_count, max_bytes, filter: &filter, blocking };
        let result =
            store.get(&request).unwrap_or_else(|_| store.get(&GetRequest { blocking: true, ..request }).unwrap());
        for slice in &result.slices {
            found.extend(record::iter(slice).map(|view| view.unwrap().queue_offset()));
        }
        match result.status {
            GetStatus::OffsetOverflowOne | GetStatus::NoMatchedLogicQueue => return found,
            GetStatus::Found | GetStatus::NoMatchedMessage | GetStatus::OffsetFoundNull => offset = result.next_offset,
            other => panic!("{other:?} at {offset}"),
        }
    }
}

/// Every message is found by its tag and by no other, and its unit tells it.
fn check(store: &Store, count: usize) {
    let min = store.min_offset("A", 0);
    assert_eq!(store.max_offset("A", 0), count as i64);
    for (number, tag) in TAGS.iter().enumerate() {
        let wanted = (min..count as i64).filter(|offset| *offset as usize % 3 == number);
        assert!(tagged(store, tag, min).into_iter().eq(wanted), "{tag}");
    }
    for offset in min..count as i64 {
        assert_eq!(store.unit("A", 0, offset).unwrap().tags_code, tags_code(TAGS[offset as usize % 3]));
    }
}

/// The units as they stand in the files of the queue, up to the end.
fn raw_units(options: &StoreOptions) -> Vec<Unit> {
    let mut units = Vec::new();
    for path in files(&options.consume_queue_dir().join("A/0")) {
        for bytes in std::fs::read(path).unwrap().chunks_exact(UNIT_BYTES) {
            let physical = i64::from_be_bytes(bytes[..8].try_into().unwrap());
            let size = i32::from_be_bytes(bytes[8..12].try_into().unwrap());
            units.push(Unit { physical, size, tags_code: i64::from_be_bytes(bytes[12..].try_into().unwrap()) });
        }
    }
    units.retain(|unit| unit.size > 0);
    units
}

/// Units have addresses that lead to units of 20 bytes with tags code and store time; a file ends with the mark and the next one follows.
#[test]
fn files_are_laid_out_as_apache_does_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = extended(dir.path());
    let store = open(&options);
    fill(&store, 0, 50);
    check(&store, 50);
    let times: Vec<i64> = (0..50).map(|offset| store.store_time_of("A", 0, offset).unwrap()).collect();
    store.shutdown().unwrap();
    let folder = dir.path().join("consumequeue_ext/A/0");
    let names = files(&folder).into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    assert!(names.eq([0, FILE, 2 * FILE].map(|base| format!("{base:020}"))));
    let stream = files(&folder).iter().flat_map(|path| std::fs::read(path).unwrap()).collect::<Vec<u8>>();
    assert_eq!(stream.len(), 3 * FILE);
    for (number, unit) in raw_units(&options).iter().enumerate() {
        let position = number / 20 * FILE + number % 20 * 20;
        assert_eq!(unit.tags_code, i64::MIN + position as i64);
        let mut bytes = vec![0, 20];
        bytes.extend(tags_code(TAGS[number % 3]).to_be_bytes());
        bytes.extend(times[number].to_be_bytes());
        bytes.extend([0, 0]);
        assert_eq!(stream[position..position + 20], bytes, "unit {number}");
    }
    for end in [400, FILE + 400] {
        assert_eq!(stream[end..end + 15], [[0xff, 0xff].as_slice(), &[0; 13]].concat()[..], "the mark");
    }
    let store = open(&options);
    check(&store, 50);
    store.shutdown().unwrap();
}

/// Over clean and unclean stops, with and without what the last flush has vouched for, units go on behind each other and lose nothing;
/// also when the files are gone, or torn.
#[test]
fn every_kind_of_stop() {
    let dir = tempfile::tempdir().unwrap();
    let options = extended(dir.path());
    let mut count = 0;
    for round in 0..12 {
        let store = open(&options);
        check(&store, count);
        fill(&store, count, count + 37);
        count += 37;
        if round % 3 == 0 {
            store.flush().unwrap();
        }
        match round % 2 {
            0 => store.shutdown().unwrap(),
            _ => store.abandon(),
        }
        drop(store);
        let folder = dir.path().join("consumequeue_ext/A/0");
        match round {
            4 | 7 => std::fs::remove_dir_all(&folder).unwrap(),
            5 | 8 => {
                let last = files(&folder).pop().unwrap();
                std::fs::write(last, vec![0; FILE]).unwrap();
            }
            _ => {}
        }
    }
    let store = open(&options);
    check(&store, count);
    store.shutdown().unwrap();
}

/// It is switched on and off from start to start: units of both kinds lie beside each other.
#[test]
fn switched_on_and_off() {
    let dir = tempfile::tempdir().unwrap();
    let (with, without) = (extended(dir.path()), tiny(dir.path()));
    for (round, options) in [&without, &with, &without, &with, &with, &without].into_iter().enumerate() {
        let store = open(options);
        check(&store, round * 30);
        fill(&store, round * 30, round * 30 + 30);
        check(&store, round * 30 + 30);
        store.shutdown().unwrap();
    }
    let units = raw_units(&with);
    let kinds: Vec<bool> = units.chunks(30).map(|part| part.iter().all(Unit::is_extended)).collect();
    assert_eq!(kinds, [false, true, false, true, true, false]);
    let addresses: Vec<i64> =
        units.iter().map(|unit| unit.tags_code).filter(|code| *code < i64::from(i32::MIN)).collect();
    assert!(addresses.windows(2).all(|pair| pair[0] < pair[1]), "no address twice");
}

/// Files of another length are refused with the option that is to be set, and so is a length that holds no unit.
#[test]
fn other_lengths_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = extended(dir.path());
    let store = open(&options);
    fill(&store, 0, 3);
    store.shutdown().unwrap();
    drop(store);
    for bytes in [FILE + 1, 23] {
        let other = StoreOptions { consume_queue_extension_file_bytes: bytes, ..options.clone() };
        let error = Store::open(other, Arc::new(NoListener)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("mappedFileSizeConsumeQueueExt"), "{error}");
    }
}

/// Extensions go with the files of their queue, and with their topic.
#[test]
fn extensions_follow_their_queues() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = extended(dir.path());
    options.cleaning = true;
    options.retention = RetentionOptions {
        segment_pause: Duration::ZERO,
        queue_file_pause: Duration::ZERO,
        ..cleaned_on_request(Duration::from_millis(5))
    };
    let store = open(&options);
    fill(&store, 0, 1500);
    let folder = dir.path().join("consumequeue_ext/A/0");
    let before = files(&folder).len();
    assert_eq!(before, 75);
    assert!(store.clean_log());
    let deadline = Instant::now() + Duration::from_secs(30);
    // In the last log segment are a few hundred records; a file of the queue has 50 units, one of the extension 20.
    while store.min_offset("A", 0) == 0 || files(&folder).len() as i64 > (1500 - store.min_offset("A", 0) + 50) / 20 + 2
    {
        assert!(Instant::now() < deadline, "{} files, min {}", files(&folder).len(), store.min_offset("A", 0));
        std::thread::yield_now();
    }
    check(&store, 1500);
    store.remove_topic("A").unwrap();
    assert!(!dir.path().join("consumequeue_ext/A").exists());
    fill(&store, 0, 10);
    check(&store, 10);
    store.shutdown().unwrap();
}

/// A verification finds what differs between an extension and the log, and nothing where nothing does.
#[test]
fn a_damaged_extension_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&extended(dir.path()));
    fill(&store, 0, 50);
    store.shutdown().unwrap();
    drop(store);
    let findings = || {
        let directory = Directory::open(DirectoryOptions { root: dir.path().to_path_buf(), ..Default::default() });
        let mut lines = Vec::new();
        let seen = verify(&directory.unwrap(), &mut |finding| lines.push(finding.to_string())).unwrap();
        assert_eq!((seen.damages, seen.notes), (lines.len() as u64, 0), "{lines:?}");
        lines
    };
    assert_eq!(findings(), [""; 0]);
    let folder = dir.path().join("consumequeue_ext/A/0");
    let second = &files(&folder)[1];
    let mut bytes = std::fs::read(second).unwrap();
    // The tags code of the third unit, which is that of queue offset 22.
    bytes[2 * 20 + 9] ^= 1;
    std::fs::write(second, &bytes).unwrap();
    let found = findings();
    assert!(matches!(&found[..], [one] if one.contains("extension") && one.contains("queue offset 22")), "{found:?}");
    std::fs::remove_file(second).unwrap();
    let found = findings();
    assert!(
        matches!(&found[..], [one] if one.contains("queue offset 20") && one.contains("up to queue offset 39")),
        "{found:?}"
    );
}
