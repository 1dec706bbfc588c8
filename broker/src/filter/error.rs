//! What can be wrong with an expression. Positions are bytes from the start of the text, counted from 1.
use super::{DEPTH_MAX, EXPRESSION_BYTES_MAX};

/// An expression that does not compile. The texts go to the client (CHECK_CLIENT_CONFIG).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// Longer than [`EXPRESSION_BYTES_MAX`].
    #[error("the expression has {bytes} bytes, more than the {EXPRESSION_BYTES_MAX} that are accepted; shorten it")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("the expression is nested more than {DEPTH_MAX} levels deep; remove parentheses")]
    TooDeep,
    /// A character that begins no word of the language.
    #[error("the character {found:?} at position {at} does not belong to the language")]
    Character {
        /// Where.
        at: usize,
        /// The character.
        found: char,
    },
    /// A text or comment without an end.
    #[error("the {what} that begins at position {at} does not end")]
    Open {
        /// Where it begins.
        at: usize,
        /// `text` or `comment`.
        what: &'static str,
    },
    /// A word where another one is needed.
    #[error("{found} at position {at}, where {expected} is expected")]
    Unexpected {
        /// Where.
        at: usize,
        /// What stands there.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// A number that its type cannot hold.
    #[error("the number {text} at position {at} is out of range: {range}")]
    Number {
        /// Where.
        at: usize,
        /// The number.
        text: String,
        /// What is accepted.
        range: &'static str,
    },
    /// A constant that is neither true nor false, where a condition is needed.
    #[error("the value at position {at} is no condition; compare it with something")]
    NotACondition {
        /// Where the value begins.
        at: usize,
    },
    /// An operand that the operator does not take.
    #[error("the operand at position {at} cannot be used with {operator}: {why}")]
    Operand {
        /// Where the operand begins.
        at: usize,
        /// The operator.
        operator: &'static str,
        /// The rule.
        why: &'static str,
    },
}

/// Why a message could not be judged; it does not match then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A property that is compared with a number is none.
    #[error("a property that is compared with a number is no number")]
    NotANumber,
    /// A condition stands left of `=` and a text right of it, which Apache cannot convert.
    #[error("a condition is compared with a text on its right side")]
    ConditionBeforeText,
    /// More work than [`WORK_MAX`](super::WORK_MAX).
    #[error("the evaluation takes too long for this message")]
    TooMuchWork,
}
