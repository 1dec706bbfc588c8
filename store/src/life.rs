//! Opening and closing a data directory, and the threads in between (store.md 5).
//!
//! Threads, all ended by [`Life`]: `log-prepare` (segments and pages ahead), `log-flush`, `flush-watch` (deadlines of those who
//! wait for a flush; synchronous flush only), `queue-flush` (consume queues and checkpoint), the index's and retention's own.
use crate::batch::AppendBatch;
use crate::checkpoint::Checkpoint;
use crate::disk::{self, File};
use crate::dispatch::Dispatch;
use crate::error::{NotWritable, OpenError, ShutdownError};
use crate::index::IndexService;
use crate::known::Known;
use crate::log::flush::Waiters;
use crate::log::gather::Gathering;
use crate::log::Log;
use crate::open_files::OpenFiles;
use crate::options::{FlushMode, StoreOptions};
use crate::queue::extension::{END_MARK_BYTES, EXTENSION_UNIT_BYTES};
use crate::queue::QueueTable;
use crate::recover::recover_all;
use crate::retention::{Pause, RetentionService, RetentionTarget, SegmentAge};
use crate::types::ArrivalListener;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a shutdown waits for the index.
const INDEX_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a page of the flush settings.
const PAGE_BYTES: i64 = 4096;

/// What the threads and the handle share.
pub(crate) struct Inner {
    pub options: StoreOptions,
    pub log: Arc<Log>,
    pub queues: Arc<QueueTable>,
    pub index: Option<Arc<IndexService>>,
    pub checkpoint: Arc<Checkpoint>,
    pub known: Known,
    pub dispatch: Dispatch,
    pub waiters: Waiters,
    pub reads: AtomicU64,
    pub records_read: AtomicU64,
    /// No append is accepted any more.
    closed: AtomicBool,
    /// Disks over their watermark: of the log, of the consume queues. Stored by retention.
    disk_full: [AtomicBool; 2],
    /// One flush of the consume queues at a time: the checkpoint must not vouch for a queue that another thread is at.
    queue_flushing: Mutex<()>,
    /// Units of records before this are on the disk. Raised under `queue_flushing`.
    queues_flushed: AtomicI64,
    /// Wakes the thread of the consume queues at the end.
    stop: (Mutex<bool>, Condvar),
}

impl Inner {
    /// Synchronous flush?
    pub fn is_sync(&self) -> bool {
        matches!(self.options.flush, FlushMode::Sync { .. })
    }

    /// End of what may be seen.
    pub fn confirmed(&self) -> i64 {
        if self.is_sync() {
            self.log.flushed()
        } else {
            self.log.written()
        }
    }

    /// Why no record is accepted, if so.
    pub fn writable(&self) -> Result<(), NotWritable> {
        if self.closed.load(Ordering::Acquire) {
            return Err(NotWritable::ShutDown);
        }
        self.healthy()?;
        for (full, what) in self.disk_full.iter().zip(["commit log", "consume queues"]) {
            if full.load(Ordering::Relaxed) {
                let reason =
                    format!("the disk of the {what} is over its watermark; free space or shorten fileReservedTime");
                return Err(NotWritable::DiskFull { reason });
            }
        }
        Ok(())
    }

    /// What has failed, if anything. A disk above its watermark is none: all that was taken can be forced to it.
    fn healthy(&self) -> Result<(), NotWritable> {
        match self.waiters.failure() {
            Some(why) => Err(why.clone()),
            None => self.dispatch.failure().map_or(Ok(()), Err),
        }
    }

    /// Flush and dispatch follow an append, of a batch or of raw bytes.
    pub fn after_append(&self, batch: Option<&AppendBatch>) {
        if self.is_sync() {
            self.waiters.kick();
            return;
        }
        let all_placed = batch.is_some_and(|batch| batch.placed.len() == batch.results.len());
        if let Some(batch) = batch {
            self.dispatch.tell(batch.queues(), &batch.placed);
        }
        if !all_placed {
            self.dispatch.drain();
        }
    }

    /// Flushes the log, tells those who wait, and lets dispatch follow; returns how many waited. Never again after a flush that failed.
    fn flush_log(&self) -> Result<usize, NotWritable> {
        if let Some(why) = self.waiters.failure() {
            return Err(why.clone());
        }
        let newest = self.log.last_timestamp();
        match self.log.flush() {
            Ok(flushed) => {
                self.checkpoint.raise_physic_timestamp(newest);
                if self.is_sync() {
                    self.dispatch.drain_all();
                    self.log.notify_growth();
                }
                Ok(self.waiters.flushed_to(flushed))
            }
            Err(why) => {
                self.waiters.fail(why.clone());
                Err(why)
            }
        }
    }

    /// Forces everything to the disk.
    pub fn flush_everything(&self) -> Result<(), NotWritable> {
        self.flush_log_and_queues()?;
        let failed =
            |reason: String| NotWritable::FlushFailed { file: self.checkpoint.path().display().to_string(), reason };
        self.checkpoint.flush().map_err(|error| failed(error.to_string()))
    }

    fn flush_log_and_queues(&self) -> Result<(), NotWritable> {
        self.flush_log()?;
        self.dispatch.drain_all();
        self.flush_queues()
    }

    /// Forces the consume queues to the disk, and says so in the checkpoint.
    fn flush_queues(&self) -> Result<(), NotWritable> {
        self.at_queues(|| {
            let (newest, end) = (self.dispatch.last_timestamp(), self.dispatch.end());
            self.queues.flush()?;
            self.checkpoint.raise_logics_timestamp(newest);
            self.queues_flushed.fetch_max(end, Ordering::AcqRel);
            Ok(())
        })
    }

    /// Does something to the files of the consume queues. As with the log, a flush that failed proves nothing when it is tried again, and the
    /// checkpoint must not vouch for it.
    fn at_queues(&self, work: impl FnOnce() -> io::Result<()>) -> Result<(), NotWritable> {
        let _one = self.queue_flushing.lock();
        if let Some(why) = self.waiters.failure() {
            return Err(why.clone());
        }
        work().map_err(|error| {
            let file = self.queues.dir.display().to_string();
            let why = NotWritable::FlushFailed { file, reason: error.to_string() };
            self.waiters.fail(why.clone());
            why
        })
    }

    /// The units of all records before `end` are on the disk when this returns. Long since, mostly.
    fn settle_queues(&self, end: i64) -> io::Result<()> {
        if self.queues_flushed.load(Ordering::Acquire) >= end {
            return Ok(());
        }
        self.flush_log_and_queues().map_err(io::Error::other)?;
        if self.queues_flushed.load(Ordering::Acquire) < end {
            return Err(io::Error::other(format!("not all records before {end} are in their consume queues")));
        }
        Ok(())
    }

    /// Remembers which queues there are. Their units are on the disk.
    fn list_queues(&self) {
        if let Err(error) = self.known.save(&self.queues, &self.log, self.dispatch.last_record()) {
            tracing::warn!(%error, "the list of consume queues was not written; the next start trusts the one before");
        }
    }

    fn run_flush(&self) {
        let (interval, least, thorough) = match self.options.flush {
            FlushMode::Async { interval, least_pages, thorough } => (Some(interval), least_pages, thorough),
            FlushMode::Sync { .. } => (None, 0, Duration::ZERO),
        };
        let (mut last, mut gathering) = (Instant::now(), Gathering::default());
        while self.waiters.wait_for_work(interval) {
            let dirty = self.log.written() - self.log.flushed();
            let due = last.elapsed() >= thorough;
            if dirty == 0 || (dirty < i64::from(least) * PAGE_BYTES && !due) {
                continue;
            }
            gathering.wait(&self.waiters);
            last = Instant::now();
            // A failure is remembered: the store refuses appends from then on, and there is nothing more to flush.
            let Ok(served) = self.flush_log() else { return };
            gathering.flushed(last.elapsed(), served, &self.waiters);
        }
    }

    fn run_queue_flush(&self) {
        let mut last = Instant::now();
        loop {
            {
                let mut stop = self.stop.0.lock();
                if !*stop {
                    self.stop.1.wait_for(&mut stop, self.options.queue_flush_interval);
                }
                if *stop {
                    return;
                }
            }
            if self.dispatch.failure().is_some() {
                self.dispatch.drain_all();
            }
            let thorough = last.elapsed() >= self.options.queue_flush_thorough;
            let least = self.options.queue_flush_least_pages as usize;
            let done = match thorough || least == 0 {
                true => self.flush_queues(),
                false => self.at_queues(|| self.queues.write_out(least)),
            };
            if done.is_err() {
                return;
            }
            if thorough {
                last = Instant::now();
                self.list_queues();
                if let Err(error) = self.checkpoint.flush() {
                    tracing::error!(%error, "the checkpoint was not written; the next start reads more of the log");
                }
            }
        }
    }
}

/// What retention asks of the store.
struct Target(Arc<Inner>);

impl RetentionTarget for Target {
    fn segments(&self) -> Vec<SegmentAge> {
        let segments = self.0.log.used_segments();
        segments.iter().map(|s| SegmentAge { start: s.base, modified_ms: s.modified_ms() }).collect()
    }

    fn delete_oldest(&self, start: i64) -> io::Result<()> {
        // After a power cut units that are on the disk are all that says where the offsets of a queue go on.
        self.0.settle_queues(start + self.0.log.segment_size as i64)?;
        self.0.log.delete_oldest(start)
    }

    fn follow(&self, min_offset: i64, pause: Pause<'_>) -> bool {
        let mut complete = true;
        for queue in self.0.queues.all() {
            match queue.delete_before(min_offset) {
                Ok(0) => {}
                Ok(_) if pause(self.0.options.retention.queue_file_pause) => {}
                Ok(_) => return false,
                Err(error) => {
                    complete = false;
                    tracing::error!(topic = %queue.topic, queue = queue.id, %error, "an expired consume queue file was not removed");
                }
            }
        }
        if let Some(Err(error)) = self.0.index.as_ref().map(|index| index.delete_before(min_offset)) {
            complete = false;
            tracing::error!(%error, "an expired index file was not removed");
        }
        complete
    }

    fn set_disk_full(&self, log: bool, full: bool) {
        let flag = &self.0.disk_full[usize::from(!log)];
        if flag.swap(full, Ordering::Relaxed) != full {
            tracing::warn!(full, log, root = %self.0.options.root.display(), "the state of the disk changed");
        }
    }

    fn set_full_dirs(&self, dirs: Vec<PathBuf>) {
        self.0.log.paths.set_full(dirs);
    }

    fn log_dirs(&self) -> Vec<PathBuf> {
        self.0.log.paths.writable().to_vec()
    }

    fn queue_dir(&self) -> PathBuf {
        self.0.options.consume_queue_dir()
    }
}

/// The directory is ours while this lives.
pub(crate) struct DirectoryLock(File);

impl DirectoryLock {
    /// Keeps a lock that was taken on `file`.
    pub fn new(file: File) -> Self {
        Self(file)
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        crate::platform::unlock(self.0.system());
    }
}

/// Owns the threads and the lock file.
pub(crate) struct Life {
    inner: Arc<Inner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    retention: Mutex<Option<RetentionService>>,
    /// Some while the directory is ours.
    lock: Mutex<Option<DirectoryLock>>,
    abort: PathBuf,
}

impl Life {
    fn stop_threads(&self) {
        self.inner.closed.store(true, Ordering::Release);
        self.inner.log.prepare.stop();
        self.inner.waiters.stop();
        *self.inner.stop.0.lock() = true;
        self.inner.stop.1.notify_all();
        if let Some(mut retention) = self.retention.lock().take() {
            retention.stop();
        }
        for thread in self.threads.lock().drain(..) {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }

    /// Asks for a clean-up of expired segments at once; false when nothing is ever cleaned.
    pub fn clean_now(&self) -> bool {
        self.retention.lock().as_ref().map(RetentionService::clean_now).is_some()
    }

    /// A clean stop, once.
    pub fn shutdown(&self, inner: &Inner) -> Result<(), ShutdownError> {
        let Some(lock) = self.lock.lock().take() else { return Ok(()) };
        let healthy = inner.healthy();
        inner.closed.store(true, Ordering::Release);
        // Appends that are under way end here or are in the log already.
        inner.log.close();
        let flushed = inner.flush_everything();
        self.stop_threads();
        // What a failed store has not indexed the next start indexes.
        let patience = if healthy.is_ok() && flushed.is_ok() { INDEX_PATIENCE } else { Duration::ZERO };
        let indexed = inner.index.as_ref().map_or(Ok(true), |index| index.shutdown(patience));
        inner.log.remove_unused();
        let reason = match (healthy, flushed, indexed) {
            (Ok(()), Ok(()), Ok(true)) if inner.dispatch.is_idle() => None,
            (Err(why), _, _) | (_, Err(why), _) => Some(why.to_string()),
            (_, _, Err(error)) => Some(error.to_string()),
            (_, _, Ok(false)) => Some("the index is not complete".to_owned()),
            _ => Some("not everything is in its consume queue".to_owned()),
        };
        if reason.is_none() {
            let (queues, log, last) = (&inner.queues, &inner.log, inner.dispatch.last_record());
            if let Err(error) = inner.known.save_at_stop(queues, log, last) {
                tracing::warn!(%error, "the list of consume queues was not written; the next start looks into all of them");
            }
            disk::remove_file(&self.abort).map_err(|error| ShutdownError { reason: error.to_string() })?;
        }
        drop(lock);
        reason.map_or(Ok(()), |reason| Err(ShutdownError { reason }))
    }
}

impl Life {
    /// An end like that of a killed process: nothing more is flushed, and the mark of an unclean stop stays. Once.
    pub fn abandon(&self, inner: &Inner) {
        let Some(lock) = self.lock.lock().take() else { return };
        inner.log.close();
        inner.dispatch.stop();
        self.stop_threads();
        // The index's thread must not go on writing into files that the next store opens.
        if let Some(Err(error)) = inner.index.as_ref().map(|index| index.shutdown(Duration::ZERO)) {
            tracing::debug!(%error, "index of an abandoned store");
        }
        drop(lock);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.stop_threads();
    }
}

/// Opens the directory.
pub(crate) fn open(options: StoreOptions, listener: Arc<dyn ArrivalListener>) -> Result<(Arc<Inner>, Life), OpenError> {
    check(&options)?;
    disk::create_dir_all(&options.root).map_err(OpenError::io("create", &options.root))?;
    let lock = lock(&options.root)?;
    let abort = options.root.join("abort");
    let abnormal = abort.exists();
    tracing::info!(root = %options.root.display(), clean = !abnormal, "opening the store");
    let damaged = |path: PathBuf| move |error: String| OpenError::Damaged { path, problem: error };
    let checkpoint_path = options.root.join("checkpoint");
    let checkpoint = Checkpoint::open(&checkpoint_path).map_err(|e| damaged(checkpoint_path)(e.to_string()))?;
    let checkpoint = Arc::new(checkpoint);
    let index_dir = options.root.join("index");
    let files = OpenFiles::new(options.mapped_files_max);
    let index = match options.index_enabled {
        true => {
            let index = IndexService::open_among(&index_dir, options.index.clone(), &checkpoint, abnormal, &files);
            Some(Arc::new(index.map_err(|e| damaged(index_dir.clone())(e.to_string()))?))
        }
        false => None,
    };
    let queues = Arc::new(QueueTable::new(&options, files));
    let known = Known::load(&options.root)?;
    let log = Arc::new(recover_all(&options, &queues, index.as_deref(), &checkpoint, &known, abnormal)?);
    let written = log.written();
    let follows_flush = matches!(options.flush, FlushMode::Sync { .. });
    let dispatch = Dispatch::new(log.clone(), queues.clone(), index.clone(), listener, follows_flush);
    write_abort(&abort)?;
    if let Some(index) = &index {
        index.start(log.clone(), written).map_err(|e| damaged(index_dir)(e.to_string()))?;
    }
    let inner = Arc::new(Inner {
        options,
        log,
        queues,
        index,
        checkpoint,
        known,
        dispatch,
        waiters: Waiters::default(),
        reads: AtomicU64::new(0),
        records_read: AtomicU64::new(0),
        closed: AtomicBool::new(false),
        disk_full: [AtomicBool::new(false), AtomicBool::new(false)],
        queue_flushing: Mutex::new(()),
        queues_flushed: AtomicI64::new(0),
        stop: (Mutex::new(false), Condvar::new()),
    });
    let life = start(&inner, lock, abort)?;
    Ok((inner, life))
}

fn check(options: &StoreOptions) -> Result<(), OpenError> {
    let least = (options.max_message_size + crate::options::RECORD_EXTRA_BYTES_MAX) as u64;
    if options.segment_size < 4096 || usize::try_from(options.segment_size).is_err() {
        let problem = format!("{} bytes; a segment has at least 4096", options.segment_size);
        return Err(OpenError::Option { option: "mappedFileSizeCommitLog", problem });
    }
    if options.segment_size < least {
        tracing::warn!(
            segment = options.segment_size,
            "mappedFileSizeCommitLog is smaller than the longest message (maxMessageSize and 64 KiB): such messages are refused"
        );
    }
    let least = EXTENSION_UNIT_BYTES + END_MARK_BYTES;
    if options.consume_queue_extension && options.consume_queue_extension_file_bytes < least {
        let problem =
            format!("a file holds at least one unit of {EXTENSION_UNIT_BYTES} bytes and has {END_MARK_BYTES} to spare");
        return Err(OpenError::Option { option: "mappedFileSizeConsumeQueueExt", problem });
    }
    if options.consume_queue_file_units == 0 {
        let problem = "a file holds at least one unit of 20 bytes".to_owned();
        return Err(OpenError::Option { option: "mappedFileSizeConsumeQueue", problem });
    }
    Ok(())
}

/// Takes the lock of a data directory.
pub(crate) fn lock(root: &std::path::Path) -> Result<DirectoryLock, OpenError> {
    let path = root.join("lock");
    let file = File::open_or_create(&path).map_err(OpenError::io("open", &path))?;
    if !crate::platform::try_lock(file.system()).map_err(OpenError::io("lock", &path))? {
        return Err(OpenError::InUse { root: root.to_path_buf(), lock: path });
    }
    // Left alone when it is as it should be: its time tells that somebody else, who writes it anew, had the directory.
    if file.len().map_err(OpenError::io("read", &path))? != 4 {
        file.write_at(b"lock", 0).map_err(OpenError::io("write", &path))?;
    }
    Ok(DirectoryLock(file))
}

fn write_abort(path: &std::path::Path) -> Result<(), OpenError> {
    let written = disk::write(path, std::process::id().to_string().as_bytes());
    written.and_then(|()| path.parent().map_or(Ok(()), disk::sync_dir)).map_err(OpenError::io("write", path))
}

fn start(inner: &Arc<Inner>, lock: DirectoryLock, abort: PathBuf) -> Result<Life, OpenError> {
    let life = Life {
        inner: inner.clone(),
        threads: Mutex::default(),
        retention: Mutex::default(),
        lock: Mutex::new(Some(lock)),
        abort,
    };
    let spawn = |name: &str, run: fn(&Inner)| {
        let inner = inner.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&inner));
        thread
            .map(|thread| life.threads.lock().push(thread))
            .map_err(OpenError::io("start the threads of", &life.inner.options.root))
    };
    spawn("log-prepare", |inner| inner.log.run_prepare(inner.is_sync()))?;
    spawn("log-flush", Inner::run_flush)?;
    spawn("queue-flush", Inner::run_queue_flush)?;
    if inner.is_sync() {
        spawn("flush-watch", |inner| inner.waiters.run_watch())?;
    }
    if inner.options.cleaning {
        let target = Arc::new(Target(inner.clone()));
        let service = RetentionService::start(inner.options.retention.clone(), target);
        *life.retention.lock() = Some(service.map_err(OpenError::io("start the threads of", &inner.options.root))?);
    }
    Ok(life)
}
