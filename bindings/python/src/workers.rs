//! Which worker threads wake up. Fast messages are best served by one: beside it others would only fight for the interpreter's
//! lock, which changes hands every 5 ms at most. Slow ones need all.
//!
//! While a worker is at work, one that is woken leaves fast messages to it: one deputy stays awake and helps when nothing moves
//! for [`STUCK`]; the others sleep on. A worker takes again when it is done, so nothing is forgotten.
//!
//! Threads and locks: no locks; the deputy sleeps without the interpreter's lock.
use ferromq_bridge::{Failure, Taken};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Workers that take at least so many at a time have fast messages.
const FAST: usize = 16;
/// Without a message taken or worked off for so long the workers are stuck in slow messages.
const STUCK: Duration = Duration::from_millis(20);
/// How often the deputy looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Default)]
pub struct Workers {
    /// Workers with messages in their hands.
    busy: AtomicUsize,
    /// Goes up whenever one begins or ends.
    moves: AtomicUsize,
    /// There is a deputy.
    deputy: AtomicBool,
}

impl Workers {
    /// A worker took messages.
    pub fn works(&self, taken: &Result<Vec<Taken>, Failure>) {
        if taken.as_ref().is_ok_and(|taken| !taken.is_empty()) {
            self.busy.fetch_add(1, Ordering::SeqCst);
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A worker has worked off what it took, and found this then: it goes on, or is at rest.
    pub fn rests(&self, taken: &Result<Vec<Taken>, Failure>) {
        if !taken.as_ref().is_ok_and(|taken| !taken.is_empty()) {
            self.busy.fetch_sub(1, Ordering::SeqCst);
        }
        self.moves.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether a worker that was woken may take, `max` messages at most.
    pub fn may_take(&self, max: usize) -> bool {
        if max < FAST || self.busy.load(Ordering::SeqCst) == 0 {
            return true;
        }
        if self.deputy.swap(true, Ordering::SeqCst) {
            return false;
        }
        let (mut moves, mut since) = (self.moves.load(Ordering::SeqCst), Instant::now());
        while self.busy.load(Ordering::SeqCst) > 0 && since.elapsed() < STUCK {
            sleep(LOOK_EVERY);
            let now = self.moves.load(Ordering::SeqCst);
            if now != moves {
                (moves, since) = (now, Instant::now());
            }
        }
        self.deputy.store(false, Ordering::SeqCst);
        true
    }
}
