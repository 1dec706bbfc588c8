//! Counters of what the broker does: relaxed atomics, read by administration.
//!
//! Rates are computed by whoever samples; counting costs one add per batch.
use super::clock::now_ms;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Counters since start.
#[derive(Debug)]
pub struct Stats {
    /// Time of the start, milliseconds since 1970.
    pub boot_timestamp: i64,
    /// Messages stored for clients.
    pub put_messages: AtomicI64,
    /// Bytes of their bodies and properties as stored records.
    pub put_bytes: AtomicI64,
    /// Appends that failed.
    pub put_failures: AtomicI64,
    /// Messages given to consumers.
    pub get_messages: AtomicI64,
    /// Bytes given to consumers.
    pub get_bytes: AtomicI64,
    /// Pulls that found messages.
    pub get_found: AtomicI64,
    /// Pulls that found none.
    pub get_missed: AtomicI64,
    /// Messages sent back by consumers.
    pub send_backs: AtomicI64,
    /// Messages that went to a dead-letter topic.
    pub dead_letters: AtomicI64,
    samples: Mutex<VecDeque<Sample>>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    at_ms: i64,
    put: i64,
    found: i64,
    missed: i64,
    transferred: i64,
}

/// Most samples kept: ten minutes at one per ten seconds.
const SAMPLES_MAX: usize = 61;

/// Messages per second over the last 10, 60 and 600 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// Stored messages.
    pub put: [f64; 3],
    /// Pulls that found messages.
    pub found: [f64; 3],
    /// Pulls that found none.
    pub missed: [f64; 3],
    /// Messages given to consumers.
    pub transferred: [f64; 3],
}

impl Stats {
    /// All counters at zero.
    pub fn new() -> Self {
        let zero = || AtomicI64::new(0);
        Self {
            boot_timestamp: now_ms(),
            put_messages: zero(),
            put_bytes: zero(),
            put_failures: zero(),
            get_messages: zero(),
            get_bytes: zero(),
            get_found: zero(),
            get_missed: zero(),
            send_backs: zero(),
            dead_letters: zero(),
            samples: Mutex::new(VecDeque::new()),
        }
    }

    fn sample_now(&self, at_ms: i64) -> Sample {
        Sample {
            at_ms,
            put: self.put_messages.load(Relaxed),
            found: self.get_found.load(Relaxed),
            missed: self.get_missed.load(Relaxed),
            transferred: self.get_messages.load(Relaxed),
        }
    }

    /// Remembers the counters; called every ten seconds.
    pub fn sample(&self, now_ms: i64) {
        let sample = self.sample_now(now_ms);
        let mut samples = self.samples.lock();
        samples.push_back(sample);
        while samples.len() > SAMPLES_MAX {
            samples.pop_front();
        }
    }

    /// Rates up to now.
    pub fn rates(&self, now_ms: i64) -> Rates {
        let now = self.sample_now(now_ms);
        let samples = self.samples.lock();
        let mut rates = Rates::default();
        for (at, seconds) in [10, 60, 600].into_iter().enumerate() {
            let oldest = samples.iter().find(|s| now_ms - s.at_ms <= seconds * 1000 + 500).copied();
            let base =
                oldest.unwrap_or(Sample { at_ms: self.boot_timestamp, put: 0, found: 0, missed: 0, transferred: 0 });
            let elapsed = ((now_ms - base.at_ms).max(1) as f64) / 1000.0;
            let rate = |new: i64, old: i64| (new - old) as f64 / elapsed;
            rates.put[at] = rate(now.put, base.put);
            rates.found[at] = rate(now.found, base.found);
            rates.missed[at] = rate(now.missed, base.missed);
            rates.transferred[at] = rate(now.transferred, base.transferred);
        }
        rates
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_differences_over_the_asked_period() {
        let stats = Stats::new();
        let start = stats.boot_timestamp;
        stats.sample(start);
        stats.put_messages.fetch_add(500, Relaxed);
        stats.sample(start + 50_000);
        stats.put_messages.fetch_add(100, Relaxed);
        let rates = stats.rates(start + 60_000);
        assert_eq!((rates.put[0], rates.put[1]), (10.0, 10.0));
    }
}
