//! `ferromq-bench`: the same load against FerroMQ, Apache RocketMQ and a bare echo server, as ratios.
//!
//! Targets run as processes of their own, one at a time, alternating within every pair; rates and processor time are
//! medians over the pairs, with the spread printed and every raw number kept as JSON. Nothing here is a test.
mod echo;
mod frames;
mod load;
mod process;
mod report;
mod scenario;
mod target;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "Compares FerroMQ with Apache RocketMQ and a bare echo server under the same load")]
struct Args {
    #[command(subcommand)]
    command: Option<Sub>,
    /// The ferromq executable (release profile).
    #[arg(long)]
    ferromq: Option<PathBuf>,
    /// Pairs of runs; medians are taken over them.
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// Seconds of measurement of one run, after one second of warm-up.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Only scenarios whose name contains this text.
    #[arg(long)]
    only: Option<String>,
    /// Leave Apache out (no JDK needed); ratios are then against the echo server alone.
    #[arg(long)]
    without_apache: bool,
    /// Folder for raw results.
    #[arg(long, default_value = "bench-results")]
    out: PathBuf,
}

#[derive(Subcommand)]
enum Sub {
    /// The bare echo server: copies bodies into a map and answers. Prints its port; ends when its stdin closes.
    Echo,
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let outcome = match args.command {
        Some(Sub::Echo) => echo::serve().map_err(|e| format!("echo server: {e}")),
        None => run(args),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("ferromq-bench: {message}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), String> {
    let ferromq = args.ferromq.ok_or("--ferromq PATH is missing (cargo xtask bench gives it)")?;
    let kinds = target::kinds(&ferromq, !args.without_apache)?;
    let scenarios: Vec<_> =
        scenario::ALL.iter().filter(|s| args.only.as_ref().is_none_or(|o| s.name.contains(o.as_str()))).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot start the driver's runtime: {e}"))?;
    let mut results = report::Results::default();
    for pair in 0..args.pairs {
        for kind in &kinds {
            let target = target::Target::start(kind)?;
            results.started(kind.name(), &target);
            for scenario in &scenarios {
                if !scenario.applies_to(kind) {
                    continue;
                }
                let outcome = runtime.block_on(scenario.run(&target, args.seconds))?;
                eprintln!("pair {:2}  {:8} {:20} {outcome}", pair + 1, kind.name(), scenario.name);
                results.add(kind.name(), scenario.name, outcome);
            }
            target.stop();
        }
    }
    results.print();
    results.save(&args.out)
}
