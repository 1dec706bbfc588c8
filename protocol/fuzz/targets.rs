//! What every decoder must hold for any bytes; shared by the fuzz targets and by `tests/fuzz_corpora.rs`.
//!
//! Each target takes arbitrary bytes, must not panic or loop, and checks that what was read can be written and is then
//! read as the same thing.
use bytes::BytesMut;
use ferromq_protocol::compress::{decompress, Compression};
use ferromq_protocol::frame::{self, FRAME_BYTES_MAX};
use ferromq_protocol::header::{FieldValue, Header, Naming};
use ferromq_protocol::headers::{PullMessage, SendMessage};
use ferromq_protocol::json::{self, Flavour};
use ferromq_protocol::{batch, body, delay, filter, ids, language, properties, record, topic};
use ferromq_protocol::{Codec, Command, ExtFields};

/// A target: its name, which is also that of the folder of its corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("frame", frame),
    ("json", json),
    ("record", record),
    ("properties", properties),
    ("batch", batch),
    ("compress", compress),
    ("body", body),
    ("registration", registration),
    ("text", text),
];

/// Frames, one after the other, as from a connection.
pub fn frame(bytes: &[u8]) {
    let mut buf = BytesMut::from(bytes);
    while let Ok(Some(mut command)) = frame::decode(&mut buf, FRAME_BYTES_MAX) {
        headers_agree(&command.ext);
        // JSON has no unknown language: a header without one is Java's.
        if command.codec == Codec::Json && language::name(command.language).is_none() {
            command.language = language::JAVA;
        }
        if let Some(first) = encoded(&command) {
            let again = frame::decode(&mut first.clone(), FRAME_BYTES_MAX).ok().flatten();
            let again = readable(again);
            assert_eq!(encoded(&again).as_ref(), Some(&first));
            assert_eq!((again.code, again.opaque, &again.remark), (command.code, command.opaque, &command.remark));
            assert_eq!(again.body, command.body);
        }
    }
}

/// What was written must be readable.
fn readable<T>(read: Option<T>) -> T {
    let Some(read) = read else { unreachable!("what was written cannot be read") };
    read
}

fn encoded(command: &Command) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    command.encode(&mut out).ok().map(|()| out)
}

/// The one-pass decoders of the hot headers read what a look-up per field finds.
pub fn headers_agree(ext: &ExtFields) {
    for naming in [Naming::Short, Naming::Long] {
        let field = |short, long| ext.get(if naming == Naming::Short { short } else { long });
        let slow = (|| {
            Some(SendMessage {
                producer_group: field("a", "producerGroup")?,
                topic: field("b", "topic")?,
                default_topic: field("c", "defaultTopic")?,
                default_topic_queue_nums: field("d", "defaultTopicQueueNums")?.parse().ok()?,
                queue_id: field("e", "queueId")?.parse().ok()?,
                sys_flag: field("f", "sysFlag")?.parse().ok()?,
                born_timestamp: field("g", "bornTimestamp")?.parse().ok()?,
                flag: field("h", "flag")?.parse().ok()?,
                properties: field("i", "properties"),
                reconsume_times: optional(field("j", "reconsumeTimes"))?.unwrap_or(0),
                unit_mode: optional(field("k", "unitMode"))?.unwrap_or(false),
                max_reconsume_times: optional(field("l", "maxReconsumeTimes"))?,
                batch: optional(field("m", "batch"))?.unwrap_or(false),
                broker_name: field("n", "bname"),
            })
        })();
        assert_eq!(SendMessage::decode_named(ext, naming).ok(), slow);
    }
    let slow = (|| {
        Some(PullMessage {
            consumer_group: ext.get("consumerGroup")?,
            topic: ext.get("topic")?,
            queue_id: ext.get("queueId")?.parse().ok()?,
            queue_offset: ext.get("queueOffset")?.parse().ok()?,
            max_msg_nums: ext.get("maxMsgNums")?.parse().ok()?,
            sys_flag: ext.get("sysFlag")?.parse().ok()?,
            commit_offset: ext.get("commitOffset")?.parse().ok()?,
            suspend_timeout_millis: ext.get("suspendTimeoutMillis")?.parse().ok()?,
            subscription: ext.get("subscription"),
            sub_version: ext.get("subVersion")?.parse().ok()?,
            expression_type: ext.get("expressionType").unwrap_or("TAG"),
            max_msg_bytes: optional(ext.get("maxMsgBytes"))?,
            request_source: optional(ext.get("requestSource"))?,
            proxy_froward_client_id: ext.get("proxyFrowardClientId"),
            broker_name: ext.get("bname"),
        })
    })();
    assert_eq!(PullMessage::decode(ext).ok(), slow);
}

/// Absent is fine, present must be a value: the strict headers.
fn optional<'a, T: FieldValue<'a>>(text: Option<&'a str>) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => T::parse(text).map(Some),
    }
}

/// JSON documents of the dialect, in every form we write.
pub fn json(bytes: &[u8]) {
    let Ok(value) = json::parse(bytes) else { return };
    for text in [value.write(Flavour::Java), value.write_pretty()] {
        assert_eq!(json::parse(&text).as_ref(), Ok(&value));
    }
    for flavour in [Flavour::Quoted, Flavour::Standard] {
        let again = readable(json::parse(&value.write(flavour)).ok());
        assert_eq!(again.entries().len(), value.entries().len());
    }
    let _ = (value.as_i64(), value.as_f64(), value.as_bool(), value.text());
    value.entries().iter().for_each(|(key, _)| drop((key.as_i64(), key.object().map(|o| o.into_owned()))));
}

/// Stored records, one after the other, as in the body of a pull.
pub fn record(bytes: &[u8]) {
    let _ = record::parse(bytes, true);
    for view in record::iter(bytes).take(1 << 16).map_while(Result::ok) {
        let message = view.to_message();
        let _ = (view.offset_message_id(), view.check_body_crc(), view.property("KEYS"), view.body_range());
        let mut out = Vec::new();
        if record::encode(&mut out, &message).is_ok() {
            let again = readable(record::parse(&out, true).ok());
            assert_eq!(
                (again.topic(), again.body(), again.properties()),
                (view.topic(), view.body(), view.properties())
            );
        }
    }
}

/// Properties text.
pub fn properties(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut changed = properties::Properties::from_text(text);
    for (name, value) in properties::iter(text).take(64) {
        let _ = properties::validate_user_property(name, value);
        assert!(properties::get(text, name).is_some());
        changed.set(name, "changed");
    }
    changed.remove("KEYS");
    assert_eq!(changed.get("KEYS"), None);
    let _ = changed.encode();
}

/// Bodies of several messages.
pub fn batch(bytes: &[u8]) {
    let messages: Result<Vec<_>, _> = batch::iter(bytes).take(1 << 16).collect();
    let Ok(messages) = messages else { return };
    let mut out = Vec::new();
    if batch::encode(&mut out, &messages).is_ok() {
        let again: Result<Vec<_>, _> = batch::iter(&out).collect();
        assert_eq!(again, Ok(messages));
    }
}

/// Compressed bodies: never more than the bound.
pub fn compress(bytes: &[u8]) {
    const MAX: usize = 1 << 16;
    for kind in [Compression::Zlib, Compression::Lz4, Compression::Zstd] {
        assert!(decompress(kind, bytes, MAX).map_or(0, |body| body.len()) <= MAX);
    }
}

/// Every typed JSON body.
pub fn body(bytes: &[u8]) {
    let Ok(value) = json::parse(bytes) else { return };
    macro_rules! all {
        ($($name:ident),* $(,)?) => {$(
            if let Ok(body) = body::$name::from_json(&value) {
                let text = body.to_json().write(Flavour::Quoted);
                let again = readable(json::parse(&text).ok());
                assert!(body::$name::from_json(&again).is_ok(), stringify!($name));
            }
        )*};
    }
    all!(
        HeartbeatData,
        CheckClientConfigBody,
        TopicStatsTable,
        ConsumeStats,
        ConsumeStatsList,
        BrokerStatsData,
        ClusterInfo,
        BrokerMemberGroup,
        TopicList,
        GroupList,
        KvTable,
        DataVersion,
        ConsumerRunningInfo,
        ConsumeMessageDirectlyResult,
        LockBatchRequest,
        LockBatchResponse,
        ConsumerIdList,
        GetConsumerStatusBody,
        TopicConfig,
        TopicConfigTable,
        RegisterBrokerBody,
        SubscriptionGroupConfig,
        SubscriptionGroupTable,
        ConsumerConnection,
        ProducerConnection,
        ProducerTable,
        TopicRouteData,
        ConsumerOffsetTable,
        DelayOffsetTable,
    );
}

/// The compressed registration of a broker, given as it is inflated.
pub fn registration(bytes: &[u8]) {
    let _ = body::RegisterBrokerBody::decode_compressed(bytes, 493);
    if let Ok(packed) = ferromq_protocol::compress::compress(Compression::Zlib, 1, bytes) {
        let _ = body::RegisterBrokerBody::decode_compressed(&packed, 493);
        let _ = body::RegisterBrokerBody::decode_compressed(&packed, 407);
    }
}

/// The small texts: tag expressions, message ids, delay levels, names.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(expression) = filter::TagExpression::parse(Some(text)) {
        for tag in expression.tags.iter().take(64) {
            assert!(expression.matches_tag(Some(tag)));
            assert!(expression.matches_code(ferromq_protocol::hash::tags_code(tag)));
        }
    }
    if let Ok(id) = ids::OffsetMessageId::parse(text) {
        let mut again = String::new();
        id.write_to(&mut again);
        assert!(again.eq_ignore_ascii_case(text));
    }
    let _ = (ids::UniqueId::parse(text), delay::parse(text), topic::validate_topic(text), topic::validate_group(text));
}
