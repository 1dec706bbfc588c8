//! The JSON bodies of requests, answers and configuration files as typed values (wire.md 5, store.md 6).
//!
//! Each type is declared once, with the names its members have on the wire ([`member`] has the rules). Reading is as
//! lenient as Java and its clients require: unknown members are ignored, missing and null ones take Java's defaults,
//! numbers may be texts, integer keys may be quoted or not, enums may be ordinals. Writing gives compact text with sorted
//! members, no null members, and quoted integer keys; where Java's bare ones are called for, see `encode_as`.
#[macro_use]
mod member;

mod client;
mod cluster;
mod connection;
mod group;
mod heartbeat;
mod offset;
mod queue;
mod register;
mod request_mode;
mod route;
mod running;
mod stats;
mod topic;

pub use client::*;
pub use cluster::*;
pub use connection::*;
pub use group::*;
pub use heartbeat::*;
pub use member::{Member, MemberKey};
pub use offset::*;
pub use queue::*;
pub use register::*;
pub use request_mode::*;
pub use route::*;
pub use running::*;
pub use stats::*;
pub use topic::*;

/// Why bytes are no body of the expected kind.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The text is not JSON of the dialect.
    #[error("{body} cannot be read")]
    Json {
        /// The type expected.
        body: &'static str,
        /// What the parser said.
        source: crate::json::JsonError,
    },
    /// JSON, but not an object.
    #[error("{body} must be a JSON object")]
    NoObject {
        /// The type expected.
        body: &'static str,
    },
    /// A member has a value that cannot be converted.
    #[error("member '{member}' of {body} has an unsuitable value")]
    Member {
        /// The type expected.
        body: &'static str,
        /// Name on the wire.
        member: &'static str,
    },
    /// The zlib form of a registration cannot be inflated, or made.
    #[error("compressed registration")]
    Compression(#[from] crate::compress::CompressError),
    /// The inflated form of a registration is damaged.
    #[error("compressed registration is damaged at byte {at}: {what}")]
    Registration {
        /// Position in the inflated bytes.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
}
