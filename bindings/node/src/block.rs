//! Received messages: one buffer with all bodies and properties, one table.
//!
//! # Layout of the table, 64-bit floats
//! Per message: slot (what it is settled by; -1: nothing to settle), number of its queue, offset, then at and length of body,
//! properties text and message id in the buffer, born and store timestamp, reconsume times, flag. Offsets above 2^53 are
//! rounded.
use crate::queues::{NativeQueue, Queues};
use ferromq_bridge::MessageExt;
use napi::bindgen_prelude::{Buffer, Float64Array};
use napi_derive::napi;
use std::borrow::Cow;

/// Numbers per message.
const COLUMNS: usize = 13;

/// Messages.
#[napi(object, object_from_js = false)]
pub struct Block {
    /// See the module.
    pub bytes: Buffer,
    /// See the module.
    pub table: Float64Array,
    /// Queues met for the first time.
    pub queues: Vec<NativeQueue>,
}

/// Packs messages with their slots.
pub(crate) fn pack<'a>(messages: impl ExactSizeIterator<Item = (f64, &'a MessageExt)>, queues: &mut Queues) -> Block {
    let mut table = Vec::with_capacity(messages.len() * COLUMNS);
    let mut bytes = Vec::new();
    for (slot, message) in messages {
        let body = append(&mut bytes, message.body());
        let text = message.properties_text();
        let properties = append(&mut bytes, text.as_bytes());
        let id = match message.message_id() {
            Cow::Borrowed(id) => match (id.as_ptr() as usize).checked_sub(text.as_ptr() as usize) {
                Some(inside) if inside + id.len() <= text.len() => properties + inside,
                _ => append(&mut bytes, id.as_bytes()),
            },
            Cow::Owned(id) => append(&mut bytes, id.as_bytes()),
        };
        let id_len = message.message_id().len();
        let queue = queues.number(&message.queue());
        table.extend([slot, queue as f64, message.queue_offset() as f64]);
        table.extend([body, message.body().len(), properties, text.len(), id, id_len].map(|place| place as f64));
        table.extend([message.born_timestamp(), message.store_timestamp()].map(|time| time as f64));
        table.extend([message.reconsume_times(), message.flag()].map(f64::from));
    }
    Block { bytes: bytes.into(), table: Float64Array::new(table), queues: queues.fresh() }
}

fn append(bytes: &mut Vec<u8>, part: &[u8]) -> usize {
    let at = bytes.len();
    bytes.extend_from_slice(part);
    at
}
