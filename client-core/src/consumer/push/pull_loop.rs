//! The pull task of one queue (client.md 3.9): finds out where to begin, then pulls for as long as the queue is owned.
use super::balance;
use super::core::Core;
use super::queue::OwnedQueue;
use crate::consumer::pull::{pause_after, pull, Pull, PullKind, PullStatus, Pulled};
use crate::consumer::{start_offset, subscription};
use crate::error::Error;
use crate::message::MessageExt;
use crate::route::BrokerRole;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, Instant};

/// Runs until the queue leaves or the consumer stops. `delay` is how long the former owner gets to commit.
pub(super) async fn run(core: Arc<Core>, queue: Arc<OwnedQueue>, delay: Duration) {
    let stopped = core.tasks.stopped();
    tokio::select! {
        _ = queue.left() => {}
        _ = stopped => {}
        _ = pulls(&core, &queue, delay) => {}
    }
}

async fn pulls(core: &Arc<Core>, queue: &Arc<OwnedQueue>, delay: Duration) {
    sleep(delay).await;
    let mut puller = Puller { core, queue, next: begin(core, queue).await, replica: 0 };
    let mut suspended = core.suspended.subscribe();
    let mut failing = false;
    loop {
        let _ = suspended.wait_for(|suspended| !*suspended).await;
        queue.wait_room(|| core.limits()).await;
        if core.uses_locks() && !queue.lock_holds() {
            // The runner, or the next renewal, gets it back or gives the queue up.
            sleep(core.options.pull_error_pause).await;
            continue;
        }
        let done = puller.once().await;
        let first = !std::mem::replace(&mut failing, done.is_err());
        match done {
            Ok(Next::AtOnce) => {}
            Ok(Next::AfterInterval) if core.options.pull_interval.is_zero() => {}
            Ok(Next::AfterInterval) => sleep(core.options.pull_interval).await,
            Ok(Next::Never) => return std::future::pending().await,
            Err(error) => {
                let at = puller.next;
                if first {
                    tracing::warn!(group = %core.group, queue = %queue.queue, at, %error, "pull failed, trying again");
                } else {
                    tracing::debug!(group = %core.group, queue = %queue.queue, at, %error, "pull failed again");
                }
                sleep(pause_after(&error, core.options.pull_error_pause)).await;
            }
        }
    }
}

/// The first offset; asks until there is an answer.
async fn begin(core: &Arc<Core>, queue: &Arc<OwnedQueue>) -> i64 {
    loop {
        match start_offset(&core.instance, &core.offsets, &queue.queue, core.options.consume_from).await {
            Ok(offset) => {
                tracing::debug!(group = %core.group, queue = %queue.queue, offset, "queue begins");
                // Committed like a consumed one: without it the next owner could begin behind what came meanwhile.
                core.offsets.update(&queue.queue, offset, true);
                return offset;
            }
            Err(error) => {
                tracing::warn!(group = %core.group, queue = %queue.queue, %error, "where to begin is not known yet");
                sleep(core.options.pull_error_pause).await;
            }
        }
    }
}

enum Next {
    AtOnce,
    AfterInterval,
    /// The queue is on its way out.
    Never,
}

struct Puller<'a> {
    core: &'a Arc<Core>,
    queue: &'a Arc<OwnedQueue>,
    next: i64,
    /// Broker id suggested by the last answer.
    replica: i64,
}

impl Puller<'_> {
    async fn once(&mut self) -> Result<Next, Error> {
        let (core, queue) = (self.core, self.queue);
        let topic = &queue.queue.topic;
        let Some(subscription) = core.subscriptions.get(topic) else {
            return Err(Error::validation(format!("topic {topic} is not subscribed any more")));
        };
        let Some(broker) = core.instance.broker_addr(&queue.broker, BrokerRole::Replica(self.replica)) else {
            core.instance.master_of(&queue.queue).await?;
            return Ok(Next::AtOnce);
        };
        let commit = core.is_clustering() && !broker.is_slave();
        let request = Pull {
            group: &core.group,
            queue: &queue.queue,
            offset: self.next,
            count: core.options.pull_batch_size,
            bytes: core.options.pull_batch_bytes,
            suspend: core.options.broker_suspend,
            commit: core.offsets.memory(&queue.queue).filter(|offset| commit && *offset > 0),
            subscription: &subscription,
            with_expression: core.options.expression_with_pull,
            kind: PullKind::Push,
        };
        queue.pulling();
        let begun = Instant::now();
        let pulled = match pull(&core.instance, &broker.addr, &request).await {
            Ok(pulled) => pulled,
            Err(error) => {
                // A replica that is gone must not be asked for ever.
                self.replica = 0;
                return Err(error);
            }
        };
        self.replica = pulled.suggested;
        match pulled.status {
            PullStatus::Found => self.found(pulled, &subscription, begun.elapsed()),
            PullStatus::NoNew | PullStatus::NoMatched => {
                self.skip_to(pulled.next);
                Ok(Next::AtOnce)
            }
            // What was before is deleted. What is cached here stays good.
            PullStatus::Illegal if pulled.next > self.next => {
                let (from, to) = (self.next, pulled.next);
                tracing::warn!(group = %core.group, queue = %queue.queue, from, to, "messages are gone, skipped");
                self.skip_to(to);
                core.commit(std::slice::from_ref(&*queue.queue)).await;
                Ok(Next::AtOnce)
            }
            // The broker has lost messages, or the topic was made anew.
            PullStatus::Illegal => {
                let (from, to) = (self.next, queue.back_to(pulled.next));
                tracing::warn!(group = %core.group, queue = %queue.queue, from, to, "offset outside the queue, moved");
                if queue.leave() {
                    core.tasks.spawn(balance::replace_offset(core.clone(), queue.clone(), to));
                }
                Ok(Next::Never)
            }
        }
    }

    fn found(
        &mut self,
        pulled: Pulled,
        subscription: &ferromq_protocol::body::SubscriptionData,
        took: Duration,
    ) -> Result<Next, Error> {
        let mut messages = Vec::new();
        let damaged = MessageExt::decode_all(&pulled.records, &self.queue.broker, &mut messages).err();
        // What comes before a damaged record is delivered; the record itself is asked for again.
        let next = match (&damaged, messages.last()) {
            (None, _) => pulled.next,
            (Some(_), Some(last)) => last.queue_offset() + 1,
            (Some(_), None) => self.next,
        };
        subscription::refine(&mut messages, subscription, &self.core.retry_topic);
        if messages.is_empty() {
            self.skip_to(next);
        } else {
            self.next = next;
            let put = self.queue.put(&messages, next, took);
            self.core.submit(self.queue, messages, put.dispatch);
        }
        match damaged {
            Some(error) => Err(error),
            None => Ok(Next::AfterInterval),
        }
    }

    /// Nothing up to `next` is for this consumer: with an empty cache that is consumed too.
    fn skip_to(&mut self, next: i64) {
        self.next = next;
        if self.queue.reached(next) {
            self.core.offsets.update(&self.queue.queue, next, true);
        }
    }
}
