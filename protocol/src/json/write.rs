//! Writing JSON: the compact form of Java, its variants, and the indented form of configuration files.
use super::{Key, Value};
use crate::decimal::Decimal;
use crate::find;
use bytes::BufMut;

/// How keys and texts are written (wire.md 5.0, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// What Java writes: integer keys without quotes, objects as keys, characters beyond ASCII as they are.
    Java,
    /// As `Java`, but integer keys in quotes.
    Quoted,
    /// Standard JSON in the browser-safe form: every key a text, characters beyond ASCII as `\uXXXX`, `/` as `\/`.
    Standard,
}

impl Value {
    /// Compact text.
    pub fn write(&self, flavour: Flavour) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write_to(&mut out, flavour);
        out
    }

    /// Appends compact text.
    pub fn write_to<B: BufMut>(&self, out: &mut B, flavour: Flavour) {
        Writer { out, flavour, indent: None }.value(self);
    }

    /// Indented with tabs, integer keys bare: the form of the configuration files that the reference writes.
    pub fn write_pretty(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        Writer { out: &mut out, flavour: Flavour::Java, indent: Some(0) }.value(self);
        out
    }
}

struct Writer<'a, B> {
    out: &'a mut B,
    flavour: Flavour,
    /// Level of indentation; `None` writes the compact form.
    indent: Option<usize>,
}

impl<B: BufMut> Writer<'_, B> {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.put_slice(b"null"),
            Value::Bool(true) => self.out.put_slice(b"true"),
            Value::Bool(false) => self.out.put_slice(b"false"),
            Value::Int(int) => self.out.put_slice(Decimal::new(*int).as_bytes()),
            // The debug form keeps a decimal point (`0.0`), as Java does. JSON has no text for NaN: null.
            Value::Float(float) if float.is_finite() => self.out.put_slice(format!("{float:?}").as_bytes()),
            Value::Float(_) => self.out.put_slice(b"null"),
            Value::Text(text) => self.text(text),
            Value::Array(items) => {
                // Lists of numbers stay on one line: in the reference they are arrays of a primitive type.
                let line = !items.iter().all(|item| matches!(item, Value::Int(_)));
                self.out.put_u8(b'[');
                self.deeper();
                for (i, item) in items.iter().enumerate() {
                    self.separate(i, line);
                    self.value(item);
                }
                self.shallower(line);
                self.out.put_u8(b']');
            }
            Value::Object(members) => {
                self.out.put_u8(b'{');
                self.deeper();
                for (i, (key, member)) in members.iter().enumerate() {
                    // The reference breaks lines only before keys that are texts.
                    self.separate(i, matches!(key, Key::Text(_)));
                    self.key(key);
                    self.out.put_u8(b':');
                    self.value(member);
                }
                self.shallower(!members.is_empty());
                self.out.put_u8(b'}');
            }
        }
    }

    fn key(&mut self, key: &Key) {
        match (key, self.flavour) {
            (Key::Text(text), _) => self.text(text),
            (Key::Int(int), Flavour::Java) => self.out.put_slice(Decimal::new(*int).as_bytes()),
            (Key::Int(int), _) => {
                self.out.put_u8(b'"');
                self.out.put_slice(Decimal::new(*int).as_bytes());
                self.out.put_u8(b'"');
            }
            (Key::Object(object), Flavour::Standard) => {
                let text = object.write(Flavour::Java);
                self.text(&String::from_utf8_lossy(&text));
            }
            (Key::Object(object), _) => {
                // Keys stay on one line in the indented form.
                let indent = self.indent.take();
                self.value(object);
                self.indent = indent;
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.flavour == Flavour::Standard {
            put_text_ascii(self.out, text);
        } else {
            put_text(self.out, text);
        }
    }

    fn deeper(&mut self) {
        self.indent = self.indent.map(|level| level + 1);
    }

    fn shallower(&mut self, line: bool) {
        self.indent = self.indent.map(|level| level.saturating_sub(1));
        if line {
            self.line();
        }
    }

    fn separate(&mut self, index: usize, line: bool) {
        if index > 0 {
            self.out.put_u8(b',');
        }
        if line {
            self.line();
        }
    }

    fn line(&mut self) {
        if let Some(level) = self.indent {
            self.out.put_u8(b'\n');
            self.out.put_bytes(b'\t', level);
        }
    }
}

/// Bytes below this are control characters.
const CONTROLS: u8 = 0x20;

/// True for the bytes that JSON does not allow inside a text.
fn must_escape(byte: u8) -> bool {
    byte < CONTROLS || byte == b'"' || byte == b'\\'
}

/// Writes `text` with its quotes, escaping only what JSON demands; control characters in the forms of Java.
pub(crate) fn put_text<B: BufMut>(out: &mut B, text: &str) {
    out.put_u8(b'"');
    let bytes = text.as_bytes();
    let mut done = 0;
    loop {
        let next = find::either_or_below(bytes, done, b'"', b'\\', CONTROLS);
        out.put_slice(&bytes[done..next]);
        if next == bytes.len() {
            break;
        }
        put_escape(out, bytes[next]);
        done = next + 1;
    }
    out.put_u8(b'"');
}

/// Writes `text` with its quotes in pure ASCII (the browser-safe form of fastjson).
fn put_text_ascii<B: BufMut>(out: &mut B, text: &str) {
    out.put_u8(b'"');
    for character in text.chars() {
        match character {
            '/' => out.put_slice(b"\\/"),
            ' '..='~' | '\0'..='\x1f' if must_escape(character as u8) => put_escape(out, character as u8),
            ' '..='~' => out.put_u8(character as u8),
            _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| put_unicode(out, *unit)),
        }
    }
    out.put_u8(b'"');
}

fn put_escape<B: BufMut>(out: &mut B, byte: u8) {
    match byte {
        b'"' | b'\\' => out.put_slice(&[b'\\', byte]),
        b'\n' => out.put_slice(b"\\n"),
        b'\t' => out.put_slice(b"\\t"),
        b'\r' => out.put_slice(b"\\r"),
        0x08 => out.put_slice(b"\\b"),
        0x0c => out.put_slice(b"\\f"),
        _ => put_unicode(out, u16::from(byte)),
    }
}

fn put_unicode<B: BufMut>(out: &mut B, unit: u16) {
    let digit = |shift: u16| b"0123456789abcdef"[usize::from(unit >> shift & 15)];
    out.put_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}
