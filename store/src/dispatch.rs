//! Dispatch: from the log to consume queues, index and listener, in the order of the log.
//!
//! There is no dispatch thread. Whoever appended (or, with synchronous flush, flushed) drains what is pending; when
//! another thread is at it, that one drains for both. Lock: `state`, taken without any other; the append lock is taken
//! under it for a moment to fetch what is pending.
use crate::checkpoint::Checkpoint;
use crate::error::NotWritable;
use crate::index::IndexService;
use crate::log::{Descriptor, Log, Pending};
use crate::queue::QueueTable;
use crate::types::{Arrival, ArrivalListener, Unit};
use parking_lot::Mutex;
use std::sync::atomic::{fence, AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::Arc;

#[derive(Default)]
struct State {
    pending: Pending,
    /// Descriptors of `pending` that are done.
    done: usize,
    /// Keys of `pending` that are handed over.
    keys_done: usize,
    /// Fetched when `pending` is empty; swapped to keep both allocations.
    fetched: Pending,
}

/// Moves records from the log to where they are read from.
pub(crate) struct Dispatch {
    log: Arc<Log>,
    queues: Arc<QueueTable>,
    index: Option<Arc<IndexService>>,
    checkpoint: Arc<Checkpoint>,
    listener: Arc<dyn ArrivalListener>,
    state: Mutex<State>,
    /// Descriptors done since the start. Stored under `state`.
    handled: AtomicU64,
    /// End of the last dispatched record. Stored under `state`.
    end: AtomicI64,
    /// Records above this offset are not to be seen yet (synchronous flush).
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
        checkpoint: Arc<Checkpoint>,
        listener: Arc<dyn ArrivalListener>,
        follows_flush: bool,
    ) -> Self {
        let end = AtomicI64::new(log.written());
        Self {
            log,
            queues,
            index,
            checkpoint,
            listener,
            state: Mutex::default(),
            handled: AtomicU64::new(0),
            end,
            follows_flush,
            failing: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// End of what can be seen.
    pub fn end(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    /// True when everything that was appended is dispatched.
    pub fn is_idle(&self) -> bool {
        self.handled.load(Ordering::Acquire) == self.log.pushed()
    }

    /// Why consume queues cannot be written.
    pub fn failure(&self) -> Option<NotWritable> {
        if self.failing.load(Ordering::Acquire) {
            self.failure.lock().clone()
        } else {
            None
        }
    }

    /// Dispatches all that is there and may be seen, unless another thread is doing it and will see it.
    pub fn drain(&self) {
        loop {
            // Pairs with the fence below: either we get the lock, or its holder sees what we appended.
            fence(Ordering::SeqCst);
            let Some(mut state) = self.state.try_lock() else { return };
            let progressed = self.drain_locked(&mut state);
            drop(state);
            fence(Ordering::SeqCst);
            // Somebody may have failed to get the lock after we looked for the last time. With synchronous flush only the
            // flusher comes here, and it comes again with the next flush.
            if self.is_idle() || self.failing.load(Ordering::Acquire) || (self.follows_flush && !progressed) {
                return;
            }
        }
    }

    /// Like [`drain`](Self::drain), but waits for a thread that is at it.
    pub fn drain_all(&self) {
        let mut state = self.state.lock();
        while self.drain_locked(&mut state) {}
    }

    fn drain_locked(&self, state: &mut State) -> bool {
        let mut progressed = false;
        loop {
            if state.done == state.pending.descriptors.len() {
                state.pending.descriptors.clear();
                state.pending.keys.clear();
                (state.done, state.keys_done) = (0, 0);
                self.log.take_pending(&mut state.fetched);
                std::mem::swap(&mut state.pending, &mut state.fetched);
            }
            let limit = if self.follows_flush { self.log.flushed() } else { i64::MAX };
            let from = state.done;
            let ready = state.pending.descriptors[from..].iter().take_while(|d| d.end() <= limit).count();
            if ready == 0 {
                return progressed;
            }
            let done = self.put(&state.pending.descriptors[from..from + ready]);
            self.finish(state, from, from + done);
            progressed |= done > 0;
            if done < ready {
                return false;
            }
        }
    }

    /// Writes the units of neighbouring records of one queue together; returns how many records are done.
    fn put(&self, descriptors: &[Descriptor]) -> usize {
        let mut done = 0;
        for run in descriptors.chunk_by(|a, b| Arc::ptr_eq(&a.queue, &b.queue)) {
            let queue = &run[0].queue;
            let units = run.iter().filter(|d| d.enters_queue).map(|d| {
                (d.queue_offset, Unit { physical: d.physical, size: d.size, tags_code: d.tags_code })
            });
            let (count, result) = queue.put(units);
            if count > 0 {
                self.queues.mark_dirty(queue);
            }
            if let Err(error) = result {
                let queue = format!("{}/{}", queue.topic, queue.id);
                tracing::error!(%queue, %error, "a consume queue cannot be written; appends are refused until it can");
                *self.failure.lock() = Some(NotWritable::ConsumeQueue { queue, reason: error.to_string() });
                self.failing.store(true, Ordering::Release);
                // The units before the error are repeated the next time, which does no harm.
                return done;
            }
            done += run.len();
        }
        if self.failing.swap(false, Ordering::AcqRel) {
            tracing::warn!("consume queues can be written again");
        }
        done
    }

    /// Tells index and listener about `from..to` of the pending records, which can be read now.
    fn finish(&self, state: &mut State, from: usize, to: usize) {
        let descriptors = &state.pending.descriptors[from..to];
        let Some(last) = descriptors.last() else { return };
        self.checkpoint.raise_logics_timestamp(last.store_timestamp);
        self.end.store(last.end(), Ordering::Release);
        let keys = descriptors.iter().map(|d| d.key_count as usize).sum::<usize>();
        if let Some(index) = self.index.as_ref().filter(|_| keys > 0) {
            index.offer(&state.pending.keys[state.keys_done..state.keys_done + keys]);
        }
        let arrivals: Vec<Arrival<'_>> = descriptors
            .iter()
            .filter(|d| d.enters_queue)
            .map(|d| Arrival {
                topic: &d.queue.topic,
                queue_id: d.queue.id,
                queue_offset: d.queue_offset,
                tags_code: d.tags_code,
                store_timestamp: d.store_timestamp,
            })
            .collect();
        self.listener.arrived(&arrivals);
        let count = (to - from) as u64;
        state.keys_done += keys;
        state.done = to;
        self.handled.fetch_add(count, Ordering::Release);
    }
}
