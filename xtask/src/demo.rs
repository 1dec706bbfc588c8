//! `cargo xtask demo`: builds the broker and the demo program, then runs the one with the other.
use crate::run::{built, cargo, run};
use std::process::Command;

/// Runs the command; arguments are those of the demo program.
pub fn main(args: &[String]) -> Result<(), String> {
    run(cargo().args(["build", "--package", "ferromq-cli", "--package", "ferromq-examples"]))?;
    // In the caller's directory: `--full` is a path that the caller typed.
    let mut demo = Command::new(built("flights", "debug"));
    demo.arg("--ferromq").arg(built("ferromq", "debug")).args(args);
    run(&mut demo)
}
