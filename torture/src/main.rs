//! Kills, power cuts and bad disks, round after round, each from a seed of its own.
//!
//! `ferromq-torture --ferromq PATH [--rounds N] [--seed S] [--only KIND]`: round i has the seed S + i, which also chooses its
//! kind, so that `--rounds 1 --seed` and the seed of a failed round repeat it. What threads and the clock do is not repeated: a
//! round in which they matter may need several runs.
//!
//! What it is not: a test of speed, or of the protocol.
mod broken;
mod faulty;
mod kills;
mod model;
mod power;
mod pressure;
mod random;
mod rounds;
mod server;
mod writers;

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A kind of rounds: its name and what runs one.
type Kind = (&'static str, fn(u64) -> Result<(), String>);

/// In these rounds of five is one of each; power cuts find most.
const KINDS: &[Kind] = &[
    ("power", rounds::power),
    ("faults", broken::faults),
    ("power", rounds::power),
    ("flips", broken::flips),
    ("kills", kills::kills),
];

fn main() -> ExitCode {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<(), String> {
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let number = |name: &str, default: u64| match value(name) {
        None => Ok(default),
        Some(text) => text.parse::<u64>().map_err(|_| format!("{name} {text}: expected is a number")),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (rounds, seed) = (number("--rounds", 20)?, number("--seed", now)?);
    let only = value("--only");
    if let Some(program) = value("--ferromq") {
        let _ = server::PROGRAM.set(program.into());
    }
    println!("{rounds} rounds from seed {seed}");
    let mut failed = 0;
    for seed in seed..seed + rounds {
        let (name, round) = match only {
            Some(only) => {
                *KINDS.iter().find(|kind| kind.0 == only).ok_or_else(|| format!("no rounds of kind {only}"))?
            }
            None => KINDS[(seed % KINDS.len() as u64) as usize],
        };
        let started = Instant::now();
        let outcome = round(seed);
        let seconds = started.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => println!("test round {seed} {name} ... ok ({seconds:.1} s)"),
            Err(why) => {
                failed += 1;
                println!("test round {seed} {name} ... FAILED ({seconds:.1} s): {why}");
                println!("repeat it with: cargo xtask torture --rounds 1 --seed {seed} --only {name}");
            }
        }
    }
    println!("{} passed, {failed} failed", rounds - failed);
    if failed > 0 {
        return Err("there are failures".to_owned());
    }
    Ok(())
}
