//! `cargo xtask bench store [PROGRAM] [ROW ...] [--quick]`: the store against bare work on the same bytes, in the release profile.
//! Programs in `store/benches` measure; fails when a row misses its ratio. With `--quick` rows run on a few records and nothing
//! is judged.
use crate::run::cargo_bench;

/// The benchmarks of the store, each with a table and a line of JSON per row.
const PROGRAMS: &[&str] = &["speed", "scale"];

/// Runs the command; arguments are those of the programs. All of them run, whatever one misses.
pub fn main(args: &[String]) -> Result<(), String> {
    let one = args.first().and_then(|first| PROGRAMS.iter().position(|program| program == first));
    let (programs, args) = match one {
        Some(at) => (&PROGRAMS[at..=at], &args[1..]),
        None => (PROGRAMS, args),
    };
    let measure = |program: &&str| {
        cargo_bench("ferromq-store", program, args).map_err(|error| format!("store, {program}: {error}"))
    };
    let failed: Vec<String> = programs.iter().filter_map(|program| measure(program).err()).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("\n")),
    }
}
