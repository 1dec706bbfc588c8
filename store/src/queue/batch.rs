//! Units of batch consume queues: 46 bytes, one per record, which may hold several messages (store.md 3.6).
use crate::types::Unit;
use std::collections::BTreeMap;

/// Bytes of one unit.
pub(crate) const BATCH_UNIT_BYTES: usize = 46;
#[cfg(test)]
/// Written as compactedOffset by everybody but the compaction.
const NOT_COMPACTED: i32 = -1;

/// One unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchUnit {
    pub unit: Unit,
    /// Milliseconds.
    pub store_timestamp: i64,
    /// Queue offset of the first message of the record.
    pub base: i64,
    /// Messages in the record.
    pub count: i16,
}

impl BatchUnit {
    /// Reads the unit at the front of `bytes`; what is missing counts as zero.
    pub fn decode(bytes: &[u8]) -> BatchUnit {
        let eight = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, i64::from_be_bytes);
        let count = bytes.get(36..38).and_then(|b| b.try_into().ok()).map_or(0, i16::from_be_bytes);
        BatchUnit { unit: super::decode_unit(bytes), store_timestamp: eight(20), base: eight(28), count }
    }

    /// The bytes of the unit.
    #[cfg(test)]
    pub fn encode(&self) -> [u8; BATCH_UNIT_BYTES] {
        let mut bytes = [0; BATCH_UNIT_BYTES];
        bytes[..20].copy_from_slice(&super::encode_unit(&self.unit));
        bytes[20..28].copy_from_slice(&self.store_timestamp.to_be_bytes());
        bytes[28..36].copy_from_slice(&self.base.to_be_bytes());
        bytes[36..38].copy_from_slice(&self.count.to_be_bytes());
        bytes[38..42].copy_from_slice(&NOT_COMPACTED.to_be_bytes());
        bytes
    }
}

/// Whether the attributes of a topic say that its queues are batch consume queues.
pub(crate) fn is_batch(attributes: &BTreeMap<String, String>) -> bool {
    attributes.get("queue.type").is_some_and(|kind| kind == "BatchCQ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit is what it was, and its fields stand where store.md 3.6 says.
    #[test]
    fn fields_in_their_places() {
        let unit = Unit { physical: 0x0102_0304_0506_0708, size: 9, tags_code: -2 };
        let batch = BatchUnit { unit, store_timestamp: 10, base: 11, count: 12 };
        let bytes = batch.encode();
        assert_eq!(BatchUnit::decode(&bytes), batch);
        assert_eq!((bytes[0], bytes[11], bytes[27], bytes[35], bytes[37]), (1, 9, 10, 11, 12));
        assert_eq!(bytes[38..], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    }
}
