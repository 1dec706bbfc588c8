//! `ferromq-bench`: the driver and the echo server behind `cargo xtask bench broker`.
//!
//! Servers run as processes of their own; those that are not measured at the moment are stopped, so that they take nothing
//! from the one that is. Nothing here is a test.
mod broker;
mod crowd;
mod delivery;
mod echo;
mod frames;
mod load;
mod machine;
mod measure;
mod process;
mod report;
mod target;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Compares FerroMQ with Apache RocketMQ and a bare echo server under the same load")]
struct Args {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// The bare echo server: copies bodies into a map and answers. Prints its port; ends when its stdin closes.
    Echo,
    /// The rows of the broker's table; fails when one misses its target
    Broker(broker::Args),
}

fn main() -> std::process::ExitCode {
    let outcome = match Args::parse().command {
        Sub::Echo => echo::serve().map_err(|e| format!("echo server: {e}")),
        Sub::Broker(args) => broker::run(&args),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("ferromq-bench: {message}");
            std::process::ExitCode::FAILURE
        }
    }
}
