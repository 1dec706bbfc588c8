//! The push consumer as languages see it: they take messages and settle them.
use crate::echo::Feed;
use crate::event::{Event, Value};
use crate::failure::Failure;
use crate::fork::Guarded;
use crate::options::PushConfig;
use crate::reply::ReplyTo;
use crate::{runtime, EventQueue, Ready, WakeUp};
use ferromq::{Delivery, MessageExt, Outcome};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

const WHAT: &str = "push consumer";

/// A message that was taken and must be settled. Dropping it holds its queue's offset back until `consume_timeout`.
#[derive(Debug)]
pub struct Taken(Origin);

#[derive(Debug)]
enum Origin {
    Broker(Delivery),
    Echo(MessageExt),
}

impl Taken {
    /// The message.
    pub fn message(&self) -> &MessageExt {
        match &self.0 {
            Origin::Broker(delivery) => delivery.message(),
            Origin::Echo(message) => message,
        }
    }
}

/// A push consumer. Made without any I/O; [`PushConsumer::start`] joins the group.
pub struct PushConsumer {
    inner: Guarded<Arc<Inner>>,
}

struct Inner {
    /// Taken by the start.
    builder: Mutex<Option<ferromq::PushConsumerBuilder>>,
    /// What the start came to.
    started: OnceCell<Result<(), Failure>>,
    source: OnceLock<Source>,
    shared: Arc<Shared>,
    runtime: Handle,
    closing: AtomicBool,
}

enum Source {
    Broker(ferromq::PushConsumer),
    Echo(Arc<Feed>),
}

/// What the source wakes.
struct Shared {
    events: EventQueue<Event>,
    ready: Ready,
    /// An [`Event::Ready`] is in the queue, or was seen and nobody has taken since.
    noted: AtomicBool,
}

impl Shared {
    fn on_ready(&self) {
        self.ready.set();
        if !self.noted.swap(true, Ordering::AcqRel) {
            self.events.push(Event::Ready);
        }
    }
}

impl PushConsumer {
    /// A consumer with these options and subscriptions (topic and expression: `*`, or tags joined by `||`). `orderly`: messages
    /// of a queue in order.
    ///
    /// # Errors
    /// [`Class::Config`](crate::Class::Config) and [`Class::Validation`](crate::Class::Validation) of options, group and
    /// subscriptions.
    pub fn new(
        config: PushConfig,
        orderly: bool,
        subscriptions: &[(String, String)],
        wake_up: WakeUp,
    ) -> Result<Self, Failure> {
        let shared = Shared::new(wake_up);
        let woken = shared.clone();
        let on_ready = move || woken.on_ready();
        let mut builder = ferromq::PushConsumer::builder(config.group);
        builder = builder.client_options(config.client).options(config.options);
        for (topic, expression) in subscriptions {
            builder = builder.subscribe(topic, expression);
        }
        builder = if orderly { builder.taken_orderly(on_ready) } else { builder.taken(on_ready) };
        builder.check()?;
        Self::make(Some(builder), shared)
    }

    /// A consumer of messages that `feed` makes up: for tests and benchmarks of bindings.
    pub fn echo(feed: Feed, wake_up: WakeUp) -> Result<Self, Failure> {
        let shared = Shared::new(wake_up);
        let consumer = Self::make(None, shared.clone())?;
        let feed = feed.start(move || shared.on_ready());
        if let Some(inner) = consumer.inner.here() {
            // A new one has no source yet.
            let _ = inner.source.set(Source::Echo(feed));
        }
        Ok(consumer)
    }

    fn make(builder: Option<ferromq::PushConsumerBuilder>, shared: Arc<Shared>) -> Result<Self, Failure> {
        let inner = Inner {
            builder: Mutex::new(builder),
            started: OnceCell::new(),
            source: OnceLock::new(),
            shared,
            runtime: runtime::handle()?,
            closing: AtomicBool::new(false),
        };
        Ok(Self { inner: Guarded::new(Arc::new(inner)) })
    }

    fn inner(&self) -> Result<&Arc<Inner>, Failure> {
        self.inner.get(WHAT)
    }

    /// Where results of calls with tokens and [`Event::Ready`] come out.
    pub fn events(&self) -> Result<&EventQueue<Event>, Failure> {
        Ok(&self.inner()?.shared.events)
    }

    /// Joins the group. [`Value::Nothing`]. A second start waits for the first and gives its result.
    pub fn start(&self, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?.clone();
        if inner.closing.load(Ordering::Acquire) {
            return Err(Failure::closed(WHAT));
        }
        inner.runtime.clone().spawn(async move {
            let result = inner.start().await;
            to.done(&inner.shared.events, result.map(|()| Value::Nothing));
        });
        Ok(())
    }

    /// Takes at most `max` messages that wait here, without waiting; in order, all of one batch, whatever `max` is (at most
    /// the option `batch_size`): messages of one queue, of which nothing more is given out until they are settled. After
    /// [`Event::Ready`] take until nothing comes.
    ///
    /// # Errors
    /// [`Class::Closed`](crate::Class::Closed), [`Class::Forked`](crate::Class::Forked).
    pub fn take(&self, max: usize) -> Result<Vec<Taken>, Failure> {
        let inner = self.inner()?;
        inner.check_open()?;
        // First: what comes after this is noted again.
        inner.shared.noted.store(false, Ordering::Release);
        let (taken, more) = inner.take(max);
        if more {
            inner.shared.on_ready();
        }
        Ok(taken)
    }

    /// Like [`Self::take`], waiting up to `limit` for messages. Empty when none came. Any number of threads may wait; a
    /// language uses either this or events.
    pub fn take_wait(&self, max: usize, limit: Duration) -> Result<Vec<Taken>, Failure> {
        let inner = self.inner()?;
        inner.check_open()?;
        let taken = inner.shared.ready.take(limit, || {
            let (taken, more) = inner.take(max);
            ((!taken.is_empty()).then_some(taken), more)
        });
        Ok(taken.unwrap_or_default())
    }

    /// Says what came of messages that were taken here; many at once cost least. In order, the first one that is not consumed
    /// ends its batch: what is behind it comes again with it. Works while closing, as long as `drain_timeout`.
    pub fn settle(&self, settled: Vec<(Taken, Outcome)>) -> Result<(), Failure> {
        let inner = self.inner()?;
        let Some(Source::Broker(consumer)) = inner.source.get() else { return Ok(()) };
        // Failed ones are sent back by tasks.
        let _runtime = inner.runtime.enter();
        let of_broker = settled.into_iter().filter_map(|(taken, outcome)| match taken.0 {
            Origin::Broker(delivery) => Some((delivery, outcome)),
            Origin::Echo(_) => None,
        });
        consumer.settle(of_broker.collect());
        Ok(())
    }

    /// Stops giving out, waits up to `drain_timeout` for what is taken, commits, leaves the group. [`Value::Nothing`].
    /// A second call answers at once.
    pub fn close(&self, to: ReplyTo) -> Result<(), Failure> {
        let inner = self.inner()?.clone();
        let first = !inner.closing.swap(true, Ordering::AcqRel);
        inner.shared.ready.close();
        inner.runtime.clone().spawn(async move {
            if first {
                inner.end().await;
            }
            to.done(&inner.shared.events, Ok(Value::Nothing));
        });
        Ok(())
    }

    /// True once it is closing or closed.
    pub fn is_closing(&self) -> bool {
        self.inner.here().is_none_or(|inner| inner.closing.load(Ordering::Acquire))
    }

    /// Queues this member consumes now.
    pub fn assigned_queues(&self) -> Result<Vec<ferromq::MessageQueue>, Failure> {
        Ok(match self.inner()?.source.get() {
            Some(Source::Broker(consumer)) => consumer.assigned_queues(),
            _ => Vec::new(),
        })
    }
}

impl Drop for PushConsumer {
    /// Closes in the background.
    fn drop(&mut self) {
        if let Some(inner) = self.inner.here() {
            inner.shared.events.close();
            inner.shared.ready.close();
            if !inner.closing.swap(true, Ordering::AcqRel) {
                let inner = inner.clone();
                inner.runtime.clone().spawn(async move { inner.end().await });
            }
        }
    }
}

impl Shared {
    fn new(wake_up: WakeUp) -> Arc<Self> {
        Arc::new(Self { events: EventQueue::new(wake_up), ready: Ready::default(), noted: AtomicBool::new(false) })
    }
}

impl Inner {
    fn check_open(&self) -> Result<(), Failure> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Failure::closed(WHAT));
        }
        Ok(())
    }

    /// Joins the group once; whoever asks again gets the same answer.
    async fn start(&self) -> Result<(), Failure> {
        self.started.get_or_init(|| self.join()).await.clone()
    }

    async fn join(&self) -> Result<(), Failure> {
        let Some(builder) = self.builder.lock().take() else { return Ok(()) };
        let consumer = builder.start().await?;
        // Set once: there was one builder.
        let _ = self.source.set(Source::Broker(consumer));
        if self.closing.load(Ordering::Acquire) {
            // Closed meanwhile: whoever closed found nothing to end.
            self.end().await;
        }
        Ok(())
    }

    fn take(&self, max: usize) -> (Vec<Taken>, bool) {
        match self.source.get() {
            Some(Source::Broker(consumer)) => {
                let (taken, more) = consumer.take(max);
                (taken.into_iter().map(|delivery| Taken(Origin::Broker(delivery))).collect(), more)
            }
            Some(Source::Echo(feed)) => {
                let (taken, more) = feed.take(max);
                (taken.into_iter().map(|message| Taken(Origin::Echo(message))).collect(), more)
            }
            None => (Vec::new(), false),
        }
    }

    async fn end(&self) {
        match self.source.get() {
            Some(Source::Broker(consumer)) => consumer.shutdown().await,
            Some(Source::Echo(feed)) => feed.stop(),
            None => {}
        }
    }
}
