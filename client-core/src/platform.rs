//! What only the operating system knows: local time, this machine's address, randomness, and the clock.
//!
//! The only module with `unsafe`: one call of the C library, which every platform but Windows takes; there the local time
//! counts as UTC, which only shifts the time that tools read out of unique ids.
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// The moment after `span`. A span beyond the clock's range ("without an end") becomes thirty years.
pub(crate) fn after(span: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(span).unwrap_or_else(|| now + FAR)
}

/// Nanoseconds of the clock: the second half of an instance name (client.md 1.1).
pub(crate) fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos())
}

/// A number that differs between calls and processes.
pub(crate) fn random() -> u64 {
    // RandomState is seeded by the operating system and changes with every instance.
    RandomState::new().build_hasher().finish()
}

/// The address of this machine on the way to `peers` (`host:port`); loopback when none can be resolved. Sends nothing.
pub(crate) fn local_ip<'a>(peers: impl IntoIterator<Item = &'a str>) -> IpAddr {
    // Numeric addresses only: a name would need a look-up that can take seconds.
    let numeric = |peer: &str| peer.parse::<SocketAddr>().ok();
    let mut targets: Vec<SocketAddr> = peers.into_iter().filter_map(numeric).collect();
    // An address of the documentation range: routing it shows which interface leads out.
    targets.extend("192.0.2.1:9".to_socket_addrs().into_iter().flatten());
    targets.iter().find_map(|to| source_towards(*to)).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn source_towards(to: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

/// Local time minus UTC, in milliseconds.
#[cfg(unix)]
pub(crate) fn utc_offset_ms() -> i64 {
    let now = (now_ms() / 1000) as libc::time_t;
    let mut local = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; `tm` is plain data, so zeroed is a value of it, and the function
    // fills it or returns null and leaves it as it is.
    let local = unsafe {
        libc::localtime_r(&now, local.as_mut_ptr());
        local.assume_init()
    };
    local.tm_gmtoff as i64 * 1000
}

/// Local time minus UTC, in milliseconds; not asked for on this platform.
#[cfg(not(unix))]
pub(crate) fn utc_offset_ms() -> i64 {
    0
}
