//! What the index and the retention need from the operating system: shared maps, reserved space, local time, disk use.
//!
//! Not a general wrapper: four functions, each with a portable fallback. The only `unsafe` of the index stands here.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::{MmapMut, MmapOptions};

/// Maps `len` bytes of `file`, readable and writable, shared with the page cache. The file must be that long.
pub(crate) fn map_shared(file: &File, len: usize) -> io::Result<MmapMut> {
    // SAFETY: the file is ours by the lock file of the store, is never cut while it is mapped, and space is reserved
    // (see `reserve`) before a page is first written. Bytes may be anything: readers check every value they take.
    unsafe { MmapOptions::new().len(len).map_mut(file) }
}

/// Makes sure that the disk has room for `len` bytes at `offset`, so that writing them through a map cannot fault.
/// Keeps what is there. A full disk is an error here, and only here.
pub(crate) fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{fallocate, FallocateFlags};
        use rustix::io::Errno;
        loop {
            match fallocate(file, FallocateFlags::empty(), offset, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => break,
                Err(other) => return Err(other.into()),
            }
        }
    }
    touch(file, offset, len)
}

/// The fallback of [`reserve`]: writes back one byte of every block, which makes the file system allocate it.
fn touch(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom, Write};
    const BLOCK: u64 = 4096;
    let mut file = file;
    let end = offset.saturating_add(len);
    let mut at = offset;
    while at < end {
        let mut byte = [0u8; 1];
        file.seek(SeekFrom::Start(at))?;
        let got = file.read(&mut byte)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&byte[..got.max(1)])?;
        at = (at / BLOCK + 1) * BLOCK;
    }
    Ok(())
}

/// A wall-clock time in the time zone of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalTime {
    pub year: i32,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
}

/// The local time of `unix_ms` (milliseconds since the epoch); UTC where the system gives no zone.
pub(crate) fn local_time(unix_ms: i64) -> LocalTime {
    let seconds = unix_ms.div_euclid(1000);
    #[cfg(unix)]
    {
        let seconds = seconds as libc::time_t;
        // SAFETY: `tm` is plain old data for which all zero bytes are a value.
        let mut tm: libc::tm = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live values of the right type, and localtime_r keeps neither.
        let filled = unsafe { !libc::localtime_r(&seconds, &mut tm).is_null() };
        if filled {
            let field = |value: libc::c_int| u32::try_from(value).unwrap_or(0);
            return LocalTime {
                year: tm.tm_year.saturating_add(1900),
                month: field(tm.tm_mon) + 1,
                day: field(tm.tm_mday),
                hour: field(tm.tm_hour),
                minute: field(tm.tm_min),
                second: field(tm.tm_sec),
            };
        }
    }
    utc(seconds)
}

/// Civil date from days since the epoch (proleptic Gregorian calendar), eras of 400 years.
fn utc(seconds: i64) -> LocalTime {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400) as u32;
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    let year = (year_of_era + era * 400 + i64::from(month <= 2)) as i32;
    LocalTime { year, month, day, hour: of_day / 3600, minute: of_day / 60 % 60, second: of_day % 60 }
}

/// Used percent (0..=100, rounded up) of the partition that holds `path`; `None` where it cannot be told.
pub(crate) fn disk_used_percent(path: &Path) -> Option<u8> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(path).ok()?;
        let used = stat.f_blocks.saturating_sub(stat.f_bfree);
        let entire = used.saturating_add(stat.f_bavail);
        if entire == 0 {
            return None;
        }
        u8::try_from((u128::from(used) * 100).div_ceil(u128::from(entire))).ok()
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calendar fallback agrees with known dates, leap days and times before the epoch included.
    #[test]
    fn civil_dates() {
        let at = |seconds| {
            let t = utc(seconds);
            (t.year, t.month, t.day, t.hour, t.minute, t.second)
        };
        assert_eq!(at(0), (1970, 1, 1, 0, 0, 0));
        assert_eq!(at(1_709_164_799), (2024, 2, 28, 23, 59, 59));
        assert_eq!(at(1_709_164_800), (2024, 2, 29, 0, 0, 0));
        assert_eq!(at(4_102_444_800), (2100, 1, 1, 0, 0, 0));
        assert_eq!(at(-1), (1969, 12, 31, 23, 59, 59));
    }

    /// Reserving space keeps the bytes that are there, by either way.
    #[test]
    fn reserving_keeps_content() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &[7u8; 10_000]).unwrap();
        file.set_len(50_000).unwrap();
        reserve(&file, 0, 20_000).unwrap();
        touch(&file, 1, 49_999).unwrap();
        let map = map_shared(&file, 50_000).unwrap();
        assert!(map[..10_000].iter().all(|b| *b == 7));
        assert!(map[10_000..].iter().all(|b| *b == 0));
    }

    /// The disk of the temporary directory has a used share.
    #[test]
    fn disk_use_is_a_percentage() {
        if let Some(percent) = disk_used_percent(&std::env::temp_dir()) {
            assert!(percent <= 100);
        }
    }
}
