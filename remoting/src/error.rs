//! What can go wrong, typed. Every error names the peer; the names of the call errors follow client.md 1.10.
use ferromq_protocol::frame::EncodeError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed it.
    Peer,
    /// This side closed it, with the given reason.
    Local(String),
    /// The socket failed.
    Io(io::ErrorKind, String),
    /// What came is no frame of the protocol.
    Garbage(String),
    /// Neither read nor written for this long.
    Idle(Duration),
    /// Calls waited and timed out, and no answer came for this long.
    Silent(Duration),
    /// The peer does not read its answers.
    SlowReader {
        /// Bytes that waited to be written.
        waiting: usize,
        /// The limit they exceeded.
        limit: usize,
    },
    /// The connection's task ended before its time: the runtime stopped, or a handler panicked.
    Aborted,
}

impl CloseReason {
    /// True for reasons that are the peer's fault and worth a warning.
    pub(crate) fn is_misbehaviour(&self) -> bool {
        matches!(self, Self::Garbage(_) | Self::SlowReader { .. } | Self::Silent(_))
    }
}

impl From<io::Error> for CloseReason {
    fn from(e: io::Error) -> Self {
        Self::Io(e.kind(), e.to_string())
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer => write!(f, "closed by the peer"),
            Self::Local(why) => write!(f, "closed here: {why}"),
            Self::Io(_, text) => write!(f, "socket failed: {text}"),
            Self::Garbage(text) => write!(f, "not a frame: {text}"),
            Self::Idle(limit) => write!(f, "idle for {} s", limit.as_secs_f32()),
            Self::Silent(time) => write!(f, "no answer to any call for {} s", time.as_secs_f32()),
            Self::SlowReader { waiting, limit } => {
                write!(f, "the peer does not read its answers: {waiting} bytes wait, the limit is {limit}")
            }
            Self::Aborted => write!(f, "the connection's task was stopped"),
        }
    }
}

/// Why a frame could not be given to a connection. It was not sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The connection is closed.
    #[error("connection to {peer} is closed ({reason})")]
    Closed {
        /// The other side.
        peer: String,
        /// Why it was closed.
        reason: CloseReason,
    },
    /// Too many bytes wait to be written already.
    #[error("{waiting} bytes wait to be written to {peer}, the limit is {limit}; send slower")]
    Full {
        /// The other side.
        peer: String,
        /// Bytes that wait, this frame included.
        waiting: usize,
        /// The limit.
        limit: usize,
    },
    /// The command cannot be written as a frame.
    #[error("command for {peer} cannot be encoded")]
    Encode {
        /// The other side.
        peer: String,
        /// What does not fit.
        source: EncodeError,
    },
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection could be made. The request was not sent.
    #[error("cannot connect to {addr}: {source}")]
    Connect {
        /// The address asked for.
        addr: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The request could not be sent.
    #[error("cannot send to {addr}: {source}")]
    Send {
        /// The address.
        addr: String,
        /// Why.
        source: ConnectionError,
    },
    /// No answer in time. The request may have been executed.
    #[error("no answer from {addr} within {} ms", after.as_millis())]
    Timeout {
        /// The address.
        addr: String,
        /// The time that was given.
        after: Duration,
    },
    /// A limit was reached, or the time was used up, before the request was sent.
    #[error("request to {addr} not sent: {reason}")]
    TooManyRequests {
        /// The address.
        addr: String,
        /// Which limit.
        reason: String,
    },
    /// The connection closed before the answer came. The request may have been executed.
    #[error("connection to {addr} closed before the answer came ({reason})")]
    Closed {
        /// The address.
        addr: String,
        /// Why it closed.
        reason: CloseReason,
    },
    /// The server is stopping and refused the request twice (GO_AWAY, wire.md 1.2).
    #[error("{addr} is shutting down and told us to go away: {remark}")]
    GoAway {
        /// The address.
        addr: String,
        /// The remark of the answer.
        remark: String,
    },
}

impl CallError {
    /// The address the call was for.
    pub fn addr(&self) -> &str {
        match self {
            Self::Connect { addr, .. }
            | Self::Send { addr, .. }
            | Self::Timeout { addr, .. }
            | Self::TooManyRequests { addr, .. }
            | Self::Closed { addr, .. }
            | Self::GoAway { addr, .. } => addr,
        }
    }

    /// True when the same request may succeed elsewhere or later. False for a command that cannot be encoded.
    pub fn retriable(&self) -> bool {
        !matches!(self, Self::Send { source: ConnectionError::Encode { .. }, .. })
    }

    /// True when the request certainly never reached the peer.
    pub fn not_sent(&self) -> bool {
        !matches!(self, Self::Timeout { .. } | Self::Closed { .. })
    }
}

/// A server could not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {source}")]
pub struct BindError {
    /// The address asked for.
    pub addr: SocketAddr,
    /// The operating system's answer, for example "address in use".
    pub source: io::Error,
}
