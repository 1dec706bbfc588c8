//! Tag expressions: `*`, or tags joined by `||` (broker.md 6.1, client.md 3.2).
//!
//! A broker compares hashes only; the consumer compares the texts again, since different tags can have equal hashes.
use crate::hash::java_string_hash;
use std::collections::BTreeSet;

/// Selects every message.
pub const ALL: &str = "*";

/// The expression is made of separators only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tag expression '{expression}' names no tag, use '*' for all messages")]
pub struct TagExpressionError {
    /// The expression.
    pub expression: String,
}

/// A parsed tag expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagExpression {
    /// The text as given; `*` when nothing was given.
    pub text: String,
    /// The tags; empty for `*`, and for an expression of blanks, which selects nothing.
    pub tags: BTreeSet<String>,
    /// Hashes of the tags.
    pub codes: BTreeSet<i32>,
}

impl TagExpression {
    /// Parses an expression; none, empty and `*` select all.
    pub fn parse(expression: Option<&str>) -> Result<Self, TagExpressionError> {
        let text = match expression {
            None | Some("" | ALL) => {
                return Ok(Self { text: ALL.to_owned(), tags: BTreeSet::new(), codes: BTreeSet::new() })
            }
            Some(text) => text,
        };
        if text.split("||").all(str::is_empty) {
            return Err(TagExpressionError { expression: text.to_owned() });
        }
        // Java's trim: everything up to the blank.
        let tags = text.split("||").map(|tag| tag.trim_matches(|c| c <= ' ')).filter(|tag| !tag.is_empty());
        let tags: BTreeSet<String> = tags.map(str::to_owned).collect();
        let codes = tags.iter().map(|tag| java_string_hash(tag)).collect();
        Ok(Self { text: text.to_owned(), tags, codes })
    }

    /// True when every message is selected.
    pub fn is_all(&self) -> bool {
        self.text == ALL
    }

    /// The broker's check, against the tag code of the consume queue.
    pub fn matches_code(&self, tags_code: i64) -> bool {
        matches_code(&self.text, &self.codes, tags_code)
    }

    /// The consumer's check, against the TAGS property.
    pub fn matches_tag(&self, tag: Option<&str>) -> bool {
        matches_tag(&self.tags, tag)
    }
}

/// The broker's check over the parts of a subscription: only the low 32 bits of the code count.
pub fn matches_code(text: &str, codes: &BTreeSet<i32>, tags_code: i64) -> bool {
    text == ALL || codes.contains(&(tags_code as i32))
}

/// The consumer's check over the parts of a subscription: no tags select all.
pub fn matches_tag(tags: &BTreeSet<String>, tag: Option<&str>) -> bool {
    tags.is_empty() || tag.is_some_and(|tag| tags.contains(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All is all, whatever the code.
    #[test]
    fn all() {
        for expression in [None, Some(""), Some("*")] {
            let all = TagExpression::parse(expression).unwrap();
            assert!(all.is_all() && all.matches_code(7) && all.matches_tag(None));
        }
    }

    /// A collision passes the broker and not the consumer.
    #[test]
    fn collisions_are_the_consumers_business() {
        let tags = TagExpression::parse(Some(" AaAa || TagB")).unwrap();
        let code = crate::hash::tags_code("BBBB");
        assert!(tags.matches_code(code) && !tags.matches_tag(Some("BBBB")));
        assert!(tags.matches_tag(Some("AaAa")) && !tags.matches_tag(None) && !tags.matches_code(0));
    }

    /// Separators alone are an error; blanks select nothing at the broker.
    #[test]
    fn nothing_selected() {
        assert!(TagExpression::parse(Some("||")).is_err());
        assert!(TagExpression::parse(Some("||||")).is_err());
        let blanks = TagExpression::parse(Some("  ")).unwrap();
        assert!(!blanks.is_all() && !blanks.matches_code(0) && !blanks.matches_code(42));
    }
}
