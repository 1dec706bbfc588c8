//! Names and addresses of this broker. Fixed once the ports are open.
use std::net::SocketAddr;

/// Names and addresses of this broker.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Cluster name.
    pub cluster: String,
    /// Broker name.
    pub name: String,
    /// 0: master.
    pub id: i64,
    /// `brokerIP1`, as configured (it stands in remarks).
    pub ip: String,
    /// Registered address: `brokerIP1:listenPort`.
    pub address: String,
    /// Registered replication address: `brokerIP2:haListenPort`.
    pub ha_address: String,
    /// `address` as a socket address: the store host of every record and the host part of offset message ids.
    pub store_host: SocketAddr,
}
