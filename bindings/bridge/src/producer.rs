//! The producer as languages see it.
use crate::echo;
use crate::event::{Event, Value};
use crate::failure::{Class, Failure};
use crate::fork::Guarded;
use crate::options::ProducerConfig;
use crate::outbox::{Group, Job, JobReply, Outbox};
use crate::reply::ReplyTo;
use crate::{runtime, EventQueue, WakeUp};
use ferromq::{Message, MessageQueue, SendResult};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

const WHAT: &str = "producer";

/// Which queue a message goes to, and whether an answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Any queue, with retries on other brokers.
    Anywhere,
    /// The queue that this key stands for, the same in every language. One attempt.
    Sharded(String),
    /// This queue. One attempt.
    Queue(MessageQueue),
    /// Any queue, without an answer.
    OneWay,
}

/// A producer. Made without any I/O; started by [`Producer::start`] or the first send.
pub struct Producer {
    inner: Guarded<Arc<Inner>>,
}

struct Inner {
    config: ProducerConfig,
    /// No network: every send ends at once.
    echo: bool,
    events: EventQueue<Event>,
    outbox: Outbox,
    runtime: Handle,
    /// Whether the task was started. Set once, under no lock: whoever sets it starts the task.
    started: AtomicBool,
    /// What the start came to.
    start: watch::Sender<Option<Result<(), Failure>>>,
    /// Set when the task is over.
    over: watch::Sender<bool>,
}

impl Producer {
    /// A producer with these options.
    ///
    /// # Errors
    /// [`Class::Config`] when an option has an impossible value; [`Class::Internal`] when the system has no threads.
    pub fn new(config: ProducerConfig, wake_up: WakeUp) -> Result<Self, Failure> {
        builder(&config).check()?;
        Self::make(config, wake_up, false)
    }

    /// A producer whose sends all succeed at once, without any network: for tests and benchmarks of bindings.
    pub fn echo(config: ProducerConfig, wake_up: WakeUp) -> Result<Self, Failure> {
        Self::make(config, wake_up, true)
    }

    fn make(config: ProducerConfig, wake_up: WakeUp, echo: bool) -> Result<Self, Failure> {
        let inner = Inner {
            outbox: Outbox::new(config.queue_count_max, config.queue_bytes_max),
            config,
            echo,
            events: EventQueue::new(wake_up),
            runtime: runtime::handle()?,
            started: AtomicBool::new(false),
            start: watch::channel(None).0,
            over: watch::channel(false).0,
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

    /// Starts, which needs no name server yet. [`Value::Nothing`]. Not needed before a send.
    pub fn start(&self, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?.clone();
        inner.ensure_started();
        let mut start = inner.start.subscribe();
        inner.runtime.clone().spawn(async move {
            let result = match start.wait_for(Option::is_some).await {
                Ok(result) => result.clone().unwrap_or(Ok(())),
                Err(_) => Err(Failure::closed(WHAT)),
            };
            to.done(&inner.events, result.map(|()| Value::Nothing));
        });
        Ok(())
    }

    /// Sends one message; the result is [`Event::Sent`].
    ///
    /// # Errors
    /// Only [`Class::Closed`] and [`Class::Forked`]; everything else is the result.
    pub fn send(&self, message: Message, how: How, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?;
        inner.ensure_started();
        inner.outbox.send(std::iter::once(Job { message, how, to: JobReply::One(to) }))
    }

    /// Like [`Self::send`] for each of them, with one wake-up of the runtime for all: for languages that gather what is sent
    /// in a turn of their loop.
    pub fn send_each(&self, messages: Vec<(Message, How, ReplyTo)>) -> Result<(), Failure> {
        let inner = self.inner()?;
        inner.ensure_started();
        let jobs = messages.into_iter().map(|(message, how, to)| Job { message, how, to: JobReply::One(to) });
        inner.outbox.send(jobs)
    }

    /// Sends many messages, each on its own; the result is one [`Event::SentMany`] in their order. Of one key each waits for
    /// the one before only as far as the connection keeps the order: await sends of one key one by one.
    pub fn send_many(&self, messages: Vec<(Message, How)>, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?;
        inner.ensure_started();
        if messages.is_empty() {
            to.sent_many(&inner.events, Vec::new());
            return Ok(());
        }
        if messages.iter().any(|(_, how)| *how == How::OneWay) {
            return Err(Failure::new(Class::Validation, "one-way messages have no results: send them one by one"));
        }
        let group = Group::new(messages.len(), to);
        let jobs = messages.into_iter().enumerate();
        let jobs = jobs.map(|(at, (message, how))| Job { message, how, to: JobReply::Part(group.clone(), at) });
        inner.outbox.send_all(jobs)
    }

    /// Puts a message in line and returns at once. `to` may be [`ReplyTo::Nobody`]; see [`Self::flush`].
    ///
    /// # Errors
    /// [`Class::QueueFull`] when `queue_count_max` or `queue_bytes_max` is reached.
    pub fn enqueue(&self, message: Message, how: How, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?;
        inner.ensure_started();
        inner.outbox.enqueue(Job { message, how, to: JobReply::One(to) })
    }

    /// How many messages, and how many bytes of bodies, [`Self::enqueue`] will take for certain, as long as nobody else
    /// enqueues: for bindings that gather messages and still refuse the right one.
    pub fn room(&self) -> Result<(usize, usize), Failure> {
        Ok(self.inner()?.outbox.room())
    }

    /// Answers [`Value::Flushed`] as soon as no send is under way and none waits.
    pub fn flush(&self, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?;
        inner.outbox.flush(to, &inner.events);
        Ok(())
    }

    /// Refuses new sends, waits up to `limit` for those given, lets the rest fail, leaves and closes. [`Value::Nothing`]. A
    /// second call waits for the first.
    pub fn close(&self, limit: Duration, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?.clone();
        inner.outbox.close();
        inner.runtime.clone().spawn(async move {
            inner.wait_over(limit).await;
            to.done(&inner.events, Ok(Value::Nothing));
        });
        Ok(())
    }
}

impl Drop for Producer {
    /// What was given is still sent, in the background, for as long as a send may take.
    fn drop(&mut self) {
        if let Some(inner) = self.inner.here() {
            inner.events.close();
            inner.outbox.close();
            let inner = inner.clone();
            let limit = inner.config.options.send_timeout;
            inner.runtime.clone().spawn(async move { inner.wait_over(limit).await });
        }
    }
}

impl Inner {
    fn ensure_started(self: &Arc<Self>) {
        // Read first: that it is set is seen without taking the cache line from other senders.
        if !self.started.load(Ordering::Acquire) && !self.started.swap(true, Ordering::AcqRel) {
            self.runtime.spawn(run(self.clone()));
        }
    }

    /// Waits for the task; what has not been begun after `limit` fails.
    async fn wait_over(&self, limit: Duration) {
        if !self.started.load(Ordering::Acquire) {
            return;
        }
        let mut over = self.over.subscribe();
        if timeout(limit, over.wait_for(|over| *over)).await.is_err() {
            self.outbox.abandon(&Failure::closed(WHAT), &self.events);
            // Those under way end within their own budget.
            let _ = over.wait_for(|over| *over).await;
        }
    }
}

fn builder(config: &ProducerConfig) -> ferromq::ProducerBuilder {
    let builder = ferromq::Producer::builder(config.group.clone());
    builder.client_options(config.client.clone()).options(config.options.clone())
}

/// The task of a producer, from its start to its end.
async fn run(inner: Arc<Inner>) {
    if inner.echo {
        inner.start.send_replace(Some(Ok(())));
        inner.outbox.echo(&inner.events, echo::answer).await;
    } else {
        match builder(&inner.config).start().await {
            Ok(producer) => {
                inner.start.send_replace(Some(Ok(())));
                let window = inner.config.options.in_flight_max as usize;
                inner.outbox.drive(window, &inner.events, |message, how| send(producer.clone(), message, how)).await;
                producer.shutdown().await;
            }
            Err(error) => {
                let failure = Failure::from(error);
                inner.start.send_replace(Some(Err(failure.clone())));
                inner.outbox.abandon(&failure, &inner.events);
            }
        }
    }
    inner.over.send_replace(true);
}

async fn send(producer: ferromq::Producer, message: Message, how: How) -> Result<Option<SendResult>, Failure> {
    let sent = match how {
        How::Anywhere => producer.send(message).await.map(Some),
        How::Sharded(key) => producer.send_sharded(message, &key).await.map(Some),
        How::Queue(queue) => producer.send_to(message, &queue).await.map(Some),
        How::OneWay => producer.send_oneway(message).await.map(|()| None),
    };
    sent.map_err(Failure::from)
}
