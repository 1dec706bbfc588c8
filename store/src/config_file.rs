//! Small text files that are replaced as a whole: topics.json, consumerOffset.json and the like (store.md 1, end).
//!
//! At any moment, a power failure included, either the file or its `.bak` is complete: the new content is written and forced
//! under a temporary name, the old file becomes the backup, the new one takes its name. Reading falls back to the backup
//! when the file is missing, empty or does not parse; a file that does not parse is kept as `.corrupt`.
//!
//! What it is not: it knows no JSON (callers pass a parse function) and has no lock: one caller saves a file at a time.

use crate::disk;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// A configuration file could not be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Neither the file nor its backup can be understood.
    #[error("{path} and its backup cannot be read: {reason}; repair one of them, or remove both to start empty")]
    Unreadable {
        /// The file (not the backup).
        path: PathBuf,
        /// What the parser said about the backup.
        reason: String,
    },
}

/// Reads `path`, or its backup if it is missing or empty. `None` when there is neither.
pub fn load(path: &Path) -> Result<Option<Vec<u8>>, ConfigFileError> {
    load_with(path, |bytes| Ok::<_, std::convert::Infallible>(bytes.to_vec()))
}

/// Reads and parses `path`; falls back to the backup when it is missing, empty or `parse` refuses it. `None` when nothing is
/// left to read, which counts as an empty state; an unreadable backup is an error, for that state would be lost at the next save.
pub fn load_with<T, E: std::fmt::Display>(
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Option<T>, ConfigFileError> {
    if let Some(bytes) = read(path)? {
        match parse(&bytes) {
            Ok(value) => return Ok(Some(value)),
            Err(error) => {
                let aside = beside(path, ".corrupt");
                tracing::error!(path = %path.display(), %error, "cannot be parsed, kept as .corrupt, using the backup");
                rename(path, &aside)?;
            }
        }
    }
    let backup = beside(path, ".bak");
    let Some(bytes) = read(&backup)? else { return Ok(None) };
    match parse(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(ConfigFileError::Unreadable { path: path.to_path_buf(), reason: error.to_string() }),
    }
}

/// Replaces `path` by `content`; what was there becomes `<name>.bak`. Returns when all of it is on disk.
pub fn save(path: &Path, content: &[u8]) -> Result<(), ConfigFileError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk::create_dir_all(dir).map_err(failed("create", dir))?;
    let temporary = beside(path, ".tmp");
    disk::write(&temporary, content).map_err(failed("write", &temporary))?;
    // An empty or missing file must not push out a good backup.
    if std::fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        rename(path, &beside(path, ".bak"))?;
        sync_dir(dir)?;
    }
    rename(&temporary, path)?;
    sync_dir(dir)
}

/// `path` with `suffix` added to the file name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// The content of a file; `None` if it is missing or empty.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ConfigFileError> {
    match disk::read(path) {
        Ok(bytes) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path)(source)),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), ConfigFileError> {
    disk::rename(from, to).map_err(failed("rename", from))
}

/// Makes renames in `dir` last.
fn sync_dir(dir: &Path) -> Result<(), ConfigFileError> {
    disk::sync_dir(dir).map_err(failed("force to disk", dir))
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> ConfigFileError {
    let path = path.to_path_buf();
    move |source| ConfigFileError::Io { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Saving keeps the previous content as the backup, and loading prefers the file.
    #[test]
    fn save_keeps_a_backup() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config/topics.json");
        assert_eq!(load(&path).unwrap(), None);
        save(&path, b"one").unwrap();
        save(&path, b"two").unwrap();
        assert_eq!(load(&path).unwrap().unwrap(), b"two");
        assert_eq!(fs::read(beside(&path, ".bak")).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path().join("config")).unwrap().count(), 2);
    }

    /// Missing, empty and unparsable files give way to the backup; the bad content is kept and never becomes the backup.
    #[test]
    fn bad_files_fall_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.json");
        let number = |bytes: &[u8]| String::from_utf8_lossy(bytes).parse::<u32>();
        save(&path, b"1").unwrap();
        save(&path, b"2").unwrap();
        fs::write(&path, b"").unwrap();
        assert_eq!(load_with(&path, number).unwrap(), Some(1));
        save(&path, b"3").unwrap();
        assert_eq!(fs::read(beside(&path, ".bak")).unwrap(), b"1");
        fs::write(&path, b"{").unwrap();
        assert_eq!(load_with(&path, number).unwrap(), Some(1));
        assert_eq!(fs::read(beside(&path, ".corrupt")).unwrap(), b"{");
        assert!(!path.exists());
        fs::write(beside(&path, ".bak"), b"}").unwrap();
        assert!(matches!(load_with(&path, number), Err(ConfigFileError::Unreadable { .. })));
    }

    /// A crash at any step of a save leaves old or new content readable.
    #[test]
    fn every_step_of_a_save_is_safe() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.json");
        save(&path, b"old").unwrap();
        fs::write(beside(&path, ".tmp"), b"ne").unwrap();
        assert_eq!(load(&path).unwrap().unwrap(), b"old");
        fs::rename(&path, beside(&path, ".bak")).unwrap();
        assert_eq!(load(&path).unwrap().unwrap(), b"old");
        save(&path, b"new").unwrap();
        assert_eq!(load(&path).unwrap().unwrap(), b"new");
    }
}
