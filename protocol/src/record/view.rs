//! Reading records without copying: a checked view over the bytes of one, and a walk over many.
use super::{
    store_timestamp_at, RecordError, BODY_CRC_AT, BORN_HOST_AT, BORN_TIMESTAMP_AT, MAGIC_AT, MAGIC_BLANK, MAGIC_V1,
    MAGIC_V2, OVERHEAD, PHYSICAL_OFFSET_AT, QUEUE_ID_AT, QUEUE_OFFSET_AT, SYS_FLAG_AT,
};
use crate::be::{array_at, i16_at, i32_at, i64_at};
use crate::ids::OffsetMessageId;
use crate::{crc, properties, sysflag};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// One record whose length and inner lengths have been checked; every accessor reads the borrowed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Exactly the record.
    bytes: &'a [u8],
    body_at: u32,
    topic_at: u32,
    properties_at: u32,
}

/// Reads the record at the front of `bytes`; what follows it is not looked at. The CRC is checked when asked for and
/// the body is not empty.
pub fn parse(bytes: &[u8], check_crc: bool) -> Result<RecordView<'_>, RecordError> {
    let have = bytes.len();
    let need = |needed: usize| if needed > have { Err(RecordError::Truncated { needed, have }) } else { Ok(()) };
    need(8)?;
    let total = i32_at(bytes, 0);
    let magic = i32_at(bytes, MAGIC_AT);
    if magic == MAGIC_BLANK {
        return Err(RecordError::Blank { len: usize::try_from(total).unwrap_or(0) });
    }
    if magic != MAGIC_V1 && magic != MAGIC_V2 {
        return Err(RecordError::Magic { magic: magic as u32 });
    }
    let len = usize::try_from(total)
        .ok()
        .filter(|len| *len >= OVERHEAD)
        .ok_or(RecordError::Length { total, computed: OVERHEAD as i64 })?;
    need(len)?;
    // From here on only the record itself is looked at: a length that points outside contradicts the length word.
    let bytes = &bytes[..len];
    let wrong = |computed: usize| RecordError::Length { total, computed: computed as i64 };
    let inner = |at: usize, size: usize| if at + size > len { Err(wrong(at + size)) } else { Ok(at) };

    let sys_flag = i32_at(bytes, SYS_FLAG_AT);
    let hosts = sysflag::born_host_len(sys_flag) + sysflag::store_host_len(sys_flag);
    let body_len_at = inner(BORN_HOST_AT + hosts + 20, 4)?;
    let body_at = body_len_at + 4;
    let body_len = length(i32_at(bytes, body_len_at)).ok_or_else(|| wrong(body_at))?;
    let topic_len_at = inner(body_at.saturating_add(body_len), 1)?;
    let (topic_at, topic_len) = if magic == MAGIC_V1 {
        (topic_len_at + 1, length(i32::from(bytes[topic_len_at] as i8)))
    } else {
        inner(topic_len_at, 2)?;
        (topic_len_at + 2, length(i32::from(i16_at(bytes, topic_len_at))))
    };
    let properties_len_at = inner(topic_at + topic_len.ok_or_else(|| wrong(topic_at))?, 2)?;
    let properties_at = properties_len_at + 2;
    let properties_len = length(i32::from(i16_at(bytes, properties_len_at))).ok_or_else(|| wrong(properties_at))?;
    if properties_at + properties_len != len {
        return Err(wrong(properties_at + properties_len));
    }
    // The positions fit: the length is a positive i32.
    let (body_at, topic_at, properties_at) = (body_at as u32, topic_at as u32, properties_at as u32);
    let view = RecordView { bytes, body_at, topic_at, properties_at };
    if check_crc {
        view.check_body_crc()?;
    }
    Ok(view)
}

fn length(value: i32) -> Option<usize> {
    usize::try_from(value).ok()
}

/// Walks over records that lie back to back, as in a pull answer. Ends after the first error. The CRC is not checked.
pub fn iter(bytes: &[u8]) -> impl Iterator<Item = Result<RecordView<'_>, RecordError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = parse(rest, false);
        rest = match &record {
            Ok(view) => &rest[view.len()..],
            Err(_) => &[],
        };
        Some(record)
    })
}

impl<'a> RecordView<'a> {
    /// Bytes of the record.
    #[expect(clippy::len_without_is_empty, reason = "a record is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The record itself.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// True when the topic length takes two bytes.
    pub fn is_v2(&self) -> bool {
        i32_at(self.bytes, MAGIC_AT) == MAGIC_V2
    }

    /// CRC of the stored body, as the record says.
    pub fn body_crc(&self) -> i32 {
        i32_at(self.bytes, BODY_CRC_AT)
    }

    /// Queue of the topic.
    pub fn queue_id(&self) -> i32 {
        i32_at(self.bytes, QUEUE_ID_AT)
    }

    /// The application's flag.
    pub fn flag(&self) -> i32 {
        i32_at(self.bytes, 16)
    }

    /// Offset in the queue.
    pub fn queue_offset(&self) -> i64 {
        i64_at(self.bytes, QUEUE_OFFSET_AT)
    }

    /// Offset in the commit log.
    pub fn physical_offset(&self) -> i64 {
        i64_at(self.bytes, PHYSICAL_OFFSET_AT)
    }

    /// See [`crate::sysflag`].
    pub fn sys_flag(&self) -> i32 {
        i32_at(self.bytes, SYS_FLAG_AT)
    }

    /// Milliseconds, by the producer's clock.
    pub fn born_timestamp(&self) -> i64 {
        i64_at(self.bytes, BORN_TIMESTAMP_AT)
    }

    /// Where the message came from.
    pub fn born_host(&self) -> SocketAddr {
        host_at(self.bytes, BORN_HOST_AT, sysflag::born_host_len(self.sys_flag()))
    }

    /// Milliseconds, by the broker's clock.
    pub fn store_timestamp(&self) -> i64 {
        i64_at(self.bytes, store_timestamp_at(self.sys_flag()))
    }

    /// The storing broker's address.
    pub fn store_host(&self) -> SocketAddr {
        let flag = self.sys_flag();
        host_at(self.bytes, store_timestamp_at(flag) + 8, sysflag::store_host_len(flag))
    }

    /// Times the message was sent back.
    pub fn reconsume_times(&self) -> i32 {
        i32_at(self.bytes, self.body_at as usize - 16)
    }

    /// Commit log offset of the half message.
    pub fn prepared_transaction_offset(&self) -> i64 {
        i64_at(self.bytes, self.body_at as usize - 12)
    }

    /// The stored body.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.body_range()]
    }

    /// Where the body lies in the record, to slice it out of shared bytes.
    pub fn body_range(&self) -> Range<usize> {
        let start = self.body_at as usize;
        start..start + i32_at(self.bytes, start - 4) as usize
    }

    /// The topic.
    pub fn topic(&self) -> &'a str {
        valid_text(&self.bytes[self.topic_at as usize..self.properties_at as usize - 2])
    }

    /// The properties text.
    pub fn properties(&self) -> &'a str {
        valid_text(self.properties_bytes())
    }

    /// The properties as stored.
    pub fn properties_bytes(&self) -> &'a [u8] {
        &self.bytes[self.properties_at as usize..]
    }

    /// One property.
    pub fn property(&self, name: &str) -> Option<&'a str> {
        properties::get(self.properties(), name)
    }

    /// The id made of store host and physical offset.
    pub fn offset_message_id(&self) -> OffsetMessageId {
        OffsetMessageId { store_host: self.store_host(), physical_offset: self.physical_offset() }
    }

    /// Compares the stored CRC with the body's; an empty body always passes, as in Java.
    pub fn check_body_crc(&self) -> Result<(), RecordError> {
        let (stored, actual) = (self.body_crc(), crc::crc32(self.body()));
        if self.body().is_empty() || stored == actual {
            return Ok(());
        }
        Err(RecordError::BodyCrc { stored, actual, physical_offset: self.physical_offset() })
    }

    /// All fields, to write the record again.
    pub fn to_message(&self) -> super::Message<'a> {
        super::Message {
            topic: self.topic(),
            queue_id: self.queue_id(),
            flag: self.flag(),
            sys_flag: self.sys_flag(),
            born_timestamp: self.born_timestamp(),
            born_host: self.born_host(),
            store_timestamp: self.store_timestamp(),
            store_host: self.store_host(),
            reconsume_times: self.reconsume_times(),
            prepared_transaction_offset: self.prepared_transaction_offset(),
            body: self.body(),
            properties: self.properties(),
            queue_offset: self.queue_offset(),
            physical_offset: self.physical_offset(),
        }
    }
}

/// The host at `at`. A port that is no port reads as its low 16 bits.
fn host_at(bytes: &[u8], at: usize, len: usize) -> SocketAddr {
    let ip = if len == sysflag::host_len(true) {
        IpAddr::from(array_at::<16>(bytes, at).unwrap_or_default())
    } else {
        IpAddr::from(array_at::<4>(bytes, at).unwrap_or_default())
    };
    SocketAddr::new(ip, i32_at(bytes, at + len - 4) as u16)
}

/// The text up to the first byte that is no UTF-8.
fn valid_text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}
