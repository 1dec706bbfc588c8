//! Reading a queue from front to end, with every byte summed.
use crate::measure::{running, Scale};
use crate::records::{fill, message, open, options, queues, BATCH, BODY, TOPIC};
use crate::row::Row;
use ferromq_store::{GetRequest, GetStatus, MatchAll, Store, StoreOptions};
use std::hint::black_box;
use std::sync::Arc;

/// Bodies of one size, and how many: their bytes are more than the caches hold.
pub struct Case {
    name: &'static str,
    body: &'static [u8],
    records: usize,
}

/// 128-byte bodies: 32 messages are 10 KB.
pub const SMALL: Case =
    Case { name: "sequential reads, every byte summed, 128-byte bodies", body: BODY, records: 500_000 };
/// 1 KiB bodies: 32 messages are 40 KB.
pub const LARGE: Case =
    Case { name: "sequential reads, every byte summed, 1 KiB bodies", body: &[b'x'; 1024], records: 150_000 };
/// Pairs of passes.
const PAIRS: usize = 9;

/// Reads as a consumer does, 32 messages at a time, against summing the same map from front to end.
pub fn sequential(scale: Scale, case: &Case) -> Row {
    let dir = tempfile::tempdir().unwrap();
    let store = open(StoreOptions { index_enabled: false, ..options(dir.path()) });
    let mut batch = store.new_batch();
    for _ in 0..scale.of(case.records).div_ceil(BATCH) {
        fill(&mut batch, &queues(&store)[0], &message(0, case.body));
        store.append(&mut batch).unwrap();
    }
    let per_byte = |nanos: f64| nanos / (store.max_log_offset() as f64 / 1024.0);
    let mut costs = Vec::new();
    for _ in 0..scale.pairs(PAIRS) {
        let ours = running(|| assert!(read_queue(&store) >= scale.of(case.records)));
        costs.push((per_byte(ours), per_byte(running(|| read_map(&store)))));
    }
    store.abandon();
    Row::of_costs(case.name, "ns per KiB", &costs, 0.6)
}

fn read_map(store: &Arc<Store>) {
    let (mut cursor, mut sum) = (store.cursor(0), 0);
    while let Some(bytes) = cursor.read(1 << 20).unwrap() {
        sum ^= crc32fast::hash(&bytes);
    }
    black_box(sum);
}

fn read_queue(store: &Store) -> usize {
    let (mut offset, mut sum, mut count) = (0, 0, 0);
    let (topic, queue_id, max_count, max_bytes, filter, blocking) = (TOPIC, 0, 32, 1 << 20, &MatchAll, false);
    loop {
        let request = GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking };
        let result = store.get(&request).unwrap();
        if result.status != GetStatus::Found {
            break;
        }
        result.slices.iter().for_each(|slice| sum ^= crc32fast::hash(slice));
        offset = result.next_offset;
        count += result.count;
    }
    black_box(sum);
    count
}
