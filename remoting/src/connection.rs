//! A connection as its users see it: sending frames, closing. Calls are in `call`, the task behind it in `driver`.
//!
//! Threads and locks: everything here may be called from any thread, inside or outside the runtime, and never blocks but
//! for the short locks. `outgoing` is the output lock (socket writes happen under it, without blocking); `pending` and
//! `received` have their own. None is held while a callback runs.
use crate::error::{CloseReason, ConnectionError};
use crate::outgoing::{OutFrame, Outgoing};
use crate::pending::Pending;
use crate::received::{Received, Totals};
use crate::room::room_of;
use crate::signal::Signal;
use crate::Limits;
use parking_lot::{Mutex, RwLock};
use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
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
    totals: Arc<Totals>,
    /// What answers that are being made may still take ([`Self::reserve`]). Closed with the connection.
    pub(crate) room: Semaphore,
    /// Wakes the task: something was queued, a sweep is due earlier, reading may go on, or it shall close.
    pub(crate) signal: Signal,
    /// Why the connection ends; first one wins.
    reason: Mutex<Option<CloseReason>>,
    open: AtomicBool,
    /// When the connection was made; `activity` counts from here.
    base: Instant,
    /// Milliseconds from `base` to the last read or write.
    activity_ms: AtomicU64,
    /// Milliseconds from `base` to the read that brought the requests now at the handler.
    arrived_ms: AtomicU64,
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
        totals: Arc<Totals>,
    ) -> std::io::Result<Self> {
        let peer = stream.peer_addr()?;
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            peer,
            local: stream.local_addr()?,
            name: name.unwrap_or_else(|| peer.to_string()),
            room: room_of(&limits),
            limits,
            pending: Pending::default(),
            received: Received::new(Arc::clone(&totals)),
            outgoing: Mutex::new(outgoing),
            outgoing_bytes: AtomicUsize::new(0),
            totals,
            signal: Signal::default(),
            reason: Mutex::new(None),
            open: AtomicBool::new(true),
            base: Instant::now(),
            activity_ms: AtomicU64::new(0),
            arrived_ms: AtomicU64::new(0),
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

    /// Requests of the peer whose answers are outstanding, without those of the handler call that runs.
    pub fn requests_waiting(&self) -> usize {
        self.received.waiting()
    }

    /// For how long the requests of the handler call that runs have waited, since the read that brought them.
    pub fn requests_age(&self) -> Duration {
        self.base.elapsed().saturating_sub(Duration::from_millis(self.arrived_ms.load(Ordering::Relaxed)))
    }

    /// False when, with `more` bytes to be written, so much waits that the peer's requests are not read: for this peer, or for
    /// all of them together and also for this one.
    pub fn has_room(&self, more: usize) -> bool {
        let waiting = self.bytes_waiting() + more;
        waiting == 0
            || waiting <= self.limits.outgoing_bytes_pause
                && self.totals.outgoing.load(Ordering::Relaxed) <= self.limits.outgoing_bytes_total_max
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
        self.send_frames(std::iter::once(frame), true)
    }

    /// As [`Self::send`], but leaves the writing to the connection's task, which writes all that is there by then at once: for
    /// answers that nobody hurries for and of which many come together.
    pub fn send_soon(&self, frame: OutFrame) -> Result<(), ConnectionError> {
        self.send_frames(std::iter::once(frame), false)
    }

    /// Sends several frames with one vectored write. `frames` is left empty.
    pub fn send_all(&self, frames: &mut Vec<OutFrame>) -> Result<(), ConnectionError> {
        self.send_frames(frames.drain(..), true)
    }

    fn send_frames(&self, frames: impl Iterator<Item = OutFrame>, write: bool) -> Result<(), ConnectionError> {
        let watches = self.received.watches();
        let mut wake = false;
        let frames = frames.inspect(|frame| {
            if watches {
                wake = frame.opaques().fold(wake, |wake, opaque| self.received.answered(opaque) || wake);
            }
        });
        let waiting = self.write_frames(frames, write)?;
        if wake || waiting > 0 {
            self.signal.raise();
        }
        Ok(())
    }

    /// Sends the answers of a batch. Their requests are accounted for by the caller, which is the task itself.
    pub(crate) fn send_batch(&self, frames: &mut Vec<OutFrame>) -> Result<(), ConnectionError> {
        self.write_frames(frames.drain(..), true).map(|_| ())
    }

    /// Queues frames and, when `write` says so, writes what the socket takes. Gives the number of bytes left in the queue.
    fn write_frames(&self, frames: impl Iterator<Item = OutFrame>, write: bool) -> Result<usize, ConnectionError> {
        let mut outgoing = self.lock_open()?;
        frames.for_each(|frame| outgoing.push(frame));
        if write {
            self.flush_locked(&mut outgoing)?;
        } else {
            self.count_outgoing(outgoing.bytes());
        }
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
            self.count_outgoing(outgoing.bytes());
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
        self.count_outgoing(0);
        drop(outgoing);
        self.room.close();
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
        self.count_outgoing(outgoing.bytes());
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

    /// Notes how much waits to be written. Under the output lock.
    fn count_outgoing(&self, bytes: usize) {
        let before = self.outgoing_bytes.load(Ordering::Relaxed);
        // Most often nothing waits, before and after: the shared counter is left alone.
        if bytes == before {
            return;
        }
        self.outgoing_bytes.store(bytes, Ordering::Release);
        if bytes > before {
            self.totals.outgoing.fetch_add(bytes - before, Ordering::Relaxed);
        } else {
            self.totals.outgoing.fetch_sub(before - bytes, Ordering::Relaxed);
        }
    }

    fn closed_error(&self) -> ConnectionError {
        let reason = self.reason.lock().clone().unwrap_or(CloseReason::Aborted);
        ConnectionError::Closed { peer: self.name.clone(), reason }
    }

    /// Something was read or written.
    pub(crate) fn touch(&self) -> u64 {
        let now_ms = self.base.elapsed().as_millis() as u64;
        self.activity_ms.store(now_ms, Ordering::Relaxed);
        now_ms
    }

    /// Something was read.
    pub(crate) fn arrived(&self) {
        let now_ms = self.touch();
        self.arrived_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When the connection has been idle for too long, unless something is read or written until then.
    pub(crate) fn idle_at(&self) -> Instant {
        self.base + Duration::from_millis(self.activity_ms.load(Ordering::Relaxed)) + self.limits.idle
    }
}
