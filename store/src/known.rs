//! What the store knew and cannot tell from its files: which queues there were, which topics were deleted, and where the last
//! record begins. Apache's brokers have nothing like it, and leave both files alone.
//!
//! Without it recovery goes by what it sees: a queue whose folder is gone looks like one that never was, records of a deleted
//! topic look like records whose queue is gone, and the end of the log is found by reading its last segment.
//!
//! * `ferromq-queues`: the queues with their next offsets. All of them are written at a stop and at the first thorough flush, then those
//!   that have changed are added behind, a block at a time that ends with the end of the log; a later line of a queue counts. At a
//!   clean stop a line also says all that a start needs to know of the queue ([`crate::queue::restore`]). It is believed while nobody
//!   else has had the directory since, which shows in the time of the lock file: everybody writes to that when he starts, but for us.
//! * `ferromq-deleted`: topics with the end of the log when they were deleted. Records before it are in no queue.
//!
//! Threads: `deleted` is changed under its lock, which is held while the file is written; so is `written`.
use crate::disk;
use crate::error::OpenError;
use crate::log::Log;
use crate::queue::restore::AtStop;
use crate::queue::{Queue, QueueTable};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// First line of the list of queues.
const HEAD: &str = "ferromq-queues 2";
/// Lines that are added behind a short list before it is written anew; to a longer one as many as it has.
const ADDED_LINES_MIN: usize = 1024;

/// A queue in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub topic: &'a str,
    pub id: i32,
    /// Its next offset.
    pub max: i64,
    /// The rest of it, at a clean stop.
    at_stop: Option<&'a str>,
}

impl Line<'_> {
    /// How the queue stood at a clean stop.
    pub fn at_stop(&self) -> Option<AtStop> {
        AtStop::parse(&mut self.at_stop?.split(' '))
    }
}

/// The list of queues as it was found; points into its text, for there may be very many.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed<'a> {
    /// End of the log when the list was written.
    pub log_end: i64,
    /// Where the last record began then.
    pub last_record: Option<i64>,
    /// By topic and number, each once.
    pub queues: Vec<Line<'a>>,
}

impl Listed<'_> {
    /// A queue.
    pub fn find(&self, topic: &str, id: i32) -> Option<&Line<'_>> {
        let at = self.queues.binary_search_by(|line| (line.topic, line.id).cmp(&(topic, id))).ok()?;
        self.queues.get(at)
    }
}

/// How much is in the list that this store has written.
#[derive(Debug, Default, Clone, Copy)]
struct Written {
    /// Lines when all queues were written.
    lines: usize,
    /// Lines added since.
    added: usize,
    /// Bytes of the file.
    bytes: u64,
}

/// Both files of a directory.
#[derive(Debug)]
pub(crate) struct Known {
    queues: PathBuf,
    deleted_path: PathBuf,
    lock: PathBuf,
    /// None until all queues were written.
    written: Mutex<Option<Written>>,
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
        let (queues, lock, written) = (root.join("ferromq-queues"), root.join("lock"), Mutex::default());
        Ok(Known { queues, deleted_path: path, lock, written, deleted })
    }

    /// The text of the list of queues, empty without one.
    pub fn text(&self) -> Result<String, OpenError> {
        Ok(read(&self.queues)?.unwrap_or_default())
    }

    /// What the text says, if it can be believed.
    pub fn listed<'a>(&self, text: &'a str) -> Option<Listed<'a>> {
        parse(text, self.lock_time())
    }

    /// Time of the last change of the lock file, nanoseconds since the epoch; 0 when it cannot be told.
    fn lock_time(&self) -> u128 {
        let modified = std::fs::metadata(&self.lock).and_then(|meta| meta.modified());
        modified.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos())
    }

    /// Adds the queues that were flushed since the last time to the list. Only these are looked at, but for the first time and for
    /// those after queues were removed or many lines were added.
    pub fn save(&self, queues: &QueueTable, log: &Log, last_record: Option<i64>) -> io::Result<()> {
        let mut written = self.written.lock();
        let (changed, removed) = queues.take_unlisted();
        let before = written
            .take()
            .filter(|before| !removed && before.added + changed.len() <= ADDED_LINES_MIN.max(before.lines));
        let Some(before) = before else {
            *written = Some(self.save_all(queues, log, last_record, false)?);
            return Ok(());
        };
        let mut after = before;
        if !changed.is_empty() {
            let block = block(changed.iter().map(|queue| (queue, None)), log, last_record);
            let file = disk::File::open(&self.queues)?;
            file.write_at(block.as_bytes(), before.bytes)?;
            file.sync()?;
            after.added += changed.len();
            after.bytes += block.len() as u64;
        }
        *written = Some(after);
        Ok(())
    }

    /// Writes the list of all queues as they are at a clean stop.
    pub fn save_at_stop(&self, queues: &QueueTable, log: &Log, last_record: Option<i64>) -> io::Result<()> {
        let mut written = self.written.lock();
        *written = None;
        self.save_all(queues, log, last_record, true)?;
        Ok(())
    }

    fn save_all(&self, queues: &QueueTable, log: &Log, last_record: Option<i64>, at_stop: bool) -> io::Result<Written> {
        let mut all = queues.all();
        all.retain(|queue| queue.flushed() > 0);
        all.sort_unstable_by(|a, b| (&a.topic, a.id).cmp(&(&b.topic, b.id)));
        let lines = all.iter().map(|queue| (queue, at_stop.then(|| queue.at_stop()).flatten()));
        let text = format!("{HEAD}\nlock {}\n{}", self.lock_time(), block(lines, log, last_record));
        disk::replace(&self.queues, text.as_bytes())?;
        Ok(Written { lines: all.len(), added: 0, bytes: text.len() as u64 })
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

    /// Topics that were deleted.
    pub fn deleted_topics(&self) -> Vec<String> {
        self.deleted.lock().keys().cloned().collect()
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

/// Lines of queues, and the end of the block.
fn block<'a>(
    queues: impl Iterator<Item = (&'a Arc<Queue>, Option<AtStop>)>,
    log: &Log,
    last_record: Option<i64>,
) -> String {
    let mut text = String::new();
    for (queue, at_stop) in queues {
        let (id, max, topic) = (queue.id, queue.flushed(), &queue.topic);
        let _ = match at_stop.filter(|at_stop| at_stop.max() == max) {
            Some(at_stop) => writeln!(text, "stopped {id} {} {topic}", at_stop.line()),
            None => writeln!(text, "queue {id} {max} {topic}"),
        };
    }
    if let Some(last) = last_record {
        let _ = writeln!(text, "last-record {last}");
    }
    // Read last: no queue has a record behind it.
    let _ = writeln!(text, "log-end {}", log.written());
    text
}

/// The list in `text`, unless it was written under another time of the lock file. A block that is not complete does not count, nor does
/// what follows it.
fn parse(text: &str, lock_time: u128) -> Option<Listed<'_>> {
    let mut lines = text.lines();
    if lines.next()? != HEAD || lines.next()? != format!("lock {lock_time}") || lock_time == 0 {
        return None;
    }
    let mut listed = Listed::default();
    let (mut complete, mut blocks, mut last_record) = (0, 0, None);
    while let Some(entry) = lines.next().and_then(entry) {
        match entry {
            Entry::Queue(line) => listed.queues.push(line),
            Entry::LastRecord(offset) => last_record = Some(offset),
            Entry::LogEnd(offset) => {
                (listed.log_end, listed.last_record) = (offset, last_record.take());
                (complete, blocks) = (listed.queues.len(), blocks + 1);
            }
        }
    }
    listed.queues.truncate(complete);
    // The newest line of a queue counts: it comes first, and the others go.
    listed.queues.reverse();
    listed.queues.sort_by_key(|line| (line.topic, line.id));
    listed.queues.dedup_by_key(|line| (line.topic, line.id));
    (blocks > 0).then_some(listed)
}

/// What a line says.
enum Entry<'a> {
    Queue(Line<'a>),
    LastRecord(i64),
    LogEnd(i64),
}

/// Reads a line; None when it makes no sense.
fn entry(line: &str) -> Option<Entry<'_>> {
    let (word, rest) = line.split_once(' ')?;
    match word {
        "log-end" => Some(Entry::LogEnd(rest.parse().ok()?)),
        "last-record" => Some(Entry::LastRecord(rest.parse().ok()?)),
        "queue" => {
            let mut parts = rest.splitn(3, ' ');
            let (id, max) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(Entry::Queue(Line { topic: parts.next()?, id, max, at_stop: None }))
        }
        "stopped" => {
            let (id, rest) = rest.split_once(' ')?;
            // The topic comes last: it may have blanks.
            let mut blanks = rest.match_indices(' ').map(|(at, _)| at);
            let (numbers, topic) = rest.split_at_checked(blanks.nth(AtStop::NUMBERS - 1)?)?;
            let (id, max, topic) = (id.parse().ok()?, AtStop::max_in(numbers)?, topic.get(1..)?);
            Some(Entry::Queue(Line { topic, id, max, at_stop: Some(numbers) }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list is read as it is written, later lines count, and what is not complete does not; it is nothing when the lock file has
    /// another time.
    #[test]
    fn lists_are_believed_or_not() {
        let text = "ferromq-queues 2\nlock 77\nqueue 3 12 %RETRY%a b\nqueue 4 9 t\nlast-record 800\nlog-end 900\n";
        let max = |listed: &Listed<'_>, topic, id| listed.find(topic, id).map(|line| line.max);
        let listed = parse(text, 77).unwrap();
        assert_eq!((listed.log_end, listed.last_record), (900, Some(800)));
        assert_eq!(
            (max(&listed, "%RETRY%a b", 3), max(&listed, "t", 4), max(&listed, "t", 3)),
            (Some(12), Some(9), None)
        );
        let grown = format!("{text}queue 4 10 t\nlog-end 950\nqueue 4 11 t\n");
        let listed = parse(&grown, 77).unwrap();
        assert_eq!((listed.log_end, listed.last_record, max(&listed, "t", 4)), (950, None, Some(10)));
        let torn = format!("{text}queue 4 1\0\0\0\nlog-end 950\n");
        assert_eq!(max(&parse(&torn, 77).unwrap(), "t", 4), Some(9));
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
