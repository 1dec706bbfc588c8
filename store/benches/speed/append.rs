//! Appending: in batches, from several threads, what a consume queue unit costs, and what the index costs.
use crate::measure::{all_threads, passing, running, settle, Scale};
use crate::records::{append, fill, message, open, options, queues, record_len, BATCH, BODY, QUEUES};
use crate::row::{median, Row};
use ferromq_protocol::sysflag::TRANSACTION_PREPARED;
use ferromq_store::Store;
use memmap2::MmapMut;
use parking_lot::Mutex;
use std::hint::black_box;
use std::sync::Barrier;

/// Records of a slice.
const SLICE: usize = 1 << 15;
/// Pairs of slices.
const PAIRS: usize = 21;
/// Threads that append single records.
const THREADS: usize = 4;
/// Records of a slice of one of them, and pairs of slices. So few that most slices find the pages of the log populated, as the baseline
/// does: the store populates sixteen megabytes at a time, on the processors that the threads run on.
const THREAD_SLICE: usize = 1 << 12;
const THREAD_PAIRS: usize = 81;

/// The bare work: copies records into a populated map, each with its number in it, and sums their bytes with CRC32.
pub struct Baseline {
    map: MmapMut,
    record: Vec<u8>,
    at: usize,
    sum: u32,
}

impl Baseline {
    /// With room for so many records.
    pub fn new(records: usize) -> Baseline {
        let record = vec![7; record_len()];
        let mut map = MmapMut::map_anon(records * record.len()).unwrap();
        map.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        Baseline { map, record, at: 0, sum: 0 }
    }

    /// Writes so many records; `summed` of each one's bytes go into the sum.
    pub fn write(&mut self, records: usize, summed: usize) {
        let len = self.record.len();
        let places = self.map[self.at..].chunks_exact_mut(len).take(records);
        assert_eq!(places.len(), records);
        for (number, place) in places.enumerate() {
            place.copy_from_slice(&self.record);
            place[20..28].copy_from_slice(&number.to_be_bytes());
            self.sum ^= crc32fast::hash(&place[len - summed..]);
        }
        self.at += records * len;
        black_box(self.sum);
    }
}

/// Batches of 64: laying out, summing, appending and the consume queue units, against the bare work.
pub fn batches(scale: Scale) -> Row {
    let (slice, pairs) = (scale.of(SLICE), scale.pairs(PAIRS));
    let dir = tempfile::tempdir().unwrap();
    let store = open(options(dir.path()));
    let (mut batch, queues) = (store.new_batch(), queues(&store));
    let (mut bare, len) = (Baseline::new(2 * slice * pairs), record_len());
    let (mut costs, mut only_bodies, mut fills) = (Vec::new(), Vec::new(), Vec::new());
    let others = all_threads();
    let mut mine = 0.0;
    for _ in 0..pairs {
        let per_record = |nanos: f64| nanos / slice as f64;
        settle();
        let ours = running(|| append(&store, &mut batch, slice, 0));
        mine += ours;
        costs.push((per_record(ours), per_record(running(|| bare.write(slice, len)))));
        only_bodies.push(per_record(running(|| bare.write(slice, BODY.len()))));
        let rounds = 0..slice.div_ceil(BATCH);
        let filling =
            || rounds.for_each(|round| fill(&mut batch, &queues[round % QUEUES], &message(round % QUEUES, BODY)));
        fills.push(per_record(running(filling)));
        mine += (costs[costs.len() - 1].1 + only_bodies[only_bodies.len() - 1] + fills[fills.len() - 1]) * slice as f64;
    }
    let others = (all_threads() - others - mine) / (slice * pairs) as f64;
    store.abandon();
    Row::of_costs("append, 128-byte bodies, batches of 64", "ns per record", &costs, 0.5)
        .note(format!("{:.1} ns of ours is laying out and summing, before the append", median(fills)))
        .note(format!("a baseline that sums bodies only: {:.1} ns", median(only_bodies)))
        .note(format!("threads of the store, index among them: {others:.1} ns"))
}

/// Single records, appended by four threads at a time; against one bare writer, for a log has one end. Without the index, whose thread
/// would take a good part of a small machine's processors: what time goes by with it is noted.
pub fn threads(scale: Scale) -> Row {
    let (slice, pairs) = (scale.of(THREAD_SLICE), scale.pairs(THREAD_PAIRS));
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let without = open(ferromq_store::StoreOptions { index_enabled: false, ..options(dirs[0].path()) });
    let with = open(options(dirs[1].path()));
    let [mut bare, mut locked] = [(); 2].map(|()| Baseline::new(THREADS * slice * pairs));
    let (mut costs, mut cpu, mut indexed, mut locking) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let per_record = |nanos: f64| nanos / (THREADS * slice) as f64;
    for _ in 0..pairs {
        settle();
        let (elapsed, ran) = four(&|thread| singles(&without, thread, slice));
        let baseline = passing(|| bare.write(THREADS * slice, record_len()));
        cpu.push(per_record(ran));
        costs.push((per_record(elapsed), per_record(baseline)));
        settle();
        indexed.push(per_record(four(&|thread| singles(&with, thread, slice)).0));
        let bare = Mutex::new(&mut locked);
        locking.push(per_record(four(&|_| (0..slice).for_each(|_| bare.lock().write(1, record_len()))).0));
    }
    without.abandon();
    with.abandon();
    let mean = costs.iter().map(|(ours, _)| ours).sum::<f64>() / costs.len() as f64;
    Row::of_costs("append, single records, 4 threads", "ns per record, elapsed", &costs, 1.0 / 3.0)
        .note(format!("time for which the four threads were running: {:.1} ns per record", median(cpu)))
        .note(format!("the mean of all slices, those beside which pages were populated among them: {mean:.1} ns"))
        .note(format!("beside the thread of the index: {:.1} ns", median(indexed)))
        .note(format!("four bare writers that take a lock for each record: {:.1} ns", median(locking)))
}

/// What one of the threads does.
fn singles(store: &Store, thread: usize, records: usize) {
    let (mut batch, message) = (store.new_batch(), message(thread % QUEUES, BODY));
    let queue = &queues(store)[thread % QUEUES];
    for _ in 0..records {
        batch.clear();
        batch.push_to(queue, &message).unwrap();
        store.append(&mut batch).unwrap();
    }
}

/// Runs `work` in four threads that start together: time that passed, and time for which they were running.
fn four(work: &(dyn Fn(usize) + Sync)) -> (f64, f64) {
    let start = Barrier::new(THREADS + 1);
    let mut ran = 0.0;
    let mut elapsed = 0.0;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    running(|| work(thread))
                })
            })
            .collect();
        start.wait();
        elapsed = passing(|| ran = threads.into_iter().map(|thread| thread.join().unwrap()).sum());
    });
    (elapsed, ran)
}

/// What a unit costs: records that enter a queue against prepared ones, which do not; at least 80 ns less than that.
pub fn unit(scale: Scale) -> Row {
    let (slice, pairs) = (scale.of(SLICE), scale.pairs(PAIRS));
    let dir = tempfile::tempdir().unwrap();
    let store = open(options(dir.path()));
    let mut batch = store.new_batch();
    let mut costs = Vec::new();
    for _ in 0..pairs {
        settle();
        let with = running(|| append(&store, &mut batch, slice, 0)) / slice as f64;
        settle();
        let without = running(|| append(&store, &mut batch, slice, TRANSACTION_PREPARED)) / slice as f64;
        costs.push((with, without));
    }
    store.abandon();
    let ours = median(costs.iter().map(|(with, without)| with - without).collect());
    Row::of_costs("a consume queue unit", "ns, at most", &[(ours.max(0.1), UNIT_NANOS)], 1.0)
        .note("records that enter a queue against prepared ones, which do not".to_owned())
}

/// A unit has to cost less than this.
const UNIT_NANOS: f64 = 80.0;

/// Appending with the index, against appending without it.
pub fn index(scale: Scale) -> Row {
    let (slice, pairs) = (scale.of(SLICE), scale.pairs(PAIRS));
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let with = open(options(dirs[0].path()));
    let without = open(ferromq_store::StoreOptions { index_enabled: false, ..options(dirs[1].path()) });
    let mut batch = with.new_batch();
    let mut costs = Vec::new();
    for _ in 0..pairs {
        let mut cost = |store| {
            settle();
            running(|| append(store, &mut batch, slice, 0)) / slice as f64
        };
        costs.push((cost(&with), cost(&without)));
    }
    with.abandon();
    without.abandon();
    Row::of_costs("append with the index, against without", "ns per record", &costs, 0.9)
}
