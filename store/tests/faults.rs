//! Disks that fail: a flush that failed is final, group commit under a disk that takes its time, reads that fail, any effect
//! failing at any time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, cleaned_on_request, files, is_of_log, message, open, tiny, Model};
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use ferromq_store::{
    AppendError, FlushMode, FlushOutcome, GetRequest, GetStatus, MatchAll, NoListener, NotWritable, ReadLimits,
    RetentionOptions, Store, StoreOptions,
};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Faults made of a function.
struct By<F>(F);

impl<F: Fn(&Path, Effect<'_>) -> Verdict + Send + Sync> Faults for By<F> {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        self.0(path, effect)
    }
}

fn eio() -> Verdict {
    Verdict::Fail(io::Error::from_raw_os_error(5))
}

fn is_log_flush(path: &Path, effect: Effect<'_>) -> bool {
    // A new segment is forced as a whole, a flush forces a range.
    is_of_log(path) && matches!(effect, Effect::Sync { to, .. } if to != u64::MAX)
}

fn sync(root: &Path) -> StoreOptions {
    StoreOptions { flush: FlushMode::Sync { timeout: PATIENCE }, ..tiny(root) }
}

fn wait_for(store: &Store, end: i64) -> Receiver<FlushOutcome> {
    let (tell, told) = channel();
    let done = move |outcome| {
        let _ = tell.send(outcome);
    };
    store.when_flushed(end, Instant::now() + PATIENCE, Box::new(done));
    told
}

fn end_of(result: ferromq_store::RecordResult) -> i64 {
    result.physical_offset + i64::from(result.size)
}

/// A disk whose flushes of the log wait until they are let go, one at a time.
#[derive(Default)]
struct Gate {
    state: Mutex<(usize, usize)>,
    changed: Condvar,
    closed: AtomicBool,
}

impl Gate {
    /// Waits until flush number `count` has come.
    fn wait_for(&self, count: usize) {
        let (mut state, deadline) = (self.state.lock(), Instant::now() + PATIENCE);
        while state.0 < count {
            let late = self.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!late || state.0 >= count, "no flush number {count} came");
        }
    }

    /// Lets the flushes up to number `count` go.
    fn let_go(&self, count: usize) {
        self.state.lock().1 = count;
        self.changed.notify_all();
    }
}

impl Faults for Gate {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        if is_log_flush(path, effect) && self.closed.load(Ordering::Relaxed) {
            let mut state = self.state.lock();
            state.0 += 1;
            self.changed.notify_all();
            let mine = state.0;
            while state.1 < mine {
                self.changed.wait(&mut state);
            }
        }
        Verdict::Go
    }
}

/// Opens the gate when a test ends, however it does: the store, which waits for its flush, is to be dropped after this.
struct OpenedAtTheEnd(Arc<Gate>);

impl Drop for OpenedAtTheEnd {
    fn drop(&mut self) {
        self.0.let_go(usize::MAX);
    }
}

/// Whoever comes before a flush begins waits for that one, whoever comes while one is under way for the next, and for no third;
/// nothing is seen before its flush is done.
#[test]
fn a_waiter_waits_for_one_flush_or_two() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let _mounted = mount(dir.path(), gate.clone());
    let store = open(&sync(dir.path()));
    let _opened = OpenedAtTheEnd(gate.clone());
    gate.closed.store(true, Ordering::Relaxed);
    let first = append(&store, "T", 0, b"first");
    let first = (first, wait_for(&store, end_of(first)));
    gate.wait_for(1);
    let others: Vec<_> = (0..100)
        .map(|i| {
            let result = append(&store, "T", i % 3, b"while the flush is under way");
            (result, wait_for(&store, end_of(result)))
        })
        .collect();
    assert!(first.1.try_recv().is_err(), "nobody is told before the disk has it");
    assert_eq!(store.max_offset("T", 0), 0, "nothing is seen before the disk has it");
    assert!(store.record_at(first.0.physical_offset).unwrap().is_none());
    gate.let_go(1);
    assert_eq!(first.1.recv_timeout(PATIENCE).unwrap(), FlushOutcome::Flushed);
    gate.wait_for(2);
    assert!(others.iter().all(|(_, told)| told.try_recv().is_err()));
    assert_eq!(store.max_offset("T", 1), 0);
    gate.let_go(2);
    for (_, told) in &others {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), FlushOutcome::Flushed);
    }
    assert_eq!(gate.state.lock().0, 2, "two flushes for all");
    gate.let_go(usize::MAX);
    store.shutdown().unwrap();
}

/// A flush that fails ends all writing, whoever asks: nobody flushes again, waiters and senders are told, what was not flushed is
/// never seen, the rest is read as before. The next start takes records again.
#[test]
fn a_failed_flush_is_final() {
    for synchronous in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (broken, flushes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let faults = {
            let (broken, flushes) = (broken.clone(), flushes.clone());
            By(move |path: &Path, effect: Effect<'_>| {
                if is_log_flush(path, effect) && broken.load(Ordering::Relaxed) {
                    // Once: who tried again would succeed.
                    if flushes.fetch_add(1, Ordering::Relaxed) == 0 {
                        return eio();
                    }
                }
                Verdict::Go
            })
        };
        let _mounted = mount(dir.path(), Arc::new(faults));
        let mut options = if synchronous { sync(dir.path()) } else { tiny(dir.path()) };
        if let FlushMode::Async { interval, least_pages, .. } = &mut options.flush {
            (*interval, *least_pages) = (Duration::from_millis(1), 0);
        }
        let store = open(&options);
        let mut model = Model::default();
        model.append(&store, "T", 0, b"kept");
        store.flush().unwrap();
        broken.store(true, Ordering::Relaxed);
        let lost = append(&store, "T", 0, b"nobody knows");
        let told = wait_for(&store, end_of(lost)).recv_timeout(PATIENCE).unwrap();
        let failed = |outcome: &FlushOutcome| matches!(outcome, FlushOutcome::Failed(NotWritable::FlushFailed { .. }));
        assert!(failed(&told) || (!synchronous && told == FlushOutcome::Flushed));
        let deadline = Instant::now() + PATIENCE;
        while store.is_writable().is_ok() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        let why = store.is_writable().unwrap_err();
        let text = why.to_string();
        assert!(text.contains("commitlog/00000000000000000000") && text.contains("restarted"), "{text}");
        let mut batch = store.new_batch();
        batch.push(&message("T", 0, b"refused")).unwrap();
        assert_eq!(store.append(&mut batch), Err(AppendError::NotWritable(why.clone())));
        assert_eq!(store.flush(), Err(why), "nobody flushes again");
        if synchronous {
            assert!(failed(&wait_for(&store, end_of(lost)).recv_timeout(PATIENCE).unwrap()));
            model.check(&store);
            assert!(store.record_at(lost.physical_offset).unwrap().is_none());
        }
        assert_eq!(bodies(&store, "T", 0)[0].1, b"kept");
        assert!(store.shutdown().is_err(), "no clean stop");
        assert_eq!(flushes.load(Ordering::Relaxed), 1, "the stop does not try again");
        assert!(dir.path().join("abort").exists());
        drop(store);
        let store = open(&options);
        // It was in the page cache, and that still is.
        assert_eq!(bodies(&store, "T", 0).len(), 2);
        append(&store, "T", 0, b"goes on");
        store.shutdown().unwrap();
    }
}

/// A consume queue that cannot be forced to the disk stops the writing as well, and the checkpoint vouches for nothing after.
#[test]
fn a_failed_flush_of_a_queue_is_final() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&StoreOptions { queue_flush_interval: Duration::from_secs(3600), ..tiny(dir.path()) });
    append(&store, "T", 0, b"one");
    store.flush().unwrap();
    let before = std::fs::read(dir.path().join("checkpoint")).unwrap();
    append(&store, "T", 0, b"two");
    let is_queue = |path: &Path| path.components().any(|part| part.as_os_str() == "consumequeue");
    let faults = By(move |path: &Path, effect: Effect<'_>| match effect {
        Effect::Sync { .. } if is_queue(path) => eio(),
        _ => Verdict::Go,
    });
    let mounted = mount(dir.path(), Arc::new(faults));
    assert!(matches!(store.flush(), Err(NotWritable::FlushFailed { .. })));
    drop(mounted);
    assert!(store.flush().is_err() && store.shutdown().is_err());
    assert_eq!(std::fs::read(dir.path().join("checkpoint")).unwrap()[8..16], before[8..16]);
    drop(store);
    assert_eq!(bodies(&open(&tiny(dir.path())), "T", 0).len(), 2);
}

/// A disk error while old messages are read is an error: the reader stays where it is and gets them when the disk is well again. Short
/// reads are read on.
#[test]
fn reads_that_fail_pass_nothing_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = tiny(dir.path());
    options.read = ReadLimits { mapped_bytes: 0, ..ReadLimits::default() };
    let store = open(&options);
    let mut model = Model::default();
    model.fill(&store, 300);
    store.shutdown().unwrap();
    drop(store);
    let store = open(&options);
    let request = |offset| {
        let (topic, queue_id, max_count, max_bytes, filter) = ("A", 0, 32, 1 << 20, &MatchAll);
        GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking: true }
    };
    for part in ["consumequeue", "commitlog"] {
        let faults = By(move |path: &Path, effect: Effect<'_>| match effect {
            Effect::Read { .. } | Effect::Open if path.components().any(|p| p.as_os_str() == part) => eio(),
            _ => Verdict::Go,
        });
        let mounted = mount(dir.path(), Arc::new(faults));
        let result = store.get(&request(3)).unwrap();
        assert_eq!((result.status, result.next_offset, result.count), (GetStatus::Unreadable, 3, 0), "{part}");
        drop(mounted);
        assert_eq!(store.get(&request(3)).unwrap().status, GetStatus::Found);
    }
    let faults = By(|_: &Path, effect: Effect<'_>| match effect {
        Effect::Read { len, .. } => Verdict::Short(1 + len / 3),
        _ => Verdict::Go,
    });
    let _mounted = mount(dir.path(), Arc::new(faults));
    model.check(&store);
    store.shutdown().unwrap();
}

/// Whatever effect fails, once, while a directory is opened, written to and closed: the failure is an answer that names a file, and
/// the next start has everything that was taken.
#[test]
fn any_effect_may_fail_once() {
    for clean in [true, false] {
        let mut fail_at = 1;
        loop {
            let dir = tempfile::tempdir().unwrap();
            let options = StoreOptions { queue_flush_interval: Duration::from_secs(3600), ..sync(dir.path()) };
            let mut model = Model::default();
            let store = open(&options);
            model.fill(&store, 60);
            if clean {
                store.shutdown().unwrap();
            }
            drop(store);
            let count = Arc::new(AtomicUsize::new(0));
            let counted = count.clone();
            let faults = By(move |_: &Path, _: Effect<'_>| match counted.fetch_add(1, Ordering::Relaxed) + 1 {
                number if number == fail_at => eio(),
                _ => Verdict::Go,
            });
            let mounted = mount(dir.path(), Arc::new(faults));
            match Store::open(options.clone(), Arc::new(NoListener)) {
                Ok(store) => {
                    let mut batch = store.new_batch();
                    batch.push(&message("A", 0, b"may be taken")).unwrap();
                    if store.append(&mut batch).is_ok() {
                        model.0.get_mut(&("A".to_owned(), 0)).unwrap().push(b"may be taken".to_vec());
                    }
                    let _ = store.flush();
                    let _ = store.shutdown();
                    store.abandon();
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(dir.path().to_str().unwrap()) && text.contains("os error 5"), "{text}");
                }
            }
            drop(mounted);
            let store = open(&options);
            model.check(&store);
            store.shutdown().unwrap();
            if count.load(Ordering::Relaxed) < fail_at {
                break;
            }
            fail_at += 1;
        }
        assert!(fail_at > 20, "{fail_at}");
    }
}

/// A directory that has become read-only refuses the start with the name of the file, and appends when the log needs a new one;
/// reads go on.
#[test]
fn a_read_only_directory_is_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let store = open(&options);
    let mut model = Model::default();
    model.fill(&store, 100);
    let read_only = || {
        By(|_: &Path, effect: Effect<'_>| match effect {
            Effect::Open | Effect::List | Effect::Read { .. } => Verdict::Go,
            _ => Verdict::Fail(io::Error::from_raw_os_error(30)),
        })
    };
    let mounted = mount(dir.path(), Arc::new(read_only()));
    let mut batch = store.new_batch();
    let error = loop {
        match common::try_append(&store, &mut batch, "A", &[b'x'; 500]) {
            Ok(_) => model.0.get_mut(&("A".to_owned(), 0)).unwrap().push(vec![b'x'; 500]),
            Err(error) => break error,
        }
    };
    assert!(error.contains(dir.path().to_str().unwrap()) || error.contains("consume queue"), "{error}");
    assert!(error.contains("os error 30"), "{error}");
    assert!(!bodies(&store, "B", 1).is_empty());
    store.abandon();
    drop(store);
    let error = Store::open(options.clone(), Arc::new(NoListener)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(dir.path().to_str().unwrap()) && error.contains("os error 30"), "{error}");
    drop(mounted);
    let store = open(&options);
    model.check(&store);
    store.shutdown().unwrap();
}

/// Appends that find no segment share one attempt: a full disk is asked now and then and not by each of them.
#[test]
fn a_full_disk_is_not_asked_by_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&tiny(dir.path()));
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    let faults = By(move |path: &Path, effect: Effect<'_>| match effect {
        Effect::Create if is_of_log(path) => {
            counted.fetch_add(1, Ordering::Relaxed);
            Verdict::Fail(io::Error::from_raw_os_error(28))
        }
        _ => Verdict::Go,
    });
    let mounted = mount(dir.path(), Arc::new(faults));
    let mut batch = store.new_batch();
    let (mut refusals, started) = (0, Instant::now());
    while refusals < 2000 {
        refusals += usize::from(common::try_append(&store, &mut batch, "A", &[b'x'; 3000]).is_err());
    }
    // One by the thread that works ahead, and one in each pause of 200 ms.
    let most = 3 + started.elapsed().as_millis() as usize / 200;
    assert!(attempts.load(Ordering::Relaxed) <= most, "{attempts:?} attempts for {refusals} refusals");
    drop(mounted);
    let deadline = Instant::now() + PATIENCE;
    while common::try_append(&store, &mut batch, "A", b"there is space again").is_err() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    store.shutdown().unwrap();
}

/// A log segment or a file of a consume queue that cannot be removed stays the oldest one and goes later: there is never a hole, which
/// would keep the next start from opening.
#[test]
fn what_cannot_be_removed_goes_later() {
    let dir = tempfile::tempdir().unwrap();
    let retention = RetentionOptions {
        segment_pause: Duration::ZERO,
        queue_file_pause: Duration::ZERO,
        ..cleaned_on_request(Duration::from_millis(1))
    };
    let options = StoreOptions { cleaning: true, retention, ..tiny(dir.path()) };
    let store = open(&options);
    let mut model = Model::default();
    model.fill(&store, 2000);
    let holes = |folder: &Path| {
        let bases = files(folder).into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().parse::<u64>());
        let bases: Vec<u64> = bases.map(Result::unwrap).collect();
        bases.windows(3).any(|bases| bases[1] - bases[0] != bases[2] - bases[1])
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    // Two of three removals fail, and as many calls that make them last, in no order that repeats.
    let hit = move || counted.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b1) >> 7;
    let faults = By(move |_: &Path, effect: Effect<'_>| match effect {
        Effect::Remove | Effect::SyncDir if hit() % 3 != 0 => eio(),
        _ => Verdict::Go,
    });
    let mounted = mount(dir.path(), Arc::new(faults));
    let last = store.max_log_offset() / common::SEGMENT as i64 * common::SEGMENT as i64;
    let deadline = Instant::now() + PATIENCE;
    let queue = options.consume_queue_dir().join("A/0");
    while store.min_log_offset() < last || store.min_offset("A", 0) == 0 {
        store.clean_log();
        assert!(!holes(&options.commit_log_dir()) && !holes(&queue));
        assert!(Instant::now() < deadline, "{} of {last}", store.min_log_offset());
    }
    assert!(asked.load(Ordering::Relaxed) > 6);
    drop(mounted);
    let max = store.max_offset("A", 0);
    store.abandon();
    drop(store);
    let store = open(&StoreOptions { cleaning: false, ..options });
    assert_eq!((store.max_offset("A", 0), store.min_log_offset()), (max, last));
    store.shutdown().unwrap();
}

/// Nothing reaches a file but through the layer that these tests make fail.
#[test]
fn every_file_effect_passes_one_place() {
    // Files of the operating system are named in two places only, and asked for their times and lengths.
    let allowed = ["disk.rs", "platform.rs"];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for path in files(&folder) {
            if path.is_dir() {
                // The tool looks at directories that nobody has open, and only repairs through the store.
                folders.extend((!path.ends_with("tool")).then_some(path));
                continue;
            }
            if allowed.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for line in code.lines().filter(|line| line.contains("std::fs::") || line.contains("OpenOptions")) {
                assert!(line.contains("std::fs::metadata"), "{}: {line}", path.display());
            }
        }
    }
}
