//! Distributes "new messages are visible" from the store to those who wait for it.
//!
//! Called on whatever thread dispatches (usually the one that appended); the receivers must not block.
use super::delay::Delay;
use super::holds::Holds;
use ferromq_store::{Arrival, ArrivalListener};
use std::sync::Arc;

/// The store's listener.
pub struct Arrivals {
    /// Held pulls.
    pub holds: Arc<Holds>,
    /// Delayed messages.
    pub delay: Arc<Delay>,
}

impl ArrivalListener for Arrivals {
    fn arrived(&self, arrivals: &[Arrival<'_>]) {
        self.holds.arrived(arrivals);
        self.delay.arrived(arrivals);
    }
}
