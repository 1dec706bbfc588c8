//! The C++ client of the 4.x line, which is inside a Python package: its shared library and a thin layer over it.
use crate::{JavaError, Process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The package with its version; the shared library inside is of `rocketmq-client-cpp` 1.x.
const PACKAGE: &str = "rocketmq==0.4.4";

/// One fetch at a time in this process.
static FETCH: Mutex<()> = Mutex::new(());

/// Starts the client, which does what it is told (see `cpp/client.py`); `Ok(Err(reason))` when this machine cannot run it.
pub fn cpp_client(namesrv: &str, folder: &Path) -> Result<Result<Process, String>, JavaError> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Ok(Err("the package has a library for Linux on x86-64 with glibc only".into()));
    }
    let pip =
        Command::new("python3").args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !pip.is_ok_and(|status| status.success()) {
        return Ok(Err("needs Python 3 with pip (apt-get install -y python3-pip)".into()));
    }
    let package = package()?;
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("cpp").join("client.py");
    let mut python = Command::new("python3");
    // It writes logs below its home.
    python.current_dir(folder).arg(client).arg(namesrv).env("PYTHONPATH", package).env("HOME", folder);
    Process::start(python).map(Ok)
}

/// The folder with the package, fetched when it is not there.
fn package() -> Result<PathBuf, JavaError> {
    let _one = FETCH.lock().map_err(|_| "an earlier fetch failed".to_string())?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("target").join("interop").join("cpp");
    let complete = folder.join("complete");
    if !complete.exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(&folder).arg(PACKAGE);
        let out = pip.stdin(Stdio::null()).output().map_err(|e| format!("cannot start pip: {e}"))?;
        if !out.status.success() {
            return Err(format!("pip could not fetch {PACKAGE}: {}", String::from_utf8_lossy(&out.stderr)));
        }
        fs::write(&complete, "").map_err(|e| format!("cannot write {}: {e}", complete.display()))?;
    }
    Ok(folder)
}
