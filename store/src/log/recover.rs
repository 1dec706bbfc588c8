//! Taking over the segments of the log at start: which are there, and where the valid records end (store.md 5).
//!
//! The walk gives every record that consume queues may lack to a visitor. Whatever is cut off behind the last valid record
//! is named in an error line when it holds records, and made zero, so that no later recovery can mistake it for data.
use super::segment::{list, Found, Segment};
use crate::error::OpenError;
use crate::platform::MapWriter;
use crate::queue::files::clear_from;
use ferromq_protocol::record::{self, RecordError, RecordView};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the log is taken over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecoverOptions {
    pub segment_size: usize,
    /// Compare body CRCs.
    pub check_crc: bool,
    /// The last stop was not a clean one.
    pub abnormal: bool,
    /// Largest physical end over all consume queues.
    pub queues_end: i64,
    /// Records up to this store time are known to be in consume queues and index.
    pub checkpoint_ms: i64,
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

/// The log as it was found.
pub(crate) struct Recovered {
    pub segments: VecDeque<Arc<Segment>>,
    pub tail: (Arc<Segment>, MapWriter, usize),
    pub last_timestamp: i64,
}

/// Lists the segments of the log and checks sizes and neighbours. An empty last file is removed.
pub(crate) fn load(dir: &Path, segment_size: usize) -> Result<Vec<Found>, OpenError> {
    crate::disk::create_dir_all(dir).map_err(OpenError::io("create", dir))?;
    let mut found = list(dir).map_err(OpenError::io("list", dir))?;
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

/// Finds the end of the records, gives those that may be missing elsewhere to `visit`, and cuts off the rest. When `visit`
/// answers false, it is given the whole log instead.
pub(crate) fn recover(
    dir: &Path,
    found: Vec<Found>,
    options: RecoverOptions,
    visit: impl FnMut(&RecordView<'_>, i64, Pass) -> Result<bool, OpenError>,
) -> Result<Recovered, OpenError> {
    let size = options.segment_size;
    let mut opened = Vec::with_capacity(found.len());
    for file in &found {
        let (segment, _) =
            Segment::open(file.path.clone(), file.base as i64, size, size).map_err(OpenError::io("map", &file.path))?;
        opened.push(segment);
    }
    let end = opened.first().map_or(0, |segment| segment.base);
    let mut walk = Walk { options, pass: options.first_pass, end, last_timestamp: 0, why: None, visit };
    let start = if walk.pass == Pass::Newest { walk.start(&opened) } else { 0 };
    if !walk.run(&opened[start..])? {
        tracing::warn!(log = %dir.display(), "a consume queue lacks records; the whole log is read to complete it");
        walk.pass = Pass::Whole;
        walk.run(&opened)?;
    }
    let (end, last_timestamp, why) = (walk.end, walk.last_timestamp, walk.why.take());
    report_cut(&opened, end, size, why);
    // Segments before the end stay open as they are; the one at the end is cut, those behind it go.
    let mut segments: VecDeque<Arc<Segment>> = VecDeque::new();
    let mut tail = None;
    for segment in opened {
        if segment.end() <= end {
            segments.push_back(segment);
            continue;
        }
        let (path, base) = (segment.path.clone(), segment.base);
        drop(segment);
        if base > end || tail.is_some() {
            crate::disk::remove_file(&path).map_err(OpenError::io("remove", &path))?;
            continue;
        }
        tail = Some(reopen(path, base, size, end)?);
    }
    let tail = match tail {
        Some(tail) => tail,
        None => create(dir, end, size)?,
    };
    segments.push_back(tail.0.clone());
    crate::disk::sync_dir(dir).map_err(OpenError::io("sync", dir))?;
    Ok(Recovered { segments, tail, last_timestamp })
}

type Tail = (Arc<Segment>, MapWriter, usize);

/// Opens the segment in which the records end, with nothing but zeros behind them. After a clean stop there are zeros.
fn reopen(path: PathBuf, base: i64, size: usize, end: i64) -> Result<Tail, OpenError> {
    let position = (end - base) as usize;
    clear_from(&path, position as u64, size as u64).map_err(OpenError::io("cut", &path))?;
    let (segment, writer) = Segment::open(path.clone(), base, size, position).map_err(OpenError::io("map", &path))?;
    segment.reserve_all().map_err(OpenError::io("reserve the space of", &path))?;
    Ok((segment, writer, position))
}

fn create(dir: &Path, base: i64, size: usize) -> Result<Tail, OpenError> {
    let (segment, writer) = Segment::create(dir, base, size).map_err(OpenError::io("create a log segment in", dir))?;
    Ok((segment, writer, 0))
}

/// Nothing that looks like a record goes without a line that names where it was.
fn report_cut(segments: &[Arc<Segment>], end: i64, size: usize, why: Option<String>) {
    let Some(segment) = segments.iter().find(|s| s.base <= end && end < s.end()) else { return };
    let at = (end - segment.base) as usize;
    let started = segment.bytes(at, (at + 8).min(size)).is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0));
    if started {
        let why = why.unwrap_or_else(|| "not a record".to_owned());
        tracing::error!(file = %segment.path.display(), offset = end, "the log is cut here: {why}");
    }
    for later in segments.iter().filter(|s| s.base > end) {
        if later.bytes(0, size).is_some_and(|bytes| record::parse(bytes, false).is_ok()) {
            tracing::error!(file = %later.path.display(), offset = later.base, "a segment behind the cut holds records; they are dropped");
        }
    }
}

/// The body has a CRC, topic and properties behind it have none. A record that was written only in part has zeros there, which
/// no topic contains and no properties end with.
fn is_torn(view: &RecordView<'_>) -> bool {
    view.topic().is_empty() || view.topic().ends_with('\0') || view.properties().ends_with('\0')
}

struct Walk<V> {
    options: RecoverOptions,
    pass: Pass,
    /// End of the last valid record, or the start of the segment entered after a blank one.
    end: i64,
    last_timestamp: i64,
    /// Why the walk ended, if not at zeros.
    why: Option<String>,
    visit: V,
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

impl<V: FnMut(&RecordView<'_>, i64, Pass) -> Result<bool, OpenError>> Walk<V> {
    /// The newest segment from which everything that may be missing is seen.
    fn start(&self, segments: &[Arc<Segment>]) -> usize {
        let size = self.options.segment_size;
        let candidate = |segment: &Arc<Segment>| {
            let view = record::parse(segment.bytes(0, size)?, self.options.check_crc).ok()?;
            let time = view.store_timestamp();
            let known = if self.options.abnormal {
                time <= self.options.checkpoint_ms
            } else {
                segment.base <= self.options.queues_end
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

    fn segment(&mut self, segment: &Segment) -> Result<Ended, OpenError> {
        let size = self.options.segment_size;
        let mut at = 0;
        while let Some(bytes) = segment.bytes(at, size).filter(|bytes| !bytes.is_empty()) {
            match record::parse(bytes, self.options.check_crc) {
                Ok(view) if is_torn(&view) => {
                    self.why =
                        Some("topic or properties end in zeros, the record was not written to its end".to_owned());
                    return Ok(Ended::Here);
                }
                Ok(view) => {
                    if !(self.visit)(&view, segment.base + at as i64, self.pass)? {
                        return Ok(Ended::Again);
                    }
                    self.last_timestamp = self.last_timestamp.max(view.store_timestamp());
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
}
