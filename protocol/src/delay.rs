//! The delay level table: a text such as `1s 5s 10s .. 2h` (store.md 7.1), level 1 first.

/// The levels of a broker that was not told otherwise (18 of them).
pub const DEFAULT_LEVELS: &str = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

/// A level text that is no number with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("delay level {level} is '{text}', expected a number and a unit s, m, h or d, separated by single blanks")]
pub struct DelayLevelError {
    /// The 1-based level.
    pub level: usize,
    /// The text found there.
    pub text: String,
}

/// The delays in milliseconds; element 0 is level 1. Blanks at the end are ignored, as Java's split does.
pub fn parse(text: &str) -> Result<Vec<i64>, DelayLevelError> {
    let parts = text.trim_end_matches(' ').split(' ');
    parts.enumerate().map(|(at, part)| level(at + 1, part)).collect()
}

fn level(level: usize, part: &str) -> Result<i64, DelayLevelError> {
    let unit = match part.chars().last() {
        Some('s') => 1000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => 0,
    };
    let number = part.get(..part.len().saturating_sub(1)).and_then(|digits| digits.parse::<i64>().ok());
    match number.and_then(|n| n.checked_mul(unit)) {
        Some(delay) if unit > 0 => Ok(delay),
        _ => Err(DelayLevelError { level, text: part.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default table has 18 levels from one second to two hours.
    #[test]
    fn default_levels() {
        let levels = parse(DEFAULT_LEVELS).unwrap();
        assert_eq!(levels.len(), 18);
        assert_eq!((levels[0], levels[4], levels[17]), (1000, 60_000, 7_200_000));
    }

    /// What Java refuses is refused, with the place.
    #[test]
    fn refuses_other_texts() {
        for text in ["", "s", "1", "1w", "1S", "1.5s", " 1s", "1s  2s"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("1s x").unwrap_err(), DelayLevelError { level: 2, text: "x".into() });
        assert_eq!(parse("-1s 1s ").unwrap(), [-1000, 1000]);
    }
}
