//! From an address text to a socket: resolution, both address families, back-off after failures.
use socket2::{SockRef, TcpKeepalive};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{lookup_host, TcpStream};
use tokio::time::{timeout, Instant};

/// Idle time after which the kernel asks whether the server is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Splits `host:port` at the last colon; brackets around an IPv6 host are optional (wire.md 0).
pub(crate) fn split(addr: &str) -> io::Result<(&str, u16)> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, format!("{addr:?} is not host:port"));
    let (host, port) = addr.trim().rsplit_once(':').ok_or_else(bad)?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(bad());
    }
    Ok((host, port.parse().map_err(|_| bad())?))
}

/// All socket addresses of an address text, in the order to be tried.
async fn resolve(addr: &str) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = split(addr)?;
    let host = host.strip_prefix('/').unwrap_or(host);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let mut found: Vec<SocketAddr> = match lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(_) if is_localhost(host) => Vec::new(),
        Err(e) => return Err(e),
    };
    if is_localhost(host) {
        // Many machines list only one family, and servers often listen on the other.
        found.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        found.push(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port));
    }
    let mut unique = Vec::with_capacity(found.len());
    for address in found {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    if unique.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("host {host:?} has no address")));
    }
    Ok(unique)
}

fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

/// Connects within `limit`. Addresses are tried in turn; each gets an equal share of the time that is left.
pub(crate) async fn connect(addr: &str, limit: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + limit;
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("not connected within {} ms", limit.as_millis()));
    let addresses = timeout(limit, resolve(addr)).await.map_err(|_| late())??;
    let mut last = late();
    let mut left = addresses.len() as u32;
    for address in addresses {
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        left -= 1;
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) if connected_to_itself(&stream) => io::ErrorKind::ConnectionRefused.into(),
            Ok(Ok(stream)) => {
                // A peer that vanished without a word is noticed even when nothing is sent (client.md 1.10).
                SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
                return Ok(stream);
            }
            Ok(Err(e)) => e,
            Err(_) => late(),
        };
    }
    Err(last)
}

/// On loopback a connect to a free port of the ephemeral range can meet itself; nobody else listens there.
fn connected_to_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

/// The pause after `failures` failed attempts in a row: doubling from `first` to `most`, of which a random half is taken
/// off so that many clients do not return in step.
pub(crate) fn backoff(failures: u32, first: Duration, most: Duration) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let full = first.saturating_mul(1 << (failures - 1).min(16)).min(most);
    // RandomState is seeded by the operating system and changes with every instance.
    let random = RandomState::new().build_hasher().finish() % 512;
    full.mul_f64(0.5 + random as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Addresses split at the last colon, with and without brackets; nonsense is refused.
    #[test]
    fn splits_addresses() {
        assert_eq!(split("a:1").unwrap(), ("a", 1));
        assert_eq!(split("::1:9876").unwrap(), ("::1", 9876));
        assert_eq!(split("[::1]:9876").unwrap(), ("::1", 9876));
        for bad in ["", "a", ":1", "a:", "a:x", "a:65536"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    // The pause grows, never beyond its bound, and is at least half of the full one.
    #[test]
    fn backoff_is_bounded() {
        let (first, most) = (Duration::from_millis(50), Duration::from_secs(1));
        assert_eq!(backoff(0, first, most), Duration::ZERO);
        for failures in 1..100 {
            let pause = backoff(failures, first, most);
            assert!(pause <= most && pause >= first / 2, "{failures}: {pause:?}");
        }
        assert!(backoff(50, first, most) >= most / 2);
    }
}
