//! Messages to be sent.
use crate::error::fmq_error;
use crate::message_queue::{fmq_message_queue, read};
use crate::platform::{answer, entry, give};
use bytes::Bytes;
use ferromq_bridge::{Class, Failure, How, Message};
use std::ffi::{c_char, c_void};

/// A message to be sent. It may be sent any number of times, with another body or property between.
pub struct fmq_message {
    /// All but the body.
    message: Message,
    /// Copied at every send: so the memory of one body serves for all that come after it.
    body: Vec<u8>,
    how: How,
}

impl fmq_message {
    /// The message and the way it goes.
    pub(crate) fn parts(&self) -> (Message, How) {
        (self.message(), self.how.clone())
    }

    /// The message alone.
    pub(crate) fn message(&self) -> Message {
        self.message.clone().with_body(Bytes::copy_from_slice(&self.body))
    }

    /// Replaces the message by what `change` makes of it; after a failure it is as before.
    fn change(&mut self, change: impl FnOnce(Message) -> Result<Message, Failure>) -> Result<(), Failure> {
        self.message = change(self.message.clone())?;
        Ok(())
    }
}

/// A message to `topic` whose body is a copy of `length` bytes. Bodies of messages that are sent must not be empty.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_new(
    topic: *const c_char,
    body: *const c_void,
    length: usize,
    message: *mut *mut fmq_message,
) -> *mut fmq_error {
    entry(|caller| {
        let out = caller.out(message, "message")?;
        let topic = caller.text(topic, "topic")?;
        let body = caller.slice(body.cast::<u8>(), length, "body")?;
        let message = Message::new(topic, Bytes::new());
        out.set(give(fmq_message { message, body: body.to_vec(), how: How::Anywhere }));
        Ok(())
    })
}

/// Another body: a copy of `length` bytes. What was sent before keeps its own.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_body(
    message: *mut fmq_message,
    body: *const c_void,
    length: usize,
) -> *mut fmq_error {
    entry(|caller| {
        let message = caller.unique(message, "message")?;
        let body = caller.slice(body.cast::<u8>(), length, "body")?;
        message.body.clear();
        message.body.extend_from_slice(body);
        Ok(())
    })
}

/// A key to find the message by; white space separates several. Replaces earlier ones.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_key(message: *mut fmq_message, key: *const c_char) -> *mut fmq_error {
    entry(|caller| {
        let key = caller.text(key, "key")?;
        caller.unique(message, "message")?.change(|message| Ok(message.with_key(key)))
    })
}

/// The tag, one per message: what consumers filter by. An empty one removes it.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_tag(message: *mut fmq_message, tag: *const c_char) -> *mut fmq_error {
    entry(|caller| {
        let tag = caller.text(tag, "tag")?;
        caller.unique(message, "message")?.change(|message| Ok(message.with_tag(tag)))
    })
}

/// A property of the application. Names that the protocol uses, blank names and blank values are refused.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_property(
    message: *mut fmq_message,
    name: *const c_char,
    value: *const c_char,
) -> *mut fmq_error {
    entry(|caller| {
        let name = caller.text(name, "the name of a property")?;
        let value = caller.text(value, name)?;
        let message = caller.unique(message, "message")?;
        message.change(|message| message.with_property(name, value).map_err(Failure::from))
    })
}

/// The sharding key: messages with the same one go to the same queue, in the order in which they are sent one after the other.
/// It takes the place of a queue given. NULL removes it. One-way messages do not obey it.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_sharding_key(message: *mut fmq_message, key: *const c_char) -> *mut fmq_error {
    entry(|caller| {
        let key = caller.maybe_text(key, "sharding key")?;
        let message = caller.unique(message, "message")?;
        message.how = key.map_or(How::Anywhere, |key| How::Sharded(key.to_owned()));
        Ok(())
    })
}

/// The queue to send to, of the message's topic, with one attempt; it takes the place of a sharding key. NULL removes it. One-way
/// messages do not obey it.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_queue(
    message: *mut fmq_message,
    queue: *const fmq_message_queue,
) -> *mut fmq_error {
    entry(|caller| {
        let queue = caller.maybe(queue).map(|queue| read(caller, queue)).transpose()?;
        let message = caller.unique(message, "message")?;
        if let Some(queue) = queue.as_ref().filter(|queue| *queue.topic != *message.message.topic()) {
            let reason = format!("queue of topic {} for a message to topic {}", queue.topic, message.message.topic());
            return Err(Failure::new(Class::Validation, reason));
        }
        message.how = queue.map_or(How::Anywhere, How::Queue);
        Ok(())
    })
}

/// A number of the application, delivered as it is. Default 0.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_flag(message: *mut fmq_message, flag: i32) -> *mut fmq_error {
    entry(|caller| caller.unique(message, "message")?.change(|message| Ok(message.with_flag(flag))))
}

/// Whether the broker answers only after flush and replication, as far as it is configured to. Default true.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_wait_store_ok(message: *mut fmq_message, wait: bool) -> *mut fmq_error {
    entry(|caller| caller.unique(message, "message")?.change(|message| Ok(message.with_wait_store_ok(wait))))
}

/// Delivery after the delay of this level, 1 (1 s) to 18 (2 h) with the broker's usual table; 0 or less: at once.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_set_delay_level(message: *mut fmq_message, level: i32) -> *mut fmq_error {
    entry(|caller| caller.unique(message, "message")?.change(|message| Ok(message.with_delay_level(level))))
}

/// Ends its life. NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_destroy(message: *mut fmq_message) {
    answer((), |caller| drop(caller.take_back(message)));
}
