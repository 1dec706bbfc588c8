//! What many queues and a long log cost: nothing per queue that is not needed, at the start, at a flush, when the log gets shorter, in
//! open files. System calls are counted on a disk that looks on; times are not measured.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod common;

use common::{append, bodies, cleaned_on_request, disk_bytes, open, tiny, Model, SEGMENT};
use ferromq_store::faults::{mount, Effect, Faults, Verdict};
use ferromq_store::{GetRequest, GetStatus, MatchAll, Store, StoreOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

const PATIENCE: Duration = Duration::from_secs(60);

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// A disk that remembers what was done to it.
#[derive(Default)]
struct Watched(Mutex<Vec<(PathBuf, String)>>);

impl Faults for Watched {
    fn before(&self, path: &Path, effect: Effect<'_>) -> Verdict {
        self.0.lock().unwrap().push((path.to_path_buf(), format!("{effect:?}")));
        Verdict::Go
    }
}

impl Watched {
    /// Forgets everything.
    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// What was done to things below `dir`, as far as it begins with `effect`.
    fn of(&self, dir: &Path, effect: &str) -> Vec<(PathBuf, String)> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|(path, what)| path.starts_with(dir) && what.starts_with(effect)).cloned().collect()
    }
}

/// Queues of `topics` topics, two each, a few messages in each.
fn fill(model: &mut Model, store: &Store, topics: usize) {
    for i in 0..topics * 6 {
        model.append(store, &format!("t{:03}", i % topics), (i % 2) as i32, b"body");
    }
    for i in 0..topics * 6 {
        model.append(store, &format!("t{:03}", i % topics), (i % 2 + 1) as i32 % 2, b"body");
    }
}

/// Stops cleanly when everything was changed so long ago that every later change shows in the times of the files.
fn stop_later(store: Arc<Store>, options: &StoreOptions) {
    store.flush().unwrap();
    let newest = || {
        let topics = common::files(&options.consume_queue_dir());
        let queues: Vec<PathBuf> = topics.iter().flat_map(|topic| common::files(topic)).collect();
        let files: Vec<PathBuf> = queues.iter().flat_map(|queue| common::files(queue)).collect();
        files.iter().chain(&queues).map(|path| std::fs::metadata(path).unwrap().modified().unwrap()).max().unwrap()
    };
    until("the queues' files get old", || {
        SystemTime::now().duration_since(newest()).is_ok_and(|age| age > Duration::from_millis(40))
    });
    store.shutdown().unwrap();
}

/// After a clean stop the folders of topics are listed, and that is all: no folder of a queue is listed, no file of it opened. What
/// stands in the queues is what stood there, and goes on.
#[test]
fn a_clean_start_opens_no_queue() {
    let dir = tempfile::tempdir().unwrap();
    let options = tiny(dir.path());
    let (mut model, store) = (Model::default(), open(&options));
    fill(&mut model, &store, 60);
    // Of several files.
    (0..120).for_each(|_| _ = model.append(&store, "long", 0, b"body"));
    store.set_batch_topic("batches");
    append(&store, "batches", 0, b"body");
    stop_later(store, &options);
    let watched = Arc::new(Watched::default());
    let mounted = mount(dir.path(), watched.clone());
    let store = open(&options);
    let queues = options.consume_queue_dir();
    assert_eq!(watched.of(&queues, "List").len(), 1 + 61, "{:?}", watched.of(&queues, "List"));
    assert_eq!(watched.of(&queues, "Open"), []);
    assert_eq!(watched.of(&options.batch_consume_queue_dir(), "Open"), []);
    assert!(
        watched.of(&options.commit_log_dir(), "Open").len() <= 6,
        "{:?}",
        watched.of(&options.commit_log_dir(), "")
    );
    drop(mounted);
    model.check(&store);
    assert_eq!(bodies(&store, "batches", 0).len(), 1);
    (0..2).for_each(|i| fill(&mut model, &store, 30 * (i + 1)));
    model.append(&store, "long", 0, b"goes on");
    model.check(&store);
    store.shutdown().unwrap();
    model.check(&open(&options));
}

/// What is done to the folder of a queue.
type Change = (&'static str, fn(&Path));

/// A queue whose files were changed after a clean stop is looked into: what is gone or damaged is built again from the log.
#[test]
fn changed_queues_are_looked_into() {
    let changes: [Change; 4] = [
        ("a file is gone", |queue| std::fs::remove_file(&common::files(queue)[0]).unwrap()),
        ("the folder is gone", |queue| std::fs::remove_dir_all(queue).unwrap()),
        ("the file is empty", |queue| std::fs::write(&common::files(queue)[0], b"").unwrap()),
        ("units are zero", |queue| {
            let path = &common::files(queue)[0];
            let len = std::fs::metadata(path).unwrap().len();
            std::fs::write(path, vec![0; len as usize]).unwrap();
        }),
    ];
    for (what, change) in changes {
        let dir = tempfile::tempdir().unwrap();
        let options = tiny(dir.path());
        let (mut model, store) = (Model::default(), open(&options));
        fill(&mut model, &store, 3);
        stop_later(store, &options);
        change(&options.consume_queue_dir().join("t001/1"));
        let store = open(&options);
        model.check(&store);
        fill(&mut model, &store, 3);
        model.check(&store);
        println!("{what}: complete again");
    }
}

/// Lines of a file of this process that name something below `dir`.
#[cfg(target_os = "linux")]
fn maps(dir: &Path) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(dir.to_str().unwrap())).count()
}

#[cfg(target_os = "linux")]
fn handles(dir: &Path) -> usize {
    let links = common::files(Path::new("/proc/self/fd"));
    links.iter().filter(|link| std::fs::read_link(link).is_ok_and(|target| target.starts_with(dir))).count()
}

/// Maps and handles stay below the bound however many queues, segments and index files are written and read; slices of files that were
/// closed meanwhile stay what they were.
#[cfg(target_os = "linux")]
#[test]
fn maps_and_handles_are_bounded() {
    /// The end of the log, the segment behind it, lock and checkpoint.
    const ALWAYS: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { mapped_files_max: 12, segment_size: 8192, ..tiny(dir.path()) };
    let (mut model, store) = (Model::default(), open(&options));
    for round in 0..4 {
        fill(&mut model, &store, 40);
        assert!(maps(dir.path()) <= 12 + ALWAYS, "round {round}: {} maps", maps(dir.path()));
    }
    let get = |queue_id, offset| {
        let (topic, max_count, max_bytes, filter, blocking) = ("t007", 4, 1 << 20, &MatchAll, true);
        let result =
            store.get(&GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking }).unwrap();
        assert_eq!(result.status, GetStatus::Found);
        result.slices
    };
    let held: Vec<_> = (0..5).flat_map(|i| get(1, 4 * i)).collect();
    let copies: Vec<Vec<u8>> = held.iter().map(|slice| slice.to_vec()).collect();
    model.check(&store);
    for _ in 0..30 {
        assert!(!store.query("t003", "k1", 10, 0, i64::MAX).slices.is_empty());
    }
    store.flush().unwrap();
    let segments = store.stats().segments;
    assert!(segments > 12 + ALWAYS, "only {segments} segments");
    assert!(held.iter().zip(&copies).all(|(slice, copy)| slice == copy));
    drop(held);
    assert!(maps(dir.path()) <= 12 + ALWAYS, "{} maps", maps(dir.path()));
    assert!(handles(dir.path()) <= 12 + ALWAYS, "{} handles", handles(dir.path()));
    store.shutdown().unwrap();
    model.check(&open(&options));
}

/// A flush forces one file when one queue has a new unit, and the list of queues grows by that queue's line, not by all of them.
#[test]
fn a_flush_visits_what_is_dirty() {
    let dir = tempfile::tempdir().unwrap();
    let (interval, thorough) = (Duration::from_millis(5), Duration::from_millis(5));
    let options = StoreOptions { queue_flush_interval: interval, queue_flush_thorough: thorough, ..tiny(dir.path()) };
    let store = open(&options);
    fill(&mut Model::default(), &store, 100);
    let list = dir.path().join("ferromq-queues");
    let listed = || std::fs::read_to_string(&list).unwrap_or_default();
    // What gets dirty later is flushed later and listed later: then nothing of the filling is left to be done.
    append(&store, "last", 0, b"body");
    until("all queues are flushed and listed", || listed().contains("queue 0 1 last\n"));
    let watched = Arc::new(Watched::default());
    let before = listed().len();
    let mounted = mount(dir.path(), watched.clone());
    append(&store, "t042", 1, b"one more");
    until("the queue is listed", || listed().contains("queue 1 7 t042\n"));
    drop(mounted);
    let synced = watched.of(&options.consume_queue_dir(), "Sync");
    assert!(
        !synced.is_empty()
            && synced.iter().all(|(path, _)| path.starts_with(options.consume_queue_dir().join("t042/1")))
    );
    let written = watched.of(&list, "Write");
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(listed().len() - before < 200);
    store.shutdown().unwrap();
}

/// Between two flushes queues with pages full of units are written, once per page and without being forced; the stop forces them.
#[test]
fn full_pages_are_written_and_forced_later() {
    const PER_PAGE: usize = 4096 / 20;
    let dir = tempfile::tempdir().unwrap();
    let watched = Arc::new(Watched::default());
    let mounted = mount(dir.path(), watched.clone());
    let interval = Duration::from_millis(5);
    let options = StoreOptions {
        queue_flush_interval: interval,
        queue_flush_least_pages: 1,
        queue_flush_thorough: Duration::from_secs(3600),
        consume_queue_file_units: 1000,
        ..tiny(dir.path())
    };
    let store = open(&options);
    let queues = options.consume_queue_dir();
    append(&store, "few", 0, b"body");
    until("it is written", || !watched.of(&queues.join("few/0"), "WriteOut").is_empty());
    for _ in 0..=PER_PAGE {
        append(&store, "many", 0, b"body");
    }
    until("it is written", || !watched.of(&queues.join("many/0"), "WriteOut").is_empty());
    assert!(watched.of(&queues, "Sync {").is_empty(), "nothing is forced yet");
    assert_eq!(watched.of(&queues.join("few/0"), "WriteOut").len(), 1, "nothing new came to it");
    store.shutdown().unwrap();
    assert!(!watched.of(&queues.join("few/0"), "Sync {").is_empty());
    assert!(!watched.of(&queues.join("many/0"), "Sync {").is_empty());
    drop(mounted);
}

/// When a segment goes, queues without records in it are not looked into.
#[test]
fn cleaning_leaves_other_queues_alone() {
    let dir = tempfile::tempdir().unwrap();
    let retention = cleaned_on_request(Duration::from_millis(5));
    let options = StoreOptions { cleaning: true, retention, ..tiny(dir.path()) };
    let store = open(&options);
    while store.max_log_offset() < 3 * SEGMENT as i64 / 2 {
        append(&store, "old", 0, &[b'x'; 1000]);
    }
    fill(&mut Model::default(), &store, 50);
    let watched = Arc::new(Watched::default());
    let mounted = mount(options.consume_queue_dir(), watched.clone());
    watched.clear();
    assert!(store.clean_log());
    until("the old queue follows", || store.min_offset("old", 0) > 0);
    // The old queue may be the first of all that are asked.
    assert!(store.clean_log());
    until("the log is as short as it gets", || store.stats().segments == 1 || store.min_log_offset() > 0);
    drop(mounted);
    let min = store.min_log_offset();
    let untouched = |topic: &str| store.unit(topic, 0, 0).is_some_and(|unit| unit.physical >= min);
    let touched = watched.of(&options.consume_queue_dir(), "Open");
    for i in 0..50 {
        let topic = format!("t{i:03}");
        let queue = options.consume_queue_dir().join(&topic).join("0");
        assert!(
            !untouched(&topic) || touched.iter().all(|(path, _)| !path.starts_with(&queue)),
            "{topic}: {touched:?}"
        );
    }
    assert!((0..50).any(|i| untouched(&format!("t{i:03}"))));
    store.shutdown().unwrap();
}

/// 10,000 topics with one small message each take the blocks of what is in them, and not a consume queue file of 6 MB: while they are
/// written to, after a clean stop, and when they are open again.
#[cfg(unix)]
#[test]
fn topics_cost_what_they_contain() {
    const TOPICS: usize = 10_000;
    /// A page of the consume queue, a block each of the folders of topic and queue; log, index and list of queues take the rest of a
    /// fourth one.
    const TOPIC_BYTES_MAX: u64 = 4 * 4096;
    // In memory if there is such a place: a disk has to be asked 30,000 times to make files and folders, and 10,000 times to keep them.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let options = StoreOptions { consume_queue_file_units: 300_000, segment_size: 1 << 20, ..tiny(dir.path()) };
    let cheap = |when: &str| {
        let bytes = disk_bytes(dir.path());
        println!("{when}: {} bytes a topic", bytes / TOPICS as u64);
        assert!(bytes <= TOPICS as u64 * TOPIC_BYTES_MAX, "{when}: {bytes}");
    };
    let store = open(&options);
    let mut batch = store.new_batch();
    let names: Vec<String> = (0..TOPICS).map(|topic| format!("topic-of-usual-length-{topic:05}")).collect();
    for names in names.chunks(100) {
        batch.clear();
        names.iter().for_each(|name| batch.push(&common::message(name, 0, b"one")).unwrap());
        store.append(&mut batch).unwrap();
    }
    cheap("written");
    store.shutdown().unwrap();
    drop(store);
    cheap("stopped");
    let store = open(&options);
    assert_eq!(store.topics().len(), TOPICS);
    assert_eq!(bodies(&store, &names[TOPICS / 2], 0), [(0, b"one".to_vec())]);
    cheap("open again");
    store.shutdown().unwrap();
}
