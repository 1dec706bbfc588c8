//! The strangers: Apache RocketMQ's own clients, name servers and brokers as processes that tests start and stop.
//!
//! Everything comes from Maven Central by package name into `target/interop/<version>/` and is compiled and started with
//! the machine's JDK. Every process is a child that is ended when its handle is dropped. Nothing here knows FerroMQ.
mod apache;
mod jars;
mod java;
mod ports;

pub use apache::{is_registered, Apache};
pub use jars::{missing_tools, Jars};
pub use java::{Java, JavaError, PeerOptions};
pub use ports::free_port_triple;

/// A release of Apache RocketMQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The last 4.9 line.
    V4_9_7,
    /// The 5.x line.
    V5_4_0,
}

impl Release {
    /// Both releases, newest first.
    pub const ALL: [Release; 2] = [Release::V5_4_0, Release::V4_9_7];

    /// The version as Maven knows it.
    pub fn version(self) -> &'static str {
        match self {
            Release::V4_9_7 => "4.9.7",
            Release::V5_4_0 => "5.4.0",
        }
    }
}

/// The header codec that a Java process is told to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderCodec {
    /// The default.
    Json,
    /// `rocketmq.serialize.type=ROCKETMQ`.
    Binary,
}

impl HeaderCodec {
    /// Both codecs.
    pub const ALL: [HeaderCodec; 2] = [HeaderCodec::Json, HeaderCodec::Binary];

    pub(crate) fn java_name(self) -> &'static str {
        match self {
            HeaderCodec::Json => "JSON",
            HeaderCodec::Binary => "ROCKETMQ",
        }
    }
}
