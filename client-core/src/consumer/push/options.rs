//! Options of a push consumer (client.md 3.1) and the builder that starts one.
//!
//! Java options that do not exist here: `consumeThreadMin` (threads come and go by need), `adjustThreadPoolNumsThreshold`
//! (no effect in Java), `unitMode`, and those of pop consumption.
use super::line::Line;
use super::PushConsumer;
use crate::consumer::listener::{
    ConcurrentContext, ConsumeConcurrentlyStatus, ConsumeOrderlyStatus, Listener, Listening, OrderlyContext,
};
use crate::consumer::subscription::{check_group, Subscriptions};
use crate::consumer::{AllocateStrategy, ConsumeFrom};
use crate::message::MessageExt;
use crate::options::client_builder_methods;
use crate::{ClientOptions, Error};
use ferromq_protocol::body::{MessageModel, MessageQueue};
use std::future::Future;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Told about a topic's queues and this member's share whenever the share changes.
pub type AssignmentListener = dyn Fn(&str, &[MessageQueue], &[MessageQueue]) + Send + Sync;

/// Options of one push consumer.
#[derive(Clone)]
pub struct PushOptions {
    /// `messageModel`: one member gets a message, or every member does.
    pub message_model: MessageModel,
    /// `consumeFromWhere` and `consumeTimestamp`: where queues without a committed offset begin.
    pub consume_from: ConsumeFrom,
    /// `allocateMessageQueueStrategy`: must be the same in all members of the group.
    pub allocate: AllocateStrategy,
    /// `messageQueueListener`.
    pub assignment_listener: Option<Arc<AssignmentListener>>,
    /// `consumeThreadMax`, 1 to 1000: listener calls at a time.
    pub consume_threads: usize,
    /// `consumeConcurrentlyMaxSpan`, 1 to 65535: largest distance between first and last cached offset of a queue. At the
    /// limit the queue is not pulled; without it one stuck message would make a crash repeat everything behind it.
    pub max_span: i64,
    /// `pullThresholdForQueue`, 1 to 65535: cached messages of a queue above which it is not pulled.
    pub cache_count_per_queue: usize,
    /// `pullThresholdSizeForQueue`, 1 to 1024 MiB, here in bytes: the same for bodies.
    pub cache_bytes_per_queue: usize,
    /// `pullThresholdForTopic`: replaces the limit per queue by this divided by the number of own queues.
    pub cache_count_total: Option<usize>,
    /// `pullThresholdSizeForTopic`, in bytes: the same for bodies.
    pub cache_bytes_total: Option<usize>,
    /// `pullInterval`, up to 65.535 s: pause after a pull that found messages.
    pub pull_interval: Duration,
    /// `pullBatchSize`, 1 to 1024: messages per pull; brokers have a limit of their own (usually 32).
    pub pull_batch_size: i32,
    /// `pullBatchSizeInBytes`: bytes per pull.
    pub pull_batch_bytes: i32,
    /// `pullTimeDelayMillsWhenException`: pause after a failed pull.
    pub pull_error_pause: Duration,
    /// How long a broker may hold a pull that finds nothing. Below the 30 s after which the client gives up waiting.
    pub broker_suspend: Duration,
    /// `postSubscriptionWhenPull`: send the expression with every pull.
    pub expression_with_pull: bool,
    /// `consumeMessageBatchMaxSize`, 1 to 1024: messages per listener call.
    pub consume_batch_size: usize,
    /// `maxReconsumeTimes`: deliveries after the first before a message becomes a dead letter. `None`: 16, or without end
    /// for orderly consumers, whose queue a failing message then blocks.
    pub max_reconsume_times: Option<i32>,
    /// `suspendCurrentQueueTimeMillis`, used within 10 ms to 30 s: pause of an orderly queue after a failure.
    pub suspend: Duration,
    /// `consumeTimeout`: a message that is in a concurrent listener for longer is sent back, so that it no longer holds the
    /// offset. The listener is not interrupted.
    pub consume_timeout: Duration,
    /// `persistConsumerOffsetInterval`: how often offsets are committed.
    pub commit_interval: Duration,
    /// How long a shutdown waits for listeners that are running (Java: `awaitTerminationMillisWhenShutdown`, 0). Messages
    /// of listeners that take longer come again.
    pub drain_timeout: Duration,
    /// `rocketmq.client.localOffsetStoreDir`: where a broadcasting consumer keeps its offsets. `None`:
    /// `~/.rocketmq_offsets`.
    pub local_offset_dir: Option<PathBuf>,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            message_model: MessageModel::Clustering,
            consume_from: ConsumeFrom::Last,
            allocate: AllocateStrategy::default(),
            assignment_listener: None,
            consume_threads: 20,
            max_span: 2000,
            cache_count_per_queue: 1000,
            cache_bytes_per_queue: 100 * 1024 * 1024,
            cache_count_total: None,
            cache_bytes_total: None,
            pull_interval: Duration::ZERO,
            pull_batch_size: 32,
            pull_batch_bytes: 256 * 1024,
            pull_error_pause: Duration::from_secs(1),
            broker_suspend: Duration::from_secs(15),
            expression_with_pull: false,
            consume_batch_size: 1,
            max_reconsume_times: None,
            suspend: Duration::from_secs(1),
            consume_timeout: Duration::from_secs(15 * 60),
            commit_interval: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
            local_offset_dir: None,
        }
    }
}

impl PushOptions {
    /// Checks the ranges of client.md 3.1.
    fn check(&self) -> Result<(), Error> {
        const MIB: usize = 1024 * 1024;
        within("consume_threads", self.consume_threads, 1..=1000)?;
        within("max_span", self.max_span, 1..=65_535)?;
        within("cache_count_per_queue", self.cache_count_per_queue, 1..=65_535)?;
        within("cache_bytes_per_queue", self.cache_bytes_per_queue, 1..=1024 * MIB)?;
        within("cache_count_total", self.cache_count_total.unwrap_or(1), 1..=6_553_500)?;
        within("cache_bytes_total", self.cache_bytes_total.unwrap_or(1), 1..=102_400 * MIB)?;
        within("pull_interval", self.pull_interval, Duration::ZERO..=Duration::from_millis(65_535))?;
        within("pull_batch_size", self.pull_batch_size, 1..=1024)?;
        within("pull_batch_bytes", self.pull_batch_bytes, 1..=i32::MAX)?;
        within("broker_suspend", self.broker_suspend, Duration::ZERO..=Duration::from_secs(29))?;
        within("consume_batch_size", self.consume_batch_size, 1..=1024)?;
        within("max_reconsume_times", self.max_reconsume_times.unwrap_or(0), 0..=i32::MAX)?;
        within("consume_timeout", self.consume_timeout, Duration::from_secs(1)..=Duration::MAX)?;
        within("commit_interval", self.commit_interval, Duration::from_millis(1)..=Duration::MAX)
    }
}

fn within<T: PartialOrd + std::fmt::Debug>(
    option: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::config(option, format!("{value:?} is outside {:?} to {:?}", range.start(), range.end())))
}

/// Builds a [`PushConsumer`].
pub struct PushConsumerBuilder {
    pub(super) group: String,
    pub(super) client: ClientOptions,
    pub(super) options: PushOptions,
    pub(super) subscriptions: Vec<(String, String)>,
    pub(super) listening: Option<Listening>,
    pub(super) line: Option<Arc<Line>>,
}

/// One method per option of a plain type.
macro_rules! option_methods {
    ($($(#[$doc:meta])* $name:ident: $type:ty),* $(,)?) => { $(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, value: $type) -> Self {
            self.options.$name = value;
            self
        }
    )* };
}

impl PushConsumerBuilder {
    client_builder_methods!();

    option_methods! {
        /// One member gets a message (`Clustering`, the default), or every member does (`Broadcasting`).
        message_model: MessageModel,
        /// Where queues without a committed offset begin. Default: [`ConsumeFrom::Last`].
        consume_from: ConsumeFrom,
        /// How queues are shared out; the same in all members of the group. Default: averagely.
        allocate: AllocateStrategy,
        /// Listener calls at a time, 1 to 1000. Default 20.
        consume_threads: usize,
        /// Largest distance between first and last cached offset of a queue. Default 2000.
        max_span: i64,
        /// Cached messages of a queue above which it is not pulled. Default 1000.
        cache_count_per_queue: usize,
        /// Cached bytes of a queue above which it is not pulled. Default 100 MiB.
        cache_bytes_per_queue: usize,
        /// Pause after a pull that found messages. Default none.
        pull_interval: Duration,
        /// Messages per pull. Default 32.
        pull_batch_size: i32,
        /// Bytes per pull. Default 256 KiB.
        pull_batch_bytes: i32,
        /// Pause after a failed pull. Default 1 s.
        pull_error_pause: Duration,
        /// How long a broker may hold a pull that finds nothing. Default 15 s.
        broker_suspend: Duration,
        /// Send the expression with every pull. Default false.
        expression_with_pull: bool,
        /// Messages per listener call. Default 1.
        consume_batch_size: usize,
        /// Pause of an orderly queue after a failure. Default 1 s.
        suspend: Duration,
        /// Longest time a message may be in a concurrent listener. Default 15 min.
        consume_timeout: Duration,
        /// How often offsets are committed. Default 5 s.
        commit_interval: Duration,
        /// How long a shutdown waits for running listeners. Default 10 s.
        drain_timeout: Duration,
    }

    pub(super) fn new(group: String) -> Self {
        Self {
            group,
            client: ClientOptions::default(),
            options: PushOptions::default(),
            subscriptions: Vec::new(),
            listening: None,
            line: None,
        }
    }

    /// All options of the push consumer at once.
    #[must_use]
    pub fn options(mut self, options: PushOptions) -> Self {
        self.options = options;
        self
    }

    /// Cached messages of all own queues together, divided among them. Default: only the limit per queue.
    #[must_use]
    pub fn cache_count_total(mut self, count: usize) -> Self {
        self.options.cache_count_total = Some(count);
        self
    }

    /// Cached bytes of all own queues together, divided among them. Default: only the limit per queue.
    #[must_use]
    pub fn cache_bytes_total(mut self, bytes: usize) -> Self {
        self.options.cache_bytes_total = Some(bytes);
        self
    }

    /// Deliveries after the first before a message becomes a dead letter. Default 16; orderly: no end.
    #[must_use]
    pub fn max_reconsume_times(mut self, times: i32) -> Self {
        self.options.max_reconsume_times = Some(times);
        self
    }

    /// Where a broadcasting consumer keeps its offsets. Default `~/.rocketmq_offsets`.
    #[must_use]
    pub fn local_offset_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.local_offset_dir = Some(folder.into());
        self
    }

    /// Is told a topic, all its queues and this member's whenever the share changes. Must not block.
    #[must_use]
    pub fn on_assignment(
        mut self,
        listener: impl Fn(&str, &[MessageQueue], &[MessageQueue]) + Send + Sync + 'static,
    ) -> Self {
        self.options.assignment_listener = Some(Arc::new(listener));
        self
    }

    /// Subscribes to a topic: `*` for all messages, or tags joined by `||`. Every member of the group must have the same
    /// subscriptions. A later call for the same topic replaces the earlier one.
    #[must_use]
    pub fn subscribe(mut self, topic: impl Into<String>, expression: impl Into<String>) -> Self {
        self.subscriptions.push((topic.into(), expression.into()));
        self
    }

    /// Messages without order, to a plain function that may block: up to `consume_threads` calls at a time.
    #[must_use]
    pub fn concurrent(
        mut self,
        listener: impl Fn(&[MessageExt], &ConcurrentContext) -> ConsumeConcurrentlyStatus + Send + Sync + 'static,
    ) -> Self {
        self.listening = Some(Listening::Concurrent(Listener::Sync(Box::new(listener))));
        self
    }

    /// Messages without order, to an async function that must not block.
    #[must_use]
    pub fn concurrent_async<F, R>(mut self, listener: F) -> Self
    where
        F: Fn(Vec<MessageExt>, Arc<ConcurrentContext>) -> R + Send + Sync + 'static,
        R: Future<Output = ConsumeConcurrentlyStatus> + Send + 'static,
    {
        let boxed = move |messages, context| -> crate::BoxFuture<_> { Box::pin(listener(messages, context)) };
        self.listening = Some(Listening::Concurrent(Listener::Async(Box::new(boxed))));
        self
    }

    /// Messages of each queue in order, one call per queue at a time, to a plain function that may block.
    #[must_use]
    pub fn orderly(
        mut self,
        listener: impl Fn(&[MessageExt], &OrderlyContext) -> ConsumeOrderlyStatus + Send + Sync + 'static,
    ) -> Self {
        self.listening = Some(Listening::Orderly(Listener::Sync(Box::new(listener))));
        self
    }

    /// Messages of each queue in order, to an async function that must not block.
    #[must_use]
    pub fn orderly_async<F, R>(mut self, listener: F) -> Self
    where
        F: Fn(Vec<MessageExt>, Arc<OrderlyContext>) -> R + Send + Sync + 'static,
        R: Future<Output = ConsumeOrderlyStatus> + Send + 'static,
    {
        let boxed = move |messages, context| -> crate::BoxFuture<_> { Box::pin(listener(messages, context)) };
        self.listening = Some(Listening::Orderly(Listener::Async(Box::new(boxed))));
        self
    }

    /// No listener: messages without order wait until [`PushConsumer::take`] takes them. `on_ready` is called, on a thread
    /// of the runtime, whenever there is something to take after there was nothing; it must not block. `consume_threads` is
    /// the number of takers among which messages are shared.
    #[must_use]
    pub fn taken(mut self, on_ready: impl Fn() + Send + Sync + 'static) -> Self {
        let line = Line::new(on_ready);
        self.listening = Some(Listening::Line(line.clone()));
        self.line = Some(line);
        self
    }

    /// Like [`Self::taken`], in order: a take returns up to `consume_batch_size` messages of one queue, and nothing more of
    /// that queue is given out until they are settled.
    #[must_use]
    pub fn taken_orderly(mut self, on_ready: impl Fn() + Send + Sync + 'static) -> Self {
        let line = Line::new(on_ready);
        self.listening = Some(Listening::Orderly(line.orderly()));
        self.line = Some(line);
        self
    }

    /// Checks options, group and subscriptions, as [`Self::start`] does first.
    pub fn check(&self) -> Result<(), Error> {
        self.options.check()?;
        check_group(&self.group)?;
        self.client.name_servers()?;
        if self.listening.is_none() {
            return Err(Error::config("listener", "none is set: call concurrent or orderly before start"));
        }
        self.subscriptions().map(drop)
    }

    pub(super) fn subscriptions(&self) -> Result<Subscriptions, Error> {
        let subscriptions = Subscriptions::default();
        for (topic, expression) in &self.subscriptions {
            subscriptions.add(topic, expression)?;
        }
        Ok(subscriptions)
    }

    /// Checks the options, finds the topics' routes, and joins the group. A topic that does not exist yet is only logged:
    /// it is consumed as soon as it does. Fails when no name server can be asked.
    pub async fn start(self) -> Result<PushConsumer, Error> {
        self.check()?;
        PushConsumer::start(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values outside their range are refused with the option's name.
    #[tokio::test]
    async fn ranges() {
        let builder = || PushConsumerBuilder::new("G".into()).namesrv("127.0.0.1:1");
        let refused = [
            builder().consume_threads(0),
            builder().consume_batch_size(1025),
            builder().max_span(0),
            builder().broker_suspend(Duration::from_secs(30)),
            builder().max_reconsume_times(-1),
        ];
        for builder in refused {
            let error = builder.start().await.map(drop).unwrap_err();
            assert!(matches!(error, Error::Config { .. }), "{error}");
        }
    }
}
