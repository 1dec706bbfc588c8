//! The hash functions other programs must agree on: Java's `String.hashCode`, the tag code and the index key hash.
//!
//! All run over UTF-16 code units (wire.md 6.8); ASCII text takes a path without decoding.

use wide::{i16x8, i32x4};

/// Java's `String.hashCode`: h = 31·h + unit over UTF-16 code units, wrapping i32; 0 for the empty text.
pub fn java_string_hash(text: &str) -> i32 {
    extend(0, text)
}

/// The tag code of a message: the sign-extended hash of the whole TAGS property; 0 without a tag (broker.md 6.1).
pub fn tags_code(tags: &str) -> i64 {
    i64::from(java_string_hash(tags))
}

/// The hash of `topic#key` as the index file uses it: the absolute value, and 0 for i32::MIN (store.md 4).
/// The slot is this number modulo the slot count.
pub fn index_key_hash(topic: &str, key: &str) -> i32 {
    slot_hash(extend(extend(extend(0, topic), "#"), key))
}

/// [`index_key_hash`] of several keys of one topic: the topic is looked at once, and keys need not be put together.
#[derive(Debug, Clone, Copy)]
pub struct IndexKeyHasher(i32);

impl IndexKeyHasher {
    /// For the keys of `topic`.
    pub fn new(topic: &str) -> Self {
        Self(extend(extend(0, topic), "#"))
    }

    /// The hash of the key that consists of these parts.
    pub fn hash(self, parts: &[&str]) -> i32 {
        slot_hash(parts.iter().fold(self.0, |hash, part| extend(hash, part)))
    }
}

/// As [`index_key_hash`], of a key that is already put together.
pub fn index_hash(index_key: &str) -> i32 {
    slot_hash(java_string_hash(index_key))
}

fn slot_hash(hash: i32) -> i32 {
    hash.checked_abs().unwrap_or(0)
}

/// 31 to the power of 15 down to 0, wrapping as Java's int does.
const POWERS: [i32; 16] = {
    let mut powers = [1i32; 16];
    let mut at = 15;
    while at > 0 {
        powers[at - 1] = powers[at].wrapping_mul(31);
        at -= 1;
    }
    powers
};
/// 31 to the power of 8 and of 16.
const POWER_8: i32 = POWERS[7];
const POWER_16: i32 = POWERS[0].wrapping_mul(31);

/// The lower halves of eight powers, or what is left for the upper ones: a byte times a power is the one product and the other one
/// shifted, each of which fits the multiplications of short numbers that vectors have.
const fn halves(from: usize, upper: bool) -> i16x8 {
    let mut halves = [0; 8];
    let mut at = 0;
    while at < halves.len() {
        let power = POWERS[from + at];
        let lower = power as i16;
        halves[at] = if upper { (power.wrapping_sub(lower as i32) >> 16) as i16 } else { lower };
        at += 1;
    }
    i16x8::new(halves)
}

/// The hash of sixteen bytes that nothing stands before.
#[inline]
fn sixteen(bytes: &[u8; 16]) -> i32 {
    let half = |from: usize| i16x8::from(std::array::from_fn::<i16, 8, _>(|at| i16::from(bytes[from + at])));
    let (front, back) = (half(0), half(8));
    let lower = front.dot(const { halves(0, false) }) + back.dot(const { halves(8, false) });
    let upper = front.dot(const { halves(0, true) }) + back.dot(const { halves(8, true) });
    let sums: i32x4 = lower + (upper << 16);
    sums.to_array().into_iter().fold(0, i32::wrapping_add)
}

/// The hash of eight bytes that nothing stands before.
#[inline]
fn eight(bytes: &[u8; 8]) -> i32 {
    let products = bytes.iter().zip(&POWERS[8..]).map(|(byte, power)| i32::from(*byte).wrapping_mul(*power));
    products.fold(0, i32::wrapping_add)
}

/// Continues a hash with more text.
#[inline]
fn extend(hash: i32, text: &str) -> i32 {
    // Tags, mostly: looked at once.
    if text.len() < 8 {
        let step = |(h, all): (i32, u8), byte: &u8| (h.wrapping_mul(31).wrapping_add(i32::from(*byte)), all | byte);
        let (short, all) = text.as_bytes().iter().fold((hash, 0), step);
        if all.is_ascii() {
            return short;
        }
    }
    extend_long(hash, text)
}

fn extend_long(mut hash: i32, text: &str) -> i32 {
    if !text.is_ascii() {
        return text.encode_utf16().fold(hash, |h, unit| h.wrapping_mul(31).wrapping_add(i32::from(unit)));
    }
    // Many at a time: one after the other each step would wait for the multiplication before it.
    let mut rest = text.as_bytes();
    while let Some((bytes, behind)) = rest.split_first_chunk() {
        hash = hash.wrapping_mul(POWER_16).wrapping_add(sixteen(bytes));
        rest = behind;
    }
    if let Some((bytes, behind)) = rest.split_first_chunk() {
        hash = hash.wrapping_mul(POWER_8).wrapping_add(eight(bytes));
        rest = behind;
    }
    rest.iter().fold(hash, |h, byte| h.wrapping_mul(31).wrapping_add(i32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of wire.md V9.
    #[test]
    fn known_hashes() {
        let table = [
            ("TagA", 2_598_919),
            ("AaAa", 2_031_744),
            ("BBBB", 2_031_744),
            ("refund", -934_813_832),
            ("polygenelubricants", i32::MIN),
            ("*", 42),
            ("order-created-event", 228_478_774),
            ("", 0),
            ("\u{6807}\u{7B7E}", 857_175),
            ("\u{1F600}", 1_772_899),
        ];
        for (text, hash) in table {
            assert_eq!(java_string_hash(text), hash, "{text}");
        }
        assert_eq!(tags_code("refund") as u64, 0xffff_ffff_c847_df78);
    }

    /// The smallest i32 has no absolute value; Java's index uses 0 for it.
    #[test]
    fn index_hash_is_never_negative() {
        assert!(index_key_hash("T", "refund") >= 0);
        assert_eq!(index_key_hash("AmberNimbus_t", "GydZG_"), 142_428_573);
    }

    /// Many bytes at a time give what one at a time gives, for all lengths, and parts what the whole gives.
    #[test]
    fn any_length_and_any_parts() {
        let text = "The quick brown fox jumps over the lazy dog 0123456789";
        for end in 0..=text.len() {
            let slow = text[..end].bytes().fold(0i32, |h, byte| h.wrapping_mul(31).wrapping_add(i32::from(byte)));
            assert_eq!(super::java_string_hash(&text[..end]), slow);
            let (a, b) = text[..end].split_at(end / 3);
            assert_eq!(super::IndexKeyHasher::new("topic").hash(&[a, b]), super::index_key_hash("topic", &text[..end]));
        }
    }
}
