//! The types a broker property can have: how each is read from text, written back, and described in an error.
//!
//! Text forms are Java's (`true`/`false`, decimal numbers, enum constants), because the same files are read by Apache's
//! broker and the same tools print them (broker.md 2.1).
use std::fmt::Display;

/// A property type.
pub trait PropertyValue: Sized {
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

impl PropertyValue for String {
    const KIND: &'static str = "String";
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl PropertyValue for bool {
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
        impl PropertyValue for $ty {
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
number!(i32 => "int", i64 => "long");

/// When the log is forced to disk (store.md 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushDiskType {
    /// In the background; an acknowledgement waits for nothing.
    Async,
    /// An acknowledgement waits for the flush, unless the message says WAIT=false.
    Sync,
}

impl PropertyValue for FlushDiskType {
    const KIND: &'static str = "ASYNC_FLUSH | SYNC_FLUSH";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "ASYNC_FLUSH" => Some(Self::Async),
            "SYNC_FLUSH" => Some(Self::Sync),
            _ => None,
        }
    }
    fn show(&self) -> String {
        match self {
            Self::Async => "ASYNC_FLUSH",
            Self::Sync => "SYNC_FLUSH",
        }
        .to_owned()
    }
}

/// Role of the broker in its group. Only masters exist so far; a slave is refused at start with a clear error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerRole {
    /// Master; acknowledgements do not wait for slaves.
    AsyncMaster,
    /// Master; with the default of one in-sync replica it behaves as the asynchronous one (broker.md 3.4).
    SyncMaster,
    /// Slave.
    Slave,
}

impl PropertyValue for BrokerRole {
    const KIND: &'static str = "ASYNC_MASTER | SYNC_MASTER | SLAVE";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "ASYNC_MASTER" => Some(Self::AsyncMaster),
            "SYNC_MASTER" => Some(Self::SyncMaster),
            "SLAVE" => Some(Self::Slave),
            _ => None,
        }
    }
    fn show(&self) -> String {
        match self {
            Self::AsyncMaster => "ASYNC_MASTER",
            Self::SyncMaster => "SYNC_MASTER",
            Self::Slave => "SLAVE",
        }
        .to_owned()
    }
}

/// What a property of this type and range accepts, for error messages and the reference page.
pub(super) fn expectation<T: PropertyValue>(range: Option<(i64, i64)>) -> String {
    fn between(kind: &str, low: i64, high: impl Display) -> String {
        format!("{kind} from {low} to {high}")
    }
    match range {
        None => T::KIND.to_owned(),
        Some((low, i64::MAX)) => format!("{} from {low}", T::KIND),
        Some((low, high)) => between(T::KIND, low, high),
    }
}
