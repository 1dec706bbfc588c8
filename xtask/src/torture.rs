//! `cargo xtask torture [--rounds N] [--seed S] [--only KIND]`: builds the broker and the torture program, then sets the one
//! upon the other. A failed round prints the command that repeats it.
use crate::run::{built, cargo, root, run, run_teed};
use crate::suites::{plain_counts, Counts};
use std::process::Command;

/// Rounds of the gate, and of `--full`.
const ROUNDS: u32 = 20;
const ROUNDS_FULL: u32 = 1000;

/// Runs the command; arguments are those of the torture program.
pub fn main(args: &[String]) -> Result<(), String> {
    run(program()?.args(args))
}

/// The suite of the gate: always the same seeds, so that what fails was changed and not drawn.
pub fn suite() -> Result<Counts, String> {
    rounds(&["--rounds".into(), ROUNDS.to_string(), "--seed".into(), "1".into()])
}

/// The long suite: seeds of the day.
pub fn suite_full() -> Result<Counts, String> {
    rounds(&["--rounds".into(), ROUNDS_FULL.to_string()])
}

fn program() -> Result<Command, String> {
    run(cargo().args(["build", "--package", "ferromq-cli", "--package", "ferromq-torture"]))?;
    let mut torture = Command::new(built("ferromq-torture", "debug"));
    torture.current_dir(root()).arg("--ferromq").arg(built("ferromq", "debug"));
    Ok(torture)
}

fn rounds(args: &[String]) -> Result<Counts, String> {
    let (ok, lines) = run_teed(program()?.args(args))?;
    let mut counts = lines.iter().rev().find_map(|line| plain_counts(line)).unwrap_or_default();
    if !ok && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}
