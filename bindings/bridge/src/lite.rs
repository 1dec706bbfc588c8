//! The lite pull consumer as languages see it: every call is begun here and answered through the queue or a slot.
use crate::event::{Event, Value};
use crate::failure::Failure;
use crate::fork::Guarded;
use crate::options::LiteConfig;
use crate::reply::ReplyTo;
use crate::{runtime, EventQueue, WakeUp};
use ferromq::MessageQueue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{watch, OnceCell};

const WHAT: &str = "lite pull consumer";

/// What a lite pull consumer can be asked for. Offsets are those of the next message to consume.
#[derive(Debug, Clone)]
pub enum LiteCall {
    /// Joins its group; nothing else needs it to be called first. [`Value::Nothing`].
    Start,
    /// Joins the group for a topic: `*`, or tags joined by `||`. [`Value::Nothing`].
    Subscribe(String, String),
    /// Ends the subscription of a topic. [`Value::Flag`]: it was subscribed.
    Unsubscribe(String),
    /// Reads exactly these queues, only messages whose tag fits the expression. [`Value::Nothing`].
    Assign(Vec<MessageQueue>, String),
    /// Messages, waited for up to this time. [`Value::Messages`], empty when none came. With `auto_commit` it says that
    /// what the poll before returned is processed; a binding that throws a result away must not poll on.
    Poll(Duration),
    /// Commits the positions of all assigned queues. [`Value::Nothing`].
    Commit,
    /// Commits the positions of all assigned queues, but of those given here the given offsets: what a binding has polled
    /// and not handed on yet must not count as consumed. [`Value::Nothing`].
    CommitExcept(Vec<(MessageQueue, i64)>),
    /// Commits these offsets. [`Value::Nothing`].
    CommitOffsets(Vec<(MessageQueue, i64)>),
    /// The committed offset of a queue. [`Value::Offset`].
    Committed(MessageQueue),
    /// Reads on at an offset. [`Value::Nothing`].
    Seek(MessageQueue, i64),
    /// Reads on at the first message. [`Value::Nothing`].
    SeekToBegin(MessageQueue),
    /// Reads on after the last message. [`Value::Nothing`].
    SeekToEnd(MessageQueue),
    /// Stops pulling these queues. [`Value::Nothing`].
    Pause(Vec<MessageQueue>),
    /// Pulls these queues again. [`Value::Nothing`].
    Resume(Vec<MessageQueue>),
    /// The queues assigned now. [`Value::Queues`].
    Assignment,
    /// The offset after the last message that a poll returned. [`Value::Offset`].
    Position(MessageQueue),
    /// The queues of a topic. [`Value::Queues`].
    Queues(String),
    /// The offset of the first message stored at or after this time, milliseconds since 1970. [`Value::Offset`].
    OffsetForTime(MessageQueue, i64),
    /// The smallest offset still there. [`Value::Offset`].
    MinOffset(MessageQueue),
    /// The offset the next message will get. [`Value::Offset`].
    MaxOffset(MessageQueue),
}

/// A lite pull consumer. Made without any I/O; it starts with its first call.
pub struct LitePullConsumer {
    inner: Guarded<Arc<Inner>>,
}

struct Inner {
    config: LiteConfig,
    consumer: OnceCell<ferromq::LitePullConsumer>,
    events: EventQueue<Event>,
    runtime: Handle,
    closing: AtomicBool,
    /// Ends the polls that wait.
    interrupt: watch::Sender<()>,
}

impl LitePullConsumer {
    /// A consumer with these options.
    ///
    /// # Errors
    /// [`Class::Config`](crate::Class::Config) of options and group.
    pub fn new(config: LiteConfig, wake_up: WakeUp) -> Result<Self, Failure> {
        builder(&config).check()?;
        let inner = Inner {
            config,
            consumer: OnceCell::new(),
            events: EventQueue::new(wake_up),
            runtime: runtime::handle()?,
            closing: AtomicBool::new(false),
            interrupt: watch::channel(()).0,
        };
        Ok(Self { inner: Guarded::new(Arc::new(inner)) })
    }

    fn inner(&self) -> Result<&Arc<Inner>, Failure> {
        self.inner.get(WHAT)
    }

    /// Where results of calls with tokens come out.
    pub fn events(&self) -> Result<&EventQueue<Event>, Failure> {
        Ok(&self.inner()?.events)
    }

    /// Begins a call; the result is [`Event::Done`].
    ///
    /// # Errors
    /// Only [`Class::Closed`](crate::Class::Closed) and [`Class::Forked`](crate::Class::Forked); the rest is the result.
    pub fn call(&self, call: LiteCall, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?.clone();
        if inner.closing.load(Ordering::Acquire) {
            return Err(Failure::closed(WHAT));
        }
        // From now on: an interrupt that comes before the poll has begun counts too.
        let interrupted = inner.interrupt.subscribe();
        inner.runtime.clone().spawn(async move {
            let result = inner.run(call, interrupted).await.map_err(Failure::from);
            to.done(&inner.events, result);
        });
        Ok(())
    }

    /// Ends the polls that wait now as if their time were over: each answers with the messages it has already got, or with
    /// none. For callers who give up a poll and must not lose what it takes from the cache.
    pub fn interrupt(&self) -> Result<(), Failure> {
        self.inner()?.interrupt.send_replace(());
        Ok(())
    }

    /// Ends polls that wait, commits (with `auto_commit`), leaves the group. [`Value::Nothing`]. A second call answers at
    /// once.
    pub fn close(&self, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?.clone();
        let first = !inner.closing.swap(true, Ordering::AcqRel);
        inner.runtime.clone().spawn(async move {
            if first {
                inner.end().await;
            }
            to.done(&inner.events, Ok(Value::Nothing));
        });
        Ok(())
    }
}

impl Drop for LitePullConsumer {
    /// Closes in the background.
    fn drop(&mut self) {
        if let Some(inner) = self.inner.here() {
            inner.events.close();
            if !inner.closing.swap(true, Ordering::AcqRel) {
                let inner = inner.clone();
                inner.runtime.clone().spawn(async move { inner.end().await });
            }
        }
    }
}

fn builder(config: &LiteConfig) -> ferromq::LitePullConsumerBuilder {
    let builder = ferromq::LitePullConsumer::builder(config.group.clone());
    builder.client_options(config.client.clone()).options(config.options.clone())
}

impl Inner {
    async fn end(&self) {
        if let Some(consumer) = self.consumer.get() {
            consumer.shutdown().await;
        }
    }

    async fn run(&self, call: LiteCall, mut interrupted: watch::Receiver<()>) -> Result<Value, ferromq::Error> {
        let consumer = self.consumer.get_or_try_init(|| builder(&self.config).start()).await?;
        match call {
            LiteCall::Start => Ok(Value::Nothing),
            LiteCall::Subscribe(topic, expression) => nothing(consumer.subscribe(&topic, &expression).await),
            LiteCall::Unsubscribe(topic) => Ok(Value::Flag(consumer.unsubscribe(&topic).await)),
            LiteCall::Assign(queues, expression) => nothing(consumer.assign_filtered(&queues, &expression).await),
            LiteCall::Poll(limit) => tokio::select! {
                // A poll that is dropped has handed out nothing.
                messages = consumer.poll(limit) => messages.map(Value::Messages),
                _ = interrupted.changed() => Ok(Value::Messages(Vec::new())),
            },
            LiteCall::Commit => nothing(consumer.commit().await),
            LiteCall::CommitExcept(held) => {
                let offset = |queue: &MessageQueue| {
                    let known = held.iter().find(|(of, _)| of == queue).map(|(_, offset)| *offset);
                    known.or_else(|| consumer.position(queue))
                };
                let queues = consumer.assignment().into_iter();
                let offsets: Vec<_> = queues.filter_map(|queue| offset(&queue).map(|at| (queue, at))).collect();
                nothing(consumer.commit_offsets(&offsets).await)
            }
            LiteCall::CommitOffsets(offsets) => nothing(consumer.commit_offsets(&offsets).await),
            LiteCall::Committed(queue) => consumer.committed(&queue).await.map(Value::Offset),
            LiteCall::Seek(queue, offset) => nothing(consumer.seek(&queue, offset).await),
            LiteCall::SeekToBegin(queue) => nothing(consumer.seek_to_begin(&queue).await),
            LiteCall::SeekToEnd(queue) => nothing(consumer.seek_to_end(&queue).await),
            LiteCall::Pause(queues) => {
                consumer.pause(&queues);
                Ok(Value::Nothing)
            }
            LiteCall::Resume(queues) => {
                consumer.resume(&queues);
                Ok(Value::Nothing)
            }
            LiteCall::Assignment => Ok(Value::Queues(consumer.assignment())),
            LiteCall::Position(queue) => Ok(Value::Offset(consumer.position(&queue))),
            LiteCall::Queues(topic) => consumer.fetch_queues(&topic).await.map(Value::Queues),
            LiteCall::OffsetForTime(queue, time) => offset(consumer.offset_for_time(&queue, time).await),
            LiteCall::MinOffset(queue) => offset(consumer.min_offset(&queue).await),
            LiteCall::MaxOffset(queue) => offset(consumer.max_offset(&queue).await),
        }
    }
}

fn nothing(result: Result<(), ferromq::Error>) -> Result<Value, ferromq::Error> {
    result.map(|()| Value::Nothing)
}

fn offset(result: Result<i64, ferromq::Error>) -> Result<Value, ferromq::Error> {
    result.map(|offset| Value::Offset(Some(offset)))
}
