//! The queue and the data version: parts of many bodies.
use super::{Member, MemberKey};
use crate::json::{Key, Value};

/// One queue of a topic on one broker.
///
/// The order is Java's: topic, broker name, queue id. Keys of maps are written as objects (wire.md 5.0).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageQueue {
    /// Topic.
    pub topic: String,
    /// Name of the broker (of its master and slaves).
    pub broker_name: String,
    /// Number of the queue; -1 stands for all queues in some requests.
    pub queue_id: i32,
}

impl MessageQueue {
    /// A queue.
    pub fn new(topic: impl Into<String>, broker_name: impl Into<String>, queue_id: i32) -> Self {
        Self { topic: topic.into(), broker_name: broker_name.into(), queue_id }
    }
}

impl std::fmt::Display for MessageQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}", self.topic, self.broker_name, self.queue_id)
    }
}

impl Member for MessageQueue {
    fn to_value(&self) -> Value {
        Value::Object(vec![
            (Key::from("brokerName"), Value::from(&self.broker_name)),
            (Key::from("queueId"), Value::from(self.queue_id)),
            (Key::from("topic"), Value::from(&self.topic)),
        ])
    }

    fn from_value(value: &Value) -> Option<Self> {
        if !value.is_object() {
            return None;
        }
        let text = |name| value.text_of(name).unwrap_or_default();
        Some(Self::new(text("topic"), text("brokerName"), value.i32_of("queueId").unwrap_or(0)))
    }
}

impl MemberKey for MessageQueue {
    fn to_key(&self) -> Key {
        Key::Object(Box::new(self.to_value()))
    }
    fn from_key(key: &Key) -> Option<Self> {
        Self::from_value(key.object()?.as_ref())
    }
}

json_body! {
    /// Version of a table. Two tables are the same only when all three numbers are.
    #[derive(Copy, Eq, Hash)]
    pub struct DataVersion {
        /// Changes made.
        counter: i64 = "counter";
        /// Controller epoch, 0 without one; unknown to 4.9.
        state_version: i64 = "stateVersion";
        /// Milliseconds of the last change.
        timestamp: i64 = "timestamp";
    }
}
json_codec!(DataVersion);

impl DataVersion {
    /// Counts a change made at `now_ms`.
    pub fn next(&mut self, now_ms: i64) {
        self.counter += 1;
        self.timestamp = now_ms;
    }
}
