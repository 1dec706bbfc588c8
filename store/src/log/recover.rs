//! Taking over the segments of the log at start: which are there, and where the valid records end (store.md 5).
//!
//! The walk gives every record that consume queues may lack to a visitor. Whatever is cut off behind the last valid record
//! is named in an error line when it holds anything, and made zero, so that no later recovery can mistake it for data.
//!
//! Better than Apache's store in two ways. A record whose body does not fit its CRC, but which is known to have been flushed, was
//! not torn: something changed it later. It is named and kept, instead of costing all records behind it. And what was read
//! back after a kill is forced to the disk before anything counts as flushed: until then only the page cache has it.
use super::paths::LogPaths;
use super::segment::{Found, Segment};
use crate::disk::{self, File};
use crate::error::OpenError;
use crate::platform::{Map, MapWriter};
use ferromq_protocol::record::{self, RecordError, RecordView};
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes behind the end of the log that are looked at after a clean stop.
const LOOK_BYTES: usize = 64 * 1024;

/// How the log is taken over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecoverOptions {
    pub segment_size: usize,
    /// Compare body CRCs.
    pub check_crc: bool,
    /// The last stop was not a clean one.
    pub abnormal: bool,
    /// Records up to this store time are known to be in consume queues and index.
    pub checkpoint_ms: i64,
    /// Records stored before this time are known to have been flushed.
    pub flushed_ms: i64,
    /// Where the last record began at the last stop, if that was a clean one and nobody else was here since: the walk begins there.
    pub last_record: Option<i64>,
    /// Where the log ended at that stop: then there are zeros behind it, as there were when we began to write there.
    pub stopped_at: Option<i64>,
    /// How much of the log is walked at first.
    pub first_pass: Pass,
}

/// Which part of the log is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// From the newest segment from which everything that may be missing is seen, if nothing unusual happened.
    Newest,
    /// From the oldest segment on.
    Whole,
}

/// Topic, queue and queue offset of a record.
pub(crate) type Owner = (String, i32, i64);

/// Is told of the walk.
pub(crate) trait Visitor {
    /// Before the walk: the log begins at `oldest`, and consume queues are complete for records before `vouched`, if the stop was not
    /// a clean one. `owner` tells whose record lies at an offset. Returns the largest physical end over all consume queues.
    fn begin(&mut self, oldest: i64, vouched: i64, owner: &dyn Fn(i64) -> Option<Owner>) -> Result<i64, OpenError>;

    /// The record at `physical`. False: queues lack records before it, the walk is to begin at the oldest segment.
    fn record(&mut self, view: &RecordView<'_>, physical: i64, pass: Pass) -> Result<bool, OpenError>;

    /// The records end. False: queues lack some of them, the walk is to begin at the oldest segment.
    fn end(&mut self, end: i64) -> bool;
}

/// The log as it was found.
pub(crate) struct Recovered {
    pub segments: VecDeque<Arc<Segment>>,
    pub tail: (Arc<Segment>, MapWriter, usize),
    pub last_timestamp: i64,
    /// Where the last record begins, if one was seen.
    pub last_record: Option<i64>,
}

/// Lists the segments of the log and checks sizes and neighbours. An empty last file is removed.
pub(crate) fn load(paths: &LogPaths, segment_size: usize) -> Result<Vec<Found>, OpenError> {
    let mut found = paths.list()?;
    if let Some(last) = found.last().filter(|file| file.len == 0) {
        crate::disk::remove_file(&last.path).map_err(OpenError::io("remove", &last.path))?;
        found.pop();
    }
    for file in &found {
        if file.len != segment_size as u64 {
            return Err(OpenError::SegmentSize {
                path: file.path.clone(),
                actual: file.len,
                expected: segment_size as u64,
                option: "mappedFileSizeCommitLog",
            });
        }
    }
    for pair in found.windows(2) {
        let expected = pair[0].base + segment_size as u64;
        if pair[1].base != expected {
            let (before, after) = (pair[0].path.clone(), pair[1].path.clone());
            return Err(OpenError::MissingSegment { before, after, expected: expected as i64 });
        }
    }
    Ok(found)
}

/// Finds the end of the records, gives those that may be missing elsewhere to the visitor, and cuts off the rest.
pub(crate) fn recover(
    paths: &LogPaths,
    found: Vec<Found>,
    options: RecoverOptions,
    visitor: &mut dyn Visitor,
) -> Result<Recovered, OpenError> {
    let size = options.segment_size;
    let complete = |file: Found| Segment::complete(file.path, file.base as i64, size, &paths.files);
    let opened: Vec<Arc<Segment>> = found.into_iter().map(complete).collect();
    let end = opened.first().map_or(0, |segment| segment.base);
    let (pass, queues_end) = (options.first_pass, 0);
    let mut walk = Walk { options, pass, queues_end, end, last_timestamp: 0, last_record: None, why: None, visitor };
    // After an unclean stop the walk begins where the checkpoint says, and else where the consume queues end.
    let vouched = opened.get(walk.start(&opened)).map_or(0, |segment| segment.base);
    let oldest = opened.first().map_or(0, |segment| segment.base);
    walk.queues_end = walk.visitor.begin(oldest, vouched, &|physical| owner_at(&opened, physical))?;
    let mut start = walk.start(&opened);
    let first = if walk.pass == Pass::Newest { start } else { 0 };
    if !(walk.run(&opened[first..])? && (walk.pass == Pass::Whole || walk.visitor.end(walk.end))) {
        tracing::warn!("a consume queue lacks records; the whole log is read to complete it");
        walk.pass = Pass::Whole;
        walk.options.last_record = None;
        walk.run(&opened)?;
    }
    if options.abnormal && walk.pass == Pass::Newest && options.checkpoint_ms > walk.last_timestamp {
        tracing::error!(checkpoint_ms = options.checkpoint_ms, newest_ms = walk.last_timestamp, "the checkpoint vouches for records that the log does not have; consume queues are compared with the whole log");
        walk.complete(&opened[..first])?;
        start = 0;
    }
    let (end, last_timestamp, last_record, why) = (walk.end, walk.last_timestamp, walk.last_record, walk.why.take());
    // After a clean stop only a little is looked at: a segment may be a gigabyte of zeros.
    let behind = if options.stopped_at == Some(end) { LOOK_BYTES } else { size };
    let behind = report_cut(&opened, end, behind, why)?;
    if options.abnormal {
        for segment in opened[start..].iter().filter(|segment| segment.base < end) {
            let to = (end - segment.base).min(size as i64) as usize;
            let synced = segment.mapped().and_then(|map| map.sync(0, to));
            synced.map_err(OpenError::io("force to the disk", &segment.path))?;
        }
    }
    let (segments, tail) = cut(paths, opened, end, behind)?;
    paths.sync()?;
    Ok(Recovered { segments, tail, last_timestamp, last_record })
}

/// Whose record lies at an offset of the log.
fn owner_at(segments: &[Arc<Segment>], physical: i64) -> Option<Owner> {
    let segment = segments.iter().find(|segment| segment.base <= physical && physical < segment.end())?;
    let map = segment.mapped().ok()?;
    let view = record::parse(map.get((physical - segment.base) as usize, segment.size())?, false).ok()?;
    Some((view.topic().to_owned(), view.queue_id(), view.queue_offset()))
}

/// Segments before the end stay as they are; the one at the end is cut, as far as something else than zeros may follow (`behind` bytes);
/// later ones go.
fn cut(
    paths: &LogPaths,
    opened: Vec<Arc<Segment>>,
    end: i64,
    behind: usize,
) -> Result<(VecDeque<Arc<Segment>>, Tail), OpenError> {
    let size = paths.segment_bytes();
    let mut segments: VecDeque<Arc<Segment>> = VecDeque::new();
    let (mut tail, mut later) = (None, Vec::new());
    for segment in opened {
        if segment.end() <= end {
            segments.push_back(segment);
            continue;
        }
        let (path, base) = (segment.path.clone(), segment.base);
        drop(segment);
        if base > end || tail.is_some() {
            later.push(path);
            continue;
        }
        tail = Some(reopen(paths, path, base, end, behind)?);
    }
    // The newest first: a power cut must not leave a gap.
    for path in later.iter().rev() {
        disk::remove_file(path).map_err(OpenError::io("remove", path))?;
    }
    let tail = match tail {
        Some(tail) => tail,
        None => create(paths, end, size)?,
    };
    segments.push_back(tail.0.clone());
    Ok((segments, tail))
}

type Tail = (Arc<Segment>, MapWriter, usize);

/// Opens the segment in which the records end, with nothing but zeros behind them; `behind` bytes of it may be something else.
fn reopen(paths: &LogPaths, path: PathBuf, base: i64, end: i64, behind: usize) -> Result<Tail, OpenError> {
    let (position, size) = ((end - base) as usize, paths.segment_bytes());
    let until = size.min(position.saturating_add(behind));
    let cleared = File::open(&path).and_then(|file| file.clear(position as u64, until as u64));
    cleared.map_err(OpenError::io("cut", &path))?;
    let opened = Segment::open_to_write(path.clone(), base, size, position, &paths.files);
    let (segment, writer) = opened.map_err(OpenError::io("reserve the space of", &path))?;
    Ok((segment, writer, position))
}

fn create(paths: &LogPaths, base: i64, size: usize) -> Result<Tail, OpenError> {
    let dir = paths.for_segment(base);
    let created = Segment::create(dir, base, size, &paths.files);
    let (segment, writer) = created.map_err(OpenError::io("create a log segment in", dir))?;
    Ok((segment, writer, 0))
}

/// Nothing goes without a line that names where it was. Returns how much may be something else than zeros in the segment in
/// which the log ends.
fn report_cut(segments: &[Arc<Segment>], end: i64, behind: usize, why: Option<String>) -> Result<usize, OpenError> {
    let mut zeros = true;
    for segment in segments.iter().filter(|segment| segment.end() > end) {
        let from = (end - segment.base).max(0) as usize;
        let until = segment.size().min(from.saturating_add(behind));
        let found = segment.first_nonzero(from, until).map_err(OpenError::io("read", &segment.path))?;
        let Some(found) = found.map(|at| segment.base + at as i64) else { continue };
        let file = segment.path.display();
        if segment.base > end {
            tracing::error!(%file, offset = found, log_end = end, "a segment behind the end of the log is not empty; it is dropped");
        } else {
            zeros = false;
            let why = why.as_deref().unwrap_or("no record begins here");
            tracing::error!(%file, offset = end, data_at = found, "the log is cut here, what follows is dropped: {why}");
        }
    }
    Ok(if zeros { 0 } else { behind })
}

/// Bytes that a disk writes as a whole, or not at all.
const SECTOR: usize = 512;

/// The body has a CRC, topic and properties behind it have none. Where a record was written only in part, sectors of theirs
/// are zero, which no topic and no properties are. `at`: where the record lies in its segment.
fn is_torn(view: &RecordView<'_>, at: usize) -> bool {
    let (bytes, topic, properties) = (view.as_bytes(), view.topic().len(), view.properties().len());
    let properties = bytes.len() - properties..bytes.len();
    let topic = (properties.start - 2).saturating_sub(topic)..properties.start - 2;
    // What a killed process was copying ends anywhere, what a power cut leaves ends with a sector.
    view.topic().ends_with('\0')
        || view.properties().ends_with('\0')
        || topic.is_empty()
        || has_zero_sector(bytes, at, topic)
        || has_zero_sector(bytes, at, properties)
}

/// Whether the part of some sector that lies in `range` of the record is zero.
fn has_zero_sector(bytes: &[u8], at: usize, range: Range<usize>) -> bool {
    let mut from = range.start;
    while from < range.end {
        let to = (((at + from) / SECTOR + 1) * SECTOR - at).min(range.end);
        if bytes[from..to].iter().all(|byte| *byte == 0) {
            return true;
        }
        from = to;
    }
    false
}

struct Walk<'a> {
    options: RecoverOptions,
    pass: Pass,
    /// Largest physical end over all consume queues.
    queues_end: i64,
    /// End of the last valid record, or the start of the segment entered after a blank one.
    end: i64,
    last_timestamp: i64,
    last_record: Option<i64>,
    /// Why the walk ended, if not at zeros.
    why: Option<String>,
    visitor: &'a mut dyn Visitor,
}

/// How the walk of a segment ended.
enum Ended {
    /// The next one follows.
    Full,
    /// Here is the end of the log.
    Here,
    /// The visitor wants the whole log.
    Again,
}

impl Walk<'_> {
    /// The newest segment from which everything that may be missing is seen.
    fn start(&self, segments: &[Arc<Segment>]) -> usize {
        let size = self.options.segment_size;
        let candidate = |segment: &Arc<Segment>| {
            let map = segment.mapped().ok()?;
            let view = record::parse(map.get(0, size)?, self.options.check_crc).ok()?;
            let time = view.store_timestamp();
            let known = if self.options.abnormal {
                time <= self.options.checkpoint_ms
            } else {
                segment.base <= self.queues_end
            };
            (time != 0 && known).then_some(())
        };
        segments.iter().rposition(|segment| candidate(segment).is_some()).unwrap_or(0)
    }

    /// Walks the segments; false when the visitor wants to see all of them.
    fn run(&mut self, segments: &[Arc<Segment>]) -> Result<bool, OpenError> {
        for segment in segments {
            self.end = segment.base;
            match self.segment(segment)? {
                Ended::Full => {}
                Ended::Here => break,
                Ended::Again => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Gives the records of segments before those that were walked to the visitor as well. Damage among them ends its segment, not the log.
    fn complete(&mut self, segments: &[Arc<Segment>]) -> Result<(), OpenError> {
        let (end, last_record, why) = (self.end, self.last_record, self.why.take());
        self.pass = Pass::Whole;
        for segment in segments {
            if let Ended::Here = self.segment(segment)? {
                let (file, why) = (segment.path.display(), self.why.take().unwrap_or_default());
                tracing::error!(%file, offset = self.end, "records behind this one are not compared with their consume queues: {why}");
            }
        }
        (self.end, self.last_record, self.why) = (end, last_record, why);
        Ok(())
    }

    /// Where to begin in a segment: at the last record of a clean stop, should it still be there.
    fn begin_in(&self, segment: &Segment, map: &Map) -> usize {
        let last = self.options.last_record.filter(|last| segment.base <= *last && *last < segment.end());
        let at = last.map_or(0, |last| (last - segment.base) as usize);
        let whole = map.get(at, self.options.segment_size).is_some_and(|bytes| record::parse(bytes, true).is_ok());
        if whole {
            at
        } else {
            0
        }
    }

    fn segment(&mut self, segment: &Arc<Segment>) -> Result<Ended, OpenError> {
        let map = segment.mapped().map_err(OpenError::io("map", &segment.path))?;
        let ended = self.records(segment, &map);
        // Before anything is cut: a page that the disk does not give back looks like the end of the log.
        map.check().map_err(OpenError::io("read", &segment.path))?;
        ended
    }

    /// Walks the records of one segment.
    fn records(&mut self, segment: &Segment, map: &Map) -> Result<Ended, OpenError> {
        let size = self.options.segment_size;
        let mut at = self.begin_in(segment, map);
        while let Some(bytes) = map.get(at, size).filter(|bytes| !bytes.is_empty()) {
            let parsed = match record::parse(bytes, self.options.check_crc) {
                Err(RecordError::BodyCrc { .. }) => self.keep_flushed(segment, bytes, at),
                parsed => parsed,
            };
            match parsed {
                Ok(view) if is_torn(&view, at) => {
                    let why = "topic or properties are zero in part, the record was not written to its end";
                    self.why = Some(why.to_owned());
                    return Ok(Ended::Here);
                }
                Ok(view) => {
                    let physical = segment.base + at as i64;
                    if !self.visitor.record(&view, physical, self.pass)? {
                        return Ok(Ended::Again);
                    }
                    self.last_timestamp = self.last_timestamp.max(view.store_timestamp());
                    self.last_record = Some(physical);
                    at += view.len();
                    self.end = segment.base + at as i64;
                }
                Err(RecordError::Blank { .. }) => {
                    self.end = segment.end();
                    return Ok(Ended::Full);
                }
                Err(error) => {
                    self.why = Some(error.to_string());
                    return Ok(Ended::Here);
                }
            }
        }
        Ok(Ended::Full)
    }

    /// A record whose body does not fit its CRC: it stays when it is known to have been flushed, for then it was changed
    /// later and says nothing about what lies behind it.
    fn keep_flushed<'b>(&self, segment: &Segment, bytes: &'b [u8], at: usize) -> Result<RecordView<'b>, RecordError> {
        let checked = record::parse(bytes, true);
        let view = record::parse(bytes, false)?;
        let offset = segment.base + at as i64;
        if view.store_timestamp() >= self.options.flushed_ms || view.physical_offset() != offset {
            return checked;
        }
        let file = segment.path.display();
        tracing::error!(%file, offset, topic = view.topic(), queue = view.queue_id(), queue_offset = view.queue_offset(), "the body of this record was damaged after it was flushed; it stays in its place, its CRC does not fit");
        Ok(view)
    }
}
