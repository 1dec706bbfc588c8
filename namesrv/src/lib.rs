//! The name server: which topics are on which brokers, and where those brokers are. A library; the executable is `cli`.
//!
//! Brokers register every 30 s over a connection they keep; clients ask for the route of a topic. Name servers know
//! nothing of each other. All state but the KV configuration is in memory and comes back with the next registrations.
//!
//! Layers: [`tables`] is plain data under one read-write lock, without clock, socket or file; `kv` and [`config`] are the
//! two small stores behind requests; `handler` turns requests into calls on them; `server` owns listening, the scan for
//! silent brokers, and stopping.
#![forbid(unsafe_code)]

pub mod config;
mod files;
mod handler;
mod kv;
mod server;
pub mod tables;

pub use config::{ConfigError, NameServerConfig};
pub use server::{NameServer, StartError};
