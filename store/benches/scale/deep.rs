//! One queue with ten million waiting messages: reading at its front and in its middle against reading at its end. Time for which the
//! processor was with other programs does not count.
use crate::measure::Scale;
use crate::records::{message, options, TOPIC};
use crate::row::Row;
use crate::system::{anonymous_bytes, own_seconds};
use ferromq_store::{GetRequest, GetStatus, MatchAll, NoListener, Store, StoreOptions};
use std::sync::Arc;

/// Messages that wait.
const MESSAGES: usize = 10_000_000;
/// Messages read at one place at a time.
const SLICE: usize = 500_000;
const PAIRS: usize = 9;
/// Messages of a batch.
const BATCH: usize = 50;
/// As fast as at the end, but for what cannot be told apart.
const WANTED: f64 = 0.9;

/// Two rows: the front and the middle.
pub fn everywhere(scale: Scale) -> Vec<Row> {
    let dir = tempfile::tempdir().unwrap();
    let store =
        Store::open(StoreOptions { index_enabled: false, ..options(dir.path()) }, Arc::new(NoListener)).unwrap();
    let (messages, slice) = (scale.of(MESSAGES / BATCH / 10) * BATCH * 10, scale.of(SLICE));
    let mut batch = store.new_batch();
    let mut append = |count: usize| {
        for _ in 0..count / BATCH {
            batch.clear();
            (0..BATCH).for_each(|_| batch.push(&message(0, &[b'x'; 32])).unwrap());
            store.append(&mut batch).unwrap();
        }
    };
    append(messages / 10);
    let before = anonymous_bytes();
    append(messages - messages / 10);
    let (middle, end) = (messages / 2, messages - slice);
    let (mut fronts, mut middles) = (Vec::new(), Vec::new());
    for _ in 0..scale.pairs(PAIRS) {
        let rate = |from: usize| slice as f64 / own_seconds(|| read(&store, from, slice)) / 1e6;
        let (at_front, in_middle, at_end) = (rate(0), rate(middle), rate(end));
        fronts.push((at_front, at_end));
        middles.push((in_middle, at_end));
    }
    let grown = anonymous_bytes().saturating_sub(before) as f64 / 1e6;
    store.abandon();
    let memory = format!("{messages} messages; {grown:.1} MB more memory than with a tenth of them");
    vec![
        Row::of_rates("a deep queue read at its front, against its end", "million/s", &fronts, WANTED).note(memory),
        Row::of_rates("a deep queue read in its middle, against its end", "million/s", &middles, WANTED),
    ]
}

fn read(store: &Store, from: usize, count: usize) {
    let (mut offset, end) = (from as i64, (from + count) as i64);
    while offset < end {
        let (topic, max_count, max_bytes, filter) = (TOPIC, 32, 1 << 20, &MatchAll);
        let request = GetRequest { topic, queue_id: 0, offset, max_count, max_bytes, filter, blocking: false };
        let result = store.get(&request).or_else(|_| store.get(&GetRequest { blocking: true, ..request })).unwrap();
        assert_eq!(result.status, GetStatus::Found);
        offset = result.next_offset;
    }
}
