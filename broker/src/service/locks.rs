//! Queue locks of orderly consumers (broker.md 5.5).

/// Who holds which queue of which group.
#[derive(Default)]
pub struct QueueLocks {}

impl QueueLocks {
    /// No locks.
    pub fn new() -> Self {
        Self::default()
    }

    /// True when the group holds any lock that has not expired: the mark of an orderly consumer (broker.md 3.2, 7).
    pub fn any_unexpired(&self, _group: &str, _now_ms: i64) -> bool {
        false
    }
}
