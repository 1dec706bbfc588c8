//! An assigned queue of a lite pull consumer: where it is read, what is cached of it, and whether it is paused.
//!
//! Messages wait in batches, one per pull, in the order they were pulled; a poll takes whole batches or the front of one.
//! A seek begins a new *epoch*: batches of an older one are thrown away wherever they are met.
//!
//! Threads and locks: everything that changes is in `state`, under one lock held for accounting only, once per batch.
use crate::message::MessageExt;
use ferromq_protocol::body::MessageQueue;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{watch, Notify};

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    /// Where the next pull begins; `None` until the start is known.
    pull_offset: Option<i64>,
    /// What may be committed: after the last message handed out, or skipped by the filter.
    position: Option<i64>,
    cached: usize,
    cached_bytes: usize,
    paused: bool,
    dropped: bool,
}

impl State {
    /// Reads on at `offset`, with nothing cached. Returns how many messages were.
    fn jump(&mut self, offset: i64) -> usize {
        self.epoch += 1;
        self.pull_offset = Some(offset);
        self.position = Some(offset);
        self.cached_bytes = 0;
        std::mem::take(&mut self.cached)
    }
}

/// A pull's messages on their way to a poll.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) queue: Arc<LiteQueue>,
    epoch: u64,
    messages: std::vec::IntoIter<MessageExt>,
    /// Where the queue stands when all of them are handed out.
    next: i64,
}

/// An assigned queue.
#[derive(Debug)]
pub(super) struct LiteQueue {
    pub(super) queue: MessageQueue,
    pub(super) broker: Arc<str>,
    state: Mutex<State>,
    /// Wakes the pull task: seek, resume, room.
    pub(super) changed: Notify,
    dropped: watch::Sender<bool>,
}

/// What the pull task does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Pull {
        epoch: u64,
        offset: i64,
    },
    /// Ask where to begin.
    Begin {
        epoch: u64,
    },
    /// Paused or full: wait until something changes.
    Wait,
}

impl LiteQueue {
    pub(super) fn new(queue: MessageQueue) -> Self {
        let broker = Arc::from(queue.broker_name.as_str());
        let dropped = watch::channel(false).0;
        Self { queue, broker, state: Mutex::default(), changed: Notify::new(), dropped }
    }

    /// The next step of the pull task.
    pub(super) fn turn(&self, count_max: usize, bytes_max: usize) -> Turn {
        let state = self.state.lock();
        if state.paused || state.cached > count_max || state.cached_bytes > bytes_max {
            return Turn::Wait;
        }
        match state.pull_offset {
            Some(offset) => Turn::Pull { epoch: state.epoch, offset },
            None => Turn::Begin { epoch: state.epoch },
        }
    }

    /// The start was found; ignored after a seek.
    pub(super) fn begin(&self, epoch: u64, offset: i64) {
        let mut state = self.state.lock();
        if state.epoch == epoch && state.pull_offset.is_none() {
            state.pull_offset = Some(offset);
            state.position = Some(offset);
        }
    }

    /// Takes over what a pull found. `None`: nothing to hand out, or outdated.
    pub(super) fn pulled(self: &Arc<Self>, epoch: u64, next: i64, messages: Vec<MessageExt>) -> Option<Batch> {
        let mut state = self.state.lock();
        if state.epoch != epoch || state.dropped {
            return None;
        }
        state.pull_offset = Some(next);
        if messages.is_empty() {
            if state.cached == 0 {
                state.position = Some(next);
            }
            return None;
        }
        state.cached += messages.len();
        state.cached_bytes += messages.iter().map(|message| message.body().len()).sum::<usize>();
        drop(state);
        Some(Batch { queue: self.clone(), epoch, messages: messages.into_iter(), next })
    }

    /// The offset of a pull is outside the queue, the broker names `next`. Forwards, messages were deleted, and what is
    /// cached stays. Backwards, the broker lost messages: what is cached is thrown away, and reading goes on at the first
    /// one that was not handed out. Returns how many messages were thrown away.
    pub(super) fn moved(&self, epoch: u64, next: i64) -> usize {
        let mut state = self.state.lock();
        if state.epoch != epoch {
            return 0;
        }
        if state.pull_offset.is_some_and(|at| next > at) {
            state.pull_offset = Some(next);
            if state.cached == 0 {
                state.position = Some(next);
            }
            return 0;
        }
        let back = state.position.map_or(next, |position| position.min(next));
        state.jump(back)
    }

    /// Reads on at `offset`; what is cached is thrown away. Returns how many messages that were.
    pub(super) fn seek(&self, offset: i64) -> usize {
        let cached = self.state.lock().jump(offset);
        self.changed.notify_one();
        cached
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.state.lock().paused = paused;
        self.changed.notify_one();
    }

    pub(super) fn position(&self) -> Option<i64> {
        self.state.lock().position
    }

    pub(super) fn is_epoch(&self, epoch: u64) -> bool {
        self.state.lock().epoch == epoch
    }

    /// The queue is not assigned any more. Returns how many messages were cached.
    pub(super) fn drop_now(&self) -> usize {
        let cached = {
            let mut state = self.state.lock();
            state.dropped = true;
            std::mem::take(&mut state.cached)
        };
        self.dropped.send_replace(true);
        cached
    }

    /// Ready once the queue is not assigned any more.
    pub(super) async fn gone(&self) {
        let _ = self.dropped.subscribe().wait_for(|dropped| *dropped).await;
    }
}

impl Batch {
    /// Moves up to `max` messages to `out`. Returns the position of the queue then, and how many were moved; `None` when the
    /// batch is outdated.
    pub(super) fn hand_out(&mut self, max: usize, out: &mut Vec<MessageExt>) -> Option<(i64, usize)> {
        let mut state = self.queue.state.lock();
        if state.epoch != self.epoch || state.dropped {
            return None;
        }
        let before = out.len();
        out.extend(self.messages.by_ref().take(max));
        let moved = &out[before..];
        state.cached -= moved.len();
        state.cached_bytes -= moved.iter().map(|message| message.body().len()).sum::<usize>();
        let position = match (self.messages.as_slice().first(), state.cached) {
            (Some(waiting), _) => waiting.queue_offset(),
            // Later pulls may have found nothing for us: with nothing cached, what they skipped counts too.
            (None, 0) => state.pull_offset.unwrap_or(self.next),
            (None, _) => self.next,
        };
        state.position = Some(position);
        let moved = moved.len();
        drop(state);
        self.queue.changed.notify_one();
        Some((position, moved))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.len() == 0
    }
}
