//! The broker, as a library: configuration, service, adapters, and the life of one broker in a process.
//!
//! * [`Broker`]: start, shutdown.
//! * [`config`]: the property table.
//! * [`filter`]: SQL92 message filters; functions of text.
//! * [`service`]: what the broker does; knows no frame, codec or connection.
//! * `remoting`: the adapter for the remoting protocol.
//! * `registration`: the client of the name servers.
mod broker;
pub mod config;
pub mod filter;
mod ports;
pub mod registration;
mod remoting;
pub mod service;
mod store_options;

pub use broker::{Broker, StartError};
pub use config::{BrokerConfig, ConfigError, Warning};
