//! Messages on their way from the language to the client: two lines, one task that begins sends and gathers their results.
//!
//! * `now`: sends somebody waits for. All are begun at once; the client's own limits make them wait within their budget.
//! * `later`: enqueued messages and those of `send_many`. Only as many are begun as the client carries at a time, so that
//!   waiting here does not use up their budget. Enqueued ones are bounded in count and bytes ([`Class::QueueFull`]).
//!
//! Sends are begun in the order in which they were given, per line. Results go out in bulk: one lock and at most one
//! wake-up for all that ended since the last time.
//!
//! Threads and locks: `lines` is held to push and to take; the task holds it for no send.
use crate::event::{Event, Value};
use crate::failure::Failure;
use crate::producer::How;
use crate::reply::ReplyTo;
use crate::EventQueue;
use ferromq::{Message, SendResult};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::FutureExt;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Notify;

/// A message to be sent.
pub(crate) struct Job {
    pub(crate) message: Message,
    pub(crate) how: How,
    pub(crate) to: JobReply,
}

/// Where its result goes.
pub(crate) enum JobReply {
    One(ReplyTo),
    /// Into the place of this number in a group.
    Part(Arc<Group>, usize),
}

/// Messages of one `send_many`.
pub(crate) struct Group {
    state: Mutex<GroupState>,
}

struct GroupState {
    results: Vec<Option<Result<SendResult, Failure>>>,
    left: usize,
    to: Option<ReplyTo>,
}

impl Group {
    pub(crate) fn new(count: usize, to: ReplyTo) -> Arc<Self> {
        let results = (0..count).map(|_| None).collect();
        Arc::new(Self { state: Mutex::new(GroupState { results, left: count, to: Some(to) }) })
    }

    /// Notes one result; the last one answers.
    fn note(&self, at: usize, result: Result<Option<SendResult>, Failure>, events: &EventQueue<Event>) {
        let (results, to) = {
            let mut state = self.state.lock();
            // A group has no one-way sends: a success always has its result.
            state.results[at] = result.transpose();
            state.left -= 1;
            if state.left > 0 {
                return;
            }
            (std::mem::take(&mut state.results), state.to.take())
        };
        if let Some(to) = to {
            to.sent_many(events, results.into_iter().flatten().collect());
        }
    }
}

#[derive(Default)]
struct Lines {
    now: VecDeque<Job>,
    later: VecDeque<Job>,
    /// Enqueued messages in `later`, and their bytes.
    queued: usize,
    queued_bytes: usize,
    /// Jobs given and not ended.
    pending: usize,
    /// Of messages whose results nobody wants.
    failed: u64,
    first_failure: Option<Failure>,
    /// Those who wait for `pending` to become 0.
    flushes: Vec<ReplyTo>,
    closed: bool,
}

/// See the module.
pub(crate) struct Outbox {
    lines: Mutex<Lines>,
    filled: Notify,
    count_max: usize,
    bytes_max: usize,
}

impl Outbox {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Self {
        Self { lines: Mutex::default(), filled: Notify::new(), count_max, bytes_max }
    }

    /// Sends that somebody waits for, each on its own.
    pub(crate) fn send(&self, jobs: impl ExactSizeIterator<Item = Job>) -> Result<(), Failure> {
        let mut lines = self.lines.lock();
        lines.check_open()?;
        let count = jobs.len();
        lines.now.extend(jobs);
        self.added(lines, count);
        Ok(())
    }

    /// Sends of one group.
    pub(crate) fn send_all(&self, jobs: impl ExactSizeIterator<Item = Job>) -> Result<(), Failure> {
        let mut lines = self.lines.lock();
        lines.check_open()?;
        let count = jobs.len();
        lines.later.extend(jobs);
        self.added(lines, count);
        Ok(())
    }

    /// A message that waits its turn.
    pub(crate) fn enqueue(&self, job: Job) -> Result<(), Failure> {
        let bytes = job.message.body().len();
        let mut lines = self.lines.lock();
        lines.check_open()?;
        if lines.queued >= self.count_max || (lines.queued > 0 && lines.queued_bytes + bytes > self.bytes_max) {
            let (count, held) = (lines.queued, lines.queued_bytes);
            drop(lines);
            return Err(Failure::queue_full(format!(
                "{count} enqueued messages of {held} bytes wait already (queue_count_max {}, queue_bytes_max {}): \
                 send more slowly, or wait for flush",
                self.count_max, self.bytes_max
            )));
        }
        lines.queued += 1;
        lines.queued_bytes += bytes;
        lines.later.push_back(job);
        self.added(lines, 1);
        Ok(())
    }

    /// How many messages, and bytes of bodies, can be enqueued before the next is refused.
    pub(crate) fn room(&self) -> (usize, usize) {
        let lines = self.lines.lock();
        (self.count_max.saturating_sub(lines.queued), self.bytes_max.saturating_sub(lines.queued_bytes))
    }

    fn added(&self, mut lines: parking_lot::MutexGuard<'_, Lines>, count: usize) {
        lines.pending += count;
        let first = lines.now.len() + lines.later.len() == count;
        drop(lines);
        if first {
            self.filled.notify_one();
        }
    }

    /// Answers when nothing is pending.
    pub(crate) fn flush(&self, to: ReplyTo, events: &EventQueue<Event>) {
        let mut lines = self.lines.lock();
        if lines.pending > 0 {
            lines.flushes.push(to);
            return;
        }
        let value = lines.flushed();
        drop(lines);
        to.done(events, Ok(value));
    }

    /// No more jobs. The task ends when those there are have ended.
    pub(crate) fn close(&self) {
        self.lines.lock().closed = true;
        self.filled.notify_one();
    }

    /// Lets everything that was not begun fail.
    pub(crate) fn abandon(&self, failure: &Failure, events: &EventQueue<Event>) {
        let jobs: Vec<Job> = {
            let mut lines = self.lines.lock();
            lines.closed = true;
            (lines.queued, lines.queued_bytes) = (0, 0);
            let Lines { now, later, .. } = &mut *lines;
            now.drain(..).chain(later.drain(..)).collect()
        };
        self.finish(jobs.into_iter().map(|job| (job.to, Err(failure.clone()))), events);
        self.filled.notify_one();
    }

    /// All of `now` and at most `count` of `later`, into `out`, which is empty. When that is a whole line, it is exchanged for
    /// `out`: whoever enqueues waits for the lock no longer than that takes, and both keep the memory that they have grown to.
    fn take(&self, count: usize, out: &mut VecDeque<Job>) {
        let mut lines = self.lines.lock();
        std::mem::swap(&mut lines.now, out);
        if out.is_empty() && count >= lines.later.len() {
            std::mem::swap(&mut lines.later, out);
            (lines.queued, lines.queued_bytes) = (0, 0);
            return;
        }
        let count = count.min(lines.later.len());
        for _ in 0..count {
            let Some(job) = lines.later.pop_front() else { break };
            if let JobReply::One(_) = &job.to {
                lines.queued -= 1;
                lines.queued_bytes -= job.message.body().len();
            }
            out.push_back(job);
        }
    }

    fn is_over(&self) -> bool {
        let lines = self.lines.lock();
        lines.closed && lines.pending == 0
    }

    /// Gives results to those who want them.
    fn finish(
        &self,
        results: impl Iterator<Item = (JobReply, Result<Option<SendResult>, Failure>)>,
        events: &EventQueue<Event>,
    ) {
        let (mut ended, mut failed, mut first) = (0, 0, None);
        let sent = results.filter_map(|(to, result)| {
            ended += 1;
            match to {
                JobReply::Part(group, at) => {
                    group.note(at, result, events);
                    None
                }
                JobReply::One(ReplyTo::Nobody) => {
                    if let Err(failure) = result {
                        tracing::warn!(%failure, "an enqueued message was not sent");
                        failed += 1;
                        first.get_or_insert(failure);
                    }
                    None
                }
                JobReply::One(to) => to.sent(result),
            }
        });
        // Gathered first: the queue's lock is not held while results are worked out.
        let sent: Vec<Event> = sent.collect();
        events.extend(sent);
        let mut lines = self.lines.lock();
        lines.pending -= ended;
        lines.failed += failed;
        if lines.first_failure.is_none() {
            lines.first_failure = first;
        }
        if lines.pending > 0 || lines.flushes.is_empty() {
            return;
        }
        let flushes = std::mem::take(&mut lines.flushes);
        let values: Vec<Value> = flushes.iter().map(|_| lines.flushed()).collect();
        drop(lines);
        flushes.into_iter().zip(values).for_each(|(to, value)| to.done(events, Ok(value)));
    }

    /// Begins sends and gathers their results until the outbox is closed and empty. `window` of `later` are under way at a
    /// time.
    pub(crate) async fn drive<F>(&self, window: usize, events: &EventQueue<Event>, send: impl Fn(Message, How) -> F)
    where
        F: Future<Output = Result<Option<SendResult>, Failure>>,
    {
        let mut under_way = FuturesUnordered::new();
        let mut jobs = VecDeque::new();
        while !self.is_over() {
            self.take(window.saturating_sub(under_way.len()), &mut jobs);
            for Job { message, how, to } in jobs.drain(..) {
                let sending = send(message, how);
                under_way.push(async move { (to, sending.await) });
            }
            tokio::select! {
                biased;
                () = self.filled.notified() => {}
                Some(first) = under_way.next() => {
                    let mut ended = vec![first];
                    while let Some(Some(next)) = under_way.next().now_or_never() {
                        ended.push(next);
                    }
                    self.finish(ended.into_iter(), events);
                }
            }
        }
    }

    /// Ends every job at once with what `answer` makes of it: the echo mode.
    pub(crate) async fn echo(&self, events: &EventQueue<Event>, answer: impl Fn(&Job) -> Option<SendResult>) {
        let mut jobs = VecDeque::new();
        while !self.is_over() {
            self.take(usize::MAX, &mut jobs);
            if jobs.is_empty() {
                self.filled.notified().await;
                continue;
            }
            let ended = jobs.drain(..).map(|job| {
                let result = answer(&job);
                (job.to, Ok(result))
            });
            self.finish(ended, events);
            tokio::task::yield_now().await;
        }
    }
}

impl Lines {
    fn check_open(&self) -> Result<(), Failure> {
        if self.closed {
            return Err(Failure::closed("producer"));
        }
        Ok(())
    }

    /// What a flush says; counting begins anew.
    fn flushed(&mut self) -> Value {
        Value::Flushed { failed: std::mem::take(&mut self.failed), first: self.first_failure.take() }
    }
}
