//! Which part of a mapped file is in memory, asked of the system once for many reads.
//!
//! A reader that goes on through a file asks about a window and then reads dozens of times without a system call. The answer holds
//! for a moment: should the pages be evicted sooner, one read waits for the disk, once.
//!
//! Threads: any reader stores what it was told; the newest answer wins.
use crate::platform::{Map, PAGE};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes asked about at once. More would make asking dear where many readers go through one file, less would make one reader ask
/// more often.
const WINDOW_BYTES: usize = 512 * 1024;
/// How long the answer holds.
const HOLDS_MS: u32 = 1000;

/// The window of a map that was last found to be in memory.
#[derive(Debug, Default)]
pub(crate) struct ResidentWindow {
    /// Its first page (upper half) and when, milliseconds (lower half).
    known: AtomicU64,
}

impl ResidentWindow {
    /// True when reading the bytes `from..to` of `map` will most likely not wait for the disk.
    pub fn holds(&self, map: &Map, from: usize, to: usize) -> bool {
        let (now, known) = (coarse_ms(), self.known.load(Ordering::Relaxed));
        let start = (known >> 32) as usize * PAGE;
        if start <= from && to <= start + WINDOW_BYTES && now.wrapping_sub(known as u32) < HOLDS_MS {
            return true;
        }
        // From here on, for readers go forward.
        let page = from / PAGE;
        let (start, end) = (page * PAGE, (page * PAGE + WINDOW_BYTES).min(map.readable()));
        if to > end || !map.is_resident(start, end) {
            return map.is_resident(from, to);
        }
        self.known.store((page as u64) << 32 | u64::from(now), Ordering::Relaxed);
        true
    }
}

/// A clock that is some milliseconds off and costs next to nothing.
fn coarse_ms() -> u32 {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{clock_gettime, ClockId};
        let time = clock_gettime(ClockId::MonotonicCoarse);
        (time.tv_sec * 1000 + time.tv_nsec / 1_000_000) as u32
    }
    #[cfg(not(target_os = "linux"))]
    {
        crate::clock::now_ms() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::File;

    /// What is in memory is found to be, inside a window, across two and at the end of the file.
    #[test]
    fn written_pages_are_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create_new(&dir.path().join("file")).unwrap();
        let len = 3 * WINDOW_BYTES + 5000;
        file.write_at(&vec![1; len], 0).unwrap();
        let map = Map::open(&file, len, len).unwrap().map().clone();
        let resident = ResidentWindow::default();
        for (from, to) in [(0, 100), (WINDOW_BYTES - 1, WINDOW_BYTES + 1), (3 * WINDOW_BYTES, len), (0, len)] {
            assert!(resident.holds(&map, from, to), "{from}..{to}");
        }
        let hole = File::create_new(&dir.path().join("hole")).unwrap();
        hole.resize(len as u64).unwrap();
        let map = Map::open(&hole, len, len).unwrap().map().clone();
        // Where the system can tell: nobody has touched the hole.
        let resident = ResidentWindow::default();
        assert_eq!(resident.holds(&map, 10, 20), !cfg!(target_os = "linux"));
    }
}
