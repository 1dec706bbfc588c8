//! What `ferromq store` says, for people: aligned tables, sizes with units, times in UTC.
use crate::when;
use ferromq_store::tool::{Inspection, Repaired, UnitKind, Verification};
use std::fmt::Write;

/// Rows of equal columns; numbers to the right.
struct Table {
    rows: Vec<Vec<String>>,
    numbers: &'static [bool],
}

impl Table {
    fn new(head: &[&str], numbers: &'static [bool]) -> Table {
        Table { rows: vec![head.iter().map(|&word| word.to_owned()).collect()], numbers }
    }

    /// Adds the table to `out`, after an empty line; nothing without rows.
    fn write(&self, out: &mut String) {
        if self.rows.len() < 2 {
            return;
        }
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.numbers.len()).map(width).collect();
        out.push('\n');
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), number) in row.iter().zip(&widths).zip(self.numbers) {
                let _ = if *number { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

fn time(ms: Option<i64>) -> String {
    ms.map_or_else(|| "-".to_owned(), when::show)
}

/// A stored time; 0 means that there is none.
fn known(ms: i64) -> Option<i64> {
    Some(ms).filter(|ms| *ms > 0)
}

/// The whole inspection.
pub fn inspection(seen: &Inspection) -> String {
    let mut out = String::new();
    let state = if seen.unclean { "not stopped cleanly, the next start recovers" } else { "stopped cleanly" };
    let _ = writeln!(out, "{}: {state}", seen.root.display());
    let disk: u64 = seen.segments.iter().map(|segment| segment.disk_bytes).sum();
    let (min, end) = (seen.min_offset, seen.end_offset);
    let (count, size) = (seen.segments.len(), bytes(seen.segment_size));
    let _ = writeln!(out, "log: offsets {min} to {end}, {count} segments of {size}, {} on disk", bytes(disk));
    let _ = writeln!(out, "records stored from {} to {}", time(seen.first_time), time(seen.last_time));
    if let Some((log, queues, index)) = seen.checkpoint {
        let at = |ms| time(known(ms));
        let _ = writeln!(out, "checkpoint: log {}, consume queues {}, index {}", at(log), at(queues), at(index));
    }
    let mut segments = Table::new(&["SEGMENT", "BYTES", "ON DISK", "FIRST RECORD"], &[false, true, true, false]);
    for s in &seen.segments {
        segments.rows.push(vec![s.path.display().to_string(), bytes(s.bytes), bytes(s.disk_bytes), time(s.first_time)]);
    }
    segments.write(&mut out);
    queues(seen).write(&mut out);
    if !seen.empty_topics.is_empty() {
        let _ = writeln!(out, "\ntopics without messages: {}", seen.empty_topics.join(", "));
    }
    let head = ["INDEX FILE", "ENTRIES", "FIRST OFFSET", "LAST OFFSET", "FIRST TIME", "LAST TIME", "ON DISK"];
    let mut index = Table::new(&head, &[false, true, true, true, false, false, true]);
    for i in &seen.index {
        let (first, last) = (i.offsets.0.to_string(), i.offsets.1.to_string());
        let (from, to) = (time(known(i.times.0)), time(known(i.times.1)));
        let row = [i.path.display().to_string(), i.entries.to_string(), first, last, from, to, bytes(i.disk_bytes)];
        index.rows.push(row.into());
    }
    index.write(&mut out);
    let mut groups = Table::new(&["GROUP", "TOPIC", "QUEUE", "OFFSET", "BEHIND"], &[false, false, true, true, true]);
    for g in &seen.groups {
        let (queue, offset, behind) = (g.queue_id.to_string(), g.offset.to_string(), g.behind.to_string());
        groups.rows.push(vec![g.group.clone(), g.topic.clone(), queue, offset, behind]);
    }
    groups.write(&mut out);
    let mut config = Table::new(&["CONFIG", "BYTES"], &[false, true]);
    config.rows.extend(seen.config.iter().map(|c| vec![c.name.clone(), bytes(c.bytes)]));
    config.write(&mut out);
    out
}

fn queues(seen: &Inspection) -> Table {
    let head = ["TOPIC", "QUEUE", "MIN", "MAX", "MESSAGES", "FILES", "ON DISK", "FIRST", "LAST"];
    let mut table = Table::new(&head, &[false, true, true, true, true, true, true, false, false]);
    for q in &seen.queues {
        let kind = if q.kind == UnitKind::Batch { " (batch)" } else { "" };
        let (topic, messages) = (format!("{}{kind}", q.topic), q.max - q.min);
        let numbers = [i64::from(q.queue_id), q.min, q.max, messages, q.files as i64].map(|number| number.to_string());
        let rest = [bytes(q.disk_bytes), time(q.first_time), time(q.last_time)];
        table.rows.push(std::iter::once(topic).chain(numbers).chain(rest).collect());
    }
    table
}

/// The last line of a verification.
pub fn verification(seen: &Verification) -> String {
    let result = if seen.damages == 0 { "sound" } else { "damaged" };
    format!(
        "{result}: {} records up to offset {}, {} units in {} queues, {} index entries; {} damages, {} notes",
        seen.records, seen.end_offset, seen.units, seen.queues, seen.index_entries, seen.damages, seen.notes
    )
}

/// What a repair did.
pub fn repaired(done: &Repaired) -> String {
    let kept = match done.kept {
        0 => String::new(),
        kept => format!(", {kept} queues without records kept as they were"),
    };
    format!(
        "{} records: {} queues and {} index entries built again{kept}\n",
        done.records, done.queues, done.index_entries
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns are as wide as their longest cell, numbers stand at the right, a table without rows is nothing.
    #[test]
    fn tables_are_aligned() {
        let mut table = Table::new(&["NAME", "COUNT"], &[false, true]);
        let mut out = String::new();
        table.write(&mut out);
        assert_eq!(out, "");
        table.rows.push(vec!["a long name".into(), "7".into()]);
        table.write(&mut out);
        assert_eq!(out, "\nNAME         COUNT\na long name      7\n");
        assert_eq!([bytes(17), bytes(1536), bytes(5 << 30)], ["17 B", "1.5 KiB", "5.0 GiB"]);
    }
}
