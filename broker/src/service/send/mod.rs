//! Sending (broker.md 3): the checks in their order, and the records of a whole batch laid out for one append.
//!
//! A transport adds the sends of everything it read to a [`Sending`], stores them with one append, and answers from the
//! results. What the messages of a batch share (configuration, time, topic, the property text that the broker adds) is
//! looked up once. Memory is that of a [`SendScratch`], which is used again.
//!
//! Not here: timer messages and inner batches. They are refused with the answers that a reference broker gives when these
//! features are switched off.
mod check;
pub mod properties;
mod put;

pub use check::{accepting, broker_forbidden, missing as missing_topic, retry_limit, topic as check_topic};
pub use put::{illegal_message, refusal_of, unavailable, writable, Put, PutOutcome};

use super::clock::now_ms;
use super::topics::{Topic, TOGETHER};
use super::transaction::half;
use super::{Refusal, Service};
use crate::config::{BrokerConfig, FlushDiskType};
use ferromq_protocol::body::TopicFilterType;
use ferromq_protocol::code::response;
use ferromq_protocol::{batch, properties as names, record, sysflag, topic};
use ferromq_store::{AppendBatch, QueueHandle, RecordResult};
use properties::Scan;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;
use std::time::Duration;

/// One send, whatever transport it came by (wire.md 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendRequest<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Template of an auto-created topic.
    pub default_topic: Option<&'a str>,
    /// Queues of an auto-created topic.
    pub default_topic_queues: Option<i32>,
    /// Queue; negative for any.
    pub queue_id: i32,
    /// Message sysFlag (wire.md 6.4). Bits that only the broker may set are ignored.
    pub sys_flag: i32,
    /// The application's flag.
    pub flag: i32,
    /// Born time, milliseconds.
    pub born_timestamp: i64,
    /// Property text.
    pub properties: &'a str,
    /// How often the message was consumed before.
    pub reconsume_times: i32,
    /// The consumer's own limit of retries.
    pub max_reconsume_times: Option<i32>,
    /// Unit mode.
    pub unit_mode: bool,
    /// The body is a batch (wire.md 6.3).
    pub is_batch: bool,
    /// Body.
    pub body: &'a [u8],
    /// Version ordinal of the client (wire.md 2.5).
    pub client_version: i32,
}

/// A send that passed the checks and is laid out in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its records among the results of the append.
    pub records: Range<usize>,
    /// The queue the answer names: the client's choice, also for delayed messages.
    pub queue_id: i32,
    /// UNIQ_KEY in [`Sending::text`]; a batch has one only if its outer properties do.
    pub unique_key: Option<Range<usize>>,
    /// With synchronous flush the answer waits for the disk.
    pub wait_for_flush: bool,
}

/// Reusable memory of sends; one per thread.
#[derive(Default)]
pub struct SendScratch {
    batch: AppendBatch,
    stored: String,
    text: String,
    suffix: String,
    suffix_of: Option<Arc<BrokerConfig>>,
}

/// The sends of one read.
pub struct Sending<'a> {
    service: &'a Service,
    config: Arc<BrokerConfig>,
    producer: SocketAddr,
    scratch: &'a mut SendScratch,
    now_ms: i64,
    topic: Option<Arc<Topic>>,
    writable: Result<(), Refusal>,
    count: usize,
    /// Positions of half messages among the records.
    halves: Vec<usize>,
}

impl<'a> Sending<'a> {
    /// Begins an empty batch.
    pub fn start(service: &'a Service, producer: SocketAddr, scratch: &'a mut SendScratch) -> Self {
        let config = service.config();
        scratch.batch.clear();
        scratch.batch.set_max_message_size(usize::try_from(config.max_message_size).unwrap_or(0));
        scratch.text.clear();
        if !scratch.suffix_of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &config)) {
            scratch.suffix.clear();
            properties::push(&mut scratch.suffix, names::MSG_REGION, &config.region_id);
            properties::push(&mut scratch.suffix, names::TRACE_SWITCH, if config.trace_on { "true" } else { "false" });
            properties::push(&mut scratch.suffix, names::CLUSTER, &service.identity.cluster);
            scratch.suffix_of = Some(Arc::clone(&config));
        }
        Self {
            service,
            config,
            producer,
            scratch,
            now_ms: now_ms(),
            topic: None,
            writable: writable(service),
            count: 0,
            halves: Vec::new(),
        }
    }

    /// The configuration this batch is checked against.
    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// Refuses all sends while the log is busy (broker.md 0.4, 3.1): those that have just come, and those that have waited, of which
    /// `size` wait together.
    pub fn gate(&self, waited: Duration, size: usize) -> Result<(), Refusal> {
        /// The reference looks through its queue so often.
        const LOOK: Duration = Duration::from_millis(10);
        if self.service.store.append_lock_held_ms() <= self.config.os_page_cache_busy_time_out_mills {
            return Ok(());
        }
        Err(match self.config.broker_fast_failure_enable && waited >= LOOK {
            true => Refusal::waited("PCBUSY_CLEAN_QUEUE", waited, size),
            false => Refusal::no_room("REJECTREQUEST"),
        })
    }

    /// Whether [`store`](Self::store) may have to wait for the disk.
    pub fn may_wait(&self) -> bool {
        self.service.store.append_may_wait(self.scratch.batch.bytes_len())
    }

    /// Checks sends in their order and lays their records out; what became of each one is added to `accepted`. Their topics are looked
    /// up together, [`TOGETHER`] at a time: they are far from each other in memory when there are thousands.
    pub fn add_all(
        &mut self,
        requests: &[Result<SendRequest<'_>, Refusal>],
        accepted: &mut Vec<Result<Accepted, Refusal>>,
    ) {
        // The first one of each stretch for the same topic.
        let mut firsts = SmallVec::<[&SendRequest<'_>; TOGETHER]>::new();
        for request in requests.iter().flatten() {
            if firsts.last().is_none_or(|first| first.topic != request.topic) {
                firsts.push(request);
            }
        }
        let topics = self.service.topics.get_all(firsts.iter().map(|first| first.topic));
        for (first, topic) in firsts.iter().zip(&topics) {
            let queue = topic.as_ref().and_then(|topic| topic.queue(&self.service.store, first.queue_id));
            queue.into_iter().for_each(QueueHandle::prefetch);
        }
        let mut stretches = firsts.into_iter().zip(topics).peekable();
        accepted.extend(requests.iter().map(|request| {
            let request = request.as_ref().map_err(Refusal::clone)?;
            let stretch = stretches.next_if(|(first, _)| std::ptr::eq(*first, request));
            self.add(request, stretch.and_then(|(_, topic)| topic))
        }));
    }

    fn add(&mut self, request: &SendRequest<'_>, known: Option<Arc<Topic>>) -> Result<Accepted, Refusal> {
        check::accepting(&self.config, self.now_ms)?;
        let topic = self.topic_of(request, known)?;
        let added = self.add_to(request, &topic);
        self.topic = Some(topic);
        added
    }

    fn add_to(&mut self, request: &SendRequest<'_>, topic: &Topic) -> Result<Accepted, Refusal> {
        let queue_id = match request.queue_id {
            id if id >= 0 => id,
            _ => self.service.any_queue(topic.write_queue_nums)?,
        };
        if request.is_batch {
            self.add_batch(request, topic, queue_id)
        } else {
            self.add_single(request, topic, queue_id)
        }
    }

    /// Equal topics in a row are looked up once, for it is that of the send before that is given; a topic changed in between is
    /// seen by the next batch.
    fn topic_of(&mut self, request: &SendRequest<'_>, known: Option<Arc<Topic>>) -> Result<Arc<Topic>, Refusal> {
        if let Some(last) = self.topic.take().filter(|_| known.is_none()) {
            let queues = last.write_queue_nums.max(last.read_queue_nums);
            if last.topic_name == request.topic && request.queue_id < queues && !last.order {
                return Ok(last);
            }
        }
        // A send before may have created it.
        let known = known.or_else(|| self.service.topics.get(request.topic));
        check::topic(self.service, &self.config, request, self.producer, known)
    }

    fn add_single(&mut self, request: &SendRequest<'_>, topic: &Topic, queue_id: i32) -> Result<Accepted, Refusal> {
        let dead_letter = check::dead_letter(self.service, &self.config, request, self.now_ms)?;
        let scan = properties::scan(request.properties);
        let level = delay_level(&scan)?;
        if needs_key(topic) && !scan.keys {
            return Err(Refusal::new(response::MESSAGE_ILLEGAL, "Required message key is missing"));
        }
        let half = dead_letter.is_none() && scan.transactional && !(request.reconsume_times > 0 && level > 0);
        if half && self.config.reject_transaction_message {
            let remark = format!("the broker[{}] sending transaction message is forbidden", self.service.identity.ip);
            return Err(Refusal::new(response::NO_PERMISSION, remark));
        }
        let (topic, queue_id, kind) = match &dead_letter {
            Some(dead) => (dead.as_ref(), 0, Kind::DeadLetter),
            None if half => (topic, queue_id, Kind::Half { queue_id }),
            None => (topic, queue_id, Kind::Delayed(level)),
        };
        let unique_key = self.build_properties(request.properties, &scan, topic, kind);
        let multi_tags = if topic.topic_filter_type == TopicFilterType::MultiTag { sysflag::MULTI_TAGS } else { 0 };
        let sys_flag = clients_flags(request.sys_flag) | multi_tags;
        let (stored_topic, stored_queue, sys_flag) = match kind {
            Kind::Half { .. } => {
                (topic::TRANS_HALF, half::QUEUE, sysflag::with_transaction_type(sys_flag, sysflag::TRANSACTION_NOT))
            }
            _ => (topic.topic_name.as_str(), queue_id, sys_flag),
        };
        let message = record::Message {
            sys_flag,
            properties: &self.scratch.stored,
            ..self.message_of(request, stored_topic, stored_queue)
        };
        let put = Put { service: self.service, config: &self.config, writable: &self.writable };
        let level = if let Kind::Delayed(level) = kind { level } else { 0 };
        let queue = if half { None } else { topic.queue(&self.service.store, queue_id) };
        put.lay_out(&mut self.scratch.batch, &message, queue, level, &scan)?;
        let at = self.count;
        self.count += 1;
        if half {
            self.halves.push(at);
        }
        let wait_for_flush = !scan.no_wait;
        Ok(Accepted { records: at..self.count, queue_id, unique_key: Some(unique_key), wait_for_flush })
    }

    /// The message of a send for this queue, without properties.
    fn message_of<'m>(&self, request: &SendRequest<'m>, topic: &'m str, queue_id: i32) -> record::Message<'m> {
        record::Message {
            topic,
            queue_id,
            flag: request.flag,
            sys_flag: request.sys_flag,
            born_timestamp: request.born_timestamp,
            born_host: self.producer,
            store_timestamp: self.now_ms,
            store_host: self.service.identity.store_host,
            reconsume_times: request.reconsume_times,
            prepared_transaction_offset: 0,
            body: request.body,
            properties: "",
            queue_offset: 0,
            physical_offset: 0,
        }
    }

    /// Fills `scratch.stored` and keeps the unique key, which is made when the client gave none.
    fn build_properties(&mut self, text: &str, scan: &Scan<'_>, topic: &Topic, kind: Kind) -> Range<usize> {
        let SendScratch { stored, text: kept, suffix, .. } = &mut *self.scratch;
        stored.clear();
        match kind {
            Kind::Delayed(_) if !scan.rebuild => properties::push_text(stored, text),
            _ => properties::push_without(stored, text, |name| properties::is_brokers_own(name) || kind.replaces(name)),
        }
        if kind == Kind::DeadLetter {
            properties::push(stored, names::DELAY, "-1");
        }
        let start = kept.len();
        match scan.unique_key {
            Some(key) => kept.push_str(key),
            None => {
                kept.push_str(&self.service.unique_ids.next(self.now_ms));
                properties::push(stored, names::UNIQ_KEY, &kept[start..]);
            }
        }
        stored.push_str(suffix);
        if let Kind::Half { queue_id } = kind {
            half::push_half(stored, &kept[start..], &topic.topic_name, queue_id);
        }
        start..kept.len()
    }

    /// A batch body: each message is a record of its own, all of them adjacent (broker.md 3.7). They keep just their own
    /// properties.
    fn add_batch(&mut self, request: &SendRequest<'_>, topic: &Topic, queue_id: i32) -> Result<Accepted, Refusal> {
        if request.topic.len() > topic::TOPIC_CHARS_MAX {
            let remark = format!("message topic length too long {}", request.topic.len());
            return Err(Refusal::new(response::MESSAGE_ILLEGAL, remark));
        }
        if topic::is_retry(request.topic) {
            let remark = format!("batch request does not support retry group {}", request.topic);
            return Err(Refusal::new(response::MESSAGE_ILLEGAL, remark));
        }
        let scan = properties::scan(request.properties);
        let sys_flag = clients_flags(request.sys_flag);
        if delay_level(&scan)? > 0 || sysflag::transaction_type(sys_flag) != sysflag::TRANSACTION_NOT {
            return Err(illegal_message(&self.config));
        }
        self.writable.clone()?;
        let whole = i64::try_from(request.body.len()).unwrap_or(i64::MAX);
        if request.body.is_empty() || whole > i64::from(self.config.max_message_size) {
            return Err(Refusal::thrown(format!("message body size exceeded: {whole} bytes in the batch")));
        }
        let outer = record::Message { sys_flag, ..self.message_of(request, &topic.topic_name, queue_id) };
        let queue = topic.queue(&self.service.store, queue_id);
        let added = self.scratch.batch.group(|records| {
            batch::iter(request.body).try_for_each(|inner| {
                let inner = inner.map_err(|e| Refusal::thrown(format!("the batch body cannot be read: {e}")))?;
                let message =
                    record::Message { flag: inner.flag, body: inner.body, properties: inner.properties, ..outer };
                put::push(records, &message, queue, &self.config)
            })
        })?;
        let at = self.count;
        self.count += added;
        let kept = &mut self.scratch.text;
        let unique_key = scan.unique_key.map(|key| {
            let start = kept.len();
            kept.push_str(key);
            start..kept.len()
        });
        Ok(Accepted { records: at..self.count, queue_id, unique_key, wait_for_flush: !scan.no_wait })
    }

    /// Appends everything that was added, with one lock. Gives the position behind it in the log.
    pub fn store(&mut self) -> Result<i64, Refusal> {
        let bytes = self.scratch.batch.bytes_len();
        let appended = self.service.store.append(&mut self.scratch.batch);
        // Also after an error: some may be stored nevertheless.
        let halves = self.halves.iter().filter_map(|at| self.results().get(*at));
        halves.for_each(|record| self.service.transactions.prepared(record.queue_offset));
        match appended {
            Ok(appended) => {
                let stats = &self.service.stats;
                stats.put_messages.fetch_add(self.count as i64, Relaxed);
                stats.put_bytes.fetch_add(bytes as i64, Relaxed);
                Ok(appended.end_offset)
            }
            Err(error) => {
                self.service.stats.put_failures.fetch_add(self.count as i64, Relaxed);
                tracing::warn!(%error, messages = self.count, "append failed");
                Err(refusal_of(&error, &self.config))
            }
        }
    }

    /// Number of records laid out.
    pub fn records(&self) -> usize {
        self.count
    }

    /// Where each record went, after [`store`](Self::store).
    pub fn results(&self) -> &[RecordResult] {
        self.scratch.batch.results()
    }

    /// The unique key of an accepted send.
    pub fn unique_key(&self, accepted: &Accepted) -> Option<&str> {
        accepted.unique_key.clone().map(|range| &self.scratch.text[range])
    }

    /// True when answers that ask for it wait for the disk.
    pub fn is_sync_flush(&self) -> bool {
        self.config.flush_disk_type == FlushDiskType::Sync
    }
}

/// How a message is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As it is, or in the queue of a delay level above 0.
    Delayed(i32),
    /// In the dead-letter topic, with DELAY = -1, so that nothing is delayed.
    DeadLetter,
    /// As a half message whose real queue this is. A delay level stays in its properties, for the committed message.
    Half { queue_id: i32 },
}

impl Kind {
    /// The names whose values the broker sets for this kind.
    fn replaces(self, name: &str) -> bool {
        match self {
            Self::Delayed(_) => false,
            Self::DeadLetter => name == names::DELAY,
            Self::Half { .. } => half::is_half_related(name),
        }
    }
}

/// The delay level of a message, 0 for none. Java throws when the text is no number.
fn delay_level(scan: &Scan<'_>) -> Result<i32, Refusal> {
    let Some(text) = scan.delay else { return Ok(0) };
    text.parse().map_err(|_| Refusal::thrown(format!("property DELAY is no number: {text:?}")))
}

/// The sysFlag without the bits that tell the layout of the hosts: those follow from the addresses, and a wrong one would
/// make this record and others behind it unreadable (broker.md 3.2, 9).
fn clients_flags(sys_flag: i32) -> i32 {
    sys_flag & !(sysflag::BORN_HOST_V6 | sysflag::STORE_HOST_V6)
}

/// Topics that are compacted by key demand one (broker.md 3.2, 8).
fn needs_key(topic: &Topic) -> bool {
    topic.attributes.get("cleanup.policy").is_some_and(|policy| policy == "COMPACTION")
}
