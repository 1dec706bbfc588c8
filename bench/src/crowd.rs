//! Many who wait: idle connections, held pulls, consumers without messages.
use crate::frames::{self, Template, FIRST_OPAQUE};
use crate::load;
use crate::process::cpu_micros;
use crate::target::Target;
use bytes::BytesMut;
use ferromq::{ConsumeConcurrentlyStatus, PushConsumer};
use ferromq_protocol::Codec;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Opens so many connections, each of which registers a producer of its own.
pub async fn connections(target: &Target, count: usize) -> Result<Vec<TcpStream>, String> {
    let (template, address) = (frames::heartbeat()?, target.broker.as_str());
    let (mut open, mut output) = (Vec::with_capacity(count), Vec::new());
    for number in 0..count {
        let mut stream = load::connect(address).await?;
        output.clear();
        template.put(&mut output, FIRST_OPAQUE, number as u64);
        load::write(&mut stream, &output, address).await?;
        let answer = load::next_frame(&mut stream, &mut BytesMut::new(), address).await?;
        load::check(&answer, address)?;
        open.push(stream);
    }
    Ok(open)
}

/// Pulls that wait for messages of topics to which nothing is sent; those whose time is over are asked anew. Ends when dropped.
pub struct HeldPulls {
    _tasks: JoinSet<()>,
}

impl HeldPulls {
    /// How long a pull may be held, in milliseconds: what official clients ask for.
    const HOLD_MS: u32 = 15_000;
    /// Held by one connection.
    const PER_CONNECTION: usize = 10_000;
    /// Topics and queues that share them.
    const TOPICS: usize = 100;
    const QUEUES: usize = 8;

    /// Creates the topics.
    pub async fn prepare(target: &Target) -> Result<(), String> {
        for topic in 0..Self::TOPICS {
            load::each(&target.broker, &frames::create_topic(&Self::topic(topic), Self::QUEUES)?, 1).await?;
        }
        Ok(())
    }

    fn topic(number: usize) -> String {
        format!("Held_{number}")
    }

    /// Holds `count` pulls; all of them are held when this returns. Those of connections that have just been closed may still be in
    /// the way: then it is tried again for a while.
    pub async fn start(target: &Target, count: usize) -> Result<Self, String> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            match Self::try_start(target, count).await {
                Err(_) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(500)).await
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_start(target: &Target, count: usize) -> Result<Self, String> {
        let mut templates = Vec::new();
        for topic in 0..Self::TOPICS {
            for queue in 0..Self::QUEUES {
                templates.push(frames::pull(Codec::Binary, &Self::topic(topic), queue, Some(Self::HOLD_MS))?);
            }
        }
        let (templates, mut tasks) = (Arc::new(templates), JoinSet::new());
        let mut left = count;
        while left > 0 {
            let own = left.min(Self::PER_CONNECTION);
            left -= own;
            let mut stream = load::connect(&target.broker).await?;
            let mut input = hold(&mut stream, &templates, own, &target.broker).await?;
            let (templates, address) = (Arc::clone(&templates), target.broker.clone());
            tasks.spawn(async move {
                // The server ends, or this is dropped: nobody waits for an error.
                let _ = hold_again(&mut stream, &mut input, &templates, &address).await;
            });
        }
        Ok(Self { _tasks: tasks })
    }
}

/// Sends the first pulls, and a request behind them whose answer tells that they were taken.
async fn hold(stream: &mut TcpStream, templates: &[Template], count: usize, address: &str) -> Result<BytesMut, String> {
    let mut output = Vec::new();
    for n in 0..count {
        templates[n % templates.len()].put(&mut output, FIRST_OPAQUE + n as i32, 0);
    }
    frames::max_offset(&HeldPulls::topic(0))?.put(&mut output, FIRST_OPAQUE - 1, 0);
    load::write(stream, &output, address).await?;
    let mut input = BytesMut::new();
    let answer = load::next_frame(stream, &mut input, address).await?;
    match opaque_of(&answer) == FIRST_OPAQUE - 1 {
        true => Ok(input),
        false => Err(format!("{address} did not hold a pull: {}", String::from_utf8_lossy(&answer[4..]))),
    }
}

async fn hold_again(
    stream: &mut TcpStream,
    input: &mut BytesMut,
    templates: &[Template],
    address: &str,
) -> Result<(), String> {
    let mut output = Vec::new();
    loop {
        output.clear();
        while let Some(frame) = load::take_frame(input) {
            let opaque = opaque_of(&frame);
            let template = (opaque.wrapping_sub(FIRST_OPAQUE)) as usize % templates.len();
            templates[template].put(&mut output, opaque, 0);
        }
        load::write(stream, &output, address).await?;
        if stream.read_buf(input).await.map_err(|e| e.to_string())? == 0 {
            return Ok(());
        }
    }
}

/// The opaque of a frame with a binary header: behind header length, code, language and version.
fn opaque_of(frame: &[u8]) -> i32 {
    frame.get(9..13).and_then(|b| b.try_into().ok()).map_or(0, i32::from_be_bytes)
}

/// Processor time of a server whose only clients are so many consumers of one topic, each of a group of its own, percent of a
/// core.
pub async fn idle_consumers(target: &Target, count: usize, length: Duration) -> Result<f64, String> {
    /// Queues are allocated, offsets looked up and pulls held by then.
    const SETTLED: Duration = Duration::from_secs(5);
    const TOPIC: &str = "Bench_idle";
    load::each(&target.broker, &frames::create_topic(TOPIC, 8)?, 1).await?;
    let mut consumers = Vec::new();
    for number in 0..count {
        let consumer = PushConsumer::builder(format!("BenchGroup_{number}"))
            .namesrv(&target.namesrv)
            .instance_name(format!("bench-{number}"))
            .subscribe(TOPIC, "*")
            .concurrent(|_, _| ConsumeConcurrentlyStatus::Success)
            .start()
            .await;
        consumers.push(consumer.map_err(|e| e.to_string())?);
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while consumers.iter().any(|consumer| consumer.assigned_queues().is_empty()) {
        if tokio::time::Instant::now() > deadline {
            return Err(format!("consumers of {} got no queues", target.kind.name()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(SETTLED.min(length)).await;
    let before = cpu_micros(target.pid);
    tokio::time::sleep(length).await;
    let percent = (cpu_micros(target.pid) - before) as f64 / length.as_micros() as f64 * 100.0;
    for consumer in consumers {
        consumer.shutdown().await;
    }
    Ok(percent)
}
