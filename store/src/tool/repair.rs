//! Building consume queues and index again from the log.
//!
//! The new folders are built beside the old ones and take their names when they are complete and on the disk; the old ones
//! stay as `<name>.replaced` until all are in place. A repair that was interrupted is undone by the next one. The log is never
//! changed: what of it cannot be read is passed over, and the next start of a broker cuts a torn end as always.
use super::finding::Finding;
use super::index;
use super::queue::UnitKind;
use super::walk::{Step, Walk};
use super::Directory;
use crate::batch::Facts;
use crate::checkpoint::Checkpoint;
use crate::disk;
use crate::error::OpenError;
use crate::index::file::Shape;
use crate::index::files::IndexFiles;
use crate::index::{entries_of, IndexEntry, IndexOptions, IndexedRecord};
use crate::open_files::OpenFiles;
use crate::options::StoreOptions;
use crate::queue::batch::{is_batch, BatchUnit, BATCH_UNIT_BYTES};
use crate::queue::QueueTable;
use crate::types::Unit;
use crate::UNIT_BYTES;
use ferromq_protocol::record::RecordView;
use ferromq_protocol::topic as kinds;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Where the new folders are built.
const WORK: &str = "repair";
/// Added to the names of the old folders.
const REPLACED: &str = ".replaced";
/// Index entries written at a time.
const ENTRIES_AT_ONCE: usize = 4096;

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Records of the log that were looked at.
    pub records: u64,
    /// Consume queues built again.
    pub queues: usize,
    /// Queues kept as they were: no record of theirs is in the log any more, only they know their offsets.
    pub kept: usize,
    /// Index entries written.
    pub index_entries: u64,
    /// The folders that were replaced.
    pub replaced: Vec<PathBuf>,
}

/// Rebuilds consume queues and index. `damage` hears of what cannot be read in the log.
pub fn repair(directory: &Directory, damage: &mut dyn FnMut(&Finding)) -> Result<Repaired, OpenError> {
    let root = directory.root();
    undo_interrupted(root)?;
    let work = root.join(WORK);
    disk::create_dir_all(&work).map_err(OpenError::io("create", &work))?;
    let old = directory.queues()?;
    let checkpoint_path = root.join("checkpoint");
    let checkpoint = Checkpoint::open(&checkpoint_path)
        .map_err(|error| OpenError::Damaged { path: checkpoint_path.clone(), problem: error.to_string() })?;
    let mut rebuild = Rebuild::new(directory, &work, &checkpoint)?;
    Walk::new(&directory.log).run(directory.log.min(), |step| {
        match step {
            Step::Record(view, at) => rebuild.record(&view, at)?,
            Step::Damage(finding) | Step::TornEnd(finding) => damage(&finding),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut done = rebuild.finish(&checkpoint)?;
    for queue in old.iter().filter(|queue| queue.max_offset() > 0) {
        let target = work.join(queue.kind.folder()).join(&queue.topic).join(queue.id.to_string());
        if !target.exists() {
            copy_last(queue.paths().last().map(|(path, _)| path), &target)?;
            done.kept += 1;
        }
    }
    done.replaced = swap(root, &work)?;
    checkpoint.flush().map_err(|error| OpenError::Damaged { path: checkpoint_path, problem: error.to_string() })?;
    Ok(done)
}

struct Rebuild<'a> {
    queues: QueueTable,
    options: StoreOptions,
    /// Topics that are there: a folder, or a line in topics.json. The records of others are those of deleted topics.
    topics: Option<HashSet<String>>,
    directory: &'a Directory,
    index: IndexFiles,
    entries: Vec<IndexEntry>,
    done: Repaired,
}

impl<'a> Rebuild<'a> {
    fn new(directory: &'a Directory, work: &Path, checkpoint: &Checkpoint) -> Result<Rebuild<'a>, OpenError> {
        let old = directory.queues()?;
        let mut options = StoreOptions::new(work);
        let found = old.iter().find(|queue| queue.kind == UnitKind::Simple && queue.file_bytes > 0);
        let bytes = found.map(|queue| queue.file_bytes as usize).or(directory.options.consume_queue_file_bytes);
        if let Some(bytes) = bytes {
            options.consume_queue_file_units = (bytes / UNIT_BYTES).max(1);
        }
        let batch = old.iter().find(|queue| queue.kind == UnitKind::Batch && queue.file_bytes > 0);
        if let Some(batch) = batch {
            options.batch_consume_queue_file_units = (batch.file_bytes as usize / BATCH_UNIT_BYTES).max(1);
        }
        let config = directory.topics();
        let configured = config.iter().flat_map(|table| table.topic_config_table.iter());
        let named = configured.filter(|(_, config)| is_batch(&config.attributes)).map(|(topic, _)| topic.clone());
        let with_folder = old.iter().filter(|queue| queue.kind == UnitKind::Batch).map(|queue| queue.topic.clone());
        options.batch_topics = named.chain(with_folder).collect();
        let topics = config.filter(|_| !old.is_empty()).map(|table| {
            table.topic_config_table.into_keys().chain(old.iter().map(|queue| queue.topic.clone())).collect()
        });
        let files = index::load(directory.root(), directory.options.index_shape, false)?;
        let known = files.iter().find_map(|file| file.shape);
        let given = directory.options.index_shape.map(|(slots, entries)| Shape { slots, entries });
        let shape = known.or(given).unwrap_or_else(|| Shape::new(&IndexOptions::default()));
        let files = OpenFiles::new(options.mapped_files_max);
        let index = IndexFiles::load(&work.join("index"), shape, checkpoint, false, &files);
        let index = index.map_err(index_error(work))?;
        let queues = QueueTable::new(&options, files);
        let (entries, done) = (Vec::new(), Repaired::default());
        Ok(Rebuild { queues, options, topics, directory, index, entries, done })
    }

    fn record(&mut self, view: &RecordView<'_>, physical: i64) -> Result<(), OpenError> {
        self.done.records += 1;
        let (topic, properties, sys_flag) = (view.topic(), view.properties(), view.sys_flag());
        let store_timestamp = view.store_timestamp();
        let record = IndexedRecord { topic, properties, sys_flag, physical, store_timestamp };
        entries_of(&record, &mut self.entries);
        if self.entries.len() >= ENTRIES_AT_ONCE {
            self.write_entries()?;
        }
        let facts = Facts::of(topic, sys_flag, properties);
        let deleted = || !kinds::is_system(topic) && self.topics.as_ref().is_some_and(|topics| !topics.contains(topic));
        if !facts.enters_queue || deleted() {
            return Ok(());
        }
        let queue = self.queues.find_or_create(topic, view.queue_id());
        let tags_code = facts.unit_code(store_timestamp, &self.options.delay_levels);
        let unit = Unit { physical, size: view.len() as i32, tags_code };
        let (base, count) = (view.queue_offset(), facts.messages);
        let put = queue.put(std::iter::once(BatchUnit { unit, store_timestamp, base, count }));
        put.result.map_err(OpenError::io("write the consume queue in", self.options.consume_queue_dir()))?;
        if put.made_dirty {
            self.queues.flush_later(&queue);
        }
        Ok(())
    }

    fn write_entries(&mut self) -> Result<(), OpenError> {
        let mut full = Vec::new();
        let written = self.index.append(&self.entries, &mut full).map_err(|(_, error)| error);
        written
            .and_then(|()| full.iter().try_for_each(|file| file.flush()))
            .map_err(index_error(self.directory.root()))?;
        self.done.index_entries += self.entries.len() as u64;
        self.entries.clear();
        Ok(())
    }

    /// Forces everything to the disk.
    fn finish(mut self, checkpoint: &Checkpoint) -> Result<Repaired, OpenError> {
        self.write_entries()?;
        let last = self.index.flush_last().map_err(index_error(self.directory.root()))?;
        self.queues.flush().map_err(OpenError::io("flush the consume queues in", &self.queues.dir))?;
        checkpoint.raise_index_timestamp(last.map_or(0, |header| header.end_timestamp));
        self.done.queues = self.queues.all().len();
        Ok(self.done)
    }
}

fn index_error<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> OpenError {
    let path = path.join("index");
    move |error| OpenError::Damaged { path: path.clone(), problem: error.to_string() }
}

fn copy_last(file: Option<&Path>, target: &Path) -> Result<(), OpenError> {
    let Some((file, name)) = file.and_then(|file| Some((file, file.file_name()?))) else { return Ok(()) };
    disk::create_dir_all(target).map_err(OpenError::io("create", target))?;
    let to = target.join(name);
    disk::read(file).and_then(|bytes| disk::write(&to, &bytes)).map_err(OpenError::io("copy", file))
}

/// A folder that lost its name to a repair that did not get to its end has it back; half a work folder goes.
fn undo_interrupted(root: &Path) -> Result<(), OpenError> {
    for name in folders() {
        let (place, old) = (root.join(name), root.join(format!("{name}{REPLACED}")));
        if old.exists() && !place.exists() {
            disk::rename(&old, &place).map_err(OpenError::io("rename", &old))?;
        } else if old.exists() {
            disk::remove_dir_all(&old).map_err(OpenError::io("remove", &old))?;
        }
    }
    remove(&root.join(WORK))
}

/// What a repair replaces. The extension of consume queues is not built again: units then carry their tags codes themselves.
fn folders() -> [&'static str; 4] {
    [UnitKind::Simple.folder(), UnitKind::Batch.folder(), "consumequeue_ext", "index"]
}

fn swap(root: &Path, work: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut replaced = Vec::new();
    let rename = |from: &Path, to: &Path| disk::rename(from, to).map_err(OpenError::io("rename", from));
    for name in folders() {
        let (place, old, new) = (root.join(name), root.join(format!("{name}{REPLACED}")), work.join(name));
        if place.exists() {
            rename(&place, &old)?;
            replaced.push(place.clone());
        }
        if new.exists() {
            rename(&new, &place)?;
        }
    }
    disk::sync_dir(root).map_err(OpenError::io("sync", root))?;
    for name in folders() {
        remove(&root.join(format!("{name}{REPLACED}")))?;
    }
    remove(work)?;
    Ok(replaced)
}

fn remove(dir: &Path) -> Result<(), OpenError> {
    match disk::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(OpenError::io("remove", dir)(error)),
        _ => Ok(()),
    }
}
