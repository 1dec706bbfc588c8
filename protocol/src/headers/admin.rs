//! Headers of administration of brokers and of metadata sync (wire.md 4.8, 4.9).
use crate::header;

header! {
    /// UPDATE_AND_CREATE_TOPIC.
    CreateTopic<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Topic whose settings are inherited; not used by brokers.
        default_topic: &'a str => "defaultTopic",
        /// Queues that can be read.
        read_queue_nums: i32 => "readQueueNums",
        /// Queues that can be written.
        write_queue_nums: i32 => "writeQueueNums",
        /// 1 inherit, 2 write, 4 read, 8 priority.
        perm: i32 => "perm",
        /// `SINGLE_TAG` or `MULTI_TAG`.
        topic_filter_type: &'a str => "topicFilterType" = "SINGLE_TAG",
        /// 1 unit, 2 has unit subscriptions.
        topic_sys_flag: Option<i32> => "topicSysFlag",
        /// Ordered topic.
        order: bool => "order" = false,
        /// `+key=value,-key`; 5.x.
        attributes: Option<&'a str> => "attributes",
        /// Skip checks; 5.x.
        force: Option<bool> => "force",
    }
}

header! {
    /// Requests whose only field is a topic: 202, 215, 300.
    TopicName<'a> {
        /// Topic.
        topic: &'a str => "topic",
    }
}

header! {
    /// GET_TOPIC_CONFIG (5.x).
    GetTopicConfig<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Also answer the queue mapping of a static topic.
        logical: Option<bool> => "lo",
    }
}

header! {
    /// GET_ALL_TOPIC_CONFIG; all fields absent from peers up to 5.3.3.
    GetAllTopicConfig<'a> {
        /// Topics already received.
        topic_seq: Option<i32> => "topicSeq",
        /// JSON of the version of the first page.
        data_version: Option<&'a str> => "dataVersion",
        /// Topics per page.
        max_topic_num: Option<i32> => "maxTopicNum",
    }
}

header! {
    /// Answer to GET_ALL_TOPIC_CONFIG with pages.
    GetAllTopicConfigResponse {
        /// Topics in all.
        total_topic_num: i32 => "totalTopicNum",
    }
}

header! {
    /// GET_ALL_SUBSCRIPTIONGROUP_CONFIG; all fields absent from peers up to 5.3.3.
    GetAllSubscriptionGroup<'a> {
        /// Groups already received.
        group_seq: Option<i32> => "groupSeq",
        /// JSON of the version of the first page.
        data_version: Option<&'a str> => "dataVersion",
        /// Groups per page.
        max_group_num: Option<i32> => "maxGroupNum",
    }
}

header! {
    /// Answer to GET_ALL_SUBSCRIPTIONGROUP_CONFIG with pages.
    GetAllSubscriptionGroupResponse {
        /// Groups in all.
        total_group_num: i32 => "totalGroupNum",
    }
}

header! {
    /// Answer to GET_BROKER_CONFIG.
    GetBrokerConfigResponse<'a> {
        /// JSON of the version of the configuration.
        version: &'a str => "version",
    }
}

header! {
    /// DELETE_SUBSCRIPTIONGROUP.
    DeleteSubscriptionGroup<'a> {
        /// Consumer group.
        group_name: &'a str => "groupName",
        /// Also delete its offsets; 5.x.
        clean_offset: Option<bool> => "cleanOffset",
        /// The same in 4.9.
        remove_offset: Option<bool> => "removeOffset",
    }
}

header! {
    /// Requests whose only field is `group`: 343, 352.
    GroupName<'a> {
        /// Consumer group.
        group: &'a str => "group",
    }
}

header! {
    /// UPDATE_AND_GET_GROUP_FORBIDDEN (5.x).
    GroupForbidden<'a> {
        /// Consumer group.
        group: &'a str => "group",
        /// Topic.
        topic: &'a str => "topic",
        /// New state; absent: only ask.
        readable: Option<bool> => "readable",
    }
}

header! {
    /// GET_CONSUME_STATS.
    GetConsumeStats<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
        /// Topic.
        topic: Option<&'a str> => "topic",
        /// Topics joined by `;`; 5.3.2 and later.
        topic_list: Option<&'a str> => "topicList",
    }
}

header! {
    /// GET_BROKER_CONSUME_STATS.
    GetBrokerConsumeStats {
        /// Ordered consumption.
        is_order: bool => "isOrder",
    }
}

header! {
    /// GET_CONSUMER_CONNECTION_LIST.
    GetConsumerConnectionList<'a> {
        /// Consumer group.
        consumer_group: &'a str => "consumerGroup",
    }
}

header! {
    /// GET_PRODUCER_CONNECTION_LIST.
    GetProducerConnectionList<'a> {
        /// Producer group.
        producer_group: &'a str => "producerGroup",
    }
}

header! {
    /// QUERY_SUBSCRIPTION_BY_CONSUMER (5.x).
    QuerySubscriptionByConsumer<'a> {
        /// Consumer group.
        group: &'a str => "group",
        /// Topic.
        topic: Option<&'a str> => "topic",
    }
}

header! {
    /// QUERY_CONSUME_TIME_SPAN.
    QueryConsumeTimeSpan<'a> {
        /// Topic.
        topic: &'a str => "topic",
        /// Consumer group.
        group: &'a str => "group",
    }
}

header! {
    /// QUERY_CORRECTION_OFFSET.
    QueryCorrectionOffset<'a> {
        /// Groups to leave out, joined by commas.
        filter_groups: Option<&'a str> => "filterGroups",
        /// Group to compare with.
        compare_group: &'a str => "compareGroup",
        /// Topic.
        topic: &'a str => "topic",
    }
}

header! {
    /// CLONE_GROUP_OFFSET.
    CloneGroupOffset<'a> {
        /// Group to copy from.
        src_group: &'a str => "srcGroup",
        /// Group to copy to.
        dest_group: &'a str => "destGroup",
        /// Topic.
        topic: &'a str => "topic",
        /// Not used by brokers.
        offline: Option<bool> => "offline",
    }
}

header! {
    /// VIEW_BROKER_STATS_DATA.
    ViewBrokerStats<'a> {
        /// Name of the statistics.
        stats_name: &'a str => "statsName",
        /// Key within it.
        stats_key: &'a str => "statsKey",
    }
}

header! {
    /// QUERY_CONSUME_QUEUE.
    QueryConsumeQueue<'a> {
        /// Topic.
        topic: Option<&'a str> => "topic",
        /// Queue of the topic.
        queue_id: Option<i32> => "queueId",
        /// First unit.
        index: Option<i64> => "index",
        /// Number of units.
        count: Option<i32> => "count",
        /// Consumer group.
        consumer_group: Option<&'a str> => "consumerGroup",
    }
}

header! {
    /// RESUME_CHECK_HALF_MESSAGE.
    ResumeCheckHalfMessage<'a> {
        /// Topic.
        topic: Option<&'a str> => "topic",
        /// Message id.
        msg_id: Option<&'a str> => "msgId",
    }
}

header! {
    /// EXCHANGE_BROKER_HA_INFO, request and answer.
    ExchangeHaInfo<'a> {
        /// Replication address of the master.
        master_ha_address: Option<&'a str> => "masterHaAddress",
        /// Flushed position of the master.
        master_flush_offset: Option<i64> => "masterFlushOffset",
        /// Address of the master.
        master_address: Option<&'a str> => "masterAddress",
    }
}

header! {
    /// RESET_MASTER_FLUSH_OFFSET.
    ResetMasterFlushOffset {
        /// New position.
        master_flush_offset: i64 => "masterFlushOffset",
    }
}
