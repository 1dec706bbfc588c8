//! `ferromq produce`: every line of standard input, or of files, becomes a message.
use crate::failure::Failure;
use crate::progress::Progress;
use crate::{block_on, goodbye};
use ferromq::{Message, Producer};
use std::path::PathBuf;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Sends in flight at a time; further lines wait. Bounds memory and keeps the pipe full.
const IN_FLIGHT_MAX: usize = 256;
/// A longer line is refused; brokers take messages up to this size by default (`maxMessageSize`).
const LINE_BYTES_MAX: u64 = 4 << 20;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Files to read, one message per line that is not empty; standard input when none is given
    files: Vec<PathBuf>,
    /// Topic
    #[arg(short, long)]
    topic: String,
    /// Name servers, host:port, several separated by semicolons
    #[arg(short, long, env = "NAMESRV_ADDR", default_value = "127.0.0.1:9876")]
    namesrv: String,
    /// Tag
    #[arg(short = 'g', long)]
    tag: Option<String>,
    /// Key, for queries; can be given several times
    #[arg(short, long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// Property of the message; can be given several times
    #[arg(short = 'H', long = "property", value_name = "NAME=VALUE")]
    properties: Vec<String>,
    /// Messages with the same sharding key go to the same queue, in order
    #[arg(long, value_name = "KEY")]
    sharding_key: Option<String>,
    /// Delay level, 1 (1 s) to 18 (2 h)
    #[arg(long, value_name = "LEVEL")]
    delay_level: Option<i32>,
    /// Producer group
    #[arg(long, default_value = "ferromq-produce")]
    group: String,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    crate::broker::check_namesrv(&args.namesrv)?;
    template(&args, Vec::new())?; // wrong options fail before anything is sent
    block_on(async {
        let producer = Producer::builder(&args.group).namesrv(&args.namesrv).start().await.map_err(Failure::new)?;
        let outcome = send_all(&args, &producer).await;
        goodbye(producer.shutdown(), &outcome).await;
        outcome
    })
}

async fn send_all(args: &Args, producer: &Producer) -> Result<(), Failure> {
    let mut sends = Sends { tasks: JoinSet::new(), progress: Progress::new("sent") };
    if args.files.is_empty() {
        send_lines(args, producer, tokio::io::stdin(), "standard input", &mut sends).await?;
    }
    for path in &args.files {
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
        send_lines(args, producer, file, &path.display().to_string(), &mut sends).await?;
    }
    while sends.one_done().await? {}
    sends.progress.finish();
    Ok(())
}

/// Sends on their way, and the count of those that arrived.
struct Sends {
    tasks: JoinSet<Result<usize, ferromq::Error>>,
    progress: Progress,
}

impl Sends {
    /// Waits for one send to end; false when none is under way. The first failure ends the command.
    async fn one_done(&mut self) -> Result<bool, Failure> {
        match self.tasks.join_next().await {
            None => Ok(false),
            Some(Ok(Ok(bytes))) => {
                self.progress.add(bytes);
                Ok(true)
            }
            Some(Ok(Err(e))) => Err(Failure::new(format!("{e} ({} messages were sent)", self.progress.messages()))),
            Some(Err(e)) => Err(Failure::new(e)),
        }
    }
}

async fn send_lines(
    args: &Args,
    producer: &Producer,
    input: impl AsyncRead + Unpin + Send + 'static,
    name: &str,
    sends: &mut Sends,
) -> Result<(), Failure> {
    let (lines, mut next) = mpsc::channel(1);
    tokio::spawn(read_lines(BufReader::new(input), lines));
    loop {
        // A send that fails ends the command also while the input is silent.
        let line = tokio::select! {
            line = next.recv() => line,
            ended = sends.one_done(), if !sends.tasks.is_empty() => {
                ended?;
                continue;
            }
        };
        let Some(line) = line else { return Ok(()) };
        let line = line.map_err(|e| Failure::new(format!("cannot read {name}: {e}")))?;
        let (bytes, message) = (line.len(), template(args, line)?);
        let producer = producer.clone();
        match args.sharding_key.clone() {
            // One after the other: order is what a sharding key is for.
            Some(key) => {
                sends.tasks.spawn(async move { producer.send_sharded(message, &key).await.map(|_| bytes) });
                while sends.one_done().await? {}
            }
            None => {
                sends.tasks.spawn(async move { producer.send(message).await.map(|_| bytes) });
                if sends.tasks.len() >= IN_FLIGHT_MAX {
                    sends.one_done().await?;
                }
            }
        }
    }
}

/// Gives the lines of the input, without those that are empty: the protocol has no empty messages.
async fn read_lines(mut input: impl AsyncBufRead + Unpin, lines: mpsc::Sender<std::io::Result<Vec<u8>>>) {
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line).await;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        let given = match read {
            Ok(0) => return,
            Ok(_) if line.len() as u64 > LINE_BYTES_MAX => {
                Err(std::io::Error::other(format!("a line is longer than {LINE_BYTES_MAX} bytes")))
            }
            Ok(_) if line.is_empty() => continue,
            Ok(_) => Ok(line),
            Err(error) => Err(error),
        };
        let failed = given.is_err();
        if lines.send(given).await.is_err() || failed {
            return;
        }
    }
}

fn template(args: &Args, body: Vec<u8>) -> Result<Message, Failure> {
    let mut message = Message::new(&args.topic, body);
    if let Some(tag) = &args.tag {
        message = message.with_tag(tag);
    }
    if !args.keys.is_empty() {
        message = message.with_keys(&args.keys);
    }
    if let Some(level) = args.delay_level {
        message = message.with_delay_level(level);
    }
    for property in &args.properties {
        let (name, value) = property
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--property {property}: expected is NAME=VALUE")))?;
        message = message.with_property(name, value).map_err(Failure::usage)?;
    }
    Ok(message)
}
