//! The records of a part of the log, in order.
use super::finding::Finding;
use super::walk::{Step, Walk};
use super::Directory;
use crate::error::OpenError;
use ferromq_protocol::record::RecordView;
use std::ops::ControlFlow;

/// Which records. Every condition must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpRange {
    /// Records that begin at or behind this log offset.
    pub from_offset: Option<i64>,
    /// Records that begin before this log offset.
    pub to_offset: Option<i64>,
    /// Records stored at or after this time, milliseconds.
    pub from_time: Option<i64>,
    /// Records stored before this time, milliseconds.
    pub to_time: Option<i64>,
    /// Records of this topic.
    pub topic: Option<String>,
}

/// Gives every record of the range to `each`, which may end the dump, and what is damaged on the way to `damage`.
pub fn dump(
    directory: &Directory,
    range: &DumpRange,
    mut each: impl FnMut(&RecordView<'_>) -> ControlFlow<()>,
    mut damage: impl FnMut(Finding),
) -> Result<(), OpenError> {
    let mut from = directory.log.min();
    for file in &directory.log.files {
        let before = range.from_offset.is_some_and(|wanted| file.base <= wanted);
        let older = match range.from_time {
            Some(wanted) => super::inspect::time_at(directory, file.base)?.is_some_and(|time| time < wanted),
            None => false,
        };
        if before || older {
            from = from.max(file.base);
        }
    }
    Walk::new(&directory.log).run(from, |step| {
        Ok(match step {
            Step::Record(view, at) => {
                let time = view.store_timestamp();
                if range.to_offset.is_some_and(|to| at >= to) {
                    return Ok(ControlFlow::Break(()));
                }
                let wanted = range.from_offset.is_none_or(|from| at >= from)
                    && range.from_time.is_none_or(|from| time >= from)
                    && range.to_time.is_none_or(|to| time < to)
                    && range.topic.as_deref().is_none_or(|topic| topic == view.topic());
                if wanted {
                    each(&view)
                } else {
                    ControlFlow::Continue(())
                }
            }
            Step::Damage(finding) | Step::TornEnd(finding) => {
                damage(finding);
                ControlFlow::Continue(())
            }
        })
    })?;
    Ok(())
}
