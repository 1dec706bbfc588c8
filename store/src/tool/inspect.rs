//! What is in a data directory: segments, queues with their offsets and times, index files, groups, configuration.
//!
//! Only the last segment of the log is walked, to find its end; queues are asked for their first and last unit.
use super::queue::{QueueFiles, UnitKind};
use super::walk::{Step, Walk};
use super::{index, sizes, Directory};
use crate::checkpoint::Checkpoint;
use crate::disk;
use crate::error::OpenError;
use ferromq_protocol::body::{ConsumerOffsetTable, TOPIC_GROUP_SEPARATOR};
use ferromq_protocol::record;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Bytes from the front of a record in which its store time lies, whatever the hosts.
const TIME_BYTES: usize = 76;

/// A segment of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSummary {
    /// The file.
    pub path: PathBuf,
    /// Offset of its first byte in the log.
    pub start: i64,
    /// Its length.
    pub bytes: u64,
    /// What it takes on the disk.
    pub disk_bytes: u64,
    /// Store time of its first record, milliseconds; None without one.
    pub first_time: Option<i64>,
}

/// A consume queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSummary {
    /// Which form its units have.
    pub kind: UnitKind,
    /// Topic.
    pub topic: String,
    /// Queue of the topic.
    pub queue_id: i32,
    /// Smallest offset whose record is in the log.
    pub min: i64,
    /// Next offset to come.
    pub max: i64,
    /// Files.
    pub files: usize,
    /// What they take on the disk.
    pub disk_bytes: u64,
    /// Store times of the first and the last record, milliseconds.
    pub first_time: Option<i64>,
    /// See `first_time`.
    pub last_time: Option<i64>,
}

/// An index file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSummary {
    /// The file.
    pub path: PathBuf,
    /// Entries in it.
    pub entries: u32,
    /// Slots and most entries; None when the file does not tell.
    pub shape: Option<(u32, u32)>,
    /// Store times of its first and last record, milliseconds.
    pub times: (i64, i64),
    /// Log offsets of its first and last record.
    pub offsets: (i64, i64),
    /// What it takes on the disk.
    pub disk_bytes: u64,
}

/// How far a group has come in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSummary {
    /// The group.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// Queue of the topic.
    pub queue_id: i32,
    /// Next offset to consume.
    pub offset: i64,
    /// Messages from there to the end of the queue; 0 for a queue that is not there.
    pub behind: i64,
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSummary {
    /// Name in `config/`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// Everything.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// The data directory.
    pub root: PathBuf,
    /// The last broker did not stop cleanly.
    pub unclean: bool,
    /// Bytes of a segment.
    pub segment_size: u64,
    /// Offset of the oldest byte of the log.
    pub min_offset: i64,
    /// End of the last record.
    pub end_offset: i64,
    /// Store times of the first and the last record, milliseconds.
    pub first_time: Option<i64>,
    /// See `first_time`.
    pub last_time: Option<i64>,
    /// The log's files, those without records included.
    pub segments: Vec<SegmentSummary>,
    /// Consume queues.
    pub queues: Vec<QueueSummary>,
    /// Topics of `topics.json` without a consume queue.
    pub empty_topics: Vec<String>,
    /// Index files.
    pub index: Vec<IndexSummary>,
    /// Until when log, consume queues and index are known to be on the disk, milliseconds.
    pub checkpoint: Option<(i64, i64, i64)>,
    /// Consumer groups and their offsets.
    pub groups: Vec<GroupSummary>,
    /// Files in `config/`.
    pub config: Vec<ConfigSummary>,
}

/// Looks at everything but the records.
pub fn inspect(directory: &Directory) -> Result<Inspection, OpenError> {
    let log = &directory.log;
    let mut seen = Inspection {
        root: directory.root().to_path_buf(),
        unclean: directory.is_unclean(),
        segment_size: log.size,
        min_offset: log.min(),
        end_offset: log.min(),
        ..Inspection::default()
    };
    for file in &log.files {
        let (bytes, disk_bytes) = sizes(&file.path)?;
        let (path, start) = (file.path.clone(), file.base);
        seen.segments.push(SegmentSummary { path, start, bytes, disk_bytes, first_time: time_at(directory, start)? });
    }
    seen.first_time = seen.segments.first().and_then(|segment| segment.first_time);
    if let Some(last) = seen.segments.iter().rev().find(|segment| segment.first_time.is_some()) {
        let mut walk = Walk::new(log);
        walk.check_crc = false;
        seen.end_offset = walk.run(last.start, |step| {
            if let Step::Record(view, _) = step {
                seen.last_time = Some(view.store_timestamp());
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    for mut queue in directory.queues()? {
        seen.queues.push(summary(directory, &mut queue)?);
    }
    for file in index::load(directory.root(), directory.options.index_shape, directory.is_unclean())? {
        seen.index.push(IndexSummary {
            entries: file.end() - 1,
            shape: file.shape.map(|shape| (shape.slots, shape.entries)),
            times: (file.header.begin_timestamp, file.header.end_timestamp),
            offsets: (file.header.begin_physical, file.header.end_physical),
            disk_bytes: sizes(&file.path)?.1,
            path: file.path,
        });
    }
    let times = Checkpoint::peek(&directory.root().join("checkpoint"));
    seen.checkpoint = times.map(|times| (times[0], times[1], times[2]));
    look_at_config(directory, &mut seen)?;
    Ok(seen)
}

fn summary(directory: &Directory, queue: &mut QueueFiles) -> Result<QueueSummary, OpenError> {
    let first = queue.first_from(directory.log.min())?;
    let (first_unit, last_unit) = (queue.unit(first)?, queue.last.filter(|_| queue.end > first));
    let mut disk_bytes = 0;
    for (path, _) in queue.paths() {
        disk_bytes += sizes(path)?.1;
    }
    let time =
        |unit: Option<super::queue::AnyUnit>| match unit.filter(|any| any.unit.is_valid() && !any.unit.is_blank()) {
            Some(any) => time_at(directory, any.unit.physical),
            None => Ok(None),
        };
    Ok(QueueSummary {
        kind: queue.kind,
        topic: queue.topic.clone(),
        queue_id: queue.id,
        min: first_unit.map_or(queue.max_offset(), |any| any.offset),
        max: queue.max_offset(),
        files: queue.paths().count(),
        disk_bytes,
        first_time: time(first_unit)?,
        last_time: time(last_unit)?,
    })
}

/// Store time of the record at a log offset; None when there is none.
pub(super) fn time_at(directory: &Directory, offset: i64) -> Result<Option<i64>, OpenError> {
    let Some(head) = directory.log.read(offset, TIME_BYTES)? else { return Ok(None) };
    let word = |at: usize| head.get(at..at + 4).and_then(|part| part.try_into().ok()).map(i32::from_be_bytes);
    let magic = word(record::MAGIC_AT);
    if magic != Some(record::MAGIC_V1) && magic != Some(record::MAGIC_V2) {
        return Ok(None);
    }
    let at = record::store_timestamp_at(word(record::SYS_FLAG_AT).unwrap_or(0));
    Ok(head.get(at..at + 8).and_then(|part| part.try_into().ok()).map(i64::from_be_bytes))
}

/// Groups, topics without queues, files. What cannot be parsed is passed over: `verify` says so.
fn look_at_config(directory: &Directory, seen: &mut Inspection) -> Result<(), OpenError> {
    let dir = directory.root().join("config");
    let Ok(entries) = disk::read_dir(&dir) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(OpenError::io("list", &dir))?;
        let meta = entry.metadata().map_err(OpenError::io("look at", entry.path()))?;
        if meta.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            seen.config.push(ConfigSummary { name, bytes: meta.len() });
        }
    }
    seen.config.sort_by(|a, b| a.name.cmp(&b.name));
    let ends: HashMap<(&str, i32), i64> =
        seen.queues.iter().map(|queue| ((queue.topic.as_str(), queue.queue_id), queue.max)).collect();
    let offsets = disk::read(&dir.join("consumerOffset.json")).ok().and_then(|b| ConsumerOffsetTable::decode(&b).ok());
    for (key, queues) in offsets.map(|table| table.offset_table).unwrap_or_default() {
        let Some((topic, group)) = key.split_once(TOPIC_GROUP_SEPARATOR) else { continue };
        for (queue_id, offset) in queues {
            let behind = ends.get(&(topic, queue_id)).map_or(0, |max| (max - offset).max(0));
            let (group, topic) = (group.to_owned(), topic.to_owned());
            seen.groups.push(GroupSummary { group, topic, queue_id, offset, behind });
        }
    }
    seen.groups.sort_by(|a, b| (&a.group, &a.topic, a.queue_id).cmp(&(&b.group, &b.topic, b.queue_id)));
    let known = directory.topics().map(|table| table.topic_config_table).unwrap_or_default();
    let used: std::collections::HashSet<&str> = seen.queues.iter().map(|queue| queue.topic.as_str()).collect();
    seen.empty_topics = known.into_keys().filter(|topic| !used.contains(topic.as_str())).collect();
    Ok(())
}
