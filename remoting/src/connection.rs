//! A connection as its users see it: sending frames, closing. Calls are in `call`, the task behind it in `driver`.
//!
//! Threads and locks: everything here may be called from any thread, inside or outside the runtime, and never blocks but
//! for the short locks. `outgoing` is the output lock (socket writes happen under it, without blocking); `pending` and
//! `received` have their own. None is held while a callback runs.
use crate::error::{CloseReason, ConnectionError};
use crate::outgoing::{OutFrame, Outgoing};
use crate::pending::Pending;
use crate::received::{Received, TotalInflight};
use crate::signal::Signal;
use crate::Limits;
use parking_lot::{Mutex, RwLock};
use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// One open (or closed) connection. Frames of both directions are pipelined; answers may come in any order.
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    /// How errors name the peer: the address text it was reached by, or the peer's socket address.
    name: String,
    pub(crate) limits: Arc<Limits>,
    pub(crate) pending: Pending,
    pub(crate) received: Received,
    outgoing: Mutex<Outgoing>,
    /// Bytes in `outgoing`, written under its lock, readable without.
    outgoing_bytes: AtomicUsize,
    /// Wakes the task: something was queued, a sweep is due earlier, reading may go on, or it shall close.
    pub(crate) signal: Signal,
    /// Why the connection ends; first one wins.
    reason: Mutex<Option<CloseReason>>,
    open: AtomicBool,
    /// When the connection was made; `activity` counts from here.
    base: Instant,
    /// Milliseconds from `base` to the last read or write.
    activity_ms: AtomicU64,
    data: RwLock<Option<Arc<dyn Any + Send + Sync>>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} to {}, {})", self.id, self.name, if self.is_open() { "open" } else { "closed" })
    }
}

impl Connection {
    pub(crate) fn new(
        stream: &tokio::net::TcpStream,
        outgoing: Outgoing,
        name: Option<String>,
        limits: Arc<Limits>,
        total: Arc<TotalInflight>,
    ) -> std::io::Result<Self> {
        let peer = stream.peer_addr()?;
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            peer,
            local: stream.local_addr()?,
            name: name.unwrap_or_else(|| peer.to_string()),
            limits,
            pending: Pending::default(),
            received: Received::new(total),
            outgoing: Mutex::new(outgoing),
            outgoing_bytes: AtomicUsize::new(0),
            signal: Signal::default(),
            reason: Mutex::new(None),
            open: AtomicBool::new(true),
            base: Instant::now(),
            activity_ms: AtomicU64::new(0),
            data: RwLock::new(None),
        })
    }

    /// A number no other connection of this process has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The other side's socket address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// This side's socket address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The address text a client connected to; the peer's socket address on the server side.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// False from the moment in which it is known that the connection ends.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Calls of ours that wait for an answer.
    pub fn calls_waiting(&self) -> usize {
        self.pending.len()
    }

    /// Bytes accepted by [`Self::send`] and its like that the socket has not taken yet.
    pub fn bytes_waiting(&self) -> usize {
        self.outgoing_bytes.load(Ordering::Relaxed)
    }

    /// Attaches the owner's state (a registration, an identity). Replaces what was there.
    pub fn set_data(&self, data: Arc<dyn Any + Send + Sync>) {
        *self.data.write() = Some(data);
    }

    /// Lets go of the owner's state, which may point back here.
    pub(crate) fn clear_data(&self) {
        *self.data.write() = None;
    }

    /// What [`Self::set_data`] attached; nothing any more after the handler was told of the end.
    pub fn data(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.data.read().clone()
    }

    /// What [`Self::set_data`] attached, when it is a `T`.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.data().and_then(|data| data.downcast().ok())
    }

    /// Sends a frame, usually an answer. Never blocks: what the socket does not take at once is queued. A peer that lets
    /// more than [`Limits::outgoing_bytes_max`] queue up is disconnected.
    pub fn send(&self, frame: OutFrame) -> Result<(), ConnectionError> {
        self.send_frames(std::iter::once(frame))
    }

    /// Sends several frames with one vectored write. `frames` is left empty.
    pub fn send_all(&self, frames: &mut Vec<OutFrame>) -> Result<(), ConnectionError> {
        self.send_frames(frames.drain(..))
    }

    fn send_frames(&self, frames: impl Iterator<Item = OutFrame>) -> Result<(), ConnectionError> {
        let watches = self.received.watches();
        let mut wake = false;
        let waiting = self.write_frames(frames.inspect(|frame| {
            if watches {
                wake |= frame.opaque().is_some_and(|opaque| self.received.answered(opaque));
            }
        }))?;
        if wake || waiting > 0 {
            self.signal.raise();
        }
        Ok(())
    }

    /// Sends the answers of a batch. Their requests are accounted for by the caller, which is the task itself.
    pub(crate) fn send_batch(&self, frames: &mut Vec<OutFrame>) -> Result<(), ConnectionError> {
        self.write_frames(frames.drain(..)).map(|_| ())
    }

    /// Queues frames and writes what the socket takes. Gives the number of bytes left in the queue.
    fn write_frames(&self, frames: impl Iterator<Item = OutFrame>) -> Result<usize, ConnectionError> {
        let mut outgoing = self.lock_open()?;
        frames.for_each(|frame| outgoing.push(frame));
        self.flush_locked(&mut outgoing)?;
        let (waiting, limit) = (outgoing.bytes(), self.limits.outgoing_bytes_max);
        drop(outgoing);
        if waiting > limit {
            self.end(CloseReason::SlowReader { waiting, limit });
            return Err(self.closed_error());
        }
        Ok(waiting)
    }

    /// Queues a request and, when nothing is before it and `write` says so, writes it. True when the task must be woken:
    /// the frame is the first in the queue. Who is not the first relies on the one who was, or on the task that waits for
    /// the socket.
    pub(crate) fn write_or_queue(&self, frame: OutFrame, write: bool) -> Result<bool, ConnectionError> {
        let mut outgoing = self.lock_open()?;
        let (bytes, limit) = (outgoing.bytes() + frame.len(), self.limits.outgoing_bytes_max);
        let first = outgoing.bytes() == 0;
        // A single frame larger than the limit still goes when nothing is in its way.
        if bytes > limit && !first {
            return Err(ConnectionError::Full { peer: self.name.clone(), waiting: bytes, limit });
        }
        outgoing.push(frame);
        if first && write {
            self.flush_locked(&mut outgoing)?;
        } else {
            self.outgoing_bytes.store(outgoing.bytes(), Ordering::Release);
        }
        Ok(first && outgoing.bytes() > 0)
    }

    /// Closes the connection. Frames that the socket takes at once still go out; waiting calls fail with the reason.
    pub fn close(&self, reason: &str) {
        self.end(CloseReason::Local(reason.to_owned()));
    }

    /// Notes why the connection ends and lets its task end it.
    pub(crate) fn end(&self, reason: CloseReason) {
        self.reason.lock().get_or_insert(reason);
        self.open.store(false, Ordering::Release);
        self.signal.raise();
    }

    /// Why the connection shall end, if it shall.
    pub(crate) fn end_reason(&self) -> Option<CloseReason> {
        if self.is_open() {
            return None;
        }
        self.reason.lock().clone()
    }

    /// Tears down: the socket's writing half is given up, all calls are told.
    pub(crate) fn finish(&self, reason: CloseReason) -> CloseReason {
        let reason = self.reason.lock().get_or_insert(reason).clone();
        self.open.store(false, Ordering::Release);
        let mut outgoing = self.outgoing.lock();
        let _ = outgoing.flush();
        outgoing.close();
        self.outgoing_bytes.store(0, Ordering::Release);
        drop(outgoing);
        self.pending.close(&reason, &self.name);
        reason
    }

    /// Writes what is queued as far as the socket takes it.
    pub(crate) fn flush(&self) -> Result<(), ConnectionError> {
        let mut outgoing = self.lock_open()?;
        self.flush_locked(&mut outgoing)
    }

    fn lock_open(&self) -> Result<parking_lot::MutexGuard<'_, Outgoing>, ConnectionError> {
        let outgoing = self.outgoing.lock();
        if outgoing.is_open() && self.is_open() {
            return Ok(outgoing);
        }
        drop(outgoing);
        Err(self.closed_error())
    }

    fn flush_locked(&self, outgoing: &mut Outgoing) -> Result<(), ConnectionError> {
        let result = outgoing.flush();
        self.outgoing_bytes.store(outgoing.bytes(), Ordering::Release);
        match result {
            Ok(0) => Ok(()),
            Ok(_) => {
                self.touch();
                Ok(())
            }
            Err(e) => {
                self.end(e.into());
                Err(self.closed_error())
            }
        }
    }

    fn closed_error(&self) -> ConnectionError {
        let reason = self.reason.lock().clone().unwrap_or(CloseReason::Aborted);
        ConnectionError::Closed { peer: self.name.clone(), reason }
    }

    /// Something was read or written.
    pub(crate) fn touch(&self) {
        self.activity_ms.store(self.base.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// When the connection has been idle for too long, unless something is read or written until then.
    pub(crate) fn idle_at(&self) -> Instant {
        self.base + Duration::from_millis(self.activity_ms.load(Ordering::Relaxed)) + self.limits.idle
    }
}
