//! `cargo xtask bench namesrv` and `cargo xtask bench delay`: rows of the name server and of the delay service, which need no other
//! process. The programs stand in the crates' `benches` folders; `cargo test` runs them with small numbers.
use crate::run::{cargo, run};

/// Runs one program in the bench profile; `--quick` makes the numbers small.
pub fn main(package: &str, program: &str, args: &[String]) -> Result<(), String> {
    let mut bench = cargo();
    bench.args(["bench", "--quiet", "--package", package, "--bench", program, "--"]).args(args);
    run(&mut bench)
}
