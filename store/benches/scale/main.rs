//! Measures what many queues, a long log and old data cost: `cargo xtask bench store`, or
//! `cargo bench -p ferromq-store --bench scale -- [ROW ...]`. Needs 3 GB of disk for a while.
//!
//! A table and a line of JSON per row, as the benchmark of speed prints them; a ratio that is missed makes the exit code 1. Without
//! `--bench` (that is how `cargo test` starts it) every row runs on a small directory, to see that it works, and no ratio is judged.
//!
//! What opening costs is measured in a child process, whose memory nobody has used before: this program, started again.
#![allow(clippy::unwrap_used, reason = "a benchmark may end by panicking")]

mod deep;
#[path = "../speed/measure.rs"]
#[allow(dead_code, reason = "shared with the benchmark of speed")]
mod measure;
mod old_data;
mod opening;
#[path = "../speed/records.rs"]
#[allow(dead_code, reason = "shared with the benchmark of speed")]
mod records;
#[path = "../speed/row.rs"]
mod row;
mod system;
mod topics;

use measure::Scale;
use row::Row;
use std::process::ExitCode;

/// A name for the command line, and what measures its rows.
type Group = (&'static str, fn(Scale) -> Vec<Row>);

/// The first one wants memory that nobody has used before.
const GROUPS: &[Group] = &[
    ("topics", topics::small),
    ("opening", opening::clean),
    ("old", old_data::beside_new),
    ("deep", deep::everywhere),
];

fn main() -> ExitCode {
    if opening::child() {
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let measuring = args.iter().any(|arg| arg == "--bench") && !args.iter().any(|arg| arg == "--quick");
    let scale = if measuring { Scale::Full } else { Scale::Quick };
    let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |group: &str| names.is_empty() || names.iter().any(|name| group.contains(name.as_str()));
    let rows: Vec<Row> = GROUPS.iter().filter(|(name, _)| wanted(name)).flat_map(|(_, run)| run(scale)).collect();
    row::print(&rows);
    ExitCode::from(u8::from(measuring && rows.iter().any(|row| !row.met())))
}
