//! The lite pull consumer: pulls ahead in the background and hands out what is there when polled (client.md 4).
//!
//! Pulls are asynchronous, one task per queue; a poll that waits blocks neither seek nor commit. Queues come from the group
//! (`subscribe`) or from the application (`assign`), never both.
mod core;
mod options;
mod queue;

pub use options::{LitePullConsumerBuilder, LitePullOptions};

use self::core::{Core, Mode, Role};
use crate::consumer::local_offsets::{self, LocalOffsets};
use crate::consumer::offset_store::OffsetStore;
use crate::consumer::rebalance;
use crate::ending::Ending;
use crate::instance::{Boundary, ClientInstance, Identity};
use crate::message::MessageExt;
use crate::platform::after;
use crate::Error;
use ferromq_protocol::body::{MessageModel, MessageQueue};
use ferromq_protocol::filter;
use parking_lot::Mutex;
use queue::LiteQueue;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{timeout_at, Instant};

/// Consumes messages by polling. Cheap to clone, usable from any task; all clones are the same consumer.
///
/// ```no_run
/// # async fn example() -> Result<(), ferromq::Error> {
/// use std::time::Duration;
/// let consumer = ferromq::LitePullConsumer::builder("accounting").namesrv("127.0.0.1:9876").start().await?;
/// consumer.subscribe("orders", "*").await?;
/// for message in consumer.poll(Duration::from_secs(1)).await? {
///     println!("{:?}", message.body());
/// }
/// consumer.commit().await?;
/// consumer.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LitePullConsumer {
    owner: Arc<Owner>,
}

struct Owner {
    core: Arc<Core>,
    closing: AtomicBool,
    auto: Mutex<AutoCommit>,
}

/// What auto commit has to do.
struct AutoCommit {
    /// What the last poll returned: processed when the next poll comes.
    handed: Vec<(Arc<LiteQueue>, i64)>,
    due: Instant,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.core.tasks.stop();
    }
}

impl std::fmt::Debug for LitePullConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LitePullConsumer({} as {})", self.group(), self.client_id())
    }
}

impl LitePullConsumer {
    /// Options of a consumer of `group`: at most 120 of the characters `%|a-zA-Z0-9_-`.
    pub fn builder(group: impl Into<String>) -> LitePullConsumerBuilder {
        LitePullConsumerBuilder::new(group.into())
    }

    fn start(builder: LitePullConsumerBuilder) -> Result<Self, Error> {
        let LitePullConsumerBuilder { group, client, options } = builder;
        let clustering = options.message_model == MessageModel::Clustering;
        let instance = ClientInstance::start(client, Identity { rename: clustering, stream: true })?;
        let offsets = match clustering {
            true => OffsetStore::remote(&group, instance.clone()),
            false => {
                let root = options.local_offset_dir.clone().unwrap_or_else(local_offsets::default_root);
                OffsetStore::local(&group, LocalOffsets::open(&root, instance.client_id(), &group)?)
            }
        };
        let due = after(options.auto_commit_interval);
        let core = Core::new(group, options, instance, offsets);
        core.instance.register_consumer(&core.group, Arc::new(Role(Arc::downgrade(&core))))?;
        let auto = Mutex::new(AutoCommit { handed: Vec::new(), due });
        Ok(Self { owner: Arc::new(Owner { core, closing: AtomicBool::new(false), auto }) })
    }

    fn core(&self) -> &Arc<Core> {
        &self.owner.core
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.owner.closing.load(Ordering::Acquire) {
            return Err(Error::State { what: "lite pull consumer", state: "shut down" });
        }
        Ok(())
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        &self.core().group
    }

    /// The id by which brokers know this client.
    pub fn client_id(&self) -> &str {
        self.core().instance.client_id()
    }

    /// The instance behind this consumer.
    pub fn instance(&self) -> &Arc<ClientInstance> {
        &self.core().instance
    }

    /// Decides where queues come from; true the first time.
    fn decide(&self, wanted: Mode) -> Result<bool, Error> {
        let mut mode = self.core().mode.lock();
        if *mode != Mode::Undecided && *mode != wanted {
            return Err(Error::State { what: "lite pull consumer", state: "used with subscribe or assign, not both" });
        }
        Ok(std::mem::replace(&mut *mode, wanted) == Mode::Undecided)
    }

    /// Joins the group for a topic: `*` for all messages, or tags joined by `||`. The queues come by themselves, usually
    /// within a second.
    ///
    /// # Errors
    /// [`Error::NoRoute`] when the topic does not exist, [`Error::NoNameServer`], [`Error::Validation`] of topic and
    /// expression, [`Error::State`] after `assign` or a shutdown.
    pub async fn subscribe(&self, topic: &str, expression: &str) -> Result<(), Error> {
        self.check_open()?;
        let core = self.core();
        if *core.mode.lock() == Mode::Assign {
            self.decide(Mode::Subscribe)?;
        }
        core.instance.routes().refresh(topic).await?;
        core.subscriptions.add(topic, expression)?;
        let first = self.decide(Mode::Subscribe)?;
        core.instance.send_heartbeats_now().await;
        if first {
            core.tasks.spawn(rebalance::drive(core.clone(), core.wake.clone(), core.tasks.stopped()));
        }
        core.wake.notify_one();
        Ok(())
    }

    /// Ends the subscription of a topic and forgets its queues. False when it was not subscribed.
    pub async fn unsubscribe(&self, topic: &str) -> bool {
        let core = self.core();
        let removed = core.subscriptions.remove(topic);
        if removed {
            for queue in core.queues().iter().filter(|queue| queue.queue.topic == topic) {
                core.remove(&queue.queue);
            }
            core.instance.send_heartbeats_now().await;
        }
        removed
    }

    /// Reads exactly these queues, all their messages. A later call replaces the set; queues in both go on.
    pub async fn assign(&self, queues: &[MessageQueue]) -> Result<(), Error> {
        self.assign_filtered(queues, filter::ALL).await
    }

    /// Reads exactly these queues, only messages whose tag fits the expression.
    ///
    /// # Errors
    /// Those of [`Self::subscribe`]; `Validation` without queues; `State` after `subscribe`.
    pub async fn assign_filtered(&self, queues: &[MessageQueue], expression: &str) -> Result<(), Error> {
        self.check_open()?;
        if queues.is_empty() {
            return Err(Error::validation("no queues to assign"));
        }
        self.decide(Mode::Assign)?;
        let core = self.core();
        let wanted: BTreeSet<&MessageQueue> = queues.iter().collect();
        for topic in wanted.iter().map(|queue| &queue.topic).collect::<BTreeSet<_>>() {
            core.instance.routes().get(topic).await?;
            core.subscriptions.add(topic, expression)?;
        }
        for queue in core.queues().iter().filter(|queue| !wanted.contains(&queue.queue)) {
            core.remove(&queue.queue);
        }
        wanted.into_iter().for_each(|queue| core.add(queue.clone()));
        core.instance.send_heartbeats_now().await;
        Ok(())
    }

    /// Waits up to `timeout` for messages and returns what is there, at most `pull_batch_size`; of one queue in order.
    /// Empty when nothing came. With `auto_commit`, calling it again says that the messages of the last call are processed.
    ///
    /// Pulls that fail are logged and repeated, they end no poll. A poll that is dropped has handed out nothing.
    ///
    /// # Errors
    /// [`Error::State`] after a shutdown, also for polls that wait.
    pub async fn poll(&self, timeout: Duration) -> Result<Vec<MessageExt>, Error> {
        let deadline = after(timeout);
        self.auto_commit();
        loop {
            // Asked for before looking, so that nothing that arrives in between is missed, nor a shutdown.
            let arrived = self.core().arrived.notified();
            self.check_open()?;
            let mut messages = Vec::new();
            let mut handed = Vec::new();
            self.core().hand_out(&mut messages, &mut handed);
            if self.core().options.auto_commit && !handed.is_empty() {
                self.owner.auto.lock().handed.append(&mut handed);
            }
            if !messages.is_empty() || timeout_at(deadline, arrived).await.is_err() {
                return Ok(messages);
            }
        }
    }

    /// Notes what the last poll returned as processed and, when it is time, starts a commit.
    fn auto_commit(&self) {
        let core = self.core();
        if !core.options.auto_commit {
            return;
        }
        let mut auto = self.owner.auto.lock();
        for (queue, position) in auto.handed.drain(..) {
            core.offsets.update(&queue.queue, position, true);
        }
        if Instant::now() < auto.due {
            return;
        }
        auto.due = after(core.options.auto_commit_interval);
        drop(auto);
        let queues = self.note_positions();
        let core = core.clone();
        self.core().tasks.spawn(async move { core.commit(&queues).await });
    }

    /// Takes the positions of all queues over as offsets to commit.
    fn note_positions(&self) -> Vec<MessageQueue> {
        let core = self.core();
        let mut noted = Vec::new();
        for queue in core.queues() {
            if let Some(position) = queue.position() {
                core.offsets.update(&queue.queue, position, false);
                noted.push(queue.queue.clone());
            }
        }
        noted
    }

    /// Commits the positions of all assigned queues and waits until the brokers have answered.
    ///
    /// # Errors
    /// The first failure, when all brokers were tried: [`Error::Remoting`], [`Error::Broker`], [`Error::NoBroker`]. What
    /// could not be committed is, with the next commit. Each broker has 5 s.
    pub async fn commit(&self) -> Result<(), Error> {
        self.check_open()?;
        let queues = self.note_positions();
        self.core().offsets.commit(&queues).await
    }

    /// Commits given offsets (of the next message to consume) of assigned queues and waits for the brokers' answers.
    pub async fn commit_offsets(&self, offsets: &[(MessageQueue, i64)]) -> Result<(), Error> {
        self.check_open()?;
        let mut queues = Vec::with_capacity(offsets.len());
        for (queue, offset) in offsets {
            self.assigned(queue)?;
            if *offset < 0 {
                return Err(Error::validation(format!("offset {offset} of {queue} cannot be committed")));
            }
            self.core().offsets.update(queue, *offset, false);
            queues.push(queue.clone());
        }
        self.core().offsets.commit(&queues).await
    }

    /// The committed offset of a queue, that of the next message to consume: of an assigned one what this consumer noted,
    /// else what the store holds. `None` without one.
    ///
    /// # Errors
    /// Of the question: [`Error::Remoting`], [`Error::Broker`], [`Error::NoBroker`]. An error is never "no offset".
    pub async fn committed(&self, queue: &MessageQueue) -> Result<Option<i64>, Error> {
        self.check_open()?;
        let core = self.core();
        // The owner of a queue that is not assigned here moves its offset: nothing may be remembered.
        match core.queue(queue).and_then(|_| core.offsets.memory(queue)) {
            Some(offset) => Ok(Some(offset)),
            None => core.offsets.ask(queue).await,
        }
    }

    fn assigned(&self, queue: &MessageQueue) -> Result<Arc<LiteQueue>, Error> {
        self.core().queue(queue).ok_or_else(|| Error::validation(format!("queue {queue} is not assigned")))
    }

    /// Reads on at `offset`; what was pulled ahead is thrown away. The offset must be within the queue.
    ///
    /// # Errors
    /// [`Error::Validation`] when the queue is not assigned or the offset outside it; those of asking for its bounds.
    pub async fn seek(&self, queue: &MessageQueue, offset: i64) -> Result<(), Error> {
        self.check_open()?;
        let assigned = self.assigned(queue)?;
        let (min, max) = (self.min_offset(queue).await?, self.max_offset(queue).await?);
        if offset < min || offset > max {
            return Err(Error::validation(format!("offset {offset} of {queue} is outside {min} to {max}")));
        }
        self.move_to(&assigned, offset);
        Ok(())
    }

    fn move_to(&self, queue: &Arc<LiteQueue>, offset: i64) {
        // What was handed out before must not be committed over the new position.
        self.owner.auto.lock().handed.retain(|(handed, _)| !Arc::ptr_eq(handed, queue));
        self.core().uncache(queue.seek(offset));
    }

    /// Reads on at the first message.
    pub async fn seek_to_begin(&self, queue: &MessageQueue) -> Result<(), Error> {
        self.check_open()?;
        let assigned = self.assigned(queue)?;
        let offset = self.min_offset(queue).await?;
        self.move_to(&assigned, offset);
        Ok(())
    }

    /// Reads on after the last message.
    pub async fn seek_to_end(&self, queue: &MessageQueue) -> Result<(), Error> {
        self.check_open()?;
        let assigned = self.assigned(queue)?;
        let offset = self.max_offset(queue).await?;
        self.move_to(&assigned, offset);
        Ok(())
    }

    /// Stops pulling these queues. What was pulled ahead is still handed out. Queues not assigned are ignored.
    pub fn pause(&self, queues: &[MessageQueue]) {
        queues.iter().filter_map(|queue| self.core().queue(queue)).for_each(|queue| queue.set_paused(true));
    }

    /// Pulls these queues again.
    pub fn resume(&self, queues: &[MessageQueue]) {
        queues.iter().filter_map(|queue| self.core().queue(queue)).for_each(|queue| queue.set_paused(false));
    }

    /// The queues assigned now, sorted.
    pub fn assignment(&self) -> Vec<MessageQueue> {
        let mut queues: Vec<MessageQueue> = self.core().queues().iter().map(|queue| queue.queue.clone()).collect();
        queues.sort();
        queues
    }

    /// The offset after the last message that a poll returned or the filter skipped; `None` when the queue is not assigned,
    /// or it is not known yet where it begins.
    pub fn position(&self, queue: &MessageQueue) -> Option<i64> {
        self.core().queue(queue)?.position()
    }

    /// The queues of a topic that can be read, straight from a name server.
    pub async fn fetch_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, Error> {
        self.check_open()?;
        Ok(self.core().instance.routes().refresh(topic).await?.subscribe_queues().to_vec())
    }

    /// The offset of the first message stored at or after `time`, milliseconds since 1970.
    pub async fn offset_for_time(&self, queue: &MessageQueue, time: i64) -> Result<i64, Error> {
        self.check_open()?;
        let instance = &self.core().instance;
        instance.search_offset(queue, time, Boundary::Lower, instance.options().api_timeout).await
    }

    /// The offset the next message of the queue will get.
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, Error> {
        let instance = &self.core().instance;
        instance.max_offset(queue, instance.options().api_timeout).await
    }

    /// The smallest offset still there.
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, Error> {
        let instance = &self.core().instance;
        instance.min_offset(queue, instance.options().api_timeout).await
    }

    /// Stops pulling, commits (with `auto_commit`, everything that polls returned; else what was committed before and is not
    /// stored yet), unregisters and closes, within [`SHUTDOWN_WITHIN`](crate::SHUTDOWN_WITHIN). Polls that wait end with an error. A
    /// second call does nothing.
    pub async fn shutdown(&self) {
        if self.owner.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        let core = self.core();
        core.arrived.notify_waiters();
        core.tasks.stop();
        let queues = match core.options.auto_commit {
            true => self.note_positions(),
            false => self.assignment(),
        };
        let ending = Ending::begin();
        ending.offsets(&core.group, core.commit(&queues)).await;
        ending.leave(core.instance.unregister_consumer(&core.group)).await;
        core.tasks.stop_and_join(ending.for_tasks()).await;
        core.instance.end(ending).await;
    }
}
