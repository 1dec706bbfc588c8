//! What came out of an object's completion queue, as one table.
//!
//! # Layout of the table, 64-bit floats, one record after the other
//! | record | numbers |
//! |---|---|
//! | stored | 0, token, status, queue, offset, length of the message id |
//! | failed | 1, token, number of the failure |
//! | sent one-way | 2, token |
//! | many sent | 3, token, count; then per message 0, status, queue, offset, length of the id, or 1, number of the failure |
//! | done | 4, token, kind: 0 nothing; 1 flag, 0 or 1; 2 offset, NaN for none; 3 queues, count, their numbers; 4 messages, number of the block; 5 flushed, failed messages, number of the first failure or -1 |
//! | messages to take | 5 |
//!
//! Ids stand one behind the other in `ids`, all ASCII. Statuses are numbered in the order of `SendStatus`.
use crate::block::{self, Block};
use crate::failure::NativeFailure;
use crate::queues::{NativeQueue, Queues};
use ferromq_bridge::{Event, EventQueue, Failure, SendResult, Value};
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

/// Events per crossing: the language gets its turn again after so many.
const EVENTS_MAX: usize = 1024;

/// Events.
#[napi(object, object_from_js = false)]
pub struct Drained {
    /// See the module.
    pub table: Float64Array,
    /// Message ids.
    pub ids: String,
    /// Failures by number.
    pub failures: Vec<NativeFailure>,
    /// Queues met for the first time.
    pub queues: Vec<NativeQueue>,
    /// Messages by number.
    pub blocks: Vec<Block>,
}

/// Takes what is there, `None` when nothing is.
pub(crate) fn drain(events: &EventQueue<Event>, queues: &mut Queues) -> Option<Drained> {
    let mut out = Vec::new();
    if events.drain(EVENTS_MAX, &mut out) == 0 {
        return None;
    }
    let table = Vec::with_capacity(out.len() * 6);
    let mut packing = Packing { table, ids: String::new(), failures: Vec::new(), blocks: Vec::new(), queues };
    out.into_iter().for_each(|event| packing.event(event));
    let Packing { table, ids, failures, blocks, queues } = packing;
    Some(Drained { table: Float64Array::new(table), ids, failures, queues: queues.fresh(), blocks })
}

struct Packing<'a> {
    table: Vec<f64>,
    ids: String,
    failures: Vec<NativeFailure>,
    blocks: Vec<Block>,
    queues: &'a mut Queues,
}

impl Packing<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Sent { token, result: Ok(Some(result)) } => {
                self.table.extend([0.0, token as f64]);
                self.result(&result);
            }
            Event::Sent { token, result: Ok(None) } => self.table.extend([2.0, token as f64]),
            Event::Sent { token, result: Err(failure) } | Event::Done { token, result: Err(failure) } => {
                let number = self.failure(failure);
                self.table.extend([1.0, token as f64, number]);
            }
            Event::SentMany { token, results } => {
                self.table.extend([3.0, token as f64, results.len() as f64]);
                results.into_iter().for_each(|result| self.part(result));
            }
            Event::Done { token, result: Ok(value) } => {
                self.table.extend([4.0, token as f64]);
                self.value(value);
            }
            Event::Ready => self.table.push(5.0),
        }
    }

    fn part(&mut self, result: Result<SendResult, Failure>) {
        match result {
            Ok(result) => {
                self.table.push(0.0);
                self.result(&result);
            }
            Err(failure) => {
                let number = self.failure(failure);
                self.table.extend([1.0, number]);
            }
        }
    }

    fn result(&mut self, result: &SendResult) {
        let queue = self.queues.number(&result.queue) as f64;
        self.table.extend([f64::from(result.status as u8), queue, result.queue_offset as f64]);
        self.table.push(result.message_id.len() as f64);
        self.ids.push_str(&result.message_id);
    }

    fn failure(&mut self, failure: Failure) -> f64 {
        self.failures.push(failure.into());
        (self.failures.len() - 1) as f64
    }

    fn value(&mut self, value: Value) {
        match value {
            Value::Nothing => self.table.push(0.0),
            Value::Flag(flag) => self.table.extend([1.0, f64::from(u8::from(flag))]),
            Value::Offset(offset) => self.table.extend([2.0, offset.map_or(f64::NAN, |offset| offset as f64)]),
            Value::Queues(found) => {
                self.table.extend([3.0, found.len() as f64]);
                for queue in &found {
                    let number = self.queues.number(queue) as f64;
                    self.table.push(number);
                }
            }
            Value::Messages(messages) => {
                self.table.extend([4.0, self.blocks.len() as f64]);
                let unsettled = messages.iter().map(|message| (-1.0, message));
                self.blocks.push(block::pack(unsettled, self.queues));
            }
            Value::Flushed { failed, first } => {
                let number = first.map_or(-1.0, |first| self.failure(first));
                self.table.extend([5.0, failed as f64, number]);
            }
        }
    }
}
