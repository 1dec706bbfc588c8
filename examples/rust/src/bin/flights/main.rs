//! The demo: a month of flights through a broker, and the proof that nothing was lost, doubled or mixed up.
//!
//! Group A aggregates per aircraft, in order, first with one member, then with two; group B takes only the late departures by
//! tag; group C pulls everything. First paced, then at full speed. The exit code is 0 only if every number agrees
//! with the file.
mod data;
mod groups;
mod hands;
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
    /// A language that takes part: LANGUAGE=JSON list of its program and arguments
    #[arg(long = "hand", value_name = "LANGUAGE=COMMAND")]
    hands: Vec<hands::Hand>,
    /// A language that cannot take part, and why
    #[arg(long, value_name = "REASON")]
    missing: Vec<String>,
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
        let place = groups::Place { namesrv: &server.namesrv, topic, hands: &args.hands };
        agreed &= round::run(&place, flights, pace).await?;
    }
    let mut took_part: Vec<&str> = args.hands.iter().map(|hand| hand.language.as_str()).collect();
    took_part.push("rust");
    let missing: String = args.missing.iter().map(|reason| format!("; left out: {reason}")).collect();
    let verdict = if agreed { "everything agrees" } else { "THERE ARE DIFFERENCES" };
    println!("{verdict} ({}{missing})", took_part.join(", "));
    Ok(agreed)
}
