//! Producers and group members in other languages: programs of `examples/<language>/flights`, as child processes.
//!
//! A producer gets flights as JSON lines on its stdin and prints the number of each flight that the broker has acknowledged. A
//! member prints one JSON line per message, `[broker, queue, offset, key, tag, sequence, distance]`. Both end, with 0, when
//! their stdin closes and everything is done.
use crate::data::Flight;
use crate::ledger::{Entry, Ledger};
use crate::progress::Sent;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{timeout, Instant};

/// How long a program may take to end after its stdin was closed.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How to run the programs of a language.
#[derive(Debug, Clone)]
pub struct Hand {
    /// `python`, `node`, `c`.
    pub language: String,
    /// Program and first arguments.
    pub command: Vec<String>,
}

impl std::str::FromStr for Hand {
    type Err = String;

    /// `LANGUAGE=JSON list of program and arguments`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (language, command) = text.split_once('=').ok_or("not LANGUAGE=COMMAND")?;
        let command: Vec<String> = serde_json::from_str(command).map_err(|e| e.to_string())?;
        if command.is_empty() {
            return Err("an empty command".into());
        }
        Ok(Self { language: language.to_string(), command })
    }
}

impl Hand {
    fn spawn(&self, arguments: &[&str]) -> Result<(Child, BufReader<ChildStdout>), String> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(|e| format!("{}: {e}", self.language))?;
        let out = child.stdout.take().ok_or("no stdout")?;
        Ok((child, BufReader::new(out)))
    }

    fn check(&self, what: &str, status: ExitStatus) -> Result<(), String> {
        if status.success() {
            return Ok(());
        }
        Err(format!("the {what} in {} failed: {status}", self.language))
    }
}

/// A running group member.
pub struct Member {
    hand: Hand,
    child: Child,
    reading: JoinHandle<Result<(), String>>,
}

impl Member {
    /// Starts a member named `name`, whose messages go into `ledger`. `how`: `orderly`, `pull`, or a tag.
    pub fn start(hand: &Hand, at: [&str; 3], how: &str, name: &str, ledger: Arc<Ledger>) -> Result<Member, String> {
        let [namesrv, topic, group] = at;
        let arguments = ["group", "--namesrv", namesrv, "--topic", topic, "--group", group, "--how", how];
        let (child, out) = hand.spawn(&arguments)?;
        let name = format!("{name} {}", hand.language);
        let wanted = (!matches!(how, "orderly" | "pull")).then(|| how.to_string());
        let reading = tokio::spawn(async move {
            let mut lines = out.lines();
            while let Some(line) = lines.next_line().await.map_err(|e| e.to_string())? {
                let entry: Entry = serde_json::from_str(&line).map_err(|e| format!("{name}: {e} in {line}"))?;
                ledger.enter(&name, entry, wanted.as_deref());
            }
            Ok(())
        });
        Ok(Member { hand: hand.clone(), child, reading })
    }

    /// Tells it to end and waits for that.
    pub async fn stop(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let ended = timeout(ENDS_WITHIN, self.child.wait()).await;
        let status = ended.map_err(|_| format!("the member in {} does not end", self.hand.language))?;
        self.reading.await.map_err(|e| e.to_string())??;
        self.hand.check("member", status.map_err(|e| e.to_string())?)
    }
}

/// Has a program send `flights` (number in the file, flight), each when it is due, and notes what it says is sent.
pub async fn produce(
    hand: Hand,
    namesrv: String,
    topic: String,
    flights: Vec<(usize, &'static Flight)>,
    due: impl Fn(usize) -> Option<Instant> + Send + 'static,
    sent: Arc<Sent>,
) -> Result<(), String> {
    let (mut child, out) = hand.spawn(&["produce", "--namesrv", &namesrv, "--topic", &topic])?;
    let mut stdin = BufWriter::new(child.stdin.take().ok_or("no stdin")?);
    let all: Vec<&'static Flight> = flights.iter().map(|(_, flight)| *flight).collect();
    let feeding = tokio::spawn(async move {
        for (number, (i, flight)) in flights.into_iter().enumerate() {
            if let Some(due) = due(i).filter(|due| *due > Instant::now()) {
                stdin.flush().await?;
                tokio::time::sleep_until(due).await;
            }
            stdin.write_all(line(number, flight).as_bytes()).await?;
        }
        stdin.flush().await
    });
    let mut acknowledged = 0;
    let mut lines = out.lines();
    while let Some(line) = lines.next_line().await.map_err(|e| e.to_string())? {
        let flight = line.parse().ok().and_then(|number: usize| all.get(number));
        sent.add(flight.ok_or_else(|| format!("{}: {line:?} is no flight", hand.language))?);
        acknowledged += 1;
    }
    hand.check("producer", child.wait().await.map_err(|e| e.to_string())?)?;
    feeding.await.map_err(|e| e.to_string())?.map_err(|e| format!("{}: {e}", hand.language))?;
    match acknowledged == all.len() {
        true => Ok(()),
        false => Err(format!("{} sent {acknowledged} of {} flights", hand.language, all.len())),
    }
}

fn line(number: usize, flight: &Flight) -> String {
    let properties: serde_json::Map<String, serde_json::Value> =
        flight.all_properties().map(|(name, value)| (name.to_string(), value.into())).collect();
    let body = String::from_utf8_lossy(&flight.body);
    let line = serde_json::json!({
        "number": number, "aircraft": flight.aircraft, "tag": flight.fate.tag(), "properties": properties, "body": body,
    });
    format!("{line}\n")
}
