//! The loop of `consume`: polls, prints, notes how far it printed, and knows when to end.
//!
//! Invariant: what a group commits was printed, and written out, before. A message that was polled but not printed, because
//! of `--count` or because the reader of the pipe is gone, stays for the next member.
use crate::failure::Failure;
use crate::format::{write_json, Format};
use crate::pipe::{judge, Wrote};
use crate::progress::Progress;
use ferromq::{LitePullConsumer, MessageExt, MessageQueue};
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

/// How long one poll waits; between polls the command looks whether it shall end.
const POLL: Duration = Duration::from_millis(500);
/// With `--exit`: brokers that do not answer for this long end the command with their error.
const BROKER_PATIENCE: Duration = Duration::from_secs(15);
/// With `--exit`: a member of a group that gets no queue for this long ends with an error; the others have them all.
const SHARE_PATIENCE: Duration = Duration::from_secs(30);

/// When to end, and whether to commit.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// End when every queue has been read to its end.
    pub exit: bool,
    /// End after this many messages.
    pub count: Option<u64>,
    /// Commit what was printed.
    pub commits: bool,
}

/// Reads what the consumer was told to read.
pub struct Reader<'a> {
    consumer: &'a LitePullConsumer,
    limits: Limits,
    format: Option<Format>,
    out: BufWriter<std::io::Stdout>,
    progress: Progress,
    ends: Ends,
    /// Offset of the first message of a queue that was polled but not printed.
    left: HashMap<MessageQueue, i64>,
}

impl<'a> Reader<'a> {
    /// Nothing read yet; without a format it prints JSON.
    pub fn new(consumer: &'a LitePullConsumer, format: Option<Format>, limits: Limits) -> Reader<'a> {
        let out = BufWriter::new(std::io::stdout());
        let (progress, ends) = (Progress::new("received"), Ends::new());
        Reader { consumer, limits, format, out, progress, ends, left: HashMap::new() }
    }

    /// Reads until a limit is reached or the reader of standard output is gone.
    pub async fn read(&mut self) -> Result<(), Failure> {
        loop {
            if self.limits.exit && self.ends.reached(self.consumer).await? {
                return Ok(());
            }
            let messages = self.consumer.poll(POLL).await.map_err(Failure::new)?;
            let printed = self.print_all(&messages)?;
            messages[printed..].iter().for_each(|m| {
                self.left.entry(m.queue()).or_insert_with(|| m.queue_offset());
            });
            if printed < messages.len() || self.enough() {
                return Ok(());
            }
            if !messages.is_empty() {
                self.commit().await?;
            }
        }
    }

    /// The last line of progress, and the last commit.
    pub async fn finish(&mut self) -> Result<(), Failure> {
        self.progress.finish();
        self.commit().await
    }

    fn enough(&self) -> bool {
        self.limits.count.is_some_and(|count| self.progress.messages() >= count)
    }

    /// Prints and writes out; returns how many messages the reader of standard output can have got.
    fn print_all(&mut self, messages: &[MessageExt]) -> Result<usize, Failure> {
        let mut printed = 0;
        for message in messages {
            if self.enough() {
                break;
            }
            let outcome = match &self.format {
                Some(format) => format.write(&mut self.out, message),
                None => write_json(&mut self.out, message),
            };
            if judge(outcome)? == Wrote::ReaderGone {
                return Ok(0);
            }
            self.progress.add(message.body().len());
            printed += 1;
        }
        Ok(if judge(self.out.flush())? == Wrote::ReaderGone { 0 } else { printed })
    }

    async fn commit(&self) -> Result<(), Failure> {
        if !self.limits.commits {
            return Ok(());
        }
        let assigned = self.consumer.assignment().into_iter();
        let offsets: Vec<(MessageQueue, i64)> = assigned
            .filter_map(|queue| {
                let offset = self.left.get(&queue).copied().or_else(|| self.consumer.position(&queue))?;
                Some((queue, offset))
            })
            .collect();
        self.consumer.commit_offsets(&offsets).await.map_err(Failure::new)
    }
}

/// The ends of the queues, as they were when the command first saw them.
struct Ends {
    offsets: HashMap<MessageQueue, i64>,
    /// Since when nothing is assigned.
    idle_since: Instant,
    /// Since when the broker asked last does not answer.
    silent_since: Option<Instant>,
}

impl Ends {
    fn new() -> Ends {
        Ends { offsets: HashMap::new(), idle_since: Instant::now(), silent_since: None }
    }

    /// True when something is assigned and every queue has been handed out up to its end. Fails when that cannot happen any
    /// more: brokers that do not answer, or no queue for this member.
    async fn reached(&mut self, consumer: &LitePullConsumer) -> Result<bool, Failure> {
        let assigned = consumer.assignment();
        if assigned.is_empty() {
            if self.idle_since.elapsed() > SHARE_PATIENCE {
                let seconds = SHARE_PATIENCE.as_secs();
                return Err(Failure::new(format!("no queue for this member of the group within {seconds} s")));
            }
            return Ok(false);
        }
        self.idle_since = Instant::now();
        for queue in assigned {
            let behind = match (self.offsets.get(&queue), consumer.position(&queue)) {
                (Some(end), Some(position)) => position < *end,
                _ => true,
            };
            if behind && !self.is_at_its_end(consumer, &queue).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asks the broker for the end of a queue, which also shows whether it answers.
    async fn is_at_its_end(&mut self, consumer: &LitePullConsumer, queue: &MessageQueue) -> Result<bool, Failure> {
        match consumer.max_offset(queue).await {
            Ok(now) => {
                self.silent_since = None;
                let end = *self.offsets.entry(queue.clone()).or_insert(now);
                Ok(consumer.position(queue).is_some_and(|position| position >= end))
            }
            Err(error) => {
                let since = *self.silent_since.get_or_insert_with(Instant::now);
                if since.elapsed() > BROKER_PATIENCE {
                    return Err(Failure::new(error));
                }
                Ok(false)
            }
        }
    }
}
