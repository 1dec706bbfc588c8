//! What was measured beside what was wanted, as a table.
use std::fmt::Write as _;

/// What a ratio must be.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
    /// Ours is at least this part of the other number.
    AtLeast(f64),
    /// Ours is at most this part of the other number.
    AtMost(f64),
    /// Only told.
    Nothing,
}

/// A number beside another one.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What was measured.
    pub what: String,
    /// Of both numbers.
    pub unit: &'static str,
    /// FerroMQ's number.
    pub ours: f64,
    /// What it is compared with: another server, another state of ours, or a limit.
    pub beside: &'static str,
    /// Its number.
    pub theirs: f64,
    /// The target.
    pub wanted: Wanted,
}

impl Comparison {
    fn ratio(&self) -> f64 {
        self.ours / self.theirs.max(f64::MIN_POSITIVE)
    }

    /// False when the target is missed. A number that is none misses.
    pub fn is_met(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(ratio) => self.ratio() >= ratio,
            Wanted::AtMost(ratio) => self.ratio() <= ratio,
            Wanted::Nothing => true,
        }
    }

    fn line(&self) -> String {
        let (wanted, met) = match self.wanted {
            Wanted::AtLeast(ratio) => (format!("≥ {}", number(ratio)), if self.is_met() { "yes" } else { "**no**" }),
            Wanted::AtMost(ratio) => (format!("≤ {}", number(ratio)), if self.is_met() { "yes" } else { "**no**" }),
            Wanted::Nothing => ("".into(), ""),
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {wanted} | {met} |",
            self.what,
            self.unit,
            number(self.ours),
            self.beside,
            number(self.theirs),
            number(self.ratio())
        )
    }
}

/// Three digits at least, no more than make sense.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => grouped(value.round() as i64),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// With commas between thousands.
fn grouped(value: i64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The table of all comparisons.
pub fn table(comparisons: &[Comparison]) -> String {
    let mut text = String::from("| row | unit | FerroMQ | beside | its number | ratio | wanted | met |\n");
    text.push_str("|---|---|---:|---|---:|---:|---|---|\n");
    for comparison in comparisons {
        let _ = writeln!(text, "{}", comparison.line());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // A target is met on its own side only, and a number that is none meets nothing.
    #[test]
    fn targets_are_judged_by_the_ratio() {
        let of = |ours, wanted| Comparison { what: "x".into(), unit: "", ours, beside: "y", theirs: 10.0, wanted };
        assert!(of(6.0, Wanted::AtLeast(0.6)).is_met() && !of(5.9, Wanted::AtLeast(0.6)).is_met());
        assert!(of(1.0, Wanted::AtMost(0.1)).is_met() && !of(1.1, Wanted::AtMost(0.1)).is_met());
        assert!(!of(f64::NAN, Wanted::AtMost(0.1)).is_met() && of(f64::NAN, Wanted::Nothing).is_met());
        let line = of(1_234_567.0, Wanted::AtLeast(0.6)).line();
        assert_eq!(line, "| x |  | 1,234,567 | y | 10.0 | 123,457 | ≥ 0.600 | yes |");
    }
}
