//! `cargo xtask bench broker [ARGS]`: our broker beside Apache's and an echo server. Builds both programs, hands over to the
//! driver, and has it write `docs/benchmarks.md`; fails when a row misses its target. With `--quick` nothing is judged or
//! written, and the dev profile will do: a few seconds that keep the command from rotting.
use crate::run::{built, cargo, first_line, root, run};
use std::fs;
use std::process::Command;

/// Runs the command; arguments are those of the driver (`ferromq-bench broker --help`).
pub fn main(args: &[String]) -> Result<(), String> {
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let quick = has("--quick");
    let profile = if quick { "dev" } else { "release" };
    run(cargo().args(["build", "--profile", profile, "--package", "ferromq-cli", "--package", "ferromq-bench"]))?;
    let folder = if quick { "debug" } else { "release" };
    let mut bench = Command::new(built("ferromq-bench", folder));
    bench.current_dir(root()).arg("broker").arg("--ferromq").arg(built("ferromq", folder)).args(args);
    // A table with a part of the rows is no page.
    if !quick && !has("--only") && !has("--without-apache") && !has("--out") {
        bench.arg("--out").arg(root().join("docs/benchmarks.md"));
        about(args).iter().for_each(|line| {
            bench.arg("--about").arg(line);
        });
    }
    run(&mut bench)
}

/// What the page says about where and how the numbers came about.
fn about(args: &[String]) -> Vec<String> {
    let kernel = first_line("uname", &["-sr"]).unwrap_or_else(|| "unknown".into());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".into());
    let rustc = first_line("rustc", &["--version"]).unwrap_or_default();
    let java = first_line("java", &["-version"]).unwrap_or_default();
    let commit = first_line("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let date = first_line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    let command = [&["cargo xtask bench broker".to_owned()], args].concat();
    vec![
        format!("Machine: {cpu}, {cores} cores, {memory}; kernel {kernel}"),
        format!("Versions: commit `{commit}`, {rustc}; Apache RocketMQ 5.4.0 on {java}"),
        format!("Date: {date}; command: `{}`", command.join(" ")),
    ]
}

/// The first value of a name in a file of `name : value` lines.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
