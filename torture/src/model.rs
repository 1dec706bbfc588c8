//! What was appended to a store, and whether the store still has it.
//!
//! Old segments may be deleted meanwhile. The model keeps what was in them: queue offsets must go on behind it, what is gone must be
//! exactly what lay before the beginning of the log, and that only moves forward, to where a deletion may have brought it.
use crate::random::Random;
use ferromq_protocol::record::{self, Message};
use ferromq_store::{
    DeleteHours, FlushMode, GetRequest, GetStatus, IndexOptions, MatchAll, RecordResult, RetentionOptions, Store,
    StoreOptions,
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
/// Never, as far as a round is concerned.
const NEVER: Duration = Duration::from_secs(3600);

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
    /// Where the log began when it was looked at last.
    begin: i64,
    /// Where it may begin at most: the last segment has never been one to be deleted.
    begin_max: i64,
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
    // In half of the rounds old segments go; in some, files are closed and opened again all the time.
    options.cleaning = random.one_in(2);
    options.retention = retention(random);
    options.mapped_files_max = if random.one_in(3) { 8 + random.below(20) } else { options.mapped_files_max };
    shuffle_flush(&mut options, random);
    options
}

/// Hours that no clock steps over.
pub const FOR_EVER: u32 = u32::MAX;

/// Segments go when somebody asks for it or a disk fills up, and in the passes that follow, but none by itself: so nothing goes while a
/// store that was just opened is compared with the model. Their age does not matter, or a clock must have stepped forward first, or
/// they go by force only, which is forbidden in some rounds.
fn retention(random: &mut Random) -> RetentionOptions {
    let pause = |random: &mut Random| Duration::from_millis(random.below(3) as u64);
    RetentionOptions {
        reserved_hours: *[0, 12, FOR_EVER, FOR_EVER].get(random.below(4)).unwrap_or(&0),
        delete_when: DeleteHours::parse("").unwrap_or(RetentionOptions::default().delete_when),
        clean_forcibly: random.one_in(2),
        batch_max: 1 + random.below(4),
        interval: Duration::from_millis(1 + random.below(5) as u64),
        first_after: NEVER,
        segment_pause: pause(random),
        queue_file_pause: pause(random),
        ..RetentionOptions::default()
    }
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

/// Where the segment begins that was written to last.
pub fn last_segment(store: &Store) -> i64 {
    let segment = store.options().segment_size as i64;
    (store.max_log_offset() - 1).max(0) / segment * segment
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
    /// Takes in what appends to `store` returned, in any order; meanwhile segments may have been deleted.
    pub fn add(&mut self, store: &Store, mut sent: Vec<Sent>) {
        self.records.append(&mut sent);
        self.records.sort_by_key(|sent| sent.at.physical_offset);
        if store.options().cleaning {
            self.begin_max = self.begin_max.max(last_segment(store));
        }
    }

    /// The store, of which nothing is deleted meanwhile, has everything up to its end but for what was deleted before, and its end is
    /// not before what it promised. While `can_write` says so, the index fills up, too.
    pub fn check(&mut self, store: &Store, random: &mut Random, can_write: impl Fn() -> bool) -> Result<(), String> {
        let end = store.max_log_offset();
        if end < self.durable {
            return Err(format!("flushed up to {} and lost: the log ends at {end}", self.durable));
        }
        self.records.retain(|sent| sent.end() <= end);
        self.deleted = self.deleted.min(end);
        self.check_begin(store)?;
        for ((topic, queue), wanted) in self.queues() {
            compare(store, (TOPICS[topic], queue), &wanted, self.begin)?;
        }
        self.check_index(store, random, can_write)
    }

    /// While segments are deleted: a reader who goes over the queues passes over nothing that is there when he is through, and gets
    /// nothing that was not sent.
    pub fn check_meanwhile(&mut self, store: &Store) -> Result<(), String> {
        // Nobody appends any more; what is flushed may not be in its queue yet.
        let end = (store.max_log_offset() - store.dispatch_behind_bytes()).min(store.confirmed_offset());
        let mut all = Vec::new();
        for ((topic, queue), wanted) in self.queues() {
            all.push((TOPICS[topic], queue, wanted, read(store, TOPICS[topic], queue)?));
        }
        let begin = store.min_log_offset();
        for (topic, queue, wanted, found) in all {
            let found: BTreeMap<i64, Vec<u8>> = found.into_iter().collect();
            let there = |sent: &&Sent| sent.at.physical_offset >= begin && sent.end() <= end;
            let passed_over =
                wanted.iter().copied().filter(there).find(|sent| !found.contains_key(&sent.at.queue_offset));
            if let Some(Sent { at, .. }) = passed_over {
                return Err(format!(
                    "{topic}/{queue}: offset {} at {} was passed over by a reader, the log begins at {begin}",
                    at.queue_offset, at.physical_offset
                ));
            }
            let sent: BTreeMap<i64, &Sent> = wanted.into_iter().map(|sent| (sent.at.queue_offset, sent)).collect();
            if let Some(offset) = found.iter().find(|(at, body)| sent.get(at).is_none_or(|sent| sent.body != **body)) {
                return Err(format!(
                    "{topic}/{queue}: offset {} has another body, or nothing was sent to it",
                    offset.0
                ));
            }
        }
        Ok(())
    }

    /// The log begins with its oldest file, not before it did, and not behind what may have been deleted.
    fn check_begin(&mut self, store: &Store) -> Result<(), String> {
        let begin = store.min_log_offset();
        if begin < self.begin || begin > self.begin_max {
            return Err(format!("the log begins at {begin}, expected is {} to {}", self.begin, self.begin_max));
        }
        self.begin = begin;
        let dir = store.options().commit_log_dir();
        let names = std::fs::read_dir(&dir).map_err(|error| format!("cannot list {}: {error}", dir.display()))?;
        let oldest = names.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i64>().ok()).min();
        if oldest != Some(begin) {
            return Err(format!("the log begins at {begin}, its oldest file at {oldest:?}"));
        }
        Ok(())
    }

    /// What each queue has got since its topic was made, in order; without the last topic when nobody knows about it.
    fn queues(&self) -> BTreeMap<(usize, i32), Vec<&Sent>> {
        let topics = TOPICS.len() - usize::from(self.unknown);
        let mut queues: BTreeMap<_, Vec<&Sent>> = BTreeMap::new();
        (0..topics).for_each(|topic| (0..QUEUES).for_each(|queue| _ = queues.insert((topic, queue), Vec::new())));
        for sent in self.records.iter().filter(|sent| sent.topic < topics && !self.is_deleted(sent)) {
            queues.entry((sent.topic, sent.queue)).or_default().push(sent);
        }
        queues
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
        let there = &self.records[self.records.partition_point(|sent| sent.at.physical_offset < self.begin)..];
        for _ in 0..5 {
            let Some(sent) = there.get(random.below(there.len())) else { return Ok(()) };
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

/// A queue got exactly these records, without gap or double, and has those that do not lie before the beginning of the log.
fn compare(store: &Store, (topic, queue): (&str, i32), wanted: &[&Sent], begin: i64) -> Result<(), String> {
    let fail = |what: String| Err(format!("{topic}/{queue}: {what}"));
    let (mut next, mut min) = (0, 0);
    for sent in wanted {
        if sent.at.queue_offset != next {
            return fail(format!("offset {} was given where {next} comes next", sent.at.queue_offset));
        }
        next += sent.messages;
        min = if sent.at.physical_offset < begin { next } else { min };
    }
    let offsets = store.queue_offsets(topic, queue).unwrap_or_default();
    if offsets != (min, next) {
        return fail(format!("its offsets are {offsets:?} where {:?} are to be", (min, next)));
    }
    let wanted = &wanted[wanted.partition_point(|sent| sent.at.physical_offset < begin)..];
    let found = read(store, topic, queue)?;
    if found.len() != wanted.len() {
        return fail(format!("{} records where {} are to be", found.len(), wanted.len()));
    }
    for ((offset, body), sent) in found.iter().zip(wanted) {
        if (*offset, body) != (sent.at.queue_offset, &sent.body) {
            return fail(format!("offset {offset} has another body or is not {}", sent.at.queue_offset));
        }
    }
    Ok(())
}

/// All records of a queue, with their offsets. Those that are deleted meanwhile are passed over.
pub fn read(store: &Store, topic: &str, queue_id: i32) -> Result<Vec<(i64, Vec<u8>)>, String> {
    let (mut found, deadline) = (Vec::new(), Instant::now() + PATIENCE);
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
            GetStatus::Found
            | GetStatus::NoMatchedMessage
            | GetStatus::OffsetFoundNull
            | GetStatus::OffsetTooSmall
            | GetStatus::MessageWasRemoving
                if result.next_offset > offset =>
            {
                offset = result.next_offset;
            }
            GetStatus::OffsetOverflowOne | GetStatus::NoMessageInQueue | GetStatus::NoMatchedLogicQueue => {
                return Ok(found);
            }
            // A file was removed just now, and the reader is to come again.
            GetStatus::Unreadable if Instant::now() < deadline => {}
            other => return Err(format!("{topic}/{queue_id} at {offset}: {other:?}")),
        }
    }
}
