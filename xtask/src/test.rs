//! `cargo xtask test`: runs the suites, adds up what they count, and ends with one line that says it all.
//!
//! A suite whose tools are missing is listed as skipped, with the command that installs them; `.ci/run` treats a skip
//! as a failure. `--full` adds the long suites and writes their log to `docs/verification.md`.
use crate::run::{first_line, root};
use crate::suites::{Counts, Suite, SUITES};
use std::fmt::Write as _;
use std::time::Instant;

/// Set in the environment of what `--full` runs: tests that can be thorough are.
pub const FULL: &str = "FERROMQ_FULL";

/// Runs the command.
pub fn main(args: &[String]) -> Result<(), String> {
    let full = args.iter().any(|a| a == "--full");
    if full {
        std::env::set_var(FULL, "1");
    }
    let only = args.iter().position(|a| a == "--only").and_then(|i| args.get(i + 1));
    if args.iter().any(|a| a == "--list") {
        SUITES.iter().for_each(|s| println!("{:12} {}{}", s.name, s.what, if s.long { " (--full)" } else { "" }));
        return Ok(());
    }
    let chosen: Vec<&Suite> =
        SUITES.iter().filter(|s| (full || !s.long) && only.is_none_or(|name| s.name == name)).collect();
    if chosen.is_empty() {
        return Err("no such suite; `cargo xtask test --list` names them".into());
    }
    let mut total = Counts::default();
    let mut report = Vec::new();
    for suite in chosen {
        let started = Instant::now();
        println!("\n== {}: {}", suite.name, suite.what);
        let counts = run_suite(suite);
        let seconds = started.elapsed().as_secs();
        report.push((suite, counts.clone(), seconds));
        total.add(&counts);
    }
    print_summary(&report);
    if full && only.is_none() {
        write_verification(&report, &total)?;
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped.len());
    if total.failed > 0 {
        return Err("there are failures".into());
    }
    Ok(())
}

fn run_suite(suite: &Suite) -> Counts {
    let missing: Vec<_> = suite.needs.iter().filter(|t| !t.is_here()).collect();
    if !missing.is_empty() {
        let reason: Vec<_> = missing.iter().map(|t| format!("{} ({})", t.name, t.install)).collect();
        return Counts {
            skipped: vec![format!("{}: needs {}", suite.name, reason.join(" and "))],
            ..Counts::default()
        };
    }
    (suite.run)().unwrap_or_else(|message| {
        println!("{message}");
        Counts { failed: 1, ..Counts::default() }
    })
}

fn print_summary(report: &[(&Suite, Counts, u64)]) {
    println!("\n{:12} {:>7} {:>7} {:>8}  {:>6}", "suite", "passed", "failed", "skipped", "time");
    for (suite, counts, seconds) in report {
        println!(
            "{:12} {:>7} {:>7} {:>8}  {:>5}s",
            suite.name,
            counts.passed,
            counts.failed,
            counts.skipped.len(),
            seconds
        );
    }
    for reason in report.iter().flat_map(|(_, counts, _)| &counts.skipped) {
        println!("skipped: {reason}");
    }
}

fn write_verification(report: &[(&Suite, Counts, u64)], total: &Counts) -> Result<(), String> {
    let commit = first_line("git", &["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let rustc = first_line("rustc", &["--version"]).unwrap_or_default();
    let mut text = format!(
        "# Verification\n\nWritten by `cargo xtask test --full`. Commit `{commit}`, {rustc}, {} cores.\n\n\
         | suite | what | passed | failed | skipped | seconds |\n|---|---|---|---|---|---|\n",
        std::thread::available_parallelism().map_or(0, usize::from),
    );
    for (suite, counts, seconds) in report {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            suite.name,
            suite.what,
            counts.passed,
            counts.failed,
            counts.skipped.len(),
            seconds
        );
    }
    let _ = writeln!(text, "\n{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped.len());
    let path = root().join("docs").join("verification.md");
    std::fs::create_dir_all(root().join("docs")).map_err(|e| format!("cannot create docs: {e}"))?;
    std::fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
