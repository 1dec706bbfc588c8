//! Running other programs from the repository root, with their output shown, captured, or both.
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository root: the folder above this crate.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a program of a crate's `benches` in the bench profile; `args` are those of the program. `cargo test` runs it with small numbers.
pub fn cargo_bench(package: &str, program: &str, args: &[String]) -> Result<(), String> {
    run(cargo().args(["bench", "--quiet", "--package", package, "--bench", program, "--"]).args(args))
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    // Cargo runs in the root, so a relative path counts from there.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A program that `cargo build` made in the dev profile (or `release`).
pub fn built(name: &str, profile: &str) -> PathBuf {
    target_dir().join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Runs to the end with inherited output.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("cannot start {}: {e}", name_of(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed: {status}", name_of(command)))
    }
}

/// Runs to the end, prints every line as it comes and returns whether it succeeded and all lines of both streams.
pub fn run_teed(command: &mut Command) -> Result<(bool, Vec<String>), String> {
    let name = name_of(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start {name}: {e}"))?;
    let err = child.stderr.take().ok_or("no stderr pipe")?;
    let errors = std::thread::spawn(move || tee(err));
    let mut lines = child.stdout.take().map(tee).unwrap_or_default();
    lines.extend(errors.join().map_err(|_| "the reader of stderr panicked".to_string())?);
    let status = child.wait().map_err(|e| format!("cannot wait for {name}: {e}"))?;
    Ok((status.success(), lines))
}

fn tee(stream: impl std::io::Read) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        println!("{line}");
        lines.push(line);
    }
    lines
}

/// The first line that a program prints, or `None` when it is not there or fails.
pub fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    let text = if out.stdout.is_empty() { out.stderr } else { out.stdout };
    out.status.success().then(|| String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_string())
}

fn name_of(command: &Command) -> String {
    let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    format!("{} {}", command.get_program().to_string_lossy(), args.join(" "))
}
