//! What is written and where: messages like those of a Java producer, and stores that leave the disk alone.
use ferromq_protocol::record::{self, Message};
use ferromq_store::{AppendBatch, FlushMode, NoListener, QueueHandle, Store, StoreOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a body.
pub const BODY: &[u8] = &[b'x'; 128];
/// Records in a batch.
pub const BATCH: usize = 64;
/// Queues that are written to in turn.
pub const QUEUES: usize = 8;
/// The topic, where there is one.
pub const TOPIC: &str = "benchmark-topic";
const PROPERTIES: &str = "UNIQ_KEY\u{1}7F0000010001511B18AC7F0000010000\u{2}WAIT\u{1}true\u{2}TAGS\u{1}late\u{2}CLUSTER\u{1}DefaultCluster\u{2}";

/// A message for a queue of [`TOPIC`].
pub fn message(queue_id: usize, body: &[u8]) -> Message<'_> {
    let host = SocketAddr::from(([127, 0, 0, 1], 10911));
    Message {
        topic: TOPIC,
        queue_id: queue_id as i32,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: host,
        store_timestamp: 0,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: PROPERTIES,
        queue_offset: 0,
        physical_offset: 0,
    }
}

/// Bytes of the record of [`message`] with [`BODY`].
pub fn record_len() -> usize {
    record::encoded_len(&message(0, BODY))
}

/// Never, for anything that a benchmark waits for.
const NEVER: Duration = Duration::from_secs(3600);

/// Options of a store that flushes nothing by itself: the disk is not what is measured.
pub fn options(dir: &Path) -> StoreOptions {
    let flush = FlushMode::Async { interval: NEVER, least_pages: u32::MAX, thorough: NEVER };
    StoreOptions { cleaning: false, flush, queue_flush_interval: NEVER, ..StoreOptions::new(dir) }
}

/// Opens a store and makes its first queues, with files and pages.
pub fn open(options: StoreOptions) -> Arc<Store> {
    let store = Store::open(options, Arc::new(NoListener)).unwrap();
    let mut batch = store.new_batch();
    (0..QUEUES).for_each(|queue| batch.push(&message(queue, BODY)).unwrap());
    store.append(&mut batch).unwrap();
    store
}

/// Handles of its queues, by which a broker's sends find them.
pub fn queues(store: &Store) -> Vec<QueueHandle> {
    (0..QUEUES).map(|queue| store.queue(TOPIC, queue as i32).unwrap()).collect()
}

/// Fills `batch` with 64 times the same message.
pub fn fill(batch: &mut AppendBatch, queue: &QueueHandle, message: &Message<'_>) {
    batch.clear();
    (0..BATCH).for_each(|_| batch.push_to(queue, message).unwrap());
}

/// Appends so many records in batches, each of which goes to one queue.
pub fn append(store: &Store, batch: &mut AppendBatch, records: usize, sys_flag: i32) {
    let queues = queues(store);
    for round in 0..records.div_ceil(BATCH) {
        fill(batch, &queues[round % QUEUES], &Message { sys_flag, ..message(round % QUEUES, BODY) });
        store.append(batch).unwrap();
    }
}
