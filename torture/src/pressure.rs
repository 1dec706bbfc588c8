//! A disk that fills above the watermarks of a store and empties again.
//!
//! [`Fill`] is what the disks of these rounds say about themselves; it frees and takes no space. Two ways to use it: a tide that comes and
//! goes while others work, and high water, at which nothing but the store moves, so that what it does can be compared with the rules:
//! above the warning level no record is taken, and for that reason only; where segments may go by force all go but the one that is
//! written to; with the water gone records are taken again.
//!
//! Threads: one for a tide, which ends with the work that it accompanies.
use crate::model::{last_segment, message, PATIENCE, TOPICS};
use crate::random::Random;
use ferromq_store::{AppendError, NotWritable, RetentionOptions, Store};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Instant;

/// Most bytes that are appended between two states of a tide.
const APPENDED: usize = 40_000;
/// Folder of consume queues; what lies elsewhere is the disk of the log.
const QUEUES: &str = "consumequeue";

/// How full the disks are, percent: one of the log and one of the consume queues.
#[derive(Debug, Default)]
pub struct Fill {
    log: AtomicU8,
    queues: AtomicU8,
    /// The most that one of them was since [`calm`](Self::calm).
    peak: AtomicU8,
}

impl Fill {
    /// The disk of a folder.
    pub fn of(&self, dir: &Path) -> u8 {
        if dir.ends_with(QUEUES) { &self.queues } else { &self.log }.load(Ordering::SeqCst)
    }

    /// There is plenty of room, and there was.
    pub fn calm(&self) {
        self.set(0, 0);
        self.peak.store(0, Ordering::SeqCst);
    }

    /// Whether a disk was fuller than `percent`.
    pub fn was_above(&self, percent: u8) -> bool {
        self.peak.load(Ordering::SeqCst) > percent
    }

    /// One disk or both are as full as a level says, the other is not.
    fn rise(&self, level: u8, random: &mut Random) {
        match random.below(3) {
            0 => self.set(level, 0),
            1 => self.set(0, level),
            _ => self.set(level, level),
        }
    }

    fn set(&self, log: u8, queues: u8) {
        // At first: nobody is to see a level before the peak tells of it.
        self.peak.fetch_max(log.max(queues), Ordering::SeqCst);
        self.log.store(log, Ordering::SeqCst);
        self.queues.store(queues, Ordering::SeqCst);
    }
}

/// A level above the warning level, at which no record is taken.
fn full(options: &RetentionOptions, random: &mut Random) -> u8 {
    let warning = options.warning_percent;
    warning + 1 + random.below(usize::from(100 - warning)) as u8
}

/// Below all watermarks, or exactly at one, or above one.
fn any(options: &RetentionOptions, random: &mut Random) -> u8 {
    let (max, forced, warning) =
        (options.disk_max_used_percent, options.clean_forcibly_percent, options.warning_percent);
    match random.below(5) {
        0 => max,
        1 => forced,
        2 => warning,
        3 => random.below(usize::from(max)) as u8,
        _ => full(options, random),
    }
}

/// Whether the store takes nothing because a disk is over its watermark.
pub fn is_refusing(store: &Store) -> bool {
    matches!(store.is_writable(), Err(NotWritable::DiskFull { .. }))
}

/// Whether it takes nothing and will not before a restart.
fn is_broken(store: &Store) -> bool {
    matches!(store.is_writable(), Err(NotWritable::FlushFailed { .. }))
}

fn until(what: &str, reached: impl Fn() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        if Instant::now() > deadline {
            return Err(format!("in vain until {what}"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Does `work` while the disks fill and empty; in the end they are empty.
pub fn tide<T>(store: &Store, fill: &Fill, random: &mut Random, work: impl FnOnce() -> T) -> Result<T, String> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waves = scope.spawn(|| waves(store, fill, random, &over));
        let done = work();
        over.store(true, Ordering::SeqCst);
        let waves = waves.join().map_err(|_| "the tide panicked".to_owned())?;
        fill.set(0, 0);
        waves.map(|()| done)
    })
}

/// One level after the other, each as long as the store needs to see it, and takes some records if it may.
fn waves(store: &Store, fill: &Fill, random: &mut Random, over: &AtomicBool) -> Result<(), String> {
    // The store looks at its disks from now on.
    store.clean_log();
    let is_over = || over.load(Ordering::SeqCst) || is_broken(store);
    while !is_over() {
        let options = &store.options().retention;
        let level = any(options, random);
        fill.rise(level, random);
        let refuses = level > options.warning_percent;
        until("appends are refused on a full disk, or accepted on another", || {
            is_over() || is_refusing(store) == refuses
        })?;
        let mark = store.max_log_offset() + random.spread(APPENDED) as i64;
        until("records are taken", || refuses || is_over() || store.max_log_offset() >= mark)?;
    }
    // Somebody may be waiting.
    fill.set(0, 0);
    Ok(())
}

/// The disk is full while nobody but this thread appends. `is_off`: the disk has given up, and nothing can be removed any more.
pub fn high_water(store: &Store, fill: &Fill, random: &mut Random, is_off: impl Fn() -> bool) -> Result<(), String> {
    let options = &store.options().retention;
    fill.rise(full(options, random), random);
    store.clean_log();
    let gives_up = || is_off() || is_broken(store);
    until("appends are refused on a full disk", || is_refusing(store) || gives_up())?;
    if is_refusing(store) {
        is_refused(store)?;
    }
    let last = last_segment(store);
    if options.clean_forcibly {
        let gone = || store.min_log_offset() == last || gives_up();
        until("all segments but the last go by force", gone).map_err(|error| {
            format!("{error}: the log begins at {}, the last one at {last}", store.min_log_offset())
        })?;
    }
    if store.min_log_offset() > last {
        return Err(format!("the log begins at {}, it was written to at {last}", store.min_log_offset()));
    }
    fill.set(0, 0);
    until("appends are accepted on a disk with room", || store.is_writable().is_ok() || gives_up())
}

/// An append is refused, says why, and has left nothing.
fn is_refused(store: &Store) -> Result<(), String> {
    let end = store.max_log_offset();
    let mut batch = store.new_batch();
    let pushed = batch.push(&message((TOPICS[0], 0), b"too much", "", 1));
    pushed.map_err(|error| format!("a message is not accepted: {error}"))?;
    match store.append(&mut batch) {
        Err(AppendError::NotWritable(NotWritable::DiskFull { .. })) if store.max_log_offset() == end => Ok(()),
        // Failed just now, which is worse.
        Err(AppendError::NotWritable(NotWritable::FlushFailed { .. } | NotWritable::ConsumeQueue { .. })) => Ok(()),
        other => Err(format!("on a full disk an append gives {other:?} and the log has grown from {end} on")),
    }
}
