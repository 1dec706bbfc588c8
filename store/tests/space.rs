//! Old segments go while readers hold them, and a full disk is an answer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, open, tiny, try_append, Model, SEGMENT};
use ferromq_store::{DeleteHours, GetRequest, GetResult, GetStatus, MatchAll, RetentionOptions, Store, StoreOptions};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn get(store: &Store, offset: i64) -> GetResult {
    let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, true);
    store.get(&GetRequest { topic: "A", queue_id: 0, offset, max_count, max_bytes, filter, blocking }).unwrap()
}

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
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
        Err(reason) => return println!("SKIPPED a_full_disk_is_an_answer: no tmpfs can be mounted: {reason}"),
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
