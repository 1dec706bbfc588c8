//! `ferromq consume`: messages to standard output.
//!
//! Without `--group` it reads every queue of the topic and leaves no trace on the broker. With `--group` it is a member of
//! that consumer group: it shares the queues with the others and commits what it has printed.
use crate::failure::Failure;
use crate::format::{write_json, Format, FIELDS};
use crate::pipe::{judge, Wrote};
use crate::progress::Progress;
use crate::when::From;
use crate::{block_on, life};
use ferromq::{ConsumeFrom, LitePullConsumer, MessageExt, MessageQueue};
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::time::Duration;

/// How long one poll waits; between polls the command looks whether it shall end.
const POLL: Duration = Duration::from_millis(500);

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
        let consumer = start(&args).await?;
        let mut printer =
            Printer { format, out: BufWriter::new(std::io::stdout()), progress: Progress::new("received") };
        let outcome = tokio::select! {
            outcome = read(&args, &consumer, &mut printer) => outcome,
            _ = life::until_told(false) => Ok(()),
        };
        printer.progress.finish();
        if args.group.is_some() && outcome.is_ok() {
            consumer.commit().await.map_err(Failure::new)?;
        }
        consumer.shutdown().await;
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

async fn read(args: &Args, consumer: &LitePullConsumer, printer: &mut Printer) -> Result<(), Failure> {
    let mut ends = Ends::default();
    if args.exit && args.group.is_none() {
        ends.note(consumer).await?;
    }
    loop {
        if args.exit && ends.reached(consumer).await? {
            return Ok(());
        }
        for message in consumer.poll(POLL).await.map_err(Failure::new)? {
            if args.count.is_some_and(|count| printer.progress.messages() >= count) {
                return Ok(());
            }
            if printer.print(&message)? == Wrote::ReaderGone {
                return Ok(());
            }
        }
        if printer.flush()? == Wrote::ReaderGone || args.count.is_some_and(|c| printer.progress.messages() >= c) {
            return Ok(());
        }
        if args.group.is_some() {
            consumer.commit().await.map_err(Failure::new)?;
        }
    }
}

/// The ends of the queues, as they were when the command first saw them.
#[derive(Default)]
struct Ends(HashMap<MessageQueue, i64>);

impl Ends {
    async fn note(&mut self, consumer: &LitePullConsumer) -> Result<(), Failure> {
        for queue in consumer.assignment() {
            if !self.0.contains_key(&queue) {
                let end = consumer.max_offset(&queue).await.map_err(Failure::new)?;
                self.0.insert(queue, end);
            }
        }
        Ok(())
    }

    /// True when something is assigned and every queue has been handed out up to its end.
    async fn reached(&mut self, consumer: &LitePullConsumer) -> Result<bool, Failure> {
        self.note(consumer).await?;
        let assigned = consumer.assignment();
        Ok(!assigned.is_empty()
            && assigned.iter().all(|q| match (self.0.get(q), consumer.position(q)) {
                (Some(end), Some(position)) => position >= *end,
                _ => false,
            }))
    }
}

struct Printer {
    format: Option<Format>,
    out: BufWriter<std::io::Stdout>,
    progress: Progress,
}

impl Printer {
    fn print(&mut self, message: &MessageExt) -> Result<Wrote, Failure> {
        self.progress.add(message.body().len());
        judge(match &self.format {
            Some(format) => format.write(&mut self.out, message),
            None => write_json(&mut self.out, message),
        })
    }

    fn flush(&mut self) -> Result<Wrote, Failure> {
        judge(self.out.flush())
    }
}
