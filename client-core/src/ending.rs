//! How long the shutdown of a client object may take: one bound for all that brokers are told then, whichever of them hangs.
//!
//! Brokers that answer need milliseconds, and are asked at the same time as those that do not. What was not told in time is what a crash would leave:
//! offsets that are older than they could be (messages come again), locks that expire, a member whose closed connection the broker notices.
//!
//! Not part of the bound: waiting for listeners (`drain_timeout`) and for sends under way (`send_timeout`), which the user sets.
use std::future::Future;
use std::time::Duration;
use tokio::time::{timeout_at, Instant};

/// Longest time that a shutdown takes to commit offsets, give locks back and unregister when brokers do not answer.
pub const SHUTDOWN_WITHIN: Duration = Duration::from_secs(5);
/// The part of it for offsets.
const OFFSETS_WITHIN: Duration = Duration::from_secs(3);
/// The part for unregistering, when offsets took less.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// How long tasks may take to end before they are aborted, as long as the whole leaves as much.
const TASKS_END_WITHIN: Duration = Duration::from_secs(1);

/// One shutdown. It counts from its making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    begun: Instant,
}

impl Ending {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now() }
    }

    /// Stores offsets, as far as brokers answer in time.
    pub(crate) async fn offsets(self, group: &str, commit: impl Future<Output = ()>) {
        if timeout_at(self.begun + OFFSETS_WITHIN, commit).await.is_err() {
            tracing::warn!(group, "shut down while a broker does not take offsets: its messages come again");
        }
    }

    /// Tells brokers that a member leaves, as far as they answer in time.
    pub(crate) async fn leave(self, telling: impl Future<Output = ()>) {
        let until = (Instant::now() + LEAVE_WITHIN).min(self.begun + SHUTDOWN_WITHIN);
        if timeout_at(until, telling).await.is_err() {
            tracing::debug!("shut down while a broker does not answer: it notices the closed connection");
        }
    }

    /// How long tasks may take to end.
    pub(crate) fn for_tasks(self) -> Duration {
        TASKS_END_WITHIN.min((self.begun + SHUTDOWN_WITHIN).saturating_duration_since(Instant::now()))
    }
}
