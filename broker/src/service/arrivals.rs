//! Distributes "new messages are visible" from the store to those who wait for it.
//!
//! Called on whatever thread dispatches (usually the one that appended); the receivers must not block.
use super::delay::Delay;
use super::holds::Holds;
use ferromq_store::ArrivalListener;
use std::sync::Arc;

/// The store's listener.
pub struct Arrivals {
    /// Held pulls.
    pub holds: Arc<Holds>,
    /// Delayed messages.
    pub delay: Arc<Delay>,
}

impl ArrivalListener for Arrivals {
    fn arrived(&self, arrivals: ferromq_store::Arrivals<'_>) {
        let by_queue = || arrivals.by_queue().map(|run| run.iter());
        self.holds.arrived(by_queue());
        self.delay.arrived(by_queue());
    }
}
