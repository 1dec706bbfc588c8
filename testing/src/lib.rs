//! An in-process FerroMQ cluster for tests: one name server and any number of brokers on free loopback ports, with their
//! data in a temporary directory, started in milliseconds. [`Fault`] stands between a client and a server and misbehaves.
//!
//! Nothing survives: dropping a [`Cluster`] kills its servers and removes its files. `shutdown` ends them in order.
mod cluster;
mod fault;

pub use cluster::{Cluster, ClusterBuilder, ClusterError};
pub use fault::Fault;
