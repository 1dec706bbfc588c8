//! Frames on their way out: what a frame is made of, and the queue of slices that a connection still has to write.
//!
//! Threads and locks: [`Outgoing`] lives under the connection's output lock. Whoever holds it writes as much as the
//! socket takes without blocking; slices leave the queue in the order in which they came.
use bytes::{Buf, Bytes, BytesMut};
use ferromq_protocol::{frame::EncodeError, Command};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::net::tcp::OwnedWriteHalf;

/// Bodies up to this size are copied behind their header instead of taking a slice of their own.
const INLINE_BODY_MAX: usize = 1024;
/// Slices per vectored write while little is queued, and at most (the usual IOV_MAX).
const SLICES_FEW: usize = 32;
const SLICES_MAX: usize = 1024;
/// Size of the buffer in which a thread encodes the heads of its frames.
const ENCODE_BUFFER: usize = 16 * 1024;

/// The bytes that follow a frame's head.
#[derive(Debug, Clone, Default)]
pub enum Body {
    /// Nothing, or the body is part of `head` already.
    #[default]
    None,
    /// One run of bytes.
    One(Bytes),
    /// Several runs, written back to back; for pull answers, slices of the log.
    Slices(Vec<Bytes>),
}

impl Body {
    /// Bytes in all runs.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(bytes) => bytes.len(),
            Self::Slices(slices) => slices.iter().map(Bytes::len).sum(),
        }
    }

    /// True when there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An encoded frame: `head` runs from the length word to the end of the header (or of the body, when it is small). Or several
/// frames, all of them complete in `head`.
#[derive(Debug, Clone)]
pub struct OutFrame {
    /// Length word, header-length word, header. The length word counts the body.
    pub head: Bytes,
    /// What follows.
    pub body: Body,
}

thread_local! {
    /// Heads are split off one buffer per thread, which is used again when all of them were written.
    static ENCODE: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(ENCODE_BUFFER));
}

impl OutFrame {
    /// A frame that is complete in `head`, or several.
    pub fn whole(head: Bytes) -> Self {
        Self { head, body: Body::None }
    }

    /// Encodes a command; its body is not copied unless it is small.
    pub fn encode(command: &Command) -> Result<Self, EncodeError> {
        ENCODE.with_borrow_mut(|buffer| {
            buffer.clear();
            buffer.reserve(ENCODE_BUFFER / 8);
            let (result, body) = if command.body.len() <= INLINE_BODY_MAX {
                (command.encode(buffer), Body::None)
            } else {
                (command.encode_head(buffer, command.body.len()), Body::One(command.body.clone()))
            };
            result.map(|_| Self { head: buffer.split().freeze(), body })
        })
    }

    /// Bytes of the whole frame.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// True for a frame without bytes, which is no frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The heads of the frames.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.head[..];
        std::iter::from_fn(move || {
            let length = rest.first_chunk::<4>()?;
            let end = (u32::from_be_bytes(*length) as usize).saturating_add(4).min(rest.len());
            let (head, behind) = rest.split_at(end);
            rest = behind;
            Some(head)
        })
    }

    /// The opaques of the frames, read from their heads; of those that this crate's encoder wrote.
    pub(crate) fn opaques(&self) -> impl Iterator<Item = i32> + '_ {
        self.heads().filter_map(Self::opaque)
    }

    fn opaque(head: &[u8]) -> Option<i32> {
        const JSON_KEY: &[u8] = b"\"opaque\":";
        if head.get(4) == Some(&1) {
            // code 2, language 1, version 2 precede it (wire.md 2.3).
            return head.get(13..17).and_then(|b| b.try_into().ok()).map(i32::from_be_bytes);
        }
        // The encoder writes extFields before opaque and no quote unescaped after it: the last match is the key.
        let from = head.windows(JSON_KEY.len()).rposition(|w| w == JSON_KEY)? + JSON_KEY.len();
        let rest = &head[from..];
        let digits = rest.iter().position(|b| !b.is_ascii_digit() && *b != b'-').unwrap_or(rest.len());
        std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
    }
}

impl From<&Command> for OutFrame {
    /// Encodes an answer. One that cannot be encoded (header above 16 MiB) becomes an answer with code 1 that says so.
    fn from(command: &Command) -> Self {
        Self::encode(command).unwrap_or_else(|e| {
            let remark = format!("the answer cannot be encoded: {e}");
            tracing::error!(code = command.code, "{remark}");
            let mut short = Command { remark: Some(remark), code: 1, ..Command::default() };
            (short.opaque, short.flag, short.language) = (command.opaque, command.flag, command.language);
            (short.version, short.codec) = (command.version, command.codec);
            Self::encode(&short).unwrap_or(Self::whole(Bytes::new()))
        })
    }
}

/// The socket's writing half and what waits to be written to it.
pub(crate) struct Outgoing {
    /// `None` once the connection is closed.
    half: Option<OwnedWriteHalf>,
    queue: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    pub(crate) fn new(half: OwnedWriteHalf) -> Self {
        Self { half: Some(half), queue: VecDeque::new(), bytes: 0 }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.half.is_some()
    }

    /// Bytes that wait to be written.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, frame: OutFrame) {
        self.push_slice(frame.head);
        match frame.body {
            Body::None => {}
            Body::One(bytes) => self.push_slice(bytes),
            Body::Slices(slices) => slices.into_iter().for_each(|s| self.push_slice(s)),
        }
    }

    fn push_slice(&mut self, slice: Bytes) {
        if !slice.is_empty() {
            self.bytes += slice.len();
            self.queue.push_back(slice);
        }
    }

    /// Writes until the queue is empty or the socket takes no more. Gives the number of bytes written.
    pub(crate) fn flush(&mut self) -> io::Result<usize> {
        let mut total = 0;
        while !self.queue.is_empty() {
            match self.write_once() {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    total += n;
                    self.consume(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(total)
    }

    fn write_once(&self) -> io::Result<usize> {
        let half = self.half.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        match self.queue.len() {
            1 => half.try_write(&self.queue[0]),
            n if n <= SLICES_FEW => self.write_slices::<SLICES_FEW>(half),
            _ => self.write_slices::<SLICES_MAX>(half),
        }
    }

    fn write_slices<const N: usize>(&self, half: &OwnedWriteHalf) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); N];
        let count = self.queue.len().min(N);
        slices.iter_mut().zip(&self.queue).for_each(|(slot, bytes)| *slot = IoSlice::new(bytes));
        half.try_write_vectored(&slices[..count])
    }

    fn consume(&mut self, mut n: usize) {
        self.bytes -= n;
        while n > 0 {
            let Some(front) = self.queue.front_mut() else { return };
            if front.len() > n {
                front.advance(n);
                return;
            }
            n -= front.len();
            self.queue.pop_front();
        }
    }

    /// Forgets the socket and what was queued for it.
    pub(crate) fn close(&mut self) {
        self.half = None;
        self.queue = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::{Codec, ExtFields};

    // The opaque is found in the heads of both codecs, whatever the fields and the remark contain.
    #[test]
    fn opaque_of_encoded_heads() {
        for codec in [Codec::Json, Codec::Binary] {
            for opaque in [0, 7, -1, i32::MIN, i32::MAX] {
                let mut command = Command::request(105, ExtFields::from_iter([("opaque", "99")]), Bytes::new());
                command.remark = Some("\"opaque\":5".into());
                (command.codec, command.opaque) = (codec, opaque);
                let frame = OutFrame::from(&command);
                assert_eq!(frame.opaques().collect::<Vec<_>>(), [opaque], "{codec:?}");
                // Several frames in one piece have one each.
                let several = OutFrame::whole(frame.head.repeat(3).into());
                assert_eq!(several.opaques().collect::<Vec<_>>(), [opaque; 3], "{codec:?}");
                assert!(several.heads().all(|head| head == frame.head));
            }
        }
    }
}
