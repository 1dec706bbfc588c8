//! Records on their way into the log: laid out as they will lie on the disk, with what the append lock has to patch.
//!
//! A batch is scratch space: it is filled, appended and cleared, and keeps its memory. It knows no store; the queue
//! handles of its records are looked up before the append lock is taken.
use crate::error::AppendError;
use crate::index::KnownProperties;
use crate::options::RECORD_EXTRA_BYTES_MAX;
use crate::queue::{Queue, QueueTable};
use crate::types::RecordResult;
use ferromq_protocol::record::{self, Message, RecordError};
use ferromq_protocol::{hash, properties, sysflag, topic};
use std::sync::Arc;

/// Longest topic in bytes; retry topics may have [`RETRY_TOPIC_BYTES_MAX`].
pub const TOPIC_BYTES_MAX: usize = 127;
/// Longest retry topic in bytes.
pub const RETRY_TOPIC_BYTES_MAX: usize = 255;
/// `maxMessageSize` of a batch made without a store.
const MAX_MESSAGE_SIZE: usize = 4 * 1024 * 1024;

/// What is known of one record before it has a place.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where the record lies in the batch.
    pub at: usize,
    /// Its bytes.
    pub len: usize,
    /// Where its store time stamp lies in the record.
    pub timestamp_at: usize,
    /// Records of the group that starts here; 0 inside a group. A group is never divided between segments.
    pub group_count: usize,
    /// Bytes of the group that starts here.
    pub group_bytes: usize,
    /// Facts for the consume queue.
    pub facts: Facts,
    /// Where its topic lies in the batch, and its bytes.
    topic_at: usize,
    topic_len: usize,
    /// Its queue's number.
    pub queue_id: i32,
    /// Which of [`AppendBatch::queues`] it goes to; set by the append.
    pub queue: usize,
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
    /// Takes what is needed from the fields of a record (store.md 3.1, 3.2).
    #[inline]
    pub fn of(topic: &str, sys_flag: i32, known: &KnownProperties<'_>) -> Self {
        let kind = sysflag::transaction_type(sys_flag);
        let enters_queue = kind == sysflag::TRANSACTION_NOT || kind == sysflag::TRANSACTION_COMMIT;
        let tags_code = known.tags.map_or(0, hash::tags_code);
        let mut delay_level = 0;
        if topic == topic::SCHEDULE {
            let level = known.delay.and_then(|text| text.parse().ok());
            delay_level = level.filter(|level| *level > 0).unwrap_or(0);
        }
        let inner = known.inner_num.filter(|_| sys_flag & sysflag::INNER_BATCH != 0);
        let messages = inner.and_then(|text| text.parse().ok()).unwrap_or(1);
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

/// Records to be appended together. Reusable: [`clear`](Self::clear) keeps the memory.
#[derive(Debug)]
pub struct AppendBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    /// The queues of the records, one for each stretch of neighbours that have the same. There during an append only: the next
    /// one may be into another store.
    pub(crate) queues: Vec<Arc<Queue>>,
    pub(crate) results: Vec<RecordResult>,
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
        Self { bytes, entries, queues, results, max_message_size }
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
        let known = KnownProperties::of(properties);
        self.entries.push(Entry {
            at,
            topic_at: self.bytes.len() - properties.len() - 2 - topic.len(),
            topic_len: topic.len(),
            queue_id: message.queue_id,
            len: encoded.len,
            timestamp_at: encoded.store_timestamp_at,
            group_count: 1,
            group_bytes: encoded.len,
            facts: Facts::of(topic, message.sys_flag, &known),
            queue: 0,
        });
        Ok(())
    }

    /// Adds the records of a classic batch: they will lie side by side in one segment, with consecutive queue offsets
    /// when they are for one queue. On an error none of them is in the batch.
    pub fn push_group(&mut self, messages: &[Message]) -> Result<(), AppendError> {
        let (bytes, entries) = (self.bytes.len(), self.entries.len());
        for message in messages {
            if let Err(error) = self.push(message) {
                self.bytes.truncate(bytes);
                self.entries.truncate(entries);
                return Err(error);
            }
        }
        let (total, count) = (self.bytes.len() - bytes, self.entries.len() - entries);
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

    /// Looks up the queue of every record; neighbours for the same queue share the look-up.
    pub(crate) fn find_queues(&mut self, table: &QueueTable) {
        let Self { bytes, entries, queues, .. } = self;
        let mut reading = table.read();
        let mut last: Option<(&[u8], i32)> = None;
        for entry in entries {
            let topic = &bytes[entry.topic_at..entry.topic_at + entry.topic_len];
            if last != Some((topic, entry.queue_id)) {
                let (topic_text, id) = (text(topic), entry.queue_id);
                let known = reading.find(topic_text, id);
                queues.push(known.unwrap_or_else(|| reading.pause(|| table.find_or_create(topic_text, id))));
                last = Some((topic, entry.queue_id));
            }
            entry.queue = queues.len() - 1;
        }
    }

    /// The topic of a record of the batch.
    pub(crate) fn topic_of(&self, entry: &Entry) -> &str {
        text(&self.bytes[entry.topic_at..entry.topic_at + entry.topic_len])
    }

    fn check(&self, message: &Message) -> Result<(), AppendError> {
        let topic = || message.topic.to_owned();
        if message.queue_id < 0 {
            return Err(AppendError::QueueId { topic: topic(), queue_id: message.queue_id });
        }
        if message.body.len() > self.max_message_size {
            return Err(AppendError::BodyTooLarge { len: message.body.len(), max: self.max_message_size });
        }
        let max = if topic::is_retry(message.topic) { RETRY_TOPIC_BYTES_MAX } else { TOPIC_BYTES_MAX };
        if message.topic.len() > max {
            return Err(AppendError::TopicTooLong { topic: topic(), len: message.topic.len(), max });
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

/// Topics came as text.
fn text(topic: &[u8]) -> &str {
    std::str::from_utf8(topic).unwrap_or_default()
}
