//! Consumer offsets (broker.md 5.6): committed, pulled, and pending resets; stored as `config/consumerOffset.json`
//! (store.md 6.4), of which only the committed ones are a part.
//!
//! A committed offset is the next one to consume. Nothing expires by itself: entries go with their topic or group.
//!
//! Locks: `groups` is held for look-ups (shared) and for new or removed entries (exclusive); an entry's own mutex is held
//! for a few map operations, never while another lock is taken.
use super::clock::now_ms;
use ferromq_protocol::body::{ConsumerOffsetTable, DataVersion, TOPIC_GROUP_SEPARATOR};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::Arc;

/// Commits per step of the data version, when nothing else is configured.
const VERSION_STEP_DEFAULT: i64 = 500;

/// Length and number of the periods in which deliveries are counted: together they are what a rate is taken over.
const PERIOD_MS: i64 = 10_000;
const PERIODS: usize = 6;

/// Messages delivered in the last minute, in periods of ten seconds. Counting costs an addition, asking nothing before.
#[derive(Debug, Default, Clone, PartialEq)]
struct Deliveries([(i64, i64); PERIODS]);

impl Deliveries {
    fn add(&mut self, messages: i64, now_ms: i64) {
        let period = now_ms / PERIOD_MS;
        let slot = &mut self.0[period.rem_euclid(PERIODS as i64) as usize];
        *slot = if slot.0 == period { (period, slot.1 + messages) } else { (period, messages) };
    }

    /// Messages in the last minute.
    fn recent(&self, now_ms: i64) -> i64 {
        let oldest = now_ms / PERIOD_MS - PERIODS as i64;
        self.0.iter().filter(|(period, _)| *period > oldest).map(|(_, messages)| messages).sum()
    }

    /// Messages per second.
    fn rate(&self, now_ms: i64) -> f64 {
        self.recent(now_ms) as f64 * 1000.0 / (PERIOD_MS * PERIODS as i64) as f64
    }
}

/// The offsets of one group on one topic, by queue.
#[derive(Debug, Default, Clone, PartialEq)]
struct Queues {
    committed: BTreeMap<i32, i64>,
    /// Where the last pull of the queue ended; administration shows it. Not stored.
    pulled: BTreeMap<i32, i64>,
    /// Resets that no pull has taken yet. Not stored.
    resets: BTreeMap<i32, i64>,
    deliveries: Deliveries,
}

/// What a pull leaves behind.
#[derive(Debug, Clone, Copy)]
pub struct PullTrace {
    /// Where it ended.
    pub next: i64,
    /// The offset that came with it, to be stored.
    pub commit: Option<i64>,
    /// Messages it got.
    pub messages: usize,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

/// The offsets of one group on one topic. Kept by whoever does several things with it.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Queues>);

type Topics = HashMap<String, Arc<Progress>>;

/// Offset table: group and topic, queue, next offset to consume.
pub struct Offsets {
    groups: RwLock<HashMap<String, Topics>>,
    /// The committed offsets changed since [`take_dirty`](Self::take_dirty).
    dirty: AtomicBool,
    commits: AtomicI64,
    version_step: AtomicI64,
    version: Mutex<DataVersion>,
}

impl Default for Offsets {
    fn default() -> Self {
        Self::new()
    }
}

impl Offsets {
    /// An empty table.
    pub fn new() -> Self {
        Self {
            groups: RwLock::default(),
            dirty: AtomicBool::new(false),
            commits: AtomicI64::new(0),
            version_step: AtomicI64::new(VERSION_STEP_DEFAULT),
            version: Mutex::new(DataVersion { timestamp: now_ms(), ..DataVersion::default() }),
        }
    }

    /// Sets how many commits make one step of the data version (`consumerOffsetUpdateVersionStep`).
    pub fn set_version_step(&self, commits: i64) {
        self.version_step.store(commits.max(1), Relaxed);
    }

    /// The entry of a group and topic, if there is one.
    pub fn get(&self, group: &str, topic: &str) -> Option<Arc<Progress>> {
        self.groups.read().get(group)?.get(topic).cloned()
    }

    fn get_or_create(&self, group: &str, topic: &str) -> Arc<Progress> {
        if let Some(found) = self.get(group, topic) {
            return found;
        }
        let mut groups = self.groups.write();
        Arc::clone(groups.entry(group.to_owned()).or_default().entry(topic.to_owned()).or_default())
    }

    /// The committed offset of a queue; a reset that is pending wins (broker.md 5.6).
    pub fn committed(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let progress = self.get(group, topic)?;
        let queues = progress.0.lock();
        queues.resets.get(&queue_id).or_else(|| queues.committed.get(&queue_id)).copied()
    }

    /// Stores an offset. Going backwards is allowed.
    pub fn commit(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        self.get_or_create(group, topic).0.lock().committed.insert(queue_id, offset);
        self.changed();
    }

    fn changed(&self) {
        self.dirty.store(true, Relaxed);
        if self.commits.fetch_add(1, Relaxed) % self.version_step.load(Relaxed) == 0 {
            self.next_version();
        }
    }

    fn next_version(&self) {
        self.version.lock().next(now_ms());
    }

    /// Remembers where a pull ended, and stores the offset that came with it.
    pub fn pulled(&self, group: &str, topic: &str, queue_id: i32, trace: &PullTrace) {
        let progress = self.get_or_create(group, topic);
        let mut queues = progress.0.lock();
        queues.pulled.insert(queue_id, trace.next);
        if trace.messages > 0 {
            queues.deliveries.add(i64::try_from(trace.messages).unwrap_or(0), trace.now_ms);
        }
        if let Some(offset) = trace.commit {
            queues.committed.insert(queue_id, offset);
            drop(queues);
            self.changed();
        }
    }

    /// Messages of the topic that the group got in the last minute, and per second; `None` when it never pulled.
    pub fn deliveries(&self, group: &str, topic: &str, now_ms: i64) -> Option<(i64, f64)> {
        let progress = self.get(group, topic)?;
        let queues = progress.0.lock();
        let known = !queues.pulled.is_empty();
        known.then(|| (queues.deliveries.recent(now_ms), queues.deliveries.rate(now_ms)))
    }

    /// Messages of the topic that the group got per second, over the last minute.
    pub fn delivery_rate(&self, group: &str, topic: &str, now_ms: i64) -> f64 {
        self.get(group, topic).map_or(0.0, |progress| progress.0.lock().deliveries.rate(now_ms))
    }

    /// Where the last pull of a queue ended.
    pub fn pulled_to(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.get(group, topic)?.0.lock().pulled.get(&queue_id).copied()
    }

    /// Commits `offset` and makes the next pull of the queue return to it (broker.md 10.3).
    pub fn reset(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let progress = self.get_or_create(group, topic);
        let mut queues = progress.0.lock();
        queues.resets.insert(queue_id, offset);
        queues.committed.insert(queue_id, offset);
        drop(queues);
        self.changed();
    }

    /// True while a reset waits for the next pull of the queue: commits are ignored until then.
    pub fn has_reset(&self, group: &str, topic: &str, queue_id: i32) -> bool {
        self.get(group, topic).is_some_and(|p| p.0.lock().resets.contains_key(&queue_id))
    }

    /// Takes the pending reset of a queue.
    pub fn take_reset(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.get(group, topic)?.0.lock().resets.remove(&queue_id)
    }

    /// Topics on which the group committed offsets, sorted.
    pub fn topics_of(&self, group: &str) -> BTreeSet<String> {
        let groups = self.groups.read();
        let Some(topics) = groups.get(group) else { return BTreeSet::new() };
        topics.iter().filter(|(_, p)| !p.0.lock().committed.is_empty()).map(|(t, _)| t.clone()).collect()
    }

    /// Groups that committed offsets on the topic, sorted.
    pub fn groups_of(&self, topic: &str) -> BTreeSet<String> {
        let groups = self.groups.read();
        let has = |topics: &Topics| topics.get(topic).is_some_and(|p| !p.0.lock().committed.is_empty());
        groups.iter().filter(|(_, topics)| has(topics)).map(|(g, _)| g.clone()).collect()
    }

    /// Committed offsets of a group on a topic.
    pub fn queues(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.get(group, topic).map(|p| p.0.lock().committed.clone()).unwrap_or_default()
    }

    /// Copies the committed offsets of one group to another (CLONE_GROUP_OFFSET).
    pub fn copy(&self, from: &str, to: &str, topic: &str) {
        let queues = self.queues(from, topic);
        if !queues.is_empty() {
            self.get_or_create(to, topic).0.lock().committed = queues;
            self.changed();
        }
    }

    /// Forgets everything about a topic that was deleted.
    pub fn remove_topic(&self, topic: &str) {
        let mut groups = self.groups.write();
        let removed = groups.values_mut().filter_map(|topics| topics.remove(topic)).count();
        groups.retain(|_, topics| !topics.is_empty());
        drop(groups);
        if removed > 0 {
            self.dirty.store(true, Relaxed);
            self.next_version();
        }
    }

    /// Forgets everything about a group that was deleted with its offsets.
    pub fn remove_group(&self, group: &str) {
        if self.groups.write().remove(group).is_some() {
            self.dirty.store(true, Relaxed);
            self.next_version();
        }
    }

    /// True once after the table changed since the last call: whether a periodic write is needed.
    pub fn take_dirty(&self) -> bool {
        self.dirty.swap(false, Relaxed)
    }

    /// Reads the content of `consumerOffset.json`; the error is a sentence for the log and stops the start.
    pub fn load(&self, text: &[u8]) -> Result<(), String> {
        let table = ConsumerOffsetTable::decode(text).map_err(|e| e.to_string())?;
        let mut loaded: HashMap<String, Topics> = HashMap::new();
        for (key, committed) in table.offset_table {
            // No topic name contains the separator (wire.md 6.9), so that the first one splits.
            let Some((topic, group)) = key.split_once(TOPIC_GROUP_SEPARATOR) else { continue };
            let queues = Queues { committed, ..Queues::default() };
            loaded
                .entry(group.to_owned())
                .or_default()
                .insert(topic.to_owned(), Arc::new(Progress(Mutex::new(queues))));
        }
        *self.version.lock() = table.data_version;
        *self.groups.write() = loaded;
        self.dirty.store(false, Relaxed);
        Ok(())
    }

    /// The committed offsets (wire.md 5.21): the content of the file and the body of GET_ALL_CONSUMER_OFFSET.
    pub fn table(&self) -> ConsumerOffsetTable {
        let mut table = ConsumerOffsetTable { data_version: *self.version.lock(), ..ConsumerOffsetTable::default() };
        for (group, topics) in self.groups.read().iter() {
            for (topic, progress) in topics {
                let committed = progress.0.lock().committed.clone();
                if !committed.is_empty() {
                    table.offset_table.insert(format!("{topic}{TOPIC_GROUP_SEPARATOR}{group}"), committed);
                }
            }
        }
        table.derive_group_topics();
        table
    }

    /// The content of `consumerOffset.json`.
    pub fn to_file(&self) -> Vec<u8> {
        self.table().encode_pretty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What is written is read back; pulled offsets and pending resets are memory only.
    #[test]
    fn the_file_holds_the_committed_offsets() {
        let offsets = Offsets::new();
        offsets.commit("g", "t", 0, 12);
        offsets.pulled("g", "t", 1, &PullTrace { next: 30, commit: Some(7), messages: 9, now_ms: 0 });
        offsets.pulled("h", "t", 0, &PullTrace { next: 5, commit: None, messages: 0, now_ms: 0 });
        assert!(offsets.take_dirty() && !offsets.take_dirty());
        let file = offsets.to_file();
        let text = String::from_utf8_lossy(&file).into_owned();
        assert!(text.contains("\"t@g\":{0:12,1:7"), "{text}");
        let copy = Offsets::new();
        copy.load(&file).unwrap();
        assert_eq!((copy.committed("g", "t", 1), copy.pulled_to("g", "t", 1)), (Some(7), None));
        assert_eq!(copy.groups_of("t").into_iter().collect::<Vec<_>>(), ["g"]);
        assert_eq!(copy.table(), offsets.table());
    }

    // Files of 4.x have no data version; nonsense in single entries does not hide the others.
    #[test]
    fn old_and_odd_files_are_read() {
        let offsets = Offsets::new();
        offsets.load(br#"{"offsetTable":{"t@g":{"0":3,1:"4"},"nothing":{0:1}}}"#).unwrap();
        assert_eq!(offsets.queues("g", "t"), BTreeMap::from([(0, 3), (1, 4)]));
        assert!(offsets.load(b"[]").is_err() && offsets.load(b"{").is_err());
    }

    // A reset is seen at once, blocks commits for its queue only, and ends with the pull that takes it.
    #[test]
    fn a_reset_waits_for_a_pull() {
        let offsets = Offsets::new();
        offsets.commit("g", "t", 0, 9);
        offsets.reset("g", "t", 0, 2);
        assert!(offsets.has_reset("g", "t", 0) && !offsets.has_reset("g", "t", 1));
        assert_eq!(offsets.committed("g", "t", 0), Some(2));
        assert_eq!((offsets.take_reset("g", "t", 0), offsets.take_reset("g", "t", 0)), (Some(2), None));
        assert_eq!(offsets.committed("g", "t", 0), Some(2));
    }

    // A rate counts the last minute and forgets what is older.
    #[test]
    fn rates_cover_the_last_minute() {
        let mut deliveries = Deliveries::default();
        deliveries.add(60, 100_000);
        deliveries.add(60, 130_000);
        assert_eq!((deliveries.rate(131_000), deliveries.rate(165_000), deliveries.rate(200_000)), (2.0, 1.0, 0.0));
        deliveries.add(30, 160_000);
        assert_eq!(deliveries.rate(161_000), 1.5);
    }

    // Deleting a topic or group removes its entries and nothing else.
    #[test]
    fn entries_go_with_their_topic_and_group() {
        let offsets = Offsets::new();
        for (group, topic) in [("g", "t"), ("g", "u"), ("h", "t")] {
            offsets.commit(group, topic, 0, 1);
        }
        offsets.remove_topic("t");
        assert_eq!((offsets.committed("g", "t", 0), offsets.committed("g", "u", 0)), (None, Some(1)));
        offsets.remove_group("g");
        assert!(offsets.topics_of("g").is_empty());
    }
}
