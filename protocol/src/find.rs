//! Finding bytes in texts, sixteen at a time: the quotes of JSON, what must be escaped in it, the separators of properties.
//!
//! Every header and every property text is looked through, several times, so this is on the way of every message. Sixteen bytes are one
//! vector, which every processor we run on compares with one instruction; a bit for each byte says whether it is wanted.
use wide::u8x16;

/// Bytes looked at together.
const LANES: usize = 16;

/// Position of the first `a` or `b` in `bytes` from `at` on; the length when there is none.
#[inline(always)]
pub(crate) fn either(bytes: &[u8], at: usize, a: u8, b: u8) -> usize {
    find(bytes, at, |lanes| equal(lanes, a) | equal(lanes, b))
}

/// Position of the first `wanted` in `bytes` from `at` on; the length when there is none.
#[inline(always)]
pub(crate) fn byte(bytes: &[u8], at: usize, wanted: u8) -> usize {
    find(bytes, at, |lanes| equal(lanes, wanted))
}

/// Position of the first `a`, `b` or byte below `limit`, which is not 0, in `bytes` from `at` on; the length when there is none.
#[inline(always)]
pub(crate) fn either_or_below(bytes: &[u8], at: usize, a: u8, b: u8, limit: u8) -> usize {
    find(bytes, at, |lanes| equal(lanes, a) | equal(lanes, b) | lanes.min(u8x16::splat(limit - 1)).simd_eq(lanes))
}

/// Position of the last `b` that follows an `a`, in the first `end` of `bytes`.
#[inline(always)]
pub(crate) fn last_pair(bytes: &[u8], end: usize, a: u8, b: u8) -> Option<usize> {
    let bytes = bytes.get(..end)?;
    let mut end = bytes.len();
    // Places below `end` are to be looked at, and the first byte follows none.
    while end > 1 {
        let from = end.saturating_sub(LANES).max(1);
        let mut before_and_at = [bytes.get(from - 1..), bytes.get(from..)].into_iter().flatten();
        let mut next = || before_and_at.next()?.first_chunk::<LANES>();
        let Some((before, at)) = next().zip(next()) else {
            return (1..end).rev().find(|place| bytes[place - 1] == a && bytes[*place] == b);
        };
        // Those above `end` were looked at before.
        let marks = mask(equal(u8x16::from(*before), a) & equal(u8x16::from(*at), b)) & first(end - from);
        if marks != 0 {
            return Some(from + marks.ilog2() as usize);
        }
        end = from;
    }
    None
}

/// `marks` gives the lanes that are wanted.
#[inline(always)]
fn find(bytes: &[u8], mut at: usize, marks: impl Fn(u8x16) -> u8x16) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<LANES>()) {
        let marked = mask(marks(u8x16::from(*chunk)));
        if marked != 0 {
            return at + marked.trailing_zeros() as usize;
        }
        at += LANES;
    }
    let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { return bytes.len() };
    let marked = match bytes.last_chunk::<LANES>() {
        Some(last) => mask(marks(u8x16::from(*last))) >> (LANES - rest.len()),
        None => mask(marks(short(rest))) & first(rest.len()),
    };
    match marked {
        0 => bytes.len(),
        marked => at + marked.trailing_zeros() as usize,
    }
}

/// Less than sixteen bytes, and zeros behind them. Two words that overlap: a copy of so few bytes costs more.
#[inline(always)]
fn short(bytes: &[u8]) -> u8x16 {
    const WORD: usize = size_of::<u64>();
    let all = match (bytes.first_chunk::<WORD>(), bytes.last_chunk::<WORD>()) {
        (Some(low), Some(high)) => {
            let high = u128::from(u64::from_le_bytes(*high)) << (8 * (bytes.len() - WORD));
            u128::from(u64::from_le_bytes(*low)) | high
        }
        _ => bytes.iter().rev().fold(0, |all, byte| all << 8 | u128::from(*byte)),
    };
    u8x16::from(all.to_le_bytes())
}

/// All bits of the lanes that are `byte`.
#[inline(always)]
fn equal(lanes: u8x16, byte: u8) -> u8x16 {
    lanes.simd_eq(u8x16::splat(byte))
}

/// A bit for each lane.
#[inline(always)]
fn mask(lanes: u8x16) -> u32 {
    lanes.to_bitmask()
}

/// The bits of the first so many lanes, at most sixteen.
#[inline(always)]
fn first(lanes: usize) -> u32 {
    (1 << lanes) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of many lengths with a hit, or a byte that is nearly one, at every place.
    fn texts() -> impl Iterator<Item = Vec<u8>> {
        const NEARLY: [u8; 12] = [0, 1, 2, 3, 0x1f, 0x20, b'!', b'"', b'#', b'\\', 0x80, 0xff];
        (0..40).flat_map(|len| {
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

    // The last pair is what a loop over the bytes finds, before every end.
    #[test]
    fn the_last_pair_is_found_wherever_it_lies() {
        for mut text in texts() {
            let pairs: Vec<usize> = (1..text.len()).step_by(7).collect();
            pairs.iter().for_each(|place| text[place - 1..=*place].copy_from_slice(&[2, b'"']));
            for end in 0..=text.len() {
                let expected = (1..end).rev().find(|place| text[place - 1..=*place] == [2, b'"']);
                assert_eq!(last_pair(&text, end, 2, b'"'), expected, "{text:?} before {end}");
            }
            assert_eq!(last_pair(&text, text.len() + 1, 2, b'"'), None);
        }
    }
}
