//! The consumer side of the broker over its protocol, without a client library.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and its helpers are named for what they do")]
mod members;
mod odd;
mod offsets;
mod pull;
mod queries;
mod rig;
mod sql;
