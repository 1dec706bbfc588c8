//! Free loopback ports for programs that cannot be told to take any.
//!
//! They are taken below those that the system gives to everybody who asks for any, and each is given once by a process: what stands
//! between the choice and the moment when the program opens the port is the start of a Java machine.
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Lowest port, and how many there are: Linux gives those from 32,768 on.
const FIRST: u16 = 10_002;
const COUNT: u16 = 22_000;
/// From one choice to the next: a broker also listens on its neighbours.
const STEP: u16 = 4;

/// Where this process goes on; 0 before the first choice.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port P such that P - 2, P and P + 1 are free at this moment.
pub fn free_port_triple() -> std::io::Result<u16> {
    // Processes begin at different places.
    let begin = std::process::id() ^ SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    let begin = u16::try_from(begin % u32::from(COUNT)).unwrap_or(0) / STEP * STEP;
    let _ = NEXT.compare_exchange(0, FIRST + begin, Ordering::Relaxed, Ordering::Relaxed);
    for _ in 0..COUNT / STEP {
        let after = |port: u16| if port + STEP < FIRST + COUNT { port + STEP } else { FIRST };
        let port = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |port| Some(after(port))).unwrap_or(FIRST);
        let held: Vec<_> =
            [port - 2, port, port + 1].iter().filter_map(|p| TcpListener::bind(("127.0.0.1", *p)).ok()).collect();
        if held.len() == 3 {
            return Ok(port);
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "no three neighbouring free ports on 127.0.0.1"))
}
