//! The JSON header (wire.md 2.2), read as leniently as 5.4.0 reads it and written as Java writes it.
//!
//! Reading is one pass over the bytes: members are told by name, `extFields` become ranges of the header, and only texts
//! with escapes are copied. Writing: compact, members sorted by name, every field value a text.
use super::{Fields, Fixed, FrameError, FIELDS_MAX};
use crate::command::{Codec, Command};
use crate::decimal::Decimal;
use crate::ext::{ExtFields, Span};
use crate::header::FieldSink;
use crate::json::scan::{scalar, RawText, Scalar, Scanner};
use crate::json::{put_text, JsonError};
use crate::language;
use std::borrow::Cow;

/// Reads a header to a new command: an object with nothing but blanks and NULs behind it.
pub(super) fn decode(head: &[u8], command: &mut Command) -> Result<(), FrameError> {
    let text = std::str::from_utf8(head)
        .map_err(|error| JsonError { at: error.valid_up_to(), what: "the header is not UTF-8" })?;
    let mut scanner = Scanner::new(text);
    (command.language, command.codec) = (language::JAVA, Codec::Json);
    scanner.require(b'{', "an object is expected")?;
    while !scanner.take(b'}') {
        match member(&mut scanner)? {
            Member::Code => command.code = int(&mut scanner)?.unwrap_or(0),
            Member::Language => command.language = language_of(&mut scanner)?,
            Member::Version => command.version = int(&mut scanner)?.unwrap_or(0),
            Member::Opaque => command.opaque = int(&mut scanner)?.unwrap_or(0),
            Member::Flag => command.flag = int(&mut scanner)?.unwrap_or(0),
            Member::Remark => command.remark = text_of(&mut scanner)?.map(Cow::into_owned),
            Member::ExtFields => command.ext = ext_fields(&mut scanner)?,
            Member::Other => scanner.skip(1)?,
        }
        if !scanner.take(b',') {
            scanner.require(b'}', "a comma or the end of the object is expected")?;
            break;
        }
    }
    scanner.end()?;
    command.ext.lay_over(text);
    Ok(())
}

/// The members of a header.
#[derive(Clone, Copy)]
enum Member {
    Code,
    Language,
    Version,
    Opaque,
    Flag,
    Remark,
    ExtFields,
    Other,
}

/// Reads the name of a member with its colon.
#[inline]
fn member(scanner: &mut Scanner<'_>) -> Result<Member, JsonError> {
    // As peers write it nearly always, without blanks: told by the first letter, then compared as a whole.
    let plain = match scanner.second() {
        b'c' if scanner.take_all(b"\"code\":") => Member::Code,
        b'l' if scanner.take_all(b"\"language\":") => Member::Language,
        b'v' if scanner.take_all(b"\"version\":") => Member::Version,
        b'o' if scanner.take_all(b"\"opaque\":") => Member::Opaque,
        b'f' if scanner.take_all(b"\"flag\":") => Member::Flag,
        b'r' if scanner.take_all(b"\"remark\":") => Member::Remark,
        b'e' if scanner.take_all(b"\"extFields\":") => Member::ExtFields,
        b's' if scanner.take_all(b"\"serializeTypeCurrentRPC\":") => Member::Other,
        _ => return any_member(scanner),
    };
    Ok(plain)
}

fn any_member(scanner: &mut Scanner<'_>) -> Result<Member, JsonError> {
    let name = scanner.string()?;
    scanner.require(b':', "a colon is expected")?;
    // Peers do not escape the names of these members.
    Ok(match scanner.slice(name.start, name.end) {
        "code" => Member::Code,
        "language" => Member::Language,
        "version" => Member::Version,
        "opaque" => Member::Opaque,
        "flag" => Member::Flag,
        "remark" => Member::Remark,
        "extFields" => Member::ExtFields,
        _ => Member::Other,
    })
}

/// A number, a number in quotes, or null; fractions are cut off. Anything beyond 32 bits is an error.
#[inline]
fn int(scanner: &mut Scanner<'_>) -> Result<Option<i32>, JsonError> {
    match scanner.plain_int().map(i32::try_from) {
        Some(Ok(int)) => Ok(Some(int)),
        Some(Err(_)) => Err(scanner.error("a number does not fit 32 bits")),
        None => any_int(scanner),
    }
}

fn any_int(scanner: &mut Scanner<'_>) -> Result<Option<i32>, JsonError> {
    let start = scanner.at();
    let error = |what| JsonError { at: start, what };
    let word = match scanner.peek() {
        b'"' | b'\'' => {
            let raw = scanner.string()?;
            scanner.slice(raw.start, raw.end)
        }
        _ => scanner.word()?,
    };
    match scalar(word) {
        Some(Scalar::Int(int)) => i32::try_from(int).map(Some).map_err(|_| error("a number does not fit 32 bits")),
        Some(Scalar::Float(float)) if float.trunc().abs() <= f64::from(i32::MAX) => Ok(Some(float as i32)),
        Some(Scalar::Null) => Ok(None),
        None if word.is_empty() => Ok(None),
        _ => Err(error("an integer is expected")),
    }
}

/// A name in any case or an ordinal; unknown ones and null are [`language::UNKNOWN`].
fn language_of(scanner: &mut Scanner<'_>) -> Result<i32, JsonError> {
    let Some(text) = text_of(scanner)? else { return Ok(language::UNKNOWN) };
    Ok(match text.parse::<i32>() {
        Ok(ordinal) if language::name(ordinal).is_some() => ordinal,
        Ok(_) => language::UNKNOWN,
        Err(_) => language::ordinal(&text),
    })
}

/// A text, or the JSON of any other value; `None` for null.
fn text_of<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, JsonError> {
    Ok(match value(scanner)? {
        None => None,
        Some(raw) if !raw.escaped => Some(Cow::Borrowed(scanner.slice(raw.start, raw.end))),
        Some(raw) => {
            let mut text = String::with_capacity(raw.end - raw.start);
            scanner.unescape(raw, &mut text)?;
            Some(Cow::Owned(text))
        }
    })
}

/// Where the text of a value lies: without quotes for a text, as it stands for any other value, `None` for null.
#[inline]
fn value(scanner: &mut Scanner<'_>) -> Result<Option<RawText>, JsonError> {
    match scanner.peek() {
        b'"' | b'\'' => scanner.string().map(Some),
        _ => {
            let start = scanner.at();
            // The value stands in an object of the top-level object.
            scanner.skip(2)?;
            let end = scanner.at();
            Ok((scanner.slice(start, end) != "null").then_some(RawText { start, end, escaped: false }))
        }
    }
}

/// An object of scalars (other values are kept as their JSON), or null for none.
fn ext_fields(scanner: &mut Scanner<'_>) -> Result<ExtFields, FrameError> {
    if scanner.peek() != b'{' {
        return match value(scanner)? {
            None => Ok(ExtFields::absent()),
            Some(_) => Err(scanner.error("extFields must be an object").into()),
        };
    }
    scanner.require(b'{', "an object is expected")?;
    let mut ext = ExtFields::decoding();
    loop {
        let (name, value) = match scanner.plain_member() {
            Some((name, value)) => (name, Some(value)),
            None if scanner.take(b'}') => break,
            None => {
                let name = scanner.string()?;
                scanner.require(b':', "a colon is expected")?;
                (name, value(scanner)?)
            }
        };
        if ext.len() == FIELDS_MAX {
            return Err(FrameError::TooManyFields);
        }
        let name = span(scanner, name, &mut ext)?;
        let value = value.map(|raw| span(scanner, raw, &mut ext)).transpose()?;
        ext.push_spans(name, value);
        if !scanner.take(b',') {
            scanner.require(b'}', "a comma or the end of extFields is expected")?;
            break;
        }
    }
    Ok(ext)
}

/// Where a text will lie once the header stands before those that were unescaped.
#[inline]
fn span(scanner: &Scanner<'_>, raw: RawText, ext: &mut ExtFields) -> Result<Span, JsonError> {
    if raw.escaped {
        Ok(ext.keep_with(|own| scanner.unescape(raw, own))?.behind(scanner.len()))
    } else {
        Ok(Span::new(raw.start, raw.end - raw.start))
    }
}

/// Appends a header.
pub(super) fn encode<F: Fields>(out: &mut Vec<u8>, fixed: &Fixed, remark: Option<&str>, fields: &F) {
    int_member(out, b"{\"code\":", fixed.code);
    if fields.present() {
        out.extend_from_slice(b",\"extFields\":{");
        fields.write(&mut Sink { out, first: true, declared: fields.declared() });
        out.push(b'}');
    }
    int_member(out, b",\"flag\":", fixed.flag);
    if let Some(name) = language::name(fixed.language) {
        out.extend_from_slice(b",\"language\":\"");
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
    }
    int_member(out, b",\"opaque\":", fixed.opaque);
    if let Some(remark) = remark {
        out.extend_from_slice(b",\"remark\":");
        put_text(out, remark);
    }
    int_member(out, b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":", fixed.version);
    out.push(b'}');
}

#[inline]
fn int_member(out: &mut Vec<u8>, prefix: &[u8], value: i32) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(Decimal::new(i64::from(value)).as_bytes());
}

struct Sink<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
    declared: bool,
}

impl Sink<'_> {
    #[inline]
    fn name(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        if self.declared {
            // Declared names have nothing to be escaped.
            self.out.push(b'"');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"\":");
        } else {
            put_text(self.out, name);
            self.out.push(b':');
        }
    }
}

impl FieldSink for Sink<'_> {
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        put_text(self.out, value);
    }
    fn int(&mut self, name: &str, value: i64) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(Decimal::new(value).as_bytes());
        self.out.push(b'"');
    }
}
