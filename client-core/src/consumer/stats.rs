//! How much a queue was pulled and consumed in the last minute, for running info (client.md 3.17).
//!
//! Six buckets of ten seconds, guarded by the queue's own lock. The time comes from the caller.
use ferromq_protocol::body::ConsumeStatus;

const BUCKETS: usize = 6;
const BUCKET_MS: i64 = 10_000;

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    number: i64,
    pulled: u64,
    pulls: u64,
    pull_ms: u64,
    ok: u64,
    failed: u64,
    consume_ms: u64,
}

/// The last minute.
#[derive(Debug, Default)]
pub(crate) struct LastMinute {
    buckets: [Bucket; BUCKETS],
}

impl LastMinute {
    fn bucket(&mut self, now_ms: i64) -> &mut Bucket {
        let number = now_ms / BUCKET_MS;
        let bucket = &mut self.buckets[number.rem_euclid(BUCKETS as i64) as usize];
        if bucket.number != number {
            *bucket = Bucket { number, ..Bucket::default() };
        }
        bucket
    }

    /// A pull found `messages` within `took_ms`.
    pub(crate) fn pulled(&mut self, now_ms: i64, messages: usize, took_ms: u64) {
        let bucket = self.bucket(now_ms);
        bucket.pulled += messages as u64;
        bucket.pulls += 1;
        bucket.pull_ms += took_ms;
    }

    /// A listener took `took_ms` for messages of which `ok` were consumed and `failed` were not.
    pub(crate) fn consumed(&mut self, now_ms: i64, ok: usize, failed: usize, took_ms: u64) {
        let bucket = self.bucket(now_ms);
        bucket.ok += ok as u64;
        bucket.failed += failed as u64;
        bucket.consume_ms += took_ms;
    }

    /// Adds this queue's figures to those of its topic. Response times are those of the queue with the slowest.
    pub(crate) fn add_to(&self, now_ms: i64, status: &mut ConsumeStatus) {
        let newest = now_ms / BUCKET_MS;
        let fresh = || self.buckets.iter().filter(|bucket| newest - bucket.number < BUCKETS as i64);
        let sum = |of: fn(&Bucket) -> u64| fresh().map(of).sum::<u64>() as f64;
        let per = |total: f64, count: f64| if count > 0.0 { total / count } else { 0.0 };
        let minute = BUCKETS as f64 * BUCKET_MS as f64 / 1000.0;
        status.pull_tps += sum(|b| b.pulled) / minute;
        status.consume_ok_tps += sum(|b| b.ok) / minute;
        status.consume_failed_tps += sum(|b| b.failed) / minute;
        status.consume_failed_msgs += sum(|b| b.failed) as i64;
        status.pull_rt = status.pull_rt.max(per(sum(|b| b.pull_ms), sum(|b| b.pulls)));
        status.consume_rt = status.consume_rt.max(per(sum(|b| b.consume_ms), sum(|b| b.ok + b.failed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures cover a minute and then vanish.
    #[test]
    fn a_minute() {
        let mut last = LastMinute::default();
        last.consumed(100_000, 60, 6, 660);
        last.pulled(105_000, 120, 7);
        let at = |now| {
            let mut status = ConsumeStatus::default();
            last.add_to(now, &mut status);
            status
        };
        let now = at(110_000);
        assert_eq!((now.consume_ok_tps, now.consume_failed_msgs, now.consume_rt), (1.0, 6, 10.0));
        assert_eq!((now.pull_tps, now.pull_rt), (2.0, 7.0));
        assert_eq!(at(170_000).consume_ok_tps, 0.0);
    }
}
