//! SQL92 message filters (broker.md 6.2 to 6.4): compiled once, then evaluated against the properties of each message.
//!
//! [`Sql::compile`] reads the text (`lexer`, `parser`, `checks`) into a tree, [`Sql::matches`] evaluates it (`eval`, `number`) with
//! Apache's three-valued logic and conversions, odd ones included: consumers move between brokers and must get the same
//! messages. Not here: tag expressions (`ferromq_protocol::filter`), and who subscribed with what (`service::filters`).
//!
//! Functions of text: no clock, no locks, nothing kept between calls. Everything is bounded, since expressions come from
//! clients: the text, the nesting of text and tree (so that recursion is), and the work of one evaluation.
pub mod bloom;
mod checks;
mod error;
mod eval;
mod expr;
mod lexer;
mod number;
mod parser;

pub use error::{EvalError, SqlError};

use expr::Expr;
use ferromq_protocol::properties;

/// Longest expression. Longer ones do not compile; without a bound, evaluation per message would have none either.
pub const EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of parentheses, signs and NOT, and deepest tree. Deeper ones do not compile; without a bound they would
/// overflow the stack. Chains of AND and OR do not nest.
pub const DEPTH_MAX: usize = 128;
/// Most work of one evaluation, in nodes visited plus bytes of text looked at. Above it the message does not match, as with
/// any other error of evaluation; without a bound an expression of many searches in a long value would stall its thread.
pub const WORK_MAX: usize = 256 * 1024;

/// Properties that are looked up without an allocation.
const NAMES_INLINE: usize = 8;

/// A compiled expression.
#[derive(Debug, PartialEq)]
pub struct Sql {
    root: Expr,
    /// The properties it names; [`Expr`] refers to them by position.
    names: Vec<Box<str>>,
    /// Positions in `names`, in the order of the names.
    sorted: Vec<usize>,
}

impl Sql {
    /// Compiles an expression. As with Apache, what follows a complete condition is not looked at, except for the first
    /// word behind it.
    pub fn compile(text: &str) -> Result<Self, SqlError> {
        let (root, names) = parser::parse(text)?;
        let mut sorted: Vec<usize> = (0..names.len()).collect();
        sorted.sort_by(|a, b| names[*a].cmp(&names[*b]));
        Ok(Self { root, names, sorted })
    }

    /// Evaluates it against a property text (wire.md 6.2): true, false, or unknown.
    pub fn evaluate(&self, properties: &str) -> Result<Option<bool>, EvalError> {
        self.evaluate_entries(properties::iter(properties))
    }

    /// Evaluates it against names and values; of equal names the last one counts.
    pub fn evaluate_entries<'a>(
        &self,
        entries: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<bool>, EvalError> {
        let (mut inline, mut allocated) = ([None; NAMES_INLINE], Vec::new());
        let values = match inline.get_mut(..self.names.len()) {
            Some(values) => values,
            None => {
                allocated.resize(self.names.len(), None);
                &mut allocated[..]
            }
        };
        if !values.is_empty() {
            for (name, value) in entries {
                if let Ok(at) = self.sorted.binary_search_by(|at| (*self.names[*at]).cmp(name)) {
                    values[self.sorted[at]] = Some(value);
                }
            }
        }
        eval::condition(&self.root, values)
    }

    /// True when a message with these properties is wanted. An error means no, as with Apache.
    pub fn matches(&self, properties: &str) -> bool {
        self.evaluate(properties) == Ok(Some(true))
    }
}

#[cfg(test)]
mod tests;
