//! Appending and reading back: segment boundaries, blank records, groups, offsets under concurrency, the listener.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, message, open, tiny, Model, Recorder, SEGMENT};
use ferromq_protocol::record::{self, RecordError};
use ferromq_protocol::sysflag;
use ferromq_store::{AppendBatch, AppendError, GetRequest, GetStatus, MatchAll, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

/// Messages of many lengths over many segments are all there, in order, and stay so after a clean stop.
#[test]
fn over_segment_boundaries() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    let mut model = Model::default();
    model.fill(&store, 3000);
    assert!(store.max_log_offset() > 8 * SEGMENT as i64);
    model.check(&store);
    store.shutdown().unwrap();
    let store = open(&options);
    model.check(&store);
    for i in 0..200 {
        model.append(&store, "A", i % 3, format!("more {i}").as_bytes());
    }
    model.check(&store);
    store.shutdown().unwrap();
}

/// A batch that is used again leaves its records in the store it is given to, whatever store it was given to before.
#[test]
fn one_batch_for_two_stores() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let stores = [open(&tiny(folders[0].path())), open(&tiny(folders[1].path()))];
    let mut batch = AppendBatch::new();
    for round in 0..4 {
        let body = format!("round {round}");
        batch.clear();
        batch.push(&message("A", 0, body.as_bytes())).unwrap();
        stores[round % 2].append(&mut batch).unwrap();
    }
    let stored = |store| bodies(store, "A", 0).into_iter().map(|(_, body)| String::from_utf8(body).unwrap());
    assert_eq!(stored(&stores[0]).collect::<Vec<_>>(), ["round 0", "round 2"]);
    assert_eq!(stored(&stores[1]).collect::<Vec<_>>(), ["round 1", "round 3"]);
    for store in stores {
        store.shutdown().unwrap();
    }
}

/// The raw log is records side by side, and every segment but the last ends with a blank record that names what is left.
#[test]
fn blank_records_end_every_full_segment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&tiny(dir.path()));
    Model::default().fill(&store, 1500);
    let mut cursor = store.cursor(0);
    let mut blanks = 0;
    while let Some(bytes) = cursor.read(SEGMENT as usize).unwrap() {
        let mut at = 0;
        while at < bytes.len() {
            match record::parse(&bytes[at..], true) {
                Ok(view) => at += view.len(),
                Err(RecordError::Blank { len }) => {
                    assert_eq!((at + len) as u64, SEGMENT, "a blank record reaches to the end of its segment");
                    assert!(len >= 8);
                    blanks += 1;
                    at += len;
                }
                Err(error) => panic!("at {at}: {error}"),
            }
        }
    }
    assert_eq!(cursor.offset(), store.max_log_offset());
    assert_eq!(blanks, store.max_log_offset() / SEGMENT as i64);
    assert!(blanks > 3);
    store.shutdown().unwrap();
}

/// A record that leaves exactly the 8 bytes of the blank record fits; with one byte less it goes to the next segment.
#[test]
fn a_segment_is_filled_to_the_last_byte() {
    for (spare, base) in [(8, 0), (7, SEGMENT as i64)] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&tiny(dir.path()));
        let first = append(&store, "A", 0, b"x");
        let overhead = u64::from(first.size) - 1;
        let body = SEGMENT - u64::from(first.size) - overhead - spare;
        let second = append(&store, "A", 0, &vec![b'y'; body as usize]);
        let wanted = if base == 0 { i64::from(first.size) } else { base };
        assert_eq!(second.physical_offset, wanted, "{spare} bytes are left");
        let third = append(&store, "A", 0, b"z");
        assert!(third.physical_offset >= SEGMENT as i64);
        assert_eq!(bodies(&store, "A", 0).len(), 3);
        store.shutdown().unwrap();
    }
}

/// A classic batch lies side by side in one segment, wherever the log ends when it comes.
#[test]
fn groups_are_never_divided() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&tiny(dir.path()));
    let mut batch = store.new_batch();
    let mut next = 0;
    for round in 0..400usize {
        batch.clear();
        let texts: Vec<String> = (0..1 + round % 9).map(|i| format!("{round}.{i}").repeat(1 + i * 13)).collect();
        let group: Vec<_> = texts.iter().map(|text| message("G", 1, text.as_bytes())).collect();
        batch.push(&message("single", 0, b"before")).unwrap();
        batch.group(|batch| group.iter().try_for_each(|message| batch.push(message))).unwrap();
        batch.push(&message("single", 0, b"behind")).unwrap();
        store.append(&mut batch).unwrap();
        let results = &batch.results()[1..=texts.len()];
        for result in results {
            assert_eq!(result.queue_offset, next);
            next += 1;
        }
        for pair in results.windows(2) {
            assert_eq!(pair[0].physical_offset + i64::from(pair[0].size), pair[1].physical_offset, "round {round}");
        }
        let (first, last) = (results[0].physical_offset, results.last().unwrap().physical_offset);
        assert_eq!(first / SEGMENT as i64, last / SEGMENT as i64, "round {round}: one segment");
    }
    assert_eq!(bodies(&store, "G", 1).len() as i64, next);
    assert_eq!(bodies(&store, "single", 0).len(), 800);
    store.shutdown().unwrap();
}

/// What fits into no segment is refused before anything is written.
#[test]
fn a_group_longer_than_a_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&tiny(dir.path()));
    let body = vec![1; 40_000];
    let mut batch = store.new_batch();
    batch.group(|batch| (0..2).try_for_each(|_| batch.push(&message("G", 0, &body)))).unwrap();
    assert!(matches!(store.append(&mut batch), Err(AppendError::RecordTooLarge { .. })));
    assert_eq!((store.max_log_offset(), batch.results().len()), (0, 0));
    store.shutdown().unwrap();
}

/// Prepared and rolled back records take no queue offset and enter no queue; committed ones do.
#[test]
fn transaction_records_enter_queues_when_committed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&tiny(dir.path()));
    let kinds = [sysflag::TRANSACTION_PREPARED, sysflag::TRANSACTION_COMMIT, sysflag::TRANSACTION_ROLLBACK];
    let mut batch = store.new_batch();
    for kind in kinds {
        let mut record = message("T", 0, b"x");
        record.sys_flag = kind;
        batch.push(&record).unwrap();
    }
    store.append(&mut batch).unwrap();
    assert_eq!(store.queue_offsets("T", 0), Some((0, 1)));
    let unit = store.unit("T", 0, 0).unwrap();
    assert_eq!(unit.physical, batch.results()[1].physical_offset);
    store.shutdown().unwrap();
}

/// Four threads append to shared queues, which are flushed all the while: no offset is missing or given twice, and the listener hears
/// each record once.
#[test]
fn offsets_have_no_gap_under_concurrency() {
    const THREADS: usize = 4;
    const BATCHES: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let listener = Arc::new(Recorder::default());
    let store = Store::open(tiny(dir.path()), listener.clone()).unwrap();
    let start = Barrier::new(THREADS);
    let append_some = |thread: usize| {
        let mut given = Vec::new();
        let mut batch = store.new_batch();
        start.wait();
        for round in 0..BATCHES {
            batch.clear();
            let queues: Vec<i32> = (0..1 + (round + thread) % 5).map(|i| ((round + i) % 3) as i32).collect();
            let body = format!("{thread} {round}");
            for queue in &queues {
                batch.push(&message("Q", *queue, body.as_bytes())).unwrap();
            }
            store.append(&mut batch).unwrap();
            given.extend(queues.iter().zip(batch.results()).map(|(queue, result)| (*queue, result.queue_offset)));
        }
        given
    };
    let append_some = &append_some;
    let appended = AtomicBool::new(false);
    let given: Vec<(i32, i64)> = thread::scope(|scope| {
        // A queue that was flushed gets its next unit from who drains, not from the appender.
        scope.spawn(|| {
            while !appended.load(Ordering::Relaxed) {
                store.flush().unwrap();
            }
        });
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || append_some(thread))).collect();
        let ended: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        appended.store(true, Ordering::Relaxed);
        ended.into_iter().flat_map(Result::unwrap).collect()
    });
    let mut heard = listener.0.lock().unwrap().clone();
    // Once each; the calls of several threads come in any order.
    heard.values_mut().for_each(|offsets| offsets.sort_unstable());
    for queue in 0..3 {
        let mut offsets: Vec<i64> = given.iter().filter(|(id, _)| *id == queue).map(|(_, offset)| *offset).collect();
        offsets.sort_unstable();
        let wanted: Vec<i64> = (0..offsets.len() as i64).collect();
        assert!(offsets == wanted, "queue {queue}: gap or double");
        assert!(heard[&("Q".to_owned(), queue)] == wanted, "queue {queue}: the listener");
        assert_eq!(bodies(&store, "Q", queue).len(), wanted.len());
    }
    store.shutdown().unwrap();
}

/// Reads never give wrong data without waiting: after the page cache is dropped they give the records or say that they would wait.
#[test]
fn cold_reads_give_data_or_would_block() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    let mut model = Model::default();
    model.fill(&store, 1500);
    store.shutdown().unwrap();
    drop(store);
    let store = open(&options);
    let (mut found, mut waits) = (0, 0);
    for offset in 0..store.max_offset("A", 0) {
        if offset % 20 == 0 {
            drop_page_cache(&options.commit_log_dir());
        }
        let request = |blocking| GetRequest {
            topic: "A",
            queue_id: 0,
            offset,
            max_count: 4,
            max_bytes: 1 << 20,
            filter: &MatchAll,
            blocking,
        };
        let wanted = store.get(&request(true));
        if offset % 20 == 0 {
            drop_page_cache(&options.commit_log_dir());
        }
        match store.get(&request(false)) {
            Ok(result) => {
                assert_eq!(result.status, GetStatus::Found);
                assert!(result.next_offset > offset);
                let (ours, theirs) = (result.slices.concat(), wanted.unwrap().slices.concat());
                assert!(theirs.starts_with(&ours));
                assert!(record::iter(&ours).all(|view| view.is_ok()));
                found += 1;
            }
            Err(_) => waits += 1,
        }
    }
    assert_eq!(found + waits, store.max_offset("A", 0));
    println!("{found} reads found their data in memory, {waits} would have waited");
    store.shutdown().unwrap();
}

#[cfg(target_os = "linux")]
fn drop_page_cache(dir: &std::path::Path) {
    for path in common::files(dir) {
        let file = std::fs::File::open(path).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}

#[cfg(not(target_os = "linux"))]
fn drop_page_cache(_dir: &std::path::Path) {}
