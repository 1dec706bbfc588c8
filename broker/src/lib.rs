//! The broker, as a library: configuration, service, adapters, and the life of one broker in a process.
//!
//! * [`config`]: the property table.
//! * [`service`]: what the broker does; knows no frame, codec or connection.
//! * `remoting`: the adapter for the remoting protocol.
pub mod config;
mod remoting;
pub mod service;
