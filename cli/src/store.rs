//! `ferromq store`: a data directory that no broker has open, FerroMQ's or Apache RocketMQ's. Everything but `repair` only reads.
mod json;
mod show;

use crate::failure::Failure;
use crate::pipe::{self, Wrote};
use crate::when;
use ferromq_store::tool::{self, Directory, DirectoryOptions, DumpRange, Finding, Severity};
use ferromq_store::OpenError;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// What is there: segments, offsets and times of every queue, index files, groups
    Inspect(Common),
    /// Checks CRCs, consume queues against the log and index against the log, in both directions
    #[command(after_help = "Exit codes: 0 sound, 1 damage found, 2 could not look.\n\
        Each damage is one line with file and byte. A note is harmless: what an unclean stop leaves for the next start to put right.")]
    Verify(Common),
    /// The records of the log as JSON lines
    #[command(after_help = BOUNDS)]
    Dump(DumpArgs),
    /// Builds consume queues and index again from the log; what is replaced is kept until all is in place
    #[command(after_help = "The log is not changed. Queues whose records have all expired keep their offsets.\n\
        Without consume queues or index files to learn from, name the sizes that the broker is configured with.")]
    Repair(RepairArgs),
}

const BOUNDS: &str = "A bound is an offset of the log (12345), a time (2026-01-31T12:00:00Z or 20260131120000, UTC) or @ and milliseconds since 1970.";

/// What every tool wants to know.
#[derive(clap::Args)]
struct Common {
    /// The data directory (storePathRootDir)
    #[arg(value_name = "DIR")]
    root: PathBuf,
    /// Directories of the log if they lie elsewhere (storePathCommitLog, readOnlyCommitLogStorePaths)
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    commit_log: Vec<PathBuf>,
    /// maxHashSlotNum and maxIndexNum, when they cannot be told from the index files
    #[arg(long, value_name = "SLOTS,ENTRIES", value_parser = index_shape)]
    index_shape: Option<(u32, u32)>,
    /// JSON instead of tables and sentences
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct DumpArgs {
    #[command(flatten)]
    common: Common,
    /// First record: offset of the log or store time
    #[arg(long, value_name = "BOUND")]
    from: Option<Bound>,
    /// End, not included: offset of the log or store time
    #[arg(long, value_name = "BOUND")]
    to: Option<Bound>,
    /// Only records of this topic
    #[arg(short = 't', long)]
    topic: Option<String>,
}

#[derive(clap::Args)]
struct RepairArgs {
    #[command(flatten)]
    common: Common,
    /// mappedFileSizeConsumeQueue, when there is no consume queue to learn it from
    #[arg(long, value_name = "BYTES")]
    consume_queue_file_size: Option<usize>,
}

/// An end of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Offset(i64),
    Time(i64),
}

impl std::str::FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Bound, String> {
        let parsed = match text.strip_prefix('@') {
            Some(ms) => ms.parse().ok().map(Bound::Time),
            None if text.len() != 14 && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok().map(Bound::Offset)
            }
            None => when::time(text).map(Bound::Time),
        };
        parsed.ok_or_else(|| BOUNDS.to_owned())
    }
}

fn index_shape(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once(',').and_then(|(slots, entries)| Some((slots.parse().ok()?, entries.parse().ok()?)));
    parsed
        .filter(|(slots, _)| *slots > 0)
        .ok_or_else(|| "expected are two numbers, such as 5000000,20000000".to_owned())
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Inspect(common) => inspect(&common),
        What::Verify(common) => verify(&common),
        What::Dump(args) => dump(&args),
        What::Repair(args) => repair(&args),
    }
}

impl Common {
    fn options(&self) -> DirectoryOptions {
        let (root, commit_log, index_shape) = (self.root.clone(), self.commit_log.clone(), self.index_shape);
        DirectoryOptions { root, commit_log, index_shape, consume_queue_file_bytes: None }
    }
}

/// Exit code 2: nothing was found out.
fn could_not(error: OpenError) -> Failure {
    Failure::usage(error)
}

fn inspect(common: &Common) -> Result<(), Failure> {
    let directory = Directory::open(common.options()).map_err(could_not)?;
    let seen = tool::inspect(&directory).map_err(could_not)?;
    let text = if common.json { format!("{:#}\n", json::inspection(&seen)) } else { show::inspection(&seen) };
    pipe::print(&text)
}

fn verify(common: &Common) -> Result<(), Failure> {
    let directory = Directory::open(common.options()).map_err(could_not)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut wrote = Ok(Wrote::Yes);
    let mut line = |text: String| {
        if matches!(wrote, Ok(Wrote::Yes)) {
            wrote = pipe::judge(writeln!(out, "{text}"));
        }
    };
    let seen = tool::verify(&directory, &mut |finding: &Finding| {
        line(if common.json { json::finding(finding).to_string() } else { finding.to_string() });
    })
    .map_err(could_not)?;
    line(if common.json { json::verification(&seen).to_string() } else { show::verification(&seen) });
    wrote?;
    pipe::judge(out.flush())?;
    match seen.damages {
        0 => Ok(()),
        1 => Err(Failure::new(format!("{}: one damage", common.root.display()))),
        many => Err(Failure::new(format!("{}: {many} damages", common.root.display()))),
    }
}

fn dump(args: &DumpArgs) -> Result<(), Failure> {
    let directory = Directory::open(args.common.options()).map_err(could_not)?;
    let mut range = DumpRange { topic: args.topic.clone(), ..DumpRange::default() };
    match args.from {
        Some(Bound::Offset(offset)) => range.from_offset = Some(offset),
        Some(Bound::Time(ms)) => range.from_time = Some(ms),
        None => {}
    }
    match args.to {
        Some(Bound::Offset(offset)) => range.to_offset = Some(offset),
        Some(Bound::Time(ms)) => range.to_time = Some(ms),
        None => {}
    }
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let mut wrote = Ok(Wrote::Yes);
    let each = |view: &ferromq_protocol::record::RecordView<'_>| {
        wrote = pipe::judge(json::write_record(&mut out, view));
        match wrote {
            Ok(Wrote::Yes) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    };
    tool::dump(&directory, &range, each, |finding| eprintln!("ferromq: {finding}")).map_err(could_not)?;
    if wrote? == Wrote::Yes {
        pipe::judge(out.flush())?;
    }
    Ok(())
}

fn repair(args: &RepairArgs) -> Result<(), Failure> {
    let mut options = args.common.options();
    options.consume_queue_file_bytes = args.consume_queue_file_size;
    let directory = Directory::open_exclusive(options).map_err(could_not)?;
    let mut damages = 0;
    let done = tool::repair(&directory, &mut |finding: &Finding| {
        damages += u64::from(finding.severity == Severity::Damage);
        eprintln!("ferromq: {finding}");
    })
    .map_err(could_not)?;
    let text = if args.common.json { format!("{}\n", json::repaired(&done)) } else { show::repaired(&done) };
    pipe::print(&text)?;
    match damages {
        0 => Ok(()),
        _ => Err(Failure::new("the log itself is damaged (lines above); queues and index have what can be read of it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets, times and milliseconds are told apart; anything else is refused.
    #[test]
    fn bounds() {
        assert_eq!("12345".parse(), Ok(Bound::Offset(12345)));
        assert_eq!("20231114221320".parse(), Ok(Bound::Time(1_700_000_000_000)));
        assert_eq!("@1700000000000".parse(), Ok(Bound::Time(1_700_000_000_000)));
        for text in ["", "@", "soon", "-5"] {
            assert!(text.parse::<Bound>().is_err(), "{text}");
        }
        assert_eq!(index_shape("5,20"), Ok((5, 20)));
        assert!(index_shape("5").is_err() && index_shape("0,1").is_err());
    }
}
