//! The typed headers of requests and answers (wire.md 4), declared once each with [`header!`](crate::header!).
//!
//! POP consumption, the controller and the broker container have none yet. Fields that every 5.x client may add (`ns`,
//! `nsd`, `oway`, `lo`) are not declared: no server of this program looks at them. A header marked `strict` is one that
//! the reference decodes in its fast way, where a value that is no number fails the request.
mod admin;
mod client;
mod consumer;
mod namesrv;
mod producer;

pub use admin::*;
pub use client::*;
pub use consumer::*;
pub use namesrv::*;
pub use producer::*;

/// Name of the ext field that tells stream consumers from others (`"0"`).
pub const REQUEST_TYPE: &str = "ReqT";
