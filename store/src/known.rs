//! What the store knew and cannot tell from its files: which queues there were, which topics were deleted, and where the last
//! record begins. Apache's brokers have nothing like it, and leave both files alone.
//!
//! Without it recovery goes by what it sees: a queue whose folder is gone looks like one that never was, records of a deleted
//! topic look like records whose queue is gone, and the end of the log is found by reading its last segment.
//!
//! * `ferromq-queues`: the queues with their next offsets at the last thorough flush or stop. It is believed while nobody else has
//!   had the directory since, which shows in the time of the lock file: everybody writes to that when he starts, but for us.
//! * `ferromq-deleted`: topics with the end of the log when they were deleted. Records before it are in no queue.
//!
//! Threads: `deleted` is changed under its lock, which is held while the file is written.
use crate::disk;
use crate::error::OpenError;
use crate::log::Log;
use crate::queue::QueueTable;
use parking_lot::Mutex;
use std::collections::hash_map::DefaultHasher;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

/// First line of the list of queues.
const HEAD: &str = "ferromq-queues 1";

/// The list of queues as it was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// End of the log when the list was written.
    pub log_end: i64,
    /// Where the last record began then.
    pub last_record: Option<i64>,
    /// Next offset of each queue.
    pub queues: HashMap<(String, i32), i64>,
}

/// Both files of a directory.
#[derive(Debug)]
pub(crate) struct Known {
    queues: PathBuf,
    deleted_path: PathBuf,
    lock: PathBuf,
    /// Hash of the list that was written last, 0 at first. Stored by who writes it.
    saved: AtomicU64,
    /// End of the log when the topic was deleted.
    deleted: Mutex<HashMap<String, i64>>,
}

impl Known {
    /// Reads what is there. Lines that make no sense are passed over.
    pub fn load(root: &Path) -> Result<Known, OpenError> {
        let path = root.join("ferromq-deleted");
        let text = read(&path)?.unwrap_or_default();
        let deleted = text.lines().filter_map(|line| {
            let (offset, topic) = line.split_once(' ')?;
            Some((topic.to_owned(), offset.parse().ok()?))
        });
        let deleted = Mutex::new(deleted.collect());
        let (queues, lock, saved) = (root.join("ferromq-queues"), root.join("lock"), AtomicU64::new(0));
        Ok(Known { queues, deleted_path: path, lock, saved, deleted })
    }

    /// The list of queues, if it can be believed.
    pub fn listed(&self) -> Result<Option<Listed>, OpenError> {
        let Some(text) = read(&self.queues)? else { return Ok(None) };
        Ok(parse(&text, self.lock_time()))
    }

    /// Time of the last change of the lock file, nanoseconds since the epoch; 0 when it cannot be told.
    fn lock_time(&self) -> u128 {
        let modified = std::fs::metadata(&self.lock).and_then(|meta| meta.modified());
        modified.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos())
    }

    /// Writes the list of queues with what of them is on the disk, unless it is the one that was written last.
    pub fn save(&self, queues: &QueueTable, log: &Log, last_record: Option<i64>) -> io::Result<()> {
        let mut text = format!("{HEAD}\nlock {}\n", self.lock_time());
        if let Some(last) = last_record {
            let _ = writeln!(text, "last-record {last}");
        }
        let mut lines: Vec<String> = Vec::new();
        for queue in queues.all().iter().filter(|queue| queue.flushed() > 0) {
            lines.push(format!("queue {} {} {}\n", queue.id, queue.flushed(), queue.topic));
        }
        lines.sort_unstable();
        lines.iter().for_each(|line| text.push_str(line));
        // Read last: no queue has a record behind it.
        let _ = writeln!(text, "log-end {}", log.written());
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        if self.saved.load(Ordering::Relaxed) == hash {
            return Ok(());
        }
        disk::replace(&self.queues, text.as_bytes())?;
        self.saved.store(hash, Ordering::Relaxed);
        Ok(())
    }

    /// End of the log when `topic` was deleted; records behind are of a new topic with its name. 0 when it was not.
    pub fn deleted_until(&self, topic: &str) -> i64 {
        self.deleted.lock().get(topic).copied().unwrap_or(0)
    }

    /// Remembers that a topic is deleted, before its files go. Topics of which the log has no records any more are forgotten.
    pub fn delete(&self, topic: &str, log_end: i64, log_min: i64) -> io::Result<()> {
        let mut deleted = self.deleted.lock();
        deleted.retain(|_, until| *until > log_min);
        deleted.insert(topic.to_owned(), log_end);
        self.save_deleted(&deleted)
    }

    /// After recovery: the log ends here, so that new records of a deleted topic, which come behind, are not taken for old ones.
    pub fn limit(&self, log_end: i64) -> io::Result<()> {
        let mut deleted = self.deleted.lock();
        if deleted.values().all(|until| *until <= log_end) {
            return Ok(());
        }
        deleted.values_mut().for_each(|until| *until = (*until).min(log_end));
        self.save_deleted(&deleted)
    }

    fn save_deleted(&self, deleted: &HashMap<String, i64>) -> io::Result<()> {
        let mut lines: Vec<String> = deleted.iter().map(|(topic, until)| format!("{until} {topic}\n")).collect();
        lines.sort();
        disk::replace(&self.deleted_path, lines.concat().as_bytes())
    }

    /// The file with deleted topics.
    pub fn deleted_path(&self) -> &Path {
        &self.deleted_path
    }
}

/// The text of a file; None without one.
fn read(path: &Path) -> Result<Option<String>, OpenError> {
    match disk::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenError::io("read", path)(error)),
    }
}

/// The list in `text`, unless it was written under another time of the lock file.
fn parse(text: &str, lock_time: u128) -> Option<Listed> {
    let mut lines = text.lines();
    if lines.next()? != HEAD || lines.next()? != format!("lock {lock_time}") || lock_time == 0 {
        return None;
    }
    let mut listed = Listed::default();
    for line in lines {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "log-end" => listed.log_end = rest.parse().ok()?,
            "last-record" => listed.last_record = Some(rest.parse().ok()?),
            "queue" => {
                let mut parts = rest.splitn(3, ' ');
                let (id, max) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
                listed.queues.insert((parts.next()?.to_owned(), id), max);
            }
            _ => return None,
        }
    }
    Some(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list is read as it is written, and is nothing when the lock file has another time or a line makes no sense.
    #[test]
    fn lists_are_believed_or_not() {
        let text = "ferromq-queues 1\nlock 77\nlog-end 900\nlast-record 800\nqueue 3 12 %RETRY%a b\n";
        let listed = parse(text, 77).unwrap();
        assert_eq!((listed.log_end, listed.last_record), (900, Some(800)));
        assert_eq!(listed.queues, HashMap::from([(("%RETRY%a b".to_owned(), 3), 12)]));
        assert_eq!(parse(text, 78), None);
        assert_eq!(parse(&text.replace("12", "x"), 77), None);
        assert_eq!(parse("", 77), None);
    }

    /// Deleted topics are remembered until the log has none of their records, and never beyond the end of the log.
    #[test]
    fn deleted_topics_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::load(dir.path()).unwrap();
        known.delete("old", 100, 0).unwrap();
        known.delete("two words", 900, 200).unwrap();
        known.limit(500).unwrap();
        let known = Known::load(dir.path()).unwrap();
        assert_eq!([known.deleted_until("old"), known.deleted_until("two words")], [0, 500]);
    }
}
