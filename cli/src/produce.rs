//! `ferromq produce`: every line of standard input, or of files, becomes a message.
use crate::block_on;
use crate::failure::Failure;
use crate::progress::Progress;
use ferromq::{Message, Producer};
use std::path::PathBuf;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

/// Sends in flight at a time; further lines wait. Bounds memory and keeps the pipe full.
const IN_FLIGHT_MAX: usize = 256;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Files to read; standard input when none is given
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
        producer.shutdown().await;
        outcome
    })
}

async fn send_all(args: &Args, producer: &Producer) -> Result<(), Failure> {
    let mut sends = Sends { tasks: JoinSet::new(), progress: Progress::new("sent") };
    if args.files.is_empty() {
        send_lines(args, producer, BufReader::new(tokio::io::stdin()), "standard input", &mut sends).await?;
    }
    for path in &args.files {
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
        send_lines(args, producer, BufReader::new(file), &path.display().to_string(), &mut sends).await?;
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
    mut input: impl AsyncBufRead + Unpin,
    name: &str,
    sends: &mut Sends,
) -> Result<(), Failure> {
    loop {
        let mut line = Vec::new();
        let n = input.read_until(b'\n', &mut line).await;
        if n.map_err(|e| Failure::new(format!("cannot read {name}: {e}")))? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.is_empty() {
            continue; // the protocol has no empty messages
        }
        let (bytes, message) = (line.len(), template(args, line)?);
        let producer = producer.clone();
        match args.sharding_key.clone() {
            // One after the other: order is what a sharding key is for.
            Some(key) => {
                sends.tasks.spawn(async move { producer.send_sharded(message, &key).await.map(|_| bytes) });
                sends.one_done().await?;
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
