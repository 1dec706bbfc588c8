//! The broker, as a library: configuration, service, adapters, and the life of one broker in a process.
//!
//! * [`config`]: the property table.
pub mod config;
