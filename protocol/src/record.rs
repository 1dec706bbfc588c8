//! One message as it lies in the commit log and travels in pull answers (wire.md 6.1, store.md 2.1).
//!
//! Offsets hold for IPv4 hosts; an IPv6 host takes 12 bytes more. Positions 0..48 never move.
//!
//! | at | bytes | field | at | bytes | field |
//! |---|---|---|---|---|---|
//! | 0 | 4 | length of the record | 56 | 8 | store time stamp |
//! | 4 | 4 | magic V1 / V2 | 64 | 8 / 20 | store host: address, port as i32 |
//! | 8 | 4 | CRC of the body | 72 | 4 | reconsume times |
//! | 12 | 4 | queue id | 76 | 8 | prepared transaction offset |
//! | 16 | 4 | flag | 84 | 4 + n | body length, body |
//! | 20 | 8 | queue offset | 88 + n | 1 (V1) / 2 (V2) + t | topic length, topic |
//! | 28 | 8 | physical offset | .. | 2 + p | properties length, properties |
//! | 36 | 4 | sysFlag | | | |
//! | 40 | 8 | born time stamp | | | |
//! | 48 | 8 / 20 | born host | | | |
//!
//! Text is not checked for UTF-8 when a record is parsed: the store moves bytes it does not interpret. The text
//! accessors end at the first invalid byte.
mod view;
pub use view::{iter, parse, RecordView};

use crate::{crc, sysflag};
use std::net::{IpAddr, SocketAddr};

/// First word after the length: topic length in one byte.
pub const MAGIC_V1: i32 = 0xDAA3_20A7_u32 as i32;
/// First word after the length: topic length in two bytes (5.x, topics over 127 bytes).
pub const MAGIC_V2: i32 = 0xDAA3_20AB_u32 as i32;
/// Filler at the end of a commit log segment; its length is the rest of the segment.
pub const MAGIC_BLANK: i32 = 0xCBD4_3194_u32 as i32;

/// Where the magic lies.
pub const MAGIC_AT: usize = 4;
/// Where the body's CRC lies.
pub const BODY_CRC_AT: usize = 8;
/// Where the queue id lies.
pub const QUEUE_ID_AT: usize = 12;
/// Where the queue offset lies; patched when the record is appended.
pub const QUEUE_OFFSET_AT: usize = 20;
/// Where the physical offset lies; patched when the record is appended.
pub const PHYSICAL_OFFSET_AT: usize = 28;
/// Where the sysFlag lies.
pub const SYS_FLAG_AT: usize = 36;
/// Where the born time stamp lies.
pub const BORN_TIMESTAMP_AT: usize = 40;
/// Bytes of a V1 record with two IPv4 hosts and without body, topic and properties.
pub const OVERHEAD: usize = 91;
/// Longest topic of a V1 record, in bytes.
pub const TOPIC_BYTES_MAX_V1: usize = i8::MAX as usize;
/// Longest topic of a V2 record, in bytes.
pub const TOPIC_BYTES_MAX: usize = i16::MAX as usize;
/// Longest properties text, in bytes.
pub const PROPERTIES_BYTES_MAX: usize = i16::MAX as usize;

const BORN_HOST_AT: usize = 48;

/// Where the store time stamp lies; patched when the record is appended.
pub fn store_timestamp_at(sys_flag: i32) -> usize {
    BORN_HOST_AT + sysflag::born_host_len(sys_flag)
}

/// The fields of a record to be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Queue of the topic.
    pub queue_id: i32,
    /// The application's flag.
    pub flag: i32,
    /// See [`crate::sysflag`]; the address family bits are set here from the hosts.
    pub sys_flag: i32,
    /// Milliseconds, by the producer's clock.
    pub born_timestamp: i64,
    /// Where the message came from.
    pub born_host: SocketAddr,
    /// Milliseconds, by the broker's clock.
    pub store_timestamp: i64,
    /// The broker's own address.
    pub store_host: SocketAddr,
    /// Times the message was sent back.
    pub reconsume_times: i32,
    /// Commit log offset of the half message, in a committed transaction message.
    pub prepared_transaction_offset: i64,
    /// The body as sent: what was compressed stays compressed.
    pub body: &'a [u8],
    /// The properties text.
    pub properties: &'a str,
    /// Offset in the queue.
    pub queue_offset: i64,
    /// Offset in the commit log.
    pub physical_offset: i64,
}

/// What [`encode`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    /// Bytes of the record.
    pub len: usize,
    /// Where the store time stamp lies in the record.
    pub store_timestamp_at: usize,
}

/// Why bytes are no record, or fields make none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end inside the record.
    #[error("the record needs {needed} bytes, only {have} are there")]
    Truncated {
        /// Bytes needed to go on.
        needed: usize,
        /// Bytes there.
        have: usize,
    },
    /// The filler at the end of a segment, no message.
    #[error("end-of-segment filler of {len} bytes")]
    Blank {
        /// Bytes from here to the end of the segment.
        len: usize,
    },
    /// Neither V1 nor V2 nor filler.
    #[error("bad record magic {magic:#010x}")]
    Magic {
        /// The word found.
        magic: u32,
    },
    /// The length word contradicts the lengths inside, or one of these is negative.
    #[error("record length {total} does not match its fields ({computed} bytes by their lengths)")]
    Length {
        /// The length word.
        total: i32,
        /// Sum over the fields, as far as they could be read.
        computed: i64,
    },
    /// The body is not the one that was stored.
    #[error("body CRC is {actual:#010x}, the record says {stored:#010x} (physical offset {physical_offset})")]
    BodyCrc {
        /// In the record.
        stored: i32,
        /// Of the body.
        actual: i32,
        /// The record's own offset.
        physical_offset: i64,
    },
    /// The topic is longer than its length field allows.
    #[error("the topic has {len} bytes, at most {TOPIC_BYTES_MAX} can be stored")]
    TopicTooLong {
        /// Bytes.
        len: usize,
    },
    /// The properties are longer than their length field allows.
    #[error("the properties have {len} bytes, at most {PROPERTIES_BYTES_MAX} can be stored")]
    PropertiesTooLong {
        /// Bytes.
        len: usize,
    },
    /// The record is longer than its length field allows.
    #[error("the record would have {len} bytes, more than its length field can say")]
    TooLong {
        /// Bytes.
        len: usize,
    },
}

/// Bytes the record of `message` takes.
#[inline]
pub fn encoded_len(message: &Message) -> usize {
    let v6 = usize::from(is_v6(message.born_host)) + usize::from(is_v6(message.store_host));
    let v2 = usize::from(message.topic.len() > TOPIC_BYTES_MAX_V1);
    OVERHEAD + 12 * v6 + v2 + message.body.len() + message.topic.len() + message.properties.len()
}

/// Appends the record of `message` to `out`; nothing is written when it fails.
#[inline]
pub fn encode(out: &mut Vec<u8>, message: &Message) -> Result<Encoded, RecordError> {
    let len = encoded_len(message);
    let (topic, properties) = (message.topic.as_bytes(), message.properties.as_bytes());
    let topic_len = i16::try_from(topic.len()).map_err(|_| RecordError::TopicTooLong { len: topic.len() })?;
    let properties_len =
        i16::try_from(properties.len()).map_err(|_| RecordError::PropertiesTooLong { len: properties.len() })?;
    let total = i32::try_from(len).map_err(|_| RecordError::TooLong { len })?;
    let v2 = topic.len() > TOPIC_BYTES_MAX_V1;
    let sys_flag = sysflag::with_hosts(message.sys_flag, is_v6(message.born_host), is_v6(message.store_host));

    let start = out.len();
    out.reserve(len);
    let put_head = match (is_v6(message.born_host), is_v6(message.store_host)) {
        (false, false) => put_head::<4, 4>,
        (true, false) => put_head::<16, 4>,
        (false, true) => put_head::<4, 16>,
        (true, true) => put_head::<16, 16>,
    };
    put_head(out, message, total, if v2 { MAGIC_V2 } else { MAGIC_V1 }, sys_flag);
    out.extend_from_slice(message.body);
    if v2 {
        out.extend_from_slice(&topic_len.to_be_bytes());
    } else {
        out.push(topic.len() as u8);
    }
    out.extend_from_slice(topic);
    out.extend_from_slice(&properties_len.to_be_bytes());
    out.extend_from_slice(properties);
    debug_assert_eq!(out.len() - start, len);
    Ok(Encoded { len, store_timestamp_at: store_timestamp_at(sys_flag) })
}

/// Bytes before the body of a record with two IPv6 hosts.
const HEAD_BYTES_MAX: usize = 112;

/// Writes the fields before the body. They are put together on the stack: so many short pieces would each ask the vector for room. With
/// the bytes of both addresses known each has a fixed place, which asks for nothing.
#[inline]
fn put_head<const BORN: usize, const STORE: usize>(
    out: &mut Vec<u8>,
    message: &Message,
    total: i32,
    magic: i32,
    sys_flag: i32,
) {
    let mut head = Head { bytes: [0; HEAD_BYTES_MAX], len: 0 };
    head.put(total.to_be_bytes());
    head.put(magic.to_be_bytes());
    head.put(crc::crc32(message.body).to_be_bytes());
    head.put(message.queue_id.to_be_bytes());
    head.put(message.flag.to_be_bytes());
    head.put(message.queue_offset.to_be_bytes());
    head.put(message.physical_offset.to_be_bytes());
    head.put(sys_flag.to_be_bytes());
    head.put(message.born_timestamp.to_be_bytes());
    head.put_host::<BORN>(message.born_host);
    head.put(message.store_timestamp.to_be_bytes());
    head.put_host::<STORE>(message.store_host);
    head.put(message.reconsume_times.to_be_bytes());
    head.put(message.prepared_transaction_offset.to_be_bytes());
    // Fits: the total does.
    head.put((message.body.len() as i32).to_be_bytes());
    out.extend_from_slice(&head.bytes[..head.len]);
}

/// The fields before the body, in order.
struct Head {
    bytes: [u8; HEAD_BYTES_MAX],
    len: usize,
}

impl Head {
    #[inline(always)]
    fn put<const N: usize>(&mut self, field: [u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(&field);
        self.len += N;
    }

    /// Address bytes, 4 or 16 as the address needs, and the port as i32: the form of hosts in records and message ids.
    #[inline(always)]
    fn put_host<const N: usize>(&mut self, host: SocketAddr) {
        let mut address = [0; N];
        match host.ip().to_canonical() {
            IpAddr::V4(ip) if N == 4 => address.copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) if N == 16 => address.copy_from_slice(&ip.octets()),
            _ => {}
        }
        self.put(address);
        self.put(i32::from(host.port()).to_be_bytes());
    }
}

/// True when the address is written with 16 bytes: IPv4 addresses in IPv6 clothes are written with 4.
fn is_v6(host: SocketAddr) -> bool {
    host.ip().to_canonical().is_ipv6()
}
