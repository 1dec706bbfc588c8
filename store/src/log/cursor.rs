//! Waiting for the log to grow. Appenders pay one load when nobody waits.
//!
//! Who waits is counted under the append lock. So an appender, who looks for waiters under it, either sees them or has written what they
//! then find.
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Wakes those who follow the log.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// Threads in [`wait`](Self::wait). Raised under the append lock, before they look at the log for the last time.
    waiting: AtomicUsize,
    lock: Mutex<()>,
    grown: Condvar,
}

impl Growth {
    /// Whether somebody waits; to be asked under the append lock.
    pub fn is_watched(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// The log, or the part of it that may be seen, has grown.
    pub fn notify(&self) {
        drop(self.lock.lock());
        self.grown.notify_all();
    }

    /// Waits until `reached` holds; false when the deadline passes first. `under_append_lock` runs what it is given with that lock.
    pub fn wait(
        &self,
        deadline: Instant,
        under_append_lock: impl FnOnce(&dyn Fn()),
        reached: impl Fn() -> bool,
    ) -> bool {
        if reached() {
            return true;
        }
        under_append_lock(&|| _ = self.waiting.fetch_add(1, Ordering::Relaxed));
        let mut guard = self.lock.lock();
        let mut done = reached();
        while !done {
            let late = self.grown.wait_until(&mut guard, deadline).timed_out();
            done = reached();
            if late {
                break;
            }
        }
        drop(guard);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        done
    }
}
