//! Old segments go while readers hold them, and a full disk is an answer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, cleaned_on_request, disk_bytes, message, open, tiny, try_append, until, Model, SEGMENT};
use ferromq_store::{DeleteHours, GetRequest, GetResult, GetStatus, MatchAll, RetentionOptions, Store, StoreOptions};
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::Duration;

fn get(store: &Store, offset: i64) -> GetResult {
    let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, true);
    store.get(&GetRequest { topic: "A", queue_id: 0, offset, max_count, max_bytes, filter, blocking }).unwrap()
}

/// Expired segments are deleted, consume queues follow, offsets move; bytes that a reader holds stay as they were.
#[test]
fn readers_keep_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    Model::default().fill(&store, 2000);
    // Read as slices of the map, and copied for comparison.
    let held: Vec<_> = (0..5).flat_map(|i| get(&store, i * 32).slices).collect();
    let copies: Vec<Vec<u8>> = held.iter().map(|slice| slice.to_vec()).collect();
    let max = store.max_offset("A", 0);
    store.shutdown().unwrap();
    drop(store);
    assert!(held.iter().zip(&copies).all(|(slice, copy)| slice == copy), "slices outlive the store");

    let hours: Vec<String> = (0..24).map(|hour| hour.to_string()).collect();
    let expiring = StoreOptions {
        cleaning: true,
        retention: RetentionOptions {
            reserved_hours: 0,
            delete_when: DeleteHours::parse(&hours.join(";")).unwrap(),
            batch_max: 1,
            interval: Duration::from_millis(5),
            first_after: Duration::from_millis(5),
            segment_pause: Duration::from_millis(1),
            queue_file_pause: Duration::from_millis(1),
            ..RetentionOptions::default()
        },
        ..options.clone()
    };
    let store = open(&expiring);
    let last = store.max_log_offset() / SEGMENT as i64 * SEGMENT as i64;
    until("all segments but the last go", || {
        // Reads meanwhile give records or say that they are gone.
        let result = get(&store, store.min_offset("A", 0));
        let fine =
            [GetStatus::Found, GetStatus::OffsetTooSmall, GetStatus::MessageWasRemoving, GetStatus::OffsetFoundNull];
        assert!(fine.contains(&result.status), "{:?}", result.status);
        store.min_log_offset() == last
    });
    let files = options.consume_queue_dir().join("A/0");
    until("consume queues follow", || {
        let first = store.unit("A", 0, store.min_offset("A", 0));
        first.is_some_and(|unit| unit.physical >= last) && common::files(&files).len() <= 2
    });
    let min = store.min_offset("A", 0);
    assert_eq!(get(&store, min - 1).status, GetStatus::OffsetTooSmall);
    assert_eq!(store.max_offset("A", 0), max);
    assert_eq!(bodies(&store, "A", 0).len() as i64, max - min);
    assert_eq!(common::files(&options.commit_log_dir()).len(), 1 + usize::from(has_next(&store, &options)));
    assert!(held.iter().zip(&copies).all(|(slice, copy)| slice == copy));
    assert_eq!(append(&store, "A", 0, b"on").queue_offset, max);
    store.shutdown().unwrap();
    let store = open(&options);
    assert_eq!(store.queue_offsets("A", 0), Some((min, max + 1)));
    store.shutdown().unwrap();
}

fn has_next(store: &Store, options: &StoreOptions) -> bool {
    let next = (store.max_log_offset() as u64 / SEGMENT + 1) * SEGMENT;
    options.commit_log_dir().join(format!("{next:020}")).exists()
}

/// A store under `root` whose segments of any age go when somebody asks for it, and that looks at the disk all the time.
fn on_request(root: &Path) -> StoreOptions {
    StoreOptions {
        cleaning: true,
        retention: RetentionOptions {
            segment_pause: Duration::from_millis(1),
            queue_file_pause: Duration::from_millis(1),
            ..cleaned_on_request(Duration::from_millis(5))
        },
        ..tiny(root)
    }
}

/// Expired segments go at once when somebody asks for it; queues whose records have all expired lose their files unless they are in
/// use, and then their offsets go on; topics that are not in use lose their queues, whatever is in them.
#[test]
fn cleaning_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&on_request(dir.path()));
    append(&store, "OLD", 0, b"x");
    append(&store, "OLD", 1, b"x");
    append(&store, "KEPT", 0, b"x");
    let mut model = Model::default();
    model.fill(&store, 2000);
    assert_eq!(store.min_log_offset(), 0, "nobody asked");
    assert!(store.clean_log());
    let last = store.max_log_offset() / SEGMENT as i64 * SEGMENT as i64;
    until("all segments but the last go", || store.min_log_offset() == last);
    until("queues follow", || {
        store.min_offset("A", 0) > 0 && store.min_offset("KEPT", 0) == 1 && store.min_offset("OLD", 1) == 1
    });
    let in_use = |topic: &str, queue: i32| topic != "OLD" || queue == 1;
    until("the expired queue goes", || store.clean_expired_queues(&in_use).unwrap() == 1);
    assert_eq!((store.queue_offsets("OLD", 0), store.queue_offsets("OLD", 1)), (None, Some((1, 1))));
    assert!(!dir.path().join("consumequeue/OLD/0").exists());
    assert_eq!(append(&store, "KEPT", 0, b"y").queue_offset, 1, "offsets go on");
    assert_eq!(append(&store, "OLD", 0, b"y").queue_offset, 0, "a queue that is gone begins anew");
    let gone = store.clean_unused_topics(&|topic| topic != "B").unwrap();
    assert_eq!(gone.iter().map(|topic| topic.to_string()).collect::<Vec<_>>(), ["B"]);
    assert!(store.queue_offsets("B", 0).is_none() && store.max_offset("A", 0) > 0);
    store.shutdown().unwrap();
    let store = open(&tiny(dir.path()));
    assert!(store.queue_offsets("B", 0).is_none(), "what was removed stays away");
    assert_eq!(bodies(&store, "OLD", 0), [(0, b"y".to_vec())]);
    assert!(!store.clean_log(), "a store that cleans nothing says so");
    store.shutdown().unwrap();
}

/// Messages that come to expired queues while these are removed, from who knew the queues before, are in a queue afterwards.
#[test]
fn who_comes_while_a_queue_goes_is_not_lost() {
    const QUEUES: i32 = 400;
    let dir = tempfile::tempdir().unwrap();
    let store = open(&on_request(dir.path()));
    (0..QUEUES).for_each(|queue| _ = append(&store, "OLD", queue, b"x"));
    Model::default().fill(&store, 2000);
    assert!(store.clean_log());
    until("the old messages go", || (0..QUEUES).all(|queue| store.min_offset("OLD", queue) == 1));
    let handles: Vec<_> = (0..QUEUES).map(|queue| store.queue("OLD", queue).unwrap()).collect();
    let start = Barrier::new(2);
    let mut batch = store.new_batch();
    let given: Vec<i64> = std::thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            while store.clean_expired_queues(&|topic, _| topic != "OLD").unwrap() > 0 {}
        });
        start.wait();
        let mut append = |queue: usize| {
            batch.clear();
            batch.push_to(&handles[queue], &message("OLD", queue as i32, b"y")).unwrap();
            store.append(&mut batch).unwrap();
            batch.results()[0].queue_offset
        };
        // From the other end, so that the two meet.
        (0..QUEUES as usize).rev().map(&mut append).collect()
    });
    for (queue, offset) in (0..QUEUES).rev().zip(given) {
        assert_eq!(bodies(&store, "OLD", queue), [(offset, b"y".to_vec())], "queue {queue}");
    }
    store.shutdown().unwrap();
}

/// Above the warning level writes are refused with the disk named and reads go on; below it writes go on.
#[test]
fn watermarks_refuse_and_allow() {
    let small = match Small::mount(16 << 20) {
        Ok(small) => small,
        Err(reason) => return println!("SKIPPED watermarks_refuse_and_allow: no tmpfs can be mounted: {reason}"),
    };
    let mut options = on_request(&small.path().join("store"));
    options.retention.reserved_hours = 72;
    let store = open(&options);
    append(&store, "A", 0, b"before");
    std::fs::write(small.path().join("ballast"), vec![1; 15 << 20]).unwrap();
    let mut batch = store.new_batch();
    // Nothing is appended meanwhile: what is left of the disk would be full before anybody has looked at it.
    until("writes are refused", || store.is_writable().is_err());
    let refused = try_append(&store, &mut batch, "A", b"between").unwrap_err();
    assert!(refused.contains("disk"), "{refused}");
    assert_eq!(bodies(&store, "A", 0)[0], (0, b"before".to_vec()));
    std::fs::remove_file(small.path().join("ballast")).unwrap();
    until("writes go on", || store.is_writable().is_ok());
    let next = append(&store, "A", 0, b"after");
    assert_eq!(bodies(&store, "A", 0).last().unwrap(), &(next.queue_offset, b"after".to_vec()));
    store.shutdown().unwrap();
}

/// Above the level of forced cleaning segments go before their time, with the queues behind them.
#[test]
fn a_filling_disk_makes_room() {
    let small = match Small::mount(16 << 20) {
        Ok(small) => small,
        Err(reason) => return println!("SKIPPED a_filling_disk_makes_room: no tmpfs can be mounted: {reason}"),
    };
    let mut options = on_request(&small.path().join("store"));
    (options.retention.reserved_hours, options.retention.clean_forcibly) = (72, true);
    let store = open(&options);
    Model::default().fill(&store, 2000);
    assert_eq!(store.min_log_offset(), 0);
    // 86 to 90 percent: segments go, writes are still taken.
    let used = 14 << 20;
    std::fs::write(small.path().join("ballast"), vec![1; used - disk_bytes(&options.root) as usize]).unwrap();
    let last = store.max_log_offset() / SEGMENT as i64 * SEGMENT as i64;
    until("segments go", || store.min_log_offset() == last);
    until("queues follow", || store.min_offset("A", 0) > 0);
    append(&store, "A", 0, b"on");
    store.shutdown().unwrap();
}

/// A log over several directories: segments go round those that may be written, are read from all, and expire in all; Apache's
/// order of directories is kept.
#[test]
fn a_log_over_several_directories() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let disk = |name: &str| dir.path().join(name);
    let several = |writable: &[&str], read_only: &[&str]| StoreOptions {
        commit_log: writable.iter().map(|name| disk(name)).collect(),
        commit_log_read_only: read_only.iter().map(|name| disk(name)).collect(),
        ..tiny(&root)
    };
    let mut model = Model::default();
    let store = open(&several(&["b", "a"], &[]));
    model.fill(&store, 1000);
    store.shutdown().unwrap();
    for (number, name) in ["a", "b", "a"].iter().enumerate() {
        assert!(
            disk(name).join(format!("{:020}", number as u64 * SEGMENT)).exists(),
            "segment {number} lies in {name}"
        );
    }
    // One directory is full for good, another takes its turn.
    let options = several(&["b", "c"], &["a"]);
    let store = open(&options);
    model.check(&store);
    model.fill(&store, 1000);
    store.abandon();
    let store = open(&options);
    model.check(&store);
    let from = store.max_log_offset() as u64 / SEGMENT;
    let segments = |name: &str| common::files(&disk(name)).len();
    assert!(segments("a") <= 3 && segments("b") > 1 && segments("c") >= 1, "{from}");
    store.shutdown().unwrap();
    let both = on_request(&root);
    let store = open(&StoreOptions {
        commit_log: options.commit_log.clone(),
        commit_log_read_only: options.commit_log_read_only.clone(),
        ..both
    });
    store.clean_log();
    until("segments of all directories go", || segments("a") == 0);
    assert!(matches!(
        store
            .get(&GetRequest {
                topic: "A",
                queue_id: 0,
                offset: 0,
                max_count: 1,
                max_bytes: 1,
                filter: &MatchAll,
                blocking: true
            })
            .unwrap()
            .status,
        GetStatus::OffsetTooSmall | GetStatus::MessageWasRemoving
    ));
    store.shutdown().unwrap();
}

/// A small file system of its own; unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(bytes: u64) -> Result<Small, String> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path());
        let output = mount.output().map_err(|error| format!("mount cannot be started: {error}"))?;
        match output.status.success() {
            true => Ok(Small(dir)),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A full disk gives an error answer and no signal, reads go on, and so do appends when there is space again.
#[test]
fn a_full_disk_is_an_answer() {
    let small = match Small::mount(2 << 20) {
        Ok(small) => small,
        // Failing loudly: a gate that skips this proves nothing about full disks.
        Err(reason) => panic!("no tmpfs can be mounted, which this test needs (run it as root): {reason}"),
    };
    let ballasts = [small.path().join("ballast"), small.path().join("more")];
    ballasts.iter().for_each(|ballast| std::fs::write(ballast, vec![1; 400 * 1024]).unwrap());
    let mut options = tiny(&small.path().join("store"));
    options.queue_flush_interval = Duration::from_millis(20);
    let store = open(&options);
    let mut batch = store.new_batch();
    let mut wanted: Vec<Vec<u8>> = Vec::new();
    let body = |i: usize| format!("{i} ").repeat(100).into_bytes();
    let fill = |wanted: &mut Vec<Vec<u8>>, batch: &mut _| loop {
        let body = body(wanted.len());
        match try_append(&store, batch, "A", &body) {
            Ok(result) => {
                assert_eq!(result.queue_offset, wanted.len() as i64);
                wanted.push(body);
            }
            Err(error) => return error,
        }
    };
    let error = fill(&mut wanted, &mut batch);
    println!("{} records, then: {error}", wanted.len());
    assert!(error.contains("os error 28"), "{error}");
    let again = fill(&mut wanted, &mut batch);
    assert!(again.contains("os error 28"), "still full: {again}");
    let visible = bodies(&store, "A", 0);
    assert!(!visible.is_empty() && visible.iter().zip(&wanted).all(|((_, found), wanted)| found == wanted));
    std::fs::remove_file(&ballasts[0]).unwrap();
    until("appends work again", || match try_append(&store, &mut batch, "A", &body(wanted.len())) {
        Ok(result) => {
            assert_eq!(result.queue_offset, wanted.len() as i64);
            true
        }
        Err(_) => false,
    });
    wanted.push(body(wanted.len()));
    println!("{}", fill(&mut wanted, &mut batch));
    std::fs::remove_file(&ballasts[1]).unwrap();
    until("everything acknowledged can be read", || store.max_offset("A", 0) as usize == wanted.len());
    // After the fill no append is left half-way: the store ends cleanly or as after a kill, and has everything.
    store.shutdown().unwrap();
    drop(store);
    let store = open(&options);
    let found = bodies(&store, "A", 0);
    assert_eq!(found.len(), wanted.len());
    assert!(found.iter().zip(&wanted).all(|((_, found), wanted)| found == wanted));
    store.shutdown().unwrap();
}
