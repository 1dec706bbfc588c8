//! The lexical level of JSON, shared by the header codec and the body parser: blanks, texts, numbers, skipping.
//!
//! Works on text that is already known to be UTF-8 and gives positions, so that a caller decides what to copy. It
//! accepts what fastjson2 accepts beyond the standard: single quotes, raw control characters inside texts, trailing
//! commas (wire.md 2.2). It never reads past its input and nests at most [`DEPTH_MAX`] deep.
use super::JsonError;
use crate::find;

/// Deepest nesting of objects and arrays; anything deeper is an error. Official bodies nest less than ten deep.
pub const DEPTH_MAX: usize = 64;

/// Where the text between two quotes lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawText {
    pub start: usize,
    pub end: usize,
    /// True when it has a backslash, so that it must be unescaped.
    pub escaped: bool,
}

/// A position in a text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// Bytes of the whole text.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn error(&self, what: &'static str) -> JsonError {
        JsonError { at: self.at, what }
    }

    /// Skips blanks and shows the next byte; 0 at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        match self.bytes.get(self.at) {
            Some(&byte) if byte > b' ' => byte,
            _ => self.peek_behind_blanks(),
        }
    }

    #[cold]
    fn peek_behind_blanks(&mut self) -> u8 {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Takes `byte` if it comes next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte && self.at < self.bytes.len();
        self.at += usize::from(found);
        found
    }

    /// The byte behind the next one; 0 at the end.
    #[inline]
    pub(crate) fn second(&self) -> u8 {
        self.bytes.get(self.at + 1).copied().unwrap_or(0)
    }

    /// Takes `text` if it comes next, without blanks before it.
    #[inline]
    pub(crate) fn take_all<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) == Some(text);
        self.at += if found { N } else { 0 };
        found
    }

    #[inline]
    pub(crate) fn require(&mut self, byte: u8, what: &'static str) -> Result<(), JsonError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.error(what))
        }
    }

    /// Nothing but blanks and NULs may follow the document.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        loop {
            self.peek();
            match self.bytes.get(self.at) {
                None => return Ok(()),
                Some(0) => self.at += 1,
                Some(_) => return Err(self.error("text behind the document")),
            }
        }
    }

    /// Reads a text with its quotes, which must come next.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<RawText, JsonError> {
        let quote = self.peek();
        if quote != b'"' && quote != b'\'' {
            return Err(self.error("a text in quotes is expected"));
        }
        let Some((raw, after)) = self.rest_of_string(self.at + 1, quote) else {
            return Err(self.error("a text does not end"));
        };
        self.at = after;
        Ok(raw)
    }

    /// Reads `"name":"value"` without blanks and with a plain name: what peers write nearly always. `None` when anything
    /// else comes next; nothing is taken then.
    #[inline]
    pub(crate) fn plain_member(&mut self) -> Option<(RawText, RawText)> {
        /// `"x":"`, for any x.
        const LETTER: u64 = u64::from_le_bytes(*b"\"\0\":\"\0\0\0");
        const WITHOUT_X: u64 = u64::from_le_bytes([0xff, 0, 0xff, 0xff, 0xff, 0, 0, 0]);
        let start = self.at + 1;
        let chunk = self.bytes.get(self.at..)?.first_chunk::<8>()?;
        if u64::from_le_bytes(*chunk) & WITHOUT_X == LETTER && !matches!(chunk[1], b'"' | b'\\') {
            let (value, after) = self.rest_of_string(start + 4, b'"')?;
            self.at = after;
            return Some((RawText { start, end: start + 1, escaped: false }, value));
        }
        if chunk[0] != b'"' {
            return None;
        }
        let end = find::either(self.bytes, start, b'"', b'\\');
        if *self.bytes.get(end..)?.first_chunk::<3>()? != *b"\":\"" {
            return None;
        }
        let (value, after) = self.rest_of_string(end + 3, b'"')?;
        self.at = after;
        Some((RawText { start, end, escaped: false }, value))
    }

    /// The text that begins at `start`, behind its opening quote, and the position behind its closing one.
    #[inline]
    fn rest_of_string(&self, start: usize, quote: u8) -> Option<(RawText, usize)> {
        let mut at = start;
        let mut escaped = false;
        loop {
            at = find::either(self.bytes, at, quote, b'\\');
            match self.bytes.get(at)? {
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => return Some((RawText { start, end: at, escaped }, at + 1)),
            }
        }
    }

    /// The text of a range.
    #[inline]
    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Appends a text, unescaped, to `out`.
    pub(crate) fn unescape(&self, raw: RawText, out: &mut String) -> Result<(), JsonError> {
        out.reserve(raw.end - raw.start);
        let mut at = raw.start;
        loop {
            let backslash = find::byte(&self.bytes[..raw.end], at, b'\\');
            if backslash >= raw.end {
                break;
            }
            out.push_str(self.slice(at, backslash));
            // The separators of properties, by far the most frequent escapes.
            if let Some([b'\\', b'u', b'0', b'0', b'0', low @ b'0'..=b'9']) =
                self.bytes[..raw.end].get(backslash..backslash + 6)
            {
                out.push(char::from(low - b'0'));
                at = backslash + 6;
                continue;
            }
            at = backslash + 1;
            let kind = *self.bytes.get(at).ok_or(JsonError { at, what: "an escape does not end" })?;
            at += 1;
            out.push(match kind {
                b'"' | b'\'' | b'\\' | b'/' => char::from(kind),
                b'n' => '\n',
                b't' => '\t',
                b'r' => '\r',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'v' => '\u{b}',
                b'0' => '\0',
                b'u' => {
                    let (character, len) = self.unicode(at, raw.end)?;
                    at += len;
                    character
                }
                _ => return Err(JsonError { at, what: "an unknown escape" }),
            });
        }
        out.push_str(self.slice(at, raw.end));
        Ok(())
    }

    /// The character of `XXXX` or `XXXX\uXXXX` at `at` and how many bytes it took. Half a surrogate pair becomes U+FFFD.
    fn unicode(&self, at: usize, end: usize) -> Result<(char, usize), JsonError> {
        let unit = self.hex(at, end).ok_or(JsonError { at, what: "four hexadecimal digits are expected" })?;
        if (0xD800..0xDC00).contains(&unit) && self.bytes.get(at + 4..at + 6) == Some(b"\\u") {
            if let Some(low @ 0xDC00..0xE000) = self.hex(at + 6, end) {
                let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return Ok((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10));
            }
        }
        Ok((char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 4))
    }

    #[inline]
    fn hex(&self, at: usize, end: usize) -> Option<u32> {
        let digits = self.bytes.get(at..end)?.first_chunk::<4>()?;
        digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
    }

    /// Reads a number, true, false or null: everything up to the next structural byte or blank.
    #[inline]
    pub(crate) fn word(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at) {
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'$')) {
                break;
            }
            self.at += 1;
        }
        if start == self.at {
            return Err(self.error("a value is expected"));
        }
        Ok(self.slice(start, self.at))
    }

    /// Reads a whole number of a few digits that ends a member: what peers write nearly always. `None` when anything else comes
    /// next; nothing is taken then.
    #[inline]
    pub(crate) fn plain_int(&mut self) -> Option<i64> {
        /// So many digits always fit.
        const DIGITS_MAX: usize = 18;
        let bytes = self.bytes.get(self.at..)?;
        let (mut value, mut count) = (0, 0);
        loop {
            let byte = *bytes.get(count)?;
            let digit = byte.wrapping_sub(b'0');
            if digit >= 10 {
                let ends = count > 0 && matches!(byte, b',' | b'}');
                self.at += if ends { count } else { 0 };
                return ends.then_some(value);
            }
            if count == DIGITS_MAX {
                return None;
            }
            (value, count) = (value * 10 + i64::from(digit), count + 1);
        }
    }

    /// Skips one value of any kind.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek() {
            b'"' | b'\'' => self.string().map(drop),
            b'{' => self.skip_members(depth, b'}', true),
            b'[' => self.skip_members(depth, b']', false),
            _ => {
                let word = self.word()?;
                scalar(word).map(drop).ok_or_else(|| self.error("neither a number nor true, false or null"))
            }
        }
    }

    fn skip_members(&mut self, depth: usize, end: u8, keys: bool) -> Result<(), JsonError> {
        if depth >= DEPTH_MAX {
            return Err(self.error("nested too deeply"));
        }
        self.at += 1;
        while !self.take(end) {
            if keys {
                self.string()?;
                self.require(b':', "a colon is expected")?;
            }
            self.skip(depth + 1)?;
            if !self.take(b',') {
                self.require(end, "a comma or the end of the list is expected")?;
                break;
            }
        }
        Ok(())
    }
}

/// A value that is written without quotes.
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
}

/// What a word means; `None` for anything that is no JSON scalar (also not `NaN` or `Infinity`).
pub(crate) fn scalar(word: &str) -> Option<Scalar> {
    match word {
        "null" => Some(Scalar::Null),
        "true" => Some(Scalar::Bool(true)),
        "false" => Some(Scalar::Bool(false)),
        _ if !word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => None,
        _ => match word.parse() {
            Ok(int) => Some(Scalar::Int(int)),
            Err(_) => word.parse().ok().filter(|f: &f64| f.is_finite()).map(Scalar::Float),
        },
    }
}
