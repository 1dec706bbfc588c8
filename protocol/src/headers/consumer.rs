//! Headers of pulling, offsets and queries (wire.md 4.2).
use crate::header;

header! {
    /// PULL_MESSAGE and LITE_PULL_MESSAGE.
    strict PullMessage<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
        /// Topic.
        topic: &'a str => "topic",
        /// Queue of the topic.
        queue_id: i32 => "queueId",
        /// First offset wanted.
        queue_offset: i64 => "queueOffset",
        /// Most messages wanted.
        max_msg_nums: i32 => "maxMsgNums",
        /// Bit 0 commit offset, 1 suspend, 2 subscription, 3 class filter, 4 lite pull.
        sys_flag: i32 => "sysFlag",
        /// Consumer offset to store when bit 0 of `sysFlag` is set.
        commit_offset: i64 => "commitOffset",
        /// How long the broker may hold the request.
        suspend_timeout_millis: i64 => "suspendTimeoutMillis",
        /// Filter expression when bit 2 of `sysFlag` is set.
        subscription: Option<&'a str> => "subscription",
        /// Version of the subscription.
        sub_version: i64 => "subVersion",
        /// `TAG` or `SQL92`.
        expression_type: &'a str => "expressionType" = "TAG",
        /// Most bytes wanted; 5.x.
        max_msg_bytes: Option<i32> => "maxMsgBytes",
        /// -1 client, 0 proxy in order, 1 proxy broadcast, 2 proxy stream; 5.x.
        request_source: Option<i32> => "requestSource",
        /// Client behind a proxy (the misspelling is the protocol); 5.x.
        proxy_froward_client_id: Option<&'a str> => "proxyFrowardClientId",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// Answer to pulls with codes 0, 19, 20 and 21, and 16 with `forbidden_type`.
    strict PullMessageResponse {
        /// Broker id to pull from next; 0 is the master.
        suggest_which_broker_id: i64 => "suggestWhichBrokerId",
        /// Offset to continue at.
        next_begin_offset: i64 => "nextBeginOffset",
        /// Smallest offset of the queue.
        min_offset: i64 => "minOffset",
        /// Next offset to be written in the queue.
        max_offset: i64 => "maxOffset",
        /// Difference of a static topic's logical offset.
        offset_delta: Option<i64> => "offsetDelta",
        /// Flag bits of the topic; 5.x.
        topic_sys_flag: Option<i32> => "topicSysFlag",
        /// Flag bits of the group; 5.x.
        group_sys_flag: Option<i32> => "groupSysFlag",
        /// 1 broker, 2 group, 3 topic, 4 broadcasting, 5 subscription; 5.x.
        forbidden_type: Option<i32> => "forbiddenType",
    }
}

header! {
    /// GET_CONSUMER_LIST_BY_GROUP; also NOTIFY_CONSUMER_IDS_CHANGED and GET_CONSUMER_CONNECTION_LIST have this form.
    GetConsumerListByGroup<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
    }
}

header! {
    /// QUERY_CONSUMER_OFFSET.
    QueryConsumerOffset<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
        /// Topic.
        topic: &'a str => "topic",
        /// Queue of the topic.
        queue_id: i32 => "queueId",
        /// False: never answer offset 0 for an unknown offset.
        set_zero_if_not_found: Option<bool> => "setZeroIfNotFound",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// UPDATE_CONSUMER_OFFSET, normally one-way.
    UpdateConsumerOffset<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
        /// Topic.
        topic: &'a str => "topic",
        /// Queue of the topic.
        queue_id: i32 => "queueId",
        /// Next offset to consume.
        commit_offset: i64 => "commitOffset",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// Answer to 14, 29, 30 and 31.
    OffsetResponse {
        /// Queue offset.
        offset: i64 => "offset",
    }
}

header! {
    /// GET_MAX_OFFSET.
    GetMaxOffset<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Queue of the topic.
        queue_id: i32 => "queueId",
        /// Only messages that may be consumed; 5.x.
        committed: bool => "committed" = true,
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// GET_MIN_OFFSET.
    GetMinOffset<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Queue of the topic.
        queue_id: i32 => "queueId",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// SEARCH_OFFSET_BY_TIMESTAMP.
    SearchOffset<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Queue of the topic.
        queue_id: i32 => "queueId",
        /// Store time in ms since 1970.
        timestamp: i64 => "timestamp",
        /// `LOWER` or `UPPER`, in any case; 5.x.
        boundary_type: &'a str => "boundaryType" = "LOWER",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// GET_EARLIEST_MSG_STORETIME.
    EarliestStoreTime<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Queue of the topic.
        queue_id: i32 => "queueId",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// Answer to GET_EARLIEST_MSG_STORETIME.
    EarliestStoreTimeResponse {
        /// Store time in ms since 1970; -1 when there is no message.
        timestamp: i64 => "timestamp",
    }
}

header! {
    /// VIEW_MESSAGE_BY_ID.
    ViewMessage<'a> {
        /// Topic; from 5.x clients.
        topic: Option<&'a str> => "topic",
        /// Physical offset out of the message id.
        offset: i64 => "offset",
    }
}

header! {
    /// QUERY_MESSAGE.
    QueryMessage<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Key or unique id; an empty one comes as no value in the binary codec.
        key: &'a str => "key" = "",
        /// Most messages wanted; replaced by the broker's default for unique ids.
        max_num: i32 => "maxNum",
        /// Earliest store time, ms since 1970.
        begin_timestamp: i64 => "beginTimestamp",
        /// Latest store time, ms since 1970.
        end_timestamp: i64 => "endTimestamp",
        /// The key is a unique id.
        unique_key: Option<bool> => "_UNIQUE_KEY_QUERY",
        /// `U` unique id, `K` key; 5.4.
        index_type: Option<&'a str> => "indexType",
    }
}

header! {
    /// Answer to QUERY_MESSAGE.
    QueryMessageResponse {
        /// Store time of the newest indexed message.
        index_last_update_timestamp: i64 => "indexLastUpdateTimestamp",
        /// Physical offset of the newest indexed message.
        index_last_update_phyoffset: i64 => "indexLastUpdatePhyoffset",
    }
}
