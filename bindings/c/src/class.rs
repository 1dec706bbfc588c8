//! Classes of errors: the bridge's table as an enumeration. The two are compared when this is compiled, and by the tests in C.
use crate::platform::answer;
use crate::text::{c_text, pointer};
use ferromq_bridge::CLASSES;
use std::ffi::{c_char, CString};
use std::sync::OnceLock;

/// What kind of failure it is.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum fmq_class {
    /// No failure.
    FMQ_OK = 0,
    /// The object is closed, or was not opened.
    FMQ_CLOSED = 1,
    /// The object was made before fork() and used in the child.
    FMQ_FORKED = 2,
    /// An option is unknown or has an impossible value.
    FMQ_CONFIG = 3,
    /// A message or an argument was refused before anything was sent.
    FMQ_VALIDATION = 4,
    /// The topic does not exist, or has no usable queue.
    FMQ_TOPIC_NOT_FOUND = 5,
    /// No name server is configured, or none answered.
    FMQ_NO_NAME_SERVER = 6,
    /// The topic's route has no address for the broker.
    FMQ_NO_BROKER = 7,
    /// A server answered with an error code.
    FMQ_BROKER = 8,
    /// No connection to a server could be made.
    FMQ_CONNECT = 9,
    /// The connection broke before the answer: the request may have been executed.
    FMQ_SEND = 10,
    /// No answer in time: the request may have been executed.
    FMQ_TIMEOUT = 11,
    /// A limit of this client was reached; nothing was sent.
    FMQ_QUEUE_FULL = 12,
    /// A server sent something that cannot be read.
    FMQ_DECODE = 13,
    /// A mistake in this library: please report it.
    FMQ_INTERNAL = 14,
}

use fmq_class::*;

/// All but [`FMQ_OK`], in order, with their names in C.
const ALL: &[(fmq_class, &str)] = &[
    (FMQ_CLOSED, "FMQ_CLOSED"),
    (FMQ_FORKED, "FMQ_FORKED"),
    (FMQ_CONFIG, "FMQ_CONFIG"),
    (FMQ_VALIDATION, "FMQ_VALIDATION"),
    (FMQ_TOPIC_NOT_FOUND, "FMQ_TOPIC_NOT_FOUND"),
    (FMQ_NO_NAME_SERVER, "FMQ_NO_NAME_SERVER"),
    (FMQ_NO_BROKER, "FMQ_NO_BROKER"),
    (FMQ_BROKER, "FMQ_BROKER"),
    (FMQ_CONNECT, "FMQ_CONNECT"),
    (FMQ_SEND, "FMQ_SEND"),
    (FMQ_TIMEOUT, "FMQ_TIMEOUT"),
    (FMQ_QUEUE_FULL, "FMQ_QUEUE_FULL"),
    (FMQ_DECODE, "FMQ_DECODE"),
    (FMQ_INTERNAL, "FMQ_INTERNAL"),
];

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

// A class that the bridge's table has and this enumeration lacks, or numbers or names otherwise, does not compile.
const _: () = {
    assert!(ALL.len() == CLASSES.len());
    let mut at = 0;
    while at < ALL.len() {
        assert!(ALL[at].0 as i32 == CLASSES[at].class as i32);
        assert!(equal(ALL[at].1, CLASSES[at].code));
        at += 1;
    }
};

impl fmq_class {
    pub(crate) fn of(class: ferromq_bridge::Class) -> Self {
        ALL.iter().map(|(class, _)| *class).find(|known| *known as i32 == class as i32).unwrap_or(FMQ_INTERNAL)
    }
}

/// A line of the table as C reads it.
struct Line {
    name: CString,
    code: CString,
    doc: CString,
}

fn line(class: i32) -> Option<&'static Line> {
    static LINES: OnceLock<Vec<Line>> = OnceLock::new();
    let line = |info: &ferromq_bridge::ClassInfo| Line {
        name: c_text(info.name),
        code: c_text(info.code),
        doc: c_text(info.doc),
    };
    let lines = LINES.get_or_init(|| CLASSES.iter().map(line).collect());
    usize::try_from(class).ok()?.checked_sub(1).and_then(|at| lines.get(at))
}

/// The name of a class in the other languages, like "TimeoutError"; NULL for a number that is none. Lives for ever.
#[no_mangle]
pub extern "C" fn fmq_class_name(class: i32) -> *const c_char {
    answer(std::ptr::null(), |_| pointer(line(class).map(|line| &line.name)))
}

/// The name of a class here, like "FMQ_TIMEOUT"; NULL for a number that is none. Lives for ever.
#[no_mangle]
pub extern "C" fn fmq_class_code(class: i32) -> *const c_char {
    answer(std::ptr::null(), |_| pointer(line(class).map(|line| &line.code)))
}

/// What a class means, one sentence; NULL for a number that is none. Lives for ever.
#[no_mangle]
pub extern "C" fn fmq_class_doc(class: i32) -> *const c_char {
    answer(std::ptr::null(), |_| pointer(line(class).map(|line| &line.doc)))
}
