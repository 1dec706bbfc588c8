//! The one-pass header decoders against a look-up per field, for arbitrary fields in both codecs.
#![allow(clippy::unwrap_used, reason = "tests and their helpers")]
#[path = "../fuzz/targets.rs"]
#[allow(dead_code)]
mod targets;

use bytes::{Bytes, BytesMut};
use ferromq_protocol::frame::{self, FRAME_BYTES_MAX};
use ferromq_protocol::header::{Header, Naming};
use ferromq_protocol::headers::{PullMessage, SendMessage};
use ferromq_protocol::{Codec, Command, ExtFields};
use proptest::prelude::*;

const SEND: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];
const PULL: &[&str] = &[
    "consumerGroup",
    "topic",
    "queueId",
    "queueOffset",
    "maxMsgNums",
    "sysFlag",
    "commitOffset",
    "suspendTimeoutMillis",
    "subscription",
    "subVersion",
    "expressionType",
    "maxMsgBytes",
    "requestSource",
    "bname",
];

/// Values of which most are right for most fields.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any::<i32>().prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => Just("true".to_string()),
        1 => Just(String::new()),
        1 => ".{0,12}",
        1 => "[\\x00-\\x1f\"\\\\/äß🚀]{0,12}",
    ]
}

/// All the names of a header in some order, a few of them missing, doubled or unknown.
fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Vec<(String, String)>> {
    let known = Just(names.iter().map(ToString::to_string).collect::<Vec<_>>()).prop_shuffle();
    let more = prop::collection::vec(prop_oneof![prop::sample::select(names).prop_map(String::from), ".{0,6}"], 0..4);
    (known, 0..3usize, more).prop_flat_map(|(mut names, missing, more)| {
        names.truncate(names.len() - missing);
        names.extend(more);
        names.into_iter().map(|name| (Just(name), value())).collect::<Vec<_>>()
    })
}

fn through_the_wire(fields: &[(String, String)], codec: Codec) -> Command {
    let ext: ExtFields = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let command = Command { codec, ..Command::request(310, ext, Bytes::new()) };
    let mut bytes = BytesMut::new();
    command.encode(&mut bytes).unwrap();
    frame::decode(&mut bytes, FRAME_BYTES_MAX).unwrap().unwrap()
}

proptest! {
    /// The hot headers are read in one pass as they would be read field by field.
    #[test]
    fn one_pass_reads_what_look_ups_find(fields in prop_oneof![fields(SEND), fields(PULL)]) {
        for codec in [Codec::Json, Codec::Binary] {
            let command = through_the_wire(&fields, codec);
            for (name, value) in &fields {
                let last = fields.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
                // The binary codec has no empty texts.
                let last = last.filter(|v| codec == Codec::Json || !v.is_empty());
                prop_assert_eq!(command.ext.get(name), last, "{} {}", name, value);
            }
            targets::headers_agree(&command.ext);
        }
    }

    /// What the typed encoder writes straight into the buffer is read as the same header.
    #[test]
    fn typed_headers_survive_both_codecs(
        texts in prop::collection::vec("[ -~äß🚀\\x01\\x02]{1,20}", 4), ints in any::<[i32; 6]>(), longs in any::<[i64; 4]>(),
        flags in any::<[bool; 3]>(),
    ) {
        let send = SendMessage {
            producer_group: &texts[0], topic: &texts[1], default_topic: "TBW102", default_topic_queue_nums: ints[0],
            queue_id: ints[1], sys_flag: ints[2], born_timestamp: longs[0], flag: ints[3],
            properties: flags[2].then_some(&texts[2]), reconsume_times: ints[4], unit_mode: flags[0],
            max_reconsume_times: flags[1].then_some(ints[5]), batch: flags[2],
            broker_name: flags[0].then_some(&texts[3]),
        };
        let pull = PullMessage {
            consumer_group: &texts[0], topic: &texts[1], queue_id: ints[0], queue_offset: longs[0], max_msg_nums: ints[1],
            sys_flag: ints[2], commit_offset: longs[1], suspend_timeout_millis: longs[2],
            subscription: flags[0].then_some(&texts[2]), sub_version: longs[3], expression_type: "SQL92",
            max_msg_bytes: flags[1].then_some(ints[3]), request_source: flags[2].then_some(ints[4]),
            proxy_froward_client_id: None, broker_name: flags[0].then_some(&texts[3]),
        };
        for codec in [Codec::Json, Codec::Binary] {
            let fixed = frame::Fixed::request(310, ints[0], codec);
            for naming in [Naming::Long, Naming::Short] {
                let mut out = BytesMut::new();
                frame::encode_typed(&mut out, &fixed, None, Some(&send), naming, 0).unwrap();
                let command = frame::decode(&mut out, FRAME_BYTES_MAX).unwrap().unwrap();
                prop_assert_eq!(SendMessage::decode_named(&command.ext, naming), Ok(send.clone()));
            }
            let mut out = BytesMut::new();
            frame::encode_typed(&mut out, &fixed, Some(&texts[3]), Some(&pull), Naming::Long, 0).unwrap();
            let command = frame::decode(&mut out, FRAME_BYTES_MAX).unwrap().unwrap();
            prop_assert_eq!(PullMessage::decode(&command.ext), Ok(pull.clone()));
            prop_assert_eq!(command.remark.as_deref(), Some(texts[3].as_str()));
        }
    }
}
