//! All project automation behind `cargo xtask`: demo, test, bench, package, gen, tidy.
//!
//! Plain standard library, so that it builds in seconds on a machine that has only Rust. Every command runs from the
//! repository root, whatever the caller's directory is, and ends with an exit code that scripts can use.
mod bench;
mod bench_bridge;
mod bench_broker;
mod bench_store;
mod demo;
mod gen;
mod package;
mod run;
mod suites;
mod test;
mod tidy;
mod tools;
mod torture;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  demo  [--full FILE] [--pace SECONDS] [--keep]
                     a broker, producers and consumers over a real data set, checked to the last message
  test  [--full] [--only NAME] [--list]
                     everything that must hold; --full adds what takes long and writes docs/verification.md
  bench [ARGS]       our broker, Apache's broker and an echo server under the same driver, as ratios
  package [NAME ...] [--out DIR]
                     what users install: wheels, npm packages, C libraries
  torture [--rounds N] [--seed S] [--only KIND]
                     kills, power cuts and bad disks, each round from a seed that repeats it
  gen   [--check]    generated files (configuration reference, sample broker.conf); --check only compares
  tidy               rules of STYLE.md that a program can check
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let outcome = match command.as_str() {
        "demo" => demo::main(&rest),
        "test" => test::main(&rest),
        "bench" => bench::main(&rest),
        "package" => package::main(&rest),
        "torture" => torture::main(&rest),
        "gen" => gen::main(&rest),
        "tidy" => tidy::main(),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown command {other:?}\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
