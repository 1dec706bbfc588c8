//! Java `.properties` text: configuration files, and the bodies of the requests that read and change them (wire.md 4.7).
//!
//! Reading follows `java.util.Properties.load`: comments, the separators `=`, `:` and blank, continued lines, escapes.
//! Writing gives plain `key=value` lines as the reference sends them, with escapes only where reading would otherwise
//! give something else. Not to be confused with the properties of a message ([`crate::properties`]).

/// Why a text is no properties text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: \\u must be followed by four hexadecimal digits")]
pub struct PropertiesError {
    /// Number of the line, from 1.
    pub line: usize,
}

/// Reads all pairs in order. A key that occurs twice is given twice; the last one counts.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, PropertiesError> {
    Ok(parse_lines(text)?.into_iter().map(|(_, key, value)| (key, value)).collect())
}

/// The same with the number of the line, from 1, on which each pair begins.
pub fn parse_lines(text: &str) -> Result<Vec<(usize, String, String)>, PropertiesError> {
    // Lines end at CR, LF or both.
    let text = text.replace("\r\n", "\n");
    let mut pairs = Vec::new();
    let mut lines = text.split(['\n', '\r']).enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches(is_blank);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while is_continued(&logical) {
            logical.pop();
            logical.push_str(lines.next().map_or("", |(_, next)| next.trim_start_matches(is_blank)));
        }
        let (key, value) = split(&logical);
        let error = || PropertiesError { line: number + 1 };
        pairs.push((number + 1, unescape(key).ok_or_else(error)?, unescape(value).ok_or_else(error)?));
    }
    Ok(pairs)
}

/// Writes `key=value` lines.
pub fn write<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        escape(&mut out, key, true);
        out.push('=');
        escape(&mut out, value, false);
        out.push('\n');
    }
    out
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// A line goes on in the next one when it ends with an odd number of backslashes.
fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// Splits a logical line at the first separator that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        if !escaped && (c == '=' || c == ':') {
            return (&line[..at], line[at + 1..].trim_start_matches(is_blank));
        }
        if !escaped && is_blank(c) {
            let rest = line[at..].trim_start_matches(is_blank);
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (&line[..at], rest.trim_start_matches(is_blank));
        }
        escaped = c == '\\' && !escaped;
    }
    (line, "")
}

fn unescape(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let digits = chars.as_str().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    chars = chars.as_str()[4..].chars();
                    continue;
                }
                Some(other) => other,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

fn escape(out: &mut String, text: &str, key: bool) {
    for (at, c) in text.char_indices() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' if key || at == 0 => out.push_str("\\t"),
            '\x0c' if key || at == 0 => out.push_str("\\f"),
            ' ' if key || at == 0 => out.push_str("\\ "),
            '=' | ':' if key => out.extend(['\\', c]),
            '#' | '!' if key && at == 0 => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> (String, String) {
        parse(text).unwrap().remove(0)
    }

    // Every construct of java.util.Properties.load gives what Java gives.
    #[test]
    fn reads_what_java_reads() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(one("a=b"), pair("a", "b"));
        assert_eq!(one("  a : b "), pair("a", "b "));
        assert_eq!(one("a b c"), pair("a", "b c"));
        assert_eq!(one("a\t=\t b"), pair("a", "b"));
        assert_eq!(one("a"), pair("a", ""));
        assert_eq!(one("a=b=c"), pair("a", "b=c"));
        assert_eq!(one("a\\ b\\=c=d"), pair("a b=c", "d"));
        assert_eq!(one("a=1,\\\n   2"), pair("a", "1,2"));
        assert_eq!(one("a=1,\\\r\n   2\r\nb=3"), pair("a", "1,2"));
        assert_eq!(one("a=1\\\n\nb=2\r\n"), pair("a", "1"));
        assert_eq!(one("a=\\\\\nb=c"), pair("a", "\\"));
        assert_eq!(one("a=\\u0041\\t\\z"), pair("a", "A\tz"));
        assert_eq!(one("a=\\ud83d\\ude00"), pair("a", "\u{1F600}"));
        assert_eq!(one("path=C:\\\\x"), pair("path", "C:\\x"));
        assert_eq!(parse("# x=1\n! y=2\n\n \n").unwrap(), []);
        assert_eq!(parse("a=1\r\nb=2\r\n").unwrap(), [pair("a", "1"), pair("b", "2")]);
    }

    #[test]
    fn names_the_line_of_a_bad_escape() {
        assert_eq!(parse("a=1\r\nb=2\r\nc=\\u00g0").unwrap_err().line, 3);
        assert_eq!(parse("c=\\u12").unwrap_err().line, 1);
    }

    proptest! {
        // What is written reads back the same, whatever the texts contain.
        #[test]
        fn written_pairs_read_back(pairs in prop::collection::vec(("[a-z #!=:\\\\\\n\\té]{1,8}", "[ -~\\n\\r\\té\\\\]{0,20}"), 0..6)) {
            let text = write(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            prop_assert_eq!(parse(&text).unwrap(), pairs);
        }
        #[test]
        fn any_text_is_read_or_refused(text in "[\\PC\\n\\r\\\\u0-9=: ]{0,60}") {
            let _ = parse(&text);
        }
    }
}
