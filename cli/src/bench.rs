//! `ferromq bench`: how many messages per second a cluster takes and gives, and how long they take. Works with any cluster of the
//! protocol.
//!
//! Not here: the comparisons of `cargo xtask bench`, which drive the protocol without a client. A latency is measured from the
//! moment a message was due (with `--rate`) or handed to the client, so that a cluster that stalls is not flattered.
mod histogram;
mod report;
mod work;

use crate::block_on;
use crate::failure::Failure;
use ferromq::Admin;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Sends messages: rate and time until the broker has stored them
    Producer(Options),
    /// Receives what is in the topic, from the oldest message on: rate
    Consumer(Options),
    /// Sends and receives: rate, and time from the send to the listener
    #[command(name = "end-to-end", alias = "e2e")]
    EndToEnd(Options),
}

/// What a run looks like.
#[derive(clap::Args, Debug, Clone)]
struct Options {
    /// Name servers, host:port, several separated by semicolons
    #[arg(short, long, env = "NAMESRV_ADDR", default_value = "127.0.0.1:9876")]
    namesrv: String,
    /// Topic; created with `--queues` queues when it does not exist
    #[arg(short, long, default_value = "ferromq-bench")]
    topic: String,
    /// Queues of a topic that is created
    #[arg(long, default_value_t = 16)]
    queues: i32,
    /// Messages in all
    #[arg(short, long, default_value_t = 100_000)]
    messages: u64,
    /// Bytes of a message's body
    #[arg(short, long, default_value_t = 128)]
    size: usize,
    /// Messages per second in all; as fast as possible when it is not given
    #[arg(short, long)]
    rate: Option<f64>,
    /// Producers, or consumers of one group, each with connections of its own
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,
    /// Messages on their way at a time per producer
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
    /// Messages per send
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// Consumer group; one of its own when it is not given
    #[arg(short, long)]
    group: Option<String>,
    /// The result as one JSON object
    #[arg(long)]
    json: bool,
    /// No progress on standard error
    #[arg(long)]
    no_progress: bool,
}

impl Options {
    fn check(&self) -> Result<(), Failure> {
        crate::broker::check_namesrv(&self.namesrv)?;
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err(Failure::usage("--rate: expected is a number of messages per second above 0"));
        }
        if self.size < work::STAMP_BYTES {
            return Err(Failure::usage(format!("--size: a body has at least {} bytes", work::STAMP_BYTES)));
        }
        Ok(())
    }

    /// The group of the consumers; a group that existed before would go on where it was.
    fn group(&self) -> String {
        self.group.clone().unwrap_or_else(|| format!("ferromq-bench-{}-{}", std::process::id(), crate::when::now_ms()))
    }
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    let (What::Producer(options) | What::Consumer(options) | What::EndToEnd(options)) = &args.what;
    options.check()?;
    block_on(async {
        prepare(options).await?;
        let outcome = match &args.what {
            What::Producer(options) => work::produce(options).await?,
            What::Consumer(options) => work::consume(options).await?,
            What::EndToEnd(options) => work::end_to_end(options).await?,
        };
        crate::pipe::print(&if options.json { outcome.json() } else { outcome.text() })
    })
}

/// Creates the topic when it does not exist.
async fn prepare(options: &Options) -> Result<(), Failure> {
    let admin = Admin::builder().namesrv(&options.namesrv).start().await.map_err(Failure::new)?;
    let made = match admin.topic_route(&options.topic).await {
        Ok(_) => Ok(()),
        Err(ferromq::Error::NoRoute { .. }) => admin.create_topic(&options.topic, options.queues).await,
        Err(error) => Err(error),
    };
    admin.shutdown().await;
    made.map_err(Failure::new)
}
