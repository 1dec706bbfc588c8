//! What runs in a lite pull consumer: a pull task per queue, the line of batches, commits, and the rebalance round.
//!
//! Threads and locks: `table` and `ready` have their own locks, held for look-ups, push and pop; when both a queue's lock and
//! the line's are needed, the line's is taken first.
use super::options::LitePullOptions;
use super::queue::{Batch, LiteQueue, Turn};
use crate::consumer::offset_store::OffsetStore;
use crate::consumer::pull::{pause_after, pull, Pull, PullKind, PullStatus};
use crate::consumer::rebalance::{diff, share, Balance, Owned, Rounds};
use crate::consumer::start_offset;
use crate::consumer::subscription::{refine, Subscriptions};
use crate::instance::{BoxFuture, ClientInstance, ConsumerRole};
use crate::message::MessageExt;
use crate::route::BrokerRole;
use crate::tasks::Tasks;
use crate::Error;
use ferromq_protocol::body::{
    ConsumeMessageDirectlyResult, ConsumeType, ConsumerData, ConsumerRunningInfo, MessageQueue, ProcessQueueInfo,
    PROP_CLIENT_VERSION, PROP_CONSUMER_START_TIMESTAMP, PROP_CONSUME_TYPE, PROP_NAMESERVER_ADDR,
};
use ferromq_protocol::code::{request, response};
use ferromq_protocol::version;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::Notify;
use tokio::time::sleep;

/// Where the queues come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Undecided,
    Subscribe,
    Assign,
}

/// The shared part of a lite pull consumer.
pub(super) struct Core {
    pub(super) group: String,
    pub(super) options: LitePullOptions,
    pub(super) instance: Arc<ClientInstance>,
    pub(super) subscriptions: Subscriptions,
    pub(super) offsets: OffsetStore,
    pub(super) mode: Mutex<Mode>,
    table: Mutex<HashMap<MessageQueue, Arc<LiteQueue>>>,
    ready: Mutex<VecDeque<Batch>>,
    /// Something is ready.
    pub(super) arrived: Notify,
    cached: AtomicUsize,
    /// Some pull task may wait for room in `cached`.
    starved: AtomicBool,
    pub(super) wake: Arc<Notify>,
    pub(super) tasks: Tasks,
    pub(super) started_ms: i64,
    me: Weak<Core>,
}

impl Core {
    pub(super) fn new(
        group: String,
        options: LitePullOptions,
        instance: Arc<ClientInstance>,
        offsets: OffsetStore,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            group,
            options,
            instance,
            subscriptions: Subscriptions::default(),
            offsets,
            mode: Mutex::new(Mode::Undecided),
            table: Mutex::default(),
            ready: Mutex::default(),
            arrived: Notify::new(),
            cached: AtomicUsize::new(0),
            starved: AtomicBool::new(false),
            wake: Arc::new(Notify::new()),
            tasks: Tasks::default(),
            started_ms: crate::platform::now_ms(),
            me: me.clone(),
        })
    }

    pub(super) fn queue(&self, queue: &MessageQueue) -> Option<Arc<LiteQueue>> {
        self.table.lock().get(queue).cloned()
    }

    pub(super) fn queues(&self) -> Vec<Arc<LiteQueue>> {
        self.table.lock().values().cloned().collect()
    }

    /// Assigns a queue and starts to pull it. One that is assigned already goes on.
    pub(super) fn add(self: &Arc<Self>, queue: MessageQueue) {
        let mut table = self.table.lock();
        if table.contains_key(&queue) {
            return;
        }
        let assigned = Arc::new(LiteQueue::new(queue.clone()));
        table.insert(queue, assigned.clone());
        self.tasks.spawn(run(self.clone(), assigned));
    }

    /// Takes a queue away. What was committed of it is stored before it is forgotten.
    pub(super) fn remove(self: &Arc<Self>, queue: &MessageQueue) {
        let Some(removed) = self.table.lock().remove(queue) else { return };
        self.uncache(removed.drop_now());
        let core = self.clone();
        self.tasks.spawn(async move {
            core.commit(std::slice::from_ref(&removed.queue)).await;
            // Taken again meanwhile: the offset is in use.
            if core.queue(&removed.queue).is_none() {
                core.offsets.forget(&removed.queue);
            }
        });
    }

    /// Commits what changed; errors are logged, the next commit tries again.
    pub(super) async fn commit(&self, queues: &[MessageQueue]) {
        if let Err(error) = self.offsets.commit(queues).await {
            tracing::warn!(group = %self.group, %error, "offsets not committed");
        }
    }

    /// Moves ready messages to `out`, at most `pull_batch_size`. `handed` gets the new position of every queue concerned.
    pub(super) fn hand_out(&self, out: &mut Vec<MessageExt>, handed: &mut Vec<(Arc<LiteQueue>, i64)>) {
        let max = self.options.pull_batch_size;
        let mut moved_all = 0;
        {
            let mut ready = self.ready.lock();
            while out.len() < max {
                let Some(batch) = ready.front_mut() else { break };
                // An outdated batch is only thrown away: its messages left the count when it became so.
                if let Some((position, moved)) = batch.hand_out(max - out.len(), out) {
                    moved_all += moved;
                    handed.push((batch.queue.clone(), position));
                    if !batch.is_empty() {
                        break;
                    }
                }
                ready.pop_front();
            }
            if !ready.is_empty() {
                // Others may be waiting too.
                self.arrived.notify_one();
            }
        }
        self.uncache(moved_all);
    }

    /// Messages left the cache; pull tasks that waited for room look again.
    pub(super) fn uncache(&self, count: usize) {
        let before = self.cached.fetch_sub(count, Ordering::SeqCst);
        if before - count <= self.options.cache_count_total && self.starved.swap(false, Ordering::SeqCst) {
            self.queues().iter().for_each(|queue| queue.changed.notify_one());
        }
    }

    /// True when the cache of all queues together is full; the caller is woken when it is not any more.
    fn is_full(&self) -> bool {
        // In one order with `uncache`, which writes these two the other way round: one of both sees the other.
        let full = || self.cached.load(Ordering::SeqCst) > self.options.cache_count_total;
        if !full() {
            return false;
        }
        self.starved.store(true, Ordering::SeqCst);
        full()
    }

    fn push(&self, batch: Batch) {
        self.ready.lock().push_back(batch);
        self.arrived.notify_one();
    }

    async fn balance(self: &Arc<Self>, topic: &str) -> Result<bool, Error> {
        let share =
            share(&self.instance, &self.group, self.options.message_model, &self.options.allocate, topic).await?;
        let owned: Vec<_> = self.queues().iter().map(|q| (q.queue.clone(), Owned::Active)).collect();
        let owned: Vec<_> = owned.into_iter().filter(|(queue, _)| queue.topic == topic).collect();
        let found = diff(&owned, &share.mine);
        found.release.iter().for_each(|queue| self.remove(queue));
        found.take.into_iter().for_each(|queue| self.add(queue));
        Ok(true)
    }
}

impl Rounds for Core {
    async fn round(&self) -> Balance {
        let Some(core) = self.me.upgrade() else { return Balance::Balanced };
        if *self.mode.lock() != Mode::Subscribe {
            return Balance::Balanced;
        }
        let topics = self.subscriptions.topics();
        let mut result = Balance::Balanced;
        for topic in &topics {
            if let Err(error) = core.balance(topic).await {
                tracing::debug!(group = %self.group, %topic, %error, "queues not shared out, keeping what is assigned");
                result = Balance::Unbalanced;
            }
        }
        let unwanted = self.queues().into_iter().filter(|queue| !topics.contains(&queue.queue.topic));
        unwanted.for_each(|queue| core.remove(&queue.queue));
        result
    }
}

/// The pull task of one queue.
async fn run(core: Arc<Core>, queue: Arc<LiteQueue>) {
    let stopped = core.tasks.stopped();
    tokio::select! {
        _ = queue.gone() => {}
        _ = stopped => {}
        _ = pulls(&core, &queue) => {}
    }
}

async fn pulls(core: &Arc<Core>, queue: &Arc<LiteQueue>) {
    let options = &core.options;
    let mut puller = Puller { core, queue, replica: 0, kind: PullKind::Lite };
    let mut failing = false;
    loop {
        let turn = queue.turn(options.cache_count_per_queue, options.cache_bytes_per_queue);
        let done = match turn {
            _ if core.is_full() => {
                queue.changed.notified().await;
                Ok(())
            }
            Turn::Wait => {
                queue.changed.notified().await;
                Ok(())
            }
            Turn::Begin { epoch } => {
                let found = start_offset(&core.instance, &core.offsets, &queue.queue, options.consume_from).await;
                found.map(|offset| queue.begin(epoch, offset))
            }
            Turn::Pull { epoch, offset } => tokio::select! {
                done = puller.once(epoch, offset) => done,
                // A pull may be held for long: after a seek its answer is of no use.
                _ = outdated(queue, epoch) => Ok(()),
            },
        };
        let first = !std::mem::replace(&mut failing, done.is_err());
        if let Err(error) = done {
            if first {
                tracing::warn!(group = %core.group, queue = %queue.queue, %error, "pull failed, trying again");
            } else {
                tracing::debug!(group = %core.group, queue = %queue.queue, %error, "pull failed again");
            }
            let pause = pause_after(&error, options.pull_error_pause);
            tokio::select! {
                _ = sleep(pause) => {}
                _ = queue.changed.notified() => {}
            }
        }
    }
}

/// Ready after a seek.
async fn outdated(queue: &LiteQueue, epoch: u64) {
    while queue.is_epoch(epoch) {
        queue.changed.notified().await;
    }
}

struct Puller<'a> {
    core: &'a Arc<Core>,
    queue: &'a Arc<LiteQueue>,
    replica: i64,
    kind: PullKind,
}

impl Puller<'_> {
    async fn once(&mut self, epoch: u64, offset: i64) -> Result<(), Error> {
        let (core, queue) = (self.core, self.queue);
        let topic = &queue.queue.topic;
        let Some(subscription) = core.subscriptions.get(topic) else {
            return Err(Error::validation(format!("topic {topic} is not subscribed any more")));
        };
        let Some(broker) = core.instance.broker_addr(&queue.broker, BrokerRole::Replica(self.replica)) else {
            core.instance.master_of(&queue.queue).await?;
            return Ok(());
        };
        let request = Pull {
            group: &core.group,
            queue: &queue.queue,
            offset,
            count: core.options.pull_batch_size as i32,
            bytes: core.options.pull_batch_bytes,
            suspend: core.options.broker_suspend,
            commit: None,
            subscription: &subscription,
            with_expression: true,
            kind: self.kind,
        };
        let pulled = match pull(&core.instance, &broker.addr, &request).await {
            Ok(pulled) => pulled,
            // Brokers of 4.9 do not know the request.
            Err(error)
                if error.broker_code() == Some(response::REQUEST_CODE_NOT_SUPPORTED) && self.kind == PullKind::Lite =>
            {
                self.kind = PullKind::LiteOld;
                return Ok(());
            }
            Err(error) => {
                self.replica = 0;
                return Err(error);
            }
        };
        self.replica = pulled.suggested;
        let mut messages = Vec::new();
        let mut next = pulled.next;
        let mut damaged = None;
        match pulled.status {
            PullStatus::Illegal => {
                tracing::warn!(group = %core.group, queue = %queue.queue, from = offset, to = next, "offset outside the queue, moved");
                core.uncache(queue.moved(epoch, next));
                if next == offset {
                    // Nothing changes by asking again at once.
                    let remark = format!("offset {offset} is outside the queue, and so is what the broker names");
                    let (code, addr) = (response::PULL_OFFSET_MOVED, broker.addr.to_string());
                    return Err(Error::Broker { code, remark, addr, request: request::LITE_PULL_MESSAGE });
                }
                return Ok(());
            }
            PullStatus::NoNew | PullStatus::NoMatched => {}
            PullStatus::Found => {
                damaged = MessageExt::decode_all(&pulled.records, &queue.broker, &mut messages).err();
                if damaged.is_some() {
                    next = messages.last().map_or(offset, |last| last.queue_offset() + 1);
                }
                refine(&mut messages, &subscription, "");
            }
        }
        let count = messages.len();
        // Counted before a seek can see them, so that what it takes off was put on.
        core.cached.fetch_add(count, Ordering::SeqCst);
        match queue.pulled(epoch, next, messages) {
            Some(batch) => core.push(batch),
            None => core.uncache(count),
        }
        damaged.map_or(Ok(()), Err)
    }
}

/// The consumer as its instance sees it.
pub(super) struct Role(pub(super) Weak<Core>);

impl Role {
    fn with<T: Default>(&self, ask: impl FnOnce(Arc<Core>) -> T) -> T {
        self.0.upgrade().map(ask).unwrap_or_default()
    }
}

impl ConsumerRole for Role {
    fn heartbeat_data(&self) -> ConsumerData {
        self.with(|core| {
            // With assigned queues the broker is told no subscriptions: there is nothing to share out.
            let subscribed = *core.mode.lock() == Mode::Subscribe;
            ConsumerData {
                consume_from_where: Default::default(),
                consume_type: ConsumeType::Actively,
                group_name: core.group.clone(),
                message_model: core.options.message_model,
                subscription_data_set: if subscribed { core.subscriptions.all() } else { Vec::new() },
                unit_mode: false,
            }
        })
    }

    fn topics(&self) -> Vec<String> {
        self.with(|core| core.subscriptions.topics())
    }

    fn rebalance_now(&self) {
        self.with(|core| core.wake.notify_one());
    }

    /// Only push consumers take part (client.md 3.16).
    fn reset_offset(&self, topic: &str, _offsets: BTreeMap<MessageQueue, i64>) {
        tracing::info!(topic, "offset reset ignored: a pull consumer seeks by itself");
    }

    fn offsets(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        self.with(|core| core.offsets.of_topic(topic))
    }

    fn running_info(&self) -> ConsumerRunningInfo {
        self.with(|core| running_info(&core))
    }

    fn consume_directly(&self, _message: MessageExt) -> Option<BoxFuture<ConsumeMessageDirectlyResult>> {
        None
    }
}

fn running_info(core: &Core) -> ConsumerRunningInfo {
    let mut info = ConsumerRunningInfo { subscription_set: core.subscriptions.all(), ..Default::default() };
    for queue in core.queues() {
        let commit_offset = core.offsets.memory(&queue.queue).unwrap_or(-1);
        info.mq_table.insert(queue.queue.clone(), ProcessQueueInfo { commit_offset, ..Default::default() });
    }
    let servers: String = core.instance.name_servers().iter().map(|server| format!("{server};")).collect();
    let properties = [
        (PROP_CONSUME_TYPE, ConsumeType::Actively.name().to_owned()),
        (PROP_CONSUMER_START_TIMESTAMP, core.started_ms.to_string()),
        (PROP_NAMESERVER_ADDR, servers),
        (PROP_CLIENT_VERSION, version::name(version::CURRENT)),
        ("consumerGroup", core.group.clone()),
        ("pullBatchSize", core.options.pull_batch_size.to_string()),
        ("autoCommit", core.options.auto_commit.to_string()),
    ];
    info.properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    info
}
