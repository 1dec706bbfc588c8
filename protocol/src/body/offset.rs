//! Tables of offsets: bodies and files (wire.md 5.21, store.md 6.4, 6.5).
use super::DataVersion;
use std::collections::{BTreeMap, BTreeSet};

/// Between topic and group in the keys of [`ConsumerOffsetTable`].
pub const TOPIC_GROUP_SEPARATOR: char = '@';

json_body! {
    /// Next offsets to consume: `consumerOffset.json` and the answer to 43.
    #[derive(Eq)]
    pub struct ConsumerOffsetTable {
        /// Absent in 4.9 files.
        data_version: DataVersion = "dataVersion";
        /// Derived from the offsets; 5.x writes it, nobody reads it.
        group_topic_map: Option<BTreeMap<String, BTreeSet<String>>> = "groupTopicMap";
        /// By `topic@group`, then queue id.
        offset_table: BTreeMap<String, BTreeMap<i32, i64>> = "offsetTable";
    }
}

impl ConsumerOffsetTable {
    /// Fills the derived member, as 5.x files have it.
    pub fn derive_group_topics(&mut self) {
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (topic, group) in self.offset_table.keys().filter_map(|key| key.split_once(TOPIC_GROUP_SEPARATOR)) {
            groups.entry(group.to_owned()).or_default().insert(topic.to_owned());
        }
        self.group_topic_map = Some(groups);
    }
}

json_body! {
    /// Next offsets of the delay levels: `delayOffset.json`.
    #[derive(Eq)]
    pub struct DelayOffsetTable {
        /// Absent in 4.9 files.
        data_version: DataVersion = "dataVersion";
        /// By delay level, from 1.
        offset_table: BTreeMap<i32, i64> = "offsetTable";
    }
}
json_codec!(ConsumerOffsetTable, DelayOffsetTable);
