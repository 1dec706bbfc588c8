//! `cargo xtask demo`: builds the broker and the demo program, installs the languages that the machine has, then runs the one
//! with the others.
use crate::package::clean::Folder;
use crate::package::{programs, Order};
use crate::run::{built, cargo, run as run_command};
use std::process::Command;

/// Runs the command; arguments are those of the demo program.
pub fn main(args: &[String]) -> Result<(), String> {
    run(args).map(drop)
}

/// The same; returns the languages that could not take part, with the reasons.
pub fn run(args: &[String]) -> Result<Vec<String>, String> {
    run_command(cargo().args(["build", "--package", "ferromq-cli", "--package", "ferromq-examples"]))?;
    let folder = Folder::new("ferromq-demo-programs")?;
    // In the caller's directory: `--full` is a path that the caller typed.
    let mut demo = Command::new(built("flights", "debug"));
    demo.arg("--ferromq").arg(built("ferromq", "debug"));
    let mut missing = Vec::new();
    for (language, installed) in programs::install(&Order::for_tests()?, &folder) {
        match installed {
            Ok(programs) => {
                let hand = programs.flights.map(|flights| format!("{language}={}", programs::json(&flights)));
                demo.args(hand.into_iter().flat_map(|hand| ["--hand".to_owned(), hand]));
            }
            Err(reason) => missing.push(format!("{language} ({reason})")),
        }
    }
    for reason in &missing {
        demo.arg("--missing").arg(reason);
    }
    run_command(demo.args(args))?;
    Ok(missing)
}
