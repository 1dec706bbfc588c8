//! Text of Java properties files (broker.md 2.1): reading, and writing single changed lines back into a file.
//!
//! Pure functions. Unlike Java the file is read as UTF-8; `\uXXXX` escapes work in both.

/// The text is no properties file: a `\u` escape without four hexadecimal digits (Java refuses the whole text then).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: malformed \\uxxxx escape")]
pub struct PropertiesError {
    /// Line number, from 1.
    pub line: usize,
}

/// Reads all `key=value` pairs in file order; a key may occur more than once (the last one counts).
pub fn parse(text: &str) -> Result<Vec<(String, String)>, PropertiesError> {
    let mut pairs = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, first)) = lines.next() {
        let first = first.trim_start();
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while continues(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start()),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        let malformed = || PropertiesError { line: at + 1 };
        pairs.push((unescape(key).ok_or_else(malformed)?, unescape(value).ok_or_else(malformed)?));
    }
    Ok(pairs)
}

/// True when the line ends in an odd number of backslashes.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// Splits at the first unescaped `=`, `:` or blank.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let separator = !escaped && matches!(c, '=' | ':' | ' ' | '\t' | '\u{c}');
            escaped = !escaped && *c == '\\';
            separator
        })
        .map_or(line.len(), |(at, _)| at);
    let rest = line[end..].trim_start_matches([' ', '\t', '\u{c}']);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches([' ', '\t', '\u{c}']))
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let unit = (digits.len() == 4).then(|| u32::from_str_radix(&digits, 16).ok())??;
                // Halves of surrogate pairs stand alone here; no property value needs them.
                out.push(char::from_u32(unit).unwrap_or('\u{fffd}'));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Some(out)
}

/// `name=value` with what Java would misread escaped.
pub fn line(name: &str, value: &str) -> String {
    let mut out = format!("{name}=");
    for (at, c) in value.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' ' if at == 0 => out.push_str("\\ "),
            c => out.push(c),
        }
    }
    out
}

/// `text` with the lines of the given properties replaced, or added at the end; comments and order stay.
pub fn with_changes(text: &str, changes: &[(String, String)]) -> String {
    let mut pending: Vec<&(String, String)> = changes.iter().collect();
    let mut out = String::with_capacity(text.len() + 64);
    for raw in text.lines() {
        let trimmed = raw.trim_start();
        let key = (!trimmed.starts_with(['#', '!'])).then(|| split(trimmed).0);
        match key.and_then(|key| changes.iter().find(|(name, _)| name == key)) {
            Some((name, value)) => {
                if let Some(at) = pending.iter().position(|(n, _)| n == name) {
                    pending.remove(at);
                    out.push_str(&line(name, value));
                    out.push('\n');
                }
            }
            None => {
                out.push_str(raw);
                out.push('\n');
            }
        }
    }
    for (name, value) in pending {
        out.push_str(&line(name, value));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_comments_continuations_and_escapes_are_javas() {
        let text = "# c\n! c\n a = 1\nb:2\nc 3\nd=x\\\n   y\ne\\:f=g\\=h\nu=\\u0041\nempty=\nlast";
        let pairs = parse(text).expect("valid");
        let expected =
            [("a", "1"), ("b", "2"), ("c", "3"), ("d", "xy"), ("e:f", "g=h"), ("u", "A"), ("empty", ""), ("last", "")];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(parse("x=\\u00").unwrap_err().line, 1);
    }

    #[test]
    fn changed_lines_are_replaced_in_place_and_new_ones_added() {
        let text = "# mine\nbrokerName=a\nfoo=1\nbrokerName=b\n";
        let changes = [("brokerName".to_owned(), "c\\d".to_owned()), ("x".to_owned(), " y".to_owned())];
        let changed = with_changes(text, &changes);
        assert_eq!(changed, "# mine\nbrokerName=c\\\\d\nfoo=1\nx=\\ y\n");
        assert_eq!(parse(&changed).expect("valid")[2], ("x".to_owned(), " y".to_owned()));
    }
}
