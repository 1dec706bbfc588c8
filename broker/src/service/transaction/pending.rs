//! Which half messages wait for their end. Pure: no clock, no store, no lock.
//!
//! A half message is named by its offset in the half topic's queue. All offsets below the next one to come are known; one that
//! is neither waiting nor being ended has ended. That is what makes the end of a transaction idempotent: only who takes an
//! offset out of this set may deliver its message.
//!
//! Memory: waiting offsets are bits, 64 to a word; words without one are not kept. A million in a row are 16 thousand words
//! (under 2 MB with the counts of their checks); a lone one costs about a hundred bytes.
use std::collections::{BTreeMap, BTreeSet};

/// Offsets per word.
const WORD: i64 = 64;

#[derive(Debug)]
struct Word {
    bits: u64,
    /// Checks made of each offset; absent before the first one.
    checks: Option<Box<[u8; WORD as usize]>>,
}

/// What became of an attempt to end a half message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It was waiting: the caller ends it, and says so with [`Pending::settle`] or [`Pending::give_back`].
    Taken,
    /// It has ended, or somebody else is ending it.
    Ended,
    /// There is no such offset yet.
    Unknown,
}

/// The set of waiting half messages.
#[derive(Debug, Default)]
pub struct Pending {
    /// By offset / 64.
    words: BTreeMap<i64, Word>,
    /// Taken and not settled: not waiting any more, but not known to be recorded either.
    ending: BTreeSet<i64>,
    next: i64,
    waiting: u64,
}

impl Pending {
    /// Every offset of `from..next` waits.
    pub fn new(from: i64, next: i64) -> Self {
        let mut pending = Self { next: from, ..Self::default() };
        pending.extend(next);
        pending
    }

    /// All offsets up to `next` are known; those that were not begin to wait.
    pub fn extend(&mut self, next: i64) {
        while self.next < next {
            let key = self.next.div_euclid(WORD);
            let end = next.min((key + 1) * WORD);
            let count = end - self.next;
            let ones = if count == WORD { u64::MAX } else { (1u64 << count) - 1 };
            let word = self.words.entry(key).or_insert(Word { bits: 0, checks: None });
            word.bits |= ones << self.next.rem_euclid(WORD);
            self.waiting += count.unsigned_abs();
            self.next = end;
        }
    }

    /// Offset of the next half message to come.
    #[cfg(test)]
    pub fn next(&self) -> i64 {
        self.next
    }

    /// The first offset that has not ended for good; the next one to come when all have.
    pub fn first(&self) -> i64 {
        let waiting =
            self.words.first_key_value().map(|(key, word)| key * WORD + i64::from(word.bits.trailing_zeros()));
        let ending = self.ending.first().copied();
        waiting.into_iter().chain(ending).min().unwrap_or(self.next)
    }

    /// Number of waiting half messages.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Nothing waits and nothing is being ended.
    pub fn is_quiet(&self) -> bool {
        self.waiting == 0 && self.ending.is_empty()
    }

    /// Takes a waiting offset to end it.
    pub fn claim(&mut self, offset: i64) -> Claim {
        if offset >= self.next || offset < 0 {
            return Claim::Unknown;
        }
        if !self.remove(offset) {
            return Claim::Ended;
        }
        self.ending.insert(offset);
        Claim::Taken
    }

    /// A taken offset has ended and that is recorded.
    pub fn settle(&mut self, offset: i64) {
        self.ending.remove(&offset);
    }

    /// A taken offset could not be ended and waits again; its checks are counted anew.
    pub fn give_back(&mut self, offset: i64) {
        if self.ending.remove(&offset) {
            self.words.entry(offset.div_euclid(WORD)).or_insert(Word { bits: 0, checks: None }).bits |= bit(offset);
            self.waiting += 1;
        }
    }

    /// An offset has ended, as the record of an earlier run says. False when it did not wait.
    pub fn remove(&mut self, offset: i64) -> bool {
        let key = offset.div_euclid(WORD);
        let Some(word) = self.words.get_mut(&key).filter(|word| word.bits & bit(offset) != 0) else { return false };
        word.bits &= !bit(offset);
        if let Some(checks) = &mut word.checks {
            checks[index(offset)] = 0;
        }
        if word.bits == 0 {
            self.words.remove(&key);
        }
        self.waiting -= 1;
        true
    }

    /// The waiting offsets of the first word that has any from `from` on, and the offset behind that word.
    pub fn some_from(&self, from: i64) -> Option<(Vec<i64>, i64)> {
        let (key, word) = self.words.range(from.div_euclid(WORD)..).next()?;
        let base = key * WORD;
        let offsets = (0..WORD).filter(|at| word.bits & (1 << at) != 0).map(|at| base + at).collect();
        Some((offsets, base + WORD))
    }

    /// Checks made of a waiting offset since the start.
    pub fn checks(&self, offset: i64) -> u8 {
        let word = self.words.get(&offset.div_euclid(WORD));
        word.and_then(|word| word.checks.as_ref()).map_or(0, |checks| checks[index(offset)])
    }

    /// Another check of a waiting offset was made; [`u8::MAX`] stands for that many and more.
    pub fn checked(&mut self, offset: i64) {
        let Some(word) = self.words.get_mut(&offset.div_euclid(WORD)) else { return };
        let checks = word.checks.get_or_insert_with(|| Box::new([0; WORD as usize]));
        checks[index(offset)] = checks[index(offset)].saturating_add(1);
    }
}

fn index(offset: i64) -> usize {
    // Between 0 and 63.
    offset.rem_euclid(WORD) as usize
}

fn bit(offset: i64) -> u64 {
    1 << index(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The set behaves like the plainest one: a list of flags.
    #[test]
    fn it_agrees_with_a_list_of_flags() {
        let mut pending = Pending::new(61, 200);
        let mut flags: BTreeMap<i64, bool> = (61..200).map(|offset| (offset, true)).collect();
        let mut random = 12345u64;
        for step in 0..5000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let offset = (random >> 33) as i64 % pending.next();
            let waits = flags.get(&offset).copied().unwrap_or(false);
            match pending.claim(offset) {
                Claim::Taken if step % 3 == 0 => pending.give_back(offset),
                Claim::Taken => {
                    assert!(waits && pending.first() <= offset, "what is being ended counts as not ended");
                    pending.settle(offset);
                    flags.insert(offset, false);
                }
                Claim::Ended => assert!(!waits),
                Claim::Unknown => panic!("{offset} is below the next one"),
            }
            if step % 7 == 0 {
                flags.insert(pending.next(), true);
                pending.extend(pending.next() + 1);
            }
            let first = flags.iter().find(|(_, waits)| **waits).map_or(pending.next(), |(offset, _)| *offset);
            assert_eq!(pending.first(), first);
        }
        let mut seen = Vec::new();
        let mut at = 0;
        while let Some((offsets, behind)) = pending.some_from(at) {
            seen.extend(offsets);
            at = behind;
        }
        let expected: Vec<i64> = flags.iter().filter(|(_, waits)| **waits).map(|(offset, _)| *offset).collect();
        assert_eq!(seen, expected);
        assert_eq!(pending.waiting(), expected.len() as u64);
    }

    // Counts belong to their offset; offsets that do not exist are told apart from those that ended.
    #[test]
    fn checks_are_counted_and_the_unknown_is_known() {
        let mut pending = Pending::new(0, 70);
        pending.checked(64);
        pending.checked(64);
        assert_eq!((pending.checks(64), pending.checks(65), pending.checks(3)), (2, 0, 0));
        assert_eq!(
            (pending.claim(70), pending.claim(-1), pending.claim(i64::MAX)),
            (Claim::Unknown, Claim::Unknown, Claim::Unknown)
        );
        (0..70).for_each(|offset| assert!(pending.remove(offset)));
        assert!(pending.is_quiet() && !pending.remove(5) && pending.claim(5) == Claim::Ended);
        assert_eq!(pending.first(), 70);
    }

    // A million waiting half messages take two megabytes, not a hundred.
    #[test]
    fn a_million_are_few_words() {
        let pending = Pending::new(0, 1_000_000);
        assert_eq!((pending.waiting(), pending.words.len()), (1_000_000, 15_625));
    }
}
