//! `cargo xtask bench`: builds broker and driver in the release profile and hands over to the driver; `bench bridge` is
//! [`bench_bridge`].
use crate::bench_bridge;
use crate::run::{built, cargo, root, run};
use std::process::Command;

/// Runs the command; arguments are those of the driver (`ferromq-bench --help`).
pub fn main(args: &[String]) -> Result<(), String> {
    if args.first().is_some_and(|what| what == "bridge") {
        return bench_bridge::main(&args[1..]);
    }
    run(cargo().args(["build", "--release", "--package", "ferromq-cli", "--package", "ferromq-bench"]))?;
    let mut bench = Command::new(built("ferromq-bench", "release"));
    bench.current_dir(root()).arg("--ferromq").arg(built("ferromq", "release")).args(args);
    run(&mut bench)
}
