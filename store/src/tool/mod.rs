//! Looking into a data directory that no broker has open: what is there, whether it is sound, its records, and consume
//! queues and index built again from the log. Works on directories of Apache RocketMQ too.
//!
//! What it is not: it is no store. Nothing is recovered, cut or created, and except for [`repair`] nothing is written. Sizes of
//! files are taken from the files, so that no configuration is needed. Files are read, not mapped: a bad sector is an error and
//! no signal. Threads: none; memory: a window per consume queue, and the slots of one index file.
mod dump;
mod files;
mod finding;
mod index;
mod inspect;
mod keys;
mod queue;
mod repair;
mod units;
mod verify;
mod walk;

pub use dump::{dump, DumpRange};
pub use finding::{Finding, Severity};
pub use inspect::{inspect, ConfigSummary, GroupSummary, IndexSummary, Inspection, QueueSummary, SegmentSummary};
pub use queue::UnitKind;
pub use repair::{repair, Repaired};
pub use verify::{verify, Verification};

use crate::disk::{self, File};
use crate::error::OpenError;
use crate::life::DirectoryLock;
use crate::queue::extension::Extension;
use ferromq_protocol::body::TopicConfigTable;
use files::LogFiles;
use queue::QueueFiles;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where a data directory lies, and what cannot be read off its files.
#[derive(Debug, Clone, Default)]
pub struct DirectoryOptions {
    /// The data directory (`storePathRootDir`).
    pub root: PathBuf,
    /// Directories of the log's segments (`storePathCommitLog` and `readOnlyCommitLogStorePaths`); empty: `commitlog` under the
    /// root.
    pub commit_log: Vec<PathBuf>,
    /// Slots and entries of an index file (`maxHashSlotNum`, `maxIndexNum`); None: found out from the files, else Apache's
    /// defaults.
    pub index_shape: Option<(u32, u32)>,
    /// Bytes of a consume queue file (`mappedFileSizeConsumeQueue`), for a repair that finds none; None: Apache's default.
    pub consume_queue_file_bytes: Option<usize>,
}

/// A data directory that nobody else has open while this lives.
pub struct Directory {
    options: DirectoryOptions,
    log: LogFiles,
    unclean: bool,
    _lock: Option<DirectoryLock>,
}

impl Directory {
    /// Takes the lock for reading, so that no broker opens the directory meanwhile, and lists the log. Creates nothing: a
    /// directory without a lock file was never opened, or is a copy, and is not locked.
    pub fn open(options: DirectoryOptions) -> Result<Directory, OpenError> {
        Self::open_with(options, false)
    }

    /// The same for changes: creates the lock file when there is none.
    pub fn open_exclusive(options: DirectoryOptions) -> Result<Directory, OpenError> {
        Self::open_with(options, true)
    }

    fn open_with(options: DirectoryOptions, exclusive: bool) -> Result<Directory, OpenError> {
        let root = &options.root;
        disk::read_dir(root).map_err(OpenError::io("list", root))?;
        let dirs =
            if options.commit_log.is_empty() { vec![root.join("commitlog")] } else { options.commit_log.clone() };
        if !dirs.iter().any(|dir| dir.is_dir()) {
            let problem = format!(
                "this is no data directory: there is no {}; name storePathRootDir, and the directories of the log if they lie elsewhere",
                dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
            );
            return Err(OpenError::Damaged { path: root.clone(), problem });
        }
        let lock = match exclusive {
            true => Some(crate::life::lock(root)?),
            false => lock_shared(root)?,
        };
        let log = LogFiles::load(&dirs)?;
        let unclean = root.join("abort").exists();
        Ok(Directory { options, log, unclean, _lock: lock })
    }

    /// The data directory.
    pub fn root(&self) -> &Path {
        &self.options.root
    }

    /// The last broker did not stop cleanly (`abort` is there): the next start recovers.
    pub fn is_unclean(&self) -> bool {
        self.unclean
    }

    /// The topics of `config/topics.json`; None when it cannot be had.
    fn topics(&self) -> Option<TopicConfigTable> {
        let config = self.root().join("config");
        ["topics.json", "topics.json.bak"].iter().find_map(|name| {
            let bytes = disk::read(&config.join(name)).ok()?;
            TopicConfigTable::decode(&bytes).ok()
        })
    }

    /// All extensions of consume queues.
    fn extensions(&self) -> Result<Extensions, OpenError> {
        crate::queue::extension::all(&crate::StoreOptions::new(self.root()).consume_queue_extension_dir())
    }

    /// All consume queues, by kind, topic and number.
    fn queues(&self) -> Result<Vec<QueueFiles>, OpenError> {
        let mut queues = Vec::new();
        for kind in [UnitKind::Simple, UnitKind::Batch] {
            let dir = self.root().join(kind.folder());
            for (topic, path) in crate::queue::folders(&dir)? {
                for (name, path) in crate::queue::folders(&path)? {
                    if let Ok(id) = name.parse() {
                        queues.push(QueueFiles::load(kind, &topic, id, path)?);
                    }
                }
            }
        }
        queues.sort_by(|a, b| (a.kind, &a.topic, a.id).cmp(&(b.kind, &b.topic, b.id)));
        Ok(queues)
    }
}

/// Extensions of consume queues, by topic and number.
type Extensions = HashMap<String, HashMap<i32, Extension>>;

fn lock_shared(root: &Path) -> Result<Option<DirectoryLock>, OpenError> {
    let path = root.join("lock");
    let file = match File::open_to_read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io("open", &path)(error)),
    };
    if !crate::platform::try_lock_shared(file.system()).map_err(OpenError::io("lock", &path))? {
        return Err(OpenError::InUse { root: root.to_path_buf(), lock: path });
    }
    Ok(Some(DirectoryLock::new(file)))
}

/// Bytes of a file: what it says and what it takes on the disk.
fn sizes(path: &Path) -> Result<(u64, u64), OpenError> {
    let meta = std::fs::metadata(path).map_err(OpenError::io("look at", path))?;
    #[cfg(unix)]
    let taken = std::os::unix::fs::MetadataExt::blocks(&meta) * 512;
    #[cfg(not(unix))]
    let taken = meta.len();
    Ok((meta.len(), taken))
}
