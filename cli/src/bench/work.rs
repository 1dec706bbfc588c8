//! The runs: producers that share a schedule, consumers that count, and both together.
use super::histogram::Histogram;
use super::report::Outcome;
use super::Options;
use crate::failure::Failure;
use ferromq::{ConsumeConcurrentlyStatus, ConsumeFrom, Message, MessageExt, Producer, PushConsumer};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Bytes at the start of a body: the run's number and when the message was due, in nanoseconds of this process.
pub(super) const STAMP_BYTES: usize = 16;
/// A consumer that gets nothing for this long has reached the end, or nothing comes any more.
const SILENCE: Duration = Duration::from_secs(10);
/// Between two messages that find out whether the consumers are there.
const PROBE_EVERY: Duration = Duration::from_millis(50);
/// Longest time until they are.
const CONSUMERS_WITHIN: Duration = Duration::from_secs(60);
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// What is counted while a run goes on.
#[derive(Default)]
struct Counters {
    messages: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    error: OnceLock<String>,
}

/// The clock of a run.
fn nanos() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Which message is next, and when it is due.
struct Schedule {
    next: AtomicU64,
    messages: u64,
    started: u64,
    /// Nanoseconds between two messages.
    every: f64,
}

impl Schedule {
    fn new(options: &Options) -> Self {
        let every = options.rate.map_or(0.0, |rate| 1e9 / rate);
        Self { next: AtomicU64::new(0), messages: options.messages, started: nanos(), every }
    }

    /// Takes up to `batch` messages; waits until the last of them is due. How many, and when that was.
    async fn take(&self, batch: u64) -> Option<(u64, u64)> {
        let first = self.next.fetch_add(batch, Relaxed);
        let count = self.messages.checked_sub(first).filter(|left| *left > 0)?.min(batch);
        if self.every == 0.0 {
            return Some((count, nanos()));
        }
        let due = self.started + ((first + count - 1) as f64 * self.every) as u64;
        if let Some(wait) = due.checked_sub(nanos()).filter(|wait| *wait > 0) {
            tokio::time::sleep(Duration::from_nanos(wait)).await;
            // The timer is exact to a millisecond, which is not the cluster's time.
            return Some((count, nanos()));
        }
        Some((count, due))
    }
}

fn body(size: usize, run: u64, due: u64) -> Vec<u8> {
    let mut body = vec![b'.'; size];
    body[..8].copy_from_slice(&run.to_be_bytes());
    body[8..STAMP_BYTES].copy_from_slice(&due.to_be_bytes());
    body
}

/// Run and due time of a message of a bench; `None` for other messages.
fn stamp(message: &MessageExt) -> Option<(u64, u64)> {
    let read = |from: usize| Some(u64::from_be_bytes(message.body().get(from..from + 8)?.try_into().ok()?));
    Some((read(0)?, read(8)?))
}

/// One of the tasks that keep a producer busy.
async fn send_some(
    producer: Producer,
    options: Arc<Options>,
    run: u64,
    schedule: Arc<Schedule>,
    counters: Arc<Counters>,
) -> Histogram {
    let mut latency = Histogram::new();
    while let Some((count, due)) = schedule.take(u64::from(options.batch)).await {
        let mut messages: Vec<Message> =
            (0..count).map(|_| Message::new(&options.topic, body(options.size, run, due))).collect();
        let sent = match messages.pop() {
            Some(only) if messages.is_empty() => producer.send(only).await,
            Some(last) => {
                messages.push(last);
                producer.send_batch(messages).await
            }
            None => continue,
        };
        match sent {
            Ok(_) => {
                latency.add(nanos().saturating_sub(due));
                counters.messages.fetch_add(count, Relaxed);
                counters.bytes.fetch_add(count * options.size as u64, Relaxed);
            }
            Err(error) => {
                counters.errors.fetch_add(count, Relaxed);
                let _ = counters.error.set(error.to_string());
            }
        }
    }
    latency
}

async fn producers(options: &Options) -> Result<Vec<Producer>, Failure> {
    let mut all = Vec::new();
    for n in 0..options.clients {
        let builder = Producer::builder(format!("ferromq-bench-producer-{n}")).namesrv(&options.namesrv);
        all.push(
            builder.instance_name(format!("bench-{}-{n}", std::process::id())).start().await.map_err(Failure::new)?,
        );
    }
    Ok(all)
}

/// Sends all messages; the times until they were stored.
async fn send_all(producers: &[Producer], options: &Options, run: u64, counters: &Arc<Counters>) -> Histogram {
    let (options, schedule) = (Arc::new(options.clone()), Arc::new(Schedule::new(options)));
    let mut tasks = JoinSet::new();
    for producer in producers {
        for _ in 0..options.in_flight {
            let task = send_some(producer.clone(), options.clone(), run, schedule.clone(), counters.clone());
            tasks.spawn(task);
        }
    }
    let mut latency = Histogram::new();
    while let Some(done) = tasks.join_next().await {
        // A task that panicked has counted nothing.
        if let Ok(part) = done {
            latency.merge(&part);
        }
    }
    latency
}

/// Says how far a run is, until it is dropped.
fn progress(options: &Options, verb: &'static str, counters: &Arc<Counters>) -> JoinSet<()> {
    let (mut task, counters, all) = (JoinSet::new(), counters.clone(), options.messages);
    if options.no_progress || !std::io::stderr().is_terminal() {
        return task;
    }
    task.spawn(async move {
        let mut before = 0;
        loop {
            tokio::time::sleep(PROGRESS_EVERY).await;
            let now = counters.messages.load(Relaxed);
            let share = now as f64 * 100.0 / all.max(1) as f64;
            eprint!("\r{verb} {now} of {all} messages ({share:.0} %), {}/s\x1b[K", now - before);
            let _ = std::io::stderr().flush();
            before = now;
        }
    });
    task
}

fn end_progress(mut task: JoinSet<()>) {
    if !task.is_empty() {
        task.abort_all();
        eprint!("\r\x1b[K");
    }
}

fn outcome(
    kind: &'static str,
    options: &Options,
    counters: &Counters,
    elapsed: Duration,
    latency: Histogram,
) -> Outcome {
    Outcome {
        kind,
        topic: options.topic.clone(),
        clients: options.clients,
        size: options.size,
        messages: counters.messages.load(Relaxed),
        bytes: counters.bytes.load(Relaxed),
        errors: counters.errors.load(Relaxed),
        error: counters.error.get().cloned(),
        elapsed,
        latency,
    }
}

/// A number that tells this run's messages from those of others.
fn run_number() -> u64 {
    (crate::when::now_ms() as u64) << 16 | u64::from(std::process::id() & 0xFFFF)
}

pub(super) async fn produce(options: &Options) -> Result<Outcome, Failure> {
    let producers = producers(options).await?;
    let counters = Arc::new(Counters::default());
    let shown = progress(options, "sent", &counters);
    let started = Instant::now();
    let latency = send_all(&producers, options, run_number(), &counters).await;
    let elapsed = started.elapsed();
    end_progress(shown);
    for producer in producers {
        producer.shutdown().await;
    }
    Ok(outcome("producer", options, &counters, elapsed, latency))
}

/// What consumers found.
struct Received {
    counters: Arc<Counters>,
    latency: Mutex<Histogram>,
    /// Only messages of this run count, and their times are taken.
    run: Option<u64>,
    probed: AtomicU64,
    first: AtomicU64,
    last: AtomicU64,
}

/// Due time of a message that only asks whether anybody receives.
const PROBE: u64 = 0;

impl Received {
    fn new(run: Option<u64>, counters: &Arc<Counters>) -> Arc<Self> {
        let zero = AtomicU64::default;
        let latency = Mutex::new(Histogram::new());
        Arc::new(Self { counters: counters.clone(), latency, run, probed: zero(), first: zero(), last: zero() })
    }

    fn take(&self, messages: &[MessageExt]) {
        let now = nanos();
        let mut latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            if let Some(run) = self.run {
                match stamp(message).filter(|(of, _)| *of == run) {
                    None => continue,
                    Some((_, PROBE)) => {
                        self.probed.fetch_add(1, Relaxed);
                        continue;
                    }
                    Some((_, due)) => latency.add(now.saturating_sub(due)),
                }
            }
            self.counters.messages.fetch_add(1, Relaxed);
            self.counters.bytes.fetch_add(message.body().len() as u64, Relaxed);
            let _ = self.first.compare_exchange(0, now.max(1), Relaxed, Relaxed);
            self.last.store(now, Relaxed);
        }
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.last.load(Relaxed).saturating_sub(self.first.load(Relaxed)))
    }

    /// Waits until `wanted` messages came, or none for a while.
    async fn wait_for(&self, wanted: u64) {
        let (mut seen, mut since) = (0, Instant::now());
        while self.counters.messages.load(Relaxed) < wanted && since.elapsed() < SILENCE {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let now = self.counters.messages.load(Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }
}

async fn consumers(
    options: &Options,
    from: ConsumeFrom,
    received: &Arc<Received>,
) -> Result<Vec<PushConsumer>, Failure> {
    let group = options.group();
    let mut all = Vec::new();
    for n in 0..options.clients {
        let received = received.clone();
        let consumer = PushConsumer::builder(&group)
            .namesrv(&options.namesrv)
            .instance_name(format!("bench-{}-{n}", std::process::id()))
            .consume_from(from)
            .subscribe(&options.topic, "*")
            .concurrent(move |messages, _context| {
                received.take(messages);
                ConsumeConcurrentlyStatus::Success
            })
            .start();
        all.push(consumer.await.map_err(Failure::new)?);
    }
    Ok(all)
}

pub(super) async fn consume(options: &Options) -> Result<Outcome, Failure> {
    let counters = Arc::new(Counters::default());
    let received = Received::new(None, &counters);
    let shown = progress(options, "received", &counters);
    let consumers = consumers(options, ConsumeFrom::First, &received).await?;
    received.wait_for(options.messages).await;
    end_progress(shown);
    for consumer in consumers {
        consumer.shutdown().await;
    }
    Ok(outcome("consumer", options, &counters, received.elapsed(), Histogram::new()))
}

pub(super) async fn end_to_end(options: &Options) -> Result<Outcome, Failure> {
    let (counters, sent) = (Arc::new(Counters::default()), Arc::new(Counters::default()));
    let run = run_number();
    let received = Received::new(Some(run), &counters);
    let consumers = consumers(options, ConsumeFrom::Last, &received).await?;
    let producers = producers(options).await?;
    let began = Instant::now();
    while received.probed.load(Relaxed) == 0 {
        if began.elapsed() > CONSUMERS_WITHIN {
            return Err(Failure::new(format!(
                "the consumers got nothing from topic {} within a minute",
                options.topic
            )));
        }
        for producer in &producers {
            let probe = Message::new(&options.topic, body(options.size, run, PROBE));
            producer.send(probe).await.map_err(Failure::new)?;
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
    let shown = progress(options, "received", &counters);
    let started = Instant::now();
    send_all(&producers, options, run, &sent).await;
    received.wait_for(sent.messages.load(Relaxed)).await;
    let elapsed = started.elapsed();
    end_progress(shown);
    for producer in producers {
        producer.shutdown().await;
    }
    for consumer in consumers {
        consumer.shutdown().await;
    }
    let lost = sent.messages.load(Relaxed).saturating_sub(counters.messages.load(Relaxed));
    if lost > 0 {
        let _ = counters.error.set(format!("{lost} messages were sent and not received"));
    } else if let Some(error) = sent.error.get() {
        let _ = counters.error.set(error.clone());
    }
    counters.errors.store(sent.errors.load(Relaxed) + lost, Relaxed);
    let latency = received.latency.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(outcome("end-to-end", options, &counters, elapsed, latency))
}
