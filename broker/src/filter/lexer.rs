//! Words of the language (broker.md 6.2), one at a time: what is never reached is never judged.
use super::SqlError;

/// A word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Keyword(Keyword),
    Name(&'a str),
    /// What stands between the quotes, with quotes inside still doubled.
    Text(&'a str),
    Integer(&'a str),
    Float(&'a str),
    /// One of `= <> > >= < <= ( ) , + -`.
    Symbol(&'a str),
    End,
}

/// A reserved word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Contains,
    StartsWith,
    EndsWith,
}

const KEYWORDS: [(&str, Keyword); 12] = [
    ("NOT", Keyword::Not),
    ("AND", Keyword::And),
    ("OR", Keyword::Or),
    ("BETWEEN", Keyword::Between),
    ("IN", Keyword::In),
    ("TRUE", Keyword::True),
    ("FALSE", Keyword::False),
    ("NULL", Keyword::Null),
    ("IS", Keyword::Is),
    ("CONTAINS", Keyword::Contains),
    ("STARTSWITH", Keyword::StartsWith),
    ("ENDSWITH", Keyword::EndsWith),
];

/// Longest first, so that the first one that fits is the one meant.
const SYMBOLS: [&str; 11] = ["<>", ">=", "<=", "=", ">", "<", "(", ")", ",", "+", "-"];

/// A word and where it begins (bytes, from 0).
pub(super) type Found<'a> = (usize, Token<'a>);

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word.
    pub fn next(&mut self) -> Result<Found<'a>, SqlError> {
        self.skip()?;
        let at = self.at;
        let rest = &self.text[at..];
        let (token, len) = match rest.bytes().next() {
            None => (Token::End, 0),
            Some(b'\'') => {
                let inside = text_len(&rest[1..]).ok_or(SqlError::Open { at: at + 1, what: "text" })?;
                (Token::Text(&rest[1..1 + inside]), inside + 2)
            }
            Some(b'0'..=b'9' | b'.') => number(rest).ok_or_else(|| self.stray())?,
            Some(first) if is_name_byte(first) => {
                let len = rest.bytes().take_while(|byte| is_name_byte(*byte)).count();
                (word(&rest[..len]), len)
            }
            Some(_) => {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).ok_or_else(|| self.stray())?;
                (Token::Symbol(&rest[..symbol.len()]), symbol.len())
            }
        };
        self.at += len;
        Ok((at, token))
    }

    fn stray(&self) -> SqlError {
        let found = self.text[self.at..].chars().next().unwrap_or_default();
        SqlError::Character { at: self.at + 1, found }
    }

    /// Passes over blanks and comments.
    fn skip(&mut self) -> Result<(), SqlError> {
        loop {
            let rest = &self.text[self.at..];
            let blanks = rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0C)).count();
            let rest = &rest[blanks..];
            self.at += blanks;
            // A line comment needs its line end: without one, these are two minus signs.
            let line = rest.strip_prefix("--").and_then(|rest| rest.find(['\n', '\r'])).map(|end| end + 3);
            let block = match rest.strip_prefix("/*") {
                Some(inside) => {
                    let open = SqlError::Open { at: self.at + 1, what: "comment" };
                    Some(inside.find("*/").ok_or(open)? + 4)
                }
                None => None,
            };
            match line.or(block) {
                Some(len) => self.at += len,
                None => return Ok(()),
            }
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

fn word(text: &str) -> Token<'_> {
    match KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        Some((_, keyword)) => Token::Keyword(*keyword),
        None => Token::Name(text),
    }
}

/// Length of a text up to its closing quote; two quotes are one inside.
fn text_len(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == b'\'')?;
        if bytes.get(at + 1) != Some(&b'\'') {
            return Some(at);
        }
        at += 2;
    }
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Length of an exponent, 0 when there is none.
fn exponent(bytes: &[u8]) -> usize {
    if !matches!(bytes.first(), Some(b'e' | b'E')) {
        return 0;
    }
    let sign = usize::from(matches!(bytes.get(1), Some(b'+' | b'-')));
    match digits(&bytes[1 + sign..]) {
        0 => 0,
        count => 1 + sign + count,
    }
}

/// The longest number: with a point or an exponent a float, which may begin with zeros; otherwise `0`, or digits that do
/// not begin with one and an optional L. `None` for a point without digits.
fn number(rest: &str) -> Option<(Token<'_>, usize)> {
    let bytes = rest.as_bytes();
    let whole = digits(bytes);
    if bytes.get(whole) == Some(&b'.') {
        let fraction = digits(&bytes[whole + 1..]);
        if whole + fraction == 0 {
            return None;
        }
        let end = whole + 1 + fraction;
        let end = end + exponent(&bytes[end..]);
        return Some((Token::Float(&rest[..end]), end));
    }
    match exponent(&bytes[whole..]) {
        0 if bytes[0] == b'0' => Some((Token::Integer(&rest[..1]), 1)),
        0 => {
            let suffix = usize::from(matches!(bytes.get(whole), Some(b'l' | b'L')));
            Some((Token::Integer(&rest[..whole]), whole + suffix))
        }
        exponent => Some((Token::Float(&rest[..whole + exponent]), whole + exponent)),
    }
}
