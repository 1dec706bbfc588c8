//! A pool of connections, one per address text, made when first needed and again when lost.
//!
//! One connect per address at a time: everybody who needs the address waits for that one, each for as long as its own
//! budget lasts. After failed attempts the next one is delayed (back-off with jitter); the delay counts into the budget too.
//!
//! Threads and locks: the pool's mutex guards the map of slots, each slot's mutex its state; neither is held while waiting.
use crate::connect;
use crate::connection::Connection;
use crate::driver;
use crate::error::CallError;
use crate::received::Totals;
use crate::{Handler, Limits};
use ferromq_protocol::code::response::GO_AWAY;
use ferromq_protocol::Command;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{timeout_at, Instant};

/// Options of a [`Client`].
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Longest time for one connect, name resolution included.
    pub connect_timeout: Duration,
    /// Pause after a first failed connect to an address; doubles with every further failure, with jitter.
    pub backoff_first: Duration,
    /// Longest such pause.
    pub backoff_max: Duration,
    /// Limits of each connection.
    pub limits: Limits,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            backoff_first: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }
}

/// Outcome of a shared connect; an error is copied for each who waited.
type Outcome = Result<Arc<Connection>, (io::ErrorKind, String)>;

enum State {
    /// Not connected.
    Idle,
    /// Somebody's connect is under way.
    Connecting(watch::Receiver<Option<Outcome>>),
    Open(Arc<Connection>),
}

struct SlotState {
    state: State,
    /// Failed attempts in a row, and when the next one may start.
    failures: u32,
    not_before: Instant,
}

struct Slot {
    addr: String,
    inner: Mutex<SlotState>,
}

struct Shared {
    options: ClientOptions,
    limits: Arc<Limits>,
    total: Arc<Totals>,
    handler: Arc<dyn Handler>,
    slots: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    slots: HashMap<String, Arc<Slot>>,
    /// Set by shutdown: no new connections.
    closed: bool,
}

/// Connections to servers, by address. Cheap to clone; all clones share the pool.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} addresses)", self.shared.slots.lock().slots.len())
    }
}

impl Client {
    /// A pool without connections. `handler` serves the requests that servers send back on them.
    pub fn new(options: ClientOptions, handler: Arc<dyn Handler>) -> Self {
        let limits = Arc::new(options.limits.clone());
        let shared = Shared { options, limits, total: Arc::default(), handler, slots: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The open connection to `addr` (`host:port`), made if there is none. Waits for at most the connect time-out.
    pub async fn connection(&self, addr: &str) -> Result<Arc<Connection>, CallError> {
        self.connection_until(addr, Instant::now() + self.shared.options.connect_timeout).await
    }

    /// The connection to `addr` if it is open now.
    pub fn open_connection(&self, addr: &str) -> Option<Arc<Connection>> {
        let slot = self.shared.slots.lock().slots.get(addr).cloned()?;
        let inner = slot.inner.lock();
        match &inner.state {
            State::Open(connection) if connection.is_open() => Some(connection.clone()),
            _ => None,
        }
    }

    /// Sends a request and waits for its answer, all within `timeout`, connecting included. Answers of any code are `Ok`
    /// but GO_AWAY: then the request is sent once more on a new connection.
    pub async fn call(&self, addr: &str, mut command: Command, timeout: Duration) -> Result<Command, CallError> {
        let deadline = Instant::now() + timeout;
        let mut remark = String::new();
        for _ in 0..2 {
            let connection = self.connection_until(addr, deadline).await?;
            let left = self.time_left(addr, deadline, timeout)?;
            let answer = connection.call_mut(&mut command, left).await.map_err(|e| given(e, timeout))?;
            if answer.code != GO_AWAY {
                return Ok(answer);
            }
            remark = answer.remark.unwrap_or_default();
            self.retire(addr, &connection);
        }
        Err(CallError::GoAway { addr: addr.to_owned(), remark })
    }

    /// Sends a request that is never answered, connecting within `timeout` if need be.
    pub async fn oneway(&self, addr: &str, command: Command, timeout: Duration) -> Result<(), CallError> {
        let connection = self.connection_until(addr, Instant::now() + timeout).await?;
        connection.oneway(command).map_err(|source| CallError::Send { addr: addr.to_owned(), source })
    }

    /// Closes the connection to `addr`, if there is one, and forgets the address.
    pub fn close(&self, addr: &str) {
        let slot = self.shared.slots.lock().slots.remove(addr);
        if let Some(slot) = slot {
            slot.close("closed by the client");
        }
    }

    /// Addresses with an open connection.
    pub fn open_addresses(&self) -> Vec<String> {
        let slots: Vec<_> = self.shared.slots.lock().slots.values().cloned().collect();
        let open = |slot: &&Arc<Slot>| matches!(&slot.inner.lock().state, State::Open(c) if c.is_open());
        slots.iter().filter(open).map(|slot| slot.addr.clone()).collect()
    }

    /// Closes all connections and refuses new ones.
    pub async fn shutdown(&self) {
        let slots = {
            let mut pool = self.shared.slots.lock();
            pool.closed = true;
            std::mem::take(&mut pool.slots)
        };
        slots.values().for_each(|slot| slot.close("the client stops"));
        // The tasks of the connections end by themselves; they get their turn before this returns.
        tokio::task::yield_now().await;
    }

    fn time_left(&self, addr: &str, deadline: Instant, given: Duration) -> Result<Duration, CallError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let reason = format!("connecting used up its {} ms", given.as_millis());
            return Err(CallError::TooManyRequests { addr: addr.to_owned(), reason });
        }
        Ok(left)
    }

    /// The server goes away: later requests get a new connection, while calls that wait on this one may still be answered.
    fn retire(&self, addr: &str, connection: &Arc<Connection>) {
        let slot = self.shared.slots.lock().slots.get(addr).cloned();
        if let Some(slot) = slot {
            let mut inner = slot.inner.lock();
            if matches!(&inner.state, State::Open(open) if open.id() == connection.id()) {
                inner.state = State::Idle;
            }
        }
        if connection.calls_waiting() == 0 {
            connection.close("the server told us to go away");
        }
    }

    async fn connection_until(&self, addr: &str, deadline: Instant) -> Result<Arc<Connection>, CallError> {
        let slot = self.slot(addr)?;
        let mut outcome = match self.join(&slot) {
            Ok(connection) => return Ok(connection),
            Err(outcome) => outcome,
        };
        let failed = |source| Err(CallError::Connect { addr: addr.to_owned(), source });
        let waited = timeout_at(deadline, outcome.wait_for(Option::is_some)).await;
        let outcome = match waited {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => return failed(io::Error::other("the connect was abandoned")),
            Err(_) => return failed(io::Error::new(io::ErrorKind::TimedOut, "not connected in time")),
        };
        match outcome {
            Some(Ok(connection)) => Ok(connection),
            Some(Err((kind, text))) => failed(io::Error::new(kind, text)),
            None => failed(io::Error::other("the connect was abandoned")),
        }
    }

    fn slot(&self, addr: &str) -> Result<Arc<Slot>, CallError> {
        let mut pool = self.shared.slots.lock();
        if pool.closed {
            let source = io::Error::new(io::ErrorKind::NotConnected, "the client was shut down");
            return Err(CallError::Connect { addr: addr.to_owned(), source });
        }
        if let Some(slot) = pool.slots.get(addr) {
            return Ok(slot.clone());
        }
        let inner = SlotState { state: State::Idle, failures: 0, not_before: Instant::now() };
        let slot = Arc::new(Slot { addr: addr.to_owned(), inner: Mutex::new(inner) });
        pool.slots.insert(addr.to_owned(), slot.clone());
        Ok(slot)
    }

    /// The open connection, or the connect to wait for, which is started if none is under way.
    fn join(&self, slot: &Arc<Slot>) -> Result<Arc<Connection>, watch::Receiver<Option<Outcome>>> {
        let mut inner = slot.inner.lock();
        match &inner.state {
            State::Open(connection) if connection.is_open() => return Ok(connection.clone()),
            State::Connecting(outcome) if outcome.has_changed().is_ok() => return Err(outcome.clone()),
            _ => {}
        }
        let (sender, receiver) = watch::channel(None);
        inner.state = State::Connecting(receiver.clone());
        let not_before = inner.not_before;
        drop(inner);
        // A task of its own: it goes on when the one who started it gives up, for the others.
        tokio::spawn(establish(self.shared.clone(), slot.clone(), not_before, sender));
        Err(receiver)
    }
}

impl Drop for Shared {
    /// The last clone of the client is gone: nobody can use its connections any more.
    fn drop(&mut self) {
        self.slots.get_mut().slots.values().for_each(|slot| slot.close("the client was dropped"));
    }
}

impl Slot {
    fn close(&self, reason: &str) {
        let state = std::mem::replace(&mut self.inner.lock().state, State::Idle);
        if let State::Open(connection) = state {
            connection.close(reason);
        }
    }
}

/// Waits for the back-off, connects, and publishes the outcome.
async fn establish(shared: Arc<Shared>, slot: Arc<Slot>, not_before: Instant, sender: watch::Sender<Option<Outcome>>) {
    tokio::time::sleep_until(not_before).await;
    let options = &shared.options;
    let opened = connect::connect(&slot.addr, options.connect_timeout).await.and_then(|stream| {
        driver::start(
            stream,
            Some(slot.addr.clone()),
            shared.limits.clone(),
            shared.total.clone(),
            shared.handler.clone(),
            |_| (),
            Box::new(|_| ()),
        )
    });
    let mut inner = slot.inner.lock();
    match opened {
        Ok(connection) => {
            inner.failures = 0;
            // Closed or shut down meanwhile: nobody waits for it any more.
            if matches!(inner.state, State::Connecting(_)) {
                inner.state = State::Open(connection.clone());
            } else {
                connection.close("closed while it was being made");
            }
            sender.send_replace(Some(Ok(connection)));
        }
        Err(e) => {
            inner.failures += 1;
            let pause = connect::backoff(inner.failures, options.backoff_first, options.backoff_max);
            inner.not_before = Instant::now() + pause;
            if matches!(inner.state, State::Connecting(_)) {
                inner.state = State::Idle;
            }
            tracing::debug!(addr = %slot.addr, error = %e, retry_in = ?pause, "cannot connect");
            sender.send_replace(Some(Err((e.kind(), e.to_string()))));
        }
    }
}

/// A time-out names the time that the caller gave, not what connecting left of it.
fn given(error: CallError, time: Duration) -> CallError {
    match error {
        CallError::Timeout { addr, .. } => CallError::Timeout { addr, after: time },
        other => other,
    }
}
