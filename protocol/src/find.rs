//! Finding bytes in texts, eight at a time: the quotes of JSON, what must be escaped in it, the separators of properties.
//!
//! Every header and every property text is looked through, so this is on the way of every message. Eight bytes are one word, in
//! which a few operations mark the bytes that are wanted.

/// Bytes looked at together.
const WORD: usize = 8;

/// Position of the first `a` or `b` in `bytes` from `at` on; the length when there is none.
#[inline(always)]
pub(crate) fn either(bytes: &[u8], at: usize, a: u8, b: u8) -> usize {
    find(bytes, at, |word| equal(word, a) | equal(word, b))
}

/// Position of the first `wanted` in `bytes` from `at` on; the length when there is none.
#[inline(always)]
pub(crate) fn byte(bytes: &[u8], at: usize, wanted: u8) -> usize {
    find(bytes, at, |word| equal(word, wanted))
}

/// Position of the first `a`, `b` or byte below `limit`, which is 0x80 at most, in `bytes` from `at` on; the length when there is
/// none.
#[inline(always)]
pub(crate) fn either_or_below(bytes: &[u8], at: usize, a: u8, b: u8, limit: u8) -> usize {
    find(bytes, at, |word| equal(word, a) | equal(word, b) | below(word, limit))
}

/// `marks` sets the high bit of the first byte that is wanted, and none below it.
#[inline(always)]
fn find(bytes: &[u8], mut at: usize, marks: impl Fn(u64) -> u64) -> usize {
    const HIGH_BITS: u64 = eight(0x80);
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<WORD>()) {
        let marked = marks(u64::from_le_bytes(*chunk)) & HIGH_BITS;
        if marked != 0 {
            return at + marked.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { return bytes.len() };
    // Zeros stand for what is behind the end. They may be marked, but nothing that is before the end is then.
    let word = match bytes.last_chunk::<WORD>() {
        Some(last) => u64::from_le_bytes(*last) >> (8 * (WORD - rest.len())),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let marked = marks(word) & HIGH_BITS;
    (at + marked.trailing_zeros() as usize / 8).min(bytes.len())
}

/// A word of eight equal bytes.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// Marks bytes that are `byte`. Those above the first one can be wrong: it borrows from them.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let differs = word ^ eight(byte);
    differs.wrapping_sub(eight(1)) & !differs
}

/// Marks bytes below `limit`: they borrow into their high bit. Those above the first one can be wrong.
#[inline(always)]
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(eight(limit)) & !word
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of many lengths with a hit, or a byte that is nearly one, at every place.
    fn texts() -> impl Iterator<Item = Vec<u8>> {
        const NEARLY: [u8; 12] = [0, 1, 2, 3, 0x1f, 0x20, b'!', b'"', b'#', b'\\', 0x80, 0xff];
        (0..24).flat_map(|len| {
            (0..=len).flat_map(move |place| {
                NEARLY.into_iter().map(move |byte| {
                    let mut text = vec![b'x'; len];
                    text.iter_mut().skip(place).step_by(5).for_each(|b| *b = byte);
                    text
                })
            })
        })
    }

    // What is found is what a loop over the bytes finds, from every start.
    #[test]
    fn the_first_hit_is_found_wherever_it_lies() {
        for text in texts() {
            for at in 0..=text.len() + 1 {
                let expected = |wanted: &dyn Fn(u8) -> bool| {
                    let rest = text.get(at..).unwrap_or_default();
                    rest.iter().position(|b| wanted(*b)).map_or(text.len(), |place| at + place)
                };
                assert_eq!(byte(&text, at, 2), expected(&|b| b == 2), "{text:?} from {at}");
                assert_eq!(
                    either(&text, at, b'"', b'\\'),
                    expected(&|b| b == b'"' || b == b'\\'),
                    "{text:?} from {at}"
                );
                let must_escape = |b| b == b'"' || b == b'\\' || b < 0x20;
                assert_eq!(either_or_below(&text, at, b'"', b'\\', 0x20), expected(&must_escape), "{text:?} from {at}");
            }
        }
    }
}
