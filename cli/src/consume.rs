//! `ferromq consume`: messages to standard output.
//!
//! Without `--group` it reads every queue of the topic and leaves no trace on the broker. With `--group` it is a member of
//! that consumer group: it shares the queues with the others and commits what it has printed.
use crate::failure::Failure;
use crate::format::{Format, FIELDS};
use crate::reader::{Limits, Reader};
use crate::when::From;
use crate::{block_on, goodbye, life};
use ferromq::{ConsumeFrom, LitePullConsumer};

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = FIELDS)]
pub struct Args {
    /// Topic
    #[arg(short, long)]
    topic: String,
    /// Name servers, host:port, several separated by semicolons
    #[arg(short, long, env = "NAMESRV_ADDR", default_value = "127.0.0.1:9876")]
    namesrv: String,
    /// Where to begin: first, last, or a time; with --group only for queues without a committed offset
    #[arg(short, long, default_value = "last")]
    from: From,
    /// Tags to take, like `TagA || TagB`
    #[arg(long, value_name = "EXPRESSION", default_value = "*")]
    filter: String,
    /// Consumer group to join
    #[arg(long)]
    group: Option<String>,
    /// What to print per message
    #[arg(long, default_value = "%s\\n", conflicts_with = "json")]
    format: String,
    /// Prints each message as one line of JSON
    #[arg(long)]
    json: bool,
    /// Ends when every queue has been read to its end
    #[arg(short, long)]
    exit: bool,
    /// Ends after this many messages
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    crate::broker::check_namesrv(&args.namesrv)?;
    let format = if args.json { None } else { Some(Format::parse(&args.format).map_err(Failure::usage)?) };
    block_on(async {
        let ending = life::Ending::listen()?;
        let consumer = start(&args).await?;
        let limits = Limits { exit: args.exit, count: args.count, commits: args.group.is_some() };
        let mut reader = Reader::new(&consumer, format, limits);
        let outcome = tokio::select! {
            outcome = reader.read() => outcome,
            _ = ending.wait(false) => Ok(()),
        };
        let outcome = match outcome {
            Ok(()) => reader.finish().await,
            failed => failed,
        };
        goodbye(consumer.shutdown(), &outcome).await;
        outcome
    })
}

async fn start(args: &Args) -> Result<LitePullConsumer, Failure> {
    let from = match args.from {
        From::First => ConsumeFrom::First,
        From::Last => ConsumeFrom::Last,
        From::Time(ms) => ConsumeFrom::Timestamp(ms),
    };
    let group = args.group.clone().unwrap_or_else(|| format!("ferromq-consume-{}", std::process::id()));
    let builder = LitePullConsumer::builder(&group).namesrv(&args.namesrv).consume_from(from).auto_commit(false);
    let consumer = builder.start().await.map_err(Failure::new)?;
    if args.group.is_some() {
        consumer.subscribe(&args.topic, &args.filter).await.map_err(Failure::new)?;
        return Ok(consumer);
    }
    let queues = consumer.fetch_queues(&args.topic).await.map_err(Failure::new)?;
    consumer.assign_filtered(&queues, &args.filter).await.map_err(Failure::new)?;
    for queue in &queues {
        match args.from {
            From::First => consumer.seek_to_begin(queue).await,
            From::Last => consumer.seek_to_end(queue).await,
            From::Time(ms) => match consumer.offset_for_time(queue, ms).await {
                Ok(offset) => consumer.seek(queue, offset).await,
                Err(e) => Err(e),
            },
        }
        .map_err(Failure::new)?;
    }
    Ok(consumer)
}
