//! Errors as objects.
use crate::class::{fmq_class, fmq_class_name};
use crate::platform::answer;
use crate::text::c_text;
use ferromq_bridge::Failure;
use std::ffi::{c_char, CString};

/// Why a call failed. Belongs to whoever got it, who destroys it with `fmq_error_destroy`.
pub struct fmq_error {
    failure: Failure,
    message: CString,
}

impl fmq_error {
    pub(crate) fn new(failure: Failure) -> Self {
        Self { message: c_text(&failure.message), failure }
    }
}

/// What kind of failure it is; FMQ_OK for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_error_class(error: *const fmq_error) -> fmq_class {
    answer(fmq_class::FMQ_INTERNAL, |caller| {
        caller.maybe(error).map_or(fmq_class::FMQ_OK, |error| fmq_class::of(error.failure.class))
    })
}

/// The broker's response code, else the code that the Java client has for it, else -1.
#[no_mangle]
pub unsafe extern "C" fn fmq_error_code(error: *const fmq_error) -> i32 {
    answer(-1, |caller| caller.maybe(error).map_or(-1, |error| error.failure.code))
}

/// The name of its class, like "TimeoutError"; NULL for NULL. Lives for ever.
#[no_mangle]
pub unsafe extern "C" fn fmq_error_name(error: *const fmq_error) -> *const c_char {
    answer(std::ptr::null(), |caller| {
        caller.maybe(error).map_or(std::ptr::null(), |error| fmq_class_name(error.failure.class as i32))
    })
}

/// What happened, to which topic or address, and what was tried. Lives as long as the error; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn fmq_error_message(error: *const fmq_error) -> *const c_char {
    answer(std::ptr::null(), |caller| caller.maybe(error).map_or(std::ptr::null(), |error| error.message.as_ptr()))
}

/// True when the same call may succeed later.
#[no_mangle]
pub unsafe extern "C" fn fmq_error_retriable(error: *const fmq_error) -> bool {
    answer(false, |caller| caller.maybe(error).is_some_and(|error| error.failure.retriable))
}

/// True when no server can have executed the request.
#[no_mangle]
pub unsafe extern "C" fn fmq_error_not_sent(error: *const fmq_error) -> bool {
    answer(false, |caller| caller.maybe(error).is_some_and(|error| error.failure.not_sent))
}

/// Ends its life. NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn fmq_error_destroy(error: *mut fmq_error) {
    answer((), |caller| drop(caller.take_back(error)));
}
