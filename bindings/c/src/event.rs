//! What comes out of a queue.
use crate::error::fmq_error;
use crate::platform::{answer, give};
use crate::receipt::fmq_receipt;
use ferromq_bridge::Event;
use std::ffi::c_void;

/// What happened.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum fmq_event_kind {
    /// Nothing: the event is NULL.
    FMQ_EVENT_NONE = 0,
    /// An enqueued message was sent, or not: see `fmq_event_error`.
    FMQ_EVENT_SENT = 1,
    /// There are messages to take from a consumer: take with a timeout of 0 until nothing comes.
    FMQ_EVENT_READY = 2,
}

/// Something that happened. Belongs to whoever polled it.
pub struct fmq_event {
    kind: fmq_event_kind,
    user: *mut c_void,
    error: Option<fmq_error>,
    receipt: Option<fmq_receipt>,
}

impl fmq_event {
    /// An event of the bridge. Of calls that are made with tokens here there are only sends.
    pub(crate) fn give(event: Event) -> *mut fmq_event {
        let ready =
            fmq_event { kind: fmq_event_kind::FMQ_EVENT_READY, user: std::ptr::null_mut(), error: None, receipt: None };
        give(match event {
            Event::Sent { token, result } => {
                let (error, receipt) = match result {
                    Ok(result) => (None, result.map(fmq_receipt::new)),
                    Err(failure) => (Some(fmq_error::new(failure)), None),
                };
                // The token is the pointer that came with the message.
                let user = token as usize as *mut c_void;
                fmq_event { kind: fmq_event_kind::FMQ_EVENT_SENT, user, error, receipt }
            }
            Event::SentMany { .. } | Event::Done { .. } | Event::Ready => ready,
        })
    }
}

/// What happened; FMQ_EVENT_NONE for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_event_kind_of(event: *const fmq_event) -> fmq_event_kind {
    answer(fmq_event_kind::FMQ_EVENT_NONE, |caller| {
        caller.maybe(event).map_or(fmq_event_kind::FMQ_EVENT_NONE, |event| event.kind)
    })
}

/// Of a sent message: the pointer that was given with it. Else NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_event_user(event: *const fmq_event) -> *mut c_void {
    answer(std::ptr::null_mut(), |caller| caller.maybe(event).map_or(std::ptr::null_mut(), |event| event.user))
}

/// Why the message was not sent; NULL when it was. Belongs to the event: not to be destroyed.
#[no_mangle]
pub unsafe extern "C" fn fmq_event_error(event: *const fmq_event) -> *const fmq_error {
    answer(std::ptr::null(), |caller| {
        caller.maybe(event).and_then(|event| event.error.as_ref()).map_or(std::ptr::null(), std::ptr::from_ref)
    })
}

/// The broker's answer; NULL when the message was not sent. Belongs to the event: not to be destroyed.
#[no_mangle]
pub unsafe extern "C" fn fmq_event_receipt(event: *const fmq_event) -> *const fmq_receipt {
    answer(std::ptr::null(), |caller| {
        caller.maybe(event).and_then(|event| event.receipt.as_ref()).map_or(std::ptr::null(), std::ptr::from_ref)
    })
}

/// Ends the lives of `count` events and sets their places to NULL. Places that are NULL are left alone.
#[no_mangle]
pub unsafe extern "C" fn fmq_events_destroy(events: *mut *mut fmq_event, count: usize) {
    answer((), |caller| {
        for place in caller.slice_mut(events, count, "events").unwrap_or_default() {
            drop(caller.take_back(std::mem::replace(place, std::ptr::null_mut())));
        }
    });
}
