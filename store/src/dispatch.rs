//! Dispatch: from the log to consume queues, index and listener, in the order of the log.
//!
//! There is no dispatch thread. Whoever appended (or, with synchronous flush, flushed) drains what is pending; when
//! another thread is at it, that one drains for both. Lock: `state`. The append lock is taken under it for a moment to fetch what
//! is pending; an appender, who has that lock, only tries `state`.
use crate::error::NotWritable;
use crate::index::IndexService;
use crate::log::{Descriptor, Log, Pending};
use crate::queue::batch::BatchUnit;
use crate::queue::{Queue, QueueTable};
use crate::spin::Padded;
use crate::types::{ArrivalListener, Arrivals, Unit};
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{fence, AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::Arc;

/// Records that may wait for dispatch before an appender waits as well, and takes its turn: so the memory of what waits is
/// bounded, and no thread works for the others for ever.
const BACKLOG_MAX: u64 = 4096;

/// Queues whose next place is asked for before their turn: what an append to thousands of queues touches is never near.
const AHEAD: usize = 8;

#[derive(Default)]
struct State {
    pending: Pending,
    /// Descriptors of `pending` that are done.
    done: usize,
    /// The store ended like a killed process: nothing is written any more.
    stopped: bool,
}

impl State {
    /// Goes on with what waits; what it had is done. The memory of both is kept.
    fn take(&mut self, waiting: &mut Pending) {
        self.pending.clear();
        self.done = 0;
        std::mem::swap(&mut self.pending, waiting);
    }
}

/// The right to dispatch, and what was taken for it.
pub(crate) struct Turn<'a>(MutexGuard<'a, State>);

/// How far dispatch has come. Stored under `state`.
struct Progress {
    /// Descriptors done since the start.
    handled: AtomicU64,
    /// End of the last dispatched record.
    end: AtomicI64,
    /// Its store time.
    last_timestamp: AtomicI64,
    /// Where it begins, -1 when there is none.
    last_record: AtomicI64,
}

/// Moves records from the log to where they are read from.
pub(crate) struct Dispatch {
    log: Arc<Log>,
    queues: Arc<QueueTable>,
    index: Option<Arc<IndexService>>,
    listener: Arc<dyn ArrivalListener>,
    state: Padded<Mutex<State>>,
    progress: Padded<Progress>,
    /// Records above the flushed position are not to be seen yet (synchronous flush).
    follows_flush: bool,
    failing: AtomicBool,
    /// Why a consume queue cannot be written. Set under `state`.
    failure: Mutex<Option<NotWritable>>,
}

impl Dispatch {
    /// A dispatcher that starts at the end of the recovered log.
    pub fn new(
        log: Arc<Log>,
        queues: Arc<QueueTable>,
        index: Option<Arc<IndexService>>,
        listener: Arc<dyn ArrivalListener>,
        follows_flush: bool,
    ) -> Self {
        let progress = Progress {
            handled: AtomicU64::new(0),
            end: AtomicI64::new(log.written()),
            last_timestamp: AtomicI64::new(log.last_timestamp()),
            last_record: AtomicI64::new(log.opened_last_record),
        };
        Self {
            log,
            queues,
            index,
            listener,
            state: Padded::default(),
            progress: Padded(progress),
            follows_flush,
            failing: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// End of what can be seen.
    pub fn end(&self) -> i64 {
        self.progress.end.load(Ordering::Acquire)
    }

    /// Records stored up to this time have their units. Once these are flushed, a checkpoint may say so.
    pub fn last_timestamp(&self) -> i64 {
        self.progress.last_timestamp.load(Ordering::Acquire)
    }

    /// Where the last dispatched record begins.
    pub fn last_record(&self) -> Option<i64> {
        Some(self.progress.last_record.load(Ordering::Acquire)).filter(|last| *last >= 0)
    }

    /// True when everything that was appended is dispatched.
    pub fn is_idle(&self) -> bool {
        self.backlog() == 0
    }

    fn backlog(&self) -> u64 {
        // What is handled was pushed before: read in this order the difference is never negative.
        let handled = self.progress.handled.load(Ordering::Acquire);
        self.log.pushed().saturating_sub(handled)
    }

    /// Why consume queues cannot be written.
    pub fn failure(&self) -> Option<NotWritable> {
        if self.failing.load(Ordering::Acquire) {
            self.failure.lock().clone()
        } else {
            None
        }
    }

    /// Takes what is pending, for an appender who has the append lock, unless another thread is dispatching.
    pub fn take_turn(&self, pending: &mut Pending) -> Option<Turn<'_>> {
        let mut state = self.state.try_lock()?;
        if state.done == state.pending.descriptors.len() {
            state.take(pending);
        }
        Some(Turn(state))
    }

    /// The turn of a thread that has appended before, if it gets it or has to take it.
    fn next_turn(&self) -> Option<Turn<'_>> {
        // Pairs with the fence in `drain`: either we get the lock, or its holder sees what we appended.
        fence(Ordering::SeqCst);
        let state = self.state.try_lock();
        state.or_else(|| (self.backlog() > BACKLOG_MAX).then(|| self.state.lock())).map(Turn)
    }

    /// Dispatches all that is there, unless another thread is doing it and will see it. Not with synchronous flush.
    pub fn drain(&self, mut turn: Option<Turn<'_>>) {
        while let Some(Turn(mut state)) = turn.take().or_else(|| self.next_turn()) {
            self.round(&mut state);
            // An appender that waits takes over.
            MutexGuard::unlock_fair(state);
            fence(Ordering::SeqCst);
            // Somebody may have failed to get the lock after we looked for the last time.
            if self.is_idle() || self.failing.load(Ordering::Acquire) {
                return;
            }
        }
    }

    /// Dispatches all that may be seen; waits for a thread that is at it.
    pub fn drain_all(&self) {
        let mut state = self.state.lock();
        while self.round(&mut state) {}
    }

    /// Nothing is written from now on.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
    }

    /// Dispatches what is pending, and fetches it before when nothing is. True when there may be more.
    fn round(&self, state: &mut State) -> bool {
        if state.stopped {
            return false;
        }
        if state.done == state.pending.descriptors.len() {
            if self.is_idle() {
                return false;
            }
            self.log.with_pending(|pending| state.take(pending));
        }
        let (from, descriptors) = (state.done, &state.pending.descriptors[state.done..]);
        let ready = if self.follows_flush {
            let limit = self.log.flushed();
            descriptors.partition_point(|descriptor| descriptor.end() <= limit)
        } else {
            descriptors.len()
        };
        let done = self.put(&state.pending.queues, &descriptors[..ready]);
        self.finish(state, from, from + done);
        done > 0 && done == ready
    }

    /// Writes the units of neighbouring records of one queue together; returns how many records are done.
    fn put(&self, queues: &[Arc<Queue>], descriptors: &[Descriptor]) -> usize {
        let mut done = 0;
        let runs = || descriptors.chunk_by(|a, b| a.queue == b.queue);
        let mut ahead = runs().map(|run| &queues[run[0].queue as usize]);
        ahead.by_ref().take(AHEAD).for_each(|queue| queue.prefetch_place());
        for run in runs() {
            if let Some(queue) = ahead.next() {
                queue.prefetch_place();
            }
            let queue = &queues[run[0].queue as usize];
            let units = run.iter().filter(|d| d.enters_queue).map(|d| BatchUnit {
                unit: Unit { physical: d.physical, size: d.size, tags_code: d.tags_code },
                store_timestamp: d.store_timestamp,
                base: d.queue_offset,
                count: d.messages,
            });
            let put = queue.put(units);
            if put.made_dirty {
                self.queues.flush_later(queue);
            }
            if put.wants_space {
                self.log.prepare.reserve_later(queue);
            }
            if let Err(error) = put.result {
                self.fail(format!("{}/{}", queue.topic, queue.id), &error);
                // The units before the error are repeated the next time, which does no harm.
                return done;
            }
            done += run.len();
        }
        if self.failing.load(Ordering::Relaxed) && done > 0 {
            self.failing.store(false, Ordering::Release);
            tracing::warn!("consume queues can be written again");
        }
        done
    }

    fn fail(&self, queue: String, error: &std::io::Error) {
        if !self.failing.load(Ordering::Relaxed) {
            tracing::error!(%queue, %error, "a consume queue cannot be written; appends are refused until it can");
        }
        *self.failure.lock() = Some(NotWritable::ConsumeQueue { queue, reason: error.to_string() });
        self.failing.store(true, Ordering::Release);
    }

    /// Tells index and listener about `from..to` of the pending records, which can be read now.
    fn finish(&self, state: &mut State, from: usize, to: usize) {
        let descriptors = &state.pending.descriptors[from..to];
        let Some(last) = descriptors.last() else { return };
        let progress = &self.progress;
        progress.last_timestamp.store(last.store_timestamp, Ordering::Release);
        progress.last_record.store(last.physical, Ordering::Release);
        progress.end.store(last.end(), Ordering::Release);
        if let Some(index) = &self.index {
            index.follow(descriptors[0].physical, last.physical);
        }
        self.listener.arrived(Arrivals { queues: &state.pending.queues, records: descriptors });
        state.done = to;
        let handled = progress.handled.load(Ordering::Relaxed) + (to - from) as u64;
        progress.handled.store(handled, Ordering::Release);
    }
}
