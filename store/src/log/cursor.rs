//! Waiting for the log to grow. Appenders pay one load when nobody waits.
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{fence, AtomicUsize, Ordering};
use std::time::Instant;

/// Wakes those who follow the log.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// Threads in [`wait`](Self::wait). Raised before they look at the log for the last time.
    waiting: AtomicUsize,
    lock: Mutex<()>,
    grown: Condvar,
}

impl Growth {
    /// The log, or the part of it that may be seen, has grown.
    pub fn notify(&self) {
        // Pairs with the fence in `wait`: either we see the waiter, or it sees the growth.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            drop(self.lock.lock());
            self.grown.notify_all();
        }
    }

    /// Waits until `reached` holds; false when the deadline passes first.
    pub fn wait(&self, deadline: Instant, reached: impl Fn() -> bool) -> bool {
        if reached() {
            return true;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
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
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        done
    }
}
