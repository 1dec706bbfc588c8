//! Bringing consume queues to where the log is, at start (store.md 5).
//!
//! The log is walked from the newest segment from which everything that may be missing is seen. Should a queue turn out to
//! lack more than that (its folder or a file of it is gone), the whole log is walked, so that it is complete again and its offsets
//! go on where they were. What cannot be noticed: a queue that is gone without a trace and whose records all lie in
//! older segments.
use crate::batch::Facts;
use crate::checkpoint::Checkpoint;
use crate::error::OpenError;
use crate::index::{entries_of, IndexEntry, IndexService, IndexedRecord, KnownProperties};
use crate::log::recover::{self, Pass, RecoverOptions};
use crate::log::Log;
use crate::options::StoreOptions;
use crate::queue::QueueTable;
use crate::types::Unit;
use ferromq_protocol::record::RecordView;
use std::collections::HashSet;
use std::sync::Arc;

/// Puts the records of the walk into their queues.
struct Rebuild<'a> {
    options: &'a StoreOptions,
    queues: &'a QueueTable,
    index: Option<&'a IndexService>,
    abnormal: bool,
    /// End of the newest record that is in a queue.
    queues_end: i64,
    /// Topics that had a folder.
    topics: HashSet<Arc<str>>,
    keys: Vec<IndexEntry>,
}

impl Rebuild<'_> {
    /// Takes one record. False: queues lack records before this one, the log has to be walked from its oldest segment.
    fn visit(&mut self, view: &RecordView<'_>, physical: i64, pass: Pass) -> Result<bool, OpenError> {
        if physical >= self.queues_end && !self.abnormal {
            self.offer_keys(view, physical);
        }
        let facts = Facts::of(view.topic(), view.sys_flag(), &KnownProperties::of(view.properties()));
        if !facts.enters_queue || self.was_deleted(view.topic(), physical) {
            return Ok(true);
        }
        let queue = self.queues.find_or_create(view.topic(), view.queue_id());
        let (offset, size) = (view.queue_offset(), view.len() as i32);
        if pass == Pass::Newest && queue.lacks_units_before(offset, physical + i64::from(size)) {
            return Ok(false);
        }
        let tags_code = facts.unit_code(view.store_timestamp(), &self.options.delay_levels);
        let (_, result) = queue.put(std::iter::once((offset, Unit { physical, size, tags_code })));
        result.map_err(OpenError::io("write the consume queue in", self.options.consume_queue_dir()))?;
        queue.follow_units();
        self.queues.mark_dirty(&queue);
        Ok(true)
    }

    /// After a clean stop a topic without a folder was deleted, unless all are missing; its records stay until they expire.
    fn was_deleted(&self, topic: &str, physical: i64) -> bool {
        !self.abnormal && physical < self.queues_end && !self.topics.contains(topic)
    }

    /// After an unclean stop, or without files, the index reads the log by itself.
    fn offer_keys(&mut self, view: &RecordView<'_>, physical: i64) {
        let Some(index) = self.index else { return };
        let (topic, properties, sys_flag) = (view.topic(), view.properties(), view.sys_flag());
        let store_timestamp = view.store_timestamp();
        self.keys.clear();
        entries_of(&IndexedRecord { topic, properties, sys_flag, physical, store_timestamp }, &mut self.keys);
        index.offer(&self.keys);
    }
}

/// Loads consume queues and log, and brings the queues to where the log is.
pub(crate) fn recover_all(
    options: &StoreOptions,
    queues: &QueueTable,
    index: Option<&IndexService>,
    checkpoint: &Checkpoint,
    abnormal: bool,
) -> Result<Log, OpenError> {
    let dir = options.commit_log_dir();
    let found = recover::load(&dir, options.segment_size as usize)?;
    let whole_queues = queues.load()?;
    if found.is_empty() {
        // Without a log the queues point to nothing.
        queues.clear()?;
    }
    let mut queues_end = 0;
    for queue in queues.all() {
        queues_end = queues_end.max(queue.recover()?);
    }
    let how = RecoverOptions {
        segment_size: options.segment_size as usize,
        check_crc: options.check_crc_on_recover,
        abnormal,
        queues_end,
        checkpoint_ms: checkpoint.min_timestamp(),
        first_pass: if whole_queues { Pass::Newest } else { Pass::Whole },
    };
    let topics = queues.topics().into_iter().collect();
    let keys = Vec::new();
    let mut rebuild = Rebuild { options, queues, index, abnormal, queues_end, topics, keys };
    let recovered = recover::recover(&dir, found, how, |view, physical, pass| rebuild.visit(view, physical, pass))?;
    let (segment, _, position) = &recovered.tail;
    let end = segment.base + *position as i64;
    if queues_end > end {
        for queue in queues.all() {
            let dropped = queue.truncate(end)?;
            if dropped > 0 {
                tracing::error!(topic = %queue.topic, queue = queue.id, dropped, log_end = end, "consume queue units behind the end of the log are dropped");
            }
        }
    }
    let min = recovered.segments.front().map_or(0, |segment| segment.base);
    queues.all().iter().for_each(|queue| queue.correct_min(min));
    Ok(Log::new(dir, recovered.segments, recovered.tail, recovered.last_timestamp, options.segment_timeout))
}
