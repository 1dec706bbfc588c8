//! The limits of a connection, with what happens at each of them. Plain data; shared read-only by all connections.
use std::time::Duration;

/// Largest frame of the protocol, its length word included (wire.md 1.1).
pub(crate) const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Limits of the connections of one [`Server`](crate::Server) or [`Client`](crate::Client).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest frame accepted, in bytes, length word included. A larger one closes the connection.
    pub frame_bytes_max: usize,
    /// Requests without an answer, counted per direction and connection. Our own calls above it fail with
    /// [`CallError::TooManyRequests`](crate::CallError::TooManyRequests); a peer with more is not read from until
    /// answers have gone out.
    pub inflight_requests_max: usize,
    /// Bytes of received requests whose answers are outstanding, per connection. Above it the connection is not read
    /// from, so that TCP slows the peer down; nothing is lost.
    pub inflight_bytes_max: usize,
    /// The same for all connections together. Above it a connection is read from only when nothing of its own is
    /// outstanding, so that those who wait for others cannot block those whom they wait for.
    pub inflight_bytes_total_max: usize,
    /// Bytes waiting to be written to a peer above which its requests are no longer read; and bytes of answers that are made for it
    /// at a time by who reserves them ([`Connection::reserve`](crate::Connection::reserve)).
    pub outgoing_bytes_pause: usize,
    /// Bytes waiting to be written to a peer above which the connection is closed (answers), or a call or one-way
    /// request of ours is refused with an error.
    pub outgoing_bytes_max: usize,
    /// A connection that was neither read from nor written to for this long is closed (wire.md 1.2).
    pub idle: Duration,
    /// A connection on which a call timed out, and on which no answer at all came for this long although calls waited, is
    /// closed: the peer hangs, or the way to it is cut without either side being told. The next call connects anew.
    pub silence: Duration,
    /// The same for all connections together. Above it a connection is read from only when its peer has taken all answers, so that
    /// many peers that never read cannot fill the memory together; those who read are served.
    pub outgoing_bytes_total_max: usize,
    /// Connections of a server. One more is accepted and closed at once, with a log line.
    pub connections_max: usize,
    /// Requests handed to the handler in one call. The rest of what was read follows in the next call, after the
    /// answers of this one went out and the other limits were looked at.
    pub batch_requests_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: FRAME_BYTES_MAX,
            inflight_requests_max: 65_535,
            inflight_bytes_max: 64 * 1024 * 1024,
            inflight_bytes_total_max: 512 * 1024 * 1024,
            outgoing_bytes_pause: 8 * 1024 * 1024,
            outgoing_bytes_max: 256 * 1024 * 1024,
            outgoing_bytes_total_max: 1024 * 1024 * 1024,
            idle: Duration::from_secs(120),
            silence: Duration::from_secs(10),
            connections_max: 65_535,
            batch_requests_max: 1024,
        }
    }
}
