//! Clocks, and how much is measured.
use rustix::time::{clock_gettime, ClockId};
use std::time::{Duration, Instant};

/// How much a row does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Enough to measure.
    Full,
    /// Enough to see that it works.
    Quick,
}

impl Scale {
    /// So many records (or bytes), or a small part of them.
    pub fn of(self, full: usize) -> usize {
        match self {
            Scale::Full => full,
            Scale::Quick => (full / 256).max(1),
        }
    }

    /// Pairs of slices, of which the median counts.
    pub fn pairs(self, full: usize) -> usize {
        match self {
            Scale::Full => full,
            Scale::Quick => 2,
        }
    }
}

/// Nanoseconds for which this thread is running while `work` is done: what others do to the machine is left out.
pub fn running(work: impl FnOnce()) -> f64 {
    let before = nanos_of(ClockId::ThreadCPUTime);
    work();
    nanos_of(ClockId::ThreadCPUTime) - before
}

/// Nanoseconds for which the threads of this process have been running.
pub fn all_threads() -> f64 {
    nanos_of(ClockId::ProcessCPUTime)
}

/// Waits until all other threads of this process wait for something: pages ahead of the log are populated, as the baseline's
/// are, whatever else the machine has to do.
pub fn settle() {
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        std::thread::sleep(LOOK);
        quiet = if others_run() { 0 } else { quiet + 1 };
    }
}

/// Time between two looks. The index thread pauses for less.
const LOOK: Duration = Duration::from_millis(3);
/// Looks in which nobody runs.
const QUIET_LOOKS: usize = 2;

/// Whether another thread of this process runs, wants to, or waits for the disk.
fn others_run() -> bool {
    let me = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter(|task| me.file_name() != Some(&task.file_name())).any(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('S'))
    })
}

fn nanos_of(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds that pass while `work` is done.
pub fn passing(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64
}
