//! Index entries out of raw bytes of the log, a piece at a time.
//!
//! A pure function: where the bytes come from, and what to do when they end inside a record, is the caller's business.

use ferromq_protocol::record::{self, RecordError, RecordView};

use super::keys::{entries_of, IndexedRecord};
use super::IndexEntry;

/// Result of parsing a piece of the log.
pub(super) enum Piece {
    /// Everything before this offset is done.
    Until(i64),
    /// The first record needs this many bytes.
    Needs(usize),
    /// Not a record.
    Damaged,
}

/// Takes the index entries of whole records at the front of `bytes`, which begin at offset `at`; stops after `to`.
pub(super) fn read_piece(at: i64, bytes: &[u8], to: i64, out: &mut Vec<IndexEntry>) -> Piece {
    let mut done = 0;
    loop {
        let physical = at + done as i64;
        let rest = &bytes[done..];
        if physical > to || (rest.is_empty() && done > 0) {
            return Piece::Until(physical);
        }
        match record::parse(rest, false) {
            Ok(view) => {
                done += view.len();
                entries_of(&indexed(&view, physical), out);
            }
            Err(RecordError::Blank { len }) if len >= 8 => return Piece::Until(physical + len as i64),
            Err(RecordError::Truncated { needed, .. }) if done == 0 => return Piece::Needs(needed),
            Err(RecordError::Truncated { .. }) => return Piece::Until(physical),
            Err(RecordError::Length { total, .. }) if total > 0 && total as usize <= rest.len() => {
                tracing::warn!(offset = physical, "index: record with wrong inner lengths passed over");
                done += total as usize;
            }
            Err(_) if done == 0 => return Piece::Damaged,
            Err(_) => return Piece::Until(physical),
        }
    }
}

fn indexed<'a>(view: &RecordView<'a>, physical: i64) -> IndexedRecord<'a> {
    IndexedRecord {
        topic: view.topic(),
        properties: view.properties(),
        sys_flag: view.sys_flag(),
        physical,
        store_timestamp: view.store_timestamp(),
    }
}
