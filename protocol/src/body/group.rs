//! Consumer group configurations (wire.md 5.7, store.md 6.3).
use super::DataVersion;
use std::collections::BTreeMap;

json_body! {
    /// Delays chosen one by one.
    #[derive(Eq)]
    pub struct CustomizedRetryPolicy {
        /// Milliseconds.
        next: Vec<i64> = "next";
    }
}

json_body! {
    /// Delays that grow by a factor.
    #[derive(Eq)]
    pub struct ExponentialRetryPolicy {
        /// Milliseconds.
        initial: i64 = "initial" (5000);
        /// Milliseconds.
        max: i64 = "max" (7_200_000);
        multiplier: i64 = "multiplier" (2);
    }
}

json_enum! {
    /// Which policy counts.
    pub enum GroupRetryPolicyType: Customized {
        Exponential = 0 "EXPONENTIAL",
        Customized = 1 "CUSTOMIZED",
    }
}

json_body! {
    /// How long to wait before a message is consumed again (5.x).
    #[derive(Eq)]
    pub struct GroupRetryPolicy {
        /// Without it, the 18 delay levels.
        customized_retry_policy: Option<CustomizedRetryPolicy> = "customizedRetryPolicy";
        exponential_retry_policy: Option<ExponentialRetryPolicy> = "exponentialRetryPolicy";
        policy_type: GroupRetryPolicyType = "type";
    }
}

json_body! {
    /// A subscription an administrator fixed for a group (5.x).
    #[derive(Eq)]
    pub struct SimpleSubscriptionData {
        expression: String = "expression";
        expression_type: String = "expressionType" ("TAG".to_owned());
        topic: String = "topic";
        version: i64 = "version";
    }
}

json_body! {
    /// One consumer group on one broker.
    #[derive(Eq)]
    pub struct SubscriptionGroupConfig {
        /// 5.x; plain names, without the `+` of requests.
        attributes: BTreeMap<String, String> = "attributes";
        broker_id: i64 = "brokerId";
        consume_broadcast_enable: bool = "consumeBroadcastEnable" (true);
        consume_enable: bool = "consumeEnable" (true);
        consume_from_min_enable: bool = "consumeFromMinEnable" (true);
        consume_message_orderly: bool = "consumeMessageOrderly";
        consume_timeout_minute: i32 = "consumeTimeoutMinute" (15);
        group_name: String = "groupName";
        group_retry_policy: GroupRetryPolicy = "groupRetryPolicy";
        group_sys_flag: i32 = "groupSysFlag";
        notify_consumer_ids_changed_enable: bool = "notifyConsumerIdsChangedEnable" (true);
        retry_max_times: i32 = "retryMaxTimes" (16);
        retry_queue_nums: i32 = "retryQueueNums" (1);
        subscription_data_set: Option<Vec<SimpleSubscriptionData>> = "subscriptionDataSet";
        which_broker_when_consume_slowly: i64 = "whichBrokerWhenConsumeSlowly" (1);
    }
}

impl SubscriptionGroupConfig {
    /// A group with the defaults.
    pub fn new(group: impl Into<String>) -> Self {
        Self { group_name: group.into(), ..Self::default() }
    }
}

json_body! {
    /// The groups of a broker: `subscriptionGroup.json` and the answer to 201.
    #[derive(Eq)]
    pub struct SubscriptionGroupTable {
        data_version: DataVersion = "dataVersion";
        /// Group to topic to forbidden bits (2 = write, 4 = read); 5.x.
        forbidden_table: BTreeMap<String, BTreeMap<String, i32>> = "forbiddenTable";
        /// By group.
        subscription_group_table: BTreeMap<String, SubscriptionGroupConfig> = "subscriptionGroupTable";
    }
}
json_codec!(SubscriptionGroupConfig, SubscriptionGroupTable);
