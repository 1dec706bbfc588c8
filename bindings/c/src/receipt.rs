//! What a broker says about a message it has stored.
use crate::platform::answer;
use crate::text::{c_text, pointer};
use ferromq_bridge::{SendResult, SendStatus};
use std::ffi::{c_char, CString};
use std::sync::OnceLock;

/// How a message was stored. With every status it is stored on the master.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum fmq_status {
    /// Stored as configured.
    FMQ_SEND_OK = 0,
    /// Stored; the synchronous flush did not finish in time.
    FMQ_FLUSH_DISK_TIMEOUT = 1,
    /// Stored; the synchronous replica did not finish in time.
    FMQ_FLUSH_SLAVE_TIMEOUT = 2,
    /// Stored; there is no usable synchronous replica.
    FMQ_SLAVE_NOT_AVAILABLE = 3,
}

/// The broker's answer to a send. Belongs to whoever got it from a send, who destroys it with `fmq_receipt_destroy`, or to the
/// event it was asked of.
pub struct fmq_receipt {
    result: SendResult,
    /// Made when somebody asks.
    texts: OnceLock<Texts>,
}

struct Texts {
    message_id: CString,
    offset_message_id: CString,
    topic: CString,
    broker_name: CString,
}

impl fmq_receipt {
    pub(crate) fn new(result: SendResult) -> Self {
        Self { result, texts: OnceLock::new() }
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| Texts {
            message_id: c_text(&self.result.message_id),
            offset_message_id: c_text(&self.result.offset_message_id),
            topic: c_text(&self.result.queue.topic),
            broker_name: c_text(&self.result.queue.broker_name),
        })
    }
}

fn text(receipt: *const fmq_receipt, choose: impl FnOnce(&Texts) -> &CString) -> *const c_char {
    answer(std::ptr::null(), |caller| pointer(caller.maybe(receipt).map(|receipt| choose(receipt.texts()))))
}

/// How it was stored.
#[no_mangle]
pub unsafe extern "C" fn fmq_receipt_status(receipt: *const fmq_receipt) -> fmq_status {
    answer(fmq_status::FMQ_SEND_OK, |caller| {
        match caller.maybe(receipt).map_or(SendStatus::SendOk, |receipt| receipt.result.status) {
            SendStatus::SendOk => fmq_status::FMQ_SEND_OK,
            SendStatus::FlushDiskTimeout => fmq_status::FMQ_FLUSH_DISK_TIMEOUT,
            SendStatus::FlushSlaveTimeout => fmq_status::FMQ_FLUSH_SLAVE_TIMEOUT,
            SendStatus::SlaveNotAvailable => fmq_status::FMQ_SLAVE_NOT_AVAILABLE,
        }
    })
}

/// The id that the client gave the message. Lives as long as the receipt; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_receipt_message_id(receipt: *const fmq_receipt) -> *const c_char {
    text(receipt, |texts| &texts.message_id)
}

/// The broker's id of the message: its address and the offset in its log. Lives as long as the receipt; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_receipt_offset_message_id(receipt: *const fmq_receipt) -> *const c_char {
    text(receipt, |texts| &texts.offset_message_id)
}

/// The topic. Lives as long as the receipt; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_receipt_topic(receipt: *const fmq_receipt) -> *const c_char {
    text(receipt, |texts| &texts.topic)
}

/// The name of the broker that stored it. Lives as long as the receipt; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_receipt_broker_name(receipt: *const fmq_receipt) -> *const c_char {
    text(receipt, |texts| &texts.broker_name)
}

/// The queue that has it; -1 for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_receipt_queue_id(receipt: *const fmq_receipt) -> i32 {
    answer(-1, |caller| caller.maybe(receipt).map_or(-1, |receipt| receipt.result.queue.queue_id))
}

/// Its offset in the queue; -1 for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_receipt_queue_offset(receipt: *const fmq_receipt) -> i64 {
    answer(-1, |caller| caller.maybe(receipt).map_or(-1, |receipt| receipt.result.queue_offset))
}

/// Ends its life. NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn fmq_receipt_destroy(receipt: *mut fmq_receipt) {
    answer((), |caller| drop(caller.take_back(receipt)));
}
