//! Finding a queue offset by time (store.md 3.4): store times never go back along a queue, so halving the range finds it.
use super::Queue;
use crate::types::Boundary;

impl Queue {
    /// The offset that `timestamp` means, between the smallest and the next offset. `time_of` gives the store time of the
    /// record at a physical offset; a record that is gone counts as old.
    pub fn offset_by_time(&self, timestamp: i64, boundary: Boundary, time_of: impl Fn(i64) -> Option<i64>) -> i64 {
        if self.form == super::Form::Batch {
            return self.batch_offset_by_time(timestamp, boundary);
        }
        let (min, max) = (self.min(), self.max());
        let time_at = |offset: i64| self.unit(offset).and_then(|unit| time_of(unit.physical)).unwrap_or(0);
        let first_where = |wanted: &dyn Fn(i64) -> bool| {
            let (mut low, mut high) = (min, max);
            while low < high {
                let middle = low + (high - low) / 2;
                if wanted(time_at(middle)) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            low
        };
        match boundary {
            Boundary::Lower => first_where(&|time| time >= timestamp),
            Boundary::Upper => (first_where(&|time| time > timestamp) - 1).max(min),
        }
    }
}
