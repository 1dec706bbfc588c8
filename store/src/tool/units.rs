//! Consume queues against the log, for a verification: a record and its unit, a unit and its record.
use super::files::LogFiles;
use super::finding::{Finding, Severity};
use super::queue::QueueFiles;
use super::verify::Told;
use crate::batch::Facts;
use crate::error::OpenError;
use crate::queue::extension::{Extension, ExtensionReader};
use crate::types::Unit;
use ferromq_protocol::record::{self, RecordView};
use ferromq_protocol::topic::SCHEDULE;

/// Queues of light topics begin so; their units name records of other topics (INNER_MULTI_DISPATCH).
const LMQ_PREFIX: &str = "%LMQ%";
/// A record larger than this is not read to check a unit.
const RECORD_BYTES_MAX: i32 = 256 << 20;

/// Neighbouring units that are wrong in the same way.
struct Run {
    first: i64,
    next: i64,
    finding: Finding,
}

/// One queue while the log goes by.
pub(super) struct QueueCheck<'a> {
    pub files: QueueFiles,
    /// Where units have left their tags codes, if there is such a place.
    extension: Option<ExtensionReader<'a>>,
    /// Units that a record has claimed.
    pub claimed: i64,
    run: Option<Run>,
}

impl<'a> QueueCheck<'a> {
    /// Nothing was looked at yet.
    pub fn new(files: QueueFiles, extension: Option<&'a Extension>) -> QueueCheck<'a> {
        QueueCheck { files, extension: extension.map(Extension::reader), claimed: 0, run: None }
    }

    /// What is wrong with the unit of the extension that a unit names, if it names one.
    fn wrong_in_extension(&mut self, offset: i64, unit: &Unit, view: &RecordView<'_>, facts: &Facts) -> Option<String> {
        if !unit.is_extended() {
            return None;
        }
        let Some(code) = self.extension.as_mut().and_then(|reader| reader.tags_code(unit.tags_code)) else {
            return Some(format!(
                "the unit of queue offset {offset} names a unit of the queue's extension that cannot be read"
            ));
        };
        let differs = view.topic() != SCHEDULE && code != facts.tags_code;
        differs.then(|| {
            format!(
                "the extension has tags code {code} for queue offset {offset}, the tag of its record gives {}",
                facts.tags_code
            )
        })
    }

    /// Takes a finding about one unit; the line comes when the run ends.
    fn wrong(&mut self, number: i64, severity: Severity, text: String, told: &mut Told<'_>) {
        if let Some(run) = &mut self.run {
            if run.next == number && run.finding.severity == severity {
                run.next += 1;
                return;
            }
        }
        self.end_run(told);
        let (file, offset) = self.files.place(number);
        let finding = Finding { severity, file: file.to_path_buf(), offset, text };
        self.run = Some(Run { first: number, next: number + 1, finding });
    }

    /// Tells of the run at hand.
    pub fn end_run(&mut self, told: &mut Told<'_>) {
        if let Some(Run { first, next, mut finding }) = self.run.take() {
            if next - first > 1 {
                finding.text = format!("{} (and so on up to queue offset {})", finding.text, next - 1);
            }
            told.tell(finding);
        }
    }
}

/// The record at `at` must have its unit.
pub(super) fn unit_of(
    queue: &mut QueueCheck<'_>,
    view: &RecordView<'_>,
    at: i64,
    facts: &Facts,
    young: bool,
    told: &mut Told<'_>,
) -> Result<(), OpenError> {
    let offset = view.queue_offset();
    let moved_on = queue.files.last.is_some_and(|last| last.unit.physical > at);
    let Some(found) = queue.files.unit(offset)? else {
        // The topic was deleted and made anew: the queue holds younger records with smaller offsets.
        if moved_on && offset >= queue.files.end {
            return Ok(());
        }
        let severity = if young { Severity::Note } else { Severity::Damage };
        queue.wrong(offset, severity, format!("queue offset {offset} has no unit, its record is at offset {at}"), told);
        return Ok(());
    };
    let Unit { physical, size, tags_code } = found.unit;
    let wrong = if found.unit.is_blank() {
        format!("the unit of queue offset {offset} is blank, its record is at offset {at}")
    } else if physical > at {
        // As above; that the younger record is there is checked with the unit.
        return Ok(());
    } else if physical < at {
        format!("the unit of queue offset {offset} names offset {physical}, its record is at {at}")
    } else if size as usize != view.len() {
        queue.claimed += 1;
        format!("the unit of queue offset {offset} says {size} bytes, its record at offset {at} has {}", view.len())
    } else if view.topic() != SCHEDULE && tags_code != facts.tags_code && !found.unit.is_extended() {
        queue.claimed += 1;
        format!("the unit of queue offset {offset} has tags code {tags_code}, the tag of its record at offset {at} gives {}", facts.tags_code)
    } else {
        queue.claimed += 1;
        let Some(wrong) = queue.wrong_in_extension(offset, &found.unit, view, facts) else { return Ok(()) };
        queue.wrong(offset, if young { Severity::Note } else { Severity::Damage }, wrong, told);
        return Ok(());
    };
    queue.wrong(offset, Severity::Damage, wrong, told);
    Ok(())
}

/// Lengths and neighbours of the files.
pub(super) fn self_check(files: &QueueFiles, told: &mut Told<'_>) -> Result<(), OpenError> {
    for (path, len) in files.paths().filter(|(_, len)| *len != files.file_bytes) {
        let text = format!("the file has {len} bytes, the first one of the queue gives {}", files.file_bytes);
        told.tell(Finding::damage(path, len.min(files.file_bytes), text));
    }
    for path in files.gaps() {
        told.tell(Finding::damage(path, 0, "the file before this one is missing"));
    }
    Ok(())
}

/// Every unit must name a record that says it stands there.
pub(super) fn units_against_log(
    queue: &mut QueueCheck<'_>,
    log: &LogFiles,
    first: i64,
    end: i64,
    unclean: bool,
    told: &mut Told<'_>,
) -> Result<(), OpenError> {
    for number in first..queue.files.end {
        let Some(any) = queue.files.raw(number)? else { continue };
        if any.unit.is_blank() {
            queue.wrong(
                number,
                Severity::Note,
                format!("queue offset {number} is blank, its record was lost before"),
                told,
            );
            continue;
        }
        let Err(why) = names_record(log, &any.unit, &queue.files, number, end)? else { continue };
        let severity = if unclean && any.unit.physical >= end { Severity::Note } else { Severity::Damage };
        queue.wrong(number, severity, format!("the unit of queue offset {number} names {why}"), told);
    }
    Ok(())
}

/// Whether the record of a unit is there; why not.
fn names_record(
    log: &LogFiles,
    unit: &Unit,
    queue: &QueueFiles,
    offset: i64,
    end: i64,
) -> Result<Result<(), String>, OpenError> {
    let Unit { physical, size, .. } = *unit;
    if !unit.is_valid() {
        return Ok(Err(format!("nothing (offset {physical}, {size} bytes)")));
    }
    if physical >= end {
        return Ok(Err(format!("offset {physical} behind the end of the log at {end}")));
    }
    let bytes = if size <= RECORD_BYTES_MAX { log.read(physical, size as usize)? } else { None };
    let Some(bytes) = bytes else {
        return Ok(Err(format!("{size} bytes at offset {physical}, which the log does not have")));
    };
    let view = match record::parse(&bytes, false) {
        Ok(view) => view,
        Err(error) => return Ok(Err(format!("offset {physical}, where no record begins: {error}"))),
    };
    let is_its = (view.topic(), view.queue_id(), view.queue_offset()) == (&queue.topic, queue.id, offset);
    if is_its || queue.topic.starts_with(LMQ_PREFIX) {
        return Ok(Ok(()));
    }
    Ok(Err(format!(
        "the record at offset {physical}, which is that of topic {}, queue {}, queue offset {}",
        view.topic(),
        view.queue_id(),
        view.queue_offset()
    )))
}

/// Behind the last valid unit nothing may stand.
pub(super) fn behind_the_end(queue: &mut QueueCheck<'_>, told: &mut Told<'_>) -> Result<(), OpenError> {
    if let Some(number) = queue.files.something_behind_end()? {
        let text =
            format!("something stands at queue offset {number}, behind the last valid unit {}", queue.files.end - 1);
        queue.wrong(number, Severity::Damage, text, told);
    }
    Ok(())
}

/// Units of a batch queue: in order, each naming its record; and as many as there are records.
pub(super) fn batch_against_log(
    files: QueueFiles,
    log: &LogFiles,
    end: i64,
    records: i64,
    unclean: bool,
    told: &mut Told<'_>,
) -> Result<(), OpenError> {
    let mut queue = QueueCheck::new(files, None);
    let first = queue.files.first_from(log.min())?;
    let mut next = None;
    for number in first..queue.files.end {
        let Some(any) = queue.files.raw(number)? else { continue };
        if next.is_some_and(|next| next != any.offset) {
            let text =
                format!("unit {number} begins at queue offset {}, expected is {}", any.offset, next.unwrap_or(0));
            queue.wrong(number, Severity::Damage, text, told);
        }
        next = Some(any.offset + any.count);
        if let Err(why) = names_record(log, &any.unit, &queue.files, any.offset, end)? {
            let severity = if unclean && any.unit.physical >= end { Severity::Note } else { Severity::Damage };
            queue.wrong(number, severity, format!("unit {number} names {why}"), told);
        } else {
            queue.claimed += 1;
        }
    }
    queue.end_run(told);
    told.seen.units += (queue.files.end - first) as u64;
    if queue.claimed < records {
        let (file, offset) = queue.files.place(queue.files.end);
        let text = format!("{} of {records} records in the log have no unit", records - queue.claimed);
        told.tell(Finding::damage(file, offset, text).note_if(unclean));
    }
    Ok(())
}
