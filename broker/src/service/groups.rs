//! Subscription groups (broker.md 2.3, 10.1; file format store.md 6.3).
//!
//! Lock: `table`, a read-write lock held for single look-ups and replacements. Every change bumps the data version and is
//! reported to [`Changes`](super::changes::Changes).
use super::changes::{Changes, File};
use super::clock::now_ms;
use super::names;
use crate::config::BrokerConfig;
use ferromq_protocol::body::{BodyError, DataVersion, SubscriptionGroupConfig, SubscriptionGroupTable};
use ferromq_protocol::topic;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

struct Table {
    configs: HashMap<String, Arc<SubscriptionGroupConfig>>,
    forbidden: BTreeMap<String, BTreeMap<String, i32>>,
    version: DataVersion,
}

/// The group table.
pub struct Groups {
    table: RwLock<Table>,
    changes: Arc<Changes>,
}

impl Groups {
    /// An empty table.
    pub fn new(changes: Arc<Changes>) -> Self {
        let version = DataVersion { timestamp: now_ms(), ..DataVersion::default() };
        Self { table: RwLock::new(Table { configs: HashMap::new(), forbidden: BTreeMap::new(), version }), changes }
    }

    /// The configuration of a group, if it exists. Creates nothing.
    pub fn get(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        self.table.read().configs.get(group).cloned()
    }

    /// The configuration of a group, created with the defaults when the settings and the name allow it (broker.md 2.3).
    pub fn find(&self, group: &str, config: &BrokerConfig) -> Option<Arc<SubscriptionGroupConfig>> {
        if let Some(found) = self.get(group) {
            return Some(found);
        }
        let system = config.enable_create_sys_group && group.starts_with(topic::SYSTEM_GROUP_PREFIX);
        if !(config.auto_create_subscription_group || system) || names::check_group(group).is_err() {
            return None;
        }
        let mut table = self.table.write();
        if let Some(found) = table.configs.get(group) {
            return Some(Arc::clone(found));
        }
        let created = Arc::new(SubscriptionGroupConfig::new(group));
        table.configs.insert(group.to_owned(), Arc::clone(&created));
        table.version.next(now_ms());
        drop(table);
        self.changes.file(File::Groups);
        Some(created)
    }

    /// True when the group exists or may be created by the next look-up.
    pub fn contains(&self, group: &str) -> bool {
        self.table.read().configs.contains_key(group)
    }

    /// All configurations, forbidden topics, and the version they belong to.
    pub fn all(&self) -> SubscriptionGroupTable {
        let table = self.table.read();
        SubscriptionGroupTable {
            subscription_group_table: table
                .configs
                .iter()
                .map(|(n, c)| (n.clone(), SubscriptionGroupConfig::clone(c)))
                .collect(),
            forbidden_table: table.forbidden.clone(),
            data_version: table.version,
        }
    }

    /// Creates or replaces groups in one change.
    pub fn put_all(&self, configs: Vec<SubscriptionGroupConfig>) {
        let mut table = self.table.write();
        table.configs.extend(configs.into_iter().map(|c| (c.group_name.clone(), Arc::new(c))));
        table.version.next(now_ms());
        drop(table);
        self.changes.file(File::Groups);
    }

    /// Removes a group; false when there was none.
    pub fn remove(&self, group: &str) -> bool {
        let mut table = self.table.write();
        let existed = table.configs.remove(group).is_some();
        let forbidden = table.forbidden.remove(group).is_some();
        if existed || forbidden {
            table.version.next(now_ms());
            drop(table);
            self.changes.file(File::Groups);
        }
        existed
    }

    /// The forbidden bits of a group for a topic: 4 means that reading is forbidden.
    pub fn forbidden(&self, group: &str, topic: &str) -> i32 {
        self.table.read().forbidden.get(group).and_then(|topics| topics.get(topic)).copied().unwrap_or(0)
    }

    /// Forbids or allows a group to read a topic.
    pub fn set_readable(&self, group: &str, topic: &str, readable: bool) {
        const READ: i32 = 4;
        let mut table = self.table.write();
        let topics = table.forbidden.entry(group.to_owned()).or_default();
        let bits = topics.get(topic).copied().unwrap_or(0);
        match if readable { bits & !READ } else { bits | READ } {
            0 => topics.remove(topic),
            bits => topics.insert(topic.to_owned(), bits),
        };
        if topics.is_empty() {
            table.forbidden.remove(group);
        }
        table.version.next(now_ms());
        drop(table);
        self.changes.file(File::Groups);
    }

    /// Creates the groups every broker has (wire.md 6.9).
    pub fn create_system_groups(&self) {
        const BROADCAST_PREFIX: &str = "CID_ONS";
        let missing: Vec<SubscriptionGroupConfig> = topic::SYSTEM_GROUPS
            .iter()
            .filter(|name| !self.contains(name))
            .map(|name| {
                let mut config = SubscriptionGroupConfig::new(*name);
                config.consume_broadcast_enable |= name.starts_with(BROADCAST_PREFIX);
                config
            })
            .collect();
        if !missing.is_empty() {
            self.put_all(missing);
        }
    }

    /// Reads the content of `subscriptionGroup.json`.
    pub fn load(&self, json: &[u8]) -> Result<(), BodyError> {
        let loaded = SubscriptionGroupTable::decode(json)?;
        let mut table = self.table.write();
        table.configs = loaded.subscription_group_table.into_iter().map(|(n, c)| (n, Arc::new(c))).collect();
        table.forbidden = loaded.forbidden_table;
        table.version = loaded.data_version;
        Ok(())
    }
}
