//! Records on their way into the log: laid out as they will lie on the disk, with what the append lock has to patch.
//!
//! A batch is scratch space: it is filled, appended and cleared, and keeps its memory. It may be appended to any store; the queue
//! handles of its records are looked up before the append lock is taken.
use crate::error::AppendError;
use crate::log::{Descriptor, Pending};
use crate::options::RECORD_EXTRA_BYTES_MAX;
use crate::queue::{Queue, QueueTable, Reading};
use crate::types::RecordResult;
use ferromq_protocol::record::{self, Message, RecordError};
use ferromq_protocol::{hash, properties, sysflag, topic};
use smallvec::SmallVec;
use std::sync::Arc;

/// Longest topic in bytes; retry topics may have [`RETRY_TOPIC_BYTES_MAX`].
pub const TOPIC_BYTES_MAX: usize = 127;
/// Longest retry topic in bytes.
pub const RETRY_TOPIC_BYTES_MAX: usize = 255;
/// `maxMessageSize` of a batch made without a store.
const MAX_MESSAGE_SIZE: usize = 4 * 1024 * 1024;

/// What is known of one record before it has a place. A line of the cache: there is one for every message.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where the record lies in the batch, directly behind the one before it.
    pub at: usize,
    /// Records of the group that starts here; 0 inside a group. A group is never divided between segments.
    pub group_count: usize,
    /// Bytes of the group that starts here.
    pub group_bytes: usize,
    /// Facts for the consume queue.
    pub facts: Facts,
    /// Its bytes.
    pub len: u32,
    /// Where its store time stamp lies in the record.
    pub timestamp_at: u32,
    /// Where its topic lies in the record, and its bytes.
    topic_at: u32,
    topic_len: u32,
    /// Its queue's number.
    pub queue_id: i32,
    /// Which of [`AppendBatch::queues`] it goes to; set by the append.
    pub queue: u32,
}

impl Entry {
    /// Its topic, in the bytes of its batch.
    fn topic<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let at = self.at + self.topic_at as usize;
        &bytes[at..at + self.topic_len as usize]
    }
}

/// What the consume queue needs to know of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Java hash of the tag.
    pub tags_code: i64,
    /// Delay level of a record in SCHEDULE_TOPIC_XXXX: its unit carries the deliver time instead of a tag. Else 0.
    pub delay_level: i32,
    /// Prepared and rolled back records enter no consume queue.
    pub enters_queue: bool,
    /// Messages in the record: an inner batch has several (store.md 2.7). Only batch consume queues count them.
    pub messages: i16,
}

impl Facts {
    /// Takes what is needed from the fields of a record (store.md 3.1, 3.2). On the way of every message: a property is only looked
    /// for where it means something.
    #[inline(always)]
    pub fn of(topic: &str, sys_flag: i32, properties: &str) -> Self {
        let kind = sysflag::transaction_type(sys_flag);
        let enters_queue = kind == sysflag::TRANSACTION_NOT || kind == sysflag::TRANSACTION_COMMIT;
        let tags_code = properties::get(properties, properties::TAGS).map_or(0, hash::tags_code);
        let mut delay_level = 0;
        if topic == topic::SCHEDULE {
            let level = properties::get(properties, properties::DELAY).and_then(|text| text.parse().ok());
            delay_level = level.filter(|level| *level > 0).unwrap_or(0);
        }
        let mut messages = 1;
        if sys_flag & sysflag::INNER_BATCH != 0 {
            let number = properties::get(properties, properties::INNER_NUM).and_then(|text| text.parse().ok());
            messages = number.unwrap_or(1);
        }
        Self { tags_code, delay_level, enters_queue, messages }
    }

    /// The tags code of the unit: the tag's hash, or when the message is to be delivered.
    pub fn unit_code(&self, store_timestamp: i64, delay_levels: &[i64]) -> i64 {
        if self.delay_level <= 0 {
            return self.tags_code;
        }
        let level = (self.delay_level as usize).min(delay_levels.len());
        // Apache's answer to a level that is in no table is one second.
        store_timestamp + level.checked_sub(1).and_then(|at| delay_levels.get(at)).copied().unwrap_or(1000)
    }
}

/// The queue of a record that came without a [`QueueHandle`].
const UNKNOWN: u32 = u32::MAX;

/// A queue of a store, found once ([`Store::queue`](crate::Store::queue)): records pushed with it need not look for theirs. When the queue
/// is gone, or another store's, they go where their topic and number say, as without it.
#[derive(Debug, Clone)]
pub struct QueueHandle(pub(crate) Arc<Queue>);

impl QueueHandle {
    /// Brings what an append touches of the queue towards the processor; for who is going to push to many.
    #[inline]
    pub fn prefetch(&self) {
        self.0.prefetch();
    }
}

/// Records to be appended together. Reusable: [`clear`](Self::clear) keeps the memory.
#[derive(Debug)]
pub struct AppendBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    /// The queues of the records, one for each stretch of neighbours that have the same; behind `used` those of the records before the
    /// last [`clear`](Self::clear), for who pushes to the same ones again.
    pub(crate) queues: Vec<Arc<Queue>>,
    used: usize,
    pub(crate) results: Vec<RecordResult>,
    /// What the last append put into the consume queues itself, for their listener.
    pub(crate) placed: Vec<Descriptor>,
    /// Bytes of the longest group.
    longest: usize,
    max_message_size: usize,
}

impl Default for AppendBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl AppendBatch {
    /// An empty batch with Apache's default `maxMessageSize` (4 MiB).
    pub fn new() -> Self {
        Self::with_max_message_size(MAX_MESSAGE_SIZE)
    }

    /// An empty batch that refuses bodies longer than `max_message_size` bytes.
    pub fn with_max_message_size(max_message_size: usize) -> Self {
        let (bytes, entries, queues) = (Vec::new(), Vec::new(), Vec::new());
        let (results, placed) = (Vec::new(), Vec::new());
        Self { bytes, entries, queues, used: 0, results, placed, longest: 0, max_message_size }
    }

    /// Changes the longest body allowed.
    pub fn set_max_message_size(&mut self, max_message_size: usize) {
        self.max_message_size = max_message_size;
    }

    /// Forgets records and results, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.forget_results();
        (self.used, self.longest) = (0, 0);
    }

    /// Records in the batch.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the records.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Where the records went, in the order of the pushes; filled by [`crate::Store::append`]. Fewer than records were
    /// pushed when the append failed half-way: those listed are stored.
    pub fn results(&self) -> &[RecordResult] {
        &self.results
    }

    /// Adds a record after the checks of store.md 2.6. Queue offset, physical offset and store time are assigned by the
    /// append, whatever the message says. On an error the batch is as before.
    pub fn push(&mut self, message: &Message) -> Result<(), AppendError> {
        self.add(message, UNKNOWN)
    }

    /// As [`push`](Self::push), for a message to this very queue.
    pub fn push_to(&mut self, queue: &QueueHandle, message: &Message) -> Result<(), AppendError> {
        debug_assert_eq!((&*queue.0.topic, queue.0.id), (message.topic, message.queue_id));
        if !self.queues().last().is_some_and(|last| Arc::ptr_eq(last, &queue.0)) {
            self.use_queue(&queue.0);
        }
        self.add(message, (self.used - 1) as u32)
    }

    /// The queues of the records.
    pub(crate) fn queues(&self) -> &[Arc<Queue>] {
        &self.queues[..self.used]
    }

    /// Adds a queue, without counting its users anew when it stands in that place already.
    #[inline]
    fn use_queue(&mut self, queue: &Arc<Queue>) {
        if !self.queues.get(self.used).is_some_and(|known| Arc::ptr_eq(known, queue)) {
            self.queues.truncate(self.used);
            self.queues.push(queue.clone());
        }
        self.used += 1;
    }

    fn add(&mut self, message: &Message, queue: u32) -> Result<(), AppendError> {
        self.check(message)?;
        let at = self.bytes.len();
        let encoded = record::encode(&mut self.bytes, message).map_err(|error| self.too_large(message, error))?;
        let max = self.max_message_size.saturating_add(RECORD_EXTRA_BYTES_MAX);
        if encoded.len > max {
            self.bytes.truncate(at);
            return Err(AppendError::RecordTooLarge { topic: message.topic.to_owned(), len: encoded.len, max });
        }
        let (topic, properties) = (message.topic, message.properties);
        self.longest = self.longest.max(encoded.len);
        // What lies in a record fits: its own length is an i32.
        self.entries.push(Entry {
            at,
            group_count: 1,
            group_bytes: encoded.len,
            facts: Facts::of(topic, message.sys_flag, properties),
            len: encoded.len as u32,
            timestamp_at: encoded.store_timestamp_at as u32,
            topic_at: (encoded.len - properties.len() - 2 - topic.len()) as u32,
            topic_len: topic.len() as u32,
            queue_id: message.queue_id,
            queue,
        });
        Ok(())
    }

    /// Makes a group of the records that `fill` pushes, those of a classic batch: they will lie side by side in one segment, with
    /// consecutive queue offsets when they are for one queue. Returns how many they are. On an error of `fill` none of them is in the
    /// batch.
    pub fn group<E>(&mut self, fill: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<usize, E> {
        let (bytes, entries, longest) = (self.bytes.len(), self.entries.len(), self.longest);
        if let Err(error) = fill(self) {
            self.bytes.truncate(bytes);
            self.entries.truncate(entries);
            self.longest = longest;
            return Err(error);
        }
        let (total, count) = (self.bytes.len() - bytes, self.entries.len() - entries);
        self.longest = self.longest.max(total);
        for (position, entry) in self.entries[entries..].iter_mut().enumerate() {
            let first = position == 0;
            (entry.group_count, entry.group_bytes) = if first { (count, total) } else { (0, 0) };
        }
        Ok(count)
    }

    /// Leaves what was placed, from `from` on, to whoever dispatches.
    pub(crate) fn leave(&mut self, from: usize, pending: &mut Pending) {
        let Self { placed, queues, used, .. } = self;
        pending.add(placed.drain(from..), &queues[..*used]);
    }

    /// Forgets what an earlier append did with these records.
    pub(crate) fn forget_results(&mut self) {
        self.results.clear();
        self.placed.clear();
    }

    /// The first group of more than `max` bytes.
    pub(crate) fn group_longer_than(&self, max: usize) -> Option<&Entry> {
        if self.longest <= max {
            return None;
        }
        self.entries.iter().find(|entry| entry.group_bytes > max)
    }

    /// What is put next when `room` bytes are left, from record `first` on: all that is left if it fits, else the next group. Records and
    /// bytes; None at the end.
    pub(crate) fn next_for(&self, first: usize, room: usize) -> Option<(usize, usize)> {
        let entry = self.entries.get(first)?;
        let rest = self.bytes.len() - entry.at;
        if rest <= room {
            return Some((self.entries.len() - first, rest));
        }
        Some((entry.group_count.max(1), entry.group_bytes))
    }

    /// Looks up the queues of the records that have none yet; neighbours for the same queue share the look-up.
    pub(crate) fn find_queues(&mut self, table: &QueueTable) {
        if self.queues().iter().any(|queue| !table.has(queue)) {
            self.entries.iter_mut().for_each(|entry| entry.queue = UNKNOWN);
            self.used = 0;
        }
        let Some(first) = self.entries.iter().position(|entry| entry.queue == UNKNOWN) else { return };
        self.queues.truncate(self.used);
        let Self { bytes, entries, queues, .. } = self;
        let mut reading = table.read();
        let mut rest = &mut entries[first..];
        while !rest.is_empty() {
            let known = find_some(&reading, bytes, rest, queues);
            rest = &mut rest[known..];
            if let Some(unknown) = rest.first() {
                let (topic, id) = (text(unknown.topic(bytes)), unknown.queue_id);
                reading.pause(|| _ = table.find_or_create(topic, id));
            }
        }
        self.used = self.queues.len();
    }

    /// The topic of a record of the batch.
    pub(crate) fn topic_of(&self, entry: &Entry) -> &str {
        text(entry.topic(&self.bytes))
    }

    fn check(&self, message: &Message) -> Result<(), AppendError> {
        let topic = || message.topic.to_owned();
        if message.queue_id < 0 {
            return Err(AppendError::QueueId { topic: topic(), queue_id: message.queue_id });
        }
        if message.body.len() > self.max_message_size {
            return Err(AppendError::BodyTooLarge { len: message.body.len(), max: self.max_message_size });
        }
        if message.topic.len() > TOPIC_BYTES_MAX {
            let max = if topic::is_retry(message.topic) { RETRY_TOPIC_BYTES_MAX } else { TOPIC_BYTES_MAX };
            if message.topic.len() > max {
                return Err(AppendError::TopicTooLong { topic: topic(), len: message.topic.len(), max });
            }
        }
        let (len, max) = (message.properties.len(), properties::PROPERTIES_BYTES_MAX);
        if len > max {
            return Err(AppendError::PropertiesTooLong { topic: topic(), len, max });
        }
        Ok(())
    }

    fn too_large(&self, message: &Message, _error: RecordError) -> AppendError {
        let (len, max) = (record::encoded_len(message), self.max_message_size.saturating_add(RECORD_EXTRA_BYTES_MAX));
        AppendError::RecordTooLarge { topic: message.topic.to_owned(), len, max }
    }
}

/// Stretches of neighbours whose queues are found before the first of them is taken.
const TOGETHER: usize = 32;

/// Looks up queues up to the first that is not there; returns how many entries have theirs. Nothing is written while queues are looked
/// for: so the processor waits for several of them at a time, which are far from each other when there are thousands.
fn find_some(table: &Reading<'_>, bytes: &[u8], entries: &mut [Entry], queues: &mut Vec<Arc<Queue>>) -> usize {
    let mut done = 0;
    loop {
        let mut found = SmallVec::<[&Arc<Queue>; TOGETHER]>::new();
        let mut last = None;
        let before = done;
        for entry in &mut entries[done..] {
            if entry.queue != UNKNOWN {
                (last, done) = (None, done + 1);
                continue;
            }
            let wanted = (entry.topic(bytes), entry.queue_id);
            if last != Some(wanted) {
                let queue = if found.len() < TOGETHER { table.find(text(wanted.0), wanted.1) } else { None };
                let Some(queue) = queue else { break };
                queue.prefetch();
                found.push(queue);
                last = Some(wanted);
            }
            entry.queue = (queues.len() + found.len() - 1) as u32;
            done += 1;
        }
        queues.extend(found.into_iter().cloned());
        if done == entries.len() || done == before {
            return done;
        }
    }
}

/// Topics came as text.
fn text(topic: &[u8]) -> &str {
    std::str::from_utf8(topic).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::open_files::OpenFiles;
    use crate::StoreOptions;

    /// A message for a queue of one topic.
    pub(crate) fn message(queue_id: i32) -> Message<'static> {
        let host = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        Message {
            topic: "topic",
            queue_id,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: host,
            store_timestamp: 0,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"x",
            properties: "",
            queue_offset: 0,
            physical_offset: 0,
        }
    }

    /// A handle leads to its queue until that is removed, and never to one of another store; a batch that is appended again looks for
    /// its queues.
    #[test]
    fn handles_lead_to_queues_of_the_table() {
        let dir = tempfile::tempdir().unwrap();
        let table = |name| QueueTable::new(&StoreOptions::new(dir.path().join(name)), OpenFiles::new(10));
        let (one, other) = (table("one"), table("other"));
        let handle = QueueHandle(one.find_or_create("topic", 3));
        let mut batch = AppendBatch::new();
        batch.push(&message(4)).unwrap();
        batch.push_to(&handle, &message(3)).unwrap();
        batch.push_to(&handle, &message(3)).unwrap();
        batch.push(&message(4)).unwrap();
        let mut found = |table: &QueueTable| {
            batch.find_queues(table);
            let of = |entry: &Entry| batch.queues()[entry.queue as usize].clone();
            let found: Vec<_> = batch.entries.iter().map(of).collect();
            assert!(found.iter().all(|queue| table.has(queue)));
            assert_eq!(found.iter().map(|queue| queue.id).collect::<Vec<_>>(), [4, 3, 3, 4]);
            found[1].clone()
        };
        assert!(Arc::ptr_eq(&handle.0, &found(&one)));
        assert!(Arc::ptr_eq(&handle.0, &found(&one)), "once more");
        assert!(!Arc::ptr_eq(&handle.0, &found(&other)));
        std::fs::create_dir_all(dir.path().join("one/consumequeue/topic/3")).unwrap();
        std::fs::create_dir_all(dir.path().join("one/consumequeue/topic/4")).unwrap();
        one.remove_topic("topic").unwrap();
        batch.clear();
        batch.push_to(&handle, &message(3)).unwrap();
        batch.find_queues(&one);
        assert!(!Arc::ptr_eq(&handle.0, &batch.queues()[0]), "it was removed");
        assert!(Arc::ptr_eq(&batch.queues()[0], &one.find("topic", 3).unwrap()));
    }
}
