//! Locks, members of a group, and offsets pushed to or asked from clients (wire.md 5.10, 5.11, 5.16, 5.17).
use super::{BodyError, Member, MessageQueue};
use crate::json::{Flavour, Key, Value};
use bytes::Bytes;
use std::collections::BTreeMap;

json_body! {
    /// Queues to lock (41) or unlock (42).
    #[derive(Eq)]
    pub struct LockBatchRequest {
        client_id: String = "clientId";
        consumer_group: String = "consumerGroup";
        mq_set: Vec<MessageQueue> = "mqSet";
        /// 5.x: not to be passed on to other replicas.
        only_this_broker: bool = "onlyThisBroker";
    }
}

json_body! {
    /// The queues locked (41).
    #[derive(Eq)]
    pub struct LockBatchResponse {
        lock_ok_mq_set: Vec<MessageQueue> = "lockOKMQSet";
    }
}

json_body! {
    /// The members of a group (38).
    #[derive(Eq)]
    pub struct ConsumerIdList {
        consumer_id_list: Vec<String> = "consumerIdList";
    }
}

json_body! {
    /// Offsets of queues, per client (223) and of this client (221).
    #[derive(Eq)]
    pub struct GetConsumerStatusBody {
        /// By client id.
        consumer_table: BTreeMap<String, BTreeMap<MessageQueue, i64>> = "consumerTable";
        message_queue_table: BTreeMap<MessageQueue, i64> = "messageQueueTable";
    }
}
json_codec!(LockBatchRequest, LockBatchResponse, ConsumerIdList, GetConsumerStatusBody, ResetOffsetBody);

/// New offsets of queues (220), in one of two forms: a map with objects as keys, or the list C++ consumers read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResetOffsetBody {
    /// Offsets by queue.
    pub offset_table: BTreeMap<MessageQueue, i64>,
}

impl ResetOffsetBody {
    /// The map form, for Java and Go.
    pub fn to_json(&self) -> Value {
        Value::Object(vec![(Key::from("offsetTable"), self.offset_table.to_value())])
    }

    /// The list form, for C++.
    pub fn encode_list(&self) -> Bytes {
        let item = |(queue, offset): (&MessageQueue, &i64)| {
            Value::Object(vec![
                (Key::from("brokerName"), Value::from(&queue.broker_name)),
                (Key::from("offset"), Value::from(*offset)),
                (Key::from("queueId"), Value::from(queue.queue_id)),
                (Key::from("topic"), Value::from(&queue.topic)),
            ])
        };
        let list = Value::Array(self.offset_table.iter().map(item).collect());
        Bytes::from(Value::Object(vec![(Key::from("offsetTable"), list)]).write(Flavour::Quoted))
    }

    /// Reads either form, and the pairs of Go.
    pub fn from_json(value: &Value) -> Result<Self, BodyError> {
        const BODY: &str = "ResetOffsetBody";
        if !value.is_object() {
            return Err(BodyError::NoObject { body: BODY });
        }
        let Some(table) = value.get("offsetTable") else {
            return Ok(Self::default());
        };
        let listed = |item: &Value| Some((MessageQueue::from_value(item)?, item.i64_of("offset")?));
        let offset_table = if table.items().first().is_some_and(Value::is_object) {
            table.items().iter().map(listed).collect()
        } else {
            BTreeMap::from_value(table)
        };
        let offset_table = offset_table.ok_or(BodyError::Member { body: BODY, member: "offsetTable" })?;
        Ok(Self { offset_table })
    }
}
