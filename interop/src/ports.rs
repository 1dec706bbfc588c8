//! Free loopback ports for programs that cannot be told to take any.
use std::net::TcpListener;

/// A port P such that P - 2, P and P + 1 are free at this moment: a broker also listens on its neighbours.
pub fn free_port_triple() -> std::io::Result<u16> {
    for _ in 0..200 {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if !(10_000..=60_000).contains(&port) {
            continue;
        }
        let held: Vec<_> =
            [port - 2, port, port + 1].iter().filter_map(|p| TcpListener::bind(("127.0.0.1", *p)).ok()).collect();
        if held.len() == 3 {
            return Ok(port);
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "no three neighbouring free ports on 127.0.0.1"))
}
