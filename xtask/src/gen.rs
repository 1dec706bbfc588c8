//! `cargo xtask gen`: files that are generated from tables in the code, and the check that they are up to date.
use crate::run::{built, cargo, root, run};
use std::process::Command;

/// Generated file, and the program and arguments that print it.
const FILES: &[(&str, &str, &[&str])] = &[
    ("docs/broker-configuration.md", "ferromq", &["broker", "--print-reference"]),
    ("docs/broker.conf", "ferromq", &["broker", "--print-sample"]),
    ("docs/namesrv-configuration.md", "ferromq", &["namesrv", "--print-reference"]),
    ("c-include/ferromq.h", "ferromq-c-header", &[]),
];

/// Runs the command.
pub fn main(args: &[String]) -> Result<(), String> {
    let check = args.iter().any(|a| a == "--check");
    run(cargo().args(["build", "--quiet", "--package", "ferromq-cli", "--package", "ferromq-c-header"]))?;
    let mut stale = Vec::new();
    for (file, program, arguments) in FILES {
        let out = Command::new(built(program, "debug"))
            .args(*arguments)
            .output()
            .map_err(|e| format!("cannot run {program} {}: {e}", arguments.join(" ")))?;
        if !out.status.success() {
            return Err(format!("{program} {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&out.stderr)));
        }
        let path = root().join(file);
        if std::fs::read(&path).unwrap_or_default() == out.stdout {
            continue;
        }
        if check {
            stale.push(*file);
        } else {
            std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(|e| e.to_string())?;
            std::fs::write(&path, &out.stdout).map_err(|e| format!("cannot write {file}: {e}"))?;
            println!("wrote {file}");
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        Err(format!("out of date: {}; run `cargo xtask gen`", stale.join(", ")))
    }
}
