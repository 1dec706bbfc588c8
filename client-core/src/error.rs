//! Everything that can go wrong in the client, as one type that names the cause and the servers tried.
//!
//! The tree follows client.md 6.1: local refusals, missing routes, answers of brokers, the network, and the final failure
//! of a send, which keeps every attempt. Every error has a numeric code where the protocol has one, a symbolic name, and
//! says whether the same call may succeed later ([`Error::retriable`]).
use ferromq_protocol::code::{request_name, response, response_name};
use ferromq_remoting::CallError;
use std::fmt;
use std::time::Duration;

/// Client-side codes of Java (client.md 6.2), for bindings that give their users numbers.
pub mod client_code {
    /// All attempts of a send failed, the last one to connect.
    pub const CONNECT_BROKER: i32 = 10001;
    /// All attempts of a send failed, the last one by time-out.
    pub const ACCESS_BROKER_TIMEOUT: i32 = 10002;
    /// The route has no address for the broker.
    pub const BROKER_NOT_EXIST: i32 = 10003;
    /// No name server is configured, or none could be asked.
    pub const NO_NAME_SERVER: i32 = 10004;
    /// The name servers know no route of the topic.
    pub const NOT_FOUND_TOPIC: i32 = 10005;
    /// No code: Java's MQClientException with -1.
    pub const NONE: i32 = -1;
}

/// What kind of failure it is: the classes a binding has an exception for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object is not running (any more).
    State,
    /// An option has an impossible value.
    Config,
    /// The message or an argument was refused before anything was sent.
    Validation,
    /// The topic has no usable route.
    NoRoute,
    /// No name server could be asked.
    NoNameServer,
    /// The route has no address for the broker.
    NoBroker,
    /// A server answered with an error code.
    Broker,
    /// No connection could be made.
    Connect,
    /// The request could not be sent, or the connection broke before the answer.
    Send,
    /// No answer in time.
    Timeout,
    /// A limit was reached, or the time was used up, before anything was sent.
    TooManyRequests,
    /// A server sent something that cannot be read.
    Decode,
}

/// A server that was asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTried {
    /// `host:port`.
    pub addr: String,
    /// What happened.
    pub outcome: String,
}

/// One attempt of a send that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Name of the broker chosen.
    pub broker: String,
    /// Why it failed.
    pub outcome: String,
    /// How long it took.
    pub cost: Duration,
}

/// An error of the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object was shut down, or is not started.
    #[error("the {what} is {state}")]
    State {
        /// Which object.
        what: &'static str,
        /// In which state it is.
        state: &'static str,
    },
    /// An option has an impossible value.
    #[error("option {option}: {reason}")]
    Config {
        /// Name of the option.
        option: &'static str,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// Refused before any network use (client.md 2.3).
    #[error("{reason}")]
    Validation {
        /// 13 (MESSAGE_ILLEGAL) or -1, as in Java.
        code: i32,
        /// What is wrong, with the topic or property it concerns.
        reason: String,
    },
    /// The name servers answered, and none has a usable route (code 10005).
    #[error("no route of topic {topic}: {reason}{}", asked(servers))]
    NoRoute {
        /// The topic.
        topic: String,
        /// Whether it does not exist, or has no writable or readable queue.
        reason: &'static str,
        /// The name servers asked; of a route without writable queues, its brokers.
        servers: Vec<ServerTried>,
    },
    /// No name server gave an answer (code 10004).
    #[error("no name server can be asked for {what}{}", tried(servers))]
    NoNameServer {
        /// What was asked for.
        what: String,
        /// The servers tried; empty when none is configured.
        servers: Vec<ServerTried>,
    },
    /// The cached routes have no address for the broker (code 10003).
    #[error("broker {broker} has no {role} address in the route of {topic}")]
    NoBroker {
        /// Broker name.
        broker: String,
        /// `master` or the replica wanted.
        role: &'static str,
        /// The topic whose route was looked at.
        topic: String,
    },
    /// A server answered with an error code.
    #[error("CODE: {code} ({}) DESC: {remark} SERVER: {addr} REQUEST: {}", code_name(*code), request_text(*request))]
    Broker {
        /// Response code (client.md 6.3).
        code: i32,
        /// The server's text.
        remark: String,
        /// The server.
        addr: String,
        /// Request code.
        request: i32,
    },
    /// The network.
    #[error(transparent)]
    Remoting(#[from] CallError),
    /// The budget was used up before a request was sent.
    #[error("{what} not sent: {reason} within {} ms", budget.as_millis())]
    OutOfTime {
        /// What was to be done.
        what: String,
        /// What took the time.
        reason: &'static str,
        /// The budget.
        budget: Duration,
    },
    /// A send failed for good; every attempt is listed. Code and kind are those of the last one.
    #[error("send to topic {topic} failed after {} in {} ms{}: {source}", count(*made), elapsed.as_millis(), listed(attempts))]
    SendFailed {
        /// Topic.
        topic: String,
        /// Attempts made.
        made: u32,
        /// The last attempts, oldest first; at most [`ATTEMPTS_LISTED_MAX`].
        attempts: Vec<Attempt>,
        /// Time from the call to this error.
        elapsed: Duration,
        /// True when a broker may have stored the message although no answer says so.
        maybe_sent: bool,
        /// The last failure.
        source: Box<Error>,
    },
    /// An answer that cannot be read.
    #[error("answer of {addr} to {} cannot be read: {reason}", request_text(*request))]
    Decode {
        /// The server.
        addr: String,
        /// Request code.
        request: i32,
        /// What is wrong with it.
        reason: String,
    },
}

/// Attempts kept in an [`Error::SendFailed`]; of more, the oldest are left out.
pub const ATTEMPTS_LISTED_MAX: usize = 8;

impl Error {
    pub(crate) fn validation(reason: impl Into<String>) -> Self {
        Self::Validation { code: client_code::NONE, reason: reason.into() }
    }

    pub(crate) fn illegal_message(reason: impl Into<String>) -> Self {
        Self::Validation { code: response::MESSAGE_ILLEGAL, reason: reason.into() }
    }

    pub(crate) fn config(option: &'static str, reason: impl Into<String>) -> Self {
        Self::Config { option, reason: reason.into() }
    }

    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::State { .. } => ErrorKind::State,
            Self::Config { .. } => ErrorKind::Config,
            Self::Validation { .. } => ErrorKind::Validation,
            Self::NoRoute { .. } => ErrorKind::NoRoute,
            Self::NoNameServer { .. } => ErrorKind::NoNameServer,
            Self::NoBroker { .. } => ErrorKind::NoBroker,
            Self::Broker { .. } => ErrorKind::Broker,
            Self::OutOfTime { .. } => ErrorKind::TooManyRequests,
            Self::SendFailed { source, .. } => source.kind(),
            Self::Decode { .. } => ErrorKind::Decode,
            Self::Remoting(e) => match e {
                CallError::Connect { .. } => ErrorKind::Connect,
                CallError::Send { .. } | CallError::Closed { .. } | CallError::GoAway { .. } => ErrorKind::Send,
                CallError::Timeout { .. } => ErrorKind::Timeout,
                CallError::TooManyRequests { .. } => ErrorKind::TooManyRequests,
            },
        }
    }

    /// The broker's response code, else Java's client-side code, else -1 (client.md 6.2, 6.3).
    pub fn code(&self) -> i32 {
        match self {
            Self::Validation { code, .. } | Self::Broker { code, .. } => *code,
            Self::NoRoute { .. } => client_code::NOT_FOUND_TOPIC,
            Self::NoNameServer { .. } => client_code::NO_NAME_SERVER,
            Self::NoBroker { .. } => client_code::BROKER_NOT_EXIST,
            Self::SendFailed { source, .. } => source.code(),
            Self::Remoting(CallError::Connect { .. }) => client_code::CONNECT_BROKER,
            Self::Remoting(CallError::Timeout { .. }) => client_code::ACCESS_BROKER_TIMEOUT,
            Self::Remoting(CallError::GoAway { .. }) => response::GO_AWAY,
            _ => client_code::NONE,
        }
    }

    /// Symbolic name: that of the response code, else that of the class.
    pub fn name(&self) -> &'static str {
        if let Some(name) = self.broker_code().and_then(response_name) {
            return name;
        }
        match self.kind() {
            ErrorKind::State => "STATE",
            ErrorKind::Config => "CONFIG",
            ErrorKind::Validation => "VALIDATION",
            ErrorKind::NoRoute => "NO_ROUTE",
            ErrorKind::NoNameServer => "NO_NAME_SERVER",
            ErrorKind::NoBroker => "NO_BROKER",
            ErrorKind::Broker => "BROKER",
            ErrorKind::Connect => "CONNECT",
            ErrorKind::Send => "SEND",
            ErrorKind::Timeout => "TIMEOUT",
            ErrorKind::TooManyRequests => "TOO_MANY_REQUESTS",
            ErrorKind::Decode => "DECODE",
        }
    }

    /// The response code, when a server answered with one.
    pub fn broker_code(&self) -> Option<i32> {
        match self {
            Self::Broker { code, .. } => Some(*code),
            Self::SendFailed { source, .. } => source.broker_code(),
            _ => None,
        }
    }

    /// The server's text, when a server answered.
    pub fn remark(&self) -> Option<&str> {
        match self {
            Self::Broker { remark, .. } => Some(remark),
            Self::SendFailed { source, .. } => source.remark(),
            _ => None,
        }
    }

    /// The address of the server concerned, `host:port`.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Broker { addr, .. } | Self::Decode { addr, .. } => Some(addr),
            Self::Remoting(e) => Some(e.addr()),
            Self::SendFailed { source, .. } => source.address(),
            _ => None,
        }
    }

    /// True when the same call may succeed later without a change of program or configuration.
    pub fn retriable(&self) -> bool {
        match self {
            Self::State { .. } | Self::Config { .. } | Self::Validation { .. } => false,
            Self::NoRoute { .. } | Self::NoBroker { .. } | Self::OutOfTime { .. } => true,
            Self::NoNameServer { servers, .. } => !servers.is_empty(),
            Self::Broker { code, .. } => is_passing(*code),
            Self::Remoting(e) => e.retriable(),
            Self::SendFailed { source, .. } => source.retriable(),
            Self::Decode { .. } => false,
        }
    }

    /// True when no server can have executed the request: repeating it makes no duplicate.
    pub fn not_sent(&self) -> bool {
        match self {
            Self::Remoting(e) => e.not_sent(),
            Self::SendFailed { maybe_sent, .. } => !maybe_sent,
            Self::Decode { .. } => false,
            _ => true,
        }
    }
}

/// Response codes of states that pass: busy, not yet available, shutting down, flow control.
fn is_passing(code: i32) -> bool {
    use response::*;
    matches!(code, SYSTEM_ERROR | SYSTEM_BUSY | SERVICE_NOT_AVAILABLE | TOPIC_NOT_EXIST | FLOW_CONTROL | GO_AWAY)
}

fn code_name(code: i32) -> &'static str {
    response_name(code).unwrap_or("unknown code")
}

fn request_text(code: i32) -> String {
    request_name(code).map_or_else(|| code.to_string(), str::to_owned)
}

fn tried(servers: &[ServerTried]) -> String {
    if servers.is_empty() {
        return "; none is configured".to_owned();
    }
    asked(servers)
}

fn asked(servers: &[ServerTried]) -> String {
    if servers.is_empty() {
        return String::new();
    }
    let list: Vec<String> = servers.iter().map(ServerTried::to_string).collect();
    format!("; tried {}", list.join(", "))
}

fn count(attempts: u32) -> String {
    format!("{attempts} attempt{}", if attempts == 1 { "" } else { "s" })
}

fn listed(attempts: &[Attempt]) -> String {
    if attempts.is_empty() {
        return String::new();
    }
    let list: Vec<String> = attempts.iter().map(Attempt::to_string).collect();
    format!(" [{}]", list.join("; "))
}

impl fmt::Display for ServerTried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.addr, self.outcome)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} after {} ms", self.broker, self.outcome, self.cost.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A failed send shows the last cause, every attempt, and Java's codes.
    #[test]
    fn a_failed_send_names_cause_and_attempts() {
        let last = Error::Remoting(CallError::Timeout { addr: "b:1".into(), after: Duration::from_millis(9) });
        let attempt = |broker: &str| Attempt { broker: broker.into(), outcome: "x".into(), cost: Duration::ZERO };
        let error = Error::SendFailed {
            topic: "T".into(),
            made: 2,
            attempts: vec![attempt("a"), attempt("b")],
            elapsed: Duration::from_millis(12),
            maybe_sent: true,
            source: Box::new(last),
        };
        assert_eq!((error.code(), error.kind()), (client_code::ACCESS_BROKER_TIMEOUT, ErrorKind::Timeout));
        assert_eq!(error.address(), Some("b:1"));
        assert!(error.retriable() && !error.not_sent());
        let text = error.to_string();
        assert!(text.contains("2 attempts in 12 ms [a: x after 0 ms; b: x after 0 ms]: no answer from b:1"), "{text}");
    }

    /// Missing topic, dead name servers and a missing configuration are told apart, with the servers tried.
    #[test]
    fn routes_tell_what_is_missing() {
        let servers = vec![ServerTried { addr: "n:9876".into(), outcome: "refused".into() }];
        let dead = Error::NoNameServer { what: "the route of T".into(), servers: servers.clone() };
        assert!(dead.to_string().ends_with("; tried n:9876 (refused)") && dead.retriable());
        let none = Error::NoNameServer { what: "the route of T".into(), servers: vec![] };
        assert!(none.to_string().ends_with("none is configured") && !none.retriable());
        let missing = Error::NoRoute { topic: "T".into(), reason: "it does not exist", servers };
        assert_eq!((missing.code(), missing.name()), (10005, "NO_ROUTE"));
    }
}
