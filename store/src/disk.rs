//! The one way from the store to its files: every effect on a file or folder passes here, and [`faults`](crate::faults) decides
//! what becomes of it before the operating system is asked.
//!
//! Not here: maps ([`crate::platform`], [`crate::index`]), whose bytes become effects when they are forced to the disk, and
//! policy: what an error means is the caller's business. Threads: none, no locks; a [`File`] may be used by several threads.
use crate::faults::{self, Effect, Verdict};
use crate::index::platform::{disk_used_percent, reserve};
use crate::platform;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

/// Does `effect` to `path` by `run`, which is told how many bytes it may read or write in one call.
fn through<T>(
    path: &Path,
    effect: Effect<'_>,
    skipped: impl FnOnce() -> T,
    run: impl FnOnce(usize) -> io::Result<T>,
) -> io::Result<T> {
    let Some(faults) = faults::of(path) else { return run(usize::MAX) };
    let done = match faults.before(path, effect) {
        Verdict::Go => run(usize::MAX)?,
        Verdict::Short(bytes) => run(bytes)?,
        Verdict::Skip => skipped(),
        Verdict::Fail(error) => return Err(error),
    };
    faults.after(path, effect);
    Ok(done)
}

/// The same for effects without a result.
fn effect(path: &Path, what: Effect<'_>, run: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    through(path, what, || (), |_| run())
}

/// An open file that knows its name.
#[derive(Debug)]
pub(crate) struct File {
    file: std::fs::File,
    path: PathBuf,
}

impl File {
    fn with(path: &Path, what: Effect<'_>, options: &OpenOptions) -> io::Result<File> {
        // An open file cannot be made up: a skipped opening happens all the same.
        if let Some(faults) = faults::of(path) {
            if let Verdict::Fail(error) = faults.before(path, what) {
                return Err(error);
            }
            let file = options.open(path)?;
            faults.after(path, what);
            return Ok(File { file, path: path.to_path_buf() });
        }
        Ok(File { file: options.open(path)?, path: path.to_path_buf() })
    }

    /// Opens a file for reading and writing.
    pub fn open(path: &Path) -> io::Result<File> {
        Self::with(path, Effect::Open, OpenOptions::new().read(true).write(true))
    }

    /// Opens a file for reading.
    pub fn open_to_read(path: &Path) -> io::Result<File> {
        Self::with(path, Effect::Open, OpenOptions::new().read(true))
    }

    /// Opens a file for reading and writing; it is created when it is missing.
    pub fn open_or_create(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        Self::with(path, Effect::Create, options.read(true).write(true).create(true).truncate(false))
    }

    /// Creates a file that must not be there.
    pub fn create_new(path: &Path) -> io::Result<File> {
        Self::with(path, Effect::Create, OpenOptions::new().read(true).write(true).create_new(true))
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For maps, locks and times.
    pub fn system(&self) -> &std::fs::File {
        &self.file
    }

    /// Its length in bytes.
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Gives it another length.
    pub fn resize(&self, len: u64) -> io::Result<()> {
        effect(&self.path, Effect::Resize(len), || self.file.set_len(len))
    }

    /// Makes sure that there is space for `len` bytes at `from`, so that writing them through a map cannot fault.
    pub fn reserve(&self, from: u64, len: u64) -> io::Result<()> {
        effect(&self.path, Effect::Reserve { from, len }, || reserve(&self.file, from, len))
    }

    /// Makes `from..to` zero without giving the file another length.
    pub fn zero(&self, from: u64, to: u64) -> io::Result<()> {
        effect(&self.path, Effect::Zero { from, to }, || platform::zero_range(&self.file, from, to))
    }

    /// The first byte of `from..to` that is not zero.
    pub fn first_nonzero(&self, from: u64, to: u64) -> io::Result<Option<u64>> {
        let len = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let what = Effect::Read { from, len };
        through(&self.path, what, || None, |_| platform::first_nonzero(&self.file, from, to))
    }

    /// Makes what stands in `from..to` zero for good; false when nothing stood there.
    pub fn clear(&self, from: u64, to: u64) -> io::Result<bool> {
        if self.first_nonzero(from, to)?.is_none() {
            return Ok(false);
        }
        self.zero(from, to)?;
        // What was there must not come back with a power cut, behind bytes that are written later.
        self.sync()?;
        Ok(true)
    }

    /// Forces all of it to the disk.
    pub fn sync(&self) -> io::Result<()> {
        effect(&self.path, Effect::Sync { from: 0, to: u64::MAX }, || self.file.sync_all())
    }

    /// Has the pages of `from..to` written, without asking the disk to make that last: only [`sync`](Self::sync) does.
    pub fn write_out(&self, from: u64, to: u64) -> io::Result<()> {
        effect(&self.path, Effect::WriteOut { from, to }, || platform::write_out(&self.file, from, to, true))
    }

    /// As [`write_out`](Self::write_out), without waiting until they are written.
    pub fn start_write_out(&self, from: u64, to: u64) -> io::Result<()> {
        effect(&self.path, Effect::WriteOut { from, to }, || platform::write_out(&self.file, from, to, false))
    }

    /// Fills `out` from `from`, waiting for the disk.
    pub fn read_at(&self, out: &mut [u8], from: u64) -> io::Result<()> {
        let mut done = 0;
        while done < out.len() {
            let (at, len) = (from + done as u64, out.len() - done);
            done += through(
                &self.path,
                Effect::Read { from: at, len },
                || len,
                |most| {
                    let end = done + len.min(most);
                    platform::read_at(&self.file, &mut out[done..end], at)?;
                    if end == done {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    Ok(end - done)
                },
            )?;
        }
        Ok(())
    }

    /// Asks the disk as a read of `len` bytes at `from` would, for who takes them from a map.
    pub fn ask(&self, from: u64, len: usize) -> io::Result<()> {
        effect(&self.path, Effect::Read { from, len }, || Ok(()))
    }

    /// Writes all of `bytes` at `from`.
    pub fn write_at(&self, bytes: &[u8], from: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let (at, len) = (from + done as u64, bytes.len() - done);
            done += through(
                &self.path,
                Effect::Write { from: at, len },
                || len,
                |most| {
                    let end = done + len.min(most);
                    platform::write_at(&self.file, &bytes[done..end], at)?;
                    if end == done {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    Ok(end - done)
                },
            )?;
        }
        Ok(())
    }
}

/// Forces bytes of a map of the file `path` to the disk by `run`.
pub(crate) fn sync_map(path: &Path, from: usize, to: usize, run: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    effect(path, Effect::Sync { from: from as u64, to: to as u64 }, run)
}

/// What is not there need not be removed, and what it held not be written.
pub(crate) fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// All bytes of a file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open_to_read(path)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Replaces the content of a file, which is created when it is missing, and forces it to the disk.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = File::open_or_create(path)?;
    file.resize(0)?;
    file.write_at(content, 0)?;
    file.sync()
}

/// Used percent of the disk that holds a folder, rounded up; None where it cannot be told.
pub(crate) fn used_percent(dir: &Path) -> Option<u8> {
    faults::of(dir).and_then(|faults| faults.used_percent(dir)).or_else(|| disk_used_percent(dir))
}

/// Replaces a file as a whole: at any moment, a power cut included, it has the old or the new content.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    write(&temporary, content)?;
    rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Creates a folder and its parents.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    effect(path, Effect::CreateDir, || std::fs::create_dir_all(path))
}

/// Lists a folder.
pub(crate) fn read_dir(path: &Path) -> io::Result<std::fs::ReadDir> {
    if let Some(Verdict::Fail(error)) = faults::of(path).map(|faults| faults.before(path, Effect::List)) {
        return Err(error);
    }
    std::fs::read_dir(path)
}

/// Gives a file another name; a file of that name is replaced.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    effect(from, Effect::Rename(to), || std::fs::rename(from, to))
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    effect(path, Effect::Remove, || std::fs::remove_file(path))
}

/// Removes an empty folder.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    effect(path, Effect::Remove, || std::fs::remove_dir(path))
}

/// Removes a folder with everything in it, file by file, for good: should the folder come back with a power cut, it is empty.
pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    for entry in read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_dir_all(&entry.path())?;
        } else {
            remove_file(&entry.path())?;
        }
    }
    sync_dir(path)?;
    remove_dir(path)
}

/// Makes creations, renames and deletions in a folder last.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    effect(path, Effect::SyncDir, || platform::sync_dir(path))
}
