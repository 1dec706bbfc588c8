//! JSON in the dialect of the protocol (wire.md 2.2, 5.0): a value tree, a bounded parser and writers.
//!
//! Not a general JSON library: keys may be integers without quotes or whole objects, repeated objects may be references
//! (`$ref`), and members keep the order in which they came. Parsing is bounded in depth and in the number of values.
mod parse;
mod reference;
pub(crate) mod scan;
mod value;
mod write;

pub use parse::{parse, VALUES_MAX};
pub use scan::DEPTH_MAX;
pub use value::{Key, Value};
pub(crate) use write::put_text;
pub use write::Flavour;

/// Why a text is no JSON of the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {at}: {what}")]
pub struct JsonError {
    /// Position in the text.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}
