//! The prepare thread: keeps the pages ahead of the end of the log populated and the next segment ready, so that the
//! append lock never waits for either; and reserves the space that busy consume queues will need next. Where appenders wait for the
//! disk, the pages ahead are on it already, as zeros: to force a record is then to overwrite, and the file system has nothing to
//! write down besides. (What is only reserved it marks as written with the first force, which takes two more writes to the disk.)
//!
//! Appenders wake it when the log has grown to a mark; without appends it sleeps.
use super::{segment::Segment, Log};
use crate::queue::Queue;
use parking_lot::{Condvar, Mutex};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes populated ahead of the log, but at most an eighth of a segment: what arrives in bursts finds its pages there. More
/// than this at once faults its pages in itself, under the append lock.
const AHEAD_BYTES: usize = 32 << 20;
/// Bytes on the disk ahead of the log where appenders wait for it; each of them is written twice.
const AHEAD_ON_DISK_BYTES: usize = 4 << 20;
/// After a segment could not be created, appends are told the same reason for so long, before it is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes populated in one call: other users of the address space wait meanwhile.
const STEP: usize = 1 << 20;
/// Bytes written ahead in one call: what appenders force meanwhile waits its turn at the disk.
const STEP_ON_DISK: usize = 256 << 10;
/// Queues that may wait for space. Who puts units into one more reserves its space itself when it comes there.
const QUEUES_MAX: usize = 256;

#[derive(Debug, Default)]
struct State {
    wake: bool,
    stop: bool,
    /// An append waits for the next segment.
    urgent: bool,
    /// The next segment is there.
    ready: bool,
    /// Attempts to create a segment that failed, and why the last one did.
    failures: u64,
    reason: String,
    failed_at: Option<Instant>,
    /// Queues that want space.
    queues: Vec<Arc<Queue>>,
}

impl State {
    fn pauses(&self) -> bool {
        self.failed_at.is_some_and(|at| at.elapsed() < PAUSE)
    }
}

/// What appenders and the prepare thread share.
#[derive(Debug, Default)]
pub(crate) struct Prepare {
    state: Mutex<State>,
    /// Wakes the thread.
    wake: Condvar,
    /// Wakes appends that wait for a segment.
    done: Condvar,
    /// Size of the log at which the thread wants to be woken. Stored by the thread, and by who wakes it.
    wake_at: AtomicI64,
    /// The tail has no next segment. Stored under the append lock, read by the thread.
    taken: AtomicBool,
}

impl Prepare {
    /// Wakes the thread when the log has grown to its mark.
    pub fn wake_if_due(&self, written: i64) {
        if written < self.wake_at.load(Ordering::Relaxed) && !self.taken.load(Ordering::Relaxed) {
            return;
        }
        let grown = self.wake_at.swap(i64::MAX, Ordering::Relaxed) != i64::MAX;
        let taken = self.taken.swap(false, Ordering::Relaxed);
        if grown || taken {
            let mut state = self.state.lock();
            state.wake = true;
            self.wake.notify_one();
        }
    }

    /// The queue will need space soon: the thread reserves it.
    pub fn reserve_later(&self, queue: &Arc<Queue>) {
        let mut state = self.state.lock();
        if state.queues.len() < QUEUES_MAX {
            state.queues.push(queue.clone());
            state.wake = true;
            self.wake.notify_one();
        }
    }

    /// Reserves the space that queues wait for.
    fn reserve_for_queues(&self) {
        let queues = std::mem::take(&mut self.state.lock().queues);
        queues.iter().for_each(|queue| queue.reserve_ahead());
    }

    /// The tail took its next segment. Called under the append lock, hence takes none.
    pub fn segment_taken(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }

    /// Waits until a segment may be there; the text says why there will be none.
    pub fn wait_for_segment(&self, deadline: Instant) -> Result<(), String> {
        let mut state = self.state.lock();
        if state.stop {
            return Err("the store is shut down".to_owned());
        }
        if state.pauses() {
            return Err(state.reason.clone());
        }
        let failures = state.failures;
        (state.urgent, state.wake, state.ready) = (true, true, false);
        self.wake.notify_one();
        while !state.ready {
            if self.done.wait_until(&mut state, deadline).timed_out() {
                return Err("the next segment was not created in time; is the disk overloaded?".to_owned());
            }
            if state.failures != failures || state.stop {
                return Err(state.reason.clone());
            }
        }
        Ok(())
    }

    /// Whether a segment could not be created a moment ago.
    fn pauses(&self) -> bool {
        self.state.lock().pauses()
    }

    /// Ends the thread; appends that wait get an error.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        state.stop = true;
        state.reason = "the store is shut down".to_owned();
        self.wake.notify_all();
        self.done.notify_all();
    }

    /// Waits for work; None at the end. True: an append waits for a segment.
    fn wait(&self) -> Option<bool> {
        let mut state = self.state.lock();
        while !state.wake && !state.stop {
            self.wake.wait(&mut state);
        }
        state.wake = false;
        let urgent = std::mem::take(&mut state.urgent);
        (!state.stop).then_some(urgent)
    }

    fn segment_ready(&self) {
        let mut state = self.state.lock();
        (state.ready, state.failed_at) = (true, None);
        drop(state);
        self.done.notify_all();
    }

    fn segment_failed(&self, reason: String) {
        let mut state = self.state.lock();
        state.failures += 1;
        state.reason = reason;
        state.failed_at = Some(Instant::now());
        self.done.notify_all();
    }
}

impl Log {
    /// The body of the prepare thread. `on_disk`: appenders wait for the disk.
    pub fn run_prepare(&self, on_disk: bool) {
        let ahead = self.ahead(on_disk);
        let mut populated = 0;
        let mut urgent = false;
        loop {
            self.prepare.reserve_for_queues();
            let (segment, position, next) = self.look();
            let rest = self.segment_size - position;
            let due = rest <= self.segment_size / 4 || rest <= 2 * ahead;
            let wanted = next.is_none() && (due || urgent) && !self.prepare.pauses();
            let next = if wanted { self.make_next(&segment) } else { next };
            if next.is_some() {
                self.prepare.segment_ready();
            }
            let end = segment.base + position as i64;
            let target = end + ahead as i64;
            self.populate(&segment, next.as_ref(), end.max(populated)..target, on_disk);
            populated = target.max(populated);
            let mut mark = populated - (ahead / 2) as i64;
            if next.is_none() {
                mark = mark.min((segment.base + (self.segment_size / 4 * 3) as i64).max(end + 1));
            }
            self.prepare.wake_at.store(mark, Ordering::Relaxed);
            let Some(asked) = self.prepare.wait() else { return };
            urgent = asked;
        }
    }

    fn ahead(&self, on_disk: bool) -> usize {
        let most = if on_disk { AHEAD_ON_DISK_BYTES } else { AHEAD_BYTES };
        most.min(self.segment_size / 8)
    }

    fn look(&self) -> (Arc<Segment>, usize, Option<Arc<Segment>>) {
        let tail = self.tail.lock();
        (tail.segment.clone(), tail.position, tail.next.as_ref().map(|(segment, _)| segment.clone()))
    }

    /// Creates the segment behind `last` and hands it to the tail.
    fn make_next(&self, last: &Segment) -> Option<Arc<Segment>> {
        let dir = self.paths.for_segment(last.end());
        match Segment::create(dir, last.end(), self.segment_size, &self.paths.files) {
            Ok((segment, writer)) => {
                self.segments.write().push_back(segment.clone());
                self.tail.lock().next = Some((segment.clone(), writer));
                Some(segment)
            }
            Err(error) => {
                let name = super::segment::file_name(last.end() as u64);
                let reason = format!("cannot create segment {} in {}: {error}", name, dir.display());
                tracing::error!("{reason}");
                self.prepare.segment_failed(reason);
                None
            }
        }
    }

    fn populate(&self, segment: &Arc<Segment>, next: Option<&Arc<Segment>>, range: Range<i64>, on_disk: bool) {
        let step = if on_disk { STEP_ON_DISK } else { STEP } as i64;
        let mut at = range.start;
        while at < range.end {
            // They have less time than the log.
            self.prepare.reserve_for_queues();
            let target = if at < segment.end() { Some(segment) } else { next };
            let Some(target) = target else { return };
            let end = (at + step).min(range.end).min(target.end());
            let (from, to) = ((at - target.base) as usize, (end - target.base) as usize);
            if on_disk {
                // The system tells a failure once, and it may be about a record that was appended meanwhile: it is one of flushing.
                if let Err(error) = target.write_ahead(from, to) {
                    self.flush_failed(target, at, end, &error);
                    return;
                }
            } else if let Ok(map) = target.mapped() {
                map.populate(from, to);
            }
            at = end;
        }
    }
}
