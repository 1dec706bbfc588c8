//! The strangers: Apache RocketMQ's own clients, name servers and brokers as processes that tests start and stop.
//!
//! The Java releases come from Maven by package name into `target/interop/<version>/` and are compiled and started with the
//! machine's JDK; the C++ client comes with a Python package. Every process is a child that is ended when its handle is dropped. Nothing here knows FerroMQ.
mod apache;
mod cpp;
mod jars;
mod java;
mod ports;
mod process;

pub use apache::{is_registered, Apache};
pub use cpp::cpp_client;
pub use jars::{missing_tools, Jars};
pub use java::{Java, JavaError, PeerOptions};
pub use ports::free_port_triple;
pub use process::Process;

/// A release of Apache RocketMQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The 4.3 line of 2018, of which only the client is fetched: people still run it.
    V4_3_2,
    /// The first client of 4.9 that many stay with; again only the client.
    V4_9_1,
    /// The last 4.9 line.
    V4_9_7,
    /// The 5.x line.
    V5_4_0,
}

impl Release {
    /// Both releases whose servers and tools are here, newest first.
    pub const ALL: [Release; 2] = [Release::V5_4_0, Release::V4_9_7];

    /// The version as Maven knows it.
    pub fn version(self) -> &'static str {
        match self {
            Release::V4_3_2 => "4.3.2",
            Release::V4_9_1 => "4.9.1",
            Release::V4_9_7 => "4.9.7",
            Release::V5_4_0 => "5.4.0",
        }
    }

    /// The artifacts that are fetched.
    pub(crate) fn parts(self) -> &'static [&'static str] {
        match self {
            Release::V4_3_2 | Release::V4_9_1 => &["client"],
            Release::V4_9_7 | Release::V5_4_0 => &["client", "broker", "namesrv", "tools"],
        }
    }

    /// Our programs that compile with these artifacts.
    pub(crate) fn programs(self) -> &'static [&'static str] {
        match self {
            Release::V4_3_2 | Release::V4_9_1 => &["Common", "Agent"],
            Release::V4_9_7 | Release::V5_4_0 => &["Common", "Agent", "Peer", "Operator"],
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
