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

/// `host:port`; an IPv6 address is put in brackets, as clients parse it.
pub fn address(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
