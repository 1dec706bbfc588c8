//! Which keys of a record go into the index: `UNIQ_KEY`, then each blank-separated part of `KEYS` (store.md 4), then the
//! tag as `T#tag` (5.4.0; 4.9.7 does not index it); nothing for rolled back transactions. One function for the dispatcher
//! and for reading the log again.

use ferromq_protocol::hash::IndexKeyHasher;
use ferromq_protocol::{properties, sysflag};

use super::IndexEntry;

/// Separates the keys in the `KEYS` property.
const KEY_SEPARATOR: char = ' ';
/// Put before a tag to make its index key.
pub const TAG_KEY_PREFIX: &str = "T#";

/// What the index needs to know of a record; borrowed.
#[derive(Debug, Clone, Copy)]
pub struct IndexedRecord<'a> {
    /// Topic of the record.
    pub topic: &'a str,
    /// The properties text of the record.
    pub properties: &'a str,
    /// System flag of the record (transaction type).
    pub sys_flag: i32,
    /// Physical offset of the record in the log.
    pub physical: i64,
    /// Store time in milliseconds.
    pub store_timestamp: i64,
}

/// The properties that the index looks at, found in one pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KnownProperties<'a> {
    pub unique_key: Option<&'a str>,
    pub keys: Option<&'a str>,
    pub tags: Option<&'a str>,
}

impl<'a> KnownProperties<'a> {
    /// As `properties::get` finds each: of equal names the last one wins, an empty value is none.
    pub fn of(text: &'a str) -> Self {
        let mut known = Self::default();
        for (name, value) in properties::iter(text) {
            let place = match name {
                properties::UNIQ_KEY => &mut known.unique_key,
                properties::KEYS => &mut known.keys,
                properties::TAGS => &mut known.tags,
                _ => continue,
            };
            *place = Some(value);
        }
        known
    }
}

/// Adds the index entries of one record to `out`, in the order in which they are to be written.
pub fn entries_of(record: &IndexedRecord<'_>, out: &mut Vec<IndexEntry>) {
    entries_from(record, &KnownProperties::of(record.properties), out);
}

/// As [`entries_of`], with the properties looked up before.
pub(crate) fn entries_from(record: &IndexedRecord<'_>, known: &KnownProperties<'_>, out: &mut Vec<IndexEntry>) {
    if sysflag::transaction_type(record.sys_flag) == sysflag::TRANSACTION_ROLLBACK {
        return;
    }
    let hasher = IndexKeyHasher::new(record.topic);
    let entry = |parts: &[&str]| {
        let (physical, store_timestamp) = (record.physical, record.store_timestamp);
        IndexEntry { hash: hasher.hash(parts), physical, store_timestamp }
    };
    let keys = known.keys.unwrap_or("").split(KEY_SEPARATOR).filter(|key| !key.is_empty());
    out.extend(known.unique_key.into_iter().chain(keys).map(|key| entry(&[key])));
    if let Some(tag) = known.tags {
        out.push(entry(&[TAG_KEY_PREFIX, tag]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// One pass finds what the look-up by name finds, in well-formed texts and in others.
        #[test]
        fn one_pass_finds_the_same(parts in prop::collection::vec(
            prop_oneof![
                Just("UNIQ_KEY"), Just("KEYS"), Just("TAGS"), Just("\u{1}"), Just("\u{2}"), Just("x"), Just("K")
            ], 0..30)) {
            let text = parts.concat();
            let known = KnownProperties::of(&text);
            prop_assert_eq!(known.unique_key, properties::get(&text, properties::UNIQ_KEY));
            prop_assert_eq!(known.keys, properties::get(&text, properties::KEYS));
            prop_assert_eq!(known.tags, properties::get(&text, properties::TAGS));
        }
    }
}
