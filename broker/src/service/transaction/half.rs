//! What a half message is, and the messages made of it (store.md 8; broker.md 7). Pure: records and texts.
//!
//! A half message is an ordinary record of RMQ_SYS_TRANS_HALF_TOPIC, queue 0, that carries its real topic and queue. It
//! becomes one of: the committed message, the record that producers are asked about, the one that is given up.
use crate::service::send::properties::{push, push_without};
use ferromq_protocol::record::{self, Message, RecordView};
use ferromq_protocol::{properties as names, sysflag, topic};

/// The only queue that half messages and op records are written to.
pub const QUEUE: i32 = 0;

/// A stored half message.
#[derive(Debug)]
pub struct Half<'a> {
    record: RecordView<'a>,
    /// The producer group that may end it.
    pub group: Option<&'a str>,
    /// Where it goes when it is committed.
    pub real_topic: &'a str,
    /// Queue there.
    pub real_queue: i32,
    /// CHECK_IMMUNITY_TIME_IN_SECONDS as it stands in the message.
    pub immunity: Option<&'a str>,
    /// Checks counted in the message itself: an Apache broker stores it again with each check.
    pub stored_checks: i32,
    /// UNIQ_KEY, which is the id of the transaction.
    pub unique_key: Option<&'a str>,
}

impl<'a> Half<'a> {
    /// Reads a record; `None` when it is no half message.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let record = record::parse(bytes, false).ok()?;
        if record.topic() != topic::TRANS_HALF || record.queue_id() != QUEUE {
            return None;
        }
        Self::of(record)
    }

    /// A record that was a half message before it was given up.
    pub fn given_up(bytes: &'a [u8]) -> Option<Self> {
        let record = record::parse(bytes, false).ok()?;
        if record.topic() != topic::TRANS_CHECK_MAX_TIME {
            return None;
        }
        Self::of(record)
    }

    fn of(record: RecordView<'a>) -> Option<Self> {
        let property = |name| record.property(name);
        let real_queue = property(names::REAL_QUEUE_ID)?.parse().ok().filter(|queue| *queue >= 0)?;
        Some(Self {
            group: property(names::PRODUCER_GROUP),
            real_topic: property(names::REAL_TOPIC)?,
            real_queue,
            immunity: property(names::CHECK_IMMUNITY_TIME),
            stored_checks: property(names::TRANSACTION_CHECK_TIMES).and_then(|n| n.parse().ok()).unwrap_or(0),
            unique_key: property(names::UNIQ_KEY),
            record,
        })
    }

    /// Its place in the half queue.
    pub fn queue_offset(&self) -> i64 {
        self.record.queue_offset()
    }

    /// Its place in the log.
    pub fn physical_offset(&self) -> i64 {
        self.record.physical_offset()
    }

    /// Milliseconds, by the broker's clock.
    pub fn stored_ms(&self) -> i64 {
        self.record.store_timestamp()
    }

    /// Its offset message id.
    pub fn offset_id(&self) -> String {
        self.record.offset_message_id().to_string()
    }

    /// The property text of the committed message: consumers of 5.4.0 see TRAN_MSG, but not REAL_TOPIC and REAL_QID.
    pub fn committed_properties(&self) -> String {
        self.without(|name| matches!(name, names::REAL_TOPIC | names::REAL_QUEUE_ID))
    }

    /// The committed message, with the text of [`committed_properties`](Self::committed_properties).
    pub fn committed<'b>(&self, properties: &'b str) -> Message<'b>
    where
        'a: 'b,
    {
        Message {
            topic: self.real_topic,
            queue_id: self.real_queue,
            sys_flag: sysflag::with_transaction_type(self.record.sys_flag(), sysflag::TRANSACTION_COMMIT),
            prepared_transaction_offset: self.record.physical_offset(),
            properties,
            ..self.record.to_message()
        }
    }

    /// The record that a producer is asked about: the half message under its real topic, with the number of this check.
    pub fn check_record(&self, checks: i32) -> Vec<u8> {
        let mut text = self.without(|name| matches!(name, names::WAIT | names::TRANSACTION_CHECK_TIMES));
        push(&mut text, names::TRANSACTION_CHECK_TIMES, &checks.to_string());
        push(&mut text, names::WAIT, "false");
        let message = Message {
            topic: self.real_topic,
            queue_id: self.real_queue,
            properties: &text,
            ..self.record.to_message()
        };
        let mut out = Vec::with_capacity(record::encoded_len(&message));
        // It can only fail for a text that is too long. Then the client gets nothing, and the message is given up in time.
        if record::encode(&mut out, &message).is_err() {
            out.clear();
        }
        out
    }

    /// Its property text with another number of checks, for a copy of it.
    pub fn counted_properties(&self, checks: i32) -> String {
        let mut text = self.without(|name| name == names::TRANSACTION_CHECK_TIMES);
        push(&mut text, names::TRANSACTION_CHECK_TIMES, &checks.to_string());
        text
    }

    /// A copy of it in a queue 0, that of the half topic or that of those given up.
    pub fn copy<'b>(&self, topic: &'b str, properties: &'b str) -> Message<'b>
    where
        'a: 'b,
    {
        Message { topic, queue_id: 0, properties, ..self.record.to_message() }
    }

    fn without(&self, leave_out: impl Fn(&str) -> bool) -> String {
        let text = self.record.properties();
        let mut out = String::with_capacity(text.len() + 64);
        push_without(&mut out, text, leave_out);
        out
    }
}

/// True for the names that make a half message of a message; a client cannot set them.
pub fn is_half_related(name: &str) -> bool {
    matches!(name, names::REAL_TOPIC | names::REAL_QUEUE_ID | names::TRANSACTION_ID)
}

/// Appends what makes a half message of a message.
pub fn push_half(out: &mut String, unique_key: &str, real_topic: &str, real_queue: i32) {
    push(out, names::TRANSACTION_ID, unique_key);
    push(out, names::REAL_TOPIC, real_topic);
    push(out, names::REAL_QUEUE_ID, &real_queue.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn stored(topic: &str, properties: &str) -> Vec<u8> {
        let host = SocketAddr::from(([127, 0, 0, 1], 10911));
        let message = Message {
            topic,
            queue_id: 0,
            flag: 7,
            sys_flag: sysflag::COMPRESSED,
            born_timestamp: 1,
            born_host: host,
            store_timestamp: 2,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"body",
            properties,
            queue_offset: 5,
            physical_offset: 4096,
        };
        let mut bytes = Vec::new();
        record::encode(&mut bytes, &message).unwrap();
        bytes
    }

    const TEXT: &str = "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}P\u{2}UNIQ_KEY\u{1}U\u{2}WAIT\u{1}true\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}3\u{2}";

    // The committed message is the one that was prepared, under its real topic, and tells where its half lies.
    #[test]
    fn a_half_message_becomes_what_it_was_prepared_as() {
        let bytes = stored(topic::TRANS_HALF, TEXT);
        let half = Half::parse(&bytes).unwrap();
        let text = half.committed_properties();
        assert_eq!(text, "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}P\u{2}UNIQ_KEY\u{1}U\u{2}WAIT\u{1}true\u{2}");
        let committed = half.committed(&text);
        assert_eq!((committed.topic, committed.queue_id, committed.flag, committed.body), ("T", 3, 7, &b"body"[..]));
        assert_eq!(committed.sys_flag, sysflag::COMPRESSED | sysflag::TRANSACTION_COMMIT);
        assert_eq!(committed.prepared_transaction_offset, 4096);
    }

    // A producer sees the message under its real topic, with the number of the check.
    #[test]
    fn a_check_shows_the_real_message() {
        let bytes = stored(topic::TRANS_HALF, TEXT);
        let shown = Half::parse(&bytes).unwrap().check_record(2);
        let shown = record::parse(&shown, true).unwrap();
        assert_eq!((shown.topic(), shown.queue_id(), shown.queue_offset(), shown.physical_offset()), ("T", 3, 5, 4096));
        assert_eq!(shown.property("TRANSACTION_CHECK_TIMES"), Some("2"));
        assert_eq!((shown.property("WAIT"), shown.property("REAL_TOPIC")), (Some("false"), Some("T")));
    }

    // Records that are no half message, or do not say where they belong, are none.
    #[test]
    fn other_records_are_no_half_messages() {
        for (topic, text) in [
            ("T", TEXT),
            (topic::TRANS_CHECK_MAX_TIME, TEXT),
            (topic::TRANS_HALF, ""),
            (topic::TRANS_HALF, "REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}-1\u{2}"),
            (topic::TRANS_HALF, "REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}x\u{2}"),
        ] {
            assert!(Half::parse(&stored(topic, text)).is_none(), "{topic} {text:?}");
        }
        assert!(Half::parse(b"no record at all").is_none());
        assert!(Half::given_up(&stored(topic::TRANS_CHECK_MAX_TIME, TEXT)).is_some());
    }
}
