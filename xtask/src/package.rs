//! `cargo xtask package`: what users install, as files in `target/packages` (or `--out DIR`).
//!
//! Each language has a module below with two functions: `build`, which makes its packages, and a test suite that installs
//! them into a clean environment and never looks at the source tree. The test suites build in the dev profile, which shares
//! all its work with the other suites; the command itself builds in the release profile.
pub mod c;
pub mod clean;
pub mod node;
pub mod programs;
pub mod python;
pub mod server;

use crate::run::target_dir;
use crate::tools::{Tool, CC, NODE, VENV};
use std::path::PathBuf;

/// What to build and where to.
pub struct Order {
    /// The folder for finished packages; it exists.
    pub out: PathBuf,
    /// Cargo's profile.
    pub profile: &'static str,
}

/// The packages of one language.
pub struct Part {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it needs besides Rust.
    pub needs: &'static [Tool],
    /// Builds the packages and returns their paths.
    pub build: fn(&Order) -> Result<Vec<PathBuf>, String>,
}

/// All parts.
pub const PARTS: &[Part] = &[
    Part { name: "c", needs: &[CC], build: c::build },
    Part { name: "server", needs: &[VENV, NODE], build: server::build },
    Part { name: "python", needs: &[VENV], build: python::build },
    Part { name: "node", needs: &[NODE], build: node::build },
];

impl Order {
    /// Packages for tests: dev profile, in a folder of their own.
    pub fn for_tests() -> Result<Self, String> {
        Self::new(target_dir().join("test-packages"), "dev")
    }

    /// Packages for benchmarks: release profile, in a folder of their own.
    pub fn for_benchmarks() -> Result<Self, String> {
        Self::new(target_dir().join("bench-packages"), "release")
    }

    /// The folder below the target directory into which cargo puts what it builds.
    pub fn directory(&self) -> &'static str {
        if self.profile == "dev" {
            "debug"
        } else {
            self.profile
        }
    }

    fn new(out: PathBuf, profile: &'static str) -> Result<Self, String> {
        std::fs::create_dir_all(&out).map_err(|e| format!("cannot make {}: {e}", out.display()))?;
        Ok(Self { out, profile })
    }
}

/// Runs the command: `[NAME ...] [--out DIR]`; without names, everything whose tools are here.
pub fn main(args: &[String]) -> Result<(), String> {
    let mut names = Vec::new();
    let mut out = target_dir().join("packages");
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--out" => out = PathBuf::from(args.next().ok_or("--out needs a folder")?),
            name if PARTS.iter().any(|part| part.name == name) => names.push(name),
            other => {
                let known: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
                return Err(format!("unknown package {other:?}; there are {}", known.join(", ")));
            }
        }
    }
    let order = Order::new(out, "release")?;
    for part in PARTS.iter().filter(|part| names.is_empty() || names.contains(&part.name)) {
        if let Some(missing) = part.needs.iter().find(|tool| !tool.is_here()) {
            let reason = format!("{} needs {} ({})", part.name, missing.name, missing.install);
            if names.contains(&part.name) {
                return Err(reason);
            }
            println!("left out: {reason}");
            continue;
        }
        for path in (part.build)(&order)? {
            println!("{}", path.display());
        }
    }
    Ok(())
}
