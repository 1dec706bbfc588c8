//! Headers of sending and of transactions (wire.md 4.1).
use crate::header;

header! {
    /// SEND_MESSAGE and SEND_REPLY_MESSAGE with long names; SEND_MESSAGE_V2, SEND_BATCH_MESSAGE and
    /// SEND_REPLY_MESSAGE_V2 with letters (wire.md 4.1.2).
    strict SendMessage<'a> {
        /// Producer group.
        producer_group: &'a str => "producerGroup" / "a",
        /// Topic.
        topic: &'a str => "topic" / "b",
        /// Topic whose settings a new topic inherits, normally `TBW102`.
        default_topic: &'a str => "defaultTopic" / "c",
        /// Queues of a topic that is created by this send.
        default_topic_queue_nums: i32 => "defaultTopicQueueNums" / "d",
        /// Queue of the topic; negative: the broker chooses.
        queue_id: i32 => "queueId" / "e",
        /// System flag bits (wire.md 6.4).
        sys_flag: i32 => "sysFlag" / "f",
        /// When the client created the message, ms since 1970.
        born_timestamp: i64 => "bornTimestamp" / "g",
        /// Flag of the application, stored as it is.
        flag: i32 => "flag" / "h",
        /// Properties text (wire.md 6.2).
        properties: Option<&'a str> => "properties" / "i",
        /// How often the message was consumed before, on the way to a retry topic.
        reconsume_times: i32 => "reconsumeTimes" / "j" = 0,
        /// Unit mode of the client.
        unit_mode: bool => "unitMode" / "k" = false,
        /// Deliveries after which a retry goes to the dead letter topic.
        max_reconsume_times: Option<i32> => "maxReconsumeTimes" / "l",
        /// The body holds several messages (wire.md 6.3).
        batch: bool => "batch" / "m" = false,
        /// Logical broker name; `n` in the short form, `bname` in the long one.
        broker_name: Option<&'a str> => "bname" / "n",
    }
}

header! {
    /// Answer to every kind of send with codes 0, 10, 11 and 12 (wire.md 4.1.1).
    strict SendMessageResponse<'a> {
        /// Offset message id; a comma-separated list for a batch.
        msg_id: &'a str => "msgId",
        /// Queue that took the message.
        queue_id: i32 => "queueId",
        /// Its offset there; the first one of a batch.
        queue_offset: i64 => "queueOffset",
        /// The unique id of the message; from 5.x brokers only.
        transaction_id: Option<&'a str> => "transactionId",
        /// Id of an inner batch.
        batch_uniq_id: Option<&'a str> => "batchUniqId",
        /// Handle of a timer message.
        recall_handle: Option<&'a str> => "recallHandle",
        /// Region of the broker, `DefaultRegion`.
        msg_region: Option<&'a str> => "MSG_REGION",
        /// `true` when the broker wants traces.
        trace_on: Option<&'a str> => "TRACE_ON",
    }
}

header! {
    /// The fields that an answer to a failed send carries.
    SendFailure<'a> {
        /// Region of the broker.
        msg_region: Option<&'a str> => "MSG_REGION",
        /// `true` when the broker wants traces.
        trace_on: Option<&'a str> => "TRACE_ON",
    }
}

header! {
    /// END_TRANSACTION, normally one-way.
    EndTransaction<'a> {
        /// The half topic; from 5.x clients.
        topic: Option<&'a str> => "topic",
        /// Producer group.
        producer_group: &'a str => "producerGroup",
        /// Queue offset of the half message.
        tran_state_table_offset: i64 => "tranStateTableOffset",
        /// Physical offset of the half message.
        commit_log_offset: i64 => "commitLogOffset",
        /// 8 commit, 12 rollback, 0 unknown.
        commit_or_rollback: i32 => "commitOrRollback",
        /// Answers a check of the broker.
        from_transaction_check: bool => "fromTransactionCheck" = false,
        /// Unique id of the message; brokers do without it.
        msg_id: Option<&'a str> => "msgId",
        /// Transaction id.
        transaction_id: Option<&'a str> => "transactionId",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// CONSUMER_SEND_MSG_BACK.
    ConsumerSendMsgBack<'a> {
        /// Physical offset of the message.
        offset: i64 => "offset",
        /// Consumer group.
        group: &'a str => "group",
        /// Negative: dead letter; 0: level 3 + times consumed; positive: as given.
        delay_level: i32 => "delayLevel",
        /// Id of the message as the consumer knows it.
        origin_msg_id: Option<&'a str> => "originMsgId",
        /// Topic of the message as the consumer knows it.
        origin_topic: Option<&'a str> => "originTopic",
        /// Unit mode of the client.
        unit_mode: bool => "unitMode" = false,
        /// Deliveries after which it goes to the dead letter topic.
        max_reconsume_times: Option<i32> => "maxReconsumeTimes",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// RECALL_MESSAGE (5.3.2 and later).
    RecallMessage<'a> {
        /// Producer group.
        producer_group: Option<&'a str> => "producerGroup",
        /// Topic.
        topic: &'a str => "topic",
        /// Handle from the answer to the send.
        recall_handle: &'a str => "recallHandle",
        /// Logical broker name, sent by late 4.9 and by 5.x clients.
        broker_name: Option<&'a str> => "bname",
    }
}

header! {
    /// Answer to RECALL_MESSAGE.
    RecallMessageResponse<'a> {
        /// Message id.
        msg_id: &'a str => "msgId",
    }
}
