//! Writes single changed properties back into the text of a configuration file. Reading and escaping are the protocol's
//! ([`ferromq_protocol::java_properties`]). Pure functions.
pub use ferromq_protocol::java_properties::{parse, write, PropertiesError};

/// `text` with the lines of the given properties replaced, or added at the end; comments, other lines and order stay.
pub fn with_changes(text: &str, changes: &[(String, String)]) -> String {
    let mut pending: Vec<&(String, String)> = changes.iter().collect();
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        match key_of(line).and_then(|key| changes.iter().find(|(name, _)| *name == key)) {
            Some((name, value)) => {
                // A second line of the same name goes: the first one now says it.
                if let Some(at) = pending.iter().position(|(n, _)| n == name) {
                    pending.remove(at);
                    out.push_str(&write([(name.as_str(), value.as_str())]));
                }
            }
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    let added = pending.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    out.push_str(&write(added));
    out
}

/// The name on a line of its own; a continued line has none, and is left alone.
fn key_of(line: &str) -> Option<String> {
    let pairs = parse(line).ok()?;
    pairs.into_iter().next().map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_are_replaced_in_place_and_new_ones_added() {
        let text = "# mine\nbrokerName=a\nfoo=1\nbrokerName=b\n";
        let changes = [("brokerName".to_owned(), "c\\d".to_owned()), ("x".to_owned(), " y".to_owned())];
        let changed = with_changes(text, &changes);
        assert!(changed.starts_with("# mine\nbrokerName=") && changed.contains("\nfoo=1\n"), "{changed}");
        let pairs = parse(&changed).expect("valid");
        let expected = [("brokerName", "c\\d"), ("foo", "1"), ("x", " y")];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
