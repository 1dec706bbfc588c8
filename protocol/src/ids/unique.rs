//! The unique id a producer gives each message (UNIQ_KEY, wire.md 6.7).
//!
//! Layout: address (4 or 16 bytes), process id (2), random number of the process (4), milliseconds since the start of
//! the month in local time (4), counter (2). There is no clock here: callers pass the time, and say how far local time
//! is ahead of UTC.
use super::{id_bytes, push_hex, IdError, ID_BYTES_MAX};
use crate::be::{array_at, i16_at, i32_at};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

const DAY_MS: i64 = 86_400_000;
/// No month is shorter: before this much time has passed, the start of the month need not be computed again.
const SHORTEST_MONTH_MS: i64 = 28 * DAY_MS;
/// A clock that steps back less than this counts as standing still (Java does the same).
const STEP_BACK_MS_MAX: i64 = 1_000_000;

/// Makes unique ids. Shared by all threads of a process.
#[derive(Debug)]
pub struct UniqueIdGenerator {
    /// Address, process id and random number, as hex.
    prefix: String,
    utc_offset_ms: i64,
    /// Start of the month in use, UTC milliseconds. Written by whoever first sees a new month; all writers agree.
    month_start: AtomicI64,
    /// Ids made; the low 16 bits go into the id.
    counter: AtomicU32,
}

impl UniqueIdGenerator {
    /// `random` tells apart processes with equal address and process id. `utc_offset_ms` is local time minus UTC.
    pub fn new(ip: IpAddr, process_id: u32, random: u32, utc_offset_ms: i64) -> Self {
        let mut prefix = String::with_capacity(2 * ID_BYTES_MAX);
        match ip.to_canonical() {
            IpAddr::V4(ip) => push_hex(&mut prefix, &ip.octets()),
            IpAddr::V6(ip) => push_hex(&mut prefix, &ip.octets()),
        }
        push_hex(&mut prefix, &(process_id as u16).to_be_bytes());
        push_hex(&mut prefix, &random.to_be_bytes());
        Self { prefix, utc_offset_ms, month_start: AtomicI64::new(i64::MIN), counter: AtomicU32::new(0) }
    }

    /// The next id; `now_ms` is the time in UTC milliseconds.
    pub fn next(&self, now_ms: i64) -> String {
        // Relaxed: any value stored is a right month start, and the counter only has to differ.
        let mut start = self.month_start.load(Ordering::Relaxed);
        let mut elapsed = now_ms.saturating_sub(start);
        if !(-STEP_BACK_MS_MAX..SHORTEST_MONTH_MS).contains(&elapsed) {
            start = month_start(now_ms, self.utc_offset_ms);
            self.month_start.store(start, Ordering::Relaxed);
            elapsed = now_ms - start;
        }
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) as u16;
        let mut id = String::with_capacity(self.prefix.len() + 12);
        id.push_str(&self.prefix);
        push_hex(&mut id, &(elapsed.max(0) as i32).to_be_bytes());
        push_hex(&mut id, &counter.to_be_bytes());
        id
    }
}

/// What a unique id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniqueId {
    /// The producer's address.
    pub ip: IpAddr,
    /// Low 16 bits of its process id.
    pub process_id: u16,
    /// Random number of the process.
    pub random: u32,
    /// Milliseconds since the start of a month.
    pub month_ms: i32,
    /// Low 16 bits of the counter.
    pub counter: u16,
}

impl UniqueId {
    /// Reads an id, upper or lower case.
    pub fn parse(id: &str) -> Result<Self, IdError> {
        let (bytes, len) = id_bytes(id)?;
        let at = len - 12;
        let ip = match at {
            4 => IpAddr::from(array_at::<4>(&bytes, 0).unwrap_or_default()),
            _ => IpAddr::from(array_at::<16>(&bytes, 0).unwrap_or_default()),
        };
        Ok(Self {
            ip,
            process_id: i16_at(&bytes, at) as u16,
            random: i32_at(&bytes, at + 2) as u32,
            month_ms: i32_at(&bytes, at + 6),
            counter: i16_at(&bytes, at + 10) as u16,
        })
    }

    /// When the id was made, taken to be less than a month ago: this month, or the one before if that lies ahead.
    pub fn time(&self, now_ms: i64, utc_offset_ms: i64) -> i64 {
        let start = month_start(now_ms, utc_offset_ms);
        let time = start + i64::from(self.month_ms);
        if time <= now_ms {
            return time;
        }
        month_start(start - 1, utc_offset_ms) + i64::from(self.month_ms)
    }
}

/// The first moment, in UTC milliseconds, of the month that `now_ms` lies in by local time.
pub fn month_start(now_ms: i64, utc_offset_ms: i64) -> i64 {
    let day = (now_ms + utc_offset_ms).div_euclid(DAY_MS);
    (day - day_of_month(day)) * DAY_MS - utc_offset_ms
}

/// Days since the first of the month, for a day counted from 1970-01-01 in the Gregorian calendar.
fn day_of_month(day: i64) -> i64 {
    // Years are taken to begin in March, so that the leap day is the last one; 719,468 days lie between 0000-03-01 and
    // 1970-01-01, and 400 years have 146,097 days.
    let day_of_era = (day + 719_468).rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Month starts over several years, leap days included, east and west of Greenwich.
    #[test]
    fn month_starts() {
        let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut day = 0;
        for year in 1970..2105 {
            let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
            for (at, days) in months.iter().enumerate() {
                let days = days + i64::from(leap && at == 1);
                for offset in [0, 8 * 3_600_000, -5 * 3_600_000] {
                    let start = day * DAY_MS - offset;
                    assert_eq!(month_start(start, offset), start, "{year} month {}", at + 1);
                    assert_eq!(month_start(start + days * DAY_MS - 1, offset), start);
                }
                day += days;
            }
        }
    }

    /// Ids count up, restart their time with a new month, and hold it when the clock steps back a little.
    #[test]
    fn generates() {
        let generator = UniqueIdGenerator::new(IpAddr::from([10, 0, 0, 9]), 5678, 0x2A13_9A55, 0);
        let november = 1_793_491_200_000;
        let at = |now| UniqueId::parse(&generator.next(now)).unwrap();
        assert_eq!(generator.next(november + 3600), "0A000009162E2A139A5500000E100000");
        let second = at(november + 3601);
        assert_eq!((second.month_ms, second.counter), (3601, 1));
        assert_eq!(at(november - 5).month_ms, 0);
        assert_eq!(at(november - 5_000_000).month_ms, (31 * DAY_MS - 5_000_000) as i32);
        assert_eq!(at(november + 30 * DAY_MS).month_ms, 0);
    }

    /// The time of an id lies in this month or the one before, never ahead.
    #[test]
    fn time_of_an_id() {
        let id = UniqueId::parse("0A000009162E2A139A5500000E100000").unwrap();
        let november = 1_793_491_200_000;
        assert_eq!(id.time(november + 3600, 0), november + 3600);
        assert_eq!(id.time(november + 3599, 0), november - 31 * DAY_MS + 3600);
    }
}
