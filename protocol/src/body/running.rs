//! What a consumer tells about itself (wire.md 5.18, 5.19).
use super::{MessageQueue, SubscriptionData};
use std::collections::BTreeMap;

/// Property with the consume type, which tools need.
pub const PROP_CONSUME_TYPE: &str = "PROP_CONSUME_TYPE";
/// Property that says whether the group consumes in order.
pub const PROP_CONSUME_ORDERLY: &str = "PROP_CONSUMEORDERLY";
/// Property with the name of the client's version.
pub const PROP_CLIENT_VERSION: &str = "PROP_CLIENT_VERSION";
/// Property with the start time in milliseconds.
pub const PROP_CONSUMER_START_TIMESTAMP: &str = "PROP_CONSUMER_START_TIMESTAMP";
/// Property with the name server list.
pub const PROP_NAMESERVER_ADDR: &str = "PROP_NAMESERVER_ADDR";
/// Property with the number of consuming threads.
pub const PROP_THREADPOOL_CORE_SIZE: &str = "PROP_THREADPOOL_CORE_SIZE";

json_body! {
    /// The cache of one queue. Times are milliseconds.
    #[derive(Eq)]
    pub struct ProcessQueueInfo {
        cached_msg_count: i32 = "cachedMsgCount";
        cached_msg_max_offset: i64 = "cachedMsgMaxOffset";
        cached_msg_min_offset: i64 = "cachedMsgMinOffset";
        cached_msg_size_in_mib: i32 = "cachedMsgSizeInMiB";
        commit_offset: i64 = "commitOffset";
        /// The spelling is the protocol's.
        dropped: bool = "droped" | "dropped";
        last_consume_timestamp: i64 = "lastConsumeTimestamp";
        last_lock_timestamp: i64 = "lastLockTimestamp";
        last_pull_timestamp: i64 = "lastPullTimestamp";
        locked: bool = "locked";
        transaction_msg_count: i32 = "transactionMsgCount";
        transaction_msg_max_offset: i64 = "transactionMsgMaxOffset";
        transaction_msg_min_offset: i64 = "transactionMsgMinOffset";
        try_unlock_times: i64 = "tryUnlockTimes";
    }
}

json_body! {
    /// The cache of one queue in pop mode (5.x).
    #[derive(Eq)]
    pub struct PopProcessQueueInfo {
        /// The spelling is the protocol's.
        dropped: bool = "droped" | "dropped";
        last_pop_timestamp: i64 = "lastPopTimestamp";
        wait_ack_count: i32 = "waitAckCount";
    }
}

json_body! {
    /// Speed of one topic. Times are milliseconds.
    pub struct ConsumeStatus {
        consume_failed_msgs: i64 = "consumeFailedMsgs";
        consume_failed_tps: f64 = "consumeFailedTPS";
        consume_ok_tps: f64 = "consumeOKTPS";
        consume_rt: f64 = "consumeRT";
        pull_rt: f64 = "pullRT";
        pull_tps: f64 = "pullTPS";
    }
}

json_body! {
    /// State of a consumer (307).
    pub struct ConsumerRunningInfo {
        /// Stack dump, when asked for.
        jstack: Option<String> = "jstack";
        /// 5.x.
        mq_pop_table: BTreeMap<MessageQueue, PopProcessQueueInfo> = "mqPopTable";
        mq_table: BTreeMap<MessageQueue, ProcessQueueInfo> = "mqTable";
        properties: BTreeMap<String, String> = "properties";
        /// By topic.
        status_table: BTreeMap<String, ConsumeStatus> = "statusTable";
        subscription_set: Vec<SubscriptionData> = "subscriptionSet";
        /// 5.x.
        user_consumer_info: BTreeMap<String, String> = "userConsumerInfo";
    }
}

json_enum! {
    /// Outcome of consuming one message.
    pub enum ConsumeResult: Success {
        Success = 0 "CR_SUCCESS",
        Later = 1 "CR_LATER",
        Rollback = 2 "CR_ROLLBACK",
        Commit = 3 "CR_COMMIT",
        ThrowException = 4 "CR_THROW_EXCEPTION",
        ReturnNull = 5 "CR_RETURN_NULL",
    }
}

json_body! {
    /// Outcome of consuming one message on request (309).
    #[derive(Eq)]
    pub struct ConsumeMessageDirectlyResult {
        auto_commit: bool = "autoCommit" (true);
        consume_result: Option<ConsumeResult> = "consumeResult";
        order: bool = "order";
        remark: Option<String> = "remark";
        /// Milliseconds.
        spent_time_millis: i64 = "spentTimeMills";
    }
}
json_codec!(ConsumerRunningInfo, ConsumeMessageDirectlyResult);
