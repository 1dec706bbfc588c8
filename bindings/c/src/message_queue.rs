//! Queues of topics.
use crate::platform::{answer, Caller};
use crate::text::c_text;
use ferromq_bridge::{Failure, MessageQueue};
use std::ffi::{c_char, CString};

/// A queue of a topic.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fmq_message_queue {
    /// The topic.
    pub topic: *const c_char,
    /// The name of the broker that has it.
    pub broker_name: *const c_char,
    /// Its number at that broker.
    pub queue_id: i32,
}

/// Queues, destroyed with `fmq_message_queues_destroy`.
pub struct fmq_message_queues {
    /// Point into `texts`.
    queues: Vec<fmq_message_queue>,
    _texts: Vec<(CString, CString)>,
}

impl fmq_message_queues {
    pub(crate) fn new(queues: &[MessageQueue]) -> Self {
        let texts: Vec<_> = queues.iter().map(|queue| (c_text(&queue.topic), c_text(&queue.broker_name))).collect();
        let queue = |((topic, broker_name), queue): (&(CString, CString), &MessageQueue)| fmq_message_queue {
            topic: topic.as_ptr(),
            broker_name: broker_name.as_ptr(),
            queue_id: queue.queue_id,
        };
        Self { queues: texts.iter().zip(queues).map(queue).collect(), _texts: texts }
    }
}

/// The queue that C means.
pub fn read(caller: &Caller, queue: &fmq_message_queue) -> Result<MessageQueue, Failure> {
    let topic = caller.text(queue.topic, "the topic of a queue")?;
    let broker_name = caller.text(queue.broker_name, "the broker name of a queue")?;
    Ok(MessageQueue::new(topic, broker_name, queue.queue_id))
}

/// The queues, side by side, and their number in `count` unless that is NULL. They live as long as the list; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_queues_items(
    queues: *const fmq_message_queues,
    count: *mut usize,
) -> *const fmq_message_queue {
    answer(std::ptr::null(), |caller| {
        let queues = caller.maybe(queues).map(|list| list.queues.as_slice());
        if let Some(out) = caller.maybe_out(count) {
            out.set(queues.map_or(0, <[_]>::len));
        }
        queues.map_or(std::ptr::null(), <[_]>::as_ptr)
    })
}

/// Ends their lives. NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn fmq_message_queues_destroy(queues: *mut fmq_message_queues) {
    answer((), |caller| drop(caller.take_back(queues)));
}
