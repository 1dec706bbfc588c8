//! Numbers about topics and groups (wire.md 5.23, 5.24, 5.26).
use super::MessageQueue;
use std::collections::BTreeMap;

json_body! {
    /// Offsets of a queue.
    #[derive(Copy, Eq)]
    pub struct TopicOffset {
        /// Milliseconds; 0 for an empty queue.
        last_update_timestamp: i64 = "lastUpdateTimestamp";
        max_offset: i64 = "maxOffset";
        min_offset: i64 = "minOffset";
    }
}

json_body! {
    /// Offsets of a topic's queues (202).
    pub struct TopicStatsTable {
        offset_table: BTreeMap<MessageQueue, TopicOffset> = "offsetTable";
        /// 5.x.
        topic_put_tps: f64 = "topicPutTps";
    }
}

json_body! {
    /// How far a group is in a queue.
    #[derive(Copy, Eq)]
    pub struct ConsumeOffset {
        broker_offset: i64 = "brokerOffset";
        consumer_offset: i64 = "consumerOffset";
        /// Store time of the last message consumed, milliseconds.
        last_timestamp: i64 = "lastTimestamp";
        /// 5.x.
        pull_offset: i64 = "pullOffset";
    }
}

json_body! {
    /// How far a group is (208).
    pub struct ConsumeStats {
        consume_tps: f64 = "consumeTps";
        offset_table: BTreeMap<MessageQueue, ConsumeOffset> = "offsetTable";
    }
}

impl ConsumeStats {
    /// Messages not consumed yet, over all queues.
    pub fn total_lag(&self) -> i64 {
        self.offset_table.values().map(|at| at.broker_offset - at.consumer_offset).sum()
    }
}

json_body! {
    /// How far all groups of a broker are (317).
    pub struct ConsumeStatsList {
        broker_addr: Option<String> = "brokerAddr";
        /// Objects with one group each; the list has an element per topic.
        consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>> = "consumeStatsList";
        total_diff: i64 = "totalDiff";
        /// 5.x.
        total_inflight_diff: i64 = "totalInflightDiff";
    }
}

json_body! {
    /// One period of [`BrokerStatsData`].
    pub struct BrokerStatsItem {
        avgpt: f64 = "avgpt";
        sum: i64 = "sum";
        tps: f64 = "tps";
    }
}

json_body! {
    /// One counter of a broker (315).
    pub struct BrokerStatsData {
        stats_day: BrokerStatsItem = "statsDay";
        stats_hour: BrokerStatsItem = "statsHour";
        stats_minute: BrokerStatsItem = "statsMinute";
    }
}
json_codec!(TopicStatsTable, ConsumeStats, ConsumeStatsList, BrokerStatsData);
