//! Records and batches: the vectors of wire.md 9, damage, and round trips of arbitrary ones.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests do")]
use ferromq_protocol::batch::{self, BatchMessage};
use ferromq_protocol::record::{self, Message, RecordError, RecordView};
use ferromq_protocol::{ids::OffsetMessageId, sysflag};
use proptest::prelude::*;
use std::net::SocketAddr;

const V6: &str = "000000250000000000000000000000000000000568656c6c6f000a544147530154616741020000001c00000000000000000000000700000006776f726c64210000";
const V7: &str = "0000009ddaa320a73610a6860000000300000000000000000000002a0000000000001000000000000000018bcfe568000a0000090000c8220000018bcfe568050a00000100002a9f0000000000000000000000000000000568656c6c6f09546f70696354657374003454414753015461674102554e49515f4b455901304130303030303931363245324131333941353530303030304531303030303002";
const V8: &str = "00000077daa320ab58932aac000000000000000000000000000000000000000000000000000000300000018bcfe5680020010db80000000000000000000000090000c8220000018bcfe5680520010db800000000000000000000000100002a9f0000000000000000000000000000000268690001540000";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn host(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn message_v7() -> Message<'static> {
    Message {
        topic: "TopicTest",
        queue_id: 3,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: host("10.0.0.9:51234"),
        store_timestamp: 1_700_000_000_005,
        store_host: host("10.0.0.1:10911"),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"hello",
        properties: "TAGS\u{1}TagA\u{2}UNIQ_KEY\u{1}0A000009162E2A139A5500000E100000\u{2}",
        queue_offset: 42,
        physical_offset: 0x1000,
    }
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = b"before".to_vec();
    let encoded = record::encode(&mut out, message).unwrap();
    let record = out.split_off(6);
    assert_eq!(record.len(), encoded.len);
    let at = encoded.store_timestamp_at;
    assert_eq!(record[at..at + 8], message.store_timestamp.to_be_bytes());
    record
}

/// The official V1 record, both ways, field by field.
#[test]
fn v1_with_ipv4() {
    let bytes = unhex(V7);
    assert_eq!(encoded(&message_v7()), bytes);
    let view = record::parse(&bytes, true).unwrap();
    assert_eq!(view.to_message(), message_v7());
    assert_eq!((view.body_crc(), view.len(), view.is_v2()), (907_060_870, 157, false));
    assert_eq!(view.property("TAGS"), Some("TagA"));
    assert_eq!(view.offset_message_id().to_string(), "0A00000100002A9F0000000000001000");
    assert_eq!(bytes[view.body_range()], *b"hello");
}

/// A V2 record with IPv6 hosts: read, and its fields and id.
#[test]
fn v2_with_ipv6() {
    let bytes = unhex(V8);
    let view = record::parse(&bytes, true).unwrap();
    assert_eq!((view.topic(), view.body(), view.properties(), view.is_v2()), ("T", &b"hi"[..], "", true));
    assert_eq!(view.born_host(), host("[2001:db8::9]:51234"));
    assert_eq!(view.store_host(), host("[2001:db8::1]:10911"));
    assert_eq!(view.store_timestamp(), 1_700_000_000_005);
    let id = OffsetMessageId { store_host: view.store_host(), physical_offset: 4096 };
    assert_eq!(id.to_string(), "20010DB800000000000000000000000100002A9F0000000000001000");
    // Written again, a short topic gives V1, which is one byte shorter.
    let v1 = encoded(&view.to_message());
    assert_eq!(v1.len(), bytes.len() - 1);
    assert_eq!(record::parse(&v1, true).unwrap().to_message(), view.to_message());
}

/// Only topics over 127 bytes are written with a length of two bytes.
#[test]
fn version_follows_the_topic() {
    for (len, v2) in [(127, false), (128, true), (255, true)] {
        let topic = "%RETRY%".chars().chain(std::iter::repeat('g')).take(len).collect::<String>();
        let record = encoded(&Message { topic: &topic, ..message_v7() });
        let view = record::parse(&record, true).unwrap();
        assert_eq!((view.is_v2(), view.topic()), (v2, topic.as_str()));
    }
}

/// IPv4 in IPv6 clothes is written as IPv4; flags given for the address family do not count.
#[test]
fn address_families() {
    let mapped = Message { born_host: host("[::ffff:10.0.0.9]:51234"), sys_flag: 0x30, ..message_v7() };
    assert_eq!(encoded(&mapped), unhex(V7));
    let mixed = encoded(&Message { born_host: host("[::1]:1"), ..message_v7() });
    let view = record::parse(&mixed, true).unwrap();
    assert_eq!(view.sys_flag() & 0x30, sysflag::BORN_HOST_V6);
    assert_eq!((view.born_host(), view.store_host()), (host("[::1]:1"), host("10.0.0.1:10911")));
}

/// What cannot be written is refused and leaves the buffer as it was.
#[test]
fn refuses_what_does_not_fit() {
    let long = "p".repeat(32_768);
    let mut out = Vec::new();
    let properties = record::encode(&mut out, &Message { properties: &long, ..message_v7() });
    assert_eq!(properties, Err(RecordError::PropertiesTooLong { len: 32_768 }));
    let topic = record::encode(&mut out, &Message { topic: &long, ..message_v7() });
    assert_eq!(topic, Err(RecordError::TopicTooLong { len: 32_768 }));
    assert!(out.is_empty());
    assert!(record::encode(&mut out, &Message { properties: &long[1..], ..message_v7() }).is_ok());
}

/// Cut records, other magics, the filler, wrong lengths and changed bodies are told apart.
#[test]
fn damage_is_named() {
    let good = unhex(V7);
    for at in 0..good.len() {
        assert!(matches!(record::parse(&good[..at], false), Err(RecordError::Truncated { .. })), "cut at {at}");
    }
    let patched = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    let filler = patched(4, &record::MAGIC_BLANK.to_be_bytes());
    assert_eq!(record::parse(&filler[..8], false), Err(RecordError::Blank { len: 157 }));
    assert!(matches!(record::parse(&patched(4, &[0; 4]), false), Err(RecordError::Magic { magic: 0 })));
    for at in [84, 85, 87, 93, 103, 104] {
        let bad = patched(at, &[0x7F]);
        assert!(matches!(record::parse(&bad, false), Err(RecordError::Length { .. })), "length at {at}");
    }
    for total in [0, 90, 156, -1] {
        let bad = patched(0, &i32::to_be_bytes(total));
        assert!(matches!(record::parse(&bad, false), Err(RecordError::Length { .. })), "length {total}");
    }
    let changed = patched(88, b"j");
    assert!(record::parse(&changed, false).is_ok());
    assert!(matches!(record::parse(&changed, true), Err(RecordError::BodyCrc { physical_offset: 0x1000, .. })));
}

/// Text that is no UTF-8 ends where it stops being text; the bytes stay readable.
#[test]
fn foreign_text() {
    let mut bytes = unhex(V7);
    let at = bytes.len() - 3;
    bytes[at] = 0xFF;
    let view = record::parse(&bytes, true).unwrap();
    assert!(view.properties().ends_with("E1000"));
    assert_eq!((view.property("TAGS"), view.properties_bytes().len()), (Some("TagA"), 52));
}

/// Records back to back come out one by one; the walk ends at the first error.
#[test]
fn walks_over_records() {
    let mut bytes = [unhex(V7), unhex(V8), unhex(V7)].concat();
    let topics: Vec<&str> = record::iter(&bytes).map(|r| r.unwrap().topic()).collect();
    assert_eq!(topics, ["TopicTest", "T", "TopicTest"]);
    bytes.truncate(200);
    let results: Vec<Result<RecordView, RecordError>> = record::iter(&bytes).collect();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1], Err(RecordError::Truncated { needed: 119, have: 43 }));
}

/// The official batch body, both ways.
#[test]
fn batch_vector() {
    let messages = [
        BatchMessage { flag: 0, body: b"hello", properties: "TAGS\u{1}TagA\u{2}" },
        BatchMessage { flag: 7, body: b"world!", properties: "" },
    ];
    let mut out = Vec::new();
    batch::encode(&mut out, &messages).unwrap();
    assert_eq!(out, unhex(V6));
    let read: Vec<BatchMessage> = batch::iter(&out).collect::<Result<_, _>>().unwrap();
    assert_eq!(read, messages);
}

fn any_host() -> impl Strategy<Value = SocketAddr> {
    let v4 = (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from);
    let v6 = (any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from);
    prop_oneof![v4, v6].prop_map(|host| SocketAddr::new(host.ip().to_canonical(), host.port()))
}

proptest! {
    /// What is written is read back, for all fields; a record is never longer than it says.
    #[test]
    fn records_round_trip(
        topic in "[%a-zA-Z0-9_|-]{1,200}",
        numbers in any::<(i32, i32, i32, i32)>(),
        times in any::<(i64, i64, i64, i64, i64)>(),
        hosts in (any_host(), any_host()),
        body in prop::collection::vec(any::<u8>(), 0..300),
        properties in ".{0,200}",
    ) {
        let (queue_id, flag, sys_flag, reconsume_times) = numbers;
        let (born_timestamp, store_timestamp, queue_offset, physical_offset, prepared_transaction_offset) = times;
        let sys_flag = sysflag::with_hosts(sys_flag, hosts.0.is_ipv6(), hosts.1.is_ipv6());
        let message = Message {
            topic: &topic, queue_id, flag, sys_flag, born_timestamp, born_host: hosts.0, store_timestamp,
            store_host: hosts.1, reconsume_times, prepared_transaction_offset, body: &body, properties: &properties,
            queue_offset, physical_offset,
        };
        let record = encoded(&message);
        prop_assert_eq!(record::encoded_len(&message), record.len());
        let longer = [&record[..], b"rest"].concat();
        prop_assert_eq!(record::parse(&longer, true).unwrap().to_message(), message);
    }

    /// No bytes make the readers panic.
    #[test]
    fn arbitrary_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..400), v2 in any::<bool>()) {
        let len = bytes.len() as i32;
        for result in batch::iter(&bytes) {
            let _ = result;
        }
        if bytes.len() > 8 {
            bytes[..4].copy_from_slice(&len.to_be_bytes());
            bytes[4..8].copy_from_slice(&(if v2 { record::MAGIC_V2 } else { record::MAGIC_V1 }).to_be_bytes());
        }
        for result in record::iter(&bytes).flatten() {
            let _ = (result.to_message(), result.offset_message_id(), result.check_body_crc());
        }
    }

    /// A record with one byte changed is either refused or as long as before.
    #[test]
    fn one_changed_byte(at in 0_usize..157, to in any::<u8>()) {
        let mut bytes = unhex(V7);
        bytes[at] = to;
        if let Ok(view) = record::parse(&bytes, true) {
            prop_assert_eq!(view.len(), 157);
            let _ = (view.to_message(), view.offset_message_id());
        }
    }

    /// Batches are read back as written.
    #[test]
    fn batches_round_trip(messages in prop::collection::vec((any::<i32>(), prop::collection::vec(any::<u8>(), 0..50), ".{0,40}"), 0..10)) {
        let messages: Vec<BatchMessage> =
            messages.iter().map(|(flag, body, properties)| BatchMessage { flag: *flag, body, properties }).collect();
        let mut out = Vec::new();
        batch::encode(&mut out, &messages).unwrap();
        let read: Vec<BatchMessage> = batch::iter(&out).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, messages);
    }

    /// Ids are read back as written.
    #[test]
    fn ids_round_trip(store_host in any_host(), physical_offset in any::<i64>(), text in ".{0,60}") {
        let id = OffsetMessageId { store_host, physical_offset };
        prop_assert_eq!(OffsetMessageId::parse(&id.to_string()), Ok(id));
        let _ = OffsetMessageId::parse(&text);
    }
}
