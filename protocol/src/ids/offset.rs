//! The offset message id: store host address, port as i32, commit log offset (wire.md 6.6).
use super::{id_bytes, push_hex, put_hex, IdError, ID_BYTES_MAX};
use crate::be::{array_at, i32_at, i64_at};
use std::net::{IpAddr, SocketAddr};

/// Says which broker has the message and where; tools connect to the address in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetMessageId {
    /// The broker that stored the message.
    pub store_host: SocketAddr,
    /// Offset in its commit log.
    pub physical_offset: i64,
}

impl OffsetMessageId {
    /// Appends the text of the id.
    pub fn write_to(&self, out: &mut String) {
        let mut bytes = [0; ID_BYTES_MAX];
        let address = match self.store_host.ip().to_canonical() {
            IpAddr::V4(ip) => fill(&mut bytes, 0, &ip.octets()),
            IpAddr::V6(ip) => fill(&mut bytes, 0, &ip.octets()),
        };
        let port = fill(&mut bytes, address, &i32::from(self.store_host.port()).to_be_bytes());
        let end = fill(&mut bytes, port, &self.physical_offset.to_be_bytes());
        push_hex(out, &bytes[..end]);
    }

    /// Reads an id, upper or lower case.
    pub fn parse(id: &str) -> Result<Self, IdError> {
        let (bytes, len) = id_bytes(id)?;
        let at = len - 12;
        let ip = match at {
            4 => IpAddr::from(array_at::<4>(&bytes, 0).unwrap_or_default()),
            _ => IpAddr::from(array_at::<16>(&bytes, 0).unwrap_or_default()),
        };
        let port = i32_at(&bytes, at);
        let port = u16::try_from(port).map_err(|_| IdError::Port { id: id.to_owned(), port })?;
        Ok(Self { store_host: SocketAddr::new(ip, port), physical_offset: i64_at(&bytes, at + 4) })
    }
}

impl std::fmt::Display for OffsetMessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::with_capacity(2 * ID_BYTES_MAX);
        self.write_to(&mut text);
        f.write_str(&text)
    }
}

impl std::str::FromStr for OffsetMessageId {
    type Err = IdError;
    fn from_str(id: &str) -> Result<Self, IdError> {
        Self::parse(id)
    }
}

/// Writes the ids of many records of one broker. What they have in common is text already.
#[derive(Debug, Clone)]
pub struct OffsetMessageIds {
    /// All but the digits of the offset.
    host: Box<[u8]>,
}

impl OffsetMessageIds {
    /// Digits of the offset.
    const OFFSET_DIGITS: usize = 2 * size_of::<i64>();

    /// For records that this broker stored.
    pub fn new(store_host: SocketAddr) -> Self {
        let any = OffsetMessageId { store_host, physical_offset: 0 }.to_string();
        Self { host: any.as_bytes()[..any.len() - Self::OFFSET_DIGITS].into() }
    }

    /// Appends the text of the id of the record at this offset of the commit log.
    #[inline]
    pub fn write_to(&self, physical_offset: i64, out: &mut Vec<u8>) {
        let mut offset = [0; Self::OFFSET_DIGITS];
        put_hex(&mut offset, &physical_offset.to_be_bytes());
        out.extend_from_slice(&self.host);
        out.extend_from_slice(&offset);
    }

    /// Appends the ids of several records with commas between them, as the answer to a batch has them.
    #[inline]
    pub fn join_to(&self, physical_offsets: impl IntoIterator<Item = i64>, out: &mut Vec<u8>) {
        for (position, physical_offset) in physical_offsets.into_iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            self.write_to(physical_offset, out);
        }
    }
}

/// Copies `part` to `at`; returns the position after it.
fn fill(bytes: &mut [u8], at: usize, part: &[u8]) -> usize {
    bytes[at..at + part.len()].copy_from_slice(part);
    at + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids of several records have commas between them only.
    #[test]
    fn joined() {
        let ids = OffsetMessageIds::new("192.0.2.1:10911".parse().unwrap());
        let joined = |offsets: &[i64]| {
            let mut text = Vec::new();
            ids.join_to(offsets.iter().copied(), &mut text);
            String::from_utf8(text).unwrap()
        };
        let (one, two) = ("C000020100002A9F0000000000000001", "C000020100002A9F0000000000000002");
        assert_eq!([joined(&[]), joined(&[1]), joined(&[1, 2])], [String::new(), one.into(), format!("{one},{two}")]);
    }

    /// Both ways to write an id give the same text.
    #[test]
    fn many_ids_are_as_one() {
        for host in ["192.0.2.1:10911", "[2001:db8::1]:65535", "[::ffff:127.0.0.1]:1"] {
            let store_host: SocketAddr = host.parse().unwrap();
            let ids = OffsetMessageIds::new(store_host);
            for physical_offset in [0, 1, 0x0123_4567_89AB_CDEF, i64::MAX, -1] {
                let mut text = b"x".to_vec();
                ids.write_to(physical_offset, &mut text);
                let one = OffsetMessageId { store_host, physical_offset };
                assert_eq!(String::from_utf8(text).unwrap(), format!("x{one}"));
            }
        }
    }
}
