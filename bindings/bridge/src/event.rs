//! What comes out of an object's completion queue.
use crate::Failure;
use ferromq::{MessageExt, MessageQueue, SendResult};

/// Something that happened to an object. Tokens are those the language gave with the call.
#[derive(Debug)]
pub enum Event {
    /// A message was sent, or not.
    Sent {
        /// Of the call.
        token: u64,
        /// The broker's answer; of a one-way send `None`.
        result: Result<Option<SendResult>, Failure>,
    },
    /// All messages of one call were sent, or not; in the order in which they were given.
    SentMany {
        /// Of the call.
        token: u64,
        /// One per message.
        results: Vec<Result<SendResult, Failure>>,
    },
    /// Any other call ended.
    Done {
        /// Of the call.
        token: u64,
        /// What it gave.
        result: Result<Value, Failure>,
    },
    /// There are messages to take from a push consumer.
    Ready,
}

/// What a call gives.
#[derive(Debug)]
pub enum Value {
    /// Nothing.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// An offset, or that there is none.
    Offset(Option<i64>),
    /// Queues.
    Queues(Vec<MessageQueue>),
    /// Messages.
    Messages(Vec<MessageExt>),
    /// What a flush found: how many messages that were enqueued since the last flush were not sent, and why the first was
    /// not.
    Flushed {
        /// Messages not sent.
        failed: u64,
        /// The first failure.
        first: Option<Failure>,
    },
}
