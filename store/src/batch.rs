//! Records on their way into the log: laid out as they will lie on the disk, with what the append lock has to patch.
//!
//! A batch is scratch space: it is filled, appended and cleared, and keeps its memory. It may be appended to any store; the queue
//! handles of its records are looked up before the append lock is taken.
use crate::error::AppendError;
use crate::options::RECORD_EXTRA_BYTES_MAX;
use crate::queue::{Queue, QueueTable};
use crate::types::RecordResult;
use ferromq_protocol::record::{self, Message, RecordError};
use ferromq_protocol::{hash, properties, sysflag, topic};
use std::sync::{Arc, Weak};

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

/// Queues that a batch remembers, by their numbers. A producer goes round the queues of a topic.
const REMEMBERED: usize = 16;

/// A queue of an append before. It may be gone since, or another store's: the stamp of the table tells.
#[derive(Debug)]
struct Remembered {
    stamp: u64,
    topic: Arc<str>,
    id: i32,
    queue: Weak<Queue>,
}

/// Records to be appended together. Reusable: [`clear`](Self::clear) keeps the memory.
#[derive(Debug)]
pub struct AppendBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    /// The queues of the records, one for each stretch of neighbours that have the same. There during an append only: the next
    /// one may be into another store.
    pub(crate) queues: Vec<Arc<Queue>>,
    pub(crate) results: Vec<RecordResult>,
    /// Queues of the first records of appends before: asking the table costs lines of the cache that other threads write.
    remembered: [Option<Remembered>; REMEMBERED],
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
        let (bytes, entries, queues, results) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let remembered = [const { None }; REMEMBERED];
        Self { bytes, entries, queues, results, remembered, longest: 0, max_message_size }
    }

    /// Changes the longest body allowed.
    pub fn set_max_message_size(&mut self, max_message_size: usize) {
        self.max_message_size = max_message_size;
    }

    /// Forgets records and results, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.results.clear();
        self.longest = 0;
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
            queue: 0,
        });
        Ok(())
    }

    /// Adds the records of a classic batch: they will lie side by side in one segment, with consecutive queue offsets
    /// when they are for one queue. On an error none of them is in the batch.
    pub fn push_group(&mut self, messages: &[Message]) -> Result<(), AppendError> {
        let (bytes, entries, longest) = (self.bytes.len(), self.entries.len(), self.longest);
        for message in messages {
            if let Err(error) = self.push(message) {
                self.bytes.truncate(bytes);
                self.entries.truncate(entries);
                self.longest = longest;
                return Err(error);
            }
        }
        let (total, count) = (self.bytes.len() - bytes, self.entries.len() - entries);
        self.longest = self.longest.max(total);
        for (position, entry) in self.entries[entries..].iter_mut().enumerate() {
            let first = position == 0;
            (entry.group_count, entry.group_bytes) = if first { (count, total) } else { (0, 0) };
        }
        Ok(())
    }

    /// Forgets what an earlier append did with these records.
    pub(crate) fn forget_results(&mut self) {
        self.results.clear();
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

    /// Looks up the queue of every record; neighbours for the same queue share the look-up.
    pub(crate) fn find_queues(&mut self, table: &QueueTable) {
        let Self { bytes, entries, queues, remembered, .. } = self;
        let Some(first) = entries.first() else { return };
        let mut last = (first.topic(bytes), first.queue_id);
        queues.push(recall(remembered, table, last.0, last.1));
        let mut reading = None;
        for entry in entries {
            let (topic, id) = (entry.topic(bytes), entry.queue_id);
            if last != (topic, id) {
                let reading = reading.get_or_insert_with(|| table.read());
                let known = reading.find(text(topic), id);
                queues.push(known.unwrap_or_else(|| reading.pause(|| table.find_or_create(text(topic), id))));
                last = (topic, id);
            }
            entry.queue = (queues.len() - 1) as u32;
        }
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

/// The queue, from memory if it is there and nothing has changed.
fn recall(remembered: &mut [Option<Remembered>; REMEMBERED], table: &QueueTable, topic: &[u8], id: i32) -> Arc<Queue> {
    let (place, stamp) = (&mut remembered[id as usize % REMEMBERED], table.stamp());
    let same = |known: &&Remembered| known.stamp == stamp && known.id == id && known.topic.as_bytes() == topic;
    if let Some(queue) = place.as_ref().filter(same).and_then(|known| known.queue.upgrade()) {
        return queue;
    }
    let queue = table.find_or_create(text(topic), id);
    *place = Some(Remembered { stamp, topic: queue.topic.clone(), id, queue: Arc::downgrade(&queue) });
    queue
}

/// Topics came as text.
fn text(topic: &[u8]) -> &str {
    std::str::from_utf8(topic).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_files::OpenFiles;
    use crate::StoreOptions;

    /// A queue is remembered until it is removed, and never taken for the one of another store.
    #[test]
    fn remembered_queues_are_those_of_the_table() {
        let dir = tempfile::tempdir().unwrap();
        let table = |name| QueueTable::new(&StoreOptions::new(dir.path().join(name)), OpenFiles::new(10));
        let (one, other) = (table("one"), table("other"));
        let mut remembered = [const { None }; REMEMBERED];
        let mut recall = |table: &QueueTable, id| recall(&mut remembered, table, b"topic", id);
        let first = recall(&one, 3);
        assert!(Arc::ptr_eq(&first, &recall(&one, 3)));
        assert!(!Arc::ptr_eq(&first, &recall(&one, 3 + REMEMBERED as i32)), "the same place, another queue");
        let others = recall(&other, 3);
        assert!(!Arc::ptr_eq(&first, &others));
        assert!(Arc::ptr_eq(&others, &other.find("topic", 3).unwrap()));
        std::fs::create_dir_all(dir.path().join("one/consumequeue/topic/3")).unwrap();
        std::fs::create_dir_all(dir.path().join("one/consumequeue/topic/19")).unwrap();
        assert!(Arc::ptr_eq(&first, &recall(&one, 3)));
        one.remove_topic("topic").unwrap();
        let again = recall(&one, 3);
        assert!(!Arc::ptr_eq(&first, &again), "it was removed");
        assert!(Arc::ptr_eq(&again, &one.find("topic", 3).unwrap()));
    }
}
