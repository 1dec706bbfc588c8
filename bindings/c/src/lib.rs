//! The C library: the bridge behind opaque handles. What C sees is `c-include/ferromq.h`, made from the documentation here;
//! its first comment is the contract of every exported function, and what [`platform::Caller`] relies upon.
//!
//! No messaging logic and no threads: a call goes to the bridge, which answers through a slot on which the caller waits, or
//! through a queue that the caller drains. Every exported function runs its body in [`platform::entry`] or
//! [`platform::answer`], so nothing unwinds into C.
#![allow(non_camel_case_types, reason = "C's names are the names of these types")]
#![allow(clippy::missing_safety_doc, reason = "the contract is the first comment of the header, for all functions")]

mod call;
mod class;
mod consumer;
mod delivery;
mod error;
mod event;
mod lite;
mod log;
mod message;
mod message_queue;
mod options;
mod platform;
mod producer;
mod queue;
mod receipt;
mod text;
mod version;
