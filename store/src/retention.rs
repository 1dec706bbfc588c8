//! When old segments go: by age in the hours of `deleteWhen`, or earlier when the disk fills up (store.md 2.10).
//!
//! Two parts: decisions as plain functions over numbers, and a small thread that looks at the clock and the disk, asks the
//! decisions and tells the store ([`RetentionTarget`]). What it is not: it deletes no file itself and knows no log. Consume queues and the
//! index follow the smallest log offset. A deleted file whose bytes somebody still holds loses its name only, so nothing has
//! to be destroyed by force later.
//!
//! Threads: one, woken by its period or the stop; no lock is held while the target works.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::clock::now_ms;
use crate::disk;
use crate::index::platform;

/// Passes in which expired segments go at any hour after a request, as many as the reference makes.
const PASSES_ON_REQUEST: u32 = 20;
/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// The hours of the day in which expired segments are deleted: `deleteWhen`, local hours separated by `;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteHours(u32);

impl DeleteHours {
    /// Parses `"04"` or `"00;12"`; `None` if a part is not an hour.
    pub fn parse(text: &str) -> Option<DeleteHours> {
        let mut hours = 0;
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let hour: u32 = part.parse().ok().filter(|hour| *hour < 24)?;
            hours |= 1 << hour;
        }
        Some(DeleteHours(hours))
    }

    /// Whether `hour` (0..24) is one of them.
    pub fn contains(self, hour: u32) -> bool {
        hour < 24 && self.0 & (1 << hour) != 0
    }
}

/// Settings of the clean-up.
#[derive(Debug, Clone)]
pub struct RetentionOptions {
    /// Age in hours at which a segment has expired (`fileReservedTime`).
    pub reserved_hours: u32,
    /// When expired segments are deleted although the disk has room (`deleteWhen`).
    pub delete_when: DeleteHours,
    /// Above this used percentage expired segments are deleted at any hour (`diskMaxUsedSpaceRatio`), 10..=95.
    pub disk_max_used_percent: u8,
    /// Above this used percentage writes are refused and segments are deleted before their time
    /// (`diskSpaceWarningLevelRatio`), 35..=90.
    pub warning_percent: u8,
    /// Above this used percentage segments are deleted before their time (`diskSpaceCleanForciblyRatio`), 30..=85.
    pub clean_forcibly_percent: u8,
    /// Segments may be deleted before they expire when the disk is nearly full (`cleanFileForciblyEnable`).
    pub clean_forcibly: bool,
    /// Segments deleted in one pass at most (`deleteFileBatchMax`); the rest waits for the next pass.
    pub batch_max: usize,
    /// Time between passes (`cleanResourceInterval`).
    pub interval: Duration,
    /// Time before the first pass.
    pub first_after: Duration,
    /// Time between the deletions of two segments (`deleteCommitLogFilesInterval`): freeing a large file keeps a disk busy, which
    /// others would notice if many went at once.
    pub segment_pause: Duration,
    /// Time between the deletions of two files of consume queues (`deleteConsumeQueueFilesInterval`).
    pub queue_file_pause: Duration,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        RetentionOptions {
            reserved_hours: 72,
            delete_when: DeleteHours(1 << 4),
            disk_max_used_percent: 75,
            warning_percent: 90,
            clean_forcibly_percent: 85,
            clean_forcibly: true,
            batch_max: 10,
            interval: Duration::from_secs(10),
            first_after: Duration::from_secs(60),
            segment_pause: Duration::from_millis(100),
            queue_file_pause: Duration::from_millis(100),
        }
    }
}

/// A segment as the decision sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentAge {
    /// Offset of the first byte.
    pub start: i64,
    /// Last change of the file, milliseconds since the epoch.
    pub modified_ms: i64,
}

/// What the fill of a disk means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskState {
    /// Writes are refused.
    pub full: bool,
    /// Segments go before they expire, if that is allowed.
    pub clean_immediately: bool,
    /// Expired segments go at any hour.
    pub over_max: bool,
}

/// The three watermarks against a used percentage; an unknown percentage is no pressure.
pub fn disk_state(used_percent: Option<u8>, options: &RetentionOptions) -> DiskState {
    let used = used_percent.unwrap_or(0);
    DiskState {
        full: used > options.warning_percent.clamp(35, 90),
        clean_immediately: used > options.clean_forcibly_percent.clamp(30, 85),
        over_max: used > options.disk_max_used_percent.clamp(10, 95),
    }
}

/// How many segments at the front (oldest first) are to be deleted now. Never the last; stops at the first that stays.
/// `requested`: somebody asked for the expired ones.
pub fn segments_to_delete(
    segments: &[SegmentAge],
    now_ms: i64,
    local_hour: u32,
    disk: DiskState,
    requested: bool,
    options: &RetentionOptions,
) -> usize {
    let due = requested || options.delete_when.contains(local_hour) || disk.clean_immediately || disk.over_max;
    let Some(candidates) = segments.len().checked_sub(1).filter(|_| due) else { return 0 };
    let reserved_ms = i64::from(options.reserved_hours) * HOUR_MS;
    let at_once = disk.clean_immediately && options.clean_forcibly;
    segments[..candidates]
        .iter()
        .take(options.batch_max)
        .take_while(|segment| at_once || segment.modified_ms.saturating_add(reserved_ms) <= now_ms)
        .count()
}

/// Waits for so long; false when the store stops meanwhile and nothing more is to be deleted.
pub type Pause<'a> = &'a dyn Fn(Duration) -> bool;

/// What the clean-up asks of the store. Called from its thread only.
pub trait RetentionTarget: Send + Sync {
    /// The log's segments, oldest first, the one written to included.
    fn segments(&self) -> Vec<SegmentAge>;
    /// Deletes the segment that starts at `start`, the oldest; then consume queues and index follow.
    fn delete_oldest(&self, start: i64) -> io::Result<()>;
    /// Deletes what consume queues and index hold only for records before `min_offset`, and corrects minimum offsets. Called again
    /// with the same offset when something is left, because the pause was cut short or a file could not be removed: false.
    fn follow(&self, min_offset: i64, pause: Pause<'_>) -> bool;
    /// Refuses or allows writes. `log`: the disk of the log, otherwise that of the consume queues.
    fn set_disk_full(&self, log: bool, full: bool);
    /// Directories of the log that take no new segments while others have room.
    fn set_full_dirs(&self, dirs: Vec<PathBuf>);
    /// Directories of the log that take new segments (several with a multi-path log).
    fn log_dirs(&self) -> Vec<PathBuf>;
    /// Directory of the consume queues.
    fn queue_dir(&self) -> PathBuf;
}

/// What the clean-up remembers between passes.
#[derive(Debug, Default)]
pub struct Cleaner {
    /// Passes left of a request.
    requested: u32,
    /// Smallest log offset that queues and index followed to.
    followed: i64,
}

impl Cleaner {
    /// Expired segments go in the next passes, whatever the hour.
    pub fn request(&mut self) {
        self.requested = PASSES_ON_REQUEST;
    }

    /// One pass: disk, decision, deletion; returns how many segments went. The clock, the disk and the pauses are passed in.
    pub fn pass(
        &mut self,
        target: &dyn RetentionTarget,
        options: &RetentionOptions,
        (now_ms, local_hour): (i64, u32),
        used_percent: &dyn Fn(&Path) -> Option<u8>,
        pause: Pause<'_>,
    ) -> usize {
        let disk = look_at_disks(target, options, used_percent);
        let requested = self.requested > 0;
        self.requested = self.requested.saturating_sub(1);
        // On a disk that is nearly full room is what matters.
        let paced = |time| pause(if disk.clean_immediately { Duration::ZERO } else { time });
        let segments = target.segments();
        let mut deleted = 0;
        for segment in &segments[..segments_to_delete(&segments, now_ms, local_hour, disk, requested, options)] {
            if deleted > 0 && !paced(options.segment_pause) {
                break;
            }
            match target.delete_oldest(segment.start) {
                Ok(()) => deleted += 1,
                Err(error) => {
                    tracing::error!(segment = segment.start, %error, "expired segment was not deleted, trying again later");
                    break;
                }
            }
        }
        if let Some(oldest) = segments.get(deleted).filter(|oldest| oldest.start > self.followed) {
            tracing::info!(deleted, min_offset = oldest.start, "consume queues and index follow the log");
            if target.follow(oldest.start, &paced) {
                self.followed = oldest.start;
            }
        }
        deleted
    }
}

fn look_at_disks(
    target: &dyn RetentionTarget,
    options: &RetentionOptions,
    used_percent: &dyn Fn(&Path) -> Option<u8>,
) -> DiskState {
    let dirs: Vec<_> = target.log_dirs().into_iter().map(|dir| (used_percent(&dir), dir)).collect();
    // A new segment goes to a path there is room on, so the log is full when the best of its paths is.
    let log = disk_state(dirs.iter().filter_map(|(used, _)| *used).min(), options);
    let queues = disk_state(used_percent(&target.queue_dir()), options);
    let full = dirs.into_iter().filter(|(used, _)| disk_state(*used, options).clean_immediately);
    target.set_full_dirs(full.map(|(_, dir)| dir).collect());
    target.set_disk_full(true, log.full);
    target.set_disk_full(false, queues.full);
    DiskState {
        full: log.full || queues.full,
        clean_immediately: log.clean_immediately || queues.clean_immediately,
        over_max: log.over_max || queues.over_max,
    }
}

/// What the thread is told.
#[derive(Debug, Default)]
struct Orders {
    stop: bool,
    clean: bool,
}

/// The clean-up thread. Ends at [`stop`](Self::stop) or when dropped.
pub struct RetentionService {
    shared: Arc<(Mutex<Orders>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl RetentionService {
    /// Starts the thread; not to be called with `cleaning: false`.
    pub fn start(options: RetentionOptions, target: Arc<dyn RetentionTarget>) -> io::Result<RetentionService> {
        let shared = Arc::new((Mutex::default(), Condvar::new()));
        let mine = shared.clone();
        let run = move || {
            let mut cleaner = Cleaner::default();
            let mut until_next = options.first_after;
            loop {
                let orders = wait(&mine, until_next);
                if orders.stop {
                    return;
                } else if orders.clean {
                    cleaner.request();
                }
                until_next = options.interval;
                let (now, used) = (now_ms(), disk::used_percent);
                let pause = |time| wait_for_stop(&mine, time);
                cleaner.pass(target.as_ref(), &options, (now, platform::local_time(now).hour), &used, &pause);
            }
        };
        let thread = thread::Builder::new().name("retention".into()).spawn(run)?;
        Ok(RetentionService { shared, thread: Some(thread) })
    }

    /// Asks for a pass now, in which expired segments go whatever the hour; the passes after it go on with the rest.
    pub fn clean_now(&self) {
        self.shared.0.lock().clean = true;
        self.shared.1.notify_all();
    }

    /// Ends the thread, after the pass it is in. Idempotent.
    pub fn stop(&mut self) {
        self.shared.0.lock().stop = true;
        self.shared.1.notify_all();
        // The last owner of the target may be this very thread.
        let thread = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id());
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the retention thread panicked");
        }
    }
}

impl Drop for RetentionService {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until there are orders or the pause is over; takes the order to clean.
fn wait(shared: &(Mutex<Orders>, Condvar), pause: Duration) -> Orders {
    let until = Instant::now() + pause;
    let mut orders = shared.0.lock();
    while !orders.stop && !orders.clean {
        if shared.1.wait_until(&mut orders, until).timed_out() {
            break;
        }
    }
    Orders { stop: orders.stop, clean: std::mem::take(&mut orders.clean) }
}

/// Waits for so long; false as soon as the thread is to end. Other orders wait.
fn wait_for_stop(shared: &(Mutex<Orders>, Condvar), time: Duration) -> bool {
    let until = Instant::now() + time;
    let mut orders = shared.0.lock();
    while !orders.stop && !shared.1.wait_until(&mut orders, until).timed_out() {}
    !orders.stop
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = HOUR_MS;

    fn aged(hours: &[i64]) -> Vec<SegmentAge> {
        hours
            .iter()
            .enumerate()
            .map(|(i, h)| SegmentAge { start: i as i64 * 100, modified_ms: 1000 * HOUR - h * HOUR })
            .collect()
    }

    fn count(hours: &[i64], hour: u32, used: Option<u8>, options: &RetentionOptions) -> usize {
        segments_to_delete(&aged(hours), 1000 * HOUR, hour, disk_state(used, options), false, options)
    }

    /// `deleteWhen` is a list of hours; anything else is refused.
    #[test]
    fn hours_of_the_day() {
        let hours = DeleteHours::parse("04; 16").unwrap();
        assert!(hours.contains(4) && hours.contains(16) && !hours.contains(5) && !hours.contains(40));
        assert_eq!(DeleteHours::parse("24"), None);
        assert_eq!(DeleteHours::parse("4,5"), None);
        assert_eq!(DeleteHours::parse(""), Some(DeleteHours(0)));
    }

    /// Without pressure expired segments go in the given hours only, oldest first, never the last, ten at most.
    #[test]
    fn expired_segments_go_in_their_hour() {
        let options = RetentionOptions::default();
        assert_eq!(count(&[100, 80, 72, 71, 90], 4, Some(10), &options), 3, "stops at the first that has not expired");
        assert_eq!(count(&[100, 80, 72, 71, 90], 5, Some(10), &options), 0);
        assert_eq!(count(&[100, 100], 4, None, &options), 1, "the last segment stays");
        assert_eq!(count(&[100], 4, None, &options), 0);
        assert_eq!(count(&[], 4, None, &options), 0);
        assert_eq!(count(&[100; 30], 4, None, &options), 10);
    }

    /// The watermarks: expired ones at any hour above 75 %, all of them above 85 % if that is allowed.
    #[test]
    fn a_filling_disk_makes_room() {
        let options = RetentionOptions::default();
        assert_eq!(count(&[100, 1, 1], 5, Some(75), &options), 0);
        assert_eq!(count(&[100, 1, 1], 5, Some(76), &options), 1);
        assert_eq!(count(&[100, 1, 1], 5, Some(86), &options), 2);
        let gentle = RetentionOptions { clean_forcibly: false, ..options.clone() };
        assert_eq!(count(&[100, 1, 1], 5, Some(99), &gentle), 1);
        let states = |used| disk_state(Some(used), &options);
        assert!(!states(90).full && states(91).full && states(86).clean_immediately && !states(85).clean_immediately);
    }

    #[derive(Default)]
    struct Target {
        segments: Mutex<Vec<SegmentAge>>,
        followed: Mutex<Vec<i64>>,
        full: Mutex<Vec<(bool, bool)>>,
        full_dirs: Mutex<Vec<PathBuf>>,
    }

    impl RetentionTarget for Target {
        fn segments(&self) -> Vec<SegmentAge> {
            self.segments.lock().clone()
        }
        fn delete_oldest(&self, start: i64) -> io::Result<()> {
            let removed = self.segments.lock().remove(0);
            assert_eq!(removed.start, start);
            Ok(())
        }
        fn follow(&self, min_offset: i64, pause: Pause<'_>) -> bool {
            self.followed.lock().push(min_offset);
            pause(Duration::from_secs(1))
        }
        fn set_disk_full(&self, log: bool, full: bool) {
            self.full.lock().push((log, full));
        }
        fn set_full_dirs(&self, dirs: Vec<PathBuf>) {
            *self.full_dirs.lock() = dirs;
        }
        fn log_dirs(&self) -> Vec<PathBuf> {
            vec!["log-a".into(), "log-b".into()]
        }
        fn queue_dir(&self) -> PathBuf {
            "queues".into()
        }
    }

    /// A pass deletes what was decided, queues and index follow once, and each disk has its own say about writes.
    #[test]
    fn a_pass_tells_the_store() {
        let target = Target { segments: Mutex::new(aged(&[100, 90, 1])), ..Target::default() };
        let mut cleaner = Cleaner::default();
        let mut pass = |hour, used: &dyn Fn(&Path) -> Option<u8>| {
            cleaner.pass(&target, &RetentionOptions::default(), (1000 * HOUR, hour), used, &|_| true)
        };
        let used = |dir: &Path| Some(if dir == Path::new("log-a") { 99 } else { 91 });
        assert_eq!(pass(12, &used), 2);
        assert_eq!(*target.followed.lock(), [200]);
        assert_eq!(*target.full.lock(), [(true, true), (false, true)]);
        assert_eq!(*target.full_dirs.lock(), [PathBuf::from("log-a"), PathBuf::from("log-b")]);
        let one_path_left = |dir: &Path| Some(if dir == Path::new("log-a") { 99 } else { 10 });
        assert_eq!(pass(12, &one_path_left), 0);
        assert_eq!(target.full.lock()[2..], [(true, false), (false, false)]);
        assert_eq!(*target.full_dirs.lock(), [PathBuf::from("log-a")]);
        assert_eq!(target.followed.lock().len(), 1);
    }

    /// On request expired segments go at any hour, in this pass and the next nineteen; others stay.
    #[test]
    fn a_request_ignores_the_hour() {
        let target = Target { segments: Mutex::new(aged(&[100, 90, 1, 1])), ..Target::default() };
        let options = RetentionOptions { batch_max: 1, ..RetentionOptions::default() };
        let mut cleaner = Cleaner::default();
        let pass = |cleaner: &mut Cleaner| cleaner.pass(&target, &options, (1000 * HOUR, 12), &|_| Some(10), &|_| true);
        assert_eq!(pass(&mut cleaner), 0);
        cleaner.request();
        let deleted: Vec<usize> = (0..20).map(|_| pass(&mut cleaner)).collect();
        assert_eq!((deleted[0], deleted[1], deleted.iter().sum::<usize>()), (1, 1, 2));
        *target.segments.lock() = aged(&[100, 100]);
        assert_eq!(pass(&mut cleaner), 0, "the request is over");
    }

    /// Between two deletions there is a pause; when the store stops in one, nothing more is deleted, and the queues that did not follow
    /// to the end do so in the next pass.
    #[test]
    fn deletions_are_spread() {
        let target = Target { segments: Mutex::new(aged(&[100, 100, 100, 100, 100])), ..Target::default() };
        let options =
            RetentionOptions { segment_pause: Duration::from_millis(70), batch_max: 3, ..RetentionOptions::default() };
        let pauses = Mutex::new(Vec::new());
        let mut cleaner = Cleaner::default();
        let mut pass = |go_on: bool| {
            let pause = |time| {
                pauses.lock().push(time);
                go_on
            };
            cleaner.pass(&target, &options, (1000 * HOUR, 4), &|_| Some(10), &pause)
        };
        let (segment, queue) = (options.segment_pause, Duration::from_secs(1));
        assert_eq!(pass(true), 3);
        assert_eq!(*pauses.lock(), [segment, segment, queue], "none before the first");
        *target.segments.lock() = aged(&[100, 100, 100, 100, 100, 100])[3..].to_vec();
        assert_eq!(pass(false), 1, "the stop ends the pass");
        assert_eq!(pass(false), 1);
        assert_eq!(*target.followed.lock(), [300, 400, 500]);
        assert_eq!(pass(true), 0);
        assert_eq!(*target.followed.lock(), [300, 400, 500, 500], "what was cut short is done again");
        assert_eq!(pass(true), 0);
        assert_eq!(target.followed.lock().len(), 4);
        pauses.lock().clear();
        *target.segments.lock() = aged(&[1, 1, 1]);
        let pause = |time| {
            pauses.lock().push(time);
            true
        };
        assert_eq!(cleaner.pass(&target, &options, (1000 * HOUR, 5), &|_| Some(99), &pause), 2);
        assert_eq!(*pauses.lock(), [Duration::ZERO], "a disk that is nearly full gets room at once");
    }

    /// A pause ends at once when the thread is to end.
    #[test]
    fn a_pause_ends_with_the_store() {
        let shared = Arc::new((Mutex::<Orders>::default(), Condvar::new()));
        assert!(wait_for_stop(&shared, Duration::from_millis(1)));
        let other = shared.clone();
        let waiting = thread::spawn(move || wait_for_stop(&other, Duration::from_secs(3600)));
        shared.0.lock().stop = true;
        shared.1.notify_all();
        assert!(!waiting.join().unwrap());
    }

    /// The thread makes its first pass in time and ends at once when stopped.
    #[test]
    fn the_thread_runs_and_stops() {
        let target = Arc::new(Target::default());
        let options =
            RetentionOptions { first_after: Duration::ZERO, interval: Duration::from_secs(3600), ..Default::default() };
        let mut service = RetentionService::start(options, target.clone()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while target.full.lock().len() < 2 {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        service.clean_now();
        while target.full.lock().len() < 4 {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        service.stop();
        service.stop();
        assert_eq!(target.full.lock().len(), 4);
    }
}
