//! The task of a connection: reads, decodes everything complete, hands requests to the handler, writes what is queued,
//! sweeps time-outs and watches for idleness. It ends when the connection ends, and tells everybody.
//!
//! Read buffer: one growing buffer whose frames are split off without copying. It is allocated when there is something to
//! read, follows the peer's appetite between [`READ_MIN`] and [`READ_MAX`], and grows beyond only for a frame that
//! announces its length, by doubling, so that an announcement alone costs nothing.
use crate::connection::Connection;
use crate::error::{CloseReason, ConnectionError};
use crate::outgoing::{OutFrame, Outgoing};
use crate::pending::Waiter;
use crate::proxy::{self, Begin};
use crate::received::Totals;
use crate::{Handler, Limits};
use bytes::{Buf, BytesMut};
use ferromq_protocol::frame::{self, FrameError};
use ferromq_protocol::Command;
use std::future::{poll_fn, Future};
use std::io;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::TcpStream;
use tokio::time::{sleep_until, Instant, Sleep};

/// Least and most bytes asked for in one read, but for frames known to be larger.
const READ_MIN: usize = 4 * 1024;
const READ_MAX: usize = 256 * 1024;
/// First step towards a frame that announces more than the usual read.
const GROW_MIN: usize = 1024 * 1024;

/// What runs when a connection has ended, after the handler was told.
pub(crate) type OnEnd = Box<dyn FnOnce(u64) + Send>;

/// Makes a connection of a socket, tells the handler, and spawns its task.
pub(crate) fn start(
    stream: TcpStream,
    name: Option<String>,
    limits: Arc<Limits>,
    total: Arc<Totals>,
    handler: Arc<dyn Handler>,
    on_start: impl FnOnce(&Arc<Connection>),
    on_end: OnEnd,
) -> io::Result<Arc<Connection>> {
    stream.set_nodelay(true)?;
    // Only who calls us may come through a load balancer.
    let may_be_proxied = name.is_none();
    let (read, write) = stream.into_split();
    let connection = Arc::new(Connection::new(read.as_ref(), Outgoing::new(write), name, limits, total)?);
    on_start(&connection);
    handler.connected(&connection);
    let driver = Driver {
        connection: connection.clone(),
        handler,
        on_end: Some(on_end),
        read: Some(read),
        buffer: BytesMut::new(),
        read_size: READ_MIN,
        undecoded: false,
        may_be_proxied,
        requests: Vec::new(),
        sizes: Vec::new(),
        replies: Vec::new(),
        deliveries: Vec::new(),
        answers: Vec::new(),
    };
    tokio::spawn(driver.run());
    Ok(connection)
}

/// What a wake-up brought.
#[derive(Default)]
struct Event {
    signalled: bool,
    writable: bool,
    read: Option<io::Result<usize>>,
    timer: bool,
}

struct Driver {
    connection: Arc<Connection>,
    handler: Arc<dyn Handler>,
    on_end: Option<OnEnd>,
    /// `None` only after the end.
    read: Option<OwnedReadHalf>,
    buffer: BytesMut,
    read_size: usize,
    /// A limit stopped the decoding: `buffer` may hold complete frames.
    undecoded: bool,
    /// Nothing was decoded yet: what is no frame may be the header of a load balancer.
    may_be_proxied: bool,
    /// Scratch, reused for every batch: requests, opaque and size of the two-way ones, answers to our calls and whom
    /// they go to, answers of the handler.
    requests: Vec<Command>,
    sizes: Vec<(i32, usize)>,
    replies: Vec<Command>,
    deliveries: Vec<(Waiter, Command)>,
    answers: Vec<OutFrame>,
}

impl Driver {
    async fn run(mut self) {
        let reason = self.drive().await;
        self.finish(reason);
    }

    fn finish(&mut self, reason: CloseReason) {
        let Some(on_end) = self.on_end.take() else { return };
        let reason = self.connection.finish(reason);
        self.read = None;
        let peer = self.connection.name();
        if reason.is_misbehaviour() {
            tracing::warn!(%peer, %reason, "connection closed");
        } else {
            tracing::debug!(%peer, %reason, "connection closed");
        }
        self.handler.closed(&self.connection, &reason);
        self.connection.clear_data();
        on_end(self.connection.id());
    }

    async fn drive(&mut self) -> CloseReason {
        let mut armed = self.timer_at();
        let mut timer = pin!(sleep_until(armed));
        loop {
            if let Some(reason) = self.connection.end_reason() {
                return reason;
            }
            let may_read = self.may_read();
            let event = if may_read && self.undecoded {
                // Nothing to wait for: complete frames may be in the buffer. Others on this thread go first.
                tokio::task::yield_now().await;
                Event { read: Some(Ok(0)), ..Event::default() }
            } else {
                poll_fn(|cx| self.poll_event(cx, may_read, timer.as_mut())).await
            };
            if let Err(reason) = self.handle(event, may_read && self.undecoded).await {
                return reason;
            }
            let at = self.timer_at();
            if at < armed || timer.is_elapsed() {
                armed = at;
                timer.as_mut().reset(at);
            }
        }
    }

    async fn handle(&mut self, event: Event, again: bool) -> Result<(), CloseReason> {
        match event.read {
            Some(Ok(_)) if again => self.process()?,
            Some(Ok(0)) => return Err(CloseReason::Peer),
            Some(Ok(n)) => {
                self.connection.arrived();
                self.adapt(n);
                self.process()?;
            }
            Some(Err(e)) => return Err(e.into()),
            None => {}
        }
        if event.timer {
            self.tick()?;
        }
        if event.signalled && self.connection.bytes_waiting() > 0 {
            // Others that are about to send get their turn first, so that their frames go out in the same write.
            tokio::task::yield_now().await;
        }
        if (event.writable || event.signalled) && self.connection.bytes_waiting() > 0 {
            self.connection.flush().map_err(reason_of)?;
        }
        Ok(())
    }

    /// False while a limit keeps us from reading more requests of this peer.
    fn may_read(&self) -> bool {
        self.connection.has_room(0) && !self.connection.received.must_pause(&self.connection.limits)
    }

    fn poll_event(&mut self, cx: &mut Context<'_>, may_read: bool, timer: Pin<&mut Sleep>) -> Poll<Event> {
        let mut event = Event { signalled: self.connection.signal.poll_take(cx), ..Event::default() };
        let Some(read) = self.read.as_mut() else { return Poll::Pending };
        if self.connection.bytes_waiting() > 0 {
            event.writable = read.as_ref().poll_write_ready(cx).is_ready();
        }
        if may_read && read.as_ref().poll_read_ready(cx).is_ready() {
            reserve(&mut self.buffer, self.read_size, self.connection.limits.frame_bytes_max);
            if let Poll::Ready(result) = pin!(read.read_buf(&mut self.buffer)).poll(cx) {
                event.read = Some(result);
            }
        }
        event.timer = timer.poll(cx).is_ready();
        if event.signalled || event.writable || event.timer || event.read.is_some() {
            Poll::Ready(event)
        } else {
            Poll::Pending
        }
    }

    /// Reads more at once from a peer that fills the buffer, less from one that does not.
    fn adapt(&mut self, n: usize) {
        if n >= self.read_size {
            self.read_size = (self.read_size * 2).min(READ_MAX);
        } else if n < self.read_size / 8 {
            self.read_size = (self.read_size / 2).max(READ_MIN);
        }
    }

    /// Decodes and handles all complete frames, as far as the limits allow.
    fn process(&mut self) -> Result<(), CloseReason> {
        loop {
            let garbage = self.decode();
            self.connection.pending.deliver(&mut self.replies, &mut self.deliveries);
            let more = self.requests.len() >= self.connection.limits.batch_requests_max;
            self.serve()?;
            if let Some(text) = garbage {
                return Err(CloseReason::Garbage(text));
            }
            self.undecoded = more && !self.may_read();
            if !more || self.undecoded {
                break;
            }
        }
        if self.buffer.is_empty() && self.buffer.capacity() > READ_MAX {
            self.buffer = BytesMut::new();
        }
        Ok(())
    }

    /// Splits complete frames off the buffer, up to one batch. Gives the error text when what follows is no frame; the
    /// frames before it count.
    fn decode(&mut self) -> Option<String> {
        let limits = &self.connection.limits;
        while self.requests.len() < limits.batch_requests_max {
            let before = self.buffer.len();
            // Most often it is a request: it is decoded where it will lie.
            self.requests.push(Command::default());
            let Some(command) = self.requests.last_mut() else { break };
            let decoded = frame::decode_to(&mut self.buffer, limits.frame_bytes_max, command);
            if decoded == Ok(true) && !command.is_response() {
                if !command.is_oneway() {
                    self.sizes.push((command.opaque, before - self.buffer.len()));
                }
                continue;
            }
            let command = self.requests.pop();
            match decoded {
                Ok(true) => self.replies.extend(command),
                Ok(false) => break,
                // Such a frame is still in the buffer.
                Err(e @ FrameError::TooLong { .. }) if self.may_be_proxied => match proxy::begin(&self.buffer) {
                    Begin::Header(length) => {
                        self.buffer.advance(length);
                        self.may_be_proxied = false;
                    }
                    Begin::Part => break,
                    Begin::Other => return Some(e.to_string()),
                },
                Err(e) => return Some(e.to_string()),
            }
        }
        self.may_be_proxied &= self.requests.is_empty() && self.replies.is_empty();
        None
    }

    /// Hands the batch to the handler and writes its answers.
    fn serve(&mut self) -> Result<(), CloseReason> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let received = &self.connection.received;
        received.begin_batch();
        self.handler.requests(&self.connection, &mut self.requests, &mut self.answers);
        self.requests.clear();
        let answered = self.answers.iter().map(|answer| answer.heads().count()).sum();
        received.end_batch(&mut self.sizes, answered, self.answers.iter().flat_map(OutFrame::opaques));
        if self.answers.is_empty() {
            return Ok(());
        }
        self.connection.send_batch(&mut self.answers).map_err(reason_of)
    }

    fn timer_at(&self) -> Instant {
        let idle = self.connection.idle_at();
        self.connection.pending.sweep_at().map_or(idle, |sweep| sweep.min(idle))
    }

    /// The timer fired: time-outs, idleness, forgotten requests.
    fn tick(&mut self) -> Result<(), CloseReason> {
        let now = Instant::now();
        if self.connection.pending.sweep_at().is_some_and(|at| at <= now) {
            let silence = self.connection.pending.sweep(now, self.connection.name());
            if let Some(silence) = silence.filter(|silence| *silence >= self.connection.limits.silence) {
                return Err(CloseReason::Silent(silence));
            }
        }
        self.connection.received.forget_old();
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        if self.connection.idle_at() <= now {
            return Err(CloseReason::Idle(self.connection.limits.idle));
        }
        Ok(())
    }
}

impl Drop for Driver {
    /// The task was dropped before its end (runtime stopped) or a handler panicked: everybody is told all the same.
    fn drop(&mut self) {
        self.finish(CloseReason::Aborted);
    }
}

fn reason_of(e: ConnectionError) -> CloseReason {
    match e {
        ConnectionError::Closed { reason, .. } => reason,
        other => CloseReason::Local(other.to_string()),
    }
}

/// Makes room for the next read: the usual size, or the rest of a large frame in steps that double.
fn reserve(buffer: &mut BytesMut, usual: usize, frame_bytes_max: usize) {
    let announced = buffer.first_chunk::<4>().map_or(0, |word| i32::from_be_bytes(*word).max(0) as usize + 4);
    let missing = announced.min(frame_bytes_max).saturating_sub(buffer.len());
    if missing > usual {
        buffer.reserve(missing.min(buffer.len().max(GROW_MIN)));
    } else if buffer.capacity() - buffer.len() < usual / 2 {
        buffer.reserve(usual);
    }
}
