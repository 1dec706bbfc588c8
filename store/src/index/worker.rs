//! The index thread and the queue before it.
//!
//! Two ways in: a range of the log to read, which is how dispatch tells of new records, or descriptors in the queue, which is
//! how recovery hands over what it has read anyway. While a range is set, everything offered only moves its end, so that entries
//! are always written in the order of the log. The range ends when the thread has caught up; then the queue is used again. A
//! write error turns what was not written into a range and is tried again later.
//!
//! Lock: `inbox`, held for moments only; taken by the dispatcher (`follow`) and the thread.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::file::IndexFile;
use super::files::IndexFiles;
use super::piece::{read_piece, Piece};
use super::{IndexEntry, IndexError, LogSource};
use crate::checkpoint::Checkpoint;
use crate::spin::Padded;

/// Pause after the first descriptor, so that a busy broker wakes this thread hundreds of times a second and not per send.
const GATHER: Duration = Duration::from_millis(2);
/// Pause between tries while the files cannot be written or the log cannot be read.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes of the log read at a time.
const READ_BYTES: usize = 1 << 20;
/// A record larger than this is not one: reading the log again stops being possible there.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// State shared by the service and its threads.
pub(super) struct Shared {
    pub(super) files: IndexFiles,
    checkpoint: Arc<Checkpoint>,
    queue_max: usize,
    inbox: Padded<Mutex<Inbox>>,
    /// Signalled when there is work or the end is wished.
    wake: Condvar,
    /// Signalled when the thread has nothing left to do.
    idle: Condvar,
    /// Written by the index thread, read by anyone.
    failing: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The thread that forces the newest full file to disk, after the one before it; joined at the stop. False: one failed, and
    /// the checkpoint can vouch for no later file.
    flusher: Mutex<Option<JoinHandle<bool>>>,
}

/// Guarded by `Shared::inbox`.
#[derive(Default)]
struct Inbox {
    queue: Vec<IndexEntry>,
    /// Records from the first to the second offset (both inclusive) are to be read from the log.
    range: Option<(i64, i64)>,
    /// The thread is writing what it took out of the queue.
    busy: bool,
    /// Set once: the thread ends when it is done, or at this time.
    stop_at: Option<Instant>,
}

impl Inbox {
    fn is_done(&self) -> bool {
        self.queue.is_empty() && self.range.is_none() && !self.busy
    }

    /// From now on `from..=to` and everything offered later is read from the log. The queue lies inside that range.
    fn set_range(&mut self, from: i64, to: i64) {
        let last = self.queue.last().map_or(to, |entry| entry.physical.max(to));
        let (from, to) = match self.range {
            Some((old_from, old_to)) => (old_from.min(from), old_to.max(last)),
            None => (from, last),
        };
        self.queue.clear();
        self.range = Some((from, to));
    }
}

/// What the thread does next.
enum Work {
    Entries,
    Range(i64, i64),
    Stop,
}

impl Shared {
    pub(super) fn new(files: IndexFiles, checkpoint: Arc<Checkpoint>, queue_max: usize) -> Self {
        Shared {
            files,
            checkpoint,
            queue_max,
            inbox: Padded::default(),
            wake: Condvar::new(),
            idle: Condvar::new(),
            failing: AtomicBool::new(false),
            thread: Mutex::new(None),
            flusher: Mutex::default(),
        }
    }

    pub(super) fn offer(&self, entries: &[IndexEntry]) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let mut inbox = self.inbox.lock();
        if let Some((_, to)) = &mut inbox.range {
            *to = (*to).max(last.physical);
            return;
        }
        if inbox.queue.len() + entries.len() > self.queue_max {
            let from = inbox.queue.first().map_or(first.physical, |queued| queued.physical);
            inbox.set_range(from, last.physical);
            drop(inbox);
            self.wake.notify_one();
            return;
        }
        let was_empty = inbox.queue.is_empty();
        inbox.queue.extend_from_slice(entries);
        drop(inbox);
        if was_empty {
            self.wake.notify_one();
        }
    }

    pub(super) fn follow(&self, from: i64, to: i64) {
        let mut inbox = self.inbox.lock();
        if let Some((_, end)) = &mut inbox.range {
            *end = (*end).max(to);
            return;
        }
        let queued = inbox.queue.first().map(|entry| entry.physical);
        inbox.set_range(queued.map_or(from, |queued| queued.min(from)), to);
        drop(inbox);
        if queued.is_none() {
            self.wake.notify_one();
        }
    }

    pub(super) fn read_again(&self, from: i64, to: i64) {
        self.inbox.lock().set_range(from, to);
        self.wake.notify_one();
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(super) fn wait_idle(&self, deadline: Instant) -> bool {
        let mut inbox = self.inbox.lock();
        while !inbox.is_done() {
            if self.idle.wait_until(&mut inbox, deadline).timed_out() {
                return inbox.is_done();
            }
        }
        true
    }

    /// Ends the thread; true if nothing was left undone.
    pub(super) fn stop(&self, deadline: Instant) -> bool {
        self.inbox.lock().stop_at.get_or_insert(deadline);
        self.wake.notify_one();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the index thread panicked");
        }
        let flushed = finished(self.flusher.lock().take());
        self.inbox.lock().is_done() && flushed
    }

    /// Forces the newest file to disk. Only when it is complete may the checkpoint say so.
    pub(super) fn flush(&self, complete: bool) -> Result<(), IndexError> {
        if let (Some(header), true) = (self.files.flush_last()?, complete) {
            self.checkpoint.raise_index_timestamp(header.end_timestamp);
        }
        Ok(())
    }

    /// Waits for work and takes it; entries are swapped into `batch`, which comes empty.
    fn next(&self, batch: &mut Vec<IndexEntry>) -> Work {
        let mut inbox = self.inbox.lock();
        inbox.busy = false;
        let mut gathered = false;
        loop {
            let stopping = inbox.stop_at;
            if stopping.is_some_and(|at| inbox.is_done() || Instant::now() >= at) {
                self.idle.notify_all();
                return Work::Stop;
            }
            if let Some((from, to)) = inbox.range {
                if stopping.is_some() || gathered || to - from >= READ_BYTES as i64 {
                    return Work::Range(from, to);
                }
                drop(inbox);
                thread::sleep(GATHER);
                (inbox, gathered) = (self.inbox.lock(), true);
                continue;
            }
            if !inbox.queue.is_empty() {
                if stopping.is_none() && inbox.queue.len() < self.queue_max / 4 {
                    drop(inbox);
                    thread::sleep(GATHER);
                    inbox = self.inbox.lock();
                }
                if inbox.range.is_none() {
                    std::mem::swap(&mut inbox.queue, batch);
                    inbox.busy = true;
                    return Work::Entries;
                }
                continue;
            }
            self.idle.notify_all();
            self.wake.wait(&mut inbox);
        }
    }

    /// Writes a batch; what cannot be written becomes a range to read again.
    fn write(self: &Arc<Self>, batch: &[IndexEntry]) -> bool {
        let mut full = Vec::new();
        let result = self.files.append(batch, &mut full);
        for file in full {
            self.flush_full(file);
        }
        match result {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the index is written again");
                }
                true
            }
            Err((done, error)) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "index: trying again every second");
                }
                if let (Some(first), Some(last)) = (batch.get(done), batch.last()) {
                    self.inbox.lock().set_range(first.physical, last.physical);
                }
                false
            }
        }
    }

    /// Waits before another try; returns early when the end is wished.
    fn pause(&self) {
        let mut inbox = self.inbox.lock();
        inbox.busy = false;
        if let Some(at) = &mut inbox.stop_at {
            // What cannot be written now is written by the next start.
            *at = Instant::now();
            return;
        }
        let until = Instant::now() + RETRY;
        let until = inbox.stop_at.map_or(until, |at| at.min(until));
        while Instant::now() < until && !self.wake.wait_until(&mut inbox, until).timed_out() {
            if inbox.stop_at.is_some_and(|at| Instant::now() >= at) {
                return;
            }
        }
    }

    /// Forces a full file to disk beside the writer, then lets the checkpoint know (store.md 4).
    fn flush_full(self: &Arc<Self>, file: Arc<IndexFile>) {
        let shared = self.clone();
        let mut flusher = self.flusher.lock();
        let before = flusher.take();
        let run = move || {
            let flushed = file.flush();
            if let Err(error) = &flushed {
                tracing::error!(%error, "index: a full file was not forced to disk; it is built again after an unclean stop");
            }
            if !finished(before) || flushed.is_err() {
                return false;
            }
            // Written with the next checkpoint: doing it here would also vouch for consume queues that are not on disk yet.
            shared.checkpoint.raise_index_timestamp(file.header().end_timestamp);
            true
        };
        match thread::Builder::new().name("index-flush".into()).spawn(run) {
            Ok(thread) => *flusher = Some(thread),
            Err(error) => tracing::error!(%error, "index: no thread to force a full file to disk"),
        }
    }

    /// Reads `from..=to` of the log and writes its entries, a piece at a time.
    fn catch_up(self: &Arc<Self>, source: &dyn LogSource, from: i64, to: i64) {
        let mut from = from;
        let mut want = READ_BYTES;
        let mut batch = Vec::new();
        while from <= to {
            let (at, bytes) = match source.read(from, want) {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, offset = from, "index: the log cannot be read, trying again");
                    self.pause();
                    return;
                }
            };
            batch.clear();
            let read = read_piece(at, &bytes, to, &mut batch);
            if !self.write(&batch) {
                self.pause();
                return;
            }
            match read {
                Piece::Until(next) => (from, want) = (next, READ_BYTES),
                // More than was asked for; what was asked for and did not come is not there.
                Piece::Needs(len) if len <= RECORD_BYTES_MAX && len > want => (from, want) = (at, len),
                Piece::Needs(_) | Piece::Damaged => {
                    tracing::error!(offset = at, until = to, "index: the log is damaged here, the rest is not indexed");
                    break;
                }
            }
            let mut inbox = self.inbox.lock();
            if let Some(range) = &mut inbox.range {
                range.0 = from;
            }
            if inbox.stop_at.is_some_and(|stop| Instant::now() >= stop) {
                return;
            }
        }
        let mut inbox = self.inbox.lock();
        inbox.range = inbox.range.filter(|(_, new_to)| *new_to > to).map(|(_, new_to)| (from.max(to + 1), new_to));
    }
}

/// Waits for a flusher; true when it and all before it forced their files to disk.
fn finished(flusher: Option<JoinHandle<bool>>) -> bool {
    flusher.is_none_or(|thread| thread.join().unwrap_or(false))
}

/// Starts the index thread.
pub(super) fn start(shared: &Arc<Shared>, source: Arc<dyn LogSource>) -> Result<(), IndexError> {
    let mine = shared.clone();
    let run = move || {
        let mut batch = Vec::new();
        loop {
            match mine.next(&mut batch) {
                Work::Stop => return,
                Work::Range(from, to) => mine.catch_up(source.as_ref(), from, to),
                Work::Entries => {
                    let written = mine.write(&batch);
                    batch.clear();
                    if !written {
                        mine.pause();
                    }
                }
            }
        }
    };
    let thread = thread::Builder::new().name("index".into()).spawn(run);
    *shared.thread.lock() = Some(thread.map_err(|source: io::Error| IndexError::Thread { source })?);
    Ok(())
}
