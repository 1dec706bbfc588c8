//! The loads: what is sent, over how many connections, how many at a time.
use crate::frames;
use crate::load::{self, Shared};
use crate::process::cpu_micros;
use crate::report::Outcome;
use crate::target::{Kind, Target};
use ferromq_protocol::Codec;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a scenario does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// Sends of 128-byte bodies: connections and requests in flight on each.
    Send { codec: Codec, connections: usize, window: usize },
    /// Pulls of a backlog, 32 at a time, one connection per queue.
    Pull { codec: Codec, connections: usize },
}

/// A named load.
#[derive(Debug)]
pub struct Scenario {
    /// Its name in tables and for `--only`.
    pub name: &'static str,
    load: Load,
}

const BODY_BYTES: usize = 128;
/// Messages per queue that a pull scenario reads round and round.
const BACKLOG: u64 = 20_000;

/// All scenarios, in the order in which they run against a target.
pub const ALL: &[Scenario] = &[
    Scenario { name: "send-json", load: Load::Send { codec: Codec::Json, connections: 4, window: 256 } },
    Scenario { name: "send-binary", load: Load::Send { codec: Codec::Binary, connections: 4, window: 256 } },
    Scenario { name: "send-one-at-a-time", load: Load::Send { codec: Codec::Json, connections: 1, window: 1 } },
    Scenario { name: "pull-backlog", load: Load::Pull { codec: Codec::Json, connections: 8 } },
];

impl Scenario {
    /// The echo server knows only sends.
    pub fn applies_to(&self, kind: &Kind) -> bool {
        !matches!((kind, self.load), (Kind::Echo, Load::Pull { .. }))
    }

    /// One second of warm-up (the first run of a JVM gets ten), then `seconds` of measurement.
    pub async fn run(&self, target: &Target, seconds: u64) -> Result<Outcome, String> {
        let topic = format!("Bench_{}", self.name);
        if target.has_topics() {
            load::one(&target.broker, &frames::create_topic(&topic, 8)?).await?;
        }
        let shared = Arc::new(Shared::default());
        let mut tasks = Vec::new();
        match self.load {
            Load::Send { codec, connections, window } => {
                for i in 0..connections {
                    let template = frames::send(codec, &topic, i as i32 % 8, BODY_BYTES)?;
                    let (address, shared) = (target.broker.clone(), shared.clone());
                    tasks.push(tokio::spawn(async move { load::sends(&address, template, window, shared).await }));
                }
            }
            Load::Pull { codec, connections } => {
                fill(target, &topic, connections).await?;
                for i in 0..connections {
                    let template = frames::pull(codec, &topic, i as i32)?;
                    let (address, shared) = (target.broker.clone(), shared.clone());
                    tasks.push(tokio::spawn(async move { load::pulls(&address, template, BACKLOG, shared).await }));
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(target.warm_up_seconds())).await;
        let (started, cpu, done) = (Instant::now(), cpu_micros(target.pid), shared.done.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let (elapsed, cpu_after) = (started.elapsed(), cpu_micros(target.pid));
        let messages = shared.done.load(Ordering::Relaxed) - done;
        shared.stop.store(true, Ordering::Relaxed);
        let (mut latencies, mut refused) = (Vec::new(), 0);
        for task in tasks {
            let seen = task.await.map_err(|e| e.to_string())??;
            latencies.extend(seen.latencies);
            refused += seen.refused;
        }
        latencies.sort_unstable();
        let at = |part: usize| latencies.get(latencies.len() * part / 100).map(|n| *n as f64 / 1000.0);
        Ok(Outcome {
            per_second: messages as f64 / elapsed.as_secs_f64(),
            cpu_micros: (cpu_after - cpu) as f64 / messages.max(1) as f64,
            latency_p50_micros: at(50),
            latency_p99_micros: at(99),
            refused,
        })
    }
}

/// Puts the backlog into `queues` queues.
async fn fill(target: &Target, topic: &str, queues: usize) -> Result<(), String> {
    for queue in 0..queues {
        let template = frames::send(Codec::Json, topic, queue as i32, BODY_BYTES)?;
        let shared = Arc::new(Shared::default());
        let sender = tokio::spawn({
            let (address, shared) = (target.broker.clone(), shared.clone());
            async move { load::sends(&address, template, 256, shared).await }
        });
        while shared.done.load(Ordering::Relaxed) < BACKLOG && !sender.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shared.stop.store(true, Ordering::Relaxed);
        sender.await.map_err(|e| e.to_string())??;
    }
    Ok(())
}
