//! What an application gives a push consumer: a listener, as a plain function or an async one, and what it answers.
//!
//! A listener that panics counts as one that failed: its messages come again, the panic is logged, the worker lives.
use super::push::Line;
use crate::instance::BoxFuture;
use crate::message::MessageExt;
use ferromq_protocol::body::MessageQueue;
use parking_lot::Mutex;
use std::any::Any;
use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What came of messages without order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeConcurrentlyStatus {
    /// Consumed, up to the acknowledged index ([`ConcurrentContext::set_ack_index`]).
    Success,
    /// All of them shall come again later.
    ReconsumeLater,
}

/// What came of messages in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeOrderlyStatus {
    /// Consumed.
    Success,
    /// The same messages shall come again after a pause; nothing behind them is delivered meanwhile.
    SuspendCurrentQueueAMoment,
}

/// About one call of a concurrent listener.
#[derive(Debug)]
pub struct ConcurrentContext {
    queue: Arc<MessageQueue>,
    delay_level: AtomicI32,
    ack_index: AtomicUsize,
}

impl ConcurrentContext {
    pub(crate) fn new(queue: Arc<MessageQueue>) -> Self {
        Self { queue, delay_level: AtomicI32::new(0), ack_index: AtomicUsize::new(usize::MAX) }
    }

    /// The queue the messages were pulled from; of retried messages, one of the group's retry topic.
    pub fn queue(&self) -> &MessageQueue {
        &self.queue
    }

    /// When failed messages come again: 0 (the default) lets the broker decide by the number of attempts, a positive
    /// level is taken as it is, -1 makes them dead letters at once.
    pub fn set_delay_level(&self, level: i32) {
        self.delay_level.store(level, Ordering::Relaxed);
    }

    /// Of several messages only those up to this index (0-based) were consumed; the rest comes again. Counts only with
    /// [`ConsumeConcurrentlyStatus::Success`].
    pub fn set_ack_index(&self, index: usize) {
        self.ack_index.store(index, Ordering::Relaxed);
    }

    pub(crate) fn delay_level(&self) -> i32 {
        self.delay_level.load(Ordering::Relaxed)
    }

    /// How many of `count` messages were consumed.
    pub(crate) fn acknowledged(&self, status: ConsumeConcurrentlyStatus, count: usize) -> usize {
        match status {
            ConsumeConcurrentlyStatus::Success => self.ack_index.load(Ordering::Relaxed).saturating_add(1).min(count),
            ConsumeConcurrentlyStatus::ReconsumeLater => 0,
        }
    }
}

/// About one call of an orderly listener.
#[derive(Debug)]
pub struct OrderlyContext {
    queue: Arc<MessageQueue>,
    suspend: Mutex<Option<Duration>>,
    partly: Mutex<Option<Partly>>,
}

/// What came of the first of several ordered messages; those behind were not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partly {
    /// So many were consumed,
    pub(crate) consumed: usize,
    /// and so many behind them failed.
    pub(crate) failed: usize,
}

impl OrderlyContext {
    pub(crate) fn new(queue: Arc<MessageQueue>) -> Self {
        Self { queue, suspend: Mutex::default(), partly: Mutex::default() }
    }

    /// The queue the messages were pulled from.
    pub fn queue(&self) -> &MessageQueue {
        &self.queue
    }

    /// How long the queue pauses after [`ConsumeOrderlyStatus::SuspendCurrentQueueAMoment`], between 10 ms and 30 s;
    /// default is the consumer's option.
    pub fn set_suspend(&self, pause: Duration) {
        *self.suspend.lock() = Some(pause);
    }

    /// Of several messages the first `count` were consumed and the next one failed; those behind it were not looked at, and
    /// come again without counting an attempt. Counts only with [`ConsumeOrderlyStatus::SuspendCurrentQueueAMoment`];
    /// without it all of them have failed.
    pub fn set_consumed(&self, count: usize) {
        self.set_partly(Partly { consumed: count, failed: 1 });
    }

    pub(crate) fn set_partly(&self, partly: Partly) {
        *self.partly.lock() = Some(partly);
    }

    pub(crate) fn suspend(&self) -> Option<Duration> {
        *self.suspend.lock()
    }

    /// What came of `count` messages.
    pub(crate) fn outcome(&self, status: ConsumeOrderlyStatus, count: usize) -> Partly {
        match status {
            ConsumeOrderlyStatus::Success => Partly { consumed: count, failed: 0 },
            ConsumeOrderlyStatus::SuspendCurrentQueueAMoment => {
                let Partly { consumed, failed } = self.partly.lock().unwrap_or(Partly { consumed: 0, failed: count });
                let consumed = consumed.min(count);
                Partly { consumed, failed: failed.min(count - consumed) }
            }
        }
    }
}

type SyncCall<C, S> = dyn Fn(&[MessageExt], &C) -> S + Send + Sync;
type AsyncCall<C, S> = dyn Fn(Vec<MessageExt>, Arc<C>) -> BoxFuture<S> + Send + Sync;

/// A listener with context `C` and status `S`.
pub(crate) enum Listener<C, S> {
    /// Runs on threads for blocking work.
    Sync(Box<SyncCall<C, S>>),
    /// Runs on the runtime.
    Async(Box<AsyncCall<C, S>>),
}

impl<C, S> Listener<C, S> {
    /// True when it may block its thread.
    pub(crate) fn is_blocking(&self) -> bool {
        matches!(self, Self::Sync(_))
    }

    /// Calls it; a panic is returned as its text.
    pub(crate) async fn call(&self, messages: &[MessageExt], context: &Arc<C>) -> Result<S, String> {
        match self {
            Self::Sync(call) => without_panic(|| call(messages, context)),
            Self::Async(call) => {
                let made = without_panic(|| call(messages.to_vec(), context.clone()))?;
                future_without_panic(made).await
            }
        }
    }
}

/// What a push consumer calls.
pub(crate) enum Listening {
    Concurrent(Listener<ConcurrentContext, ConsumeConcurrentlyStatus>),
    Orderly(Listener<OrderlyContext, ConsumeOrderlyStatus>),
    /// Messages without order wait in the line until they are taken.
    Line(Arc<Line>),
}

impl Listening {
    pub(crate) fn is_orderly(&self) -> bool {
        matches!(self, Self::Orderly(_))
    }
}

/// Calls what the user gave; a panic becomes its text.
pub(crate) fn without_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(panic_text)
}

/// Polls a future; a panic in it becomes its text.
async fn future_without_panic<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| {
        let future: Pin<&mut _> = future.as_mut();
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic_text(panic))),
        }
    })
    .await
}

fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Arc<ConcurrentContext> {
        Arc::new(ConcurrentContext::new(Arc::new(MessageQueue::new("T", "b", 0))))
    }

    /// Panics of all three places come out as text.
    #[tokio::test]
    async fn panics() {
        type L = Listener<ConcurrentContext, ()>;
        let listeners = [
            L::Sync(Box::new(|_, _| panic!("plain"))),
            L::Async(Box::new(|_, _| panic!("making {}", 1))),
            L::Async(Box::new(|_, _| Box::pin(async { panic!("polling") }))),
        ];
        let mut texts = Vec::new();
        for listener in &listeners {
            texts.push(listener.call(&[], &context()).await.unwrap_err());
        }
        assert_eq!(texts, ["plain", "making 1", "polling"]);
    }

    /// The acknowledged index counts with success only, and never beyond the messages.
    #[test]
    fn acknowledged() {
        use ConsumeConcurrentlyStatus::{ReconsumeLater, Success};
        let context = context();
        assert_eq!((context.acknowledged(Success, 3), context.acknowledged(ReconsumeLater, 3)), (3, 0));
        context.set_ack_index(0);
        assert_eq!((context.acknowledged(Success, 3), context.acknowledged(ReconsumeLater, 3)), (1, 0));
        context.set_ack_index(7);
        assert_eq!(context.acknowledged(Success, 3), 3);
    }
}
