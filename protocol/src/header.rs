//! Typed request and response headers from one declaration each.
//!
//! [`header!`](crate::header!) declares a struct together with the wire name of each field (and its one-letter name
//! where SEND_MESSAGE_V2 has one). Both codecs, encoding and decoding follow from that declaration: a header writes
//! itself into a [`FieldSink`], of which the JSON and the binary writer are two, and reads itself from [`ExtFields`].
use crate::decimal::Decimal;
use crate::ext::ExtFields;

/// Why a header could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A required field is missing or null.
    #[error("header field {0} is missing")]
    Missing(&'static str),
    /// A field does not hold a value of its type.
    #[error("header field {name} has the illegal value {value:?}")]
    Illegal {
        /// Wire name of the field.
        name: &'static str,
        /// The text that came.
        value: String,
    },
}

/// Long (`producerGroup`) or one-letter (`a`) field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The Java field names.
    Long,
    /// The letters of SEND_MESSAGE_V2; fields without a letter keep their name.
    Short,
}

/// Receives the fields of a header in declaration order. Absent optional fields are not offered.
pub trait FieldSink {
    /// A text field.
    fn text(&mut self, name: &str, value: &str);
    /// An integer field, written in decimal.
    fn int(&mut self, name: &str, value: i64);
    /// A boolean field, written as `true` or `false`.
    fn boolean(&mut self, name: &str, value: bool) {
        self.text(name, if value { "true" } else { "false" });
    }
    /// A field that is there without a value; only the binary codec can write that.
    fn null(&mut self, _name: &str) {}
}

impl FieldSink for ExtFields {
    fn text(&mut self, name: &str, value: &str) {
        self.push(name, value);
    }
    fn int(&mut self, name: &str, value: i64) {
        self.push(name, Decimal::new(value).as_str());
    }
}

/// A header that can be read from, and written as, `extFields`.
pub trait Header<'a>: Sized {
    /// Reads the header with the given field names. Unknown fields are ignored.
    fn decode_named(ext: &'a ExtFields, naming: Naming) -> Result<Self, HeaderError>;
    /// Writes every set field.
    fn encode_named<S: FieldSink + ?Sized>(&self, sink: &mut S, naming: Naming);

    /// Reads the header with long names.
    fn decode(ext: &'a ExtFields) -> Result<Self, HeaderError> {
        Self::decode_named(ext, Naming::Long)
    }
    /// The header as fields with long names.
    fn to_ext(&self) -> ExtFields {
        let mut ext = ExtFields::empty();
        self.encode_named(&mut ext, Naming::Long);
        ext
    }
}

/// A type that a header field can have.
pub trait FieldValue<'a>: Sized {
    /// Reads the text of the wire; `None` when it is no such value.
    fn parse(text: &'a str) -> Option<Self>;
    /// The value of an absent field without a declared default; `None` means the field is required.
    fn absent() -> Option<Self> {
        None
    }
    /// Writes the value.
    fn put<S: FieldSink + ?Sized>(&self, name: &str, sink: &mut S);
}

impl<'a> FieldValue<'a> for &'a str {
    fn parse(text: &'a str) -> Option<Self> {
        Some(text)
    }
    fn put<S: FieldSink + ?Sized>(&self, name: &str, sink: &mut S) {
        sink.text(name, self);
    }
}

impl<'a> FieldValue<'a> for i32 {
    fn parse(text: &'a str) -> Option<Self> {
        text.parse().ok()
    }
    fn put<S: FieldSink + ?Sized>(&self, name: &str, sink: &mut S) {
        sink.int(name, i64::from(*self));
    }
}

impl<'a> FieldValue<'a> for i64 {
    fn parse(text: &'a str) -> Option<Self> {
        text.parse().ok()
    }
    fn put<S: FieldSink + ?Sized>(&self, name: &str, sink: &mut S) {
        sink.int(name, *self);
    }
}

impl<'a> FieldValue<'a> for bool {
    /// Anything but `true` in any case is false (Java's `Boolean.parseBoolean`).
    fn parse(text: &'a str) -> Option<Self> {
        Some(text.eq_ignore_ascii_case("true"))
    }
    fn put<S: FieldSink + ?Sized>(&self, name: &str, sink: &mut S) {
        sink.boolean(name, *self);
    }
}

impl<'a, T: FieldValue<'a>> FieldValue<'a> for Option<T> {
    fn parse(text: &'a str) -> Option<Self> {
        T::parse(text).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn put<S: FieldSink + ?Sized>(&self, name: &str, sink: &mut S) {
        if let Some(value) = self {
            value.put(name, sink);
        }
    }
}

/// Reads one field; used by the code that [`header!`](crate::header!) generates.
#[doc(hidden)]
pub fn read_field<'a, T: FieldValue<'a>>(
    text: Option<&'a str>,
    name: &'static str,
    default: Option<T>,
    strict: bool,
) -> Result<T, HeaderError> {
    let Some(text) = text else {
        return default.or_else(T::absent).ok_or(HeaderError::Missing(name));
    };
    let value = T::parse(text);
    let value = if strict { value } else { value.or(default).or_else(T::absent) };
    value.ok_or_else(|| HeaderError::Illegal { name, value: text.chars().take(80).collect() })
}

/// Declares a header. `Option<T>` fields are optional, `= value` gives a default for an absent field, all others are
/// required. A value that is no number counts as absent, as in the reflective decoder of the reference; in a header
/// marked `strict` it is an error, as in its fast decoders (wire.md 0).
///
/// Decoding is one pass over the fields of the command, whatever their order.
///
/// ```
/// ferromq_protocol::header! {
///     /// SEARCH_OFFSET_BY_TIMESTAMP, request.
///     SearchOffset<'a> {
///         /// Topic.
///         topic: &'a str => "topic",
///         /// Queue of the topic.
///         queue_id: i32 => "queueId" / "q",
///         /// LOWER or UPPER.
///         boundary_type: &'a str => "boundaryType" = "LOWER",
///         /// Broker name of 5.x clients.
///         broker_name: Option<&'a str> => "bname",
///     }
/// }
/// ```
#[macro_export]
macro_rules! header {
    ($(#[$m:meta])* strict $name:ident <$lt:lifetime> { $($fields:tt)* }) => {
        $crate::header!(@declare true [$(#[$m])*] $name [<$lt>] $lt { $($fields)* });
    };
    ($(#[$m:meta])* strict $name:ident { $($fields:tt)* }) => {
        $crate::header!(@declare true [$(#[$m])*] $name [] 'h { $($fields)* });
    };
    ($(#[$m:meta])* $name:ident <$lt:lifetime> { $($fields:tt)* }) => {
        $crate::header!(@declare false [$(#[$m])*] $name [<$lt>] $lt { $($fields)* });
    };
    ($(#[$m:meta])* $name:ident { $($fields:tt)* }) => {
        $crate::header!(@declare false [$(#[$m])*] $name [] 'h { $($fields)* });
    };
    (@declare $strict:literal [$(#[$m:meta])*] $name:ident [$($generics:tt)*] $lt:lifetime {
        $($(#[$fm:meta])* $field:ident : $ty:ty => $wire:literal $(/ $short:literal)? $(= $default:expr)?),* $(,)?
    }) => {
        $(#[$m])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name $($generics)* { $($(#[$fm])* pub $field: $ty),* }

        impl<$lt> $crate::header::Header<$lt> for $name $($generics)* {
            fn decode_named(
                ext: &$lt $crate::ext::ExtFields,
                naming: $crate::header::Naming,
            ) -> Result<Self, $crate::header::HeaderError> {
                $(let mut $field: Option<&$lt str> = None;)*
                match naming {
                    $crate::header::Naming::Long => for (name, value) in ext.raw() {
                        $(if name == $wire.as_bytes() { $field = value; continue; })*
                        let _ = (name, value);
                    },
                    $crate::header::Naming::Short => for (name, value) in ext.raw() {
                        $(if name == $crate::header!(@short $wire $($short)?).as_bytes() { $field = value; continue; })*
                        let _ = (name, value);
                    },
                }
                Ok(Self { $($field: {
                    let default: Option<$ty> = None $(.or(Some($default)))?;
                    $crate::header::read_field($field, $wire, default, $strict)?
                }),* })
            }

            fn encode_named<Sink: $crate::header::FieldSink + ?Sized>(
                &self,
                sink: &mut Sink,
                naming: $crate::header::Naming,
            ) {
                let _ = (&sink, naming);
                $($crate::header::FieldValue::put(&self.$field, match naming {
                    $crate::header::Naming::Long => $wire,
                    $crate::header::Naming::Short => $crate::header!(@short $wire $($short)?),
                }, sink);)*
            }
        }
    };
    (@short $wire:literal) => { $wire };
    (@short $wire:literal $short:literal) => { $short };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::header! {
        /// Test header.
        strict Probe<'a> {
            /// t
            topic: &'a str => "topic" / "t",
            /// q
            queue: i32 => "queueId",
            /// o
            offset: Option<i64> => "offset",
            /// b
            boundary: &'a str => "boundaryType" = "LOWER",
        }
    }
    crate::header! {
        /// Without texts.
        Plain {
            /// n
            number: i64 => "n",
            /// c
            count: Option<i32> => "count",
            /// s
            size: i32 => "size" = 7,
        }
    }

    #[test]
    fn a_declared_header_round_trips_and_names_what_is_missing() {
        let probe = Probe { topic: "T", queue: 3, offset: None, boundary: "UPPER" };
        let ext = probe.to_ext();
        assert_eq!(Probe::decode(&ext), Ok(probe));
        let ext: ExtFields = [("topic", "T"), ("queueId", "x")].into_iter().collect();
        assert_eq!(Probe::decode(&ext), Err(HeaderError::Illegal { name: "queueId", value: "x".into() }));
        assert_eq!(Plain::decode(&ext), Err(HeaderError::Missing("n")));
    }

    #[test]
    fn a_bad_number_counts_as_absent_unless_the_header_is_strict() {
        let ext: ExtFields = [("n", "1"), ("count", "x"), ("size", "")].into_iter().collect();
        assert_eq!(Plain::decode(&ext), Ok(Plain { number: 1, count: None, size: 7 }));
        let ext: ExtFields = [("n", "1.5")].into_iter().collect();
        assert_eq!(Plain::decode(&ext), Err(HeaderError::Illegal { name: "n", value: "1.5".into() }));
    }

    #[test]
    fn the_last_of_two_fields_of_one_name_counts_even_when_it_is_null() {
        let mut ext: ExtFields = [("n", "1"), ("n", "2")].into_iter().collect();
        assert_eq!(Plain::decode(&ext).unwrap().number, 2);
        ext.push_null("n");
        assert_eq!(Plain::decode(&ext), Err(HeaderError::Missing("n")));
        assert_eq!(ext.get("n"), None);
    }
}
