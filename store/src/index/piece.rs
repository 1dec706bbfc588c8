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

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::record::Message;
    use proptest::prelude::*;

    fn record(key: &str, body: &[u8]) -> Vec<u8> {
        let host = "127.0.0.1:10911".parse().unwrap();
        let mut bytes = Vec::new();
        let message = Message {
            topic: "T",
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 1,
            born_host: host,
            store_timestamp: 2,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            properties: &format!("KEYS\u{1}{key}\u{2}"),
            queue_offset: 0,
            physical_offset: 0,
        };
        record::encode(&mut bytes, &message).unwrap();
        bytes
    }

    /// Whole records are taken, a cut one is left for the next piece or asked for in full, filler ends the segment.
    #[test]
    fn pieces_end_at_records() {
        let one = record("a", &[1; 50]);
        let len = one.len();
        let two = [one.clone(), one.clone()].concat();
        let mut out = Vec::new();
        let mut read = |bytes: &[u8], to| (read_piece(1000, bytes, to, &mut out), std::mem::take(&mut out).len());
        let end = 1000 + len as i64;
        assert!(matches!(read(&two, i64::MAX), (Piece::Until(at), 2) if at == 1000 + 2 * len as i64));
        assert!(matches!(read(&two, 1000), (Piece::Until(at), 1) if at == end), "what begins after `to` is not wanted");
        assert!(matches!(read(&two[..len + 7], i64::MAX), (Piece::Until(at), 1) if at == end));
        assert!(matches!(read(&one[..len - 1], i64::MAX), (Piece::Needs(needed), 0) if needed == len));
        let blank = [one, vec![0, 0, 0, 90], 0xCBD4_3194u32.to_be_bytes().to_vec(), vec![7; 20]].concat();
        assert!(matches!(read(&blank, i64::MAX), (Piece::Until(at), 1) if at == end + 90));
        assert!(matches!(read(&[0; 100], i64::MAX), (Piece::Damaged, 0)));
    }

    proptest! {
        /// Any bytes are read to an end, and every step forward is one.
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..200) {
            let damaged = [&record("k", &[3; 40])[..cut.min(100)], &bytes].concat();
            match read_piece(500, &damaged, i64::MAX, &mut Vec::new()) {
                Piece::Until(next) => prop_assert!(next > 500),
                Piece::Needs(needed) => prop_assert!(needed > damaged.len()),
                Piece::Damaged => {}
            }
        }
    }
}
