//! Many active queues: every record goes to another one.
use crate::measure::{running, settle, Scale};
use crate::records::{message, open, options, BATCH, BODY};
use crate::row::Row;
use ferromq_protocol::record::Message;
use ferromq_store::{QueueHandle, Store};

/// Records of a slice.
const SLICE: usize = 1 << 15;
/// Pairs of slices.
const PAIRS: usize = 31;
/// Queues of a topic.
const PER_TOPIC: usize = 10;

/// Queues that are written to in turn, and where it goes on.
struct Ring {
    topics: Vec<&'static str>,
    /// Those of the first topic, those of the second, and so on.
    queues: Vec<QueueHandle>,
    next: usize,
}

impl Ring {
    /// So many queues, each of which has a record already.
    fn new(store: &Store, queues: usize) -> Ring {
        let topics = (0..queues.div_ceil(PER_TOPIC)).map(|topic| &*format!("active-{queues}-{topic:04}").leak());
        let mut ring = Ring { topics: topics.collect(), queues: Vec::new(), next: 0 };
        let mut batch = store.new_batch();
        for _ in 0..ring.topics.len() * PER_TOPIC {
            batch.clear();
            batch.push(&ring.next().0).unwrap();
            store.append(&mut batch).unwrap();
        }
        let ids = |topic| (0..PER_TOPIC).map(move |id| (topic, id as i32));
        let all = ring.topics.iter().flat_map(|topic| ids(*topic));
        ring.queues = all.map(|(topic, id)| store.queue(topic, id).unwrap()).collect();
        ring
    }

    fn append(&mut self, store: &Store, records: usize) {
        let mut batch = store.new_batch();
        for _ in 0..records.div_ceil(BATCH) {
            batch.clear();
            // As a broker, which knows the topics of some sends before it lays out their records.
            let next: [_; BATCH] = std::array::from_fn(|_| self.next());
            next.iter().for_each(|(_, at)| self.queues[*at].prefetch());
            next.iter().for_each(|(message, at)| batch.push_to(&self.queues[*at], message).unwrap());
            store.append(&mut batch).unwrap();
        }
    }

    /// The next message, and where the handle of its queue stands: topics in turn, so that neighbours have nothing in common.
    fn next(&mut self) -> (Message<'static>, usize) {
        let (topic, queue) = (self.next % self.topics.len(), self.next / self.topics.len() % PER_TOPIC);
        self.next += 1;
        (Message { topic: self.topics[topic], ..message(queue, BODY) }, topic * PER_TOPIC + queue)
    }
}

/// 10,000 queues against 10.
pub fn many(scale: Scale) -> Row {
    let slice = scale.of(SLICE);
    let dir = tempfile::tempdir().unwrap();
    let store = open(options(dir.path()));
    let (mut many, mut few) = (Ring::new(&store, scale.of(10_000).max(20)), Ring::new(&store, PER_TOPIC));
    let mut costs = Vec::new();
    for _ in 0..scale.pairs(PAIRS) {
        let cost = |ring: &mut Ring| {
            settle();
            running(|| ring.append(&store, slice)) / slice as f64
        };
        costs.push((cost(&mut many), cost(&mut few)));
    }
    store.abandon();
    Row::of_costs("append to 10,000 queues, against 10", "ns per record", &costs, 0.5)
}
