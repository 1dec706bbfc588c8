//! One remoting command (a request or a response) and its two header codecs.
use crate::ext::ExtFields;
use crate::frame::{self, EncodeError, Fixed};
use crate::{language, version};
use bytes::{Bytes, BytesMut};

/// How the header of a frame is written: the `serializeType` byte (wire.md 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Codec {
    /// Type 0, JSON in the fastjson dialect.
    #[default]
    Json,
    /// Type 1, the ROCKETMQ binary header. Codes above 32,767 cannot be written in it.
    Binary,
}

/// A request or response. The body is whatever followed the header; no difference is made between none and empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Command {
    /// Request code, or response code in a response.
    pub code: i32,
    /// Language ordinal of the sender (wire.md 2.4); -1 when unknown.
    pub language: i32,
    /// MQVersion ordinal of the sender.
    pub version: i32,
    /// Correlation id chosen by the requester.
    pub opaque: i32,
    /// Bit 0: response, bit 1: one-way.
    pub flag: i32,
    /// Human text; the error text of a response.
    pub remark: Option<String>,
    /// Header fields.
    pub ext: ExtFields,
    /// Body bytes.
    pub body: Bytes,
    /// The codec the command came in, or is to be sent in.
    pub codec: Codec,
}

impl Command {
    /// A two-way request of this program in JSON; the transport sets `opaque`.
    pub fn request(code: i32, ext: ExtFields, body: Bytes) -> Command {
        Command { code, language: language::RUST, version: version::CURRENT, ext, body, ..Command::default() }
    }

    /// An answer of this program without header fields: codec and `opaque` of the request.
    pub fn response_to(request: &Command, code: i32, remark: Option<String>) -> Command {
        Command {
            code,
            language: language::RUST,
            version: version::CURRENT,
            opaque: request.opaque,
            flag: 1,
            remark,
            codec: request.codec,
            ..Command::default()
        }
    }

    /// Appends the whole frame, body included. What the binary codec cannot express (codes above 32,767) is written in
    /// JSON. After an error nothing was written.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_head(out, self.body.len())?;
        out.extend_from_slice(&self.body);
        Ok(())
    }

    /// Appends the frame without its body; the frame's length counts `body_len` bytes that the caller sends behind it.
    pub fn encode_head(&self, out: &mut BytesMut, body_len: usize) -> Result<(), EncodeError> {
        frame::encode_ext(out, &Fixed::of(self), self.remark.as_deref(), &self.ext, body_len)
    }

    /// True for an answer.
    pub fn is_response(&self) -> bool {
        self.flag & 1 != 0
    }
    /// True for a request that is never answered.
    pub fn is_oneway(&self) -> bool {
        self.flag & 2 != 0
    }
}
