//! One round: produce everything, consume it in three groups, compare with the file.
use crate::data::{Fate, Flight};
use crate::groups::{aggregator, late_ones, Puller};
use crate::ledger::{Books, Ledger};
use ferromq::{Admin, Message, Producer};
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Queues of the topic: enough for two members to share.
const QUEUES: i32 = 8;
/// Sends of one lane go one after the other, so that an aircraft's flights stay in order.
const LANES: usize = 64;
/// A round that takes longer than this beyond its pace has failed.
const PATIENCE: Duration = Duration::from_secs(180);

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

    let sent = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let producing = tokio::spawn(produce(namesrv.to_string(), topic.to_string(), flights, pace, sent.clone()));
    let total_late = flights.iter().filter(|f| f.fate == Fate::Late).count();
    let expected = [flights.len(), total_late, flights.len()];
    let mut progress = Progress::new(expected);
    let mut second = None;
    let deadline = started + PATIENCE + Duration::from_secs_f64(pace.unwrap_or(0.0));
    loop {
        let counts = [a.count(), b.count(), c.count()];
        let sent = sent.load(Ordering::Relaxed);
        progress.show(started.elapsed(), sent, counts);
        if second.is_none() && sent >= flights.len() / 2 {
            second = Some(aggregator(namesrv, topic, "A2", a.clone()).await.map_err(text)?);
        }
        if counts == expected && producing.is_finished() || Instant::now() > deadline {
            break;
        }
        if producing.is_finished() && sent < flights.len() {
            break; // the producer failed; its error comes below
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    progress.end();
    let elapsed = started.elapsed();
    producing.await.map_err(|e| e.to_string())??;
    puller.stop().await?;
    late.shutdown().await;
    first.shutdown().await;
    if let Some(second) = second {
        second.shutdown().await;
    }
    admin.shutdown().await;
    println!("{} messages in {:.1} s, {:.0}/s", flights.len(), elapsed.as_secs_f64(), flights.len() as f64 / elapsed.as_secs_f64());
    Ok(report(&[("A", a.books()), ("B", b.books()), ("C", c.books())], flights, pace.is_some()))
}

async fn produce(
    namesrv: String,
    topic: String,
    flights: &'static [Flight],
    pace: Option<f64>,
    sent: Arc<AtomicUsize>,
) -> Result<(), String> {
    let producer = Producer::builder(&format!("{topic}-producer")).namesrv(&namesrv).start().await.map_err(|e| e.to_string())?;
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
                    tokio::time::sleep_until(started + Duration::from_secs_f64(seconds * i as f64 / flights.len() as f64)).await;
                }
                producer.send_sharded(message(&topic, flight)?, &flight.aircraft).await.map_err(|e| e.to_string())?;
                sent.fetch_add(1, Ordering::Relaxed);
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

/// The live line: rates and lag per group.
struct Progress {
    expected: [usize; 3],
    last: (Instant, usize),
    terminal: bool,
}

impl Progress {
    fn new(expected: [usize; 3]) -> Progress {
        Progress { expected, last: (Instant::now(), 0), terminal: std::io::stdout().is_terminal() }
    }

    fn show(&mut self, elapsed: Duration, sent: usize, counts: [usize; 3]) {
        let since = self.last.0.elapsed();
        if since < Duration::from_millis(if self.terminal { 200 } else { 2000 }) {
            return;
        }
        let rate = (sent - self.last.1) as f64 / since.as_secs_f64();
        self.last = (Instant::now(), sent);
        // Late flights are a share of what was sent; their lag is estimated by that share until all are sent.
        let late = if self.expected[0] == 0 { 0 } else { sent * self.expected[1] / self.expected[0] };
        let lag = [sent, late, sent].iter().zip(counts).map(|(s, c)| s.saturating_sub(c)).collect::<Vec<_>>();
        let line = format!("{:5.1} s  sent {sent} ({rate:.0}/s)  lag A {} B {} C {}", elapsed.as_secs_f64(), lag[0], lag[1], lag[2]);
        if self.terminal {
            print!("\r{line}\x1b[K");
        } else {
            println!("{line}");
        }
        let _ = std::io::stdout().flush();
    }

    fn end(&self) {
        if self.terminal {
            println!();
        }
    }
}

/// Prints the table; true when every number agrees with the file.
fn report(groups: &[(&str, Books)], flights: &[Flight], paced: bool) -> bool {
    println!("| group | expected | distinct | redelivered | out of order | damaged | aircraft | miles | members | agrees |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut agreed = true;
    for (name, books) in groups {
        let wanted: Vec<&Flight> = flights.iter().filter(|f| *name != "B" || f.fate == Fate::Late).collect();
        let mut aircraft: HashMap<String, (u32, u64)> = HashMap::new();
        for flight in &wanted {
            let entry = aircraft.entry(flight.aircraft.clone()).or_default();
            *entry = (entry.0 + 1, entry.1 + flight.distance);
        }
        let miles: u64 = books.aircraft.values().map(|(_, miles)| miles).sum();
        let mut members: Vec<String> = books.members.iter().map(|(m, n)| format!("{m} {n}")).collect();
        members.sort();
        // At full speed everything may be consumed before the second member has its share.
        let shared = *name != "A" || !paced || books.members.get("A2").is_some_and(|n| *n > 0);
        let ok = books.places.len() == wanted.len()
            && books.out_of_order == 0
            && books.damaged == 0
            && books.aircraft == aircraft
            && shared;
        agreed &= ok;
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {miles} | {} | {} |",
            wanted.len(),
            books.places.len(),
            books.redelivered,
            books.out_of_order,
            books.damaged,
            books.aircraft.len(),
            members.join(", "),
            if ok { "yes" } else { "NO" }
        );
    }
    agreed
}
