//! One round: produce everything, consume it in three groups, compare with the file.
use crate::data::{Fate, Flight};
use crate::groups::{aggregator, late_ones, Puller};
use crate::ledger::Ledger;
use crate::progress::{Progress, Sent};
use crate::table::report;
use ferromq::{Admin, Message, Producer};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Queues of the topic: enough for two members to share.
const QUEUES: i32 = 8;
/// Sends of one lane go one after the other, so that an aircraft's flights stay in order.
const LANES: usize = 64;
/// A round in which nothing arrives for this long has failed.
const PATIENCE: Duration = Duration::from_secs(45);
/// Longer than the client's default, so that a machine under load does not make a send go out twice.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs the round; true when all numbers agree.
pub async fn run(namesrv: &str, topic: &str, flights: &'static [Flight], pace: Option<f64>) -> Result<bool, String> {
    println!("\n{topic}: {}", pace.map_or("at full speed".into(), |s| format!("paced to {s} s")));
    let text = |e: ferromq::Error| e.to_string();
    let admin = Admin::builder().namesrv(namesrv).start().await.map_err(text)?;
    admin.create_topic(topic, QUEUES).await.map_err(text)?;
    let [a, b, c] = [(); 3].map(|()| Arc::new(Ledger::default()));
    let first = aggregator(namesrv, topic, "A1", a.clone()).await.map_err(text)?;
    let late = late_ones(namesrv, topic, b.clone()).await.map_err(text)?;
    let puller = Puller::start(namesrv, topic, c.clone()).await.map_err(text)?;

    let sent = Arc::new(Sent::default());
    let mut progress = Progress::start();
    let producing = tokio::spawn(produce(namesrv.to_string(), topic.to_string(), flights, pace, sent.clone()));
    let total_late = flights.iter().filter(|f| f.fate == Fate::Late).count();
    let expected = [flights.len(), total_late, flights.len()];
    let mut second = None;
    let mut moved = (Instant::now(), 0);
    loop {
        let counts = [a.count(), b.count(), c.count()];
        progress.show(&sent, counts);
        if second.is_none() && sent.all() >= flights.len() / 2 {
            progress.note("a second member joins group A");
            second = Some(aggregator(namesrv, topic, "A2", a.clone()).await.map_err(text)?);
        }
        // A producer that ended early has failed; its error comes below.
        if producing.is_finished() && (counts == expected || sent.all() < flights.len()) {
            break;
        }
        let total = sent.all() + counts.iter().sum::<usize>();
        if total != moved.1 {
            moved = (Instant::now(), total);
        } else if moved.0.elapsed() > PATIENCE {
            progress.note(&format!("nothing arrived for {} s: giving up", PATIENCE.as_secs()));
            producing.abort();
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    progress.end();
    let seconds = progress.elapsed().as_secs_f64();
    match producing.await {
        Err(e) if e.is_cancelled() => {}
        ended => ended.map_err(|e| e.to_string())??,
    }
    puller.stop().await?;
    late.shutdown().await;
    first.shutdown().await;
    if let Some(second) = second {
        second.shutdown().await;
    }
    admin.shutdown().await;
    println!("{} messages in {seconds:.1} s, {:.0}/s", sent.all(), sent.all() as f64 / seconds);
    // At full speed everything may be consumed before the second member has its share.
    Ok(report(&[("A", a.books()), ("B", b.books()), ("C", c.books())], flights, pace.is_some()))
}

async fn produce(
    namesrv: String,
    topic: String,
    flights: &'static [Flight],
    pace: Option<f64>,
    sent: Arc<Sent>,
) -> Result<(), String> {
    let producer = Producer::builder(format!("{topic}-producer")).namesrv(&namesrv).send_timeout(SEND_TIMEOUT);
    let producer = producer.start().await.map_err(|e| e.to_string())?;
    let mut lanes: Vec<Vec<(usize, &'static Flight)>> = vec![Vec::new(); LANES];
    let mut lane_of: HashMap<&str, usize> = HashMap::new();
    for (i, flight) in flights.iter().enumerate() {
        let next = lane_of.len() % LANES;
        lanes[*lane_of.entry(&flight.aircraft).or_insert(next)].push((i, flight));
    }
    let started = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for lane in lanes {
        let (producer, topic, sent) = (producer.clone(), topic.clone(), sent.clone());
        tasks.spawn(async move {
            for (i, flight) in lane {
                if let Some(seconds) = pace {
                    let due = Duration::from_secs_f64(seconds * i as f64 / flights.len() as f64);
                    tokio::time::sleep_until(started + due).await;
                }
                producer.send_sharded(message(&topic, flight)?, &flight.aircraft).await.map_err(|e| e.to_string())?;
                sent.add(flight);
            }
            Ok::<(), String>(())
        });
    }
    while let Some(lane) = tasks.join_next().await {
        lane.map_err(|e| e.to_string())??;
    }
    producer.shutdown().await;
    Ok(())
}

fn message(topic: &str, flight: &Flight) -> Result<Message, String> {
    let mut message = Message::new(topic, flight.body.clone()).with_tag(flight.fate.tag()).with_key(&flight.aircraft);
    let numbers = [("sequence", flight.sequence.to_string()), ("distance", flight.distance.to_string())];
    for (name, value) in flight.properties.iter().chain(&numbers) {
        message = message.with_property(*name, value).map_err(|e| e.to_string())?;
    }
    Ok(message)
}
