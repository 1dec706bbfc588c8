//! Headers of registration and of requests from brokers to clients (wire.md 4.3, 4.5).
use crate::header;

header! {
    /// UNREGISTER_CLIENT.
    UnregisterClient<'a> {
        /// Client id.
        client_id: &'a str => "clientID",
        /// Producer group.
        producer_group: Option<&'a str> => "producerGroup",
        /// Consumer group.
        consumer_group: Option<&'a str> => "consumerGroup",
    }
}

header! {
    /// Answer of 5.x brokers to HEART_BEAT.
    HeartbeatResponse {
        /// The broker knows short heartbeats.
        supports_v2: bool => "IS_SUPPORT_HEART_BEAT_V2",
        /// The subscription differs from the last one of this client.
        subscription_changed: bool => "IS_SUB_CHANGE",
    }
}

header! {
    /// GET_ROUTEINFO_BY_TOPIC.
    GetRouteInfo<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// The client reads standard JSON; from 4.9.4 on.
        accept_standard_json_only: Option<bool> => "acceptStandardJsonOnly",
    }
}

header! {
    /// CHECK_TRANSACTION_STATE, one-way.
    CheckTransactionState<'a> {
        /// The half topic; 5.x.
        topic: Option<&'a str> => "topic",
        /// Queue offset of the half message.
        tran_state_table_offset: i64 => "tranStateTableOffset",
        /// Physical offset of the half message.
        commit_log_offset: i64 => "commitLogOffset",
        /// Unique id of the message.
        msg_id: Option<&'a str> => "msgId",
        /// Transaction id.
        transaction_id: Option<&'a str> => "transactionId",
        /// Offset message id.
        offset_msg_id: Option<&'a str> => "offsetMsgId",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// NOTIFY_CONSUMER_IDS_CHANGED, one-way.
    NotifyConsumerIdsChanged<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
    }
}

header! {
    /// RESET_CONSUMER_CLIENT_OFFSET (broker to client) and INVOKE_BROKER_TO_RESET_OFFSET (tool to broker).
    ResetOffset<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Consumer group.
        group: &'a str => "group",
        /// Queue; -1 is all of them.
        queue_id: i32 => "queueId" = -1,
        /// Explicit offset.
        offset: Option<i64> => "offset",
        /// Store time in ms since 1970; negative: the end of the queue.
        timestamp: i64 => "timestamp",
        /// Also move forward.
        is_force: bool => "isForce",
    }
}

header! {
    /// GET_CONSUMER_STATUS_FROM_CLIENT and INVOKE_BROKER_TO_GET_CONSUMER_STATUS.
    GetConsumerStatus<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Consumer group.
        group: &'a str => "group",
        /// Client id; empty or absent: all clients.
        client_addr: Option<&'a str> => "clientAddr",
    }
}

header! {
    /// GET_CONSUMER_RUNNING_INFO.
    GetConsumerRunningInfo<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
        /// Client id.
        client_id: &'a str => "clientId",
        /// Also send the stacks of the threads.
        jstack_enable: Option<bool> => "jstackEnable",
    }
}

header! {
    /// CONSUME_MESSAGE_DIRECTLY.
    ConsumeMessageDirectly<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
        /// Client id.
        client_id: Option<&'a str> => "clientId",
        /// Message id.
        msg_id: Option<&'a str> => "msgId",
        /// Broker name.
        broker_name: Option<&'a str> => "brokerName",
        /// Topic.
        topic: Option<&'a str> => "topic",
        /// Flag bits of the topic.
        topic_sys_flag: Option<i32> => "topicSysFlag",
        /// Flag bits of the group.
        group_sys_flag: Option<i32> => "groupSysFlag",
    }
}

header! {
    /// PUSH_REPLY_MESSAGE_TO_CLIENT.
    PushReply<'a> {
        /// Producer group.
        producer_group: &'a str => "producerGroup",
        /// Topic.
        topic: &'a str => "topic",
        /// Topic whose settings a new topic inherits.
        default_topic: &'a str => "defaultTopic",
        /// Queues of a topic created by a send.
        default_topic_queue_nums: i32 => "defaultTopicQueueNums",
        /// Queue of the topic.
        queue_id: i32 => "queueId",
        /// System flag bits (wire.md 6.4).
        sys_flag: i32 => "sysFlag",
        /// ms since 1970.
        born_timestamp: i64 => "bornTimestamp",
        /// Flag of the application.
        flag: i32 => "flag",
        /// Properties text.
        properties: Option<&'a str> => "properties",
        /// How often it was consumed before.
        reconsume_times: Option<i32> => "reconsumeTimes",
        /// Unit mode of the client.
        unit_mode: bool => "unitMode" = false,
        /// Sender, `ip:port`.
        born_host: &'a str => "bornHost",
        /// Broker, `ip:port`.
        store_host: &'a str => "storeHost",
        /// ms since 1970.
        store_timestamp: i64 => "storeTimestamp",
    }
}
