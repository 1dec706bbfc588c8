//! Accepts connections and keeps account of them.
//!
//! Threads and locks: one task accepts; each connection has its own. The registry's mutex is held for look-ups only.
use crate::connection::Connection;
use crate::driver;
use crate::error::BindError;
use crate::received::Totals;
use crate::{Handler, Limits};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{watch, Notify};

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 1024;
/// Pause after a failed accept (out of file descriptors): trying at once would only burn the processor.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What the server, its accept task and the connections' ends share.
struct Shared {
    /// Open connections by id.
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    /// Told when a connection has ended.
    ended: Notify,
}

/// A listening socket and its connections. Dropping it stops accepting and closes them without waiting.
pub struct Server {
    local: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({}, {} connections)", self.local, self.connections())
    }
}

impl Server {
    /// Listens on `addr` (port 0: any free port) and serves connections with `handler` from now on.
    pub async fn bind(addr: SocketAddr, limits: Limits, handler: Arc<dyn Handler>) -> Result<Self, BindError> {
        let listener = listen(addr).map_err(|source| BindError { addr, source })?;
        let local = listener.local_addr().map_err(|source| BindError { addr, source })?;
        let shared = Arc::new(Shared { connections: Mutex::default(), ended: Notify::new() });
        let (stop, stopped) = watch::channel(false);
        let acceptor =
            Acceptor { shared: shared.clone(), limits: Arc::new(limits), total: Arc::default(), handler, stopped };
        tokio::spawn(acceptor.run(listener));
        Ok(Self { local, shared, stop })
    }

    /// The address listened on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.shared.connections.lock().len()
    }

    /// Closes the listening socket; open connections go on.
    pub fn stop_accepting(&self) {
        self.stop.send_replace(true);
    }

    /// Stops accepting, closes all connections and waits until their handlers were told.
    pub async fn shutdown(self) {
        self.stop_accepting();
        loop {
            let ended = self.shared.ended.notified();
            self.close_all();
            if self.connections() == 0 {
                return;
            }
            ended.await;
        }
    }

    fn close_all(&self) {
        // Cloned first: closing must not happen under the lock that the end of a connection takes.
        let open: Vec<_> = self.shared.connections.lock().values().cloned().collect();
        open.iter().for_each(|connection| connection.close("the server stops"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_accepting();
        self.close_all();
    }
}

/// The listening socket; on Unix the port of a server that has just stopped can be taken again.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

struct Acceptor {
    shared: Arc<Shared>,
    limits: Arc<Limits>,
    total: Arc<Totals>,
    handler: Arc<dyn Handler>,
    stopped: watch::Receiver<bool>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let mut stopped = self.stopped.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // An error means that the server was dropped.
                _ = stopped.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn take(&mut self, stream: TcpStream, peer: SocketAddr) {
        let limit = self.limits.connections_max;
        if self.shared.connections.lock().len() >= limit {
            tracing::warn!(%peer, limit, "connection refused: too many are open");
            return;
        }
        let (shared, ended) = (self.shared.clone(), self.shared.clone());
        let started = driver::start(
            stream,
            None,
            self.limits.clone(),
            self.total.clone(),
            self.handler.clone(),
            |connection| {
                shared.connections.lock().insert(connection.id(), connection.clone());
            },
            Box::new(move |id| {
                ended.connections.lock().remove(&id);
                ended.ended.notify_waiters();
            }),
        );
        if let Err(error) = started {
            tracing::debug!(%peer, %error, "connection lost before it was served");
        }
        // The server may have stopped between the accept and the registration.
        if *self.stopped.borrow() {
            let open: Vec<_> = self.shared.connections.lock().values().cloned().collect();
            open.iter().filter(|c| c.peer() == peer).for_each(|c| c.close("the server stops"));
        }
    }
}
