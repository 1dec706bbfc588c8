//! The hash functions other programs must agree on: Java's `String.hashCode`, the tag code and the index key hash.
//!
//! All run over UTF-16 code units (wire.md 6.8); ASCII text takes a path without decoding.

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

/// 31 to the power of 8, and of 7 down to 0, wrapping as Java's int does.
const POWER_8: i32 = 31i32.wrapping_pow(8);
const POWERS: [i32; 8] = {
    let mut powers = [1i32; 8];
    let mut at = 7;
    while at > 0 {
        powers[at - 1] = powers[at].wrapping_mul(31);
        at -= 1;
    }
    powers
};

/// Continues a hash with more text.
#[inline]
fn extend(hash: i32, text: &str) -> i32 {
    // Tags, mostly: looked at once.
    if text.len() < POWERS.len() {
        let step = |(h, all): (i32, u8), byte: &u8| (h.wrapping_mul(31).wrapping_add(i32::from(*byte)), all | byte);
        let (short, all) = text.as_bytes().iter().fold((hash, 0), step);
        if all.is_ascii() {
            return short;
        }
    }
    extend_long(hash, text)
}

fn extend_long(hash: i32, text: &str) -> i32 {
    if text.is_ascii() {
        // Eight at a time: one after the other each step would wait for the multiplication before it.
        let eights = text.as_bytes().chunks_exact(8);
        let rest = eights.remainder();
        let hash = eights.fold(hash, |h, eight| {
            let sum = eight
                .iter()
                .zip(POWERS)
                .fold(0i32, |sum, (byte, power)| sum.wrapping_add(i32::from(*byte).wrapping_mul(power)));
            h.wrapping_mul(POWER_8).wrapping_add(sum)
        });
        rest.iter().fold(hash, |h, byte| h.wrapping_mul(31).wrapping_add(i32::from(*byte)))
    } else {
        text.encode_utf16().fold(hash, |h, unit| h.wrapping_mul(31).wrapping_add(i32::from(unit)))
    }
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

    /// Eight bytes at a time give what one at a time gives, for all lengths, and parts what the whole gives.
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
