//! `cargo xtask gen`: files that are generated from tables in the code, and the check that they are up to date.
use crate::run::{built, cargo, root, run};
use std::process::Command;

/// Generated file and the arguments of `ferromq` that print it.
const FILES: &[(&str, &[&str])] = &[
    ("docs/broker-configuration.md", &["broker", "--print-reference"]),
    ("docs/broker.conf", &["broker", "--print-sample"]),
    ("docs/namesrv-configuration.md", &["namesrv", "--print-reference"]),
];

/// Runs the command.
pub fn main(args: &[String]) -> Result<(), String> {
    let check = args.iter().any(|a| a == "--check");
    run(cargo().args(["build", "--quiet", "--package", "ferromq-cli"]))?;
    let mut stale = Vec::new();
    for (file, arguments) in FILES {
        let out = Command::new(built("ferromq", "debug"))
            .args(*arguments)
            .output()
            .map_err(|e| format!("cannot run ferromq {}: {e}", arguments.join(" ")))?;
        if !out.status.success() {
            return Err(format!("ferromq {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&out.stderr)));
        }
        let path = root().join(file);
        if std::fs::read(&path).unwrap_or_default() == out.stdout {
            continue;
        }
        if check {
            stale.push(*file);
        } else {
            std::fs::create_dir_all(root().join("docs")).map_err(|e| e.to_string())?;
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
