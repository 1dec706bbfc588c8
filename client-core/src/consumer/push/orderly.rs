//! Messages in order: one runner per queue, which calls the listener again and again while there is work and the queue's
//! lock holds (client.md 3.11).
//!
//! The runner is a task; what it does with a plain function happens on a thread for blocking work, for as long as there are
//! messages, so that a message costs no hop. A failing message is put back and the queue pauses: nothing overtakes it.
use super::balance;
use super::core::{Core, LISTENING_TO};
use super::queue::OwnedQueue;
use super::send_back::resend;
use crate::consumer::listener::{ConsumeOrderlyStatus, Listening, OrderlyContext, Partly};
use crate::consumer::locks;
use crate::message::MessageExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, Instant};

/// How long a queue may keep its place among the running ones while others wait.
const TURN: Duration = Duration::from_secs(60);
/// When an expired lock is asked for again after an error.
const RELOCK_AFTER: Duration = Duration::from_secs(1);
const SUSPEND_MIN: Duration = Duration::from_millis(10);
const SUSPEND_MAX: Duration = Duration::from_secs(30);

/// Why a turn ended.
enum End {
    /// No messages: the runner is over, the next put starts another.
    Empty,
    /// The queue is not active any more.
    Left,
    Pause(Duration),
    LockExpired,
    TurnOver,
}

/// The runner of one queue.
pub(super) async fn run(core: Arc<Core>, queue: Arc<OwnedQueue>) {
    let stopped = core.tasks.stopped();
    tokio::pin!(stopped);
    loop {
        let permit = tokio::select! {
            _ = &mut stopped => break,
            _ = queue.left() => break,
            permit = ready(&core, &queue) => permit,
        };
        let Some(permit) = permit else { break };
        let end = turn(&core, &queue).await;
        drop(permit);
        match end {
            End::Empty => return,
            End::Left => break,
            End::LockExpired | End::TurnOver => {}
            End::Pause(pause) => {
                tokio::select! {
                    _ = &mut stopped => break,
                    _ = queue.left() => break,
                    _ = sleep(pause) => {}
                }
            }
        }
    }
    queue.runner_ended();
}

/// Waits for the lock and a place among the running. `None`: the lock is lost, and with it the queue.
async fn ready(core: &Arc<Core>, queue: &Arc<OwnedQueue>) -> Option<tokio::sync::OwnedSemaphorePermit> {
    while core.uses_locks() && !queue.lock_holds() {
        match locks::lock(&core.instance, &core.group, std::slice::from_ref(&*queue.queue)).await {
            Ok(granted) if granted.contains(&*queue.queue) => queue.locked(),
            Ok(_) => {
                balance::lock_lost(core, queue);
                return None;
            }
            Err(error) => {
                tracing::warn!(group = %core.group, queue = %queue.queue, %error, "lock expired and not renewed yet");
                sleep(RELOCK_AFTER).await;
            }
        }
    }
    core.permits.clone().acquire_owned().await.ok()
}

/// One turn, on the kind of thread that the listener needs.
async fn turn(core: &Arc<Core>, queue: &Arc<OwnedQueue>) -> End {
    let Listening::Orderly(listener) = &core.listening else { return End::Left };
    if !listener.is_blocking() {
        return batches(core, queue).await;
    }
    let (inner_core, inner_queue, runtime) = (core.clone(), queue.clone(), core.runtime.clone());
    let joined = core.runtime.spawn_blocking(move || runtime.block_on(batches(&inner_core, &inner_queue))).await;
    joined.unwrap_or(End::Left)
}

async fn batches(core: &Arc<Core>, queue: &Arc<OwnedQueue>) -> End {
    let Listening::Orderly(listener) = &core.listening else { return End::Left };
    let began = Instant::now();
    loop {
        if core.uses_locks() && !queue.lock_holds() {
            return End::LockExpired;
        }
        if began.elapsed() > TURN {
            return End::TurnOver;
        }
        let messages = match queue.take(core.options.consume_batch_size) {
            None => return End::Left,
            Some(messages) if messages.is_empty() => return End::Empty,
            Some(messages) => messages,
        };
        let context = Arc::new(OrderlyContext::new(queue.queue.clone()));
        let begun = Instant::now();
        let called = LISTENING_TO.scope(queue.queue.clone(), listener.call(&messages, &context)).await;
        let took = begun.elapsed();
        let status = called.unwrap_or_else(|panic| {
            let offset = messages.first().map(MessageExt::queue_offset);
            tracing::error!(group = %core.group, queue = %queue.queue, ?offset, panic, "listener panicked, messages come again");
            ConsumeOrderlyStatus::SuspendCurrentQueueAMoment
        });
        let Partly { consumed, failed } = context.outcome(status, messages.len());
        let through = consumed + failed;
        let waits = failed > 0 && must_wait(core, &messages[consumed..through]).await;
        if let Some(offset) = queue.commit(if waits { consumed } else { through }, &core.limits()) {
            core.offsets.update(&queue.queue, offset, false);
        }
        queue.rollback(if waits { failed } else { 0 });
        queue.end(consumed, failed, took);
        queue.unbegin(messages.len() - through);
        if waits {
            let pause = context.suspend().unwrap_or(core.options.suspend);
            return End::Pause(pause.clamp(SUSPEND_MIN, SUSPEND_MAX));
        }
        if failed == 0 && consumed < messages.len() {
            // Given back by somebody who leaves: not at once to the next one who does.
            return End::Pause(SUSPEND_MIN);
        }
        tokio::task::coop::consume_budget().await;
    }
}

/// False when every failed message has used up its attempts and is on its way to the dead letters.
async fn must_wait(core: &Arc<Core>, messages: &[MessageExt]) -> bool {
    let max = core.options.max_reconsume_times.unwrap_or(i32::MAX);
    let mut wait = false;
    for message in messages {
        if message.reconsume_times() < max {
            wait = true;
        } else if let Err(error) = resend(core, message, message.reconsume_times(), max).await {
            tracing::warn!(group = %core.group, offset = message.queue_offset(), %error, "dead letter not sent, the queue waits");
            wait = true;
        }
    }
    wait
}
