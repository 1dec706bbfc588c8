//! Finding a unit by halving: records lie in the order of the log along a queue, and store times never go back (store.md 3.4).
//!
//! Blank units (3.2, point 7) say nothing about those around them: what decides is the next unit behind them. Threads and locks: none of
//! its own; units that can be read never change.
use super::recover::PIECE_MAX;
use super::Queue;
use crate::error::ReadError;
use crate::types::{Boundary, Unit};
use std::io;

impl Queue {
    /// The offset that `timestamp` means, between the smallest and the next offset. `time_of` gives the store time of the
    /// record at a physical offset. A record that is gone counts as old, and one that cannot be read as new: its readers may get
    /// messages that they did not ask for, and pass over none that they did.
    pub fn offset_by_time(
        &self,
        timestamp: i64,
        boundary: Boundary,
        time_of: impl Fn(i64) -> Result<Option<i64>, ReadError>,
    ) -> i64 {
        if self.form == super::Form::Batch {
            return self.batch_offset_by_time(timestamp, boundary);
        }
        let (min, max) = (self.min(), self.max());
        let first_where = |wanted: &dyn Fn(i64) -> bool| {
            let found = self.first_unit_where(min, max, |unit| match time_of(unit.physical) {
                Ok(time) => wanted(time.unwrap_or(0)),
                Err(error) => {
                    tracing::error!(topic = %self.topic, queue = self.id, %error, "a record that a time is looked for in cannot be read");
                    true
                }
            });
            found.unwrap_or(min)
        };
        match boundary {
            Boundary::Lower => first_where(&|time| time >= timestamp),
            Boundary::Upper => (first_where(&|time| time > timestamp) - 1).max(min),
        }
    }

    /// Number of the first unit of `low..high` that is not blank and `wanted`, as are all units behind it; `high` without one. An error,
    /// which is said in the log, when the disk does not give a unit.
    pub(super) fn first_unit_where(&self, low: i64, high: i64, wanted: impl Fn(&Unit) -> bool) -> io::Result<i64> {
        let (mut low, mut high, mut first) = (low, high, high);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.unit_from(middle, high)? {
                Some((number, unit)) if !wanted(&unit) => low = number + 1,
                found => {
                    first = found.map_or(first, |(number, _)| number);
                    high = middle;
                }
            }
        }
        Ok(first)
    }

    /// The first unit of `from..to` that is not blank, with its number. Blank ones are read many at a time: a file may begin with as
    /// many as it has room for.
    fn unit_from(&self, from: i64, to: i64) -> io::Result<Option<(i64, Unit)>> {
        let (mut at, mut piece) = (from, 1);
        let mut bytes = Vec::new();
        while at < to {
            let start = self.file_start(at);
            let end = to.min(start + self.units_per_file()).min(at + piece);
            let Some(file) = self.file_at(self.position(start)) else {
                // Deleted meanwhile: what is left begins later.
                at = start + self.units_per_file();
                continue;
            };
            bytes.resize((end - at) as usize * self.unit_bytes(), 0);
            file.read((at - start) as usize * self.unit_bytes(), &mut bytes).inspect_err(
                |error| tracing::error!(path = %file.path().display(), %error, "cannot read a consume queue file"),
            )?;
            let units = bytes.chunks_exact(self.unit_bytes()).map(super::decode_unit);
            if let Some(found) = (at..).zip(units).find(|(_, unit)| !unit.is_blank()) {
                return Ok(Some(found));
            }
            (at, piece) = (end, PIECE_MAX as i64);
        }
        Ok(None)
    }
}
