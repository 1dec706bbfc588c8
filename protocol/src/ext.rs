//! The header fields of a command (`extFields`): names and values in wire order, without an allocation per field.
//!
//! A decoded command keeps one reference to the frame's header bytes and a table of ranges into it; values that had to
//! be unescaped, and fields added by this program, live in one side buffer. Look-up is linear: headers have at most a
//! few dozen fields and the common ones under fifteen.
use bytes::Bytes;

/// Where a name or value lies: in the shared frame bytes or in the side buffer.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
    own: bool,
}

/// Room made for fields at the start of decoding; more of them cost a reallocation.
const FIELDS_EXPECTED: usize = 16;

/// A text of a decoded field: a range of the shared bytes, or of the side buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    Shared { start: usize, len: usize },
    Own { start: usize, len: usize },
}

impl Piece {
    fn span(self) -> Span {
        // Frames are at most 16 MiB (24 bits of header length), so positions fit.
        match self {
            Piece::Shared { start, len } => Span { start: start as u32, len: len as u32, own: false },
            Piece::Own { start, len } => Span { start: start as u32, len: len as u32, own: true },
        }
    }
}

/// Header fields in the order of the wire. On duplicate names the last one wins, as in Java.
///
/// `present` distinguishes "no header object" (JSON key absent) from an empty one (`"extFields":{}`).
#[derive(Clone, Debug, Default)]
pub struct ExtFields {
    shared: Bytes,
    own: String,
    fields: Vec<(Span, Option<Span>)>,
    present: bool,
}

impl ExtFields {
    /// No header object at all.
    pub fn absent() -> Self {
        Self::default()
    }

    /// An empty header object.
    pub fn empty() -> Self {
        Self { present: true, ..Self::default() }
    }

    /// Room for the fields of a frame. Ranges that are pushed point into the bytes that [`ExtFields::over`] is given.
    pub(crate) fn decoding() -> Self {
        Self { fields: Vec::with_capacity(FIELDS_EXPECTED), present: true, ..Self::default() }
    }

    /// Completes decoding: the bytes into which the ranges point, valid UTF-8 there.
    pub(crate) fn over(mut self, shared: Bytes) -> Self {
        if !self.fields.is_empty() {
            self.shared = shared;
        }
        self
    }

    /// Adds a field whose texts lie where [`Piece`] says.
    #[inline]
    pub(crate) fn push_pieces(&mut self, name: Piece, value: Option<Piece>) {
        self.fields.push((name.span(), value.map(Piece::span)));
    }

    /// Lets `write` append a text to the side buffer and tells where it lies; nothing stays behind after an error.
    pub(crate) fn keep_with<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<Piece, E> {
        let start = self.own.len();
        if let Err(error) = write(&mut self.own) {
            self.own.truncate(start);
            return Err(error);
        }
        Ok(Piece::Own { start, len: self.own.len() - start })
    }

    /// True when the command has a header object, even an empty one.
    pub fn is_present(&self) -> bool {
        self.present
    }

    /// Number of fields, duplicates counted.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True when there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The value of `name`; `None` when the field is missing or null.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().rev().find(|(n, _)| self.bytes(*n) == name.as_bytes())?;
        value.map(|v| self.text(v))
    }

    /// All fields in wire order as bytes; for the one-pass decoders of [`header!`](crate::header!).
    #[doc(hidden)]
    pub fn raw(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.fields.iter().map(|(n, v)| (self.bytes(*n), v.map(|v| self.bytes(v))))
    }

    /// All fields in wire order; a null value (binary length 0) is `None`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.fields.iter().map(|(n, v)| (self.text(*n), v.map(|v| self.text(v))))
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: &str, value: &str) {
        self.present = true;
        let name = self.keep(name);
        let value = Some(self.keep(value));
        self.fields.push((name, value));
    }

    /// Adds a field whose value is null (received with length 0 in the binary codec).
    pub fn push_null(&mut self, name: &str) {
        self.present = true;
        let name = self.keep(name);
        self.fields.push((name, None));
    }

    /// Appends `text` to the side buffer.
    fn keep(&mut self, text: &str) -> Span {
        let start = self.own.len() as u32;
        self.own.push_str(text);
        Span { start, len: text.len() as u32, own: true }
    }

    #[inline]
    fn bytes(&self, span: Span) -> &[u8] {
        let range = span.start as usize..(span.start + span.len) as usize;
        if span.own {
            &self.own.as_bytes()[range]
        } else {
            &self.shared[range]
        }
    }

    #[inline]
    fn text(&self, span: Span) -> &str {
        // Checked when the span was made; a failed check here would be a bug, answered with an empty text.
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }
}

impl PartialEq for ExtFields {
    /// Equal when both have the same fields with the same values in any order.
    fn eq(&self, other: &Self) -> bool {
        self.present == other.present
            && self.len() == other.len()
            && self.iter().all(|(n, v)| other.get(n) == v)
            && other.iter().all(|(n, v)| self.get(n) == v)
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for ExtFields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        let mut ext = Self::empty();
        fields.into_iter().for_each(|(n, v)| ext.push(n, v));
        ext
    }
}
