//! Which keys of a record go into the index: `UNIQ_KEY`, then each blank-separated part of `KEYS` (store.md 4), then the
//! tag as `T#tag` (5.4.0; 4.9.7 does not index it); nothing for rolled back transactions. One function for the dispatcher
//! and for reading the log again.

use ferromq_protocol::{hash, properties, sysflag};

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

/// Adds the index entries of one record to `out`, in the order in which they are to be written.
pub fn entries_of(record: &IndexedRecord<'_>, out: &mut Vec<IndexEntry>) {
    if sysflag::transaction_type(record.sys_flag) == sysflag::TRANSACTION_ROLLBACK {
        return;
    }
    let unique = properties::get(record.properties, properties::UNIQ_KEY);
    let keys = properties::get(record.properties, properties::KEYS).unwrap_or("");
    let keys = keys.split(KEY_SEPARATOR).filter(|key| !key.is_empty());
    let entry = |hash| IndexEntry { hash, physical: record.physical, store_timestamp: record.store_timestamp };
    out.extend(unique.into_iter().chain(keys).map(|key| entry(hash::index_key_hash(record.topic, key))));
    if let Some(tag) = properties::get(record.properties, properties::TAGS) {
        out.push(entry(hash::index_key_hash(record.topic, &format!("{TAG_KEY_PREFIX}{tag}"))));
    }
}
