//! `cargo xtask bench bridge [LANGUAGE ...]`: what crossing into the core costs from each language, beside a naive bridge in
//! the same run. Both are built in the release profile and used as users would; programs in `bench/bridge` measure.
use crate::package::{c, clean, node, python, Order};
use crate::run::{cargo, root, run, target_dir};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A language.
struct Language {
    name: &'static str,
    /// Builds and measures; an error also when a ratio is not reached.
    run: fn() -> Result<(), String>,
}

/// All languages.
const LANGUAGES: &[Language] = &[
    Language { name: "python", run: run_python },
    Language { name: "node", run: run_node },
    Language { name: "c", run: run_c },
];

/// Runs the command.
pub fn main(names: &[String]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !LANGUAGES.iter().any(|known| known.name == name.as_str())) {
        let known: Vec<&str> = LANGUAGES.iter().map(|known| known.name).collect();
        return Err(format!("unknown language {unknown:?}; there are {}", known.join(", ")));
    }
    let chosen = LANGUAGES.iter().filter(|known| names.is_empty() || names.iter().any(|name| name == known.name));
    let failed: Vec<String> = chosen
        .filter_map(|language| (language.run)().err().map(|error| format!("{}: {error}", language.name)))
        .collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("\n")),
    }
}

/// A library that `cargo build --release` makes of this package.
fn library(package: &str) -> Result<PathBuf, String> {
    run(cargo().args(["build", "--quiet", "--release", "--package", package]))?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let file = format!("{prefix}{}{suffix}", package.replace('-', "_"));
    Ok(target_dir().join("release").join(file))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    std::fs::copy(from, to).map(drop).map_err(|e| format!("cannot copy {}: {e}", from.display()))
}

fn run_python() -> Result<(), String> {
    let folder = clean::Folder::new("ferromq-bench-python")?;
    let wheels = python::build(&Order::for_benchmarks()?)?;
    let venv = clean::Venv::new(&folder.path().join("venv"), &wheels)?;
    let modules = folder.path().join("modules");
    std::fs::create_dir_all(&modules).map_err(|e| format!("cannot make {}: {e}", modules.display()))?;
    copy(&library("ferromq-python-naive")?, &modules.join("ferromq_naive.abi3.so"))?;
    let mut bench = Command::new(venv.program("python"));
    bench.arg(root().join("bench/bridge/python/bench.py")).env("PYTHONPATH", &modules).env_remove("NAMESRV_ADDR");
    run(&mut bench)
}

fn run_c() -> Result<(), String> {
    let folder = clean::Folder::new("ferromq-bench-c")?;
    let package = c::install(&Order::for_benchmarks()?, folder.path())?;
    let (program, lib) = (folder.path().join("bench"), package.join("lib"));
    let mut compiler = Command::new("gcc");
    compiler.args(["-std=c99", "-O2", "-I"]).arg(package.join("include")).arg("-o").arg(&program);
    compiler.arg(root().join("bench/bridge/c/bench.c")).arg("-L").arg(&lib).arg("-lferromq");
    run(compiler.arg(format!("-Wl,-rpath,{}", lib.display())))?;
    run(&mut Command::new(program))
}

fn run_node() -> Result<(), String> {
    let folder = clean::Folder::new("ferromq-bench-node")?;
    node::install(&node::build(&Order::for_benchmarks()?)?, folder.path())?;
    let (naive, program) = (folder.path().join("naive.node"), folder.path().join("bench.mjs"));
    copy(&library("ferromq-node-naive")?, &naive)?;
    copy(&root().join("bench/bridge/node/bench.mjs"), &program)?;
    run(Command::new("node").arg(program).arg(naive).env_remove("NAMESRV_ADDR"))
}
