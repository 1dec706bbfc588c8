//! The properties text of a message: `name` 0x01 `value` 0x02, repeated (wire.md 6.2).
//!
//! Look-ups work on the text itself: no map is built. Reading follows Java: the last separator may be missing, entries
//! without a name or a value do not count, a value may contain 0x01, and of equal names the last one wins.
mod names;
pub use names::*;

use crate::find;

/// Between name and value.
pub const NAME_SEPARATOR: char = '\u{1}';
/// After each value.
pub const PROPERTY_SEPARATOR: char = '\u{2}';
/// Most bytes of the text: its length travels as a signed 16-bit number.
pub const PROPERTIES_BYTES_MAX: usize = i16::MAX as usize;

/// The value of `name`, if there is one. Always inlined: with a name that is known, comparing costs an instruction or two. Brokers
/// look up about ten names per message.
#[inline(always)]
pub fn get<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (bytes, first) = (text.as_bytes(), *name.as_bytes().first()?);
    let mut end = bytes.len();
    // From the back: of equal names the last one wins. Only entries with the first letter of the name are looked at.
    loop {
        let start = find::last_pair(bytes, end, PROPERTY_SEPARATOR as u8, first).unwrap_or(0);
        let named = bytes.get(start..).and_then(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(&[1]));
        if named.is_some() {
            let value = start + name.len() + 1;
            let value_end = find::byte(bytes, value, PROPERTY_SEPARATOR as u8);
            if value_end > value {
                return text.get(value..value_end);
            }
        }
        if start == 0 {
            return None;
        }
        end = start;
    }
}

/// All entries that count, in the order of the text; repeated names are given as often as they stand there.
pub fn iter(text: &str) -> impl Iterator<Item = (&str, &str)> {
    pieces(text).flatten()
}

/// What stands between the separators: name and value, or `None` for what does not count. The last piece is empty when the text
/// ends with a separator, as that of an empty text is.
pub fn pieces(text: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    let bytes = text.as_bytes();
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let name_end = find::either(bytes, start, NAME_SEPARATOR as u8, PROPERTY_SEPARATOR as u8);
        let named = bytes.get(name_end) == Some(&(NAME_SEPARATOR as u8));
        let end = if named { find::byte(bytes, name_end + 1, PROPERTY_SEPARATOR as u8) } else { name_end };
        next = (end < bytes.len()).then_some(end + 1);
        let counts = named && name_end > start && end > name_end + 1;
        Some(text.get(start..name_end).zip(text.get(name_end + 1..end)).filter(|_| counts))
    })
}

/// The value in `entry` when it is an entry of `name`.
fn value_of<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    let value = entry.strip_prefix(name)?.strip_prefix(NAME_SEPARATOR)?;
    (!value.is_empty() && !name.is_empty()).then_some(value)
}

/// Why a property cannot be set by an application.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// The name has a meaning of its own.
    #[error("the property name '{name}' is used by the system, choose another name")]
    Reserved {
        /// The name.
        name: String,
    },
    /// The name is empty or white space.
    #[error("a property name must not be blank")]
    BlankName,
    /// The value is empty or white space.
    #[error("the value of property '{name}' must not be blank")]
    BlankValue {
        /// The name.
        name: String,
    },
    /// U+0001 or U+0002 in name or value would change the neighbours.
    #[error("property '{name}' contains the control character U+0001 or U+0002, which separates properties")]
    Separator {
        /// The name.
        name: String,
    },
}

/// True for names an application may not set.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Checks a property given by an application (client.md 2.16; the separators are an additional check).
pub fn validate_user_property(name: &str, value: &str) -> Result<(), PropertyError> {
    if name.trim().is_empty() {
        return Err(PropertyError::BlankName);
    }
    if is_reserved(name) {
        return Err(PropertyError::Reserved { name: name.to_owned() });
    }
    if value.trim().is_empty() {
        return Err(PropertyError::BlankValue { name: name.to_owned() });
    }
    if name.contains(is_separator) || value.contains(is_separator) {
        return Err(PropertyError::Separator { name: name.to_owned() });
    }
    Ok(())
}

fn is_separator(c: char) -> bool {
    c == NAME_SEPARATOR || c == PROPERTY_SEPARATOR
}

/// Properties being put together, kept as the text they will be sent or stored as; insertion order is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    text: String,
}

impl Properties {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of a received text, unchanged.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        get(&self.text, name)
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        iter(&self.text)
    }

    /// Sets a property of the program's own making, in place of an earlier value. An empty value removes it;
    /// separators are left out where no text can carry them: both from names, U+0002 from values.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        if name.is_empty() || value.is_empty() {
            return;
        }
        self.close();
        self.text.reserve(name.len() + value.len() + 2);
        self.push_without(name, is_separator);
        self.text.push(NAME_SEPARATOR);
        self.push_without(value, |c| c == PROPERTY_SEPARATOR);
        self.text.push(PROPERTY_SEPARATOR);
    }

    /// Sets a property given by an application, after [`validate_user_property`].
    pub fn set_user(&mut self, name: &str, value: &str) -> Result<(), PropertyError> {
        validate_user_property(name, value)?;
        self.set(name, value);
        Ok(())
    }

    /// Removes every entry of `name`.
    pub fn remove(&mut self, name: &str) {
        if get(&self.text, name).is_none() {
            return;
        }
        let mut kept = String::with_capacity(self.text.len());
        for entry in self.text.split_inclusive(PROPERTY_SEPARATOR) {
            if value_of(entry.strip_suffix(PROPERTY_SEPARATOR).unwrap_or(entry), name).is_none() {
                kept.push_str(entry);
            }
        }
        self.text = kept;
    }

    /// Appends entries of another text after the own ones (4.9 does this to batch members).
    pub fn append_text(&mut self, text: &str) {
        if !text.is_empty() {
            self.close();
            self.text.push_str(text);
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text.
    pub fn encode(self) -> String {
        self.text
    }

    /// Bytes of the text.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// True when the text is empty.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Writes the last separator when the text lacks it.
    fn close(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(PROPERTY_SEPARATOR) {
            self.text.push(PROPERTY_SEPARATOR);
        }
    }

    fn push_without(&mut self, part: &str, unwanted: fn(char) -> bool) {
        if part.contains(unwanted) {
            self.text.extend(part.chars().filter(|c| !unwanted(*c)));
        } else {
            self.text.push_str(part);
        }
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Properties {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(entries: I) -> Self {
        let mut properties = Self::new();
        entries.into_iter().for_each(|(name, value)| properties.set(name, value));
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Look-up takes the last valid entry and only whole names.
    #[test]
    fn look_up() {
        let text = "a\u{1}1\u{2}ab\u{1}2\u{2}a\u{1}3\u{2}a\u{1}\u{2}x\u{2}c\u{1}d\u{1}e";
        assert_eq!(get(text, "a"), Some("3"));
        assert_eq!(get(text, "ab"), Some("2"));
        assert_eq!(get(text, "c"), Some("d\u{1}e"));
        assert_eq!((get(text, "x"), get(text, ""), get("", "a")), (None, None, None));
        assert_eq!(iter(text).count(), 4);
    }

    /// Set replaces, remove takes all, and a missing last separator is added before the next entry.
    #[test]
    fn builder() {
        let mut p = Properties::from_text("a\u{1}1\u{2}b\u{1}2");
        p.set("c", "3");
        p.set("a", "4");
        assert_eq!(p.as_str(), "b\u{1}2\u{2}c\u{1}3\u{2}a\u{1}4\u{2}");
        p.set("b", "");
        assert_eq!(p.as_str(), "c\u{1}3\u{2}a\u{1}4\u{2}");
        p.set("d", "x\u{2}y\u{1}z");
        assert_eq!(p.get("d"), Some("xy\u{1}z"));
    }

    /// What an application may not set is refused with the reason.
    #[test]
    fn user_properties() {
        assert!(matches!(validate_user_property("TAGS", "x"), Err(PropertyError::Reserved { .. })));
        assert_eq!(validate_user_property(" ", "x"), Err(PropertyError::BlankName));
        assert!(matches!(validate_user_property("a", " "), Err(PropertyError::BlankValue { .. })));
        assert!(matches!(validate_user_property("a", "\u{2}"), Err(PropertyError::Separator { .. })));
        assert_eq!(validate_user_property(SHARDING_KEY, "x"), Ok(()));
    }
}
