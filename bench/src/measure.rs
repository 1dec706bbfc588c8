//! Loads, and slices of them that go round the servers: what disturbs the machine disturbs all of them alike.
use crate::frames::{self, MARK};
use crate::load::{self, Shared};
use crate::machine::settle;
use crate::process::cpu_micros;
use crate::target::{Kind, Target};
use ferromq_protocol::Codec;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages per queue that pulls read round and round.
const BACKLOG: u64 = 20_000;
/// Queues of a load's topic.
const QUEUES: usize = 8;
/// A connection's first requests are not measured.
const RAMP: Duration = Duration::from_millis(300);

/// What is done to a server.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// Single sends: connections, requests in flight on each, topics that take turns.
    Sends { connections: usize, window: usize, topics: u64 },
    /// Sends of batches of so many messages.
    Batches { connections: usize, window: usize, messages: usize },
    /// Pulls of a backlog, 32 at a time, one connection per queue.
    Pulls { connections: usize },
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Slices per server and load.
    pub slices: usize,
    /// Length of a slice.
    pub slice: Duration,
}

/// Medians over the slices.
#[derive(Debug, Clone, Copy, Default)]
pub struct Speed {
    /// Messages per second.
    pub per_second: f64,
    /// Processor time of the server per message, microseconds.
    pub cpu_micros: f64,
}

/// One slice of a load per entry.
#[derive(Debug, Default)]
pub struct Slices(Vec<Speed>);

impl Slices {
    /// Adds one and tells it.
    pub fn add(&mut self, what: &str, slice: Speed) {
        eprintln!("  {what:28} {:>10.0}/s  {:>8.3} us CPU each", slice.per_second, slice.cpu_micros);
        self.0.push(slice);
    }

    /// Medians.
    pub fn median(&self) -> Speed {
        let of = |pick: fn(&Speed) -> f64| median(self.0.iter().map(pick).collect());
        Speed { per_second: of(|s| s.per_second), cpu_micros: of(|s| s.cpu_micros) }
    }
}

/// The middle of some numbers; 0 without any.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

impl Load {
    /// The topic, with the mark where its number goes when there are several.
    fn topic(&self) -> String {
        match self {
            Load::Sends { topics: 2.., .. } => format!("Bench_{MARK}"),
            Load::Sends { .. } => "Bench_sends".into(),
            Load::Batches { .. } => "Bench_batches".into(),
            Load::Pulls { .. } => "Bench_pulls".into(),
        }
    }

    fn topics(&self) -> u64 {
        if let Load::Sends { topics, .. } = self {
            *topics
        } else {
            1
        }
    }

    /// Creates the topics, fills them for pulls, and runs the load until the server is warm.
    pub async fn prepare(&self, target: &Target) -> Result<(), String> {
        if self.topics() > 1 {
            // By their first send: administration writes the file of all topics for each of them.
            load::each(&target.broker, &frames::send(&self.topic(), 0, false)?, self.topics()).await?;
        } else if target.has_topics() {
            load::each(&target.broker, &frames::create_topic(&self.topic(), QUEUES)?, 1).await?;
        }
        if let Load::Pulls { connections } = self {
            fill(target, &self.topic(), *connections).await?;
        }
        let warm_up = target.warm_up(RAMP);
        self.slice(target, warm_up).await.map(drop)
    }

    /// Runs the load for a moment unmeasured, then for `length` measured. Nothing waits for the disk when it begins.
    pub async fn slice(&self, target: &Target, length: Duration) -> Result<Speed, String> {
        settle().await?;
        let shared = Arc::new(Shared::default());
        let mut tasks = Vec::new();
        for i in 0..self.connections() {
            let (address, shared, topics) = (target.broker.clone(), shared.clone(), self.topics());
            let queue = if topics > 1 { 0 } else { i % QUEUES };
            tasks.push(match *self {
                Load::Sends { window, .. } => {
                    let template = frames::send(&self.topic(), queue, false)?;
                    tokio::spawn(async move { load::sends(&address, template, window, topics, shared).await })
                }
                Load::Batches { window, messages, .. } => {
                    let template = frames::send_batch(&self.topic(), queue, messages)?;
                    tokio::spawn(async move { load::sends(&address, template, window, 1, shared).await })
                }
                Load::Pulls { .. } => {
                    let template = frames::pull(Codec::Json, &self.topic(), queue, None)?;
                    tokio::spawn(async move { load::pulls(&address, template, BACKLOG, shared).await })
                }
            });
        }
        tokio::time::sleep(RAMP).await;
        let (started, cpu, done) = (Instant::now(), cpu_micros(target.pid), shared.done.load(Ordering::Relaxed));
        tokio::time::sleep(length).await;
        let (elapsed, cpu_after) = (started.elapsed(), cpu_micros(target.pid));
        let messages = (shared.done.load(Ordering::Relaxed) - done) * self.messages_per_request();
        shared.stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.map_err(|e| e.to_string())??;
        }
        let cpu_micros = (cpu_after - cpu) as f64 / messages.max(1) as f64;
        Ok(Speed { per_second: messages as f64 / elapsed.as_secs_f64(), cpu_micros })
    }

    fn connections(&self) -> usize {
        match self {
            Load::Sends { connections, .. } | Load::Batches { connections, .. } | Load::Pulls { connections } => {
                *connections
            }
        }
    }

    /// Pulls are counted in messages already.
    fn messages_per_request(&self) -> u64 {
        if let Load::Batches { messages, .. } = self {
            *messages as u64
        } else {
            1
        }
    }
}

/// Puts the backlog into `queues` queues.
async fn fill(target: &Target, topic: &str, queues: usize) -> Result<(), String> {
    for queue in 0..queues {
        let template = frames::send(topic, queue, false)?;
        let shared = Arc::new(Shared::default());
        let sender = tokio::spawn({
            let (address, shared) = (target.broker.clone(), shared.clone());
            async move { load::sends(&address, template, 256, 1, shared).await }
        });
        while shared.done.load(Ordering::Relaxed) < BACKLOG && !sender.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shared.stop.store(true, Ordering::Relaxed);
        sender.await.map_err(|e| e.to_string())??;
    }
    Ok(())
}

/// Slices of `load` that go round new servers of these kinds; the medians in their order.
pub async fn alternate(kinds: &[Kind], load: Load, pace: Pace) -> Result<Vec<Speed>, String> {
    let mut targets = Vec::new();
    for kind in kinds {
        let target = Target::start(kind, &[])?;
        load.prepare(&target).await?;
        target.pause();
        targets.push((target, Slices::default()));
    }
    for _ in 0..pace.slices {
        for (target, slices) in &mut targets {
            target.resume();
            let speed = load.slice(target, pace.slice).await?;
            target.pause();
            slices.add(target.kind.name(), speed);
        }
    }
    Ok(targets.iter().map(|(_, slices)| slices.median()).collect())
}
