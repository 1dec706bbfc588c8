//! Is everything that was written there and right: CRCs and lengths of the log, consume queues and their extensions against the log in both
//! directions, index against the log in both directions.
//!
//! One pass over the log, in its order: each record asks for its unit, with what that has left in the extension of its queue, and takes
//! its entries off the index. Where the numbers do not agree afterwards, the units of that queue are looked at one by one. A run of
//! neighbouring units that are wrong in the same way is one line.
use super::files::LogFiles;
use super::finding::{Finding, Severity};
use super::index;
use super::keys::IndexCheck;
use super::queue::{QueueFiles, UnitKind};
use super::units::{batch_against_log, behind_the_end, self_check, unit_of, units_against_log, QueueCheck};
use super::walk::{Step, Walk};
use super::{Directory, Extensions};
use crate::batch::Facts;
use crate::checkpoint::Checkpoint;
use crate::error::OpenError;
use ferromq_protocol::body::TopicConfigTable;
use ferromq_protocol::record::RecordView;
use ferromq_protocol::topic;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What was looked at, and how it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verification {
    /// Records of the log.
    pub records: u64,
    /// End of the log.
    pub end_offset: i64,
    /// Consume queues.
    pub queues: u64,
    /// Units whose record is in the log.
    pub units: u64,
    /// Index entries.
    pub index_entries: u64,
    /// Lines that told of damage.
    pub damages: u64,
    /// Lines that told of something harmless.
    pub notes: u64,
}

/// Checks everything; `report` gets a line for each thing that is not as it should be. An error means that a file could not
/// be read: then nothing is proven.
pub fn verify(directory: &Directory, report: &mut dyn FnMut(&Finding)) -> Result<Verification, OpenError> {
    let mut told = Told { report, seen: Verification::default() };
    directory.log.findings.iter().for_each(|finding| told.tell(finding.clone()));
    let index = index::load(directory.root(), directory.options.index_shape, directory.is_unclean())?;
    let extensions = directory.extensions()?;
    let mut checks = Checks {
        log: &directory.log,
        unclean: directory.is_unclean(),
        checkpoint_ms: Checkpoint::peek(&directory.root().join("checkpoint")).map_or(0, |times| times[0].min(times[1])),
        topics: directory.topics(),
        queues: Queues::load(directory, &extensions)?,
        missing: HashMap::new(),
        index: IndexCheck::new(&index),
        dir: directory.root().to_path_buf(),
    };
    let end = Walk::new(&directory.log).run(directory.log.min(), |step| {
        match step {
            Step::Record(view, at) => checks.record(&view, at, &mut told)?,
            Step::Damage(finding) => told.tell(finding),
            // A kill may stop a record half-way; it was not acknowledged then, or flushing is asynchronous.
            Step::TornEnd(finding) => told.tell(finding.note_if(directory.is_unclean())),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    told.seen.end_offset = end;
    checks.finish(end, &mut told)?;
    Ok(told.seen)
}

/// The reporter and the numbers.
pub(super) struct Told<'a> {
    report: &'a mut dyn FnMut(&Finding),
    pub seen: Verification,
}

impl Told<'_> {
    /// Counts and reports.
    pub fn tell(&mut self, finding: Finding) {
        match finding.severity {
            Severity::Damage => self.seen.damages += 1,
            Severity::Note => self.seen.notes += 1,
        }
        (self.report)(&finding);
    }
}

/// The queues by topic and number.
#[derive(Default)]
struct Queues<'a> {
    simple: HashMap<String, HashMap<i32, QueueCheck<'a>>>,
    batch: Vec<QueueFiles>,
    /// Records of each batch queue in the log.
    batch_records: HashMap<(String, i32), i64>,
}

impl<'a> Queues<'a> {
    fn load(directory: &Directory, extensions: &'a Extensions) -> Result<Queues<'a>, OpenError> {
        let mut queues = Queues::default();
        for files in directory.queues()? {
            match files.kind {
                UnitKind::Simple => {
                    let extension = extensions.get(&files.topic).and_then(|of_topic| of_topic.get(&files.id));
                    let check = QueueCheck::new(files, extension);
                    let (topic, id) = (check.files.topic.clone(), check.files.id);
                    queues.simple.entry(topic).or_default().insert(id, check);
                }
                UnitKind::Batch => queues.batch.push(files),
            }
        }
        Ok(queues)
    }
}

struct Checks<'a> {
    log: &'a LogFiles,
    unclean: bool,
    /// Records stored later may lack their units after an unclean stop.
    checkpoint_ms: i64,
    topics: Option<TopicConfigTable>,
    queues: Queues<'a>,
    /// Queues that are not there: records, offset of the first, all of them younger than the checkpoint.
    missing: HashMap<(String, i32), (u64, i64, bool)>,
    index: IndexCheck<'a>,
    dir: PathBuf,
}

impl Checks<'_> {
    fn record(&mut self, view: &RecordView<'_>, at: i64, told: &mut Told<'_>) -> Result<(), OpenError> {
        told.seen.records += 1;
        let young = self.unclean && view.store_timestamp() >= self.checkpoint_ms;
        self.index.record(view, at, told)?;
        let facts = Facts::of(view.topic(), view.sys_flag(), view.properties());
        if !facts.enters_queue {
            return Ok(());
        }
        if self.is_batch(view.topic()) {
            *self.queues.batch_records.entry((view.topic().to_owned(), view.queue_id())).or_default() += 1;
            return Ok(());
        }
        let queue = self.queues.simple.get_mut(view.topic()).and_then(|queues| queues.get_mut(&view.queue_id()));
        let Some(queue) = queue else {
            let key = (view.topic().to_owned(), view.queue_id());
            let missing = self.missing.entry(key).or_insert((0, at, true));
            *missing = (missing.0 + 1, missing.1, missing.2 && young);
            return Ok(());
        };
        unit_of(queue, view, at, &facts, young, told)
    }

    fn is_batch(&self, topic: &str) -> bool {
        let config = self.topics.as_ref().and_then(|table| table.topic_config_table.get(topic));
        config.is_some_and(|config| crate::queue::batch::is_batch(&config.attributes))
    }

    fn finish(mut self, end: i64, told: &mut Told<'_>) -> Result<(), OpenError> {
        let mut missing: Vec<_> = std::mem::take(&mut self.missing).into_iter().collect();
        missing.sort();
        for ((topic, id), (count, first, young)) in missing {
            let all_gone = self.queues.simple.is_empty();
            let deleted = !all_gone
                && !topic::is_system(&topic)
                && self.topics.as_ref().is_some_and(|table| !table.topic_config_table.contains_key(&topic))
                && !self.queues.simple.contains_key(&topic);
            let text = match deleted {
                true => format!(
                    "the topic was deleted; {count} of its records are still in the log, from offset {first} on"
                ),
                false => format!(
                    "the consume queue is missing; {count} records of it are in the log, from offset {first} on"
                ),
            };
            let dir = self.dir.join(UnitKind::Simple.folder()).join(topic).join(id.to_string());
            told.tell(Finding::damage(dir, 0, text).note_if(deleted || young));
        }
        let mut simple: Vec<_> = self.queues.simple.into_values().flat_map(HashMap::into_values).collect();
        simple.sort_by(|a, b| (&a.files.topic, a.files.id).cmp(&(&b.files.topic, b.files.id)));
        for mut queue in simple {
            told.seen.queues += 1;
            queue.end_run(told);
            self_check(&queue.files, told)?;
            let first = queue.files.first_from(self.log.min())?;
            told.seen.units += (queue.files.end - first) as u64;
            if queue.claimed != queue.files.end - first {
                units_against_log(&mut queue, self.log, first, end, self.unclean, told)?;
            }
            behind_the_end(&mut queue, told)?;
            queue.end_run(told);
        }
        for files in self.queues.batch {
            told.seen.queues += 1;
            self_check(&files, told)?;
            let records = self.queues.batch_records.get(&(files.topic.clone(), files.id)).copied().unwrap_or(0);
            batch_against_log(files, self.log, end, records, self.unclean, told)?;
        }
        self.index.finish(self.unclean, told)
    }
}
