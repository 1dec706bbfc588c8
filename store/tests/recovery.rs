//! Recovery at many cut points: what the log holds up to the first damage is there, nothing else, and appends go on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, copy, files, open, tiny, Model, SEGMENT, UNITS};
use ferromq_store::{NoListener, OpenError, RecordResult, Store, StoreOptions};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A directory with a few segments, and what was appended to it, in order.
struct Filled {
    dir: tempfile::TempDir,
    appended: Vec<(&'static str, i32, Vec<u8>, RecordResult)>,
}

impl Filled {
    /// Some 700 records, ended by a clean stop or not.
    fn new(clean: bool) -> Filled {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&tiny(&dir.path().join("store")));
        let mut appended = Vec::new();
        for i in 0..700 {
            let (topic, queue_id) = (["A", "B"][i % 2], (i % 3) as i32);
            let body = format!("{i}-").repeat(2 + i * 7 % 40).into_bytes();
            let result = append(&store, topic, queue_id, &body);
            appended.push((topic, queue_id, body, result));
        }
        if clean {
            store.shutdown().unwrap();
        }
        Filled { dir, appended }
    }

    /// A copy to be damaged.
    fn copy(&self) -> (tempfile::TempDir, StoreOptions) {
        let dir = tempfile::tempdir().unwrap();
        copy(&self.dir.path().join("store"), dir.path());
        let options = tiny(dir.path());
        (dir, options)
    }

    fn last(&self) -> &RecordResult {
        &self.appended.last().unwrap().3
    }

    /// The first `count` records.
    fn model(&self, count: usize) -> Model {
        let mut model = Model::default();
        for (topic, queue_id, body, _) in &self.appended[..count] {
            model.0.entry((topic.to_string(), *queue_id)).or_default().push(body.clone());
        }
        model
    }
}

/// Exactly the first `count` records are there, appends go on behind them, also over a clean and an unclean stop.
fn check(filled: &Filled, options: &StoreOptions, count: usize, what: &str) {
    println!("{what}");
    let mut model = filled.model(count);
    let store = open(options);
    model.check(&store);
    // A blank record behind the last one stays: the log then goes on with the next segment.
    let behind = filled.appended.get(count).map(|next| next.3.physical_offset);
    let last = filled.appended[count - 1].3;
    let end = behind.unwrap_or(last.physical_offset + i64::from(last.size));
    assert_eq!(store.max_log_offset(), end, "{what}");
    for i in 0..3 {
        // Shorter than what was cut off, so that anything left behind the cut would show.
        model.append(&store, "A", i, b"s");
    }
    model.check(&store);
    drop(store);
    let store = open(options);
    model.check(&store);
    model.append(&store, "B", 0, b"after a kill");
    store.shutdown().unwrap();
    let store = open(options);
    model.check(&store);
    store.shutdown().unwrap();
}

fn segment_of(options: &StoreOptions, physical: i64) -> (std::path::PathBuf, u64) {
    let at = physical as u64 % SEGMENT;
    (options.commit_log_dir().join(format!("{:020}", physical as u64 - at)), at)
}

fn overwrite(options: &StoreOptions, physical: i64, bytes: &[u8]) {
    let (path, at) = segment_of(options, physical);
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

fn flip(options: &StoreOptions, physical: i64) {
    let (path, at) = segment_of(options, physical);
    let mut byte = [0];
    fs::File::open(&path).unwrap().read_exact_at(&mut byte, at).unwrap();
    overwrite(options, physical, &[byte[0] ^ 0x40]);
}

/// Without damage everything is there, with the segment that was prepared ahead and some more like it.
#[test]
fn nothing_is_lost_without_damage() {
    for clean in [true, false] {
        let filled = Filled::new(clean);
        let (_dir, options) = filled.copy();
        assert_eq!(options.root.join("abort").exists(), !clean);
        check(&filled, &options, 700, "as it was left");
        let (_dir, options) = filled.copy();
        let last = files(&options.commit_log_dir()).len() as u64;
        for ahead in [0, 1] {
            let name = format!("{:020}", (last + ahead) * SEGMENT);
            fs::write(options.commit_log_dir().join(name), vec![0; SEGMENT as usize]).unwrap();
        }
        check(&filled, &options, 700, "with unused segments");
    }
}

/// The last record is torn at every field and within each: it goes, with its unit, and nothing else.
#[test]
fn a_torn_last_record_goes() {
    for clean in [true, false] {
        let filled = Filled::new(clean);
        let size = i64::from(filled.last().size);
        let properties = 20;
        let cuts = [0, 1, 4, 6, 8, 12, 19, 24, 28, 33, 40, 48, 56, 72, 84, 86, 88, 89, 120];
        let ends = [properties + 5, properties + 3, properties + 1, properties, 10, 2, 1];
        for cut in cuts.into_iter().chain(ends.into_iter().map(|back| size - back)) {
            let (_dir, options) = filled.copy();
            overwrite(&options, filled.last().physical_offset + cut, &vec![0; (size - cut) as usize]);
            check(&filled, &options, 699, &format!("clean {clean}: zeros from byte {cut} of {size}"));
        }
    }
}

/// A wrong CRC that no checkpoint vouches for ends the log, in its last record and in the middle of its last segment; what lay
/// behind never comes back.
#[test]
fn a_wrong_crc_ends_the_log() {
    {
        let (clean, filled) = (false, Filled::new(false));
        let (_, last_at) = segment_of(&tiny(Path::new("")), filled.last().physical_offset);
        let last_segment = filled.last().physical_offset - last_at as i64;
        let first_there = filled.appended.iter().position(|a| a.3.physical_offset >= last_segment).unwrap();
        assert!(first_there < 680, "enough records in the last segment");
        for damaged in [699, 690, first_there + 1, first_there] {
            // The first record of a segment decides whether recovery starts there: an earlier one is taken.
            let (_dir, options) = filled.copy();
            flip(&options, filled.appended[damaged].3.physical_offset + 90);
            check(&filled, &options, damaged, &format!("clean {clean}: CRC of record {damaged}"));
        }
    }
}

/// A wrong CRC of a record that was flushed costs that record's body and nothing else, after every kind of stop: Apache's store
/// would drop all records behind it. It is reported where it lies.
#[test]
fn damage_behind_the_flush_costs_one_body() {
    for clean in [true, false] {
        let filled = Filled::new(true);
        let (_, last_at) = segment_of(&tiny(Path::new("")), filled.last().physical_offset);
        let last_segment = filled.last().physical_offset - last_at as i64;
        let first_there = filled.appended.iter().position(|a| a.3.physical_offset >= last_segment).unwrap();
        for damaged in [699, 690, first_there + 1, first_there] {
            let (_dir, options) = filled.copy();
            let record = filled.appended[damaged].3;
            if !clean {
                // The checkpoint has the time of the last record: it vouches for those that were stored before.
                if record.store_timestamp == filled.last().store_timestamp {
                    continue;
                }
                fs::write(options.root.join("abort"), "1").unwrap();
            }
            flip(&options, record.physical_offset + 90);
            let (store, errors) = common::hear(|| open(&options));
            let wanted = format!("offset={}", record.physical_offset);
            // The first record of a segment is looked at a second time when the start of the walk is chosen.
            assert!(errors.iter().any(|line| line.contains(&wanted) && line.contains("CRC")), "{errors:?}");
            assert_eq!(store.max_log_offset(), filled.last().physical_offset + i64::from(filled.last().size));
            for (at, (topic, queue_id, body, result)) in filled.appended.iter().enumerate() {
                assert_eq!(store.unit(topic, *queue_id, result.queue_offset).unwrap().physical, result.physical_offset);
                let read = store.record_at(result.physical_offset);
                assert_eq!(read.is_err(), at == damaged, "clean {clean}: record {at} of {damaged}");
                if let Ok(Some(read)) = read {
                    assert_eq!(ferromq_protocol::record::parse(&read, true).unwrap().body(), body);
                }
            }
            append(&store, "A", 0, b"goes on");
            store.shutdown().unwrap();
        }
    }
}

/// After an unclean stop damage in an older segment that no checkpoint vouches for ends the log there, as in Apache's store;
/// after a clean stop it is found when it is read.
#[test]
fn damage_in_an_older_segment() {
    let filled = Filled::new(false);
    let (_dir, options) = filled.copy();
    flip(&options, filled.appended[100].3.physical_offset + 90);
    check(&filled, &options, 100, "unclean: CRC of record 100");

    let filled = Filled::new(true);
    let (_dir, options) = filled.copy();
    flip(&options, filled.appended[100].3.physical_offset + 90);
    let store = open(&options);
    assert!(store.record_at(filled.appended[100].3.physical_offset).is_err());
    assert_eq!(
        store.record_at(filled.appended[101].3.physical_offset).unwrap().unwrap().len() as u32,
        filled.appended[101].3.size
    );
    store.shutdown().unwrap();
}

/// Units of a consume queue that point behind the end of the log are dropped, real ones and garbage.
#[test]
fn a_consume_queue_ahead_of_the_log_is_cut() {
    for clean in [true, false] {
        let filled = Filled::new(clean);
        let (_dir, options) = filled.copy();
        let (topic, queue_id, _, _) = filled.appended[699];
        let units = filled.model(700).0[&(topic.to_owned(), queue_id)].len();
        let file = (units / UNITS * UNITS * 20) as u64;
        let dir = options.consume_queue_dir().join(topic).join(queue_id.to_string());
        let file = OpenOptions::new().write(true).open(dir.join(format!("{file:020}"))).unwrap();
        let log_end = filled.last().physical_offset + i64::from(filled.last().size);
        for (i, physical) in [log_end, log_end + 500, i64::MAX - 5].into_iter().enumerate() {
            let mut unit = physical.to_be_bytes().to_vec();
            unit.extend(100i32.to_be_bytes());
            unit.extend(7i64.to_be_bytes());
            file.write_all_at(&unit, ((units % UNITS + i) * 20) as u64).unwrap();
        }
        check(&filled, &options, 700, &format!("clean {clean}: units ahead"));
    }
}

/// Consume queues that are gone are built again: all of them, a topic's, one queue, a file in the middle, the last file.
#[test]
fn missing_consume_queues_are_built_again() {
    for clean in [true, false] {
        let filled = Filled::new(clean);
        let queue = |options: &StoreOptions| options.consume_queue_dir().join("A").join("2");
        type Damage<'a> = (&'a str, &'a dyn Fn(&StoreOptions));
        let damages: [Damage<'_>; 5] = [
            ("all", &|options| fs::remove_dir_all(options.consume_queue_dir()).unwrap()),
            ("one queue", &|options| fs::remove_dir_all(queue(options)).unwrap()),
            ("its files", &|options| files(&queue(options)).iter().for_each(|file| fs::remove_file(file).unwrap())),
            ("a file in the middle", &|options| fs::remove_file(&files(&queue(options))[1]).unwrap()),
            ("the last file", &|options| fs::remove_file(files(&queue(options)).last().unwrap()).unwrap()),
        ];
        for (what, damage) in damages {
            let (_dir, options) = filled.copy();
            damage(&options);
            check(&filled, &options, 700, &format!("clean {clean}: without {what}"));
        }
        if !clean {
            let (_dir, options) = filled.copy();
            fs::remove_dir_all(options.consume_queue_dir().join("A")).unwrap();
            check(&filled, &options, 700, "unclean: without a topic");
        }
    }
}

/// A checkpoint that is missing, short or garbage costs no record.
#[test]
fn a_damaged_checkpoint_costs_nothing() {
    for clean in [true, false] {
        let filled = Filled::new(clean);
        for content in [None, Some(vec![]), Some(vec![1; 20]), Some(vec![0x7F; 4096]), Some(vec![0xFF; 4096])] {
            let (_dir, options) = filled.copy();
            let path = options.root.join("checkpoint");
            let what = format!("clean {clean}: checkpoint {:?}", content.as_ref().map(Vec::len));
            match content {
                None => fs::remove_file(path).unwrap(),
                Some(content) => fs::write(path, content).unwrap(),
            }
            check(&filled, &options, 700, &what);
        }
    }
}

fn refusal(options: &StoreOptions) -> OpenError {
    Store::open(options.clone(), Arc::new(NoListener)).map(|_| ()).unwrap_err()
}

/// A segment missing in the middle is refused with both neighbours named; the same with the segment size that does not fit.
#[test]
fn a_log_with_a_hole_is_refused() {
    let filled = Filled::new(true);
    let (_dir, options) = filled.copy();
    let segments = files(&options.commit_log_dir());
    fs::remove_file(&segments[1]).unwrap();
    let error = refusal(&options);
    assert!(matches!(error, OpenError::MissingSegment { expected, .. } if expected == SEGMENT as i64));
    let text = error.to_string();
    assert!(text.contains(segments[0].to_str().unwrap()) && text.contains(segments[2].to_str().unwrap()), "{text}");

    let (_dir, mut options) = filled.copy();
    options.segment_size = 2 * SEGMENT;
    let text = refusal(&options).to_string();
    assert!(text.contains("mappedFileSizeCommitLog") && text.contains("65536"), "{text}");
    options.segment_size = SEGMENT;
    options.consume_queue_file_units = 2 * UNITS;
    let text = refusal(&options).to_string();
    assert!(text.contains("mappedFileSizeConsumeQueue") && text.contains("1000"), "{text}");
    // A refusal leaves everything as it was, the lock included.
    options.consume_queue_file_units = UNITS;
    check(&filled, &options, 700, "after refusals");
}

/// Segments missing at the end take their records along, and their units; a segment of no length counts as not there.
#[test]
fn missing_and_empty_last_segments() {
    for clean in [true, false] {
        let filled = Filled::new(clean);
        let (_dir, options) = filled.copy();
        let last = filled.last().physical_offset / SEGMENT as i64 * SEGMENT as i64;
        let kept = filled.appended.iter().position(|a| a.3.physical_offset >= last).unwrap();
        for path in files(&options.commit_log_dir()) {
            let base: i64 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            if base >= last {
                fs::remove_file(&path).unwrap();
            }
        }
        fs::write(options.commit_log_dir().join(format!("{last:020}")), b"").unwrap();
        let store = open(&options);
        assert_eq!(store.max_log_offset(), last, "the blank record stays the end");
        filled.model(kept).check(&store);
        store.shutdown().unwrap();
        let mut model = filled.model(kept);
        let store = open(&options);
        model.append(&store, "A", 0, b"goes on");
        drop(store);
        model.check(&open(&options));
    }
}

/// Files and folders of others are left alone.
#[test]
fn foreign_files_are_ignored() {
    for clean in [true, false] {
        let filled = Filled::new(clean);
        let (_dir, options) = filled.copy();
        let foreign = [
            options.commit_log_dir().join("README"),
            options.commit_log_dir().join("0000000000000065536x"),
            options.commit_log_dir().join("lost+found/00000000000000000000"),
            options.consume_queue_dir().join("notes.txt"),
            options.consume_queue_dir().join("A/x/00000000000000000000"),
            options.consume_queue_dir().join("A/0/.hidden"),
            options.root.join("index/notes"),
            options.root.join("whatever"),
        ];
        for path in &foreign {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"not ours").unwrap();
        }
        check(&filled, &options, 700, &format!("clean {clean}: foreign files"));
        assert!(foreign.iter().all(|path| fs::read(path).unwrap() == b"not ours"));
    }
}

/// Files of the log and of a queue that somebody has moved to another disk and left links to count as what they are; a link that leads
/// nowhere is refused, with its name, instead of being taken for the beginning or the end of the log.
#[test]
fn links_are_what_they_lead_to() {
    for clean in [true, false] {
        let filled = Filled::new(clean);
        let (_dir, options) = filled.copy();
        let elsewhere = tempfile::tempdir().unwrap();
        let queue = options.consume_queue_dir().join("A/0");
        let log = common::files(&options.commit_log_dir());
        let moved: Vec<_> = [&log[0], &log[1]].into_iter().chain(&common::files(&queue)[..1]).cloned().collect();
        for (number, path) in moved.iter().enumerate() {
            let target = elsewhere.path().join(number.to_string());
            fs::copy(path, &target).unwrap();
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink(&target, path).unwrap();
        }
        check(&filled, &options, 700, &format!("clean {clean}: links"));
        fs::remove_file(elsewhere.path().join("0")).unwrap();
        let refused = refusal(&options).to_string();
        assert!(refused.contains(&moved[0].display().to_string()), "{refused}");
    }
}

/// A directory without a log starts from nothing, even when consume queues are left.
#[test]
fn queues_without_a_log_are_dropped() {
    let filled = Filled::new(true);
    let (_dir, options) = filled.copy();
    fs::remove_dir_all(options.commit_log_dir()).unwrap();
    let store = open(&options);
    assert_eq!(store.max_log_offset(), 0);
    let mut model = Model::default();
    model.append(&store, "A", 0, b"first");
    model.check(&store);
    store.shutdown().unwrap();
}

/// A topic that was deleted and made again keeps its new records, and only those, after every kind of stop.
#[test]
fn a_topic_made_anew_starts_over() {
    for clean in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let options = tiny(dir.path());
        let store = open(&options);
        for i in 0..150 {
            append(&store, "T", 0, format!("old {i}").as_bytes());
        }
        store.remove_topic("T").unwrap();
        assert_eq!(store.queue_offsets("T", 0), None);
        let mut model = Model::default();
        for i in 0..30 {
            model.append(&store, "T", 0, format!("new {i}").as_bytes());
        }
        let stop = |store: Arc<Store>| if clean { store.shutdown().unwrap() } else { drop(store) };
        stop(store);
        let store = open(&options);
        model.check(&store);
        model.append(&store, "T", 0, b"newer");
        stop(store);
        fs::remove_dir_all(options.consume_queue_dir()).unwrap();
        let store = open(&options);
        model.check(&store);
        model.append(&store, "T", 0, b"newest");
        model.check(&store);
        stop(store);
    }
}

/// A deleted topic stays deleted over every kind of stop, though the log still has its records; Apache's store brings it back after
/// an unclean one. The same when the deletion was cut short and files of it are left.
#[test]
fn a_deleted_topic_stays_deleted() {
    for (clean, cut_short) in [(true, false), (false, false), (true, true), (false, true)] {
        let dir = tempfile::tempdir().unwrap();
        let options = tiny(dir.path());
        let store = open(&options);
        for i in 0..120 {
            append(&store, "T", i % 2, b"gone");
            append(&store, "U", 0, b"stays");
        }
        store.flush().unwrap();
        let left = dir.path().join("left");
        copy(&options.consume_queue_dir().join("T/1"), &left);
        store.remove_topic("T").unwrap();
        append(&store, "U", 0, b"stays");
        if clean {
            store.shutdown().unwrap();
        }
        drop(store);
        if cut_short {
            copy(&left, &options.consume_queue_dir().join("T/1"));
        }
        for _ in 0..2 {
            let store = open(&options);
            assert_eq!((store.queue_offsets("T", 0), store.queue_offsets("T", 1)), (None, None), "{clean} {cut_short}");
            assert_eq!(bodies(&store, "U", 0).len(), 121);
        }
        let store = open(&options);
        assert_eq!(append(&store, "T", 1, b"anew").queue_offset, 0);
        drop(store);
        assert_eq!(bodies(&open(&options), "T", 1).len(), 1);
    }
}

/// A consume queue or a whole topic that is gone without a trace, and whose records all lie in old segments, is noticed and built
/// again, after every kind of stop. Apache's store starts it over at offset 0.
#[test]
fn queues_gone_without_a_trace_are_noticed() {
    for clean in [true, false] {
        for gone in ["old", "old/1"] {
            let dir = tempfile::tempdir().unwrap();
            let options = StoreOptions { queue_flush_thorough: std::time::Duration::ZERO, ..tiny(dir.path()) };
            let options = StoreOptions { queue_flush_interval: std::time::Duration::from_millis(1), ..options };
            let store = open(&options);
            let mut model = Model::default();
            for i in 0..60 {
                model.append(&store, "old", i % 2, b"old");
            }
            model.fill(&store, 1500);
            // So that the checkpoint vouches for all but the last segment.
            ferromq_store::faults::shift_clock(10_000);
            for i in 0..30 {
                model.append(&store, "new", i % 2, b"new");
            }
            ferromq_store::faults::shift_clock(0);
            store.flush().unwrap();
            if clean {
                store.shutdown().unwrap();
            } else {
                // The list is written with the checkpoint.
                let list = dir.path().join("ferromq-queues");
                let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
                while !fs::read_to_string(&list).is_ok_and(|text| text.contains("queue 1 15 new")) {
                    assert!(std::time::Instant::now() < deadline);
                    std::thread::yield_now();
                }
            }
            drop(store);
            fs::remove_dir_all(options.consume_queue_dir().join(gone)).unwrap();
            let (store, errors) = common::hear(|| open(&options));
            model.check(&store);
            assert!(errors.iter().any(|line| line.contains("topic=old")), "clean {clean}, {gone}: {errors:?}");
            assert_eq!(append(&store, "old", 1, b"goes on").queue_offset, 30);
        }
    }
}

/// After a clean stop of our own the log is read from its last record only, unless somebody else had the directory since; damage
/// before that is found when it is read.
#[test]
fn a_clean_start_reads_the_last_record() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    let records: Vec<_> = (0..50).map(|i| append(&store, "T", 0, format!("body {i}").as_bytes())).collect();
    let end = store.max_log_offset();
    store.shutdown().unwrap();
    drop(store);
    // A broken length ends the walk where it is met.
    overwrite(&options, records[20].physical_offset, &[0x7F]);
    let store = open(&options);
    assert_eq!(store.max_log_offset(), end);
    assert!(store.record_at(records[20].physical_offset).is_err());
    store.record_at(records[21].physical_offset).unwrap().unwrap();
    store.shutdown().unwrap();
    drop(store);
    // Everybody else writes the lock file when he starts.
    fs::write(dir.path().join("lock"), b"lock").unwrap();
    let (store, errors) = common::hear(|| open(&options));
    assert_eq!(store.max_log_offset(), records[20].physical_offset);
    let offset = format!("offset={}", records[20].physical_offset);
    assert!(errors.iter().any(|line| line.contains(&offset) && line.contains("commitlog")), "{errors:?}");
}

/// What is cut off behind zeros is named as well: a power cut can forget a page and keep the next.
#[test]
fn records_behind_zeros_are_named() {
    let filled = Filled::new(false);
    let (_dir, options) = filled.copy();
    let hole = filled.appended[650].3;
    overwrite(&options, hole.physical_offset, &vec![0; hole.size as usize]);
    let (store, errors) = common::hear(|| open(&options));
    assert_eq!(store.max_log_offset(), hole.physical_offset);
    let wanted =
        [format!("offset={}", hole.physical_offset), format!("data_at={}", filled.appended[651].3.physical_offset)];
    // The length of a small record begins with zeros.
    assert!(errors.iter().any(|line| line.contains(&wanted[0]) && line.contains("data_at=")), "{errors:?} {wanted:?}");
}
