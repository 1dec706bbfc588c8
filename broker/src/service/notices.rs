//! Lines of the log that tell an operator why clients wait: requests that took long, and requests refused to control the flow. At most
//! one line per second and kind, with the number of those that were not written, so that overload cannot flood the log.
//!
//! Locks: none; a line costs two atomic operations, a request that is neither slow nor refused none.
use super::clock::now_ms;
use ferromq_protocol::code;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Least time between two lines of one kind.
const EVERY_MS: i64 = 1000;

/// Lets one line through now and then.
#[derive(Debug, Default)]
struct Throttle {
    next_ms: AtomicI64,
    suppressed: AtomicU64,
}

impl Throttle {
    /// Whether a line may be written now: how many were not written since the last one.
    fn pass(&self, now_ms: i64) -> Option<u64> {
        let next = self.next_ms.load(Relaxed);
        let mine = now_ms >= next && self.next_ms.compare_exchange(next, now_ms + EVERY_MS, Relaxed, Relaxed).is_ok();
        if !mine {
            self.suppressed.fetch_add(1, Relaxed);
        }
        mine.then(|| self.suppressed.swap(0, Relaxed))
    }
}

/// What a request was, for a line of the log.
#[derive(Debug)]
pub struct What {
    /// Its code.
    pub code: i32,
    /// Its topic, or nothing.
    pub topic: String,
    /// Who asked.
    pub peer: SocketAddr,
}

/// The lines, each kind with its own pace.
#[derive(Debug, Default)]
pub struct Notices {
    slow: Throttle,
    refused: Throttle,
}

impl Notices {
    /// A request, or `together` of them that were served at once, took `elapsed`. Nothing below `threshold_ms`
    /// (`slowRequestMills`; 0: never).
    pub fn took(&self, threshold_ms: i64, elapsed: Duration, together: usize, what: impl FnOnce() -> What) {
        if threshold_ms <= 0 || elapsed.as_millis() < u128::from(threshold_ms.unsigned_abs()) {
            return;
        }
        let Some(unwritten) = self.slow.pass(now_ms()) else { return };
        let What { code, topic, peer } = what();
        let (name, ms) = (code::request_name(code).unwrap_or("unknown"), elapsed.as_millis() as u64);
        tracing::warn!(code, name, topic, %peer, ms, together, unwritten, "slow request");
    }

    /// A request was refused so that clients slow down; `remark` is the answer's.
    pub fn refused(&self, remark: &str, what: impl FnOnce() -> What) {
        let Some(unwritten) = self.refused.pass(now_ms()) else { return };
        let What { code, topic, peer } = what();
        let name = code::request_name(code).unwrap_or("unknown");
        tracing::warn!(code, name, topic, %peer, unwritten, remark, "flow control");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One line passes in a second, and the next one says how many did not.
    #[test]
    fn lines_are_paced_and_counted() {
        let throttle = Throttle::default();
        assert_eq!(throttle.pass(5000), Some(0));
        assert_eq!((throttle.pass(5001), throttle.pass(5999)), (None, None));
        assert_eq!(throttle.pass(6000), Some(2));
        assert_eq!(throttle.pass(7000), Some(0));
    }

    // Nothing is looked at for a request below the threshold, or when there is none.
    #[test]
    fn quick_requests_cost_nothing() {
        let notices = Notices::default();
        let never = || unreachable!("not slow");
        notices.took(100, Duration::from_millis(99), 1, never);
        notices.took(0, Duration::from_secs(9), 1, never);
        let mut asked = false;
        notices.took(100, Duration::from_millis(100), 1, || {
            asked = true;
            What { code: 10, topic: String::new(), peer: ([127, 0, 0, 1], 1).into() }
        });
        assert!(asked);
    }
}
