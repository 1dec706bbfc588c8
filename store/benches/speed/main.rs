//! Measures the store against bare work on the same bytes in the same run: `cargo xtask bench store`, or
//! `cargo bench -p ferromq-store --bench speed -- [ROW ...]`.
//!
//! Every row runs ours and its baseline in turn, in short slices, so that a machine that gets slower does the same harm to both. A busy
//! one does not: where another guest of the host keeps the second thread of a core busy, ours takes half as long again, and bare
//! copying and summing a tenth. So costs are the lower quartiles of their slices, those that were disturbed least, and the medians are
//! noted; rates, which wait for a disk, are medians over the pairs. Rows of one thread count the time for which that thread was running;
//! rows of several threads count the time that passed. Printed are a table and a line of JSON per row; a ratio that is missed makes
//! the exit code 1.
//!
//! Without `--bench` (that is how `cargo test` starts it) every row runs on a few records, to see that it works, and no
//! ratio is judged.
#![allow(clippy::unwrap_used, reason = "a benchmark may end by panicking")]

mod append;
mod flush;
mod measure;
mod queues;
mod reads;
mod records;
mod recover;
mod row;

use measure::Scale;
use row::Row;
use std::process::ExitCode;

/// A name for the command line, and what measures the row.
type Named = (&'static str, fn(Scale) -> Row);

const ROWS: &[Named] = &[
    ("batches", append::batches),
    ("threads", append::threads),
    ("unit", append::unit),
    ("index", append::index),
    ("reads-128", |scale| reads::sequential(scale, &reads::SMALL)),
    ("reads-1024", |scale| reads::sequential(scale, &reads::LARGE)),
    ("flush", flush::waiters),
    ("recovery-4096", |scale| recover::killed(scale, &recover::LARGE)),
    ("recovery-128", |scale| recover::killed(scale, &recover::SMALL)),
    ("queues", queues::many),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let measuring = args.iter().any(|arg| arg == "--bench") && !args.iter().any(|arg| arg == "--quick");
    let scale = if measuring { Scale::Full } else { Scale::Quick };
    let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |row: &str| names.is_empty() || names.iter().any(|name| row.starts_with(name.as_str()));
    let rows: Vec<Row> = ROWS.iter().filter(|(name, _)| wanted(name)).map(|(_, run)| run(scale)).collect();
    row::print(&rows);
    if !measuring {
        println!("a few records only, to see that the rows work: the ratios say nothing");
    }
    if rows.is_empty() {
        let known: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
        eprintln!("no such row; there are {}", known.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::from(u8::from(measuring && rows.iter().any(|row| !row.met())))
}
