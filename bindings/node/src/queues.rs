//! Message queues as numbers: each is told to TypeScript once, later only its number crosses.
//!
//! Limit: one entry per queue that an object ever met; objects meet the queues of their topics.
use ferromq_bridge::MessageQueue;
use napi_derive::napi;
use std::collections::HashMap;

/// A queue of a topic.
#[napi(object)]
pub struct NativeQueue {
    /// Its topic.
    pub topic: String,
    /// Name of its broker.
    pub broker: String,
    /// Its number there.
    pub id: i32,
}

impl From<NativeQueue> for MessageQueue {
    fn from(queue: NativeQueue) -> Self {
        MessageQueue::new(queue.topic, queue.broker, queue.id)
    }
}

/// The queues an object has met.
#[derive(Default)]
pub(crate) struct Queues {
    numbers: HashMap<MessageQueue, usize>,
    fresh: Vec<NativeQueue>,
}

impl Queues {
    /// Its number; a new one is told with the next [`Self::fresh`].
    pub(crate) fn number(&mut self, queue: &MessageQueue) -> usize {
        if let Some(number) = self.numbers.get(queue) {
            return *number;
        }
        let number = self.numbers.len();
        let (topic, broker) = (queue.topic.to_string(), queue.broker_name.to_string());
        self.fresh.push(NativeQueue { topic, broker, id: queue.queue_id });
        self.numbers.insert(queue.clone(), number);
        number
    }

    /// The queues met since the last time, in the order of their numbers.
    pub(crate) fn fresh(&mut self) -> Vec<NativeQueue> {
        std::mem::take(&mut self.fresh)
    }
}
