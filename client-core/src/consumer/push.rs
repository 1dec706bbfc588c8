//! The push consumer: pulls in the background and calls a listener (client.md 3).
//!
//! What runs: a task per queue that pulls, a rebalance task, timers for commits, locks and overdue messages, and workers or
//! runners for the listener. All of them belong to the consumer and end with it.
mod balance;
mod concurrent;
mod core;
mod line;
mod options;
mod orderly;
mod pull_loop;
mod queue;
mod role;
mod send_back;

pub(crate) use line::Line;
pub use line::{Delivery, Outcome};
pub use options::{AssignmentListener, PushConsumerBuilder, PushOptions};

use self::core::{Core, Parts, LISTENING_TO};
use crate::consumer::local_offsets::{self, LocalOffsets};
use crate::consumer::offset_store::OffsetStore;
use crate::consumer::rebalance;
use crate::ending::Ending;
use crate::instance::{ClientInstance, Identity};
use crate::producer::{Producer, ProducerOptions};
use crate::Error;
use ferromq_protocol::body::{MessageModel, MessageQueue};
use ferromq_protocol::topic;
use role::Role;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use tokio::time::timeout;

/// Producer group of what consumers have to send, as in Java.
const INNER_PRODUCER: &str = "CLIENT_INNER_PRODUCER";

/// Consumes messages by calling a listener. Cheap to clone; all clones are the same consumer.
///
/// ```no_run
/// # async fn example() -> Result<(), ferromq::Error> {
/// use ferromq::{ConsumeConcurrentlyStatus, ConsumeFrom, PushConsumer};
/// let consumer = PushConsumer::builder("accounting")
///     .namesrv("127.0.0.1:9876")
///     .consume_from(ConsumeFrom::First)
///     .subscribe("orders", "paid || refunded")
///     .concurrent(|messages, _context| {
///         messages.iter().for_each(|message| println!("{:?}", message.body()));
///         ConsumeConcurrentlyStatus::Success
///     })
///     .start()
///     .await?;
/// # consumer.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PushConsumer {
    owner: Arc<Owner>,
}

/// Ends the tasks when the last handle is dropped without a shutdown: nothing is committed then, messages come again.
struct Owner {
    core: Arc<Core>,
    closing: AtomicBool,
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.closing.load(Ordering::Acquire) {
            // The shutdown does the rest, even when nobody waits for it any more.
            return;
        }
        self.core.close().iter().for_each(|queue| queue.drop_now());
        self.core.tasks.stop();
        // A listener that hangs keeps the rest alive; the group must not count on this member meanwhile.
        self.core.instance.abandon();
    }
}

impl std::fmt::Debug for PushConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PushConsumer({} as {})", self.group(), self.client_id())
    }
}

impl PushConsumer {
    /// Options of a consumer of `group`: at most 120 of the characters `%|a-zA-Z0-9_-`.
    pub fn builder(group: impl Into<String>) -> PushConsumerBuilder {
        PushConsumerBuilder::new(group.into())
    }

    async fn start(builder: PushConsumerBuilder) -> Result<Self, Error> {
        let subscriptions = builder.subscriptions()?;
        let PushConsumerBuilder { group, client, options, subscriptions: _, listening, line } = builder;
        let listening = listening.ok_or(Error::State { what: "push consumer", state: "without a listener" })?;
        let retry_topic = topic::retry_topic(&group);
        let clustering = options.message_model == MessageModel::Clustering;
        if clustering {
            subscriptions.add(&retry_topic, "*")?;
        }
        let instance = ClientInstance::start(client, Identity { rename: clustering, stream: false })?;
        let offsets = match clustering {
            true => OffsetStore::remote(&group, instance.clone()),
            false => {
                let root = options.local_offset_dir.clone().unwrap_or_else(local_offsets::default_root);
                OffsetStore::local(&group, LocalOffsets::open(&root, instance.client_id(), &group)?)
            }
        };
        let producer = clustering.then(|| inner_producer(&instance)).transpose()?;
        let parts = Parts { group, retry_topic, options, instance, subscriptions, offsets, listening, line, producer };
        let consumer = Self { owner: Arc::new(Owner { core: Core::new(parts), closing: AtomicBool::new(false) }) };
        if let Err(error) = consumer.join().await {
            consumer.shutdown().await;
            return Err(error);
        }
        Ok(consumer)
    }

    /// Registers, finds routes, tells the brokers, and starts the tasks.
    async fn join(&self) -> Result<(), Error> {
        let core = &self.owner.core;
        core.instance.register_consumer(&core.group, Arc::new(Role(Arc::downgrade(core))))?;
        for topic in core.subscriptions.topics() {
            match core.instance.routes().refresh(&topic).await {
                Err(error @ Error::NoNameServer { .. }) => return Err(error),
                Err(error) if !topic::is_retry(&topic) => {
                    tracing::warn!(group = %core.group, %topic, %error, "topic cannot be consumed yet");
                }
                _ => {}
            }
        }
        core.instance.send_heartbeats_now().await;
        let stopped = core.tasks.stopped();
        core.tasks.spawn(rebalance::drive(core.clone(), core.wake.clone(), stopped));
        balance::start_timers(core, &core.tasks);
        Ok(())
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        &self.owner.core.group
    }

    /// The id by which brokers know this client.
    pub fn client_id(&self) -> &str {
        self.owner.core.instance.client_id()
    }

    /// The instance behind this consumer.
    pub fn instance(&self) -> &Arc<ClientInstance> {
        &self.owner.core.instance
    }

    /// The queues this member consumes now, sorted; those of the group's retry topic are among them.
    pub fn assigned_queues(&self) -> Vec<MessageQueue> {
        self.owner.core.active()
    }

    /// Subscribes to another topic, or changes the expression of one. The brokers are told at once.
    pub async fn subscribe(&self, topic: &str, expression: &str) -> Result<(), Error> {
        self.check_open()?;
        let core = &self.owner.core;
        core.subscriptions.add(topic, expression)?;
        if let Err(error) = core.instance.routes().refresh(topic).await {
            tracing::warn!(group = %core.group, topic, %error, "topic cannot be consumed yet");
        }
        core.instance.send_heartbeats_now().await;
        core.wake.notify_one();
        Ok(())
    }

    /// Ends the subscription of a topic; its queues are released. False when it was not subscribed.
    pub async fn unsubscribe(&self, topic: &str) -> bool {
        let core = &self.owner.core;
        let removed = core.subscriptions.remove(topic);
        if removed {
            core.instance.send_heartbeats_now().await;
            core.wake.notify_one();
        }
        removed
    }

    /// Stops pulling. What is cached goes on to the listener.
    pub fn suspend(&self) {
        self.owner.core.suspended.send_replace(true);
    }

    /// Pulls again.
    pub fn resume(&self) {
        self.owner.core.suspended.send_replace(false);
        self.owner.core.wake.notify_one();
    }

    /// Takes at most `max` messages that wait, without waiting for any, and tells whether there are more. Empty when none
    /// wait, after a shutdown began, or when the consumer has a listener. See [`PushConsumerBuilder::taken`].
    pub fn take(&self, max: usize) -> (Vec<Delivery>, bool) {
        let core = &self.owner.core;
        core.line.as_ref().map_or_else(Default::default, |line| line.take(max, core.options.consume_threads))
    }

    /// Says what came of messages that were taken from this consumer; many at once cost least.
    pub fn settle(&self, settled: Vec<(Delivery, Outcome)>) {
        let core = &self.owner.core;
        if let Some(line) = &core.line {
            line::settle(core, line, settled);
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.owner.closing.load(Ordering::Acquire) {
            return Err(Error::State { what: "push consumer", state: "shut down" });
        }
        Ok(())
    }

    /// Ends in order: stops pulling, waits for running listeners up to `drain_timeout`; then, within
    /// [`SHUTDOWN_WITHIN`](crate::SHUTDOWN_WITHIN), commits and waits for the brokers' answers, unlocks, unregisters, closes. A second
    /// call does nothing. May be called inside a listener, whose own message is not waited for then.
    pub async fn shutdown(&self) {
        if self.owner.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        let own = LISTENING_TO.try_with(Arc::clone).ok();
        // A task of its own, which goes on when the caller is one of the tasks that end now.
        let ending = tokio::spawn(end(self.owner.core.clone(), own));
        if let Err(error) = ending.await {
            tracing::error!(group = %self.group(), %error, "shutdown did not finish");
        }
    }
}

async fn end(core: Arc<Core>, own: Option<Arc<MessageQueue>>) {
    let queues = core.close();
    for queue in &queues {
        queue.leave();
    }
    if let Some(line) = &core.line {
        line.close();
    }
    let drained = async {
        for queue in queues.iter().filter(|queue| own.as_ref() != Some(&queue.queue)) {
            queue.wait_idle().await;
        }
    };
    if timeout(core.options.drain_timeout, drained).await.is_err() {
        tracing::warn!(group = %core.group, "listeners still run at shutdown, their messages come again");
    }
    queues.iter().for_each(|queue| queue.drop_now());
    let names: Vec<MessageQueue> = queues.iter().map(|queue| (*queue.queue).clone()).collect();
    let ending = Ending::begin();
    // Commits in intervals and renewals of locks are over: what they wait for is not waited for here.
    core.tasks.stop();
    ending.offsets(&core.group, core.commit(&names)).await;
    if core.uses_locks() {
        // A listener that still runs must not be overtaken by another member: its lock runs out at the broker.
        let idle = queues.iter().filter(|queue| !queue.is_running()).map(|queue| (*queue.queue).clone());
        ending.leave(core.unlock_all(idle.collect())).await;
    }
    let telling = async {
        let producer_ends = async {
            if let Some(producer) = &core.producer {
                producer.shutdown().await;
            }
        };
        tokio::join!(core.instance.unregister_consumer(&core.group), producer_ends);
    };
    ending.leave(telling).await;
    core.tasks.stop_and_join(ending.for_tasks()).await;
    match own {
        // The caller is one of them and goes on after this.
        Some(_) => core.listeners.detach(),
        None => core.listeners.stop_and_join(ending.for_tasks()).await,
    }
    core.instance.end(ending).await;
}

fn inner_producer(instance: &Arc<ClientInstance>) -> Result<Producer, Error> {
    // What was received may be sent again, whatever its size.
    let options = ProducerOptions { max_message_size: i32::MAX as usize, ..ProducerOptions::default() };
    Producer::on(instance.clone(), INNER_PRODUCER.to_owned(), options, false)
}
