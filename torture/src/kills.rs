//! Rounds over a broker process that is killed while producers and a consumer group use it.
use crate::model::PATIENCE;
use crate::random::Random;
use crate::rounds::scratch;
use ferromq::{Admin, ConsumeConcurrentlyStatus, ConsumeFrom, Message, Producer, PushConsumer, SendStatus};
use ferromq_store::{IndexOptions, NoListener, Store, StoreOptions};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The broker's program.
pub static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

const TOPIC: &str = "T";
const GROUP: &str = "torture";
const QUEUES: i32 = 4;
/// Producers, each with a connection of its own.
const PRODUCERS: usize = 3;
/// Sends under way of each producer.
const LANES: usize = 4;
/// Kills of one round.
const KILLS: usize = 4;
/// Bytes of a log file.
const SEGMENT: u64 = 4 * 1024 * 1024;
/// Bytes of a consume queue file.
const QUEUE_FILE: usize = 20_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What was acknowledged and what was consumed.
#[derive(Default)]
struct Ledger {
    /// Bodies by queue and offset.
    acknowledged: Mutex<BTreeMap<(i32, i64), String>>,
    doubles: Mutex<Vec<String>>,
    consumed: Mutex<BTreeSet<String>>,
    enough: AtomicBool,
}

/// A broker is killed at random moments under load, restarted, and verified: nothing that was acknowledged is missing, queue
/// offsets have no gap and no double, the group gets everything and goes on where it was.
pub fn kills(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(round(seed)).map_err(|error| error.to_string())
}

/// A running broker with a name server in the same process.
struct Server {
    child: Child,
    namesrv: String,
    broker: String,
    /// Kept open: the process writes to it.
    _out: BufReader<std::process::ChildStdout>,
}

impl Server {
    /// Starts one on `data`, on the ports of `before` if there was one.
    fn start(data: &Path, sync: bool, before: Option<&Server>) -> Result<Server, Failure> {
        let program = PROGRAM.get().ok_or("--ferromq PATH names the broker's program")?;
        let port = |address: &str| address.rsplit(':').next().unwrap_or("0").to_owned();
        let (names, broker) = before.map_or(("0".into(), "0".into()), |b| (port(&b.namesrv), port(&b.broker)));
        let flush = if sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
        let settings = [
            ("mappedFileSizeCommitLog", SEGMENT.to_string()),
            ("mappedFileSizeConsumeQueue", QUEUE_FILE.to_string()),
            ("maxHashSlotNum", "1000".to_owned()),
            ("maxIndexNum", "4000".to_owned()),
            ("flushDiskType", flush.to_owned()),
            ("flushConsumerOffsetInterval", "50".to_owned()),
            ("flushConsumeQueueThoroughInterval", "200".to_owned()),
        ];
        let mut command = Command::new(program);
        command
            .args(["standalone", "--json", "--namesrv-port", &names, "--broker-port", &broker, "--data-dir"])
            .arg(data);
        settings.iter().for_each(|(name, value)| {
            command.arg("--property").arg(format!("{name}={value}"));
        });
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut out = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut line = String::new();
        out.read_line(&mut line)?;
        let told: serde_json::Value = serde_json::from_str(&line).map_err(|_| {
            let _ = child.kill();
            let _ = child.wait();
            format!("the broker does not start on {}: {line}", data.display())
        })?;
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        Ok(Server { child, namesrv: text("namesrv"), broker: text("broker"), _out: out })
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn round(seed: u64) -> Result<(), Failure> {
    let mut random = Random::new(seed);
    let folder = scratch()?;
    let (data, sync) = (folder.path().join("data"), random.one_in(2));
    let mut server = Server::start(&data, sync, None)?;
    let namesrv = server.namesrv.clone();
    let admin = Admin::builder().namesrv(&namesrv).start().await?;
    admin.create_topic(TOPIC, QUEUES).await?;
    let ledger = Arc::new(Ledger::default());
    let consumer = consume(&namesrv, &ledger).await?;
    let mut lanes = Vec::new();
    let mut producers = Vec::new();
    for number in 0..PRODUCERS {
        let producer = Producer::builder(format!("P{number}")).namesrv(&namesrv).send_timeout(Duration::from_secs(3));
        let producer = producer.start().await?;
        for lane in 0..LANES {
            lanes.push(tokio::spawn(send(producer.clone(), format!("{number}-{lane}"), ledger.clone())));
        }
        producers.push(producer);
    }
    for _ in 0..KILLS {
        let wanted = ledger.acknowledged.lock().len() + 1 + random.spread(3000);
        until("messages are acknowledged", || ledger.acknowledged.lock().len() >= wanted).await?;
        server.kill();
        server = Server::start(&data, sync, Some(&server))?;
    }
    let wanted = ledger.acknowledged.lock().len() + 100;
    until("messages are acknowledged again", || ledger.acknowledged.lock().len() >= wanted).await?;
    ledger.enough.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await?;
    }
    until("the group gets everything", || {
        let consumed = ledger.consumed.lock();
        ledger.acknowledged.lock().values().all(|body| consumed.contains(body))
    })
    .await?;
    server = group_goes_on(&admin, &data, sync, server).await?;
    server.kill();
    consumer.shutdown().await;
    for producer in producers {
        producer.shutdown().await;
    }
    admin.shutdown().await;
    verify(&data, &ledger)
}

/// The group's offsets are written down and survive a kill: it has nothing to catch up with.
async fn group_goes_on(admin: &Admin, data: &Path, sync: bool, mut server: Server) -> Result<Server, Failure> {
    let file = data.join("config/consumerOffset.json");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = admin.topic_stats(TOPIC).await?;
        let total: i64 = stats.offset_table.values().map(|at| at.max_offset).sum();
        let committed = std::fs::read_to_string(&file).map_or(0, |text| committed(&text));
        if committed == total {
            break;
        }
        if Instant::now() > deadline {
            return Err(format!("{total} messages, but offsets of {committed} in {}", file.display()).into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.kill();
    let server = Server::start(data, sync, Some(&server))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match admin.lag(GROUP, TOPIC).await {
            Ok(0) => return Ok(server),
            Ok(lag) => {
                return Err(format!("after the last kill the group is {lag} messages behind, it was not before").into())
            }
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Sum of the group's offsets in the text of consumerOffset.json, whose inner keys are bare numbers.
fn committed(text: &str) -> i64 {
    let Some((_, rest)) = text.split_once(&format!("\"{TOPIC}@{GROUP}\"")) else { return 0 };
    let inner = rest.split('{').nth(1).and_then(|rest| rest.split('}').next()).unwrap_or_default();
    inner.split(',').filter_map(|pair| pair.rsplit(':').next()?.trim().parse::<i64>().ok()).sum()
}

async fn consume(namesrv: &str, ledger: &Arc<Ledger>) -> Result<PushConsumer, Failure> {
    let ledger = ledger.clone();
    let consumer = PushConsumer::builder(GROUP)
        .namesrv(namesrv)
        .consume_from(ConsumeFrom::First)
        .subscribe(TOPIC, "*")
        .concurrent(move |messages, _context| {
            let mut consumed = ledger.consumed.lock();
            for message in messages {
                consumed.insert(String::from_utf8_lossy(message.body()).into_owned());
            }
            ConsumeConcurrentlyStatus::Success
        })
        .start()
        .await?;
    Ok(consumer)
}

/// Sends until it is enough; what fails is not sent again.
async fn send(producer: Producer, name: String, ledger: Arc<Ledger>) {
    for number in 0u64.. {
        if ledger.enough.load(Ordering::Relaxed) {
            return;
        }
        let body = format!("{name}-{number}-").repeat(1 + (number % 40) as usize);
        match producer.send(Message::new(TOPIC, body.clone()).with_key(&name)).await {
            Ok(sent) if matches!(sent.status, SendStatus::SendOk | SendStatus::FlushDiskTimeout) => {
                let at = (sent.queue.queue_id, sent.queue_offset);
                if let Some(other) = ledger.acknowledged.lock().insert(at, body.clone()) {
                    ledger.doubles.lock().push(format!("{at:?} was given to {other} and to {body}"));
                }
            }
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn until(what: &str, reached: impl Fn() -> bool) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        if Instant::now() > deadline {
            return Err(format!("in vain until {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Opens what the last kill left: queues without gap, and in them everything that was acknowledged.
fn verify(data: &Path, ledger: &Ledger) -> Result<(), Failure> {
    if let Some(double) = ledger.doubles.lock().first() {
        return Err(double.clone().into());
    }
    let mut options = StoreOptions::small(data);
    options.segment_size = SEGMENT;
    options.consume_queue_file_units = QUEUE_FILE / 20;
    options.index = IndexOptions { hash_slots: 1000, entries: 4000, ..IndexOptions::default() };
    let store = Store::open(options, Arc::new(NoListener))?;
    let mut acknowledged = ledger.acknowledged.lock().clone();
    for queue in 0..QUEUES {
        for (wanted, (offset, body)) in (0..).zip(crate::model::read(&store, TOPIC, queue)?) {
            if offset != wanted {
                return Err(format!("queue {queue}: offset {offset} where {wanted} is to be").into());
            }
            if acknowledged.remove(&(queue, offset)).is_some_and(|text| text.as_bytes() != body) {
                return Err(format!("queue {queue} has another message at {offset} than was acknowledged").into());
            }
        }
    }
    if !acknowledged.is_empty() {
        return Err(format!("acknowledged and lost: {:?}", acknowledged.keys().take(20).collect::<Vec<_>>()).into());
    }
    store.shutdown()?;
    Ok(())
}
