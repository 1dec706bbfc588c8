//! Ids, hashes, properties, tag expressions and delay levels against what Apache's own classes gave
//! (`testdata/ids-and-hashes.json.zst`).
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests do")]
use ferromq_protocol::filter::TagExpression;
use ferromq_protocol::ids::{OffsetMessageId, UniqueId};
use ferromq_protocol::properties::{self, Properties};
use ferromq_protocol::{crc, delay, hash};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The entries of one section; an empty one would test nothing.
fn section(name: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/ids-and-hashes.json.zst");
    let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    let entries = document[name].as_array().unwrap().clone();
    assert!(!entries.is_empty(), "{name}");
    entries
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// `String.hashCode` and the tag code.
#[test]
fn string_hashes() {
    for entry in section("stringHashCode") {
        let text = entry["s"].as_str().unwrap();
        assert_eq!(i64::from(hash::java_string_hash(text)), entry["hashCode"].as_i64().unwrap(), "{text}");
        assert_eq!(hash::tags_code(text), entry["tagsCode"].as_i64().unwrap(), "{text}");
    }
}

/// The hash of topic and key and its slots.
#[test]
fn index_key_hashes() {
    for entry in section("indexKeyHash") {
        let hash = hash::index_hash(entry["indexKey"].as_str().unwrap());
        if let (Some(topic), Some(key)) = (entry["topic"].as_str(), entry["key"].as_str()) {
            assert_eq!(hash::index_key_hash(topic, key), hash, "{entry}");
        }
        assert_eq!(i64::from(hash), entry["hash"].as_i64().unwrap(), "{entry}");
        assert_eq!(i64::from(hash % 5_000_000), entry["slot5000000"].as_i64().unwrap(), "{entry}");
        assert_eq!(i64::from(hash % 61), entry["slot61"].as_i64().unwrap(), "{entry}");
    }
}

/// Parts and time of unique ids. The recording machine ran on UTC.
#[test]
fn unique_ids() {
    for entry in section("uniqueId") {
        let id = UniqueId::parse(entry["id"].as_str().unwrap()).unwrap();
        assert_eq!(id.ip.to_string(), entry["ip"].as_str().unwrap());
        assert_eq!(i64::from(id.process_id), entry["pid"].as_i64().unwrap());
        assert_eq!(i64::from(id.month_ms), entry["timeOffsetInMonthMs"].as_i64().unwrap());
        assert_eq!(i64::from(id.counter), entry["counter"].as_i64().unwrap());
        // An id made in the millisecond of the recording is put into the month before by Java; asking for the
        // millisecond before it gives that answer here.
        let now = entry["computedAt"].as_i64().unwrap();
        let expected = entry["nearlyTime"].as_i64().unwrap();
        assert!(id.time(now, 0) == expected || id.time(now - 1, 0) == expected, "{entry}");
    }
}

/// Ids of store host and offset, both ways, and in lower case.
#[test]
fn offset_message_ids() {
    for entry in section("offsetMsgId") {
        let id = OffsetMessageId {
            store_host: (
                entry["host"].as_str().unwrap().parse::<std::net::IpAddr>().unwrap(),
                entry["port"].as_u64().unwrap() as u16,
            )
                .into(),
            physical_offset: entry["offset"].as_i64().unwrap(),
        };
        let text = entry["id"].as_str().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(OffsetMessageId::parse(text).unwrap(), id);
        assert_eq!(OffsetMessageId::parse(&text.to_lowercase()).unwrap(), id);
    }
    for bad in ["", "0A", &"G".repeat(32), &"ä".repeat(16), &"F".repeat(32)] {
        assert!(OffsetMessageId::parse(bad).is_err(), "{bad}");
    }
}

/// The 31-bit checksum.
#[test]
fn checksums() {
    for entry in section("crc32") {
        let bytes = unhex(entry["hex"].as_str().unwrap());
        assert_eq!(i64::from(crc::crc32(&bytes)), entry["crc32"].as_i64().unwrap(), "{entry}");
    }
}

/// Reading properties as Java does, and writing them.
#[test]
fn properties_text() {
    for entry in section("properties") {
        let text = entry["string"].as_str().unwrap();
        let decoded: BTreeMap<&str, &str> = properties::iter(text).collect();
        let expected: BTreeMap<&str, &str> =
            entry["decoded"].as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
        assert_eq!(decoded, expected, "{text:?}");
        for (name, value) in &expected {
            assert_eq!(properties::get(text, name), Some(*value), "{text:?}");
        }
        let written: Properties = expected.iter().map(|(k, v)| (*k, *v)).collect();
        assert_eq!(written.iter().collect::<BTreeMap<_, _>>(), expected);
    }
}

/// Tags and hashes of expressions, and which are refused.
#[test]
fn tag_expressions() {
    for entry in section("tagExpression") {
        let parsed = TagExpression::parse(entry["expr"].as_str());
        if entry.get("error").is_some() {
            assert!(parsed.is_err(), "{entry}");
            continue;
        }
        let parsed = parsed.unwrap();
        assert_eq!(parsed.text, entry["subString"].as_str().unwrap(), "{entry}");
        let tags: BTreeSet<String> = serde_json::from_value(entry["tags"].clone()).unwrap();
        let codes: BTreeSet<i32> = serde_json::from_value(entry["codes"].clone()).unwrap();
        assert_eq!((parsed.tags, parsed.codes), (tags, codes), "{entry}");
    }
}

/// Level tables, good and bad.
#[test]
fn delay_levels() {
    for entry in section("delayLevelTable") {
        let text = entry["text"].as_str().unwrap();
        let parsed = delay::parse(text);
        assert_eq!(parsed.is_ok(), entry["ok"].as_bool().unwrap(), "{text:?}");
        if let Ok(levels) = parsed {
            assert_eq!(levels.len() as u64, entry["max"].as_u64().unwrap(), "{text:?}");
            for (at, level) in levels.iter().enumerate() {
                assert_eq!(entry["table"][(at + 1).to_string()].as_i64(), Some(*level), "{text:?}");
            }
        }
    }
}
