//! Opening after a kill: the log is walked from front to end and the consume queues are written anew.
use crate::measure::{passing, running, Scale};
use crate::records::{fill, message, open, options, queues, QUEUES};
use crate::row::{median, Row};
use ferromq_protocol::record;
use std::hint::black_box;

/// Repetitions; the best counts, for a busy machine only makes it slower.
const TIMES: usize = 7;

/// A log of records of one size.
pub struct Case {
    name: &'static str,
    body: &'static [u8],
    bytes: usize,
    /// Bytes per second.
    wanted: f64,
}

/// 4 KiB bodies.
pub const LARGE: Case =
    Case { name: "recovery after a kill, 4 KiB bodies", body: &[b'x'; 4096], bytes: 900 << 20, wanted: 1e9 };
/// 128-byte bodies.
pub const SMALL: Case =
    Case { name: "recovery after a kill, 128-byte bodies", body: &[b'x'; 128], bytes: 300 << 20, wanted: 300e6 };

/// The log is in memory and on the disk: a broker that is killed has flushed all but the last half second.
pub fn killed(scale: Scale, case: &Case) -> Row {
    let dir = tempfile::tempdir().unwrap();
    let store = open(options(dir.path()));
    let (mut batch, queues) = (store.new_batch(), queues(&store));
    let mut round = 0;
    while (store.max_log_offset() as usize) < scale.of(case.bytes) {
        fill(&mut batch, &queues[round % QUEUES], &message(round % QUEUES, case.body));
        store.append(&mut batch).unwrap();
        round += 1;
    }
    store.flush().unwrap();
    let bytes = store.max_log_offset() as f64;
    let mut cursor = store.cursor(0);
    let mut whole = Vec::with_capacity(bytes as usize);
    while let Some(piece) = cursor.read(1 << 20).unwrap() {
        whole.extend_from_slice(&piece);
    }
    drop(cursor);
    store.abandon();
    drop(store);
    let (mut opens, mut cpu, mut walks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.pairs(TIMES) {
        let mut passed = 0.0;
        let mut reopened = None;
        cpu.push(
            bytes
                / running(|| {
                    passed = passing(|| reopened = Some(open(options(dir.path()))));
                }),
        );
        opens.push((bytes / passed * 1e3, case.wanted / 1e6));
        let store = reopened.unwrap();
        assert!(store.max_log_offset() as f64 >= bytes);
        store.abandon();
        walks.push(bytes / running(|| walk(&whole)) * 1e3);
    }
    let best = opens.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    Row::of_rates(case.name, "MB/s, at least", &[best], 1.0)
        .note(format!("median {:.0} MB/s", median(opens.iter().map(|open| open.0).collect())))
        .note(format!("while the thread was running: {:.0} MB/s", median(cpu) * 1e3))
        .note(format!("parsing and summing the records alone: {:.0} MB/s", median(walks)))
}

/// The bare work: every record parsed and its body summed.
fn walk(mut bytes: &[u8]) {
    while let Ok(view) = record::parse(bytes, true) {
        bytes = &bytes[view.len()..];
    }
    black_box(bytes);
}
