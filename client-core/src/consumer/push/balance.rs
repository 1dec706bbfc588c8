//! What a rebalance round of a push consumer does (client.md 3.4, 3.6): queues are taken, released, locked and unlocked.
//!
//! A queue is handed over only after its listener is done and its offset is committed. Releasing runs in a task of its own,
//! so that a slow listener does not keep the round from the other queues; until it is done the queue is not taken again.
use super::core::Core;
use super::pull_loop;
use super::queue::{OwnedQueue, Phase};
use crate::consumer::listener::without_panic;
use crate::consumer::locks;
use crate::consumer::rebalance::{diff, share, Balance, Rounds, Share};
use crate::error::Error;
use crate::tasks::Tasks;
use ferromq_protocol::body::MessageQueue;
use ferromq_protocol::topic as names;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long a concurrent consumer's listeners may take to end before the queue is given up without their results. Less
/// than the pause after which the next owner begins.
const HAND_OVER: Duration = Duration::from_millis(400);
/// When a queue taken from another member is pulled first, so that its commit is seen.
const TAKE_OVER: Duration = Duration::from_millis(500);
/// When queues whose lock was refused are tried again.
const LOCK_AGAIN: Duration = Duration::from_millis(500);
/// How long a reset waits for listeners.
const RESET_WAIT: Duration = Duration::from_secs(10);

impl Rounds for Core {
    async fn round(&self) -> Balance {
        let topics = self.subscriptions.topics();
        let mut result = Balance::Balanced;
        for topic in &topics {
            match self.balance(topic).await {
                Ok(true) => {}
                Ok(false) => result = Balance::Unbalanced,
                Err(Error::NoRoute { .. }) if names::is_retry(topic) => {
                    if result == Balance::Balanced {
                        result = Balance::WaitingForRetryTopic;
                    }
                }
                Err(error) => {
                    tracing::debug!(group = %self.group, %topic, %error, "queues not shared out, keeping what is owned");
                    result = Balance::Unbalanced;
                }
            }
        }
        for queue in self.queues() {
            if !topics.contains(&queue.queue.topic) {
                self.release(&queue);
            }
        }
        result
    }
}

impl Core {
    /// One topic; true when nothing is left to do.
    async fn balance(&self, topic: &str) -> Result<bool, Error> {
        let Some(core) = self.me.upgrade().filter(|core| !core.is_closing()) else { return Ok(true) };
        let model = self.options.message_model;
        let share = share(&self.instance, &self.group, model, &self.options.allocate, topic).await?;
        let found = diff(&self.owned(topic), &share.mine);
        for queue in found.release.iter().filter_map(|queue| self.queue(queue)) {
            self.release(&queue);
        }
        let wanted = found.take.len();
        let taken = core.take(found.take, &share).await;
        if taken > 0 || !found.release.is_empty() {
            tracing::info!(group = %self.group, %topic, all = share.all.len(), mine = share.mine.len(), "queues shared out");
            if let Some(listener) = &self.options.assignment_listener {
                if let Err(panic) = without_panic(|| listener(topic, &share.all, &share.mine)) {
                    tracing::error!(group = %self.group, %topic, panic, "assignment listener panicked");
                }
            }
        }
        Ok(found.balanced || (taken == wanted && found.release.is_empty()))
    }

    /// Takes new queues, as far as they can be locked. Returns how many were.
    async fn take(self: &Arc<Self>, queues: Vec<MessageQueue>, share: &Share) -> usize {
        let locking = self.uses_locks();
        let wanted = queues.len();
        let queues = if locking { self.lock_all(queues).await } else { queues };
        let delay = if locking || share.alone { Duration::ZERO } else { TAKE_OVER };
        let mut refused = Vec::new();
        for queue in &queues {
            let owned = Arc::new(OwnedQueue::new(queue.clone(), locking));
            if self.add_queue(&owned) {
                self.tasks.spawn(pull_loop::run(self.clone(), owned, delay));
            } else {
                refused.push(queue.clone());
            }
        }
        if self.is_closing() && locking {
            self.unlock_all(refused).await;
        } else if queues.len() < wanted {
            self.wake_after(LOCK_AGAIN);
        }
        queues.len()
    }

    async fn lock_all(&self, queues: Vec<MessageQueue>) -> Vec<MessageQueue> {
        let mut granted = Vec::new();
        for (broker, queues) in locks::by_broker(queues) {
            match locks::lock(&self.instance, &self.group, &queues).await {
                Ok(locked) => granted.extend(queues.into_iter().filter(|queue| locked.contains(queue))),
                Err(error) => tracing::warn!(group = %self.group, broker, %error, "queues not locked"),
            }
        }
        granted
    }

    fn wake_after(&self, pause: Duration) {
        let wake = self.wake.clone();
        self.tasks.spawn(async move {
            sleep(pause).await;
            wake.notify_one();
        });
    }

    /// Starts to give up a queue, unless that is under way.
    fn release(&self, queue: &Arc<OwnedQueue>) {
        let Some(core) = self.me.upgrade() else { return };
        if queue.leave() {
            self.tasks.spawn(release(core, queue.clone(), self.uses_locks()));
        }
    }

    /// RESET_CONSUMER_CLIENT_OFFSET for the queues of `topic` that are owned.
    pub(super) fn reset(&self, topic: &str, offsets: impl IntoIterator<Item = (MessageQueue, i64)>) {
        let Some(core) = self.me.upgrade() else { return };
        for (queue, offset) in offsets {
            if queue.topic != topic {
                continue;
            }
            if let Some(owned) = self.queue(&queue).filter(|owned| owned.leave()) {
                tracing::info!(group = %self.group, %queue, offset, "offset reset");
                self.tasks.spawn(replace_offset(core.clone(), owned, offset));
            }
        }
    }

    /// Renews all locks; queues whose lock is gone are given up. Returns when to renew them next.
    async fn renew_locks(self: &Arc<Self>) -> Duration {
        let mut next = locks::RENEW_EVERY;
        for (broker, queues) in locks::by_broker(self.active()) {
            let granted: BTreeSet<MessageQueue> = match locks::lock(&self.instance, &self.group, &queues).await {
                Ok(granted) => granted,
                Err(error) => {
                    tracing::warn!(group = %self.group, broker, %error, "locks not renewed, trying again");
                    next = locks::RENEW_AGAIN;
                    continue;
                }
            };
            for queue in queues.iter().filter_map(|queue| self.queue(queue)) {
                if granted.contains(&*queue.queue) {
                    queue.locked();
                } else {
                    lock_lost(self, &queue);
                }
            }
        }
        next
    }

    /// Gives all locks back, to all brokers at the same time.
    pub(super) async fn unlock_all(&self, queues: Vec<MessageQueue>) {
        let mut running = JoinSet::new();
        for (_, queues) in locks::by_broker(queues) {
            let (instance, group) = (Arc::clone(&self.instance), self.group.clone());
            running.spawn(async move { locks::unlock(&instance, &group, &queues).await });
        }
        while running.join_next().await.is_some() {}
    }
}

/// Another member has the queue now: what is cached here must not be consumed, and there is nothing to unlock.
pub(super) fn lock_lost(core: &Arc<Core>, queue: &Arc<OwnedQueue>) {
    if queue.leave() {
        tracing::warn!(group = %core.group, queue = %queue.queue, "lock lost, the queue is given up");
        core.tasks.spawn(release(core.clone(), queue.clone(), false));
    }
}

/// Waits for the listener, commits, unlocks, removes. The queue is leaving already.
async fn release(core: Arc<Core>, queue: Arc<OwnedQueue>, unlock: bool) {
    let patience = if unlock { queue.lock_left_at_broker() } else { HAND_OVER };
    if timeout(patience, queue.wait_idle()).await.is_err() {
        tracing::warn!(group = %core.group, queue = %queue.queue, "given up while its listener runs, messages may come twice");
    }
    queue.drop_now();
    core.commit(std::slice::from_ref(&*queue.queue)).await;
    if unlock {
        locks::unlock(&core.instance, &core.group, std::slice::from_ref(&*queue.queue)).await;
    }
    core.remove_queue(&queue.queue);
    tracing::debug!(group = %core.group, queue = %queue.queue, "released");
    core.wake.notify_one();
}

/// Commits an offset that comes from outside and gives the queue up; it is taken again there.
pub(super) async fn replace_offset(core: Arc<Core>, queue: Arc<OwnedQueue>, offset: i64) {
    // Results must not overwrite the offset from now on, so they need not be waited for to be correct; but a listener that
    // is still running would see its messages twice at a time.
    core.offsets.freeze(&queue.queue, offset);
    let patience = if core.uses_locks() { queue.lock_left_at_broker() } else { RESET_WAIT };
    let _ = timeout(patience, queue.wait_idle()).await;
    queue.drop_now();
    core.commit(std::slice::from_ref(&*queue.queue)).await;
    if core.uses_locks() {
        locks::unlock(&core.instance, &core.group, std::slice::from_ref(&*queue.queue)).await;
    }
    core.remove_queue(&queue.queue);
    core.wake.notify_one();
}

/// Starts what runs in intervals: lock renewal and commits.
pub(super) fn start_timers(core: &Arc<Core>, tasks: &Tasks) {
    every(core, tasks, core.options.commit_interval, |core| async move {
        let queues: Vec<_> =
            core.queues().iter().filter(|q| q.phase() != Phase::Dropped).map(|q| (*q.queue).clone()).collect();
        core.commit(&queues).await;
        core.options.commit_interval
    });
    if core.uses_locks() {
        every(core, tasks, locks::RENEW_EVERY, |core| async move { core.renew_locks().await });
    }
    if !core.listening.is_orderly() && core.is_clustering() {
        every(core, tasks, core.options.consume_timeout, |core| async move {
            super::concurrent::send_back_overdue(&core).await;
            core.options.consume_timeout
        });
    }
}

/// Runs `action` after `pause`, and then each time after what it says.
fn every<F, R>(core: &Arc<Core>, tasks: &Tasks, mut pause: Duration, action: F)
where
    F: Fn(Arc<Core>) -> R + Send + Sync + 'static,
    R: std::future::Future<Output = Duration> + Send,
{
    let (core, stopped) = (core.clone(), tasks.stopped());
    tasks.spawn(async move {
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                _ = &mut stopped => return,
                _ = sleep(pause) => {}
            }
            tokio::select! {
                _ = &mut stopped => return,
                next = action(core.clone()) => pause = next,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::consumer::listener::ConsumeOrderlyStatus;
    use crate::consumer::push::PushConsumer;
    use ferromq_protocol::{code::response, Command};
    use ferromq_remoting::{Connection, Handler, Limits, OutFrame, Server};

    /// A name server without topics.
    struct KnowsNothing;

    impl Handler for KnowsNothing {
        fn requests(&self, _: &Arc<Connection>, requests: &mut Vec<Command>, answers: &mut Vec<OutFrame>) {
            let no_route = |request| OutFrame::from(&Command::response_to(&request, response::TOPIC_NOT_EXIST, None));
            answers.extend(requests.drain(..).map(no_route));
        }
    }

    /// A renewal that got no answer is repeated long before the lock may not be used any more; the queue is kept.
    #[tokio::test]
    async fn a_renewal_that_failed_is_repeated_soon() {
        let any = "127.0.0.1:0".parse().unwrap();
        let names = Server::bind(any, Limits::default(), Arc::new(KnowsNothing)).await.unwrap();
        let builder = PushConsumer::builder("G").namesrv(names.local_addr().to_string()).subscribe("T", "*");
        let consumer = builder.orderly(|_, _| ConsumeOrderlyStatus::Success).start().await.unwrap();
        let core = &consumer.owner.core;
        assert_eq!(core.renew_locks().await, locks::RENEW_EVERY, "nothing is locked");
        let queue = MessageQueue::new("T", "b", 0);
        assert!(core.add_queue(&Arc::new(OwnedQueue::new(queue.clone(), true))));
        assert_eq!(core.renew_locks().await, locks::RENEW_AGAIN);
        assert_eq!(core.active(), [queue]);
        consumer.shutdown().await;
        names.shutdown().await;
    }
}
