//! All consume queues by topic and number.
//!
//! Looking one up takes a read lock; creating one costs memory only, files come with its first unit. Lock: `topics`, never taken under
//! the append lock.
use super::extension::{self, Extension};
use super::{Form, Queue};
use crate::disk::unless_gone;
use crate::error::OpenError;
use crate::known::Listed;
use crate::open_files::OpenFiles;
use crate::options::StoreOptions;
use crate::spin::Padded;
use foldhash::quality::RandomState;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

/// The queues of each topic, by number. The hash is on the way of every message; it is seeded at random, for clients make topics.
type Topics = HashMap<Arc<str>, Vec<Arc<Queue>>, RandomState>;

/// The queues of a store.
#[derive(Debug)]
pub(crate) struct QueueTable {
    pub dir: PathBuf,
    file_bytes: usize,
    batch_dir: PathBuf,
    batch_file_bytes: usize,
    /// Folder of the extensions and bytes of their files, when queues get one.
    extensions: Option<(PathBuf, usize)>,
    /// Topics of type BatchCQ.
    batch_topics: RwLock<HashSet<String>>,
    topics: Padded<RwLock<Topics>>,
    /// No other table of this process has it.
    id: u64,
    /// Queues with units that are not on the disk.
    dirty: Mutex<Vec<Arc<Queue>>>,
    /// Queues that were flushed since they were listed.
    unlisted: Mutex<Vec<Arc<Queue>>>,
    /// Queues were removed since all were listed.
    removed: AtomicBool,
    /// Bounds how many files are open.
    pub files: Arc<OpenFiles>,
}

/// The table while nobody changes it.
pub(crate) struct Reading<'a>(RwLockReadGuard<'a, Topics>);

impl Reading<'_> {
    /// The queue, if there is one.
    pub fn find(&self, topic: &str, id: i32) -> Option<&Arc<Queue>> {
        let queues = self.0.get(topic)?;
        // Mostly the numbers are those from 0 on: then one queue is looked at instead of several.
        let guess = usize::try_from(id).ok().and_then(|at| queues.get(at));
        if let Some(queue) = guess.filter(|queue| queue.id == id) {
            return Some(queue);
        }
        let at = queues.binary_search_by_key(&id, |queue| queue.id).ok()?;
        queues.get(at)
    }

    /// Lets others change the table while `change` runs.
    pub fn pause<T>(&mut self, change: impl FnOnce() -> T) -> T {
        RwLockReadGuard::unlocked(&mut self.0, change)
    }
}

impl QueueTable {
    /// An empty table.
    pub fn new(options: &StoreOptions, files: Arc<OpenFiles>) -> Self {
        let (dir, file_bytes) = (options.consume_queue_dir(), options.consume_queue_file_bytes());
        let batch_topics = RwLock::new(options.batch_topics.iter().cloned().collect());
        let (batch_dir, batch_file_bytes) =
            (options.batch_consume_queue_dir(), options.batch_consume_queue_file_bytes());
        let (topics, dirty, unlisted) = (Padded::default(), Mutex::default(), Mutex::default());
        let removed = AtomicBool::new(false);
        let extensions = options.consume_queue_extension;
        let extensions =
            extensions.then(|| (options.consume_queue_extension_dir(), options.consume_queue_extension_file_bytes));
        Self {
            dir,
            file_bytes,
            batch_dir,
            batch_file_bytes,
            extensions,
            batch_topics,
            topics,
            id: next_id(),
            dirty,
            unlisted,
            removed,
            files,
        }
    }

    /// New queues of this topic are batch consume queues.
    pub fn set_batch(&self, topic: &str) {
        self.batch_topics.write().insert(topic.to_owned());
    }

    fn form_of(&self, topic: &str) -> Form {
        if self.batch_topics.read().contains(topic) {
            Form::Batch
        } else {
            Form::Simple
        }
    }

    /// The queue, if there is one.
    pub fn find(&self, topic: &str, id: i32) -> Option<Arc<Queue>> {
        self.read().find(topic, id).cloned()
    }

    /// Whether the queue is one of this table still.
    pub fn has(&self, queue: &Queue) -> bool {
        queue.table == self.id && !queue.is_removed()
    }

    /// For several look-ups.
    pub fn read(&self) -> Reading<'_> {
        Reading(self.topics.read())
    }

    /// The queue; created when missing.
    pub fn find_or_create(&self, topic: &str, id: i32) -> Arc<Queue> {
        if let Some(queue) = self.find(topic, id) {
            return queue;
        }
        // The lock of the table is kept until the queue is in, so that a removal of the topic finds it.
        let mut topics = self.topics.write();
        let name = topics.get_key_value(topic).map_or_else(|| Arc::from(topic), |(name, _)| name.clone());
        let queues = topics.entry(name.clone()).or_default();
        match queues.binary_search_by_key(&id, |queue| queue.id) {
            Ok(at) => queues[at].clone(),
            Err(at) => {
                let (dir, form, file_bytes) = match self.form_of(topic) {
                    Form::Simple => (&self.dir, Form::Simple, self.file_bytes),
                    Form::Batch => (&self.batch_dir, Form::Batch, self.batch_file_bytes),
                };
                let dir = dir.join(topic).join(id.to_string());
                let extension = match (&self.extensions, form) {
                    (Some((dir, bytes)), Form::Simple) => {
                        Some(Extension::new(extension::folder(dir, topic, id), *bytes))
                    }
                    _ => None,
                };
                let queue = Queue::new(self.id, name, id, dir, form, file_bytes, extension, &self.files);
                queues.insert(at, queue.clone());
                queue
            }
        }
    }

    /// Takes over what is in the directory: a folder per topic, in it a folder per queue. Other things are left alone. False
    /// when a queue lacks a file in the middle, so that it has to be built again from the whole log.
    ///
    /// After a clean stop `listed` tells how the queues were: those whose files are still the same are not looked into.
    pub fn load(&self, listed: Option<&Listed<'_>>) -> Result<bool, OpenError> {
        let mut whole = true;
        if let Some((dir, bytes)) = &self.extensions {
            extension::check(dir, *bytes)?;
        }
        let batch = folders(&self.batch_dir)?;
        batch.iter().for_each(|(topic, _)| self.set_batch(topic));
        for (topic, path) in folders(&self.dir)?.into_iter().chain(batch) {
            let dir = if self.form_of(&topic) == Form::Batch { &self.batch_dir } else { &self.dir };
            if !path.starts_with(dir) {
                tracing::error!(path = %path.display(), "the topic's queues are of the other type, this folder is left alone");
                continue;
            }
            for (queue, dir) in folders(&path)? {
                let Ok(id) = queue.parse::<i32>() else {
                    tracing::warn!(path = %dir.display(), "not a consume queue, ignored");
                    continue;
                };
                let queue = self.find_or_create(&topic, id);
                let at_stop = listed.and_then(|listed| listed.find(&topic, id)).and_then(|line| line.at_stop());
                if at_stop.is_some_and(|at_stop| queue.restore(&at_stop)) {
                    continue;
                }
                let found = crate::log::segment::list(&dir).map_err(OpenError::io("list", &dir))?;
                whole &= queue.load(found)?;
            }
        }
        Ok(whole)
    }

    /// Removes all queues and their files: there is no log they could point to.
    pub fn clear(&self) -> Result<(), OpenError> {
        for topic in self.topics() {
            tracing::error!(%topic, "there is no commit log; the topic's consume queues are removed");
            self.remove_topic(&topic).map_err(OpenError::io("remove the consume queues in", &self.dir))?;
        }
        Ok(())
    }

    /// Names of all topics that have a queue.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.topics.read().keys().cloned().collect()
    }

    /// How many topics have a queue.
    pub fn topic_count(&self) -> usize {
        self.topics.read().len()
    }

    /// Numbers of a topic's queues, ascending.
    pub fn queue_ids(&self, topic: &str) -> Vec<i32> {
        self.topics.read().get(topic).map_or_else(Vec::new, |queues| queues.iter().map(|queue| queue.id).collect())
    }

    /// All queues.
    pub fn all(&self) -> Vec<Arc<Queue>> {
        self.topics.read().values().flatten().cloned().collect()
    }

    /// Removes a topic's queues and their files. The log keeps its records.
    pub fn remove_topic(&self, topic: &str) -> io::Result<()> {
        // The lock is kept, so that a topic of this name made again at once does not lose its new files.
        let mut topics = self.topics.write();
        let Some(queues) = topics.remove(topic) else { return Ok(()) };
        self.removed.store(true, Ordering::Relaxed);
        for queue in &queues {
            queue.remove()?;
        }
        let dir = if self.form_of(topic) == Form::Batch { &self.batch_dir } else { &self.dir };
        let removed = unless_gone(crate::disk::remove_dir(&dir.join(topic)));
        // A power cut can have left extensions of queues that are not there.
        let extensions = self.extensions.as_ref().map(|(dir, _)| crate::disk::remove_dir_all(&dir.join(topic)));
        // Made again, it may be of the other type.
        self.batch_topics.write().remove(topic);
        removed.and(unless_gone(extensions.unwrap_or(Ok(()))))
    }

    /// Removes the queues that `gone` wants, with their files; returns how many. A topic without queues is left out too.
    pub fn remove_where(&self, gone: impl Fn(&Queue) -> bool) -> io::Result<usize> {
        let mut topics = self.topics.write();
        let (mut removed, mut result) = (0, Ok(()));
        for queues in topics.values_mut() {
            // Those that have ended are off the table whatever becomes of their files.
            for queue in queues.extract_if(.., |queue| gone(queue)) {
                self.removed.store(true, Ordering::Relaxed);
                removed += 1;
                tracing::info!(topic = %queue.topic, queue = queue.id, "expired consume queue removed");
                result = result.and(queue.remove());
            }
        }
        topics.retain(|_, queues| !queues.is_empty());
        result.map(|()| removed)
    }

    /// The queue has units to flush, and had none ([`Put::made_dirty`](super::put::Put)).
    pub fn flush_later(&self, queue: &Arc<Queue>) {
        self.dirty.lock().push(queue.clone());
    }

    /// The queues that were flushed since this was asked last, and whether queues were removed.
    pub fn take_unlisted(&self) -> (Vec<Arc<Queue>>, bool) {
        let removed = self.removed.swap(false, Ordering::Relaxed);
        let queues = std::mem::take(&mut *self.unlisted.lock());
        queues.iter().for_each(|queue| _ = queue.set_unlisted(false));
        (queues, removed)
    }

    /// Has dirty queues written to the disk that have at least `least_pages` pages for it, and as many times more as there are thousands of
    /// dirty queues: a file costs a request of the disk, however little is written, and all of them are forced in time. They stay
    /// dirty: what is on the disk for good counts when all of them are.
    pub fn write_out(&self, least_pages: usize) -> io::Result<()> {
        const THOUSAND: usize = 1000;
        let mut queues = std::mem::take(&mut *self.dirty.lock());
        let least_pages = least_pages.saturating_mul(1 + queues.len() / THOUSAND);
        let mut due = queues.iter().filter(|queue| queue.dirty_pages() >= least_pages);
        let result = due.try_for_each(|queue| {
            queue.write_out().inspect_err(
                |error| tracing::error!(topic = %queue.topic, queue = queue.id, %error, "a consume queue was not written"),
            )
        });
        self.dirty.lock().append(&mut queues);
        result
    }

    /// Forces all dirty queues to the disk.
    pub fn flush(&self) -> io::Result<()> {
        let queues = std::mem::take(&mut *self.dirty.lock());
        let mut later = Vec::new();
        let mut result = Ok(());
        for queue in queues {
            if result.is_err() {
                later.push(queue);
                continue;
            }
            match queue.flush() {
                Ok(()) if queue.set_unlisted(true) => self.unlisted.lock().push(queue),
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(topic = %queue.topic, queue = queue.id, %error, "a consume queue was not flushed");
                    queue.stay_dirty();
                    later.push(queue);
                    result = Err(error);
                }
            }
        }
        self.dirty.lock().append(&mut later);
        result
    }
}

/// A number that no table has had.
fn next_id() -> u64 {
    static IDS: AtomicU64 = AtomicU64::new(0);
    IDS.fetch_add(1, Ordering::Relaxed)
}

/// The folders in `dir`, by name; none when it does not exist.
pub(crate) fn folders(dir: &Path) -> Result<Vec<(String, PathBuf)>, OpenError> {
    let entries = match crate::disk::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(OpenError::io("list", dir)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(OpenError::io("list", dir))?;
        let kind = entry.file_type().map_err(OpenError::io("list", dir))?;
        // Told by the listing itself; only links are asked where they lead.
        if kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()) {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
