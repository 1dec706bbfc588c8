//! Taking a consume queue over as it was at a clean stop, without reading it: two questions to the file system instead of thirty.
//!
//! At the stop everything that a start would find out is written into the list of queues ([`crate::known`]), with the times of the last
//! change of the queue's folder and of its newest file. Both still being the same, nobody has added, removed or written a file since,
//! and nothing has to be looked at. A queue that was changed so shortly before the stop that a clock of the system might not tell a
//! later change is not listed that way, and is recovered as ever.
use super::batch::Form;
use super::Queue;
use crate::clock::now_ms;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

/// Changes that follow each other faster may get the same time: the clock of file systems ticks every 10 ms at the slowest.
const TICK_MS: i64 = 20;
/// A queue at a clean stop: everything a start needs, as it stands in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AtStop {
    /// Units of the queue: the first that is readable, the next to come.
    units: (i64, i64),
    /// Queue offsets of a batch queue.
    span: (i64, i64),
    physical_end: i64,
    physical_min: i64,
    /// Positions of the first and the last file.
    files: (i64, i64),
    /// Last change of the folder and of the last file, nanoseconds since the epoch.
    times: (i64, i64),
}

impl AtStop {
    /// Numbers of a line.
    pub const NUMBERS: usize = 10;

    /// The numbers, separated by blanks.
    pub fn line(&self) -> String {
        let numbers: [i64; Self::NUMBERS] = [
            self.units.0,
            self.units.1,
            self.span.0,
            self.span.1,
            self.physical_end,
            self.physical_min,
            self.files.0,
            self.files.1,
            self.times.0,
            self.times.1,
        ];
        numbers.map(|number| number.to_string()).join(" ")
    }

    /// Takes the numbers off the front of a line; None when they are not there.
    pub fn parse<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<AtStop> {
        let mut number = || words.next()?.parse::<i64>().ok();
        let mut pair = || Some((number()?, number()?));
        let (units, span, physical, files, times) = (pair()?, pair()?, pair()?, pair()?, pair()?);
        Some(AtStop { units, span, physical_end: physical.0, physical_min: physical.1, files, times })
    }

    /// The next unit to come, as the numbers of a line say it.
    pub fn max_in(numbers: &str) -> Option<i64> {
        numbers.split(' ').nth(1)?.parse().ok()
    }

    /// The next unit to come.
    pub fn max(&self) -> i64 {
        self.units.1
    }
}

impl Queue {
    /// How the queue stands, for the next start. Its units are on the disk, and nothing is written any more. None when a later
    /// change might not show.
    pub fn at_stop(&self) -> Option<AtStop> {
        let files = self.files.read();
        let (first, last) = (files.front()?, files.back()?);
        let (folder, file) = (changed_ns(&self.dir)?.0, changed_ns(&last.path())?.0);
        if folder.max(file) / 1_000_000 > now_ms() - TICK_MS {
            return None;
        }
        Some(AtStop {
            units: (self.unit_min(), self.unit_max()),
            span: (self.span.min(), self.span.max()),
            physical_end: self.physical_end(),
            physical_min: self.physical_min.load(Ordering::Relaxed),
            files: (first.base as i64, last.base as i64),
            times: (folder, file),
        })
    }

    /// Makes the queue what it was at the stop, and true; false, and nothing is done, when its files may be others. At start.
    pub fn restore(&self, at_stop: &AtStop) -> bool {
        let (first, last) = at_stop.files;
        let step = self.file_bytes as i64;
        let newest = self.dir.join(crate::log::segment::file_name(last as u64));
        let same = changed_ns(&newest) == Some((at_stop.times.1, self.file_bytes as u64))
            && changed_ns(&self.dir).is_some_and(|(time, _)| time == at_stop.times.0);
        if !same || first < 0 || first > last || (last - first) % step != 0 {
            return false;
        }
        let mut files = self.files.write();
        for base in (first..=last).step_by(self.file_bytes) {
            files.push_back(self.closed_file(base as u64));
        }
        drop(files);
        self.min.store(at_stop.units.0, Ordering::Release);
        self.max.store(at_stop.units.1, Ordering::Release);
        if self.form == Form::Batch {
            self.span.set(at_stop.span.0, at_stop.span.1);
        }
        self.physical_end.store(at_stop.physical_end, Ordering::Relaxed);
        self.physical_min.store(at_stop.physical_min, Ordering::Relaxed);
        self.flushed.store(at_stop.units.1, Ordering::Relaxed);
        self.restored.store(true, Ordering::Relaxed);
        self.follow_units();
        true
    }

    /// The queue is as it was at a clean stop: there is nothing to recover.
    pub fn is_restored(&self) -> bool {
        self.restored.load(Ordering::Relaxed)
    }
}

/// When a file or folder was changed last, nanoseconds since the epoch, and its length.
fn changed_ns(path: &Path) -> Option<(i64, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((i64::try_from(since.as_nanos()).ok()?, meta.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line is read as it is written, and is nothing when a number is missing.
    #[test]
    fn lines_are_read_back() {
        let at_stop = AtStop {
            units: (1, 2),
            span: (3, 4),
            physical_end: 5,
            physical_min: -6,
            files: (7, 8),
            times: (9, i64::MAX),
        };
        let line = at_stop.line();
        assert_eq!(AtStop::parse(&mut line.split(' ')), Some(at_stop));
        assert_eq!(AtStop::parse(&mut "1 2 3 4 5 6 7 8 9".split(' ')), None);
    }
}
