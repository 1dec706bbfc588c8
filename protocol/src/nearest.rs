//! The nearest of some names, for typing errors: of a property in a file, of an option in a program. A function of text.

/// The name that is fewest edits away, when that are at most a third of its letters.
pub fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let measured = names.map(|name| (distance(&wrong, &name.to_lowercase()), name));
    measured
        .min_by_key(|(edits, _)| *edits)
        .filter(|(edits, name)| *edits * 3 <= name.len().max(3))
        .map(|(_, name)| name)
}

/// Insertions, deletions and replacements between two texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Near names are found, far ones are not.
    #[test]
    fn found_or_not() {
        let names = ["retries", "send_timeout", "namesrv"];
        assert_eq!(nearest("retires", names.into_iter()), Some("retries"));
        assert_eq!(nearest("SendTimeout", names.into_iter()), Some("send_timeout"));
        assert_eq!(nearest("tag", names.into_iter()), None);
        assert_eq!((distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")), (3, 0, 3));
    }
}
