//! Every recorded frame of Apache RocketMQ 4.9.7 and 5.4.0 against our codecs and typed headers.
//!
//! The vectors are `testdata/frames` (see `testdata/README.md`).
#![allow(clippy::unwrap_used, reason = "tests and their helpers")]
mod frames;

use bytes::{Bytes, BytesMut};
use ferromq_protocol::frame::{self, Fixed, FRAME_BYTES_MAX};
use ferromq_protocol::header::{Header, Naming};
use ferromq_protocol::headers::*;
use ferromq_protocol::{code, language, Codec, Command, ExtFields};
use frames::{all, codes, Recorded};
use std::collections::BTreeSet;

fn decoded(recorded: &Recorded) -> Command {
    let mut bytes = BytesMut::from(&recorded.frame[..]);
    let command = frame::decode(&mut bytes, FRAME_BYTES_MAX).unwrap().expect("the frame is complete");
    assert!(bytes.is_empty());
    command
}

/// Decoding gives what an independent decoder wrote into the vectors.
#[test]
fn every_recorded_frame_decodes_to_the_recorded_fields() {
    let frames = all();
    assert!(frames.len() > 2000, "{} frames", frames.len());
    for recorded in &frames {
        let command = decoded(recorded);
        let header = &recorded.header;
        let int = |name: &str| header[name].as_i64().unwrap_or(0) as i32;
        assert_eq!((command.code, command.opaque), (recorded.code, recorded.opaque), "{recorded}");
        assert_eq!((command.flag, command.version), (int("flag"), int("version")), "{recorded}");
        let spoken = header["language"].as_str().map_or_else(|| int("language"), language::ordinal);
        assert_eq!(command.language, spoken, "{recorded}");
        assert_eq!(command.remark.as_deref(), header["remark"].as_str(), "{recorded}");
        assert_eq!(command.body.len(), recorded.body_len, "{recorded}");
        let fields = header["extFields"].as_object();
        let present = fields.is_some_and(|f| command.codec == Codec::Json || !f.is_empty());
        assert_eq!(command.ext.is_present(), present, "{recorded}");
        for (name, value) in fields.into_iter().flatten() {
            // The binary codec has no empty texts.
            let value = value.as_str().filter(|v| command.codec == Codec::Json || !v.is_empty());
            assert_eq!(command.ext.get(name), value, "{recorded}: {name}");
        }
        assert_eq!(command.ext.len(), fields.map_or(0, |f| f.len()), "{recorded}");
    }
}

/// What we write for a decoded frame is what Java wrote, byte for byte, in both codecs.
#[test]
fn every_recorded_frame_encodes_to_the_recorded_bytes() {
    for recorded in &all() {
        let mut out = BytesMut::new();
        decoded(recorded).encode(&mut out).unwrap();
        assert_eq!(out, recorded.frame, "{recorded}");
    }
}

/// The table of codes is that of the official programs, names included.
#[test]
fn the_codes_are_those_of_both_versions() {
    type Kind = (&'static str, fn(i32) -> Option<&'static str>, &'static [(i32, &'static str)]);
    let kinds: [Kind; 2] =
        [("request", code::request_name, code::REQUESTS), ("response", code::response_name, code::RESPONSES)];
    for (kind, name_of, table) in kinds {
        let mut recorded = BTreeSet::new();
        for version in ["4.9.7", "5.4.0"] {
            for (number, name) in codes(version)[kind].as_object().unwrap() {
                let number: i32 = number.parse().unwrap();
                recorded.insert(number);
                // Three numbers have two meanings (wire.md 3); the name is that of 5.4.0.
                if !(version == "4.9.7" && kind == "response" && (209..=211).contains(&number)) {
                    assert_eq!(name_of(number), name.as_str(), "{version} {kind} {number}");
                }
            }
        }
        assert_eq!(recorded, table.iter().map(|(number, _)| *number).collect());
    }
}

/// Fields that peers add to any header and that the typed headers leave out.
const FOREIGN: &[&str] = &["ReqT", "bname", "lo", "ns", "nsd", "oway"];

/// Reads the frame's fields as `H`, writes them again in both codecs, and compares: every recorded field must be there
/// with its value, and whatever else appears must be the declared default of an absent field.
fn check<'a, H: Header<'a> + PartialEq + std::fmt::Debug>(
    recorded: &Recorded,
    ext: &'a ExtFields,
    naming: Naming,
    defaults: &[(&str, &str)],
) {
    let typed = H::decode_named(ext, naming).unwrap_or_else(|error| panic!("{recorded}: {error}"));
    let mut again = ExtFields::empty();
    typed.encode_named(&mut again, naming);
    for (name, value) in ext.iter().filter(|(name, _)| !FOREIGN.contains(name)) {
        assert_eq!(again.get(name), value, "{recorded}: {name}");
    }
    for (name, value) in again.iter().filter(|(name, _)| ext.get(name).is_none()) {
        assert!(defaults.iter().any(|(n, v)| *n == name && Some(*v) == value), "{recorded}: {name}={value:?} appeared");
    }
    for codec in [Codec::Json, Codec::Binary] {
        let fixed = Fixed { codec, ..Fixed::request(1, 2, codec) };
        let mut out = BytesMut::new();
        frame::encode_typed(&mut out, &fixed, None, Some(&typed), naming, 0).unwrap();
        let command = frame::decode(&mut out, FRAME_BYTES_MAX).unwrap().unwrap();
        for (name, value) in again.iter() {
            let value = value.filter(|v| codec == Codec::Json || !v.is_empty());
            assert_eq!(command.ext.get(name), value, "{recorded}: {name} in {codec:?}");
        }
    }
}

/// Checks the frame against the header of its request code; false when that request has none.
fn check_request(recorded: &Recorded, ext: &ExtFields) -> bool {
    macro_rules! table {
        ($($($code:pat_param)|+ => $header:ident $(/ $naming:ident)? $([$($name:literal = $value:literal),*])?;)*) => {
            match recorded.code {
                $($($code)|+ => check::<$header>(recorded, ext, table!(@naming $($naming)?), &[$($(($name, $value)),*)?]),)*
                _ => return false,
            }
        };
        (@naming) => { Naming::Long };
        (@naming $naming:ident) => { Naming::$naming };
    }
    table! {
        310 | 320 | 325 => SendMessage / Short;
        36 => ConsumerSendMsgBack;
        37 => EndTransaction;
        11 | 361 => PullMessage;
        38 => GetConsumerListByGroup;
        14 => QueryConsumerOffset;
        15 => UpdateConsumerOffset;
        30 => GetMaxOffset ["committed" = "true"];
        31 => GetMinOffset;
        29 => SearchOffset ["boundaryType" = "LOWER"];
        32 => EarliestStoreTime;
        33 => ViewMessage;
        12 => QueryMessage;
        35 => UnregisterClient;
        105 => GetRouteInfo;
        39 => CheckTransactionState;
        40 => NotifyConsumerIdsChanged;
        220 | 222 => ResetOffset ["queueId" = "-1"];
        221 | 223 => GetConsumerStatus;
        307 => GetConsumerRunningInfo;
        309 => ConsumeMessageDirectly;
        326 => PushReply;
        103 => RegisterBroker;
        104 => UnregisterBroker;
        100 => PutKvConfig;
        101 | 102 => KvKey;
        219 => GetKvListByNamespace;
        205 | 327 => WritePermOfBroker;
        216 => DeleteTopicInNamesrv;
        224 => GetTopicsByCluster;
        17 => CreateTopic;
        202 | 215 | 300 => TopicName;
        351 => GetTopicConfig;
        21 => GetAllTopicConfig;
        201 => GetAllSubscriptionGroup;
        207 => DeleteSubscriptionGroup;
        343 => GroupName;
        208 => GetConsumeStats;
        317 => GetBrokerConsumeStats;
        203 => GetConsumerConnectionList;
        204 => GetProducerConnectionList;
        345 => QuerySubscriptionByConsumer;
        303 => QueryConsumeTimeSpan;
        314 => CloneGroupOffset;
        315 => ViewBrokerStats;
        321 => QueryConsumeQueue;
        323 => ResumeCheckHalfMessage;
    }
    true
}

/// Checks an answer against the header that belongs to the code of its request; false when there is none.
fn check_response(recorded: &Recorded, ext: &ExtFields) -> bool {
    match (recorded.req_code, recorded.code) {
        (310 | 320 | 325, 0 | 10 | 11 | 12) => check::<SendMessageResponse>(recorded, ext, Naming::Long, &[]),
        (310 | 320 | 325, _) => check::<SendFailure>(recorded, ext, Naming::Long, &[]),
        (11 | 361, 0 | 19..=21) => check::<PullMessageResponse>(recorded, ext, Naming::Long, &[]),
        (14 | 29 | 30 | 31, 0) => check::<OffsetResponse>(recorded, ext, Naming::Long, &[]),
        (32, 0) => check::<EarliestStoreTimeResponse>(recorded, ext, Naming::Long, &[]),
        (12, 0 | 22) => check::<QueryMessageResponse>(recorded, ext, Naming::Long, &[]),
        (34, 0) if !ext.is_empty() => check::<HeartbeatResponse>(recorded, ext, Naming::Long, &[]),
        (103, 0) => check::<RegisterBrokerResponse>(recorded, ext, Naming::Long, &[]),
        (101, 0) => check::<GetKvConfigResponse>(recorded, ext, Naming::Long, &[]),
        (205, 0) => check::<WipeWritePermResponse>(recorded, ext, Naming::Long, &[]),
        (327, 0) => check::<AddWritePermResponse>(recorded, ext, Naming::Long, &[]),
        (21, 0) if !ext.is_empty() => check::<GetAllTopicConfigResponse>(recorded, ext, Naming::Long, &[]),
        (201, 0) if !ext.is_empty() => check::<GetAllSubscriptionGroupResponse>(recorded, ext, Naming::Long, &[]),
        (26, 0) => check::<GetBrokerConfigResponse>(recorded, ext, Naming::Long, &[]),
        _ => return false,
    }
    true
}

/// Requests whose fields have no typed header yet: POP consumption (and its codes cut to 16 bits), and the hook field
/// of heartbeats.
const WITHOUT_HEADER: &[i32] = &[34, 3442, 200_050, 200_051, 200_053];

/// Typed headers lose no recorded field and invent none.
#[test]
fn every_recorded_header_survives_its_typed_form() {
    let mut checked = 0;
    for recorded in &all() {
        let command = decoded(recorded);
        let known = if command.is_response() {
            check_response(recorded, &command.ext)
        } else {
            check_request(recorded, &command.ext)
        };
        let code = if command.is_response() { recorded.req_code } else { recorded.code };
        assert!(known || command.ext.is_empty() || WITHOUT_HEADER.contains(&code), "{recorded} has no typed header");
        checked += usize::from(known);
    }
    assert!(checked > 1500, "{checked} headers");
}

/// A body is the slice of the frame that follows the header, not a copy with something else in it.
#[test]
fn bodies_are_the_bytes_behind_the_header() {
    for recorded in &all() {
        let body: Bytes = decoded(recorded).body;
        assert_eq!(body, recorded.frame[recorded.frame.len() - recorded.body_len..], "{recorded}");
    }
}
