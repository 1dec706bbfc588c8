//! What all parts of a push consumer share, and the way from a pulled message to a listener.
use super::concurrent::Workers;
use super::line::Line;
use super::options::PushOptions;
use super::orderly;
use super::queue::{OwnedQueue, Phase};
use crate::consumer::listener::Listening;
use crate::consumer::offset_store::OffsetStore;
use crate::consumer::process_queue::CacheLimits;
use crate::consumer::rebalance::Owned;
use crate::consumer::subscription::Subscriptions;
use crate::instance::ClientInstance;
use crate::message::MessageExt;
use crate::producer::Producer;
use crate::tasks::Tasks;
use ferromq_protocol::body::{MessageModel, MessageQueue};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;
use tokio::sync::{watch, Notify, Semaphore};

tokio::task_local! {
    /// The queue whose listener runs in this task: a shutdown from inside must not wait for its own caller.
    pub(super) static LISTENING_TO: Arc<MessageQueue>;
}

/// The shared part of a push consumer.
pub(super) struct Core {
    pub(super) group: String,
    pub(super) retry_topic: String,
    pub(super) options: PushOptions,
    pub(super) instance: Arc<ClientInstance>,
    pub(super) subscriptions: Subscriptions,
    pub(super) offsets: OffsetStore,
    pub(super) listening: Listening,
    /// Where messages wait to be taken; without it they go to a listener.
    pub(super) line: Option<Arc<Line>>,
    /// For messages that cannot be sent back.
    pub(super) producer: Option<Producer>,
    /// The queues owned; those leaving are still among them.
    queues: Mutex<HashMap<MessageQueue, Arc<OwnedQueue>>>,
    queue_count: AtomicUsize,
    /// Set, under the lock of `queues`, by the shutdown: no queue is added any more.
    closing: AtomicBool,
    /// Wakes the rebalance loop.
    pub(super) wake: Arc<Notify>,
    /// True while the user wants no pulls.
    pub(super) suspended: watch::Sender<bool>,
    pub(super) workers: Workers,
    /// Orderly listener calls at a time.
    pub(super) permits: Arc<Semaphore>,
    pub(super) tasks: Tasks,
    /// What calls an async listener. Apart, because a listener may be the one who waits for the shutdown.
    pub(super) listeners: Tasks,
    pub(super) runtime: Handle,
    pub(super) started_ms: i64,
    pub(super) me: Weak<Core>,
}

/// What [`Core::new`] is made of.
pub(super) struct Parts {
    pub(super) group: String,
    pub(super) retry_topic: String,
    pub(super) options: PushOptions,
    pub(super) instance: Arc<ClientInstance>,
    pub(super) subscriptions: Subscriptions,
    pub(super) offsets: OffsetStore,
    pub(super) listening: Listening,
    pub(super) line: Option<Arc<Line>>,
    pub(super) producer: Option<Producer>,
}

impl Core {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let threads = parts.options.consume_threads;
        Arc::new_cyclic(|me| Self {
            group: parts.group,
            retry_topic: parts.retry_topic,
            options: parts.options,
            instance: parts.instance,
            subscriptions: parts.subscriptions,
            offsets: parts.offsets,
            listening: parts.listening,
            line: parts.line,
            producer: parts.producer,
            queues: Mutex::default(),
            queue_count: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            wake: Arc::new(Notify::new()),
            suspended: watch::channel(false).0,
            workers: Workers::new(threads),
            permits: Arc::new(Semaphore::new(threads)),
            tasks: Tasks::default(),
            listeners: Tasks::default(),
            runtime: Handle::current(),
            started_ms: crate::platform::now_ms(),
            me: me.clone(),
        })
    }

    pub(super) fn is_clustering(&self) -> bool {
        self.options.message_model == MessageModel::Clustering
    }

    /// True when queues are locked at their brokers.
    pub(super) fn uses_locks(&self) -> bool {
        self.listening.is_orderly() && self.is_clustering()
    }

    /// Limits of one queue's cache: the option, or this queue's part of the total.
    pub(super) fn limits(&self) -> CacheLimits {
        let owned = self.queue_count.load(Ordering::Relaxed).max(1);
        let part = |total: Option<usize>, each: usize| total.map_or(each, |total| (total / owned).max(1));
        CacheLimits {
            count: part(self.options.cache_count_total, self.options.cache_count_per_queue),
            bytes: part(self.options.cache_bytes_total, self.options.cache_bytes_per_queue),
            span: (!self.listening.is_orderly()).then_some(self.options.max_span),
        }
    }

    /// All queues, leaving ones included.
    pub(super) fn queues(&self) -> Vec<Arc<OwnedQueue>> {
        self.queues.lock().values().cloned().collect()
    }

    /// The queues that are consumed, sorted.
    pub(super) fn active(&self) -> Vec<MessageQueue> {
        let queues = self.queues();
        let active = queues.iter().filter(|queue| queue.phase() == Phase::Active);
        let mut active: Vec<MessageQueue> = active.map(|queue| (*queue.queue).clone()).collect();
        active.sort();
        active
    }

    /// The queues of a topic and how they are doing.
    pub(super) fn owned(&self, topic: &str) -> Vec<(MessageQueue, Owned)> {
        let queues = self.queues.lock();
        let of_topic = queues.iter().filter(|(queue, _)| queue.topic == topic);
        let state = |queue: &Arc<OwnedQueue>| match queue.phase() {
            Phase::Active => Owned::Active,
            Phase::Leaving | Phase::Dropped => Owned::Leaving,
        };
        of_topic.map(|(queue, owned)| (queue.clone(), state(owned))).collect()
    }

    pub(super) fn queue(&self, queue: &MessageQueue) -> Option<Arc<OwnedQueue>> {
        self.queues.lock().get(queue).cloned()
    }

    /// Adds a queue; false when the consumer shuts down, or has the queue.
    pub(super) fn add_queue(&self, queue: &Arc<OwnedQueue>) -> bool {
        let mut queues = self.queues.lock();
        if self.is_closing() || queues.contains_key(&*queue.queue) {
            return false;
        }
        self.offsets.forget(&queue.queue);
        queues.insert((*queue.queue).clone(), queue.clone());
        self.queue_count.store(queues.len(), Ordering::Relaxed);
        true
    }

    /// True once the consumer shuts down.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// From now on no queue is added. Returns those there are.
    pub(super) fn close(&self) -> Vec<Arc<OwnedQueue>> {
        let queues = self.queues.lock();
        self.closing.store(true, Ordering::Release);
        queues.values().cloned().collect()
    }

    /// Removes a queue and its offset in memory.
    pub(super) fn remove_queue(&self, queue: &MessageQueue) {
        let mut queues = self.queues.lock();
        queues.remove(queue);
        self.queue_count.store(queues.len(), Ordering::Relaxed);
        self.offsets.forget(queue);
    }

    /// Hands pulled messages to the listener's service.
    pub(super) fn submit(self: &Arc<Self>, queue: &Arc<OwnedQueue>, messages: Vec<MessageExt>, dispatch: bool) {
        match &self.listening {
            Listening::Concurrent(_) => self.workers.submit(self, queue, messages),
            Listening::Line(line) => line.submit(queue, messages),
            Listening::Orderly(_) if dispatch => {
                self.listeners.spawn(orderly::run(self.clone(), queue.clone()));
            }
            Listening::Orderly(_) => {}
        }
    }

    /// Commits what changed; errors are logged, the next round tries again.
    pub(super) async fn commit(&self, queues: &[MessageQueue]) {
        if let Err(error) = self.offsets.commit(queues).await {
            tracing::warn!(group = %self.group, %error, "offsets not committed");
        }
    }
}
