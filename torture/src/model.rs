//! What was appended to a store, and whether the store still has it.
use crate::random::Random;
use ferromq_protocol::record::{self, Message};
use ferromq_store::{
    FlushMode, GetRequest, GetStatus, IndexOptions, MatchAll, RecordResult, RetentionOptions, Store, StoreOptions,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Topics that rounds write to; the last one is deleted now and then.
pub const TOPICS: [&str; 5] = ["orders", "%RETRY%group", "t", BATCHES, "passing"];
/// The one of type BatchCQ, whose records may hold several messages.
pub const BATCHES: &str = "batches";
/// Queues of each.
pub const QUEUES: i32 = 3;
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A record that was appended.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Number of the topic.
    pub topic: usize,
    /// Queue.
    pub queue: i32,
    /// Its key.
    pub key: String,
    /// Body.
    pub body: Vec<u8>,
    /// Messages in the record: queue offsets that it takes.
    pub messages: i64,
    /// Where it went.
    pub at: RecordResult,
}

impl Sent {
    /// Offset behind the record.
    pub fn end(&self) -> i64 {
        self.at.physical_offset + i64::from(self.at.size)
    }
}

/// All records that a store should have.
#[derive(Debug, Default)]
pub struct Model {
    /// In the order of the log.
    pub records: Vec<Sent>,
    /// The store promised that everything below is on the disk.
    pub durable: i64,
    /// Offset up to which records of the last topic were deleted.
    pub deleted: i64,
    /// Nobody knows what the last topic should have.
    unknown: bool,
}

/// A store with files so small that everything rolls often.
pub fn options(root: &Path, random: &mut Random) -> StoreOptions {
    let mut options = StoreOptions::small(root);
    options.segment_size = 64 * 1024;
    options.consume_queue_file_units = 50 + random.below(3) * 200;
    options.batch_consume_queue_file_units = 30 + random.below(3) * 100;
    options.batch_topics = vec![BATCHES.to_owned()];
    options.consume_queue_extension_file_bytes = 24 + random.below(3) * 1000;
    options.index = IndexOptions { hash_slots: 50, entries: 500, ..IndexOptions::default() };
    options.queue_flush_interval = Duration::from_millis(1 + random.below(20) as u64);
    options.queue_flush_least_pages = random.below(3) as u32;
    options.queue_flush_thorough = Duration::from_millis(random.below(60) as u64);
    options.retention = RetentionOptions::default();
    shuffle_flush(&mut options, random);
    options
}

/// Another way of flushing and of writing consume queues, which a directory may change at every start.
pub fn shuffle_flush(options: &mut StoreOptions, random: &mut Random) {
    options.consume_queue_extension = random.one_in(3);
    options.flush = match random.one_in(2) {
        true => FlushMode::Sync { timeout: PATIENCE },
        false => FlushMode::Async {
            interval: Duration::from_millis(1 + random.below(30) as u64),
            least_pages: random.below(4) as u32,
            thorough: Duration::from_millis(random.below(50) as u64),
        },
    };
}

/// Whether readers see only what is flushed.
pub fn is_sync(options: &StoreOptions) -> bool {
    matches!(options.flush, FlushMode::Sync { .. })
}

/// The message of a record. `messages`: how many it holds, more than one in a topic of type BatchCQ only.
pub fn message<'a>(
    (topic, queue_id): (&'a str, i32),
    body: &'a [u8],
    properties: &'a str,
    messages: i64,
) -> Message<'a> {
    let host = std::net::SocketAddr::from(([127, 0, 0, 1], 10911));
    Message {
        topic,
        queue_id,
        flag: 0,
        // An inner batch, to be unwrapped by the client (store.md 2.3).
        sys_flag: if messages > 1 { 0xc0 } else { 0 },
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 0,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties,
        queue_offset: 0,
        physical_offset: 0,
    }
}

impl Model {
    /// Takes in what an append returned; in any order.
    pub fn add(&mut self, mut sent: Vec<Sent>) {
        self.records.append(&mut sent);
        self.records.sort_by_key(|sent| sent.at.physical_offset);
    }

    /// The store has everything up to its end, and its end is not before what it promised. While `can_write` says so, the
    /// index fills up, too.
    pub fn check(&mut self, store: &Store, random: &mut Random, can_write: impl Fn() -> bool) -> Result<(), String> {
        let end = store.max_log_offset();
        if end < self.durable {
            return Err(format!("flushed up to {} and lost: the log ends at {end}", self.durable));
        }
        self.records.retain(|sent| sent.end() <= end);
        self.deleted = self.deleted.min(end);
        type Records<'a> = Vec<(i64, i64, &'a [u8])>;
        let mut queues: BTreeMap<(usize, i32), Records<'_>> = BTreeMap::new();
        for sent in self.records.iter().filter(|sent| !self.is_deleted(sent)) {
            queues.entry((sent.topic, sent.queue)).or_default().push((sent.at.queue_offset, sent.messages, &sent.body));
        }
        let topics = TOPICS.len() - usize::from(self.unknown);
        for (topic, name) in TOPICS[..topics].iter().enumerate() {
            for queue in 0..QUEUES {
                let wanted = queues.remove(&(topic, queue)).unwrap_or_default();
                compare(store, name, queue, &wanted)?;
            }
        }
        self.check_index(store, random, can_write)
    }

    /// Nobody knows whether the last topic was deleted: its queues are looked at no more.
    pub fn forget_last_topic(&mut self) {
        self.unknown = true;
    }

    fn is_deleted(&self, sent: &Sent) -> bool {
        sent.topic == TOPICS.len() - 1 && sent.at.physical_offset < self.deleted
    }

    /// Some records are found by their key.
    fn check_index(&self, store: &Store, random: &mut Random, can_write: impl Fn() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..5 {
            let Some(sent) = self.records.get(random.below(self.records.len())) else { return Ok(()) };
            loop {
                let found = store.query(TOPICS[sent.topic], &sent.key, 64, 0, i64::MAX);
                let is_it = |slice: &[u8]| {
                    record::parse(slice, true).is_ok_and(|view| view.physical_offset() == sent.at.physical_offset)
                };
                if found.slices.iter().any(|slice| is_it(slice)) {
                    break;
                }
                if !can_write() {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    return Err(format!("the index does not have key {} at {}", sent.key, sent.at.physical_offset));
                }
            }
        }
        Ok(())
    }
}

/// A queue has exactly these records: queue offset, number of messages, body.
fn compare(store: &Store, topic: &str, queue: i32, wanted: &[(i64, i64, &[u8])]) -> Result<(), String> {
    let fail = |what: String| Err(format!("{topic}/{queue}: {what}"));
    let mut next = 0;
    for (offset, messages, _) in wanted {
        if *offset != next {
            return fail(format!("offset {offset} was given where {next} comes next"));
        }
        next += messages;
    }
    let found = read(store, topic, queue)?;
    if found.len() != wanted.len() {
        return fail(format!("{} records where {} are to be", found.len(), wanted.len()));
    }
    for ((offset, body), (wanted_offset, _, wanted)) in found.iter().zip(wanted) {
        if offset != wanted_offset || body != wanted {
            return fail(format!("offset {offset} has another body or is not {wanted_offset}"));
        }
    }
    Ok(())
}

/// All records of a queue, with their offsets.
pub fn read(store: &Store, topic: &str, queue_id: i32) -> Result<Vec<(i64, Vec<u8>)>, String> {
    let mut found = Vec::new();
    let mut offset = store.min_offset(topic, queue_id);
    loop {
        let (max_count, max_bytes, filter, blocking) = (32, 1 << 20, &MatchAll, true);
        let request = GetRequest { topic, queue_id, offset, max_count, max_bytes, filter, blocking };
        let result = store.get(&request).map_err(|error| error.to_string())?;
        for slice in &result.slices {
            for view in record::iter(slice) {
                let bytes = view.map_err(|error| format!("{topic}/{queue_id} at {offset}: {error}"))?;
                let view = record::parse(bytes.as_bytes(), true)
                    .map_err(|error| format!("{topic}/{queue_id} at {offset}: {error}"))?;
                if (view.topic(), view.queue_id()) != (topic, queue_id) {
                    return Err(format!("{topic}/{queue_id} at {offset}: a record of {}", view.topic()));
                }
                found.push((view.queue_offset(), view.body().to_vec()));
            }
        }
        match result.status {
            GetStatus::Found | GetStatus::NoMatchedMessage | GetStatus::OffsetFoundNull
                if result.next_offset > offset =>
            {
                offset = result.next_offset;
            }
            GetStatus::OffsetOverflowOne | GetStatus::NoMessageInQueue | GetStatus::NoMatchedLogicQueue => {
                return Ok(found);
            }
            other => return Err(format!("{topic}/{queue_id} at {offset}: {other:?}")),
        }
    }
}
