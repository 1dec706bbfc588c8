//! Messages received.
use crate::platform::answer;
use crate::text::{c_text, pointer};
use ferromq_bridge::{MessageExt, Taken};
use std::ffi::{c_char, c_void, CStr, CString};
use std::sync::OnceLock;

/// A message that was received. One that was taken from a consumer is given back by settling it; one that was polled from a lite
/// consumer is destroyed with `fmq_deliveries_destroy`.
pub struct fmq_delivery {
    origin: Origin,
    /// Made when somebody asks.
    texts: OnceLock<Texts>,
    /// See [`fmq_delivery_set_delay_level`].
    pub(crate) delay_level: i32,
}

enum Origin {
    /// With the number of its consumer.
    Taken(Taken, u64),
    Polled(MessageExt),
}

struct Texts {
    message_id: CString,
    topic: CString,
    broker_name: CString,
    /// Names and values of all properties.
    properties: Vec<(CString, CString)>,
}

impl Texts {
    fn of(message: &MessageExt) -> Self {
        Self {
            message_id: c_text(&message.message_id()),
            topic: c_text(message.topic()),
            broker_name: c_text(message.broker_name()),
            properties: message.properties().map(|(name, value)| (c_text(name), c_text(value))).collect(),
        }
    }

    fn property(&self, name: &CStr) -> Option<&CString> {
        self.properties.iter().find(|(known, _)| known.as_c_str() == name).map(|(_, value)| value)
    }
}

impl fmq_delivery {
    fn new(origin: Origin) -> Self {
        Self { origin, texts: OnceLock::new(), delay_level: 0 }
    }

    /// One that was taken from the consumer of this number.
    pub(crate) fn taken(taken: Taken, consumer: u64) -> Self {
        Self::new(Origin::Taken(taken, consumer))
    }

    /// One that needs not be settled.
    pub(crate) fn polled(message: MessageExt) -> Self {
        Self::new(Origin::Polled(message))
    }

    /// The number of the consumer to which it must be given back.
    pub(crate) fn consumer(&self) -> Option<u64> {
        match &self.origin {
            Origin::Taken(_, consumer) => Some(*consumer),
            Origin::Polled(_) => None,
        }
    }

    /// What is to be settled.
    pub(crate) fn into_taken(self) -> Option<Taken> {
        match self.origin {
            Origin::Taken(taken, _) => Some(taken),
            Origin::Polled(_) => None,
        }
    }

    fn message(&self) -> &MessageExt {
        match &self.origin {
            Origin::Taken(taken, _) => taken.message(),
            Origin::Polled(message) => message,
        }
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| Texts::of(self.message()))
    }
}

fn text(delivery: *const fmq_delivery, choose: impl FnOnce(&Texts) -> Option<&CString>) -> *const c_char {
    answer(std::ptr::null(), |caller| pointer(caller.maybe(delivery).and_then(|delivery| choose(delivery.texts()))))
}

fn number<T>(delivery: *const fmq_delivery, none: T, choose: impl FnOnce(&MessageExt) -> T) -> T
where
    T: Copy,
{
    answer(none, |caller| caller.maybe(delivery).map_or(none, |delivery| choose(delivery.message())))
}

/// The body, and its length in `length` unless that is NULL. May contain any bytes; no zero byte follows. Lives as long as the
/// delivery; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_body(delivery: *const fmq_delivery, length: *mut usize) -> *const c_void {
    answer(std::ptr::null(), |caller| {
        let body = caller.maybe(delivery).map(|delivery| delivery.message().body());
        if let Some(out) = caller.maybe_out(length) {
            out.set(body.map_or(0, |body| body.len()));
        }
        body.map_or(std::ptr::null(), |body| body.as_ptr().cast())
    })
}

/// The topic; of a retried message the one it was sent to. Lives as long as the delivery; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_topic(delivery: *const fmq_delivery) -> *const c_char {
    text(delivery, |texts| Some(&texts.topic))
}

/// The id that the producer gave it, or else the broker's. Lives as long as the delivery; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_message_id(delivery: *const fmq_delivery) -> *const c_char {
    text(delivery, |texts| Some(&texts.message_id))
}

/// The keys, separated by blanks; NULL without. Lives as long as the delivery.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_keys(delivery: *const fmq_delivery) -> *const c_char {
    text(delivery, |texts| texts.property(c"KEYS"))
}

/// The tag; NULL without. Lives as long as the delivery.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_tag(delivery: *const fmq_delivery) -> *const c_char {
    text(delivery, |texts| texts.property(c"TAGS"))
}

/// A property, those of the protocol included; NULL without. Lives as long as the delivery.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_property(delivery: *const fmq_delivery, name: *const c_char) -> *const c_char {
    answer(std::ptr::null(), |caller| {
        let Ok(Some(name)) = caller.maybe_text(name, "name") else { return std::ptr::null() };
        let texts = caller.maybe(delivery).map(fmq_delivery::texts);
        pointer(texts.and_then(|texts| texts.property(&c_text(name))))
    })
}

/// The property at a place, counted from 0, in the order of the message: its name and value are written to `name` and `value`, and
/// live as long as the delivery. False behind the last one.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_property_at(
    delivery: *const fmq_delivery,
    at: usize,
    name: *mut *const c_char,
    value: *mut *const c_char,
) -> bool {
    answer(false, |caller| {
        let texts = caller.maybe(delivery).map(fmq_delivery::texts);
        let Some((its_name, its_value)) = texts.and_then(|texts| texts.properties.get(at)) else { return false };
        if let Some(out) = caller.maybe_out(name) {
            out.set(its_name.as_ptr());
        }
        if let Some(out) = caller.maybe_out(value) {
            out.set(its_value.as_ptr());
        }
        true
    })
}

/// The name of the broker it came from. Lives as long as the delivery; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_broker_name(delivery: *const fmq_delivery) -> *const c_char {
    text(delivery, |texts| Some(&texts.broker_name))
}

/// Its queue; -1 for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_queue_id(delivery: *const fmq_delivery) -> i32 {
    number(delivery, -1, MessageExt::queue_id)
}

/// Its offset in the queue; -1 for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_queue_offset(delivery: *const fmq_delivery) -> i64 {
    number(delivery, -1, MessageExt::queue_offset)
}

/// How often it was delivered before and sent back; -1 for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_reconsume_times(delivery: *const fmq_delivery) -> i32 {
    number(delivery, -1, MessageExt::reconsume_times)
}

/// The number that the application gave it; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_flag(delivery: *const fmq_delivery) -> i32 {
    number(delivery, 0, MessageExt::flag)
}

/// When the producer made it, milliseconds since 1970 by the producer's clock; -1 for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_born_timestamp(delivery: *const fmq_delivery) -> i64 {
    number(delivery, -1, MessageExt::born_timestamp)
}

/// When the broker stored it, milliseconds since 1970 by the broker's clock; -1 for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_store_timestamp(delivery: *const fmq_delivery) -> i64 {
    number(delivery, -1, MessageExt::store_timestamp)
}

/// When it shall come again should it be settled with FMQ_RETRY: after the delay of this level, 1 to 18; 0, as without this
/// call: the broker decides; -1: never, it becomes a dead letter at once. Not looked at for messages in order.
#[no_mangle]
pub unsafe extern "C" fn fmq_delivery_set_delay_level(delivery: *mut fmq_delivery, level: i32) {
    answer((), |caller| {
        if let Ok(delivery) = caller.unique(delivery, "delivery") {
            delivery.delay_level = level;
        }
    });
}

/// Ends the lives of `count` deliveries and sets their places to NULL. Places that are NULL are left alone. One that was taken
/// from a consumer and not settled counts as lost: it comes again after the option consume_timeout.
#[no_mangle]
pub unsafe extern "C" fn fmq_deliveries_destroy(deliveries: *mut *mut fmq_delivery, count: usize) {
    answer((), |caller| {
        for place in caller.slice_mut(deliveries, count, "deliveries").unwrap_or_default() {
            drop(caller.take_back(std::mem::replace(place, std::ptr::null_mut())));
        }
    });
}
