//! Calls and one-way requests on a connection: entering them in the table of those that wait, and writing their frames.
//!
//! A lone caller writes the socket itself; when several wait already, frames are queued and the connection's task writes
//! them together.
use crate::connection::Connection;
use crate::error::{CallError, CloseReason, ConnectionError};
use crate::outgoing::OutFrame;
use crate::pending::{Refused, Waiter};
use ferromq_protocol::Command;
use std::time::Duration;
use tokio::sync::oneshot;

/// With at most this many calls waiting, a caller writes its frame itself: nobody else would, and waking the task costs
/// more than the write. With more, frames are queued and the task writes them together.
const WRITE_SELF_MAX: usize = 2;

/// One-way bit of a command's flag.
const ONEWAY: i32 = 2;
/// Response bit of a command's flag.
const RESPONSE: i32 = 1;

impl Connection {
    /// Sends a request and waits for its answer; works in both directions. Sets `opaque`. Whatever code the answer has,
    /// it is `Ok`. Dropping the future forgets the call.
    pub async fn call(&self, mut command: Command, timeout: Duration) -> Result<Command, CallError> {
        self.call_mut(&mut command, timeout).await
    }

    pub(crate) async fn call_mut(&self, command: &mut Command, timeout: Duration) -> Result<Command, CallError> {
        let (sender, receiver) = oneshot::channel();
        let Some(opaque) = self.start_call(command, timeout, Waiter::Task(sender)) else {
            return receiver.await.unwrap_or_else(|_| Err(self.aborted()));
        };
        let guard = Forget { connection: self, opaque };
        let outcome = receiver.await.unwrap_or_else(|_| Err(self.aborted()));
        std::mem::forget(guard);
        outcome
    }

    /// The callback form of [`Self::call`]: `done` runs exactly once, on the connection's task or, when the request
    /// cannot be sent, on this thread before the function returns. It must not block.
    pub fn call_with(
        &self,
        mut command: Command,
        timeout: Duration,
        done: impl FnOnce(Result<Command, CallError>) + Send + 'static,
    ) {
        self.start_call(&mut command, timeout, Waiter::Callback(Box::new(done)));
    }

    /// Enters the call and sends its frame. `None` when it ended already.
    fn start_call(&self, command: &mut Command, timeout: Duration, waiter: Waiter) -> Option<i32> {
        let limit = self.limits.inflight_requests_max;
        let taken = match self.pending.insert(timeout, waiter, limit) {
            Ok(taken) => taken,
            Err(Refused::Closed(reason, waiter)) => {
                let source = ConnectionError::Closed { peer: self.name().to_owned(), reason };
                waiter.finish(Err(CallError::Send { addr: self.name().to_owned(), source }));
                return None;
            }
            Err(Refused::Full(waiter)) => {
                let reason = format!("{limit} requests wait for their answers already");
                waiter.finish(Err(CallError::TooManyRequests { addr: self.name().to_owned(), reason }));
                return None;
            }
        };
        command.opaque = taken.opaque;
        command.flag &= !(RESPONSE | ONEWAY);
        if taken.rearm {
            self.signal.raise();
        }
        if let Err(source) = self.submit(command, taken.waiting) {
            // When the connection closed meanwhile, the call may have been told already.
            if let Some(waiter) = self.pending.remove(taken.opaque) {
                waiter.finish(Err(CallError::Send { addr: self.name().to_owned(), source }));
            }
            return None;
        }
        Some(taken.opaque)
    }

    /// Sends a request that is never answered. `Ok` means that it was written or queued.
    pub fn oneway(&self, mut command: Command) -> Result<(), ConnectionError> {
        command.opaque = self.pending.next_opaque();
        command.flag = (command.flag & !RESPONSE) | ONEWAY;
        self.submit(&command, self.pending.len())
    }

    /// Queues a request and, when this caller is alone, writes it.
    fn submit(&self, command: &Command, waiting: usize) -> Result<(), ConnectionError> {
        let frame = OutFrame::encode(command)
            .map_err(|source| ConnectionError::Encode { peer: self.name().to_owned(), source })?;
        let first = self.write_or_queue(frame, waiting <= WRITE_SELF_MAX)?;
        if first {
            self.signal.raise();
        }
        Ok(())
    }

    fn aborted(&self) -> CallError {
        CallError::Closed { addr: self.name().to_owned(), reason: CloseReason::Aborted }
    }
}

/// Forgets a call whose future is dropped.
struct Forget<'a> {
    connection: &'a Connection,
    opaque: i32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.connection.pending.remove(self.opaque);
    }
}
