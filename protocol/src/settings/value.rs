//! The types a setting can have: how each is read from text, written back, and described in an error.
//!
//! Text forms are Java's (`true`/`false`, decimal numbers, enum constants), because the same files are read by Apache's servers and
//! the same tools print them (broker.md 2.1). Functions of text.
use std::fmt::Display;

/// A type of settings.
pub trait SettingValue: Sized {
    /// Name of the type in the reference page: `int`, `long`, `boolean`, `String`, or the enum constants.
    const KIND: &'static str;
    /// Reads the trimmed text of a file; `None` when it is no such value.
    fn parse(text: &str) -> Option<Self>;
    /// The text that [`parse`](Self::parse) reads back.
    fn show(&self) -> String;
    /// The value as a number where a range can apply.
    fn number(&self) -> Option<i64> {
        None
    }
}

impl SettingValue for String {
    const KIND: &'static str = "String";
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl SettingValue for bool {
    const KIND: &'static str = "boolean";
    /// Stricter than Java, which reads every other text as false: a typing error must not silently switch something off.
    fn parse(text: &str) -> Option<Self> {
        match text {
            _ if text.eq_ignore_ascii_case("true") => Some(true),
            _ if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! number {
    ($($ty:ty => $kind:literal),*) => { $(
        impl SettingValue for $ty {
            const KIND: &'static str = $kind;
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn show(&self) -> String {
                self.to_string()
            }
            fn number(&self) -> Option<i64> {
                i64::try_from(*self).ok()
            }
        }
    )* };
}
number!(u16 => "int", i32 => "int", i64 => "long");

/// Declares an enum whose constants have names in files.
#[macro_export]
macro_rules! setting_enum {
    ($(#[$meta:meta])* $name:ident, $kind:literal { $($(#[doc = $doc:literal])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $doc])* $variant,)* }

        impl $crate::settings::SettingValue for $name {
            const KIND: &'static str = $kind;
            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
            fn show(&self) -> String {
                match self {
                    $(Self::$variant => $text,)*
                }
                .to_owned()
            }
        }
    };
}

setting_enum! {
    /// What a server logs.
    LogLevel, "error | warn | info | debug | trace, or nothing" {
        /// What the environment says.
        Environment = "",
        /// Errors.
        Error = "error",
        /// And warnings.
        Warn = "warn",
        /// And what happens.
        Info = "info",
        /// And why.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// What a setting of this type and range accepts, for error messages and the reference page.
pub fn expectation<T: SettingValue>(range: Option<(i64, i64)>) -> String {
    fn between(kind: &str, low: i64, high: impl Display) -> String {
        format!("{kind} from {low} to {high}")
    }
    match range {
        None => T::KIND.to_owned(),
        Some((low, i64::MAX)) => format!("{} from {low}", T::KIND),
        Some((low, high)) => between(T::KIND, low, high),
    }
}
