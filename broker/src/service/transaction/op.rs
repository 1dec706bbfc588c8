//! Records that say which half messages ended (store.md 8): what their bodies look like, and how far the op queue is done
//! with. Pure.
//!
//! A record of 5.4.0 names many half messages, `12,13,17,`; one of 4.9.7 a single one, `12`. Both are read; the first form is
//! written.
use std::collections::BTreeMap;

/// Tag of an op record.
pub const TAG: &str = "d";

/// The half queue offsets that the body of an op record names. What is no number is skipped.
pub fn offsets(body: &[u8]) -> impl Iterator<Item = i64> + '_ {
    let parts = body.split(|byte| *byte == b',');
    parts.filter_map(|part| std::str::from_utf8(part).ok()?.trim().parse().ok())
}

/// The bodies of op records for `ended`, none longer than `bytes_max` unless a single offset is; each with the largest
/// offset that it names.
pub fn bodies(ended: &[i64], bytes_max: usize) -> Vec<(String, i64)> {
    let mut bodies: Vec<(String, i64)> = Vec::new();
    for offset in ended {
        let text = format!("{offset},");
        match bodies.last_mut() {
            Some((body, largest)) if body.len() + text.len() <= bytes_max => {
                body.push_str(&text);
                *largest = (*largest).max(*offset);
            }
            _ => bodies.push((text, *offset)),
        }
    }
    bodies
}

/// Op records of one entry of [`OpProgress`].
const BLOCK: i64 = 1024;

#[derive(Debug, Clone, Copy)]
struct Block {
    /// Op records noted, counting those before the start.
    noted: i64,
    /// The largest half queue offset that one of them names.
    largest: i64,
}

/// From which offset the op queue has to be read after a restart: the records before it name only half messages below the
/// first one that has not ended. Kept for blocks of 1,024 records, so that a half message that waits for days costs little.
#[derive(Debug, Default)]
pub struct OpProgress {
    blocks: BTreeMap<i64, Block>,
    from: i64,
    next: i64,
}

impl OpProgress {
    /// Nothing is known of the records from `from` on.
    pub fn new(from: i64) -> Self {
        let mut progress = Self { from, next: from, ..Self::default() };
        progress.begin(from);
        progress
    }

    /// The records of the block before `from` count as noted.
    fn begin(&mut self, from: i64) {
        let noted = from.rem_euclid(BLOCK);
        if noted > 0 {
            self.blocks.insert(from.div_euclid(BLOCK), Block { noted, largest: -1 });
        }
    }

    /// The record at `offset` exists, and names no half message above `largest`.
    pub fn note(&mut self, offset: i64, largest: i64) {
        let block = self.blocks.entry(offset.div_euclid(BLOCK)).or_insert(Block { noted: 0, largest: -1 });
        block.noted += 1;
        block.largest = block.largest.max(largest);
        self.next = self.next.max(offset + 1);
    }

    /// Where reading has to begin when `first` is the first half message that has not ended. `quiet`: none waits, and none
    /// is being ended, so that every record is noted.
    pub fn advance(&mut self, first: i64, quiet: bool) -> i64 {
        if quiet {
            self.blocks.clear();
            self.from = self.next;
            self.begin(self.from);
            return self.from;
        }
        while let Some((key, block)) = self.blocks.first_key_value().map(|(key, block)| (*key, *block)) {
            if block.noted < BLOCK || block.largest >= first {
                break;
            }
            self.blocks.remove(&key);
            self.from = self.from.max((key + 1) * BLOCK);
        }
        self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Both releases' bodies are read, and nonsense between the commas does no harm.
    #[test]
    fn both_forms_are_read() {
        let read = |body: &str| offsets(body.as_bytes()).collect::<Vec<_>>();
        assert_eq!(read("0,1,3,4,"), [0, 1, 3, 4], "recorded from 5.4.0");
        assert_eq!(read("6"), [6], "recorded from 4.9.7");
        assert_eq!(read(",x,, 7 ,99999999999999999999,-1"), [7, -1]);
        assert!(offsets(&[0xFF, b',', 0xFE]).next().is_none());
    }

    // What is written is 5.4.0's form, cut at the limit, and read back.
    #[test]
    fn bodies_keep_their_limit() {
        assert_eq!(bodies(&[5, 4, 11], 100), [("5,4,11,".to_owned(), 11)]);
        let ended: Vec<i64> = (990..1010).collect();
        let written = bodies(&ended, 16);
        assert!(written.iter().all(|(body, _)| body.len() <= 16));
        let read: Vec<i64> = written.iter().flat_map(|(body, _)| offsets(body.as_bytes())).collect();
        assert_eq!(read, ended);
        assert_eq!(bodies(&[123_456], 2), [("123456,".to_owned(), 123_456)]);
        assert!(bodies(&[], 10).is_empty());
    }

    // Reading begins behind whole blocks that only name what ended, and at the end when nothing waits.
    #[test]
    fn the_start_advances_by_blocks() {
        let mut progress = OpProgress::new(1000);
        (1000..3000).for_each(|op| progress.note(op, op * 2));
        assert_eq!(progress.advance(1500, false), 1000);
        assert_eq!(progress.advance(2048, false), 1024, "the first block names 2046 at most");
        assert_eq!(progress.advance(9999, false), 2048, "the last block is not full");
        assert_eq!(progress.advance(9999, true), 3000);
        (3000..3072).for_each(|op| progress.note(op, 1));
        assert_eq!(progress.advance(2, false), 3072);
    }

    // A record that is not noted yet holds its block back.
    #[test]
    fn a_gap_holds_the_start_back() {
        let mut progress = OpProgress::new(0);
        (0..BLOCK).filter(|op| *op != 7).for_each(|op| progress.note(op, 1));
        assert_eq!(progress.advance(100, false), 0);
        progress.note(7, 50);
        assert_eq!((progress.advance(50, false), progress.advance(51, false)), (0, BLOCK));
    }
}
