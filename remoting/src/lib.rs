//! tokio transport of the remoting protocol: framed connections, matching of requests and answers, limits.
//!
//! One [`Connection`] type serves both sides, since requests travel in both directions on one connection. A [`Server`]
//! accepts connections, a [`Client`] keeps one per address; both hand what arrives to a [`Handler`].
//!
//! What this crate is not: it knows no request code but GO_AWAY, decodes no header and no body, and never retries a
//! request after it may have been executed (GO_AWAY is a refusal).
//!
//! Invariants
//! * One task per connection reads, decodes **all** complete frames that are there, calls the handler with the requests
//!   as one batch and writes all its answers with one vectored write.
//! * Whatever goes wrong on a connection closes that connection only, and is told to every call that waits on it.
//! * Every call ends exactly once: answered, timed out, or closed. No call owns a timer; a connection has one.
//! * Memory per connection is bounded by [`Limits`].
#![forbid(unsafe_code)]

mod call;
mod client;
mod connect;
mod connection;
mod driver;
mod error;
mod handler;
mod limits;
mod outgoing;
mod pending;
mod proxy;
mod received;
mod room;
mod server;
mod signal;

pub use client::{Client, ClientOptions};
pub use connection::Connection;
pub use error::{BindError, CallError, CloseReason, ConnectionError};
pub use handler::{Handler, NoRequests};
pub use limits::Limits;
pub use outgoing::{Body, OutFrame};
pub use room::Room;
pub use server::Server;
