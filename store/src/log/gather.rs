//! How long a flush waits for more records: those who were just told that theirs are on the disk come back with the next ones, and a
//! moment later one force serves them too, instead of half of them at a time.
//!
//! It waits for as many as there were, half as long as a force takes at most, and not at all for a while when they did not come. So a
//! single producer never waits for others, and remote ones, who take longer to come back, lose next to nothing.
//!
//! Threads: the flush thread only. No locks.
use super::flush::Waiters;
use std::time::{Duration, Instant};

/// Flushes that do not wait after some in a row that did so in vain, at most.
const SKIPPED_MAX: u32 = 64;

/// No flush waits for longer, however slow the disk was.
const LONGEST: Duration = Duration::from_millis(2);

/// What the flush thread remembers of the last flush.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// Those who waited then, and those who had come meanwhile.
    expected: usize,
    /// How long it took.
    force: Duration,
    /// Flushes that do not wait, from now on, and the next time when waiting is in vain.
    skip: u32,
    next_skip: u32,
}

impl Gathering {
    /// Before a flush: waits for those who are expected.
    pub fn wait(&mut self, waiters: &Waiters) {
        let before = waiters.waiting();
        let missing = self.expected.saturating_sub(before);
        if missing == 0 {
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let (start, most) = (Instant::now(), LONGEST.min(self.force / 2));
        while waiters.waiting() < self.expected && start.elapsed() < most {
            // Those who are expected may need this processor.
            std::thread::yield_now();
        }
        let came = waiters.waiting().saturating_sub(before);
        self.next_skip = if 2 * came >= missing { 0 } else { (2 * self.next_skip + 1).min(SKIPPED_MAX) };
        self.skip = self.next_skip;
    }

    /// After a flush that took so long and served so many, while others came.
    pub fn flushed(&mut self, took: Duration, served: usize, waiters: &Waiters) {
        (self.force, self.expected) = (took, served + waiters.waiting());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is expected and does not come is waited for ever more rarely; who comes is waited for again.
    #[test]
    fn waiting_in_vain_becomes_rare() {
        let waiters = Waiters::default();
        let mut gathering = Gathering::default();
        gathering.flushed(Duration::from_micros(10), 8, &waiters);
        let mut waited = Vec::new();
        for flush in 0..200 {
            let skips = gathering.skip > 0;
            gathering.wait(&waiters);
            if !skips {
                waited.push(flush);
            }
        }
        assert_eq!(waited, [0, 2, 6, 14, 30, 62, 126, 191]);
    }
}
