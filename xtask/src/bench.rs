//! `cargo xtask bench [WHAT]`: the benchmarks, each a program of its own. Without a name it is the broker's.
use crate::run::cargo_bench;
use crate::{bench_bridge, bench_broker, bench_store};

/// Runs the command; arguments behind the name are those of the benchmark.
pub fn main(args: &[String]) -> Result<(), String> {
    match args.first().map(String::as_str) {
        Some("bridge") => bench_bridge::main(&args[1..]),
        Some("broker") => bench_broker::main(&args[1..]),
        // These need no other process.
        Some("namesrv") => cargo_bench("ferromq-namesrv", "rates", &args[1..]),
        Some("delay") => cargo_bench("ferromq-broker", "delay", &args[1..]),
        Some("store") => bench_store::main(&args[1..]),
        _ => bench_broker::main(args),
    }
}
