//! One round: produce everything, consume it in three groups, compare with the file.
use crate::data::{Fate, Flight};
use crate::groups::Place;
use crate::hands;
use crate::ledger::Ledger;
use crate::progress::{Progress, Sent};
use crate::table::report;
use ferromq::{Admin, Message, Producer};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Queues of the topic: enough for two members to share.
const QUEUES: i32 = 8;
/// Sends of one lane go one after the other, so that an aircraft's flights stay in order.
const LANES: usize = 64;
/// Languages whose programs produce, when they are there.
const PRODUCERS: [&str; 2] = ["python", "node"];
/// A round in which nothing arrives for this long has failed.
const PATIENCE: Duration = Duration::from_secs(45);
/// Longer than the client's default, so that a machine under load does not make a send go out twice.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs the round; true when all numbers agree.
pub async fn run(place: &Place<'_>, flights: &'static [Flight], pace: Option<f64>) -> Result<bool, String> {
    let Place { namesrv, topic, .. } = *place;
    println!("\n{topic}: {}", pace.map_or("at full speed".into(), |s| format!("paced to {s} s")));
    let text = |e: ferromq::Error| e.to_string();
    let admin = Admin::builder().namesrv(namesrv).start().await.map_err(text)?;
    admin.create_topic(topic, QUEUES).await.map_err(text)?;
    let [a, b, c] = [(); 3].map(|()| Arc::new(Ledger::default()));
    let mut members = vec![
        place.first_aggregator(a.clone()).await?,
        place.late_ones(b.clone()).await?,
        place.puller(c.clone()).await?,
    ];

    let sent = Arc::new(Sent::default());
    let mut progress = Progress::start();
    let producing = tokio::spawn(produce(place, flights, pace, sent.clone()));
    let total_late = flights.iter().filter(|f| f.fate == Fate::Late).count();
    let expected = [flights.len(), total_late, flights.len()];
    let mut joined = false;
    let mut moved = (Instant::now(), 0);
    loop {
        let counts = [a.count(), b.count(), c.count()];
        progress.show(&sent, counts);
        if !joined && sent.all() >= flights.len() / 2 {
            joined = true;
            progress.note("a second member joins group A");
            members.push(place.aggregator("A2 rust", a.clone()).await?);
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
    for member in members.into_iter().rev() {
        member.stop().await?;
    }
    admin.shutdown().await;
    println!("{} messages in {seconds:.1} s, {:.0}/s", sent.all(), sent.all() as f64 / seconds);
    // At full speed everything may be consumed before the second member has its share.
    Ok(report(&[("A", a.books()), ("B", b.books()), ("C", c.books())], flights, pace.is_some()))
}

/// Sends all flights: aircraft by aircraft shared out among the languages that produce, or here when there is none.
fn produce(
    place: &Place<'_>,
    flights: &'static [Flight],
    pace: Option<f64>,
    sent: Arc<Sent>,
) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let producers: Vec<_> = place.hands.iter().filter(|hand| PRODUCERS.contains(&hand.language.as_str())).collect();
    let (namesrv, topic) = (place.namesrv.to_string(), place.topic.to_string());
    let started = Instant::now();
    let total = flights.len();
    let due = move |i: usize| pace.map(|seconds| started + Duration::from_secs_f64(seconds * i as f64 / total as f64));
    let mut tasks = JoinSet::new();
    if producers.is_empty() {
        tasks.spawn(produce_here(namesrv, topic, shares(flights, LANES), due, sent));
    } else {
        for (hand, share) in producers.iter().zip(shares(flights, producers.len())) {
            let hand = (*hand).clone();
            tasks.spawn(hands::produce(hand, namesrv.clone(), topic.clone(), share, due, sent.clone()));
        }
    }
    async move {
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|e| e.to_string())??;
        }
        Ok(())
    }
}

/// A flight and its number in the file.
type Numbered = (usize, &'static Flight);

/// The flights in `count` parts, each with all flights of its aircraft in order.
fn shares(flights: &'static [Flight], count: usize) -> Vec<Vec<Numbered>> {
    let mut shares: Vec<Vec<Numbered>> = vec![Vec::new(); count];
    let mut share_of: HashMap<&str, usize> = HashMap::new();
    for (i, flight) in flights.iter().enumerate() {
        let next = share_of.len() % count;
        shares[*share_of.entry(&flight.aircraft).or_insert(next)].push((i, flight));
    }
    shares
}

async fn produce_here(
    namesrv: String,
    topic: String,
    lanes: Vec<Vec<Numbered>>,
    due: impl Fn(usize) -> Option<Instant> + Copy + Send + 'static,
    sent: Arc<Sent>,
) -> Result<(), String> {
    let producer = Producer::builder(format!("{topic}-producer")).namesrv(&namesrv).send_timeout(SEND_TIMEOUT);
    let producer = producer.start().await.map_err(|e| e.to_string())?;
    let mut tasks = JoinSet::new();
    for lane in lanes {
        let (producer, topic, sent) = (producer.clone(), topic.clone(), sent.clone());
        tasks.spawn(async move {
            for (i, flight) in lane {
                if let Some(due) = due(i) {
                    tokio::time::sleep_until(due).await;
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
    for (name, value) in flight.all_properties() {
        message = message.with_property(name, value).map_err(|e| e.to_string())?;
    }
    Ok(message)
}
