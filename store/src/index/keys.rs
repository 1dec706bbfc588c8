//! Which keys of a record go into the index (store.md 4): `UNIQ_KEY`, then each blank-separated part of `KEYS`;
//! nothing for rolled back transactions. One function for the dispatcher and for reading the log again.

use ferromq_protocol::{hash, properties, sysflag};

use super::IndexEntry;

/// Separates the keys in the `KEYS` property.
const KEY_SEPARATOR: char = ' ';

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
    out.extend(unique.into_iter().chain(keys).map(|key| IndexEntry {
        hash: hash::index_key_hash(record.topic, key),
        physical: record.physical,
        store_timestamp: record.store_timestamp,
    }));
}
