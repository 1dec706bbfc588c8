//! A message as it is delivered: the record of a pull answer, read in place.
//!
//! Body and properties are slices of the answer; a compressed body is decompressed once, when the message is decoded.
//! Cloning is cheap. What a consumer adds on its own (the restored topic of a retry, the bounds of the queue) stands
//! beside the record, never in it.
use crate::Error;
use bytes::Bytes;
use ferromq_protocol::compress::{self, Compression};
use ferromq_protocol::ids::OffsetMessageId;
use ferromq_protocol::properties;
use ferromq_protocol::record::{self, RecordView};
use ferromq_protocol::{batch, body::MessageQueue, sysflag};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

/// Most bytes a compressed body may become. A body that would become larger is delivered as it is stored, with bit 0 of
/// [`MessageExt::sys_flag`] still set, and a warning is logged.
const DECOMPRESSED_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// An inner batch that the consumer has to split (wire.md 6.3).
const INNER_BATCH: i32 = sysflag::INNER_BATCH | sysflag::NEED_UNWRAP;

/// A received message.
#[derive(Debug, Clone)]
pub struct MessageExt {
    topic: Arc<str>,
    broker_name: Arc<str>,
    queue_id: i32,
    flag: i32,
    sys_flag: i32,
    body_crc: i32,
    reconsume_times: i32,
    queue_offset: i64,
    physical_offset: i64,
    prepared_transaction_offset: i64,
    born_timestamp: i64,
    store_timestamp: i64,
    born_host: SocketAddr,
    store_host: SocketAddr,
    body: Bytes,
    /// UTF-8, checked when decoded.
    properties: Bytes,
    stored_bytes: usize,
}

impl MessageExt {
    /// Decodes the records of a pull answer, which lie back to back in `records`, into `out`. Inner batches are split.
    /// After an error `out` holds the messages before the damaged record.
    pub fn decode_all(records: &Bytes, broker_name: &Arc<str>, out: &mut Vec<MessageExt>) -> Result<(), Error> {
        let mut at = 0;
        // Messages of one answer share their topic.
        let mut topic: Option<Arc<str>> = None;
        while at < records.len() {
            let view = record::parse(&records[at..], false).map_err(|e| damaged(at, broker_name, &e))?;
            let topic = match &topic {
                Some(known) if **known == *view.topic() => known.clone(),
                _ => topic.insert(Arc::from(view.topic())).clone(),
            };
            let message = Self::of_record(records, at, &view, topic, broker_name.clone());
            if message.sys_flag & INNER_BATCH == INNER_BATCH {
                message.split_into(out)?;
            } else {
                out.push(message);
            }
            at += view.len();
        }
        Ok(())
    }

    fn of_record(records: &Bytes, at: usize, view: &RecordView, topic: Arc<str>, broker_name: Arc<str>) -> Self {
        let body_range = view.body_range();
        let mut message = Self {
            topic,
            broker_name,
            queue_id: view.queue_id(),
            flag: view.flag(),
            sys_flag: view.sys_flag(),
            body_crc: view.body_crc(),
            reconsume_times: view.reconsume_times(),
            queue_offset: view.queue_offset(),
            physical_offset: view.physical_offset(),
            prepared_transaction_offset: view.prepared_transaction_offset(),
            born_timestamp: view.born_timestamp(),
            store_timestamp: view.store_timestamp(),
            born_host: view.born_host(),
            store_host: view.store_host(),
            body: records.slice(at + body_range.start..at + body_range.end),
            properties: records.slice_ref(view.properties().as_bytes()),
            stored_bytes: view.len(),
        };
        message.decompress();
        message
    }

    /// Replaces a compressed body by the plain one and clears bit 0, as Java does.
    fn decompress(&mut self) {
        let plain = match Compression::of_sys_flag(self.sys_flag) {
            Ok(None) => return,
            Ok(Some(kind)) => compress::decompress(kind, &self.body, DECOMPRESSED_BODY_BYTES_MAX),
            Err(e) => Err(e),
        };
        match plain {
            Ok(plain) => {
                self.body = Bytes::from(plain);
                self.sys_flag &= !sysflag::COMPRESSED;
            }
            Err(error) => {
                let (topic, broker) = (&self.topic, &self.broker_name);
                let (queue, offset) = (self.queue_id, self.queue_offset);
                tracing::warn!(%topic, %broker, queue, offset, %error, "body delivered as it is stored");
            }
        }
    }

    /// Message i of an inner batch has queue offset + i, and its own flag, properties and body.
    fn split_into(&self, out: &mut Vec<MessageExt>) -> Result<(), Error> {
        for (index, inner) in batch::iter(&self.body).enumerate() {
            let inner = inner.map_err(|e| damaged(self.physical_offset as usize, &self.broker_name, &e))?;
            out.push(Self {
                flag: inner.flag,
                queue_offset: self.queue_offset + index as i64,
                body: self.body.slice_ref(inner.body),
                properties: self.body.slice_ref(inner.properties.as_bytes()),
                stored_bytes: batch::OVERHEAD + inner.body.len() + inner.properties.len(),
                ..self.clone()
            });
        }
        Ok(())
    }

    /// The topic; for a retried message, the one it was sent to.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Name of the broker it came from.
    pub fn broker_name(&self) -> &str {
        &self.broker_name
    }

    /// Queue of the topic.
    pub fn queue_id(&self) -> i32 {
        self.queue_id
    }

    /// The queue it was read from. Of a retried message this is a queue of the original topic's name.
    pub fn queue(&self) -> MessageQueue {
        MessageQueue::new(&*self.topic, &*self.broker_name, self.queue_id)
    }

    /// Offset in the queue.
    pub fn queue_offset(&self) -> i64 {
        self.queue_offset
    }

    /// Offset in the broker's commit log.
    pub fn physical_offset(&self) -> i64 {
        self.physical_offset
    }

    /// The body, decompressed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// CRC-32 of the stored body, without its highest bit.
    pub fn body_crc(&self) -> i32 {
        self.body_crc
    }

    /// All properties, reserved ones included.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        properties::iter(self.properties_text())
    }

    /// The properties as they travel (wire.md 6.2).
    pub fn properties_text(&self) -> &str {
        std::str::from_utf8(&self.properties).unwrap_or_default()
    }

    /// A property.
    pub fn property(&self, name: &str) -> Option<&str> {
        properties::get(self.properties_text(), name)
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.property(properties::TAGS)
    }

    /// The tag; the name of Java.
    pub fn tags(&self) -> Option<&str> {
        self.tag()
    }

    /// The keys, separated by blanks.
    pub fn keys(&self) -> Option<&str> {
        self.property(properties::KEYS)
    }

    /// The sharding key.
    pub fn sharding_key(&self) -> Option<&str> {
        self.property(properties::SHARDING_KEY)
    }

    /// The unique id given by the producer; without one, the broker's id.
    pub fn message_id(&self) -> Cow<'_, str> {
        match self.property(properties::UNIQ_KEY) {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.offset_message_id()),
        }
    }

    /// The broker's id: its address and the offset in its log (wire.md 6.6).
    pub fn offset_message_id(&self) -> String {
        OffsetMessageId { store_host: self.store_host, physical_offset: self.physical_offset }.to_string()
    }

    /// When the producer made it, milliseconds since 1970 by the producer's clock.
    pub fn born_timestamp(&self) -> i64 {
        self.born_timestamp
    }

    /// When the broker stored it, milliseconds since 1970 by the broker's clock.
    pub fn store_timestamp(&self) -> i64 {
        self.store_timestamp
    }

    /// Where it came from, as the broker saw it.
    pub fn born_host(&self) -> SocketAddr {
        self.born_host
    }

    /// The broker that stored it.
    pub fn store_host(&self) -> SocketAddr {
        self.store_host
    }

    /// How often it was delivered before and sent back.
    pub fn reconsume_times(&self) -> i32 {
        self.reconsume_times
    }

    /// Flag bits of the system (wire.md 6.4).
    pub fn sys_flag(&self) -> i32 {
        self.sys_flag
    }

    /// Flag of the application.
    pub fn flag(&self) -> i32 {
        self.flag
    }

    /// Log offset of the half message of a committed transaction.
    pub fn prepared_transaction_offset(&self) -> i64 {
        self.prepared_transaction_offset
    }

    /// Bytes of the stored record: what the message counts for in cache limits.
    pub fn stored_bytes(&self) -> usize {
        self.stored_bytes
    }

    /// One more delivery that failed here and could not be told to the broker.
    pub(crate) fn count_attempt(&mut self) {
        self.reconsume_times = self.reconsume_times.saturating_add(1);
    }

    /// Gives a retried message the topic it was sent to (client.md 3.10).
    pub fn restore_topic(&mut self, topic: impl Into<Arc<str>>) {
        self.topic = topic.into();
    }
}

fn damaged(at: usize, broker: &str, error: &dyn std::error::Error) -> Error {
    Error::Decode {
        addr: broker.to_owned(),
        request: ferromq_protocol::code::request::PULL_MESSAGE,
        reason: format!("record at byte {at}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::properties::Properties;

    fn encoded(body: &[u8], sys_flag: i32, queue_offset: i64) -> Vec<u8> {
        let host: SocketAddr = "127.0.0.1:10911".parse().unwrap();
        let properties: Properties = [("TAGS", "a"), ("UNIQ_KEY", "ID")].into_iter().collect();
        let message = record::Message {
            topic: "T",
            queue_id: 3,
            flag: 5,
            sys_flag,
            born_timestamp: 1,
            born_host: host,
            store_timestamp: 2,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            properties: properties.as_str(),
            queue_offset,
            physical_offset: 100,
        };
        let mut out = Vec::new();
        record::encode(&mut out, &message).unwrap();
        out
    }

    /// Records that lie back to back become messages; bodies are slices, compressed ones are inflated.
    #[test]
    fn decodes_plain_and_compressed() {
        let body = vec![b'x'; 5000];
        let packed = compress::compress(Compression::Zlib, 5, &body).unwrap();
        let mut bytes = encoded(b"hello", 0, 7);
        bytes.extend(encoded(&packed, Compression::Zlib.sys_flag(), 8));
        let mut out = Vec::new();
        MessageExt::decode_all(&Bytes::from(bytes), &Arc::from("broker-a"), &mut out).unwrap();
        assert_eq!((out.len(), &out[0].body()[..], out[0].queue_offset()), (2, &b"hello"[..], 7));
        assert_eq!((out[1].body(), out[1].sys_flag() & 1), (&Bytes::from(body), 0));
        assert_eq!((out[0].tag(), &*out[0].message_id(), out[0].broker_name()), (Some("a"), "ID", "broker-a"));
    }

    /// A damaged compressed body is delivered as stored, and a damaged record is an error after the good ones.
    #[test]
    fn damage_is_not_silent() {
        let mut bytes = encoded(b"no zlib", Compression::Zlib.sys_flag(), 0);
        bytes.extend([0; 10]);
        let mut out = Vec::new();
        assert!(MessageExt::decode_all(&Bytes::from(bytes), &Arc::from("b"), &mut out).is_err());
        assert_eq!((out.len(), &out[0].body()[..], out[0].sys_flag() & 1), (1, &b"no zlib"[..], 1));
    }

    /// Inner batches are split: offsets count up, each message has its own body and properties.
    #[test]
    fn splits_inner_batches() {
        let mut inner = Vec::new();
        let messages = ["a", "bc"].map(|body| batch::BatchMessage {
            flag: body.len() as i32,
            body: body.as_bytes(),
            properties: "k\u{1}v\u{2}",
        });
        batch::encode(&mut inner, &messages).unwrap();
        let mut out = Vec::new();
        let bytes = Bytes::from(encoded(&inner, INNER_BATCH, 40));
        MessageExt::decode_all(&bytes, &Arc::from("b"), &mut out).unwrap();
        let seen: Vec<_> = out.iter().map(|m| (m.queue_offset(), m.body().clone(), m.property("k"))).collect();
        assert_eq!(seen, [(40, Bytes::from("a"), Some("v")), (41, Bytes::from("bc"), Some("v"))]);
        assert_eq!(out[1].flag(), 2);
    }
}
