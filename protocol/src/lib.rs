//! The RocketMQ remoting protocol as plain data: frames, headers, codes, JSON bodies, message records, ids and hashes.
//!
//! No sockets, no clock, no threads, no unsafe: everything here is a function of bytes, so every decoder can be fuzzed
//! and every format is tested against bytes recorded from Apache RocketMQ 4.9.7 and 5.4.0.
#![forbid(unsafe_code)]

pub mod batch;
mod be;
pub mod body;
pub mod code;
pub mod command;
pub mod compress;
pub mod crc;
mod decimal;
pub mod delay;
pub mod ext;
pub mod filter;
mod find;
pub mod frame;
pub mod hash;
pub mod header;
pub mod headers;
pub mod ids;
pub mod java_properties;
pub mod json;
pub mod language;
pub mod nearest;
pub mod properties;
pub mod record;
pub mod settings;
pub mod sysflag;
pub mod topic;
pub mod version;

pub use command::{Codec, Command};
pub use ext::ExtFields;
pub use header::{Header, HeaderError};
