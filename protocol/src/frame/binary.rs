//! The ROCKETMQ binary header (wire.md 2.3):
//!
//! | size | field |
//! |---|---|
//! | 2 | code i16 |
//! | 1 | language i8 |
//! | 2 | version i16 |
//! | 4 | opaque i32 |
//! | 4 | flag i32 |
//! | 4 + n | remark with its length i32 |
//! | 4 + n | entries with their total length i32; each: name length i16, name, value length i32, value |
//!
//! A length of 0 means null. Text that is not UTF-8 is taken with replacement characters, as the reference does.
use super::{Fields, Fixed, FrameError, FIELDS_MAX};
use crate::command::{Codec, Command};
use crate::decimal::Decimal;
use crate::ext::{ExtFields, Span};
use crate::header::FieldSink;
use bytes::BufMut;

/// Reads a header that fills `head` exactly to a new command.
pub(super) fn decode(head: &[u8], command: &mut Command) -> Result<(), FrameError> {
    let mut reader = Reader { bytes: head, at: 0 };
    command.code = i32::from(i16::from_be_bytes(reader.array()?));
    let [language] = reader.array()?;
    (command.language, command.codec) = (i32::from(language as i8), Codec::Binary);
    command.version = i32::from(i16::from_be_bytes(reader.array()?));
    command.opaque = i32::from_be_bytes(reader.array()?);
    command.flag = i32::from_be_bytes(reader.array()?);
    let remark = reader.long_text()?;
    command.remark = (!remark.is_empty()).then(|| String::from_utf8_lossy(remark).into_owned());
    let entries = i32::from_be_bytes(reader.array()?);
    if usize::try_from(entries).ok() != Some(head.len() - reader.at) {
        return Err(FrameError::Binary("the length of the fields is not that of the rest of the header"));
    }
    command.ext = if entries == 0 { ExtFields::absent() } else { ExtFields::decoding() };
    while reader.at < head.len() {
        if command.ext.len() == FIELDS_MAX {
            return Err(FrameError::TooManyFields);
        }
        let name = reader.short_text()?;
        let value = reader.long_text()?;
        let name = keep(&mut command.ext, name);
        let value = (!value.is_empty()).then(|| keep(&mut command.ext, value));
        command.ext.push_spans(name, value);
    }
    Ok(())
}

/// Keeps a text, repaired when it is not UTF-8.
fn keep(ext: &mut ExtFields, bytes: &[u8]) -> Span {
    match std::str::from_utf8(bytes) {
        Ok(text) => ext.keep(text),
        Err(_) => ext.keep(&String::from_utf8_lossy(bytes)),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        self.at += N;
        bytes.copied().ok_or(FrameError::Binary("the header ends too early"))
    }

    /// A text with a length of 4 bytes.
    fn long_text(&mut self) -> Result<&'a [u8], FrameError> {
        let len = i32::from_be_bytes(self.array()?);
        self.text(usize::try_from(len).ok())
    }

    /// A text with a length of 2 bytes.
    fn short_text(&mut self) -> Result<&'a [u8], FrameError> {
        let len = i16::from_be_bytes(self.array()?);
        self.text(usize::try_from(len).ok())
    }

    fn text(&mut self, len: Option<usize>) -> Result<&'a [u8], FrameError> {
        let len = len.ok_or(FrameError::Binary("a text has a negative length"))?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let text = rest.get(..len).ok_or(FrameError::Binary("a text reaches beyond the header"))?;
        self.at += len;
        Ok(text)
    }
}

/// Appends a header. False when something does not fit the 16-bit words of this codec; `out` then holds rubbish that the
/// caller removes.
pub(super) fn encode<F: Fields>(out: &mut Vec<u8>, fixed: &Fixed, remark: Option<&str>, fields: &F) -> bool {
    let (Ok(code), Ok(version)) = (i16::try_from(fixed.code), i16::try_from(fixed.version)) else { return false };
    out.put_i16(code);
    out.put_i8(i8::try_from(fixed.language).unwrap_or(crate::language::OTHER as i8));
    out.put_i16(version);
    out.put_i32(fixed.opaque);
    out.put_i32(fixed.flag);
    let remark = remark.unwrap_or_default();
    out.put_u32(remark.len() as u32);
    out.put_slice(remark.as_bytes());
    let start = out.len();
    out.put_u32(0);
    let mut sink = Sink { out, fits: true, keep_empty: !fields.declared() };
    fields.write(&mut sink);
    let fits = sink.fits;
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    fits
}

struct Sink<'a> {
    out: &'a mut Vec<u8>,
    fits: bool,
    keep_empty: bool,
}

impl Sink<'_> {
    fn entry(&mut self, name: &str, value: &[u8]) {
        match i16::try_from(name.len()) {
            Ok(len) => self.out.put_i16(len),
            Err(_) => self.fits = false,
        }
        self.out.put_slice(name.as_bytes());
        self.out.put_u32(value.len() as u32);
        self.out.put_slice(value);
    }
}

impl FieldSink for Sink<'_> {
    fn text(&mut self, name: &str, value: &str) {
        if self.keep_empty || !value.is_empty() {
            self.entry(name, value.as_bytes());
        }
    }
    fn int(&mut self, name: &str, value: i64) {
        self.entry(name, Decimal::new(value).as_bytes());
    }
    fn null(&mut self, name: &str) {
        self.entry(name, &[]);
    }
}
