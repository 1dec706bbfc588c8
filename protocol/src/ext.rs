//! The header fields of a command (`extFields`): names and values in wire order, without an allocation per field.
//!
//! All texts of a command lie in one string: what a decoded header said, then what had to be unescaped and what this program
//! added. A field is a pair of ranges of it. Look-up is linear: headers have at most a few dozen fields and the common ones under
//! fifteen.
//!
//! A server decodes hundreds of headers at once and drops them together, many thousand times a second. So the memory of
//! dropped ones is kept, per thread and bounded, for those that are decoded next.
use std::cell::RefCell;

/// A range of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    // Frames are at most 16 MiB (24 bits of header length), so positions fit.
    start: u32,
    len: u32,
}

impl Span {
    #[inline(always)]
    pub(crate) fn new(start: usize, len: usize) -> Self {
        Self { start: start as u32, len: len as u32 }
    }

    /// The same range behind `before` bytes.
    pub(crate) fn behind(self, before: usize) -> Self {
        Self { start: self.start + before as u32, len: self.len }
    }

    /// Stands for no value. No text begins there.
    const NULL: Self = Self { start: u32::MAX, len: 0 };

    fn is_null(self) -> bool {
        self.start == u32::MAX
    }
}

/// The memory of the fields of one command.
#[derive(Clone, Debug, Default)]
struct Memory {
    text: String,
    /// Name and value.
    fields: Vec<(Span, Span)>,
}

/// What is kept of dropped commands, per thread: so many, none larger than this. More of them, or larger ones, go back to the
/// allocator at once.
const SPARE_MAX: usize = 512;
const SPARE_TEXT_BYTES_MAX: usize = 2048;
const SPARE_FIELDS_MAX: usize = 64;

/// Room made for fields at the start of decoding; more of them cost a reallocation.
const FIELDS_EXPECTED: usize = 16;

thread_local! {
    static SPARE: RefCell<Vec<Memory>> = const { RefCell::new(Vec::new()) };
}

impl Memory {
    /// Empty, with room.
    fn take() -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        spare.unwrap_or_else(|| Self { text: String::new(), fields: Vec::with_capacity(FIELDS_EXPECTED) })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let (text, fields) = (self.text.capacity(), self.fields.capacity());
        if text == 0 || text > SPARE_TEXT_BYTES_MAX || !(FIELDS_EXPECTED..=SPARE_FIELDS_MAX).contains(&fields) {
            return;
        }
        // At the end of a thread there may be nothing left to keep it in.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                self.text.clear();
                self.fields.clear();
                // What takes the place of the two has no memory.
                spare.push(Memory { text: std::mem::take(&mut self.text), fields: std::mem::take(&mut self.fields) });
            }
        });
    }
}

/// Header fields in the order of the wire. On duplicate names the last one wins, as in Java.
///
/// `present` distinguishes "no header object" (JSON key absent) from an empty one (`"extFields":{}`).
#[derive(Clone, Debug, Default)]
pub struct ExtFields {
    memory: Memory,
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

    /// Fields of a frame that are about to be pushed.
    pub(crate) fn decoding() -> Self {
        Self { memory: Memory::take(), present: true }
    }

    /// Puts the header of a frame before the texts that were kept, for fields whose ranges say so.
    pub(crate) fn lay_over(&mut self, header: &str) {
        if !self.is_empty() {
            self.memory.text.insert_str(0, header);
        }
    }

    /// Adds a field whose texts lie at these ranges.
    #[inline]
    pub(crate) fn push_spans(&mut self, name: Span, value: Option<Span>) {
        self.memory.fields.push((name, value.unwrap_or(Span::NULL)));
    }

    /// Lets `write` append a text and tells where it lies; nothing stays behind after an error.
    pub(crate) fn keep_with<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<Span, E> {
        let text = &mut self.memory.text;
        let start = text.len();
        if let Err(error) = write(text) {
            text.truncate(start);
            return Err(error);
        }
        Ok(Span::new(start, text.len() - start))
    }

    /// True when the command has a header object, even an empty one.
    pub fn is_present(&self) -> bool {
        self.present
    }

    /// Number of fields, duplicates counted.
    pub fn len(&self) -> usize {
        self.memory.fields.len()
    }

    /// True when there is no field.
    pub fn is_empty(&self) -> bool {
        self.memory.fields.is_empty()
    }

    /// The value of `name`; `None` when the field is missing or null.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.memory.fields.iter().rev().find(|(n, _)| self.bytes(*n) == name.as_bytes())?;
        self.value(*value)
    }

    /// All fields in wire order, names as bytes; for decoders that look at every field once, as those of
    /// [`header!`](crate::header!).
    pub fn raw(&self) -> impl Iterator<Item = (&[u8], Option<&str>)> {
        self.memory.fields.iter().map(|(n, v)| (self.bytes(*n), self.value(*v)))
    }

    /// All fields in wire order; a null value (binary length 0) is `None`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.memory.fields.iter().map(|(n, v)| (self.text(*n), self.value(*v)))
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: &str, value: &str) {
        self.present = true;
        let name = self.keep(name);
        let value = self.keep(value);
        self.push_spans(name, Some(value));
    }

    /// Adds a field whose value is null (received with length 0 in the binary codec).
    pub fn push_null(&mut self, name: &str) {
        self.present = true;
        let name = self.keep(name);
        self.push_spans(name, None);
    }

    /// Appends a text and tells where it lies.
    pub(crate) fn keep(&mut self, text: &str) -> Span {
        let start = self.memory.text.len();
        self.memory.text.push_str(text);
        Span::new(start, text.len())
    }

    #[inline]
    fn bytes(&self, span: Span) -> &[u8] {
        &self.memory.text.as_bytes()[span.start as usize..(span.start + span.len) as usize]
    }

    #[inline]
    fn value(&self, span: Span) -> Option<&str> {
        (!span.is_null()).then(|| self.text(span))
    }

    #[inline]
    fn text(&self, span: Span) -> &str {
        // Ranges are those of texts; one that cuts a character would be a bug, answered with an empty text.
        self.memory.text.get(span.start as usize..(span.start + span.len) as usize).unwrap_or_default()
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
