//! A loopback TCP proxy that stands between a client and a server and misbehaves on command.
//!
//! Tests give the client the proxy's address. What is in flight when a fault is switched on is affected too: that is
//! the point. All connections end when the proxy is dropped.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const PASS: u8 = 0;
const SWALLOW: u8 = 1;
const REFUSE: u8 = 2;

#[derive(Debug)]
struct State {
    mode: AtomicU8,
    delay_micros: AtomicU64,
    /// Changes whenever all connections have to be cut.
    cut: watch::Sender<u64>,
}

/// The proxy; see the module text.
#[derive(Debug)]
pub struct Fault {
    address: SocketAddr,
    state: Arc<State>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Fault {
    /// A proxy on a free loopback port in front of `target` (`host:port`).
    pub async fn before(target: &str) -> std::io::Result<Fault> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state =
            Arc::new(State { mode: AtomicU8::new(PASS), delay_micros: AtomicU64::new(0), cut: watch::channel(0).0 });
        let accepting = tokio::spawn(accept(listener, target.to_string(), state.clone()));
        Ok(Fault { address, state, accepting })
    }

    /// What clients connect to.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.state.mode.store(PASS, Ordering::SeqCst);
        self.state.delay_micros.store(0, Ordering::SeqCst);
    }

    /// Holds every chunk back for this long, in each direction.
    pub fn delay(&self, by: Duration) {
        self.state.delay_micros.store(by.as_micros() as u64, Ordering::SeqCst);
    }

    /// Bytes vanish while connections stay open: a peer that hangs, or a network without answers.
    pub fn swallow(&self) {
        self.state.mode.store(SWALLOW, Ordering::SeqCst);
    }

    /// Cuts all connections and closes new ones at once: a process that died.
    pub fn refuse(&self) {
        self.state.mode.store(REFUSE, Ordering::SeqCst);
        self.cut();
    }

    /// Cuts all connections once; new ones are welcome.
    pub fn cut(&self) {
        self.state.cut.send_modify(|n| *n += 1);
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, target: String, state: Arc<State>) {
    // Dropping the set with this task ends every connection.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if state.mode.load(Ordering::SeqCst) == REFUSE {
            continue;
        }
        let Ok(server) = TcpStream::connect(&target).await else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
        let mut cut = state.cut.subscribe();
        let state = state.clone();
        connections.spawn(async move {
            tokio::select! {
                _ = cut.changed() => {}
                _ = pump(client_in, server_out, &state) => {}
                _ = pump(server_in, client_out, &state) => {}
            }
        });
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        let delay = state.delay_micros.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_micros(delay)).await;
        }
        if state.mode.load(Ordering::SeqCst) == PASS {
            to.write_all(&buffer[..n]).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A healed proxy passes bytes both ways, a refusing one closes.
    #[tokio::test]
    async fn passes_and_refuses() {
        let echo = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let target = echo.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut r, mut w) = stream.split();
                    let _ = tokio::io::copy(&mut r, &mut w).await;
                });
            }
        });
        let fault = Fault::before(&target).await.unwrap();
        let mut stream = TcpStream::connect(fault.address()).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ping");
        fault.refuse();
        assert_eq!(stream.read(&mut answer).await.unwrap_or(0), 0);
        let mut late = TcpStream::connect(fault.address()).await.unwrap();
        assert_eq!(late.read(&mut answer).await.unwrap_or(0), 0);
    }
}
