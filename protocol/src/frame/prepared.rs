//! A JSON frame that is written again and again with other values: encoded once, with marks where they go, and put together from
//! what stands between the marks.
//!
//! It is not a second way to say what a header looks like: names, their order and all that does not vary come out of the encoder,
//! and so from the declaration of the header. The binary codec has lengths before its texts, and nothing to gain.
use super::{encode_typed_to, put_lengths, EncodeError, Fixed, PREFIX};
use crate::decimal::Decimal;
use crate::header::{Header, Naming};
use crate::json::put_text;
use crate::Codec;

/// Where a value goes in a frame that was encoded once: behind the first text, in place of the second. The first one should have
/// quotes: no value from outside can look like it, because its quotes would be escaped.
pub type Mark<'a> = (&'a str, &'a str);

/// A frame with places for values.
#[derive(Debug, Clone)]
pub struct Prepared {
    code: i32,
    /// What stands before the first value, between the values, and behind the last one.
    pieces: Vec<Box<[u8]>>,
}

impl Prepared {
    /// The answer with this code and header, in JSON, with places at the marks. Its opaque is 0 before it gets another. `None` when a mark
    /// does not follow the one before it.
    pub fn answer<'a, H: Header<'a>>(code: i32, header: Option<&H>, marks: &[Mark<'_>]) -> Option<Self> {
        let (fixed, mut sample) = (Fixed { flag: 1, ..Fixed::request(code, 0, Codec::Json) }, Vec::new());
        encode_typed_to(&mut sample, &fixed, None, header, Naming::Long, 0).ok()?;
        Self::new(&sample, code, marks)
    }

    /// Takes an encoded frame without a body apart. `code` is the one in it, for errors. `None` when it is not JSON, or when a mark does
    /// not follow the one before it.
    fn new(frame: &[u8], code: i32, marks: &[Mark<'_>]) -> Option<Self> {
        let mut rest = std::str::from_utf8(frame.get(PREFIX..).filter(|_| frame[4] == 0)?).ok()?;
        let mut pieces = Vec::with_capacity(marks.len() + 1);
        for (before, value) in marks {
            let at = rest.find(&[*before, *value].concat())? + before.len();
            pieces.push(rest.as_bytes()[..at].into());
            rest = &rest[at + value.len()..];
        }
        pieces.push(rest.as_bytes().into());
        Some(Self { code, pieces })
    }

    /// Begins another frame behind what is in `out`. All values are to be given, in the order of the marks, and then the
    /// [`end`](Filling::end).
    #[inline]
    #[must_use = "the frame is written by giving its values"]
    pub fn begin<'a>(&'a self, out: &'a mut Vec<u8>) -> Filling<'a> {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX]);
        let mut filling = Filling { code: self.code, rest: &self.pieces, out, start };
        filling.piece();
        filling
    }
}

/// A frame that gets its values.
pub struct Filling<'a> {
    code: i32,
    rest: &'a [Box<[u8]>],
    out: &'a mut Vec<u8>,
    start: usize,
}

impl Filling<'_> {
    #[inline]
    fn piece(&mut self) {
        if let Some((piece, rest)) = self.rest.split_first() {
            self.out.extend_from_slice(piece);
            self.rest = rest;
        }
    }

    /// The next value is what `write` appends: JSON, or a part of a text that has nothing to be escaped.
    #[inline]
    #[must_use]
    pub fn with(mut self, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        write(self.out);
        self.piece();
        self
    }

    /// The next value is a number, without quotes.
    #[inline]
    #[must_use]
    pub fn int(self, value: i64) -> Self {
        self.with(|out| out.extend_from_slice(Decimal::new(value).as_bytes()))
    }

    /// The next value is a text, with its quotes.
    #[inline]
    #[must_use]
    pub fn text(self, value: &str) -> Self {
        self.with(|out| put_text(out, value))
    }

    /// Ends a frame without a body. After an error nothing was written.
    #[inline]
    pub fn end(self) -> Result<(), EncodeError> {
        self.end_before(0)
    }

    /// As [`end`](Self::end), of a frame whose body of so many bytes is written behind it by the caller.
    #[inline]
    pub fn end_before(self, body_len: usize) -> Result<(), EncodeError> {
        debug_assert!(self.rest.is_empty(), "a value is missing");
        put_lengths(self.out, self.start, 0, body_len, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::SendMessageResponse;

    fn encoded(header: &SendMessageResponse<'_>, opaque: i32, codec: Codec) -> Vec<u8> {
        let fixed = Fixed { flag: 1, ..Fixed::request(0, opaque, codec) };
        let mut out = b"before".to_vec();
        encode_typed_to(&mut out, &fixed, None, Some(header), Naming::Long, 0).unwrap();
        out
    }

    const MARKS: [Mark<'static>; 4] =
        [("\"msgId\":\"", "#"), ("\"queueOffset\":\"", "-7"), ("\"transactionId\":", "\"#\""), ("\"opaque\":", "-7")];

    /// What is put together is what the encoder writes, also when texts have quotes, or look like a mark.
    #[test]
    fn put_together_is_as_encoded() {
        for region in ["DefaultRegion", "\"opaque\":-7", "ä\"\\\u{1}"] {
            let header = |msg_id, queue_offset, key| SendMessageResponse {
                msg_id,
                queue_id: -7,
                queue_offset,
                transaction_id: Some(key),
                batch_uniq_id: None,
                recall_handle: None,
                msg_region: Some(region),
                trace_on: Some("true"),
            };
            let sample = encoded(&header("#", -7, "#"), -7, Codec::Json);
            let prepared = Prepared::new(&sample[6..], 0, &MARKS).unwrap();
            for (number, key) in
                [(0, ""), (-7, "#"), (i64::MAX, "\"transactionId\":\"#\""), (12_345_678_901, "\n\\\u{1}é")]
            {
                let mut out = b"before".to_vec();
                let filling =
                    prepared.begin(&mut out).with(|out| out.extend_from_slice(b"1A,2B")).int(number).text(key);
                filling.int(i64::from(number as i32)).end().unwrap();
                assert_eq!(
                    out,
                    encoded(&header("1A,2B", number, key), number as i32, Codec::Json),
                    "{region:?} {key:?}"
                );
            }
            assert!(Prepared::new(&encoded(&header("#", -7, "#"), -7, Codec::Binary)[6..], 0, &MARKS).is_none());
            assert!(Prepared::new(&encoded(&header("", -7, "#"), -7, Codec::Json)[6..], 0, &MARKS).is_none());
        }
    }

    /// A frame that is longer than a frame may be is an error, and nothing of it stays.
    #[test]
    fn too_long() {
        let header = SendMessageResponse {
            msg_id: "#",
            queue_id: 0,
            queue_offset: 0,
            transaction_id: None,
            batch_uniq_id: None,
            recall_handle: None,
            msg_region: None,
            trace_on: None,
        };
        let prepared = Prepared::new(&encoded(&header, 0, Codec::Json)[6..], 0, &MARKS[..1]).unwrap();
        let mut out = b"before".to_vec();
        let end = prepared.begin(&mut out).with(|out| out.resize(17 << 20, b'A')).end();
        assert!(matches!(end, Err(EncodeError::TooLong { code: 0, .. })), "{end:?}");
        assert_eq!(out, b"before");
    }
}
