//! The index files of a store, oldest to newest: loading, rolling to a new file, querying, dropping old ones.
//!
//! Not here: threads. One caller at a time writes ([`super::worker`]); queries and drops may run beside it.
//! Invariant: names grow from file to file, although they are local wall-clock times, which can go back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use super::file::{Header, IndexFile, Shape, Wanted};
use super::{platform, IndexAnswer, IndexEntry, IndexError};
use crate::checkpoint::Checkpoint;
use crate::disk;
use crate::open_files::OpenFiles;

/// Digits of a file name: yyyyMMddHHmmssSSS.
const NAME_DIGITS: usize = 17;
/// Names tried when a file of that name turns up although it is not ours.
const NAME_TRIES: u64 = 1000;

/// The list of files; replaced as a whole under the lock, files themselves are shared.
pub(crate) struct IndexFiles {
    dir: PathBuf,
    shape: Shape,
    files: RwLock<Vec<Arc<IndexFile>>>,
    open_files: Arc<OpenFiles>,
}

impl IndexFiles {
    /// Opens what is in `dir` (made if missing). After an abnormal stop a file with entries younger than the
    /// checkpoint's index time is deleted: it may be torn, and what it held is built again from the log. One that ends at that
    /// very time stays when it is full and the first: others may have got entries, with that time or under an older
    /// header, after they were flushed.
    pub(crate) fn load(
        dir: &Path,
        shape: Shape,
        checkpoint: &Checkpoint,
        abnormal: bool,
        open_files: &Arc<OpenFiles>,
    ) -> Result<Self, IndexError> {
        let fail = |path: &Path, source: io::Error| IndexError::Open { path: path.to_path_buf(), source };
        disk::create_dir_all(dir).map_err(|e| fail(dir, e))?;
        let mut files: Vec<Arc<IndexFile>> = Vec::new();
        let mut gone = false;
        for (name, path) in names(dir).map_err(|e| fail(dir, e))? {
            let len = std::fs::metadata(&path).map_err(|e| fail(&path, e))?.len();
            if len == 0 {
                // Left by a stop between creating the file and giving it its length.
                disk::remove_file(&path).map_err(|e| fail(&path, e))?;
                continue;
            }
            if len != shape.file_len() {
                return Err(IndexError::Length { path, found: len, expected: shape.file_len() });
            }
            let file = IndexFile::closed(&path, name, shape, open_files).map_err(|e| fail(&path, e))?;
            let (end, flushed) = (file.header().end_timestamp, checkpoint.index_timestamp());
            let first = files.last().is_none_or(|last| last.header().end_timestamp < end);
            if abnormal && !(end < flushed || (end == flushed && first && file.is_full())) {
                disk::remove_file(&path).map_err(|e| fail(&path, e))?;
                gone = true;
                continue;
            }
            files.push(file);
        }
        if gone {
            // For good: a file that comes back with a power cut would hide records.
            disk::sync_dir(dir).map_err(|e| fail(dir, e))?;
        }
        Ok(IndexFiles { dir: dir.to_path_buf(), shape, files: RwLock::new(files), open_files: open_files.clone() })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.read().is_empty()
    }

    pub(crate) fn last(&self) -> Option<Arc<IndexFile>> {
        self.files.read().last().cloned()
    }

    fn last_header(&self) -> Option<Header> {
        self.last().map(|file| file.header())
    }

    /// Physical offset of the newest record in the index; `None` without files.
    pub(crate) fn end_physical(&self) -> Option<i64> {
        self.last_header().map(|header| header.end_physical)
    }

    /// Writes entries, rolling to a new file when one is full. Returns the files that became full on the way, for the
    /// caller to flush, and with an error the number of entries that are in.
    pub(crate) fn append(
        &self,
        entries: &[IndexEntry],
        full: &mut Vec<Arc<IndexFile>>,
    ) -> Result<(), (usize, IndexError)> {
        let mut done = 0;
        while done < entries.len() {
            let file = self.writable(full).map_err(|e| (done, e))?;
            done += file.append(&entries[done..]).map_err(|e| (done, e))?;
        }
        Ok(())
    }

    /// The last file, or a new one when there is none or it is full.
    fn writable(&self, full: &mut Vec<Arc<IndexFile>>) -> Result<Arc<IndexFile>, IndexError> {
        let last = self.last();
        if let Some(file) = &last {
            if !file.is_full() {
                return Ok(file.clone());
            }
        }
        let created = self.create(last.as_deref())?;
        self.files.write().push(created.clone());
        full.extend(last);
        Ok(created)
    }

    fn create(&self, last: Option<&IndexFile>) -> Result<Arc<IndexFile>, IndexError> {
        let after = last.map_or(0, IndexFile::name);
        let first = name_of(crate::clock::now_ms()).max(after + 1);
        let mut path = self.dir.clone();
        for name in first..first + NAME_TRIES {
            path = self.dir.join(format!("{name:0NAME_DIGITS$}"));
            match IndexFile::create(&path, name, self.shape, last.map(IndexFile::header), &self.open_files) {
                Ok(file) => return Ok(file),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    // Half a file would refuse the next start; an unused one is simply made again.
                    let _ = disk::remove_file(&path);
                    return Err(IndexError::Write { path, source });
                }
            }
        }
        Err(IndexError::Write { path, source: io::ErrorKind::AlreadyExists.into() })
    }

    /// Newest to oldest, as store.md 4 says.
    pub(crate) fn query(&self, wanted: &Wanted) -> IndexAnswer {
        let files = self.files.read().clone();
        let mut answer = IndexAnswer::default();
        if let Some(last) = files.last() {
            let header = last.header();
            answer.last_update_timestamp = header.end_timestamp;
            answer.last_update_physical = header.end_physical;
        }
        for file in files.iter().rev() {
            if file.overlaps(wanted.begin, wanted.end) {
                file.collect(wanted, &mut answer.offsets);
            }
            if file.header().begin_timestamp < wanted.begin || answer.offsets.len() >= wanted.max {
                break;
            }
        }
        answer
    }

    /// Deletes the newest files that name records at or after `log_end`; true if there were any.
    pub(crate) fn truncate(&self, log_end: i64) -> Result<bool, IndexError> {
        let mut files = self.files.write();
        let mut any = false;
        while let Some(file) = files.last() {
            let header = file.header();
            if header.next_entry <= 1 || header.end_physical < log_end {
                break;
            }
            remove(file.path())?;
            files.pop();
            any = true;
        }
        if any {
            disk::sync_dir(&self.dir).map_err(|source| IndexError::Write { path: self.dir.clone(), source })?;
        }
        Ok(any)
    }

    /// Deletes files all of whose records lie before `min_physical`; the last file stays. Returns how many went.
    pub(crate) fn delete_before(&self, min_physical: i64) -> Result<usize, IndexError> {
        let mut files = self.files.write();
        let mut count = 0;
        while files.len() > 1 && files[0].header().end_physical < min_physical {
            remove(files[0].path())?;
            files.remove(0);
            count += 1;
        }
        Ok(count)
    }

    /// Forces the last file to disk; older ones were flushed when they became full.
    pub(crate) fn flush_last(&self) -> Result<Option<Header>, IndexError> {
        let Some(file) = self.last() else { return Ok(None) };
        file.flush()?;
        Ok(Some(file.header()))
    }
}

fn remove(path: &Path) -> Result<(), IndexError> {
    match disk::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(IndexError::Write { path: path.to_path_buf(), source })
        }
        _ => Ok(()),
    }
}

/// The index files of `dir` in the order of their names. Other files are left alone.
pub(crate) fn names(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in disk::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse().ok());
        match number {
            Some(number) if entry.file_type()?.is_file() => found.push((number, entry.path())),
            _ => tracing::warn!(path = %entry.path().display(), "not an index file, left alone"),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The name of a file made now: local wall-clock time as a 17-digit number.
fn name_of(unix_ms: i64) -> u64 {
    let t = platform::local_time(unix_ms);
    let date = u64::try_from(t.year).unwrap_or(0) * 10_000 + u64::from(t.month) * 100 + u64::from(t.day);
    let time = u64::from(t.hour) * 10_000 + u64::from(t.minute) * 100 + u64::from(t.second);
    (date * 1_000_000 + time) * 1000 + unix_ms.rem_euclid(1000) as u64
}
