//! Rounds over a broker process that is killed while producers and a consumer group use it; in half of them old log files are deleted
//! all the while, and it is often killed in the middle of that.
use crate::model::PATIENCE;
use crate::random::Random;
use crate::rounds::scratch;
use crate::server::{Failure, Server, Setup};
use ferromq::{Admin, ConsumeConcurrentlyStatus, ConsumeFrom, Message, Producer, PushConsumer, SendStatus};
use ferromq_protocol::code::request;
use ferromq_protocol::ids::OffsetMessageId;
use ferromq_protocol::{Command, ExtFields};
use ferromq_remoting::{Client, ClientOptions, NoRequests};
use ferromq_store::{NoListener, Store};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TOPIC: &str = "T";
const GROUP: &str = "torture";
const QUEUES: i32 = 4;
/// Producers, each with a connection of its own.
const PRODUCERS: usize = 3;
/// Sends under way of each producer.
const LANES: usize = 4;
/// Kills of one round.
const KILLS: usize = 4;
/// Where old log files are deleted, the log has been so many files long at the end.
const SEGMENTS_MIN: i64 = 4;
/// Longest time between two requests to delete old log files, milliseconds.
const CLEANING_PAUSE_MS: usize = 200;

/// A message that was acknowledged.
#[derive(Debug, Clone)]
struct Acknowledged {
    body: String,
    /// Where it lies in the log.
    physical: i64,
}

/// What was acknowledged and what was consumed.
#[derive(Default)]
struct Ledger {
    /// By queue and offset.
    acknowledged: Mutex<BTreeMap<(i32, i64), Acknowledged>>,
    doubles: Mutex<Vec<String>>,
    consumed: Mutex<BTreeSet<String>>,
    enough: AtomicBool,
}

/// A broker is killed at random moments under load, restarted, and verified: nothing that was acknowledged is missing but what lay in
/// deleted log files, queue offsets have no gap and no double, their smallest only moves forward, the group gets everything that is
/// there and goes on where it was.
pub fn kills(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(round(seed)).map_err(|error| error.to_string())
}

async fn round(seed: u64) -> Result<(), Failure> {
    let mut random = Random::new(seed);
    let folder = scratch()?;
    let data = folder.path().join("data");
    let setup = Setup { sync: random.one_in(2), cleaned: random.one_in(2) };
    let mut server = Server::start(&data, setup, None)?;
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
    if setup.cleaned {
        lanes.push(tokio::spawn(clean(server.broker.clone(), random.split(), ledger.clone())));
    }
    let mut smallest = BTreeMap::new();
    for _ in 0..KILLS {
        let wanted = ledger.acknowledged.lock().len() + 1 + random.spread(3000);
        until("messages are acknowledged", || ledger.acknowledged.lock().len() >= wanted).await?;
        if setup.cleaned && random.one_in(2) {
            let before = oldest_file(&data);
            until("an old log file is deleted", || oldest_file(&data) != before).await?;
        }
        server.kill();
        server = Server::start(&data, setup, Some(&server))?;
        only_forward(&admin, &server.broker, &mut smallest).await?;
    }
    let wanted = ledger.acknowledged.lock().len() + 100;
    until("messages are acknowledged again", || ledger.acknowledged.lock().len() >= wanted).await?;
    if setup.cleaned {
        let enough = SEGMENTS_MIN * setup.segment() as i64;
        until("the log is long enough", || ledger.acknowledged.lock().values().any(|sent| sent.physical > enough))
            .await?;
        until("old log files are deleted", || oldest_file(&data) > 0).await?;
    }
    ledger.enough.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await?;
    }
    gets_everything(&admin, &server.broker, &ledger).await?;
    server = group_goes_on(&admin, &data, setup, server).await?;
    only_forward(&admin, &server.broker, &mut smallest).await?;
    server.kill();
    consumer.shutdown().await;
    for producer in producers {
        producer.shutdown().await;
    }
    admin.shutdown().await;
    verify(&data, setup, &ledger, &smallest)
}

/// Where the log begins, as its folder says.
fn oldest_file(data: &Path) -> i64 {
    let names = std::fs::read_dir(data.join("commitlog")).into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).min().unwrap_or(0)
}

/// Asks for the deletion of old log files again and again, until it is enough.
async fn clean(broker: String, mut random: Random, ledger: Arc<Ledger>) {
    let client = Client::new(ClientOptions::default(), Arc::new(NoRequests));
    while !ledger.enough.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(random.below(CLEANING_PAUSE_MS) as u64)).await;
        let ask = Command::request(request::DELETE_EXPIRED_COMMITLOG, ExtFields::absent(), Default::default());
        // No answer: the broker was killed.
        let _ = client.call(&broker, ask, Duration::from_secs(1)).await;
    }
    client.shutdown().await;
}

/// Smallest offsets of the queues, which are not smaller than they were.
async fn only_forward(admin: &Admin, broker: &str, smallest: &mut BTreeMap<i32, i64>) -> Result<(), Failure> {
    for (queue, offset) in smallest_offsets(admin, broker).await? {
        if let Some(before) = smallest.insert(queue, offset).filter(|before| *before > offset) {
            return Err(format!("queue {queue}: its smallest offset was {before} and is {offset} again").into());
        }
    }
    Ok(())
}

/// Smallest offset of each queue, as the broker says.
async fn smallest_offsets(admin: &Admin, broker: &str) -> Result<Vec<(i32, i64)>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match admin.topic_stats_at(broker, TOPIC).await {
            Ok(stats) => {
                let offsets = stats.offset_table.iter();
                return Ok(offsets.map(|(queue, at)| (queue.queue_id, at.min_offset)).collect());
            }
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The group gets everything that was acknowledged and is still there.
async fn gets_everything(admin: &Admin, broker: &str, ledger: &Ledger) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let smallest: BTreeMap<i32, i64> = smallest_offsets(admin, broker).await?.into_iter().collect();
        let missing = {
            let (consumed, acknowledged) = (ledger.consumed.lock(), ledger.acknowledged.lock());
            let there = |(queue, offset): &(i32, i64)| smallest.get(queue).is_none_or(|smallest| offset >= smallest);
            let missing = acknowledged.iter().filter(|(at, sent)| there(at) && !consumed.contains(&sent.body));
            missing.map(|(at, _)| *at).collect::<Vec<_>>()
        };
        match missing.first() {
            None => return Ok(()),
            Some(first) if Instant::now() > deadline => {
                return Err(format!("the group did not get {} messages, the first is {first:?}", missing.len()).into());
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// The group's offsets are written down and survive a kill: it has nothing to catch up with.
async fn group_goes_on(admin: &Admin, data: &Path, setup: Setup, mut server: Server) -> Result<Server, Failure> {
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
    let server = Server::start(data, setup, Some(&server))?;
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
                let physical = OffsetMessageId::parse(&sent.offset_message_id).map_or(-1, |id| id.physical_offset);
                let new = Acknowledged { body, physical };
                if let Some(other) = ledger.acknowledged.lock().insert(at, new.clone()) {
                    ledger.doubles.lock().push(format!("{at:?} was given to {other:?} and to {new:?}"));
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

/// Opens what the last kill left: queues without gap, and in them everything that was acknowledged and does not lie before the
/// beginning of the log. Queues begin with it, and not before they did (`smallest`).
fn verify(data: &Path, setup: Setup, ledger: &Ledger, smallest: &BTreeMap<i32, i64>) -> Result<(), Failure> {
    if let Some(double) = ledger.doubles.lock().first() {
        return Err(double.clone().into());
    }
    let store = Store::open(setup.store_options(data), Arc::new(NoListener))?;
    let begin = store.min_log_offset();
    if (begin > 0) != setup.cleaned {
        return Err(format!("the log begins at {begin}").into());
    }
    let mut acknowledged = ledger.acknowledged.lock().clone();
    for queue in 0..QUEUES {
        let min = store.min_offset(TOPIC, queue);
        if smallest.get(&queue).is_some_and(|before| *before > min) {
            return Err(format!("queue {queue}: its smallest offset was {smallest:?} and is {min} again").into());
        }
        for (wanted, (offset, body)) in (min..).zip(crate::model::read(&store, TOPIC, queue)?) {
            if offset != wanted {
                return Err(format!("queue {queue}: offset {offset} where {wanted} is to be").into());
            }
            if acknowledged.remove(&(queue, offset)).is_some_and(|sent| sent.body.as_bytes() != body) {
                return Err(format!("queue {queue} has another message at {offset} than was acknowledged").into());
            }
        }
    }
    acknowledged.retain(|(queue, offset), sent| sent.physical >= begin || *offset >= store.min_offset(TOPIC, *queue));
    if !acknowledged.is_empty() {
        let lost = acknowledged.keys().take(20).collect::<Vec<_>>();
        return Err(format!("acknowledged and lost: {lost:?}, the log begins at {begin}").into());
    }
    store.shutdown()?;
    Ok(())
}
