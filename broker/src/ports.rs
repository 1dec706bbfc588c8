//! The two ports of a broker: the fast port is two below the main port (broker.md 0.6).
use crate::broker::StartError;
use crate::config::BrokerConfig;
use crate::remoting::RemotingHandler;
use ferromq_remoting::{Limits, Server};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How often a free pair is looked for before giving up.
const FREE_PAIR_ATTEMPTS_MAX: usize = 64;

/// Both servers.
pub(crate) struct Ports {
    pub(crate) main: Server,
    pub(crate) fast: Server,
}

/// The limits of a port's connections.
pub(crate) fn limits(config: &BrokerConfig) -> Limits {
    let bytes = |value: i64| usize::try_from(value).unwrap_or(usize::MAX);
    Limits {
        idle: Duration::from_secs(u64::from(config.server_channel_max_idle_time_seconds.unsigned_abs())),
        connections_max: usize::try_from(config.connections_max).unwrap_or(usize::MAX),
        inflight_bytes_max: bytes(config.connection_inflight_bytes_max),
        inflight_bytes_total_max: bytes(config.inflight_bytes_max),
        outgoing_bytes_pause: bytes(config.connection_outgoing_bytes_pause),
        outgoing_bytes_max: bytes(config.connection_outgoing_bytes_max),
        outgoing_bytes_total_max: bytes(config.outgoing_bytes_max),
        ..Limits::default()
    }
}

/// Opens the main port, or any free one for 0, and the port two below it.
pub(crate) async fn open(
    ip: IpAddr,
    port: u16,
    limits: Limits,
    handlers: (Arc<RemotingHandler>, Arc<RemotingHandler>),
) -> Result<Ports, StartError> {
    let mut attempts = if port == 0 { FREE_PAIR_ATTEMPTS_MAX } else { 1 };
    loop {
        attempts -= 1;
        let main = Server::bind(SocketAddr::new(ip, port), limits.clone(), handlers.0.clone());
        let main = main.await.map_err(|source| StartError::Bind { which: "main", source })?;
        let chosen = main.local_addr().port();
        let below = chosen.checked_sub(2).filter(|below| *below > 0).ok_or(StartError::NoFastPort(chosen))?;
        match Server::bind(SocketAddr::new(ip, below), limits.clone(), handlers.1.clone()).await {
            Ok(fast) => return Ok(Ports { main, fast }),
            Err(source) if attempts == 0 => return Err(StartError::Bind { which: "fast", source }),
            Err(_) => main.shutdown().await,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    // Every option that bounds connections bounds what it says.
    #[test]
    fn options_are_the_limits() {
        let mut config = BrokerConfig::default();
        let options = [
            "serverChannelMaxIdleTimeSeconds",
            "connectionsMax",
            "connectionInflightBytesMax",
            "inflightBytesMax",
            "connectionOutgoingBytesPause",
            "connectionOutgoingBytesMax",
            "outgoingBytesMax",
        ];
        for (option, value) in options.into_iter().zip(1..) {
            config.set(option, &format!("{value}")).unwrap();
        }
        let limits = limits(&config);
        assert_eq!((limits.idle, limits.connections_max), (Duration::from_secs(1), 2));
        assert_eq!((limits.inflight_bytes_max, limits.inflight_bytes_total_max), (3, 4));
        assert_eq!((limits.outgoing_bytes_pause, limits.outgoing_bytes_max), (5, 6));
        assert_eq!(limits.outgoing_bytes_total_max, 7);
    }
}
