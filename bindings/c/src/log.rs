//! The library's log on its way to the application: called on the application's own threads only.
//!
//! Threads and locks: `SINK` is held to read the callback, not while it runs, so that it may call anything here.
use crate::error::fmq_error;
use crate::platform::{answer, entry};
use crate::text::c_text;
use ferromq_bridge::{log, Class, Failure};
use parking_lot::Mutex;
use std::ffi::{c_char, c_void};
use std::time::UNIX_EPOCH;
use tracing::Level;

/// How bad it is.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum fmq_log_level {
    /// Nothing is logged.
    FMQ_LOG_OFF = 0,
    /// Something was lost or does not work.
    FMQ_LOG_ERROR = 1,
    /// Something is not as it should be.
    FMQ_LOG_WARN = 2,
    /// What an operator may want to know.
    FMQ_LOG_INFO = 3,
    /// What a developer may want to know.
    FMQ_LOG_DEBUG = 4,
    /// Everything.
    FMQ_LOG_TRACE = 5,
}

use fmq_log_level::*;

/// The levels of `tracing` in the order of ours.
const LEVELS: &[(fmq_log_level, Level)] = &[
    (FMQ_LOG_ERROR, Level::ERROR),
    (FMQ_LOG_WARN, Level::WARN),
    (FMQ_LOG_INFO, Level::INFO),
    (FMQ_LOG_DEBUG, Level::DEBUG),
    (FMQ_LOG_TRACE, Level::TRACE),
];

/// Is told what the library logs: how bad it is, when (milliseconds since 1970), which part says it (like "ferromq::consumer"), the
/// text, and the pointer that was given to `fmq_log_set`. The texts live for the time of the call.
pub type fmq_log_callback = Option<
    extern "C" fn(level: fmq_log_level, time_ms: i64, target: *const c_char, message: *const c_char, user: *mut c_void),
>;

/// The callback and, as a number, its pointer.
static SINK: Mutex<(fmq_log_callback, usize)> = Mutex::new((None, 0));

/// Has `callback` told what is logged, up to the level `level` (an `fmq_log_level`); NULL ends that. It is called by threads of the
/// application only, inside calls that wait or poll, and inside `fmq_log_dispatch`; it may call the library. Without a callback
/// nothing is logged. For the whole process; a second call replaces the first.
#[no_mangle]
pub unsafe extern "C" fn fmq_log_set(callback: fmq_log_callback, level: i32, user: *mut c_void) -> *mut fmq_error {
    entry(|_| {
        let known = LEVELS.iter().find(|(known, _)| *known as i32 == level).map(|(_, level)| *level);
        if known.is_none() && level != FMQ_LOG_OFF as i32 {
            return Err(Failure::new(Class::Validation, format!("{level} is no log level")));
        }
        *SINK.lock() = (callback, user as usize);
        log::install(None);
        log::set_level(known.filter(|_| callback.is_some()));
        Ok(())
    })
}

/// Calls the callback with what has been logged meanwhile, for programs that make no other calls for a while.
#[no_mangle]
pub extern "C" fn fmq_log_dispatch() {
    answer((), |_| dispatch());
}

/// The same from inside.
pub fn dispatch() {
    if !log::pending() {
        return;
    }
    let (Some(callback), user) = *SINK.lock() else { return };
    let user = user as *mut c_void;
    let (records, dropped) = log::drain();
    for record in records {
        let level = LEVELS.iter().find(|(_, level)| *level == record.level).map_or(FMQ_LOG_TRACE, |(level, _)| *level);
        let time = record.time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        callback(level, time, c_text(record.target).as_ptr(), c_text(&record.message).as_ptr(), user);
    }
    if dropped > 0 {
        let text = format!("{dropped} log records were thrown away because nobody fetched them in time");
        callback(FMQ_LOG_WARN, 0, c"ferromq::log".as_ptr(), c_text(&text).as_ptr(), user);
    }
}
