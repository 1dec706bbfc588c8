//! Messages without order: chunks in one line, workers that take from it (client.md 3.10).
//!
//! Workers come and go by need, at most `consume_threads`: one at a time is woken, and wakes the next while chunks wait, so
//! fast listeners need one and slow ones get all. Plain functions run on threads for blocking work, a whole worker each;
//! async ones on the runtime. Successes are settled where they happen, without a hop.
//!
//! Threads and locks: the line has its own lock, held to push and pop.
use super::core::{Core, LISTENING_TO};
use super::queue::OwnedQueue;
use super::send_back::send_back;
use crate::consumer::listener::{ConcurrentContext, ConsumeConcurrentlyStatus, Listening};
use crate::message::MessageExt;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, Instant};

/// When messages are tried again here, because they could not be sent back.
const RETRY_HERE_AFTER: Duration = Duration::from_secs(5);
/// Delay level of messages that were in a listener for too long.
const OVERDUE_DELAY_LEVEL: i32 = 3;
/// Overdue messages of one queue that are sent back in one round.
const OVERDUE_MAX: usize = 16;

struct Chunk {
    queue: Arc<OwnedQueue>,
    messages: Vec<MessageExt>,
}

#[derive(Default)]
struct Line {
    chunks: VecDeque<Chunk>,
    workers: usize,
    /// A worker was started and has not taken its first chunk yet.
    waking: bool,
}

/// The line of chunks and its workers.
pub(super) struct Workers {
    line: Mutex<Line>,
    max: usize,
}

impl Workers {
    pub(super) fn new(max: usize) -> Self {
        Self { line: Mutex::default(), max }
    }

    /// Puts messages of one queue in line.
    pub(super) fn submit(&self, core: &Arc<Core>, queue: &Arc<OwnedQueue>, messages: Vec<MessageExt>) {
        let size = core.options.consume_batch_size;
        let wake = {
            let mut line = self.line.lock();
            let mut rest = messages.into_iter();
            loop {
                let messages: Vec<MessageExt> = rest.by_ref().take(size).collect();
                if messages.is_empty() {
                    break;
                }
                line.chunks.push_back(Chunk { queue: queue.clone(), messages });
            }
            self.wants_another(&mut line)
        };
        if wake {
            start_worker(core);
        }
    }

    fn wants_another(&self, line: &mut Line) -> bool {
        let wants = !line.waking && line.workers < self.max && !line.chunks.is_empty();
        if wants {
            line.workers += 1;
            line.waking = true;
        }
        wants
    }

    /// The next chunk for a worker, and whether another worker is wanted. Without a chunk the worker has to end.
    fn next(&self, first: bool) -> Option<(Chunk, bool)> {
        let mut line = self.line.lock();
        line.waking &= !first;
        match line.chunks.pop_front() {
            Some(chunk) => Some((chunk, self.wants_another(&mut line))),
            None => {
                line.workers -= 1;
                None
            }
        }
    }
}

fn start_worker(core: &Arc<Core>) {
    let work = work(core.clone());
    let runtime = core.runtime.clone();
    let blocking = matches!(&core.listening, Listening::Concurrent(listener) if listener.is_blocking());
    if blocking {
        let inner = runtime.clone();
        runtime.spawn_blocking(move || inner.block_on(work));
    } else {
        core.listeners.spawn(work);
    }
}

async fn work(core: Arc<Core>) {
    let mut first = true;
    while let Some((chunk, another)) = core.workers.next(first) {
        first = false;
        if another {
            start_worker(&core);
        }
        consume(&core, chunk).await;
        // A listener that never waits must not keep the runtime from other tasks.
        tokio::task::coop::consume_budget().await;
    }
}

async fn consume(core: &Arc<Core>, chunk: Chunk) {
    let Listening::Concurrent(listener) = &core.listening else { return };
    let Chunk { queue, messages } = chunk;
    if !queue.begin(messages.iter().map(MessageExt::queue_offset)) {
        return;
    }
    let context = Arc::new(ConcurrentContext::new(queue.queue.clone()));
    let begun = Instant::now();
    let called = LISTENING_TO.scope(queue.queue.clone(), listener.call(&messages, &context)).await;
    let took = begun.elapsed();
    let status = called.unwrap_or_else(|panic| {
        let offset = messages.first().map(MessageExt::queue_offset);
        tracing::error!(group = %core.group, queue = %queue.queue, ?offset, panic, "listener panicked, messages come again");
        ConsumeConcurrentlyStatus::ReconsumeLater
    });
    let ok = context.acknowledged(status, messages.len());
    settle(core, &queue, messages[..ok].iter().map(MessageExt::queue_offset));
    if ok < messages.len() {
        let failed: Vec<_> = messages[ok..].iter().map(|message| (message.clone(), context.delay_level())).collect();
        give_back(core, &queue, &failed).await;
    }
    queue.end(ok, messages.len() - ok, took);
}

/// Settles consumed messages of a queue and notes what may be committed.
pub(super) fn settle(core: &Arc<Core>, queue: &Arc<OwnedQueue>, offsets: impl Iterator<Item = i64>) {
    if let Some(offset) = queue.settle(offsets, &core.limits()) {
        core.offsets.update(&queue.queue, offset, true);
    }
}

/// Gives messages that were not consumed back to the broker, each with its delay level, and settles them here. Those that
/// could not be given back are tried again here.
pub(super) async fn give_back(core: &Arc<Core>, queue: &Arc<OwnedQueue>, failed: &[(MessageExt, i32)]) {
    let again = fail(core, queue, failed).await;
    let kept: HashSet<i64> = again.iter().map(MessageExt::queue_offset).collect();
    let given = failed.iter().map(|(message, _)| message.queue_offset()).filter(|offset| !kept.contains(offset));
    settle(core, queue, given);
    if !again.is_empty() {
        retry_here(core, queue.clone(), again);
    }
}

/// Deals with messages that were not consumed. Returns those that stay here.
async fn fail(core: &Arc<Core>, queue: &Arc<OwnedQueue>, failed: &[(MessageExt, i32)]) -> Vec<MessageExt> {
    let mut again = Vec::new();
    for (message, level) in failed {
        let offset = message.queue_offset();
        if !core.is_clustering() {
            tracing::warn!(group = %core.group, queue = %queue.queue, offset, "broadcast message not consumed, skipped");
        } else if queue.holds(offset) {
            if let Err(error) = send_back(core, message, *level).await {
                tracing::warn!(group = %core.group, queue = %queue.queue, offset, %error, "message stays here, not sent back");
                let mut message = message.clone();
                message.count_attempt();
                again.push(message);
            }
        }
    }
    again
}

fn retry_here(core: &Arc<Core>, queue: Arc<OwnedQueue>, messages: Vec<MessageExt>) {
    let again = core.clone();
    core.tasks.spawn(async move {
        tokio::select! {
            _ = queue.left() => {}
            _ = sleep(RETRY_HERE_AFTER) => again.submit(&queue, messages, false),
        }
    });
}

/// Sends back messages that hold their queue's offset because a listener has had them for too long.
pub(super) async fn send_back_overdue(core: &Arc<Core>) {
    for queue in core.queues() {
        for _ in 0..OVERDUE_MAX {
            let Some((offset, message)) = queue.overdue_head(core.options.consume_timeout) else { break };
            tracing::warn!(group = %core.group, queue = %queue.queue, offset, "message is in a listener for too long, sent back");
            if send_back(core, &message, OVERDUE_DELAY_LEVEL).await.is_err() {
                break;
            }
            if let Some(next) = queue.settle([offset], &core.limits()) {
                core.offsets.update(&queue.queue, next, true);
            }
        }
    }
}
