//! Files that are cut under the store's maps, as a bad disk takes pages away: reads are error answers, appends and starts fail, and
//! nobody gets a signal.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, copy, open, tiny, try_append, Model};
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use ferromq_store::{
    FlushMode, FlushOutcome, GetRequest, GetStatus, MatchAll, NoListener, NotWritable, Store, StoreOptions, UnitFilter,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Set for the process whose files are cut: what is done there, and the data directory.
const SCENE: &str = "FERROMQ_LOST_SCENE";
const DIR: &str = "FERROMQ_LOST_DIR";
const PATIENCE: Duration = Duration::from_secs(30);

/// Its name, and what is done in a data directory.
type Scene = (&'static str, fn(&Path));

/// Scenes that a process of its own survives, or not.
const SCENES: &[Scene] = &[
    ("old log", old_log),
    ("end of the log", end_of_log),
    ("synchronous", synchronous),
    ("consume queue", consume_queue),
    ("index", index),
    ("recovery", recovery),
];

/// Not a test by itself: the process whose files are cut.
#[test]
fn child() {
    let Ok(scene) = std::env::var(SCENE) else { return };
    let dir = PathBuf::from(std::env::var(DIR).unwrap());
    let (_, run) = SCENES.iter().find(|(name, _)| *name == scene).unwrap();
    run(&dir);
}

/// Every scene ends as it says, in a process that is not killed by a signal.
#[test]
fn nobody_gets_a_signal() {
    for (name, _) in SCENES {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(SCENE, name).env(DIR, dir.path());
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{said}", output.status);
    }
}

fn cut(path: &Path, len: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn until(mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

fn segment(options: &StoreOptions, base: u64) -> PathBuf {
    options.commit_log_dir().join(format!("{base:020}"))
}

fn get(store: &Store, offset: i64, filter: &dyn UnitFilter) -> (GetStatus, i64, usize) {
    let (topic, queue_id, max_count, max_bytes, blocking) = ("A", 0, 32, 1 << 20, true);
    let request = GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking };
    let result = store.get(&request).unwrap();
    (result.status, result.next_offset, result.count)
}

/// Wants records of which a byte is what it was, and so has to look.
struct Looks;

impl UnitFilter for Looks {
    fn matches(&self, _: i64) -> bool {
        true
    }
    fn reads_records(&self) -> bool {
        true
    }
    fn matches_record(&self, record: &[u8]) -> bool {
        // The first byte of the magic number.
        record[4] == 0xda
    }
}

/// A segment that is read only: the reader stays where it is, other records are read, appends go on, also with a filter that looks at
/// the records.
fn old_log(dir: &Path) {
    let options = tiny(dir);
    let store = open(&options);
    let mut model = Model::default();
    model.fill(&store, 2000);
    let (first, max) = (store.unit("A", 0, 0).unwrap(), store.max_offset("A", 0));
    assert_eq!(get(&store, 0, &MatchAll).0, GetStatus::Found);
    cut(&segment(&options, 0), 0);
    for filter in [&MatchAll as &dyn UnitFilter, &Looks] {
        // What was found to be in memory is taken to be there for a moment.
        until(|| get(&store, 0, filter) == (GetStatus::Unreadable, 0, 0));
        assert_eq!(get(&store, max - 5, filter).0, GetStatus::Found);
    }
    assert!(store.record_at(first.physical).is_err());
    assert_eq!(store.record_of("A", 0, 0), None);
    assert_eq!(append(&store, "A", 0, b"on").queue_offset, max);
    store.flush().unwrap();
    store.abandon();
}

/// The segment that is written to: appends fail at once and for good, reads of what is left go on.
fn end_of_log(dir: &Path) {
    let options = tiny(dir);
    let store = open(&options);
    append(&store, "A", 0, &[b'x'; 5000]);
    append(&store, "A", 0, &[b'y'; 5000]);
    cut(&segment(&options, 0), 8192);
    let mut batch = store.new_batch();
    for _ in 0..3 {
        let error = try_append(&store, &mut batch, "A", &[b'z'; 5000]).unwrap_err();
        assert!(error.contains("00000000000000000000") && error.contains("restarted"), "{error}");
    }
    until(|| store.is_writable().is_err());
    assert!(matches!(store.is_writable(), Err(NotWritable::FlushFailed { .. })));
    assert_eq!(store.record_of("A", 0, 0).map(|record| record.len() > 5000), Some(true));
    until(|| get(&store, 1, &MatchAll).0 == GetStatus::Unreadable);
    assert!(store.shutdown().is_err());
}

/// With synchronous flush nobody is told that a record is on the disk when it is not.
fn synchronous(dir: &Path) {
    let options = StoreOptions { flush: FlushMode::Sync { timeout: PATIENCE }, ..tiny(dir) };
    let store = open(&options);
    append(&store, "A", 0, b"x");
    cut(&segment(&options, 0), 0);
    let mut batch = store.new_batch();
    assert!(try_append(&store, &mut batch, "A", b"y").is_err());
    let (tell, told) = std::sync::mpsc::channel();
    let done = Box::new(move |outcome| tell.send(outcome).unwrap());
    store.when_flushed(store.max_log_offset(), Instant::now() + PATIENCE, done);
    assert!(matches!(told.recv().unwrap(), FlushOutcome::Failed(_)));
    store.abandon();
}

/// A consume queue: its readers are told, its appends fail, other queues are read.
fn consume_queue(dir: &Path) {
    let options = tiny(dir);
    let store = open(&options);
    let mut model = Model::default();
    model.fill(&store, 600);
    let max = store.max_offset("A", 0);
    let folder = options.consume_queue_dir().join("A/0");
    // Its first file is read only: 50 units of 20 bytes.
    cut(&folder.join(format!("{:020}", 0)), 0);
    assert_eq!(get(&store, 0, &MatchAll).0, GetStatus::Unreadable);
    assert_eq!(store.unit("A", 0, 0), None);
    assert_eq!(get(&store, 60, &MatchAll).0, GetStatus::Found);
    append(&store, "A", 0, b"on");
    let last = max as u64 / 50 * 1000;
    cut(&folder.join(format!("{last:020}")), 0);
    let mut batch = store.new_batch();
    until(|| try_append(&store, &mut batch, "A", b"x").is_err());
    assert!(store.is_writable().is_err());
    assert!(!bodies(&store, "B", 1).is_empty());
    assert!(store.shutdown().is_err());
    // What is left is recovered.
    std::fs::remove_dir_all(&folder).unwrap();
    let store = open(&options);
    assert!(store.max_offset("A", 0) > max);
    store.shutdown().unwrap();
}

/// The index: queries find what is left, and the stop is none that vouches for it.
fn index(dir: &Path) {
    let options = tiny(dir);
    let store = open(&options);
    append(&store, "A", 0, b"x");
    let found = || store.query("A", "k1", 10, 0, i64::MAX).slices.len();
    until(|| found() == 1);
    for path in common::files(&dir.join("index")) {
        cut(&path, 0);
    }
    assert_eq!(found(), 0);
    append(&store, "A", 0, b"y");
    assert!(store.shutdown().is_err());
}

/// A page that is lost while the log is recovered looks like the end of the log: nothing is cut, the start fails.
fn recovery(dir: &Path) {
    let options = tiny(dir);
    let store = open(&options);
    Model::default().fill(&store, 1000);
    store.abandon();
    drop(store);
    let before = dir.join("before");
    copy(&options.commit_log_dir(), &before);
    // Consume queues are read when the log is mapped already.
    let first = segment(&options, 0);
    let cutter = mount(options.consume_queue_dir(), Arc::new(CutsWhenRead(first.clone())));
    let error = Store::open(options.clone(), Arc::new(NoListener)).map(|_| ()).unwrap_err().to_string();
    drop(cutter);
    assert!(error.contains("00000000000000000000") && error.contains("lost"), "{error}");
    for path in common::files(&before) {
        let now = options.commit_log_dir().join(path.file_name().unwrap());
        assert!(now == first || std::fs::read(&now).unwrap() == std::fs::read(&path).unwrap(), "{}", now.display());
    }
}

/// Cuts a file when another one is read.
struct CutsWhenRead(PathBuf);

impl Faults for CutsWhenRead {
    fn before(&self, _: &Path, effect: Effect<'_>) -> Verdict {
        if matches!(effect, Effect::Read { .. }) {
            cut(&self.0, 0);
        }
        Verdict::Go
    }
}
