//! The producer: every way of sending, bounded by what may be under way at a time.
//!
//! A send is one future: no task, no timer and no queue per message. Concurrent sends to a broker share its connection,
//! which writes what has gathered with one vectored write.
//!
//! Limits: [`ProducerOptions::in_flight_max`] sends and [`ProducerOptions::in_flight_bytes_max`] bytes are under way at a
//! time; further sends wait for a place within their budget, in the order in which they came.
mod choose;
mod latency;
mod options;
mod prepare;
mod retry;
mod send;

pub use latency::LatencyOptions;
pub use options::{ProducerBuilder, ProducerOptions};

use crate::ending::Ending;
use crate::instance::{ClientInstance, Identity};
use crate::message::{Message, SendResult};
use crate::route::hash_index;
use crate::{platform, Error};
use ferromq_protocol::body::MessageQueue;
use ferromq_protocol::topic;
use latency::LatencyFaults;
use parking_lot::Mutex;
use prepare::Prepared;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{timeout_at, Instant};

/// Sends messages. Cheap to clone, usable from any task or thread; all clones are the same producer.
///
/// ```no_run
/// # async fn example() -> Result<(), ferromq::Error> {
/// use ferromq::{Message, Producer};
/// let producer = Producer::builder("shop").namesrv("127.0.0.1:9876").start().await?;
/// let result = producer.send(Message::new("orders", "paid").with_tag("paid")).await?;
/// println!("{} is in {} at {}", result.message_id, result.queue, result.queue_offset);
/// producer.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    group: String,
    options: ProducerOptions,
    instance: Arc<ClientInstance>,
    /// The instance ends with this producer.
    owns_instance: bool,
    /// Places for sends under way.
    places: Semaphore,
    /// Bytes for bodies under way.
    bytes: Semaphore,
    /// Used only with `latency_fault`; held for look-ups.
    latency: Mutex<LatencyFaults>,
    /// Set by shutdown: no new sends.
    closing: AtomicBool,
}

/// A place among the sends under way, given back when dropped.
struct Place<'a> {
    _place: SemaphorePermit<'a>,
    _bytes: SemaphorePermit<'a>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Producer({} as {})", self.inner.group, self.inner.instance.client_id())
    }
}

impl Producer {
    /// Options of a producer of `group`: at most 120 of the characters `%|a-zA-Z0-9_-`.
    pub fn builder(group: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder::new(group.into())
    }

    async fn start(builder: ProducerBuilder) -> Result<Self, Error> {
        let ProducerBuilder { group, client, options } = builder;
        let instance = ClientInstance::start(client, Identity::default())?;
        let producer = Self::on(instance, group, options, true)?;
        let instance = &producer.inner.instance;
        for topic in &producer.inner.options.topics {
            if let Err(error) = instance.routes().refresh(topic).await {
                tracing::warn!(%topic, %error, "route not fetched at start");
            }
        }
        instance.send_heartbeats_now().await;
        Ok(producer)
    }

    /// A producer on an instance that others may use too, for what consumers have to send.
    pub(crate) fn on(
        instance: Arc<ClientInstance>,
        group: String,
        options: ProducerOptions,
        owns_instance: bool,
    ) -> Result<Self, Error> {
        instance.register_producer(&group)?;
        let inner = Inner {
            places: Semaphore::new(options.in_flight_max as usize),
            bytes: Semaphore::new(options.in_flight_bytes_max as usize),
            latency: Mutex::default(),
            closing: AtomicBool::new(false),
            group,
            options,
            instance,
            owns_instance,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The producer group.
    pub fn group(&self) -> &str {
        &self.inner.group
    }

    /// The id by which brokers know this client.
    pub fn client_id(&self) -> &str {
        self.inner.instance.client_id()
    }

    /// The instance behind this producer.
    pub fn instance(&self) -> &Arc<ClientInstance> {
        &self.inner.instance
    }

    /// Sends to a queue chosen by round robin and waits for the broker's answer, with retries on other brokers within
    /// the budget (`send_timeout`). A retry after a lost answer can store the message twice, with the same unique id.
    ///
    /// # Errors
    /// [`Error::Validation`] before anything is sent: topic, empty body, body or properties too large.
    /// [`Error::NoNameServer`] and [`Error::NoRoute`] when there is nowhere to send to (missing or read-only topic), with
    /// the servers tried. [`Error::OutOfTime`] when no place got free in time (`in_flight_max`). After attempts: what one
    /// failed with ([`Error::Broker`], [`Error::Remoting`], [`Error::NoBroker`], [`Error::Decode`]), or of several
    /// [`Error::SendFailed`], which lists them. [`Error::State`] after a shutdown.
    pub fn send(&self, message: Message) -> impl Future<Output = Result<SendResult, Error>> + Send + '_ {
        self.send_within(message, self.inner.options.send_timeout)
    }

    /// Like [`Self::send`] with a budget of its own.
    pub async fn send_within(&self, message: Message, budget: Duration) -> Result<SendResult, Error> {
        let inner = &*self.inner;
        let deadline = platform::after(budget);
        let message = inner.single(message).await?;
        let _place = inner.place(&message, budget, deadline).await?;
        inner.send_anywhere(&message, deadline).await
    }

    /// Sends to the given queue. One attempt: a retry elsewhere would break the order.
    ///
    /// # Errors
    /// Those of [`Self::send`] but `SendFailed`; `Validation` when queue and message differ in topic; `NoBroker` when the
    /// topic's route does not have the queue's broker.
    pub async fn send_to(&self, message: Message, queue: &MessageQueue) -> Result<SendResult, Error> {
        let inner = &*self.inner;
        check_queue(&message.topic, queue)?;
        let message = inner.single(message).await?;
        inner.send_prepared(&message, queue).await
    }

    /// Sends to the queue whose index `selector` returns, given the writable queues in Java's order (at least one). One
    /// attempt.
    ///
    /// # Errors
    /// Those of [`Self::send`] but `SendFailed`; `Validation` when the index is outside the queues.
    pub async fn send_selected(
        &self,
        message: Message,
        selector: impl FnOnce(&[MessageQueue], &Message) -> usize,
    ) -> Result<SendResult, Error> {
        let inner = &*self.inner;
        inner.check_open()?;
        prepare::validate(&message, inner.options.max_message_size)?;
        let deadline = platform::after(inner.options.send_timeout);
        let route = inner.route(&message.topic, deadline).await?;
        let queues = route.publish_queues();
        let index = selector(queues, &message);
        let Some(queue) = queues.get(index) else {
            let reason = format!("selector chose queue {index} of {} of topic {}", queues.len(), message.topic);
            return Err(Error::validation(reason));
        };
        let message = inner.single(message).await?;
        let _place = inner.place(&message, inner.options.send_timeout, deadline).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        inner.attempt(&message, queue, left).await
    }

    /// Sends to the queue that `key` stands for, the same in every language: Java's hash over Java's queue order. Sets
    /// the property `__SHARDINGKEY`. One attempt; await each send before the next one of the same key.
    pub async fn send_sharded(&self, message: Message, key: &str) -> Result<SendResult, Error> {
        let message = message.with_sharding_key(key);
        self.send_selected(message, |queues, _| hash_index(key, queues.len())).await
    }

    /// Sends without an answer: `Ok` means handed to the connection, nothing more. One attempt.
    ///
    /// # Errors
    /// What happens before the message is handed over: `Validation`, `NoNameServer`, `NoRoute`, `OutOfTime`, `NoBroker`,
    /// `Remoting` (connect, or too much waits to be written), `State`.
    pub async fn send_oneway(&self, message: Message) -> Result<(), Error> {
        let inner = &*self.inner;
        let deadline = platform::after(inner.options.send_timeout);
        let message = inner.single(message).await?;
        let _place = inner.place(&message, inner.options.send_timeout, deadline).await?;
        let route = inner.route(&message.topic, deadline).await?;
        let queues = route.publish_queues();
        let queue = &queues[route.next_index() % queues.len()];
        inner.attempt_oneway(&message, queue, deadline.saturating_duration_since(Instant::now())).await
    }

    /// Sends several messages of one topic as one request. They get adjacent offsets of one queue, all or none. Together
    /// they may have `max_message_size` bytes; they are not compressed.
    ///
    /// # Errors
    /// Those of [`Self::send`]; `Validation` also for an empty batch, several topics, delayed messages, and messages that
    /// differ in waiting for the store (client.md 2.10).
    pub async fn send_batch(&self, messages: Vec<Message>) -> Result<SendResult, Error> {
        let inner = &*self.inner;
        let deadline = platform::after(inner.options.send_timeout);
        let batch = inner.batch(messages)?;
        let _place = inner.place(&batch, inner.options.send_timeout, deadline).await?;
        inner.send_anywhere(&batch, deadline).await
    }

    /// Sends a batch to the given queue. One attempt.
    pub async fn send_batch_to(&self, messages: Vec<Message>, queue: &MessageQueue) -> Result<SendResult, Error> {
        let inner = &*self.inner;
        let batch = inner.batch(messages)?;
        check_queue(&batch.topic, queue)?;
        inner.send_prepared(&batch, queue).await
    }

    /// The queues of a topic that can be written, in Java's order, straight from a name server. Empty when it is read-only.
    ///
    /// # Errors
    /// `Validation` of the topic's name, `NoRoute`, `NoNameServer`, `State`, within `api_timeout`.
    pub async fn publish_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, Error> {
        self.inner.check_open()?;
        topic::validate_topic(topic).map_err(|e| Error::validation(e.to_string()))?;
        Ok(self.inner.instance.routes().refresh(topic).await?.publish_queues().to_vec())
    }

    /// Waits until every send that is under way now has ended.
    pub async fn flush(&self) {
        // All places at once are free only when nothing is under way. An error means that the producer was shut down.
        let _ = self.inner.places.acquire_many(self.inner.options.in_flight_max).await;
    }

    /// Refuses new sends, waits for those under way (each within its budget), then unregisters the group and closes the
    /// connections within [`SHUTDOWN_WITHIN`](crate::SHUTDOWN_WITHIN). A second call does nothing.
    pub async fn shutdown(&self) {
        let inner = &*self.inner;
        if inner.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        let deadline = platform::after(inner.options.send_timeout);
        if timeout_at(deadline, self.flush()).await.is_err() {
            tracing::warn!(group = %inner.group, "shut down with sends under way: they fail");
        }
        inner.places.close();
        inner.bytes.close();
        let ending = Ending::begin();
        ending.leave(inner.instance.unregister_producer(&inner.group)).await;
        if inner.owns_instance {
            inner.instance.end(ending).await;
        }
    }
}

impl Inner {
    fn check_open(&self) -> Result<(), Error> {
        if self.closing.load(Ordering::Acquire) {
            return Err(shut_down());
        }
        Ok(())
    }

    async fn single(&self, message: Message) -> Result<Prepared, Error> {
        self.check_open()?;
        prepare::single(message, &self.options, platform::now_ms(), || self.instance.unique_id()).await
    }

    fn batch(&self, messages: Vec<Message>) -> Result<Prepared, Error> {
        self.check_open()?;
        prepare::batch(messages, &self.options, platform::now_ms(), || self.instance.unique_id())
    }

    /// Sends to a queue that the caller chose.
    async fn send_prepared(&self, message: &Prepared, queue: &MessageQueue) -> Result<SendResult, Error> {
        let budget = self.options.send_timeout;
        let deadline = platform::after(budget);
        let _place = self.place(message, budget, deadline).await?;
        self.attempt(message, queue, deadline.saturating_duration_since(Instant::now())).await
    }

    /// A place among the sends under way, waited for until `deadline`.
    async fn place(&self, message: &Prepared, budget: Duration, deadline: Instant) -> Result<Place<'_>, Error> {
        // A body larger than all places together must not wait for ever.
        let len = u32::try_from(message.body.len()).unwrap_or(u32::MAX).min(self.options.in_flight_bytes_max);
        let out_of_time =
            |reason| Error::OutOfTime { what: format!("message to topic {}", message.topic), reason, budget };
        let place = acquire(&self.places, 1, deadline).await;
        let place = place.map_err(|e| e.into_error(|| out_of_time("too many sends are under way (in_flight_max)")))?;
        let bytes = acquire(&self.bytes, len, deadline).await;
        let bytes =
            bytes.map_err(|e| e.into_error(|| out_of_time("too many bytes are under way (in_flight_bytes_max)")))?;
        Ok(Place { _place: place, _bytes: bytes })
    }
}

/// Why there is no place.
enum NoPlace {
    Late,
    Closed,
}

impl NoPlace {
    fn into_error(self, late: impl FnOnce() -> Error) -> Error {
        match self {
            Self::Late => late(),
            Self::Closed => shut_down(),
        }
    }
}

async fn acquire(semaphore: &Semaphore, count: u32, deadline: Instant) -> Result<SemaphorePermit<'_>, NoPlace> {
    match semaphore.try_acquire_many(count) {
        Ok(permit) => Ok(permit),
        Err(tokio::sync::TryAcquireError::Closed) => Err(NoPlace::Closed),
        Err(tokio::sync::TryAcquireError::NoPermits) => {
            match timeout_at(deadline, semaphore.acquire_many(count)).await {
                Ok(Ok(permit)) => Ok(permit),
                Ok(Err(_)) => Err(NoPlace::Closed),
                Err(_) => Err(NoPlace::Late),
            }
        }
    }
}

fn check_queue(topic: &str, queue: &MessageQueue) -> Result<(), Error> {
    if queue.topic == topic {
        return Ok(());
    }
    Err(Error::validation(format!("message to topic {topic} cannot go to {queue}: the topics differ")))
}

fn shut_down() -> Error {
    Error::State { what: "producer", state: "shut down" }
}
