//! Dispatch: from the log to consume queues, index and listener, in the order of the log.
//!
//! There is no dispatch thread. An appender puts his records into their queues while he has the append lock, where that takes no time
//! and nothing is left to be put before them. Else, and with synchronous flush, he leaves them, and whoever appended (or flushed) drains
//! what is left; when another thread is at it, that one drains for both.
//!
//! Lock: `state`, of those who drain. The append lock is taken under it for a moment to fetch what is left. Who may put units and store
//! how far dispatch has come: the holder of `state` while something is left, else the holder of the append lock.
use crate::batch::AppendBatch;
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

/// Records that are put under the append lock by who drains, so that nothing is left when the next appender gets it.
const LAST_FEW: usize = 64;

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

/// How far dispatch has come.
struct Progress {
    /// Descriptors done since the start, of those that were left. Stored after the others, under `state`.
    drained: AtomicU64,
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
            drained: AtomicU64::new(0),
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

    /// True when nothing is left to be dispatched; an appender may be at it still.
    pub fn is_idle(&self) -> bool {
        self.backlog() == 0
    }

    fn backlog(&self) -> u64 {
        // What is drained was left before: read in this order the difference is never negative.
        let drained = self.progress.drained.load(Ordering::Acquire);
        self.log.left().saturating_sub(drained)
    }

    /// Why consume queues cannot be written.
    pub fn failure(&self) -> Option<NotWritable> {
        if self.failing.load(Ordering::Acquire) {
            self.failure.lock().clone()
        } else {
            None
        }
    }

    /// Puts what an appender, who has the append lock, has placed in `batch` from `from` on. What he should not stay for goes from there
    /// into `pending`; of the rest he [tells](Self::tell) when he has given the lock back.
    pub fn take(&self, pending: &mut Pending, batch: &mut AppendBatch, from: usize) {
        let may = !self.follows_flush && self.is_idle();
        let done = if may { self.put_at_once(batch.queues(), &batch.placed[from..]) } else { 0 };
        let left = batch.placed.len() - from - done;
        if left > 0 {
            self.log.count_left(left);
            batch.leave(from + done, pending);
        }
    }

    /// Tells the listener of records that can be read now.
    pub fn tell(&self, queues: &[Arc<Queue>], records: &[Descriptor]) {
        if !records.is_empty() {
            self.listener.arrived(Arrivals { queues, records });
        }
    }

    /// The turn of a thread that has left records, if it gets it or has to take it.
    fn next_turn(&self) -> Option<MutexGuard<'_, State>> {
        // Pairs with the fence in `drain`: either we get the lock, or its holder sees what we left.
        fence(Ordering::SeqCst);
        let state = self.state.try_lock();
        state.or_else(|| (self.backlog() > BACKLOG_MAX).then(|| self.state.lock()))
    }

    /// Dispatches all that is left, unless another thread is doing it and will see it. Not with synchronous flush.
    pub fn drain(&self) {
        while let Some(mut state) = self.next_turn() {
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

    /// Nothing is written from now on. Appends have ended.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
    }

    /// Dispatches what was fetched, and fetches what is left before when nothing was. True when there may be more.
    fn round(&self, state: &mut State) -> bool {
        if state.stopped {
            return false;
        }
        if state.done == state.pending.descriptors.len() {
            // Also where nothing is left: an appender that is at it has the append lock.
            let done = self.log.with_pending(|pending| {
                state.take(pending);
                let left = &state.pending;
                if self.follows_flush || left.descriptors.len() > LAST_FEW {
                    return 0;
                }
                let done = self.put_at_once(&left.queues, &left.descriptors);
                self.count_drained(done);
                done
            });
            self.done(state, done);
        }
        let descriptors = &state.pending.descriptors[state.done..];
        let ready = if self.follows_flush {
            let limit = self.log.flushed();
            descriptors.partition_point(|descriptor| descriptor.end() <= limit)
        } else {
            descriptors.len()
        };
        let descriptors = &descriptors[..ready];
        let done = self.put(&state.pending.queues, descriptors);
        self.count_drained(done);
        self.done(state, done);
        done > 0 && done == ready
    }

    /// The next `count` of the records that were fetched are done, and counted as drained.
    fn done(&self, state: &mut State, count: usize) {
        let end = state.done + count;
        self.tell(&state.pending.queues, &state.pending.descriptors[state.done..end]);
        state.done = end;
    }

    fn count_drained(&self, count: usize) {
        let drained = self.progress.drained.load(Ordering::Relaxed) + count as u64;
        self.progress.drained.store(drained, Ordering::Release);
    }

    /// Writes the units of records, under the append lock; returns how many records are done before the first whose unit takes time.
    fn put_at_once(&self, queues: &[Arc<Queue>], descriptors: &[Descriptor]) -> usize {
        let done = each_run(queues, descriptors, |queue, run| queue.try_put(units(run)));
        self.advance(&descriptors[..done]);
        done
    }

    /// Writes the units of records; returns how many of these are done.
    fn put(&self, queues: &[Arc<Queue>], descriptors: &[Descriptor]) -> usize {
        let done = each_run(queues, descriptors, |queue, run| {
            let put = queue.put(units(run));
            if put.made_dirty {
                self.queues.flush_later(queue);
            }
            if put.wants_space {
                self.log.prepare.reserve_later(queue);
            }
            // The units before the error are repeated the next time, which does no harm.
            put.result.map_err(|error| self.fail(format!("{}/{}", queue.topic, queue.id), &error)).is_ok()
        });
        if self.failing.load(Ordering::Relaxed) && done > 0 && done == descriptors.len() {
            self.failing.store(false, Ordering::Release);
            tracing::warn!("consume queues can be written again");
        }
        self.advance(&descriptors[..done]);
        done
    }

    fn fail(&self, queue: String, error: &std::io::Error) {
        if !self.failing.load(Ordering::Relaxed) {
            tracing::error!(%queue, %error, "a consume queue cannot be written; appends are refused until it can");
        }
        *self.failure.lock() = Some(NotWritable::ConsumeQueue { queue, reason: error.to_string() });
        self.failing.store(true, Ordering::Release);
    }

    /// Records whose units are written can be read now: the index follows.
    fn advance(&self, descriptors: &[Descriptor]) {
        let Some(last) = descriptors.last() else { return };
        let progress = &self.progress;
        progress.last_timestamp.store(last.store_timestamp, Ordering::Release);
        progress.last_record.store(last.physical, Ordering::Release);
        progress.end.store(last.end(), Ordering::Release);
        if let Some(index) = &self.index {
            index.follow(descriptors[0].physical, last.physical);
        }
    }
}

/// The units of the records of one queue.
fn units(run: &[Descriptor]) -> impl Iterator<Item = BatchUnit> + '_ {
    run.iter().filter(|d| d.enters_queue).map(|d| BatchUnit {
        unit: Unit { physical: d.physical, size: d.size, tags_code: d.tags_code },
        store_timestamp: d.store_timestamp,
        base: d.queue_offset,
        count: d.messages,
    })
}

/// Gives neighbouring records of one queue to `put`, until that says no; returns how many records are done.
fn each_run(
    queues: &[Arc<Queue>],
    descriptors: &[Descriptor],
    mut put: impl FnMut(&Arc<Queue>, &[Descriptor]) -> bool,
) -> usize {
    let mut done = 0;
    let runs = || descriptors.chunk_by(|a, b| a.queue == b.queue);
    let queue_of = |run: &[Descriptor]| &queues[run[0].queue as usize];
    // The first one is touched at once.
    let mut ahead = runs().skip(1).map(queue_of);
    ahead.by_ref().take(AHEAD).for_each(|queue| queue.prefetch_place());
    for run in runs() {
        if let Some(queue) = ahead.next() {
            queue.prefetch_place();
        }
        if !put(queue_of(run), run) {
            break;
        }
        done += run.len();
    }
    done
}
