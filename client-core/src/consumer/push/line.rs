//! Messages in line until the application takes them, on whatever threads it likes, and settles them.
//!
//! This is the third way beside plain and async listeners, made for other languages: nothing is called per message. Messages
//! without order stand in line one by one. Ordered ones come as a lease: what an async listener of the queue's runner was
//! given, so that locks, pauses and turns are those of every orderly consumer; one lease per queue is out at a time.
//!
//! Limits: what is in line or taken counts for the cache limits of its queue, which stop pulling. A taker gets its share
//! of the line, and never more than it works off in [`HOARD`], so that a slow one keeps nothing from the others.
//!
//! Threads and locks: `state` is held to push and pop; `on_ready` is called under no lock.
use super::concurrent::{self, give_back};
use super::core::Core;
use super::queue::OwnedQueue;
use crate::consumer::listener::{ConsumeOrderlyStatus, Listener, OrderlyContext, Partly};
use crate::message::MessageExt;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The work that a taker may hold at a time, measured by what messages took before.
const HOARD: Duration = Duration::from_millis(10);

/// What came of a message that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Consumed.
    Consumed,
    /// It shall come again: after the delay of `delay_level` (0: the broker decides, -1: as a dead letter at once); in
    /// order, after the pause of the queue, and with it all behind it.
    Retry {
        /// See [`crate::ConcurrentContext::set_delay_level`]. Not used in order.
        delay_level: i32,
    },
    /// Not looked at: another taker gets it.
    Release,
}

/// A message that was taken and must be settled with [`crate::PushConsumer::settle`]. One that is dropped without that
/// holds its queue's offset: without order until `consume_timeout`; a dropped lease of ordered messages counts as failed.
#[derive(Debug)]
pub struct Delivery {
    message: MessageExt,
    claim: Claim,
    taken: Instant,
    /// Place among those taken together.
    index: u32,
}

impl Delivery {
    /// The message.
    pub fn message(&self) -> &MessageExt {
        &self.message
    }
}

#[derive(Debug)]
enum Claim {
    Queue(Arc<OwnedQueue>),
    Lease(Arc<Lease>),
}

impl Claim {
    fn is_same_queue(&self, other: &Claim) -> bool {
        matches!((self, other), (Self::Queue(a), Self::Queue(b)) if Arc::ptr_eq(a, b))
    }
}

/// Messages that one caller waits for.
#[derive(Debug)]
struct Lease {
    answer: Mutex<Answer>,
}

#[derive(Debug)]
struct Answer {
    consumed: usize,
    total: usize,
    to: Option<oneshot::Sender<Partly>>,
}

impl Lease {
    /// Counts a consumed message. The caller hears of it when it was the last one, or another one was not consumed.
    fn settle(&self, outcome: Outcome) {
        let mut answer = self.answer.lock();
        answer.consumed += usize::from(outcome == Outcome::Consumed);
        if outcome != Outcome::Consumed || answer.consumed == answer.total {
            if let Some(to) = answer.to.take() {
                let failed = usize::from(matches!(outcome, Outcome::Retry { .. }));
                // Nobody waits any more when the consumer is closed: the messages come again.
                let _ = to.send(Partly { consumed: answer.consumed, failed });
            }
        }
    }
}

/// A message in line and who has to hear of it. Those of a lease stand together.
type Item = (Claim, MessageExt);

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// What a message takes, averaged; zero before the first was settled.
    each: Duration,
    closed: bool,
}

/// The line.
pub(crate) struct Line {
    state: Mutex<State>,
    on_ready: Box<dyn Fn() + Send + Sync>,
}

impl Line {
    /// `on_ready` is called whenever an empty line got messages. It must not block.
    pub(super) fn new(on_ready: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), on_ready: Box::new(on_ready) })
    }

    fn push(&self, items: impl Iterator<Item = Item>) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        let was_empty = state.items.is_empty();
        state.items.extend(items);
        let ready = was_empty && !state.items.is_empty();
        drop(state);
        if ready {
            (self.on_ready)();
        }
    }

    /// Puts messages of one queue in line.
    pub(super) fn submit(&self, queue: &Arc<OwnedQueue>, messages: Vec<MessageExt>) {
        self.push(messages.into_iter().map(|message| (Claim::Queue(queue.clone()), message)));
    }

    /// Puts messages in line that belong together. What came of the first of them comes as the answer; an error means
    /// that nobody has settled any.
    pub(super) fn lease(&self, messages: Vec<MessageExt>) -> oneshot::Receiver<Partly> {
        let (to, answer) = oneshot::channel();
        let lease = Arc::new(Lease { answer: Mutex::new(Answer { consumed: 0, total: messages.len(), to: Some(to) }) });
        self.push(messages.into_iter().map(|message| (Claim::Lease(lease.clone()), message)));
        answer
    }

    /// The listener that stands for this line in an orderly consumer.
    pub(super) fn orderly(self: &Arc<Self>) -> Listener<OrderlyContext, ConsumeOrderlyStatus> {
        let line = self.clone();
        Listener::Async(Box::new(move |messages, context| {
            let total = messages.len();
            let answer = line.lease(messages);
            Box::pin(async move {
                let partly = answer.await.unwrap_or(Partly { consumed: 0, failed: 1 });
                context.set_partly(partly);
                match partly.consumed == total {
                    true => ConsumeOrderlyStatus::Success,
                    false => ConsumeOrderlyStatus::SuspendCurrentQueueAMoment,
                }
            })
        }))
    }

    /// Takes a share of at most `max` messages, or one lease; of `takers` everybody is to get something. Empty when nothing is
    /// in line. The flag tells whether more is.
    pub(super) fn take(&self, max: usize, takers: usize) -> (Vec<Delivery>, bool) {
        let taken = Instant::now();
        loop {
            let (found, more) = {
                let mut state = self.state.lock();
                let count = state.next(max, takers);
                (state.items.drain(..count).collect(), !state.items.is_empty())
            };
            let begun = begin(found);
            if !begun.is_empty() || !more {
                let numbered = begun.into_iter().zip(0..);
                let deliveries =
                    numbered.map(|((claim, message), index)| Delivery { message, claim, taken, index }).collect();
                return (deliveries, more);
            }
        }
    }

    /// Puts messages that nobody looked at back, in front.
    fn put_back(&self, items: Vec<Item>) {
        let mut state = self.state.lock();
        if state.closed || items.is_empty() {
            return;
        }
        let was_empty = state.items.is_empty();
        items.into_iter().rev().for_each(|item| state.items.push_front(item));
        drop(state);
        if was_empty {
            (self.on_ready)();
        }
    }

    /// From now on nothing can be taken; what was in line comes again elsewhere.
    pub(super) fn close(&self) {
        let items = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.items)
        };
        drop(items);
        (self.on_ready)();
    }
}

impl State {
    /// How many messages from the front are taken together: all of a lease, or a share of those before the next lease.
    fn next(&self, max: usize, takers: usize) -> usize {
        if let Some((Claim::Lease(first), _)) = self.items.front() {
            let same = |claim: &Claim| matches!(claim, Claim::Lease(lease) if Arc::ptr_eq(lease, first));
            return self.items.iter().take_while(|(claim, _)| same(claim)).count();
        }
        let in_time = match self.each.is_zero() {
            true => max,
            false => usize::try_from(HOARD.as_nanos() / self.each.as_nanos()).unwrap_or(max),
        };
        let share = self.items.len().div_ceil(takers.max(1)).min(in_time).min(max).max(1);
        self.items.iter().take(share).take_while(|(claim, _)| matches!(claim, Claim::Queue(_))).count()
    }
}

/// Begins the messages, run by run of one queue; those of queues that are not active any more are left out.
fn begin(mut found: Vec<Item>) -> Vec<Item> {
    let mut refused = Vec::new();
    let mut at = 0;
    for run in found.chunk_by(|(a, _), (b, _)| a.is_same_queue(b)) {
        if let Claim::Queue(queue) = &run[0].0 {
            if !queue.begin(run.iter().map(|(_, message)| message.queue_offset())) {
                refused.push(at..at + run.len());
            }
        }
        at += run.len();
    }
    for range in refused.into_iter().rev() {
        found.drain(range);
    }
    found
}

/// Notes what came of messages that were taken. Failed ones are sent back in the background.
pub(super) fn settle(core: &Arc<Core>, line: &Line, settled: Vec<(Delivery, Outcome)>) {
    if let Some((last, _)) = settled.last() {
        let each = last.taken.elapsed() / (last.index + 1);
        let mut state = line.state.lock();
        state.each = (state.each * 7 + each) / 8;
    }
    let mut run: Vec<(MessageExt, Outcome)> = Vec::new();
    let mut of: Option<(Arc<OwnedQueue>, Instant)> = None;
    for (delivery, outcome) in settled {
        match delivery.claim {
            Claim::Lease(lease) => lease.settle(outcome),
            Claim::Queue(queue) => {
                if of.as_ref().is_some_and(|(known, _)| !Arc::ptr_eq(known, &queue)) {
                    settle_run(core, line, of.take(), std::mem::take(&mut run));
                }
                of.get_or_insert((queue, delivery.taken));
                run.push((delivery.message, outcome));
            }
        }
    }
    settle_run(core, line, of, run);
}

/// Messages of one queue.
fn settle_run(core: &Arc<Core>, line: &Line, of: Option<(Arc<OwnedQueue>, Instant)>, run: Vec<(MessageExt, Outcome)>) {
    let Some((queue, taken)) = of else { return };
    let took = taken.elapsed();
    let consumed = run.iter().filter(|(_, outcome)| *outcome == Outcome::Consumed);
    let consumed: Vec<i64> = consumed.map(|(message, _)| message.queue_offset()).collect();
    let ok = consumed.len();
    if ok > 0 {
        concurrent::settle(core, &queue, consumed.into_iter());
    }
    let (mut failed, mut released) = (Vec::new(), Vec::new());
    for (message, outcome) in run {
        match outcome {
            Outcome::Consumed => {}
            Outcome::Retry { delay_level } => failed.push((message, delay_level)),
            Outcome::Release => released.push((Claim::Queue(queue.clone()), message)),
        }
    }
    // Released ones were neither: they only do not run any more.
    queue.end(ok, 0, took);
    queue.unbegin(released.len());
    line.put_back(released);
    if !failed.is_empty() {
        let core = core.clone();
        core.clone().listeners.spawn(async move {
            give_back(&core, &queue, &failed).await;
            queue.end(0, failed.len(), took);
        });
    }
}
