//! The demo: a month of flights through a broker, and the proof that nothing was lost, doubled or mixed up.
//!
//! Group A aggregates per aircraft, in order, first with one member, then with two; group B takes only the late departures by
//! tag; group C pulls everything. First paced, then at full speed. The exit code is 0 only if every number agrees
//! with the file.
mod data;
mod groups;
mod ledger;
mod progress;
mod round;
mod server;
mod table;

use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
struct Args {
    /// The ferromq executable
    #[arg(long)]
    ferromq: PathBuf,
    /// The whole year: path to flights.csv
    #[arg(long, value_name = "FILE")]
    full: Option<PathBuf>,
    /// Seconds over which the paced round is spread
    #[arg(long, default_value_t = 15.0)]
    pace: f64,
    /// Keep the broker's data directory
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    // An interrupted demo ends its broker and removes its data, too.
    let outcome = tokio::select! {
        outcome = run(Args::parse()) => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("demo: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<bool, String> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let path = args.full.unwrap_or(examples.join("data").join("flights-2013-01.csv.gz"));
    let flights = data::load(&path)?;
    println!("{} flights from {}", flights.len(), path.display());
    let server = server::Server::start(&args.ferromq, args.keep)?;
    println!("{}", server.said);
    let flights: &'static [data::Flight] = flights.leak();
    let mut agreed = true;
    for (topic, pace) in [("FlightsPaced", Some(args.pace)), ("FlightsFast", None)] {
        agreed &= round::run(&server.namesrv, topic, flights, pace).await?;
    }
    println!("{}", if agreed { "everything agrees" } else { "THERE ARE DIFFERENCES" });
    Ok(agreed)
}
