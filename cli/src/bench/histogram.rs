//! Counts of durations in buckets that grow with them: a value is known to 1/16 of itself. Plain data.

/// Buckets per doubling.
const FINE: u64 = 16;
const BUCKETS: usize = 64 * FINE as usize;

/// Durations in nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    min: u64,
    max: u64,
    sum: u128,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, min: u64::MAX, max: 0, sum: 0 }
    }

    pub fn add(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.sum += u128::from(nanos);
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
    }

    pub fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    pub fn count(&self) -> u64 {
        self.total
    }

    pub fn min(&self) -> u64 {
        if self.total == 0 {
            0
        } else {
            self.min
        }
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    pub fn mean(&self) -> u64 {
        // Not above the largest value.
        u64::try_from(self.sum / u128::from(self.total.max(1))).unwrap_or(u64::MAX)
    }

    /// The value that this share (0 to 1) of all values does not exceed, to 1/16 of itself.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(at).clamp(self.min(), self.max);
            }
        }
        self.max
    }

    /// Counts per doubling that has any: upper end in nanoseconds and count.
    pub fn doublings(&self) -> Vec<(u64, u64)> {
        let rows = self.counts.chunks(FINE as usize).enumerate();
        let rows = rows.map(|(row, counts)| (upper(row * FINE as usize + FINE as usize - 1), counts.iter().sum()));
        rows.filter(|(_, count)| *count > 0).collect()
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < FINE {
        return nanos as usize;
    }
    let exponent = u64::from(nanos.ilog2());
    let fine = (nanos >> (exponent - 4)) & (FINE - 1);
    ((exponent - 3) * FINE + fine) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    let (row, fine) = (bucket as u64 / FINE, bucket as u64 % FINE);
    match row {
        0 => fine,
        1..=60 => (((FINE + fine + 1) as u128) << (row - 1)).saturating_sub(1).min(u128::from(u64::MAX)) as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value lies in a bucket whose end is at most 1/16 above it.
    #[test]
    fn buckets_are_narrow() {
        for nanos in (0..5000).chain((10..60).map(|e| (1 << e) + 12_345)).chain([u64::MAX]) {
            let end = upper(bucket(nanos));
            assert!(end >= nanos && end - nanos <= nanos / 16, "{nanos} in a bucket up to {end}");
        }
    }

    /// Quantiles of a known distribution.
    #[test]
    fn quantiles() {
        let (mut one, mut other) = (Histogram::new(), Histogram::new());
        (1..=500).for_each(|n| one.add(n * 1000));
        (501..=1000).for_each(|n| other.add(n * 1000));
        one.merge(&other);
        assert_eq!((one.count(), one.min(), one.max(), one.mean()), (1000, 1000, 1_000_000, 500_500));
        for (share, exact) in [(0.5, 500_000), (0.99, 990_000), (1.0, 1_000_000)] {
            let got = one.quantile(share);
            assert!(got >= exact && got <= exact + exact / 16, "{share}: {got}");
        }
    }
}
