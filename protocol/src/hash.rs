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

/// As [`index_key_hash`], of a key that is already put together.
pub fn index_hash(index_key: &str) -> i32 {
    slot_hash(java_string_hash(index_key))
}

fn slot_hash(hash: i32) -> i32 {
    hash.checked_abs().unwrap_or(0)
}

/// Continues a hash with more text.
fn extend(hash: i32, text: &str) -> i32 {
    if text.is_ascii() {
        text.bytes().fold(hash, |h, byte| h.wrapping_mul(31).wrapping_add(i32::from(byte)))
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
}
