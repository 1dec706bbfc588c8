//! What the tests of the store share: a small store, messages, a listener that remembers, and reading everything back.
#![allow(dead_code)] // each test file uses its part
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferromq_protocol::record::{self, Message};
use ferromq_store::{
    AppendBatch, ArrivalListener, Arrivals, DeleteHours, GetRequest, GetStatus, IndexOptions, MatchAll, NoListener,
    RecordResult, RetentionOptions, Store, StoreOptions,
};

/// Bytes of a segment: a few hundred records.
pub const SEGMENT: u64 = 64 * 1024;
/// Units of a consume queue file.
pub const UNITS: usize = 50;

/// Files so small that everything rolls often.
pub fn tiny(root: &Path) -> StoreOptions {
    let mut options = StoreOptions::small(root);
    options.segment_size = SEGMENT;
    options.consume_queue_file_units = UNITS;
    options.index = IndexOptions { hash_slots: 50, entries: 500, ..IndexOptions::default() };
    options
}

/// Segments of any age go when somebody asks for it, and only then; the store looks `every` so often.
pub fn cleaned_on_request(every: Duration) -> RetentionOptions {
    RetentionOptions {
        reserved_hours: 0,
        delete_when: DeleteHours::parse("").unwrap(),
        disk_max_used_percent: 95,
        clean_forcibly: false,
        interval: every,
        first_after: every,
        ..RetentionOptions::default()
    }
}

/// Opens a store that nobody listens to.
pub fn open(options: &StoreOptions) -> Arc<Store> {
    Store::open(options.clone(), Arc::new(NoListener)).unwrap()
}

/// A plain message.
pub fn message<'a>(topic: &'a str, queue_id: i32, body: &'a [u8]) -> Message<'a> {
    let host = "127.0.0.1:10911".parse().unwrap();
    Message {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 0,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: "KEYS\u{1}k1 k2\u{2}TAGS\u{1}tag\u{2}",
        queue_offset: 0,
        physical_offset: 0,
    }
}

/// Appends one message.
pub fn append(store: &Store, topic: &str, queue_id: i32, body: &[u8]) -> RecordResult {
    let mut batch = store.new_batch();
    batch.push(&message(topic, queue_id, body)).unwrap();
    store.append(&mut batch).unwrap();
    batch.results()[0]
}

/// Appends one message; what went wrong as text.
pub fn try_append(store: &Store, batch: &mut AppendBatch, topic: &str, body: &[u8]) -> Result<RecordResult, String> {
    batch.clear();
    batch.push(&message(topic, 0, body)).unwrap();
    store.append(batch).map_err(|error| error.to_string())?;
    Ok(batch.results()[0])
}

/// Bodies of a queue by offset, read with `get` from the smallest offset to the end; every record is checked.
pub fn bodies(store: &Store, topic: &str, queue_id: i32) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut offset = store.min_offset(topic, queue_id);
    loop {
        let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, true);
        let result =
            store.get(&GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking }).unwrap();
        let before = found.len();
        for slice in &result.slices {
            for view in record::iter(slice) {
                let bytes = view.unwrap();
                let view = record::parse(bytes.as_bytes(), true).unwrap();
                assert_eq!((view.topic(), view.queue_id()), (topic, queue_id));
                assert_eq!(store.record_at(view.physical_offset()).unwrap().unwrap(), view.as_bytes());
                found.push((view.queue_offset(), view.body().to_vec()));
            }
        }
        assert_eq!(found.len() - before, result.count, "{topic}/{queue_id} at {offset}: {:?}", result.status);
        match result.status {
            GetStatus::Found | GetStatus::NoMatchedMessage | GetStatus::OffsetFoundNull => {
                assert!(result.next_offset > offset);
                offset = result.next_offset;
            }
            GetStatus::OffsetOverflowOne | GetStatus::NoMessageInQueue | GetStatus::NoMatchedLogicQueue => {
                return found
            }
            other => panic!("{topic}/{queue_id} at {offset}: {other:?}"),
        }
    }
}

/// What was appended, by queue: the model every store is compared with.
#[derive(Default, Clone)]
pub struct Model(pub BTreeMap<(String, i32), Vec<Vec<u8>>>);

impl Model {
    /// Appends to store and model; the offset must be the next one.
    pub fn append(&mut self, store: &Store, topic: &str, queue_id: i32, body: &[u8]) -> RecordResult {
        let result = append(store, topic, queue_id, body);
        let queue = self.0.entry((topic.to_owned(), queue_id)).or_default();
        assert_eq!(result.queue_offset, queue.len() as i64, "{topic}/{queue_id}: no gap, no double");
        queue.push(body.to_vec());
        result
    }

    /// The store has exactly what was appended.
    pub fn check(&self, store: &Store) {
        for ((topic, queue_id), wanted) in &self.0 {
            let found = bodies(store, topic, *queue_id);
            let wanted: Vec<_> = (0..).zip(wanted.iter().cloned()).collect();
            assert_eq!(found.len(), wanted.len(), "{topic}/{queue_id}");
            assert!(found == wanted, "{topic}/{queue_id}: other bodies");
        }
    }

    /// Fills a few queues of two topics over several segments; bodies differ in length.
    pub fn fill(&mut self, store: &Store, records: usize) {
        for i in 0..records {
            let body = format!("{i}-").repeat(1 + i * 7 % 40);
            self.append(store, ["A", "B"][i % 2], (i % 3) as i32, body.as_bytes());
        }
    }
}

/// Remembers every arrival.
#[derive(Default)]
pub struct Recorder(pub Mutex<BTreeMap<(String, i32), Vec<i64>>>);

impl ArrivalListener for Recorder {
    fn arrived(&self, arrivals: Arrivals<'_>) {
        let mut heard = self.0.lock().unwrap();
        for arrival in arrivals.iter() {
            heard.entry((arrival.topic.to_owned(), arrival.queue_id)).or_default().push(arrival.queue_offset);
        }
    }
}

/// Waits for something that other threads bring about; half a minute at most.
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Whether a file is one of the commit log.
pub fn is_of_log(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.ends_with("commitlog"))
}

/// Files of a folder in the order of their names.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What a folder and everything in it take on the disk: blocks, not lengths.
#[cfg(unix)]
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = std::fs::metadata(dir).unwrap().blocks() * 512;
    for path in files(dir) {
        let meta = std::fs::metadata(&path).unwrap();
        bytes += if meta.is_dir() { disk_bytes(&path) } else { meta.blocks() * 512 };
    }
    bytes
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Hears error lines of the calling thread.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<String>>>);

impl tracing::field::Visit for Ear {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push(format!("{}={value:?}", field.name()));
    }
}

impl tracing::Subscriber for Ear {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Ear::default();
        event.record(&mut fields);
        let line = fields.0.lock().unwrap().join(" ");
        self.0.lock().unwrap().push(line);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Runs `run` and returns what it gives and the error lines that this thread said meanwhile.
pub fn hear<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let ear = Ear::default();
    let result = tracing::subscriber::with_default(ear.clone(), run);
    let lines = ear.0.lock().unwrap().clone();
    (result, lines)
}
