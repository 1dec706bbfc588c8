//! Errors as data: one class per exception that a language has, and the table from which bindings make theirs.
//!
//! The table is the only list of error classes: Python's exceptions, Node's error codes and C's enumeration are generated
//! from it or checked against it.
use ferromq::ErrorKind;
use std::fmt;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Class {
    /// The object is closed, or was not opened.
    Closed = 1,
    /// The object belongs to another process.
    Forked = 2,
    /// An option is unknown or has an impossible value.
    Config = 3,
    /// A message or an argument was refused before anything was sent.
    Validation = 4,
    /// The topic has no usable route.
    NoRoute = 5,
    /// No name server could be asked.
    NoNameServer = 6,
    /// The route has no address for the broker.
    NoBroker = 7,
    /// A server answered with an error code.
    Broker = 8,
    /// No connection could be made.
    Connect = 9,
    /// The connection broke before the answer.
    Send = 10,
    /// No answer in time.
    Timeout = 11,
    /// A limit of this client was reached; nothing was sent.
    QueueFull = 12,
    /// A server sent something that cannot be read.
    Decode = 13,
    /// A mistake in this library.
    Internal = 14,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct ClassInfo {
    /// The class.
    pub class: Class,
    /// Name of the exception or error class.
    pub name: &'static str,
    /// Stable text for programs, where a language has codes rather than classes.
    pub code: &'static str,
    /// One sentence for documentation.
    pub doc: &'static str,
}

/// All classes, in the order of their numbers.
pub const CLASSES: &[ClassInfo] = &[
    line(Class::Closed, "ClosedError", "FMQ_CLOSED", "The object is closed, or was not opened."),
    line(Class::Forked, "ForkedProcessError", "FMQ_FORKED", "The object was made before fork() and used in the child."),
    line(Class::Config, "ConfigError", "FMQ_CONFIG", "An option is unknown or has an impossible value."),
    line(
        Class::Validation,
        "ValidationError",
        "FMQ_VALIDATION",
        "A message or an argument was refused before anything was sent.",
    ),
    line(
        Class::NoRoute,
        "TopicNotFoundError",
        "FMQ_TOPIC_NOT_FOUND",
        "The topic does not exist, or has no usable queue.",
    ),
    line(
        Class::NoNameServer,
        "NoNameServerError",
        "FMQ_NO_NAME_SERVER",
        "No name server is configured, or none answered.",
    ),
    line(Class::NoBroker, "NoBrokerError", "FMQ_NO_BROKER", "The topic's route has no address for the broker."),
    line(Class::Broker, "BrokerError", "FMQ_BROKER", "A server answered with an error code."),
    line(Class::Connect, "ConnectError", "FMQ_CONNECT", "No connection to a server could be made."),
    line(
        Class::Send,
        "SendError",
        "FMQ_SEND",
        "The connection broke before the answer: the request may have been executed.",
    ),
    line(Class::Timeout, "TimeoutError", "FMQ_TIMEOUT", "No answer in time: the request may have been executed."),
    line(Class::QueueFull, "QueueFullError", "FMQ_QUEUE_FULL", "A limit of this client was reached; nothing was sent."),
    line(Class::Decode, "DecodeError", "FMQ_DECODE", "A server sent something that cannot be read."),
    line(Class::Internal, "InternalError", "FMQ_INTERNAL", "A mistake in this library: please report it."),
];

const fn line(class: Class, name: &'static str, code: &'static str, doc: &'static str) -> ClassInfo {
    ClassInfo { class, name, code, doc }
}

impl Class {
    /// Its line of the table.
    pub fn info(self) -> &'static ClassInfo {
        &CLASSES[self as usize - 1]
    }
}

/// A failure on its way into another language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind it is.
    pub class: Class,
    /// The broker's response code, else Java's client-side code, else -1 (client.md 6.2, 6.3).
    pub code: i32,
    /// What happened, to which topic or address, and what was tried.
    pub message: String,
    /// True when the same call may succeed later.
    pub retriable: bool,
    /// True when no server can have executed the request.
    pub not_sent: bool,
}

impl Failure {
    /// One that is not about the network: no code, not retriable, not sent.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, code: -1, message: message.into(), retriable: false, not_sent: true }
    }

    /// The object `what` is closed.
    pub(crate) fn closed(what: &str) -> Self {
        Self::new(Class::Closed, format!("the {what} is closed"))
    }

    /// A limit was reached that passes.
    pub(crate) fn queue_full(message: String) -> Self {
        Self { retriable: true, ..Self::new(Class::QueueFull, message) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ferromq::Error> for Failure {
    fn from(error: ferromq::Error) -> Self {
        let class = match error.kind() {
            ErrorKind::State => Class::Closed,
            ErrorKind::Config => Class::Config,
            ErrorKind::Validation => Class::Validation,
            ErrorKind::NoRoute => Class::NoRoute,
            ErrorKind::NoNameServer => Class::NoNameServer,
            ErrorKind::NoBroker => Class::NoBroker,
            ErrorKind::Broker => Class::Broker,
            ErrorKind::Connect => Class::Connect,
            ErrorKind::Send => Class::Send,
            ErrorKind::Timeout => Class::Timeout,
            ErrorKind::TooManyRequests => Class::QueueFull,
            ErrorKind::Decode => Class::Decode,
            // A kind that this library does not know yet.
            _ => Class::Internal,
        };
        let (code, retriable, not_sent) = (error.code(), error.retriable(), error.not_sent());
        Self { class, code, message: error.to_string(), retriable, not_sent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Every class has its line at its number, and no name or code stands twice.
    #[test]
    fn the_table_is_complete() {
        for (at, info) in CLASSES.iter().enumerate() {
            assert_eq!(info.class as usize, at + 1, "{}", info.name);
            assert_eq!(info.class.info().name, info.name);
        }
        assert_eq!(CLASSES.len(), Class::Internal as usize);
        let distinct: HashSet<&str> = CLASSES.iter().flat_map(|info| [info.name, info.code]).collect();
        assert_eq!(distinct.len(), 2 * CLASSES.len());
    }
}
