//! A value of an option as a language gives it.
use ferromq::ConsumeFrom;
use std::fmt;
use std::time::Duration;

/// The longest time span that an option takes: more would only be a mistake of unit.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// Text; C gives everything as text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A truth value.
    Flag(bool),
    /// A time span of a language that has a type for it.
    Duration(Duration),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Duration(duration) => write!(f, "{duration:?}"),
        }
    }
}

impl OptionValue {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            // A language without whole numbers gives those as well.
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn duration(&self, unit: Duration) -> Option<Duration> {
        let of = |number: f64, unit: Duration| Duration::try_from_secs_f64(number * unit.as_secs_f64()).ok();
        let duration = match self {
            Self::Int(number) => of(*number as f64, unit),
            Self::Float(number) => of(*number, unit),
            Self::Duration(duration) => Some(*duration),
            Self::Flag(_) => None,
            Self::Text(text) => {
                let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
                let unit = match &text[digits..] {
                    "" => unit,
                    "ms" => Duration::from_millis(1),
                    "s" => Duration::from_secs(1),
                    "m" => Duration::from_secs(60),
                    "h" => Duration::from_secs(3600),
                    _ => return None,
                };
                of(text[..digits].parse().ok()?, unit)
            }
        };
        duration.filter(|duration| *duration <= DURATION_MAX)
    }

    pub(super) fn start(&self) -> Option<ConsumeFrom> {
        match self {
            Self::Text(text) if text == "first" => Some(ConsumeFrom::First),
            Self::Text(text) if text == "last" => Some(ConsumeFrom::Last),
            other => other.int().filter(|time| *time >= 0).map(ConsumeFrom::Timestamp),
        }
    }
}
