//! Held pulls (long polling). Transport-free.
use ferromq_store::Arrival;

/// Pulls that wait for a message.
#[derive(Default)]
pub struct Holds {}

impl Holds {
    /// Nothing held.
    pub fn new() -> Self {
        Self::default()
    }

    /// New messages are visible; wakes who waits for them. Must not block.
    pub fn arrived(&self, _arrivals: &[Arrival<'_>]) {}
}
