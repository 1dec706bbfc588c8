//! Topic configurations (wire.md 5.3, store.md 6.2).
use super::{DataVersion, TopicQueueMappingInfo};
use crate::json::Value;
use std::collections::BTreeMap;

/// Permission to read.
pub const PERM_READ: i32 = 4;
/// Permission to write.
pub const PERM_WRITE: i32 = 2;
/// New topics may take this one as their template.
pub const PERM_INHERIT: i32 = 1;

json_body! {
    /// One topic on one broker.
    #[derive(Eq)]
    pub struct TopicConfig {
        /// 5.x; plain names, without the `+` of requests.
        attributes: BTreeMap<String, String> = "attributes";
        order: bool = "order";
        /// Bits: 1 inherit, 2 write, 4 read, 8 priority.
        perm: i32 = "perm" (PERM_READ | PERM_WRITE);
        read_queue_nums: i32 = "readQueueNums" (16);
        topic_filter_type: TopicFilterType = "topicFilterType";
        topic_name: String = "topicName";
        /// Bits: 1 unit, 2 has unit subscription.
        topic_sys_flag: i32 = "topicSysFlag";
        write_queue_nums: i32 = "writeQueueNums" (16);
    }
}

impl TopicConfig {
    /// A topic with as many read as write queues, readable and writable.
    pub fn new(topic: impl Into<String>, queues: i32) -> Self {
        Self { topic_name: topic.into(), read_queue_nums: queues, write_queue_nums: queues, ..Self::default() }
    }

    /// True when it may be read.
    pub fn is_readable(&self) -> bool {
        self.perm & PERM_READ != 0
    }

    /// True when it may be written.
    pub fn is_writable(&self) -> bool {
        self.perm & PERM_WRITE != 0
    }
}

json_enum! {
    /// How many tags a message has.
    pub enum TopicFilterType: SingleTag {
        SingleTag = 0 "SINGLE_TAG",
        MultiTag = 1 "MULTI_TAG",
    }
}

json_body! {
    /// The topics of a broker: `topics.json`, the answer to 21, and part of a registration.
    pub struct TopicConfigTable {
        data_version: DataVersion = "dataVersion";
        /// 5.x.
        mapping_data_version: Option<DataVersion> = "mappingDataVersion";
        /// By topic.
        topic_config_table: BTreeMap<String, TopicConfig> = "topicConfigTable";
        /// 5.x, static topics; kept as it comes.
        topic_queue_mapping_detail_map: Option<Value> = "topicQueueMappingDetailMap";
        /// 5.x, static topics.
        topic_queue_mapping_info_map: Option<BTreeMap<String, TopicQueueMappingInfo>> = "topicQueueMappingInfoMap";
    }
}
json_codec!(TopicConfig, TopicConfigTable);
