//! Frames: the length word, the header in one of two codecs, the body (wire.md 1.1, 2.2, 2.3).
//!
//! Decoding copies the header's texts once, into memory that is used again, and the body not at all: it is a slice of the bytes
//! that were read. Both directions are bounded by [`FRAME_BYTES_MAX`]; a frame that
//! cannot be decoded means that the connection is lost, because nothing behind it can be trusted.
mod binary;
mod json;
mod prepared;

pub use prepared::{Filling, Mark, Prepared};

use crate::command::{Codec, Command};
use crate::ext::ExtFields;
use crate::header::{FieldSink, Header, Naming};
use crate::json::JsonError;
use bytes::{Buf, BytesMut};
use std::cell::Cell;

/// Largest frame with its length word: that of the reference; peers close the connection beyond it.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most header fields of one frame; more are an error. Official headers have under thirty.
pub const FIELDS_MAX: usize = 4096;
/// Length word and header-length word.
const PREFIX: usize = 8;
/// The header length has 24 bits.
const HEADER_BYTES_MAX: usize = (1 << 24) - 1;

/// Why bytes are no frame. The connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame is longer than the limit.
    #[error("a frame of {bytes} bytes is longer than the limit of {limit} bytes")]
    TooLong {
        /// Its length with the length word.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The length word cannot be that of a frame.
    #[error("{0} is no frame length; the peer does not speak the remoting protocol")]
    Length(i32),
    /// The header reaches beyond the frame.
    #[error("a header of {header} bytes does not fit into a frame with {frame} bytes after its length word")]
    HeaderLength {
        /// Length of the header.
        header: usize,
        /// Value of the length word.
        frame: usize,
    },
    /// The type byte is neither 0 nor 1.
    #[error("unknown header codec {0}")]
    Codec(u8),
    /// The JSON header cannot be read.
    #[error("the header is not readable: {0}")]
    Json(#[from] JsonError),
    /// The binary header cannot be read.
    #[error("the binary header is not readable: {0}")]
    Binary(&'static str),
    /// More fields than [`FIELDS_MAX`].
    #[error("the header has more than {FIELDS_MAX} fields")]
    TooManyFields,
}

/// Why a command cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Header and body together exceed [`FRAME_BYTES_MAX`]; nothing was written.
    #[error("a frame of {bytes} bytes for code {code} is longer than the limit of {FRAME_BYTES_MAX} bytes")]
    TooLong {
        /// Length that the frame would have.
        bytes: usize,
        /// Request or response code.
        code: i32,
    },
}

/// The fixed part of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// Request or response code.
    pub code: i32,
    /// Language ordinal.
    pub language: i32,
    /// Version ordinal.
    pub version: i32,
    /// Correlation id.
    pub opaque: i32,
    /// Bit 0: response, bit 1: one-way.
    pub flag: i32,
    /// Codec to write.
    pub codec: Codec,
}

impl Fixed {
    /// That of a command.
    pub fn of(command: &Command) -> Self {
        let Command { code, language, version, opaque, flag, codec, .. } = *command;
        Self { code, language, version, opaque, flag, codec }
    }

    /// A request of this program.
    pub fn request(code: i32, opaque: i32, codec: Codec) -> Self {
        Self { code, language: crate::language::RUST, version: crate::version::CURRENT, opaque, flag: 0, codec }
    }

    /// An answer of this program to `request`, in the codec of the request.
    pub fn response_to(request: &Command, code: i32) -> Self {
        Self { flag: 1, ..Self::request(code, request.opaque, request.codec) }
    }
}

/// Takes one complete frame off the front of `buf`. `Ok(None)`: more bytes are needed, `buf` is unchanged. `limit` is
/// the largest frame with its length word. After an error the connection must be closed.
pub fn decode(buf: &mut BytesMut, limit: usize) -> Result<Option<Command>, FrameError> {
    let mut command = Command::default();
    Ok(decode_to(buf, limit, &mut command)?.then_some(command))
}

/// As [`decode`], to a new command where it shall lie: commands are large, and moving them about costs a good part of what decoding
/// costs. False when more bytes are needed; the command is of no use then, as after an error.
pub fn decode_to(buf: &mut BytesMut, limit: usize, command: &mut Command) -> Result<bool, FrameError> {
    let Some(word) = buf.first_chunk::<4>() else { return Ok(false) };
    let length = i32::from_be_bytes(*word);
    let frame = usize::try_from(length).map_err(|_| FrameError::Length(length))?;
    if frame + 4 > limit {
        return Err(FrameError::TooLong { bytes: frame + 4, limit });
    }
    if frame < 4 {
        return Err(FrameError::Length(length));
    }
    // Look at the second word as soon as it is there: a peer that speaks another protocol is recognized early.
    let Some(&[kind, high, middle, low]) = buf.get(4..).and_then(|rest| rest.first_chunk::<4>()) else {
        return Ok(false);
    };
    let header = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if header > frame - 4 {
        return Err(FrameError::HeaderLength { header, frame });
    }
    let codec = match kind {
        0 => Codec::Json,
        1 => Codec::Binary,
        other => return Err(FrameError::Codec(other)),
    };
    if buf.len() < frame + 4 {
        buf.reserve(frame + 4 - buf.len());
        return Ok(false);
    }
    let head = buf.get(PREFIX..PREFIX + header).unwrap_or_default();
    match codec {
        Codec::Json => json::decode(head, command)?,
        Codec::Binary => binary::decode(head, command)?,
    }
    buf.advance(PREFIX + header);
    let body = frame - 4 - header;
    if body > 0 {
        command.body = buf.split_to(body).freeze();
    }
    Ok(true)
}

/// Most bytes of the vector in which a thread writes headers that are kept for the next one: nearly all are below 1 KiB.
const SCRATCH_BYTES_MAX: usize = 16 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes a frame up to and including its header; its length counts `body_len` bytes that the caller sends behind it.
/// A frame that the binary codec cannot express is written in JSON. After an error nothing was written.
pub fn encode_typed<'a, H: Header<'a>>(
    out: &mut BytesMut,
    fixed: &Fixed,
    remark: Option<&str>,
    header: Option<&H>,
    naming: Naming,
    body_len: usize,
) -> Result<(), EncodeError> {
    encode_through(out, |text| encode_typed_to(text, fixed, remark, header, naming, body_len))
}

/// As [`encode_typed`], behind what is in a vector: its many small writes are cheaper than those into a shared buffer.
pub fn encode_typed_to<'a, H: Header<'a>>(
    out: &mut Vec<u8>,
    fixed: &Fixed,
    remark: Option<&str>,
    header: Option<&H>,
    naming: Naming,
    body_len: usize,
) -> Result<(), EncodeError> {
    encode_fields(out, fixed, remark, &Typed { header, naming, marker: std::marker::PhantomData }, body_len)
}

/// As [`encode_typed`], with fields as a list.
pub fn encode_ext(
    out: &mut BytesMut,
    fixed: &Fixed,
    remark: Option<&str>,
    ext: &ExtFields,
    body_len: usize,
) -> Result<(), EncodeError> {
    encode_through(out, |text| encode_fields(text, fixed, remark, ext, body_len))
}

/// Appends what `encode` writes into a vector.
fn encode_through(
    out: &mut BytesMut,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut text = SCRATCH.take();
    text.clear();
    let result = encode(&mut text);
    out.extend_from_slice(&text);
    if text.capacity() <= SCRATCH_BYTES_MAX {
        SCRATCH.set(text);
    }
    result
}

/// Header fields that can write themselves.
trait Fields {
    /// False when the frame has no header object at all.
    fn present(&self) -> bool;
    /// True for the fields of a declared header: their names are plain, and empty texts are left out in the binary codec, where
    /// they would arrive as null.
    fn declared(&self) -> bool;
    fn write<S: FieldSink>(&self, sink: &mut S);
}

impl Fields for ExtFields {
    fn present(&self) -> bool {
        self.is_present()
    }
    fn declared(&self) -> bool {
        false
    }
    fn write<S: FieldSink>(&self, sink: &mut S) {
        for (name, value) in self.iter() {
            match value {
                Some(value) => sink.text(name, value),
                None => sink.null(name),
            }
        }
    }
}

struct Typed<'h, 'a, H> {
    header: Option<&'h H>,
    naming: Naming,
    marker: std::marker::PhantomData<&'a ()>,
}

impl<'a, H: Header<'a>> Fields for Typed<'_, 'a, H> {
    fn present(&self) -> bool {
        self.header.is_some()
    }
    fn declared(&self) -> bool {
        true
    }
    fn write<S: FieldSink>(&self, sink: &mut S) {
        if let Some(header) = self.header {
            header.encode_named(sink, self.naming);
        }
    }
}

fn encode_fields<F: Fields>(
    out: &mut Vec<u8>,
    fixed: &Fixed,
    remark: Option<&str>,
    fields: &F,
    body_len: usize,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    let mut kind = 1;
    if fixed.codec == Codec::Json || !binary::encode(out, fixed, remark, fields) {
        out.truncate(start + PREFIX);
        json::encode(out, fixed, remark, fields);
        kind = 0;
    }
    put_lengths(out, start, kind, body_len, fixed.code)
}

/// Writes the two words before a header that ends at the end of `out`. When the frame is too long it is taken away again.
#[inline]
fn put_lengths(out: &mut Vec<u8>, start: usize, kind: u32, body_len: usize, code: i32) -> Result<(), EncodeError> {
    let header = out.len() - start - PREFIX;
    let bytes = PREFIX.saturating_add(header).saturating_add(body_len);
    if bytes > FRAME_BYTES_MAX || header > HEADER_BYTES_MAX {
        out.truncate(start);
        return Err(EncodeError::TooLong { bytes, code });
    }
    out[start..start + 4].copy_from_slice(&((bytes - 4) as u32).to_be_bytes());
    out[start + 4..start + PREFIX].copy_from_slice(&(kind << 24 | header as u32).to_be_bytes());
    Ok(())
}
