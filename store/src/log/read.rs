//! Reading the log: what is in memory as slices of the map, other data into buffers, waiting for the disk only when allowed.
//!
//! The end of the log is in memory; whether older data is, the system is asked. So a reader in old data that is cached copies nothing,
//! and one in cold data waits on a thread that may wait, whose reads bring what follows into memory.
use super::segment::Segment;
use super::Log;
use crate::error::ReadError;
use crate::index::LogSource;
use crate::WouldBlock;
use bytes::Bytes;
use ferromq_protocol::record;
use std::io;
use std::sync::Arc;

/// Bytes from the front of a record that say how long it is and where it lies.
const HEAD_BYTES: usize = record::PHYSICAL_OFFSET_AT + 8;

/// Bytes from the front of a record in which its store time lies, whatever the hosts.
const TIME_BYTES: usize = 76;

/// Bytes behind the end of the log that are in memory, since they were written a moment ago.
const JUST_WRITTEN_BYTES: u64 = 64 << 20;

impl Log {
    /// Data from here on is read through the map.
    pub fn mapped_from(&self, mapped_bytes: u64) -> i64 {
        self.opened_at.max(self.written().saturating_sub_unsigned(mapped_bytes))
    }

    /// `len` bytes at `offset`, which lie in one segment; None when the log does not have them.
    pub fn bytes_at(
        &self,
        offset: i64,
        len: usize,
        mapped_from: i64,
        blocking: bool,
    ) -> Result<Result<Option<Bytes>, WouldBlock>, ReadError> {
        let Some(end) = offset.checked_add(len as i64).filter(|end| *end <= self.written()) else {
            return Ok(Ok(None));
        };
        if let Some(bytes) = self.share_at_hand(offset, end, mapped_from) {
            return Ok(Ok(Some(bytes)));
        }
        let Some(segment) = self.segment_at(offset).filter(|segment| end <= segment.end()) else { return Ok(Ok(None)) };
        let from = (offset - segment.base) as usize;
        let read = if offset >= mapped_from {
            segment.share(from, from + len).map(Ok)
        } else {
            segment.read(from, from + len, blocking).map(|bytes| bytes.map(Some))
        };
        // Deleted after it was found, and closed, so that it cannot be opened again. Its file goes a moment before the log begins behind
        // it, and in between that is an error: the reader is told to come back to the same place, which costs a request. The other
        // way round a removal that fails would have sent readers past messages that are there, or the beginning back.
        read.or_else(|error| if self.segment_at(offset).is_none() { Ok(Ok(None)) } else { Err(error) })
    }

    /// Bytes of one segment that are to be read through its map, when that is open and has them. One lock, and no handle to be kept.
    fn share_at_hand(&self, offset: i64, end: i64, mapped_from: i64) -> Option<Bytes> {
        if offset < mapped_from {
            return None;
        }
        let segments = self.segments.read();
        let segment = self.segment_in(&segments, offset).filter(|segment| end <= segment.end())?;
        segment.share_at_hand((offset - segment.base) as usize, (end - segment.base) as usize)
    }

    /// True when bytes at `offset` that were read through the map may have been zeros instead.
    pub fn has_lost(&self, offset: i64) -> bool {
        self.segment_at(offset).is_some_and(|segment| segment.has_lost())
    }

    /// The record at `physical`, checked; None when the log does not reach to it, or no longer. May wait for the disk.
    pub fn record_at(&self, physical: i64, mapped_bytes: u64) -> Result<Option<Bytes>, ReadError> {
        match self.read_record(physical, mapped_bytes) {
            // Read again, from the file.
            Err(ReadError::Invalid { .. }) if self.has_lost(physical) => self.read_record(physical, mapped_bytes),
            read => read,
        }
    }

    fn read_record(&self, physical: i64, mapped_bytes: u64) -> Result<Option<Bytes>, ReadError> {
        let mapped_from = self.mapped_from(mapped_bytes);
        let read = |len| self.bytes_at(physical, len, mapped_from, true).map(|bytes| bytes.ok().flatten());
        let invalid = |reason: String| ReadError::Invalid { offset: physical, reason };
        let Some(head) = read(HEAD_BYTES)? else { return Ok(None) };
        let says = head.last_chunk().map_or(-1, |at| i64::from_be_bytes(*at));
        if says != physical {
            // Clients ask for any offset: the length that stands there may be part of a body, and as long as a segment.
            return Err(invalid(format!("the record there says that it lies at {says}")));
        }
        let len = head.first_chunk().map_or(0, |len| i32::from_be_bytes(*len));
        let len = usize::try_from(len).ok().filter(|len| *len >= record::OVERHEAD);
        let len = len.ok_or_else(|| invalid("the length is none of a record".to_owned()))?;
        let bytes = read(len)?.ok_or_else(|| invalid(format!("its {len} bytes leave the log or the segment")))?;
        record::parse(&bytes, true).map_err(|error| invalid(error.to_string()))?;
        Ok(Some(bytes))
    }

    /// Store time of the record at `physical`; None when the log does not have it, or it is none. May wait for the disk.
    pub fn store_time_at(&self, physical: i64) -> Result<Option<i64>, ReadError> {
        let end = physical.saturating_add(TIME_BYTES as i64);
        let there = |segment: &Arc<Segment>| end <= segment.end() && end <= self.written();
        let Some(segment) = self.segment_at(physical).filter(there) else { return Ok(None) };
        let from = (physical - segment.base) as usize;
        let mut head = [0; TIME_BYTES];
        match segment.read_into(&mut head, from) {
            // Deleted after it was found.
            Err(_) if self.segment_at(physical).is_none() => return Ok(None),
            read => read?,
        }
        let word = |at: usize| head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
        let at = word(record::SYS_FLAG_AT).map_or(0, record::store_timestamp_at);
        Ok(head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes))
    }

    /// Raw bytes of one segment from `from` on, at most `max`, up to `limit`; None when there are none yet.
    pub fn raw_at(&self, from: i64, max: usize, limit: i64, mapped_from: i64) -> Result<Option<Bytes>, ReadError> {
        let end = limit.min(self.written());
        if from >= end {
            return Ok(None);
        }
        let Some(segment) = self.segment_at(from) else {
            let reason = format!("it was deleted, the log begins at {}", self.min_offset());
            return Err(ReadError::Invalid { offset: from, reason });
        };
        let end = end.min(segment.end()).min(from.saturating_add(max as i64));
        Ok(self.bytes_at(from, (end - from) as usize, mapped_from, true)?.ok().flatten())
    }
}

impl LogSource for Log {
    fn read(&self, from: i64, max: usize) -> io::Result<Option<(i64, Bytes)>> {
        let mapped_from = self.mapped_from(JUST_WRITTEN_BYTES);
        loop {
            let from = from.max(self.min_offset());
            match self.raw_at(from, max, i64::MAX, mapped_from) {
                Ok(Some(bytes)) => return Ok(Some((from, bytes))),
                // Deleted just now: what is left begins later.
                Ok(None) | Err(_) if from < self.min_offset() => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}
