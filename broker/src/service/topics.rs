//! The topic table (broker.md 2.3, 10.1; file format store.md 6.2).
//!
//! Lock: `table`, a read-write lock held for single look-ups and replacements. A configuration is an immutable value
//! behind a reference count, so that a request keeps the one it started with. Every change bumps the data version and is
//! reported to [`Changes`](super::changes::Changes), which writes the file and tells the name servers.
mod configs;

pub use configs::Topic;

use super::changes::{Changes, File};
use super::clock::now_ms;
use super::identity::Identity;
use crate::config::BrokerConfig;
use configs::Configs;
use ferromq_protocol::body::{BodyError, DataVersion, TopicConfig, TopicConfigTable};
use ferromq_protocol::topic;
use parking_lot::RwLock;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Permission bits (broker.md 0.2).
pub mod perm {
    /// May be used as a template of auto-created topics.
    pub const INHERIT: i32 = 1;
    /// Writable.
    pub const WRITE: i32 = 2;
    /// Readable.
    pub const READ: i32 = 4;
    /// READ and WRITE.
    pub const READ_WRITE: i32 = READ | WRITE;

    /// True when messages may be read.
    pub fn is_readable(perm: i32) -> bool {
        perm & READ != 0
    }
    /// True when messages may be sent.
    pub fn is_writable(perm: i32) -> bool {
        perm & WRITE != 0
    }
    /// Java's short form, e.g. `RW-`.
    pub fn text(perm: i32) -> String {
        [(READ, 'R'), (WRITE, 'W'), (INHERIT, 'X')]
            .iter()
            .map(|(bit, c)| if perm & bit != 0 { *c } else { '-' })
            .collect()
    }
}

/// Topic sysFlag bit: the topic belongs to a unit.
pub const UNIT: i32 = 1;
/// Topic sysFlag bit: a retry topic of a unit's consumers.
pub const UNIT_SUB: i32 = 2;

/// Topics that are looked up together.
pub const TOGETHER: usize = 16;

struct Table {
    configs: Configs,
    version: DataVersion,
}

/// The topic table.
pub struct Topics {
    table: RwLock<Table>,
    changes: Arc<Changes>,
    own_names: [String; 3],
}

impl Topics {
    /// An empty table of the broker `identity`.
    pub fn new(identity: &Identity, changes: Arc<Changes>) -> Self {
        let own_names = [identity.cluster.clone(), identity.name.clone(), topic::reply_topic(&identity.cluster)];
        let version = DataVersion { timestamp: now_ms(), ..DataVersion::default() };
        Self { table: RwLock::new(Table { configs: Configs::default(), version }), changes, own_names }
    }

    /// The configuration of a topic.
    pub fn get(&self, topic: &str) -> Option<Arc<Topic>> {
        self.table.read().configs.get(topic).cloned()
    }

    /// Some topics in their order, best [`TOGETHER`].
    pub fn get_all<'a>(&self, topics: impl Iterator<Item = &'a str>) -> SmallVec<[Option<Arc<Topic>>; TOGETHER]> {
        let table = self.table.read();
        // First all are found, then all are taken: nothing is written in between, so that the processor waits for several at a time.
        let found: SmallVec<[_; TOGETHER]> = topics.map(|topic| table.configs.get(topic)).collect();
        found.into_iter().map(Option::<&_>::cloned).collect()
    }

    /// True when the topic exists.
    pub fn contains(&self, topic: &str) -> bool {
        self.table.read().configs.get(topic).is_some()
    }

    /// All configurations, sorted by name, with the version they belong to.
    pub fn all(&self) -> (BTreeMap<String, Arc<Topic>>, DataVersion) {
        let table = self.table.read();
        (table.configs.iter().map(by_name).collect(), table.version)
    }

    /// The configurations of some topics, with the version they belong to.
    pub fn some(&self, names: &[String]) -> (BTreeMap<String, Arc<Topic>>, DataVersion) {
        let table = self.table.read();
        let found = names.iter().filter_map(|name| table.configs.get(name));
        (found.map(by_name).collect(), table.version)
    }

    /// Number of topics.
    pub fn len(&self) -> usize {
        self.table.read().configs.len()
    }

    /// True when there is no topic.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The current data version.
    pub fn version(&self) -> DataVersion {
        self.table.read().version
    }

    /// Marks topics as ordered, as the name servers' configuration says.
    pub fn mark_ordered<'a>(&self, topics: impl Iterator<Item = &'a String>) {
        let unmarked = topics.filter_map(|topic| self.get(topic)).filter(|config| !config.order);
        let changed: Vec<TopicConfig> =
            unmarked.map(|c| TopicConfig { order: true, ..TopicConfig::clone(&c) }).collect();
        if !changed.is_empty() {
            self.put_all(changed);
        }
    }

    /// Steps the data version without a change of a topic, so that name servers take the next registration.
    pub fn touch(&self) {
        self.table.write().version.next(now_ms());
        self.changes.file(File::Topics);
    }

    /// True for topics that administration may not touch: the fixed ones, `rmq_sys_*`, and those named after this broker,
    /// its cluster, and its reply topic.
    pub fn is_system(&self, topic: &str) -> bool {
        topic::is_system(topic) || self.own_names.iter().any(|own| own == topic)
    }

    /// The names of all system topics, existing or not.
    pub fn system_names(&self) -> Vec<String> {
        let fixed = topic::SYSTEM.iter().map(|name| (*name).to_owned());
        let own = self.own_names.iter().cloned();
        let prefixed = self
            .table
            .read()
            .configs
            .iter()
            .map(|config| config.topic_name.clone())
            .filter(|name| name.starts_with(topic::SYSTEM_PREFIX))
            .collect::<Vec<_>>();
        let all: std::collections::BTreeSet<String> = fixed.chain(own).chain(prefixed).collect();
        all.into_iter().collect()
    }

    /// Creates or replaces a topic.
    pub fn put(&self, config: TopicConfig) -> Arc<Topic> {
        let config = Topic::new(config);
        let mut table = self.table.write();
        table.configs.put(Arc::clone(&config));
        table.version.next(now_ms());
        drop(table);
        self.report(&config.topic_name);
        config
    }

    /// Creates or replaces several topics in one change.
    pub fn put_all(&self, configs: Vec<TopicConfig>) {
        let names: Vec<String> = configs.iter().map(|c| c.topic_name.clone()).collect();
        let mut table = self.table.write();
        configs.into_iter().for_each(|config| table.configs.put(Topic::new(config)));
        table.version.next(now_ms());
        drop(table);
        names.iter().for_each(|name| self.report(name));
    }

    /// Removes a topic; false when there was none. The routes keep it until the next full registration, as with the
    /// reference, whose tools delete it at the name server themselves.
    pub fn remove(&self, topic: &str) -> bool {
        let mut table = self.table.write();
        let existed = table.configs.remove(topic);
        if existed {
            table.version.next(now_ms());
            drop(table);
            self.changes.file(File::Topics);
        }
        existed
    }

    /// The topic, created with `make` if it does not exist. Two callers at a time get the same one.
    fn get_or_create(&self, topic: &str, make: impl FnOnce() -> TopicConfig) -> Arc<Topic> {
        if let Some(config) = self.get(topic) {
            return config;
        }
        let mut table = self.table.write();
        if let Some(config) = table.configs.get(topic) {
            return Arc::clone(config);
        }
        let config = Topic::new(make());
        table.configs.put(Arc::clone(&config));
        table.version.next(now_ms());
        drop(table);
        self.report(topic);
        config
    }

    /// A retry, dead-letter or other topic the broker makes by itself, created when missing.
    pub fn get_or_create_own(&self, topic: &str, queues: i32, perm: i32, sys_flag: i32) -> Arc<Topic> {
        self.get_or_create(topic, || new_config(topic, queues, perm, sys_flag))
    }

    /// `%RETRY%group`, created when missing (heartbeat, send-back); `order` when a subscribed topic is an order topic.
    pub fn get_or_create_retry(&self, group: &str, queues: i32, unit: bool, order: bool) -> Arc<Topic> {
        let name = topic::retry_topic(group);
        let sys_flag = if unit { UNIT_SUB } else { 0 };
        self.get_or_create(&name, || TopicConfig { order, ..new_config(&name, queues, perm::READ_WRITE, sys_flag) })
    }

    /// Auto-creation by a send (broker.md 2.3): the topic as its template allows, or `None`.
    pub fn create_from_template(
        &self,
        name: &str,
        request: &AutoCreate<'_>,
        config: &BrokerConfig,
    ) -> Option<Arc<Topic>> {
        let template = self.get(request.template)?;
        if request.template == topic::AUTO_CREATE && !config.auto_create_topic_enable {
            // The live table is changed, as by the reference: auto-creation stays impossible until a restart.
            if template.perm != perm::READ_WRITE {
                let closed = TopicConfig { perm: perm::READ_WRITE, ..TopicConfig::clone(&template) };
                self.table.write().configs.put(Topic::new(closed));
            }
            return None;
        }
        if template.perm & perm::INHERIT == 0 {
            return None;
        }
        let queues = request.queues?.min(template.write_queue_nums).max(0);
        let sys_flag = if request.unit { UNIT } else { 0 };
        Some(self.get_or_create(name, || TopicConfig {
            topic_filter_type: template.topic_filter_type,
            ..new_config(name, queues, template.perm & !perm::INHERIT, sys_flag)
        }))
    }

    /// Creates the system topics that are missing (broker.md 2.3).
    pub fn create_system_topics(&self, identity: &Identity, config: &BrokerConfig) {
        for new in system_topics(identity, config) {
            if !self.contains(&new.topic_name) {
                self.put(new);
            }
        }
    }

    /// Reads the content of `topics.json`.
    pub fn load(&self, json: &[u8]) -> Result<(), BodyError> {
        let loaded = TopicConfigTable::decode(json)?;
        let mut table = self.table.write();
        let named = |(topic_name, config)| Topic::new(TopicConfig { topic_name, ..config });
        table.configs = loaded.topic_config_table.into_iter().map(named).collect();
        table.version = loaded.data_version;
        Ok(())
    }

    fn report(&self, topic: &str) {
        self.changes.file(File::Topics);
        self.changes.topic(topic);
    }
}

/// An entry of a table that is sorted by name.
fn by_name(config: &Arc<Topic>) -> (String, Arc<Topic>) {
    (config.topic_name.clone(), Arc::clone(config))
}

/// What a send says about the topic it wants created.
#[derive(Debug, Clone, Copy)]
pub struct AutoCreate<'a> {
    /// Template topic (`defaultTopic` of the request).
    pub template: &'a str,
    /// Queues asked for; without a number nothing is created.
    pub queues: Option<i32>,
    /// Unit mode.
    pub unit: bool,
}

/// The content of `topics.json`, and of a registration.
pub fn table_of(configs: &BTreeMap<String, Arc<Topic>>, version: DataVersion) -> TopicConfigTable {
    TopicConfigTable {
        data_version: version,
        topic_config_table: configs.iter().map(|(n, c)| (n.clone(), TopicConfig::clone(c))).collect(),
        ..TopicConfigTable::default()
    }
}

/// A configuration with the usual values.
pub fn new_config(name: &str, queues: i32, perm: i32, sys_flag: i32) -> TopicConfig {
    TopicConfig {
        topic_name: name.to_owned(),
        read_queue_nums: queues,
        write_queue_nums: queues,
        perm,
        topic_sys_flag: sys_flag,
        ..TopicConfig::default()
    }
}

/// The topics a 5.4.0 broker creates at start.
fn system_topics(identity: &Identity, config: &BrokerConfig) -> Vec<TopicConfig> {
    const RW: i32 = perm::READ_WRITE;
    let own = |enabled: bool| perm::INHERIT | if enabled { RW } else { 0 };
    let levels = config.message_delay_level.split_whitespace().count();
    let mut topics = vec![
        (topic::SELF_TEST.to_owned(), 1, RW),
        (topic::BENCHMARK.to_owned(), 1024, RW),
        (identity.cluster.clone(), 16, own(config.cluster_topic_enable)),
        (identity.name.clone(), 1, own(config.broker_topic_enable)),
        (topic::OFFSET_MOVED_EVENT.to_owned(), 1, RW),
        (topic::SCHEDULE.to_owned(), i32::try_from(levels.max(18)).unwrap_or(18), RW),
        (topic::reply_topic(&identity.cluster), 1, RW),
        (format!("rmq_sys_REVIVE_LOG_{}", identity.cluster), config.revive_queue_num, RW),
        (format!("rmq_sys_SYNC_BROKER_MEMBER_{}", identity.name), 1, perm::INHERIT),
        (topic::TRANS_HALF.to_owned(), 1, RW),
        (topic::TRANS_OP_HALF.to_owned(), 1, RW),
        ("RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC".to_owned(), 1, RW),
        ("RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC".to_owned(), 1, RW),
        (topic::WHEEL_TIMER.to_owned(), 1, RW),
    ];
    if config.auto_create_topic_enable {
        topics.push((topic::AUTO_CREATE.to_owned(), config.default_topic_queue_nums, RW | perm::INHERIT));
    }
    if config.trace_topic_enable {
        topics.push((config.msg_trace_topic_name.clone(), 1, RW));
    }
    topics.into_iter().map(|(name, queues, perm)| new_config(&name, queues, perm, 0)).collect()
}
