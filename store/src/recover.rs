//! Bringing consume queues to where the log is, at start (store.md 5).
//!
//! The log is walked from the newest segment from which everything that may be missing is seen; after a clean stop of our own
//! from its last record. Should a queue turn out to lack more than that (its folder or a file of it is gone), the whole log is
//! walked, so that it is complete again and its offsets go on where they were. What cannot be noticed: a queue that is gone
//! without a trace, whose records all lie in older segments, in a directory that somebody else has had since.
//!
//! After an unclean stop units are kept only as far as the checkpoint vouches for them and put anew from there on: a power cut
//! may have left any mix of old and new sectors.
use crate::batch::Facts;
use crate::checkpoint::Checkpoint;
use crate::error::OpenError;
use crate::index::{entries_of, IndexEntry, IndexService, IndexedRecord};
use crate::known::{Known, Line, Listed};
use crate::log::paths::LogPaths;
use crate::log::recover::{self, Owner, Pass, RecoverOptions, Visitor};
use crate::log::Log;
use crate::options::StoreOptions;
use crate::queue::batch::BatchUnit;
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
    known: &'a Known,
    listed: Option<Listed<'a>>,
    abnormal: bool,
    /// End of the newest record that is in a queue.
    queues_end: i64,
    /// Topics that had a folder.
    topics: HashSet<Arc<str>>,
    keys: Vec<IndexEntry>,
}

impl Visitor for Rebuild<'_> {
    fn begin(&mut self, oldest: i64, vouched: i64, owner: &dyn Fn(i64) -> Option<Owner>) -> Result<i64, OpenError> {
        let vouched = self.abnormal.then_some(vouched);
        for queue in self.queues.all() {
            // A record that was deleted cannot be asked. Its unit was on the disk before, and says where the offsets go on; should it be
            // torn and lead there by chance, the record with its offset is in the log and drops it.
            let fits = |offset: i64, unit: &Unit| {
                unit.physical < oldest
                    || owner(unit.physical).is_some_and(|owner| owner == (queue.topic.to_string(), queue.id, offset))
            };
            let end = if queue.is_restored() { queue.physical_end() } else { queue.recover(vouched, fits)? };
            let deleted = self.known.deleted_until(&queue.topic);
            if queue.max() > 0 && deleted > 0 && end <= deleted {
                // Its deletion was cut short, or undone by a power cut.
                queue.clear().map_err(OpenError::io("clear the consume queues in", &self.queues.dir))?;
            }
            self.queues_end = self.queues_end.max(end);
        }
        Ok(self.queues_end)
    }

    fn record(&mut self, view: &RecordView<'_>, physical: i64, pass: Pass) -> Result<bool, OpenError> {
        if physical >= self.queues_end && !self.abnormal {
            self.offer_keys(view, physical);
        }
        let facts = Facts::of(view.topic(), view.sys_flag(), view.properties());
        if !facts.enters_queue || self.was_deleted(view.topic(), physical) {
            return Ok(true);
        }
        let queue = self.queues.find_or_create(view.topic(), view.queue_id());
        let (offset, size) = (view.queue_offset(), view.len() as i32);
        if pass == Pass::Newest && queue.lacks_units_before(offset, physical + i64::from(size)) {
            return Ok(false);
        }
        let dropped = queue.drop_torn(offset, physical);
        dropped.map_err(OpenError::io("shorten the consume queue in", self.options.consume_queue_dir()))?;
        let tags_code = facts.unit_code(view.store_timestamp(), &self.options.delay_levels);
        let unit = Unit { physical, size, tags_code };
        let (base, count, store_timestamp) = (offset, facts.messages, view.store_timestamp());
        let put = queue.put(std::iter::once(BatchUnit { unit, store_timestamp, base, count }));
        put.result.map_err(OpenError::io("write the consume queue in", self.options.consume_queue_dir()))?;
        queue.follow_units();
        if put.made_dirty {
            self.queues.flush_later(&queue);
        }
        Ok(true)
    }

    fn end(&mut self, end: i64) -> bool {
        let Some(listed) = self.listed.as_ref().filter(|listed| listed.log_end <= end) else { return true };
        let lacking = listed.queues.iter().find(|line| {
            let found = self.queues.find(line.topic, line.id).map_or(0, |found| found.max());
            found < line.max && self.known.deleted_until(line.topic) < listed.log_end
        });
        if let Some(Line { topic, id: queue, max, .. }) = lacking {
            tracing::error!(%topic, queue, max, "units of a consume queue that were on the disk are gone; it is built again from the log");
        }
        lacking.is_none()
    }
}

impl Rebuild<'_> {
    /// The topic was deleted after this record. Others did so when, after a clean stop, a topic that nobody knows has no folder
    /// while others have one; its records stay until they expire.
    fn was_deleted(&self, topic: &str, physical: i64) -> bool {
        if physical < self.known.deleted_until(topic) {
            return true;
        }
        !self.abnormal && physical < self.queues_end && !self.topics.contains(topic) && self.listed.is_none()
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
    known: &Known,
    abnormal: bool,
) -> Result<Log, OpenError> {
    let segment_size = options.segment_size as usize;
    let read_only = options.commit_log_read_only.clone();
    let paths = LogPaths::new(options.commit_log_dirs(), read_only, segment_size, queues.files.clone())?;
    let found = recover::load(&paths, segment_size)?;
    let text = known.text()?;
    let listed = known.listed(&text);
    let whole_queues = queues.load(listed.as_ref().filter(|_| !abnormal))?;
    if found.is_empty() {
        // Without a log the queues point to nothing.
        queues.clear()?;
    }
    let how = RecoverOptions {
        segment_size,
        check_crc: options.check_crc_on_recover,
        abnormal,
        checkpoint_ms: checkpoint.min_timestamp(),
        flushed_ms: if abnormal { checkpoint.physic_timestamp() } else { i64::MAX },
        last_record: listed.as_ref().filter(|_| !abnormal).and_then(|listed| listed.last_record),
        stopped_at: listed.as_ref().filter(|_| !abnormal).map(|listed| listed.log_end),
        first_pass: if whole_queues { Pass::Newest } else { Pass::Whole },
    };
    let topics = queues.topics().into_iter().collect();
    let (queues_end, keys) = (0, Vec::new());
    let mut rebuild = Rebuild { options, queues, index, known, listed, abnormal, queues_end, topics, keys };
    let recovered = recover::recover(&paths, found, how, &mut rebuild)?;
    let queues_end = rebuild.queues_end;
    let (segment, _, position) = &recovered.tail;
    let end = segment.base + *position as i64;
    for queue in queues.all() {
        let dropped = if queues_end > end { queue.truncate(end)? } else { 0 };
        if dropped > 0 {
            tracing::error!(topic = %queue.topic, queue = queue.id, dropped, log_end = end, "consume queue units behind the end of the log are dropped");
        }
    }
    finish_deletions(queues, known, end)?;
    let min = recovered.segments.front().map_or(0, |segment| segment.base);
    for queue in queues.all() {
        queue.correct_min(min).map_err(OpenError::io("read the consume queues in", &queues.dir))?;
    }
    let last = (recovered.last_timestamp, recovered.last_record);
    Ok(Log::new(paths, recovered.segments, recovered.tail, last, options.segment_timeout))
}

/// Topics whose deletion was cut short lose the files that are left.
fn finish_deletions(queues: &QueueTable, known: &Known, log_end: i64) -> Result<(), OpenError> {
    known.limit(log_end).map_err(OpenError::io("write", known.deleted_path()))?;
    for topic in known.deleted_topics() {
        let until = known.deleted_until(&topic);
        let ids = queues.queue_ids(&topic);
        let newest = ids.iter().filter_map(|id| queues.find(&topic, *id)).map(|queue| queue.physical_end()).max();
        if until > 0 && newest.is_some_and(|newest| newest <= until) {
            queues.remove_topic(&topic).map_err(OpenError::io("remove the consume queues in", &queues.dir))?;
        }
    }
    Ok(())
}
