//! Numbers as Java reads and compares them: a message property that is compared with a number must be one by these rules.
//!
//! One form is left out on purpose: hexadecimal floats (`0x1p3`), which nobody writes into a property.
use std::cmp::Ordering;

/// First digits of the scripts whose decimal digits `Integer.parseInt` takes, besides ASCII.
const ZEROS: [char; 36] = [
    '\u{660}', '\u{6F0}', '\u{7C0}', '\u{966}', '\u{9E6}', '\u{A66}', '\u{AE6}', '\u{B66}', '\u{BE6}', '\u{C66}',
    '\u{CE6}', '\u{D66}', '\u{DE6}', '\u{E50}', '\u{ED0}', '\u{F20}', '\u{1040}', '\u{1090}', '\u{17E0}', '\u{1810}',
    '\u{1946}', '\u{19D0}', '\u{1A80}', '\u{1A90}', '\u{1B50}', '\u{1BB0}', '\u{1C40}', '\u{1C50}', '\u{A620}',
    '\u{A8D0}', '\u{A900}', '\u{A9D0}', '\u{A9F0}', '\u{AA50}', '\u{ABF0}', '\u{FF10}',
];

fn digit(character: char) -> Option<i64> {
    if let Some(digit) = character.to_digit(10) {
        return Some(i64::from(digit));
    }
    let code = u32::from(character);
    let of = |zero: &char| code.checked_sub(u32::from(*zero)).filter(|distance| *distance < 10);
    ZEROS.iter().find_map(of).map(i64::from)
}

/// A whole number: an optional sign and digits, nothing around them.
pub(super) fn long(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // Downwards: the smallest number has no positive counterpart.
    let below = digits.chars().try_fold(0i64, |sum, c| sum.checked_mul(10)?.checked_sub(digit(c)?))?;
    if negative {
        Some(below)
    } else {
        below.checked_neg()
    }
}

/// A whole number of 32 bits.
pub(super) fn int(text: &str) -> Option<i32> {
    long(text).and_then(|number| number.try_into().ok())
}

/// A floating number: blanks around it are ignored, one letter of f, F, d, D may follow it.
pub(super) fn double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let magnitude = match unsigned {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let number = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
            let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
            // The other things that Rust reads are words, or begin with a second sign.
            if !number.bytes().all(plain) || number.starts_with(['+', '-']) {
                return None;
            }
            number.parse().ok()?
        }
    };
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// Java's total order: -0.0 is below 0.0, and NaN is above everything and equal to itself.
pub(super) fn compare(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(&b),
        (a, b) => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Whole numbers are strict: a sign and digits of any script, within the range of their type.
    #[test]
    fn whole_numbers() {
        for (text, number) in [("0", 0), ("-7", -7), ("+7", 7), ("007", 7), ("\u{664}\u{662}", 42), ("\u{FF11}0", 10)] {
            assert_eq!(long(text), Some(number), "{text}");
        }
        assert_eq!(long("-9223372036854775808"), Some(i64::MIN));
        for text in
            ["", "+", "-", " 7", "7 ", "1e2", "7L", "0x1", "--1", "+-1", "9223372036854775808", "1_0", "\u{1D7CE}"]
        {
            assert_eq!(long(text), None, "{text}");
        }
        assert_eq!((int("2147483647"), int("2147483648"), int("-2147483648")), (Some(i32::MAX), None, Some(i32::MIN)));
    }

    // Floating numbers may have blanks around them and a type letter behind them; words are exact.
    #[test]
    fn floating_numbers() {
        let read =
            [("1.5", 1.5), (" 7 ", 7.0), ("5.", 5.0), (".5", 0.5), ("-1E2", -100.0), ("1e+2f", 100.0), ("2D", 2.0)];
        for (text, number) in read {
            assert_eq!(double(text), Some(number), "{text}");
        }
        assert_eq!((double("-Infinity"), double("1e999")), (Some(f64::NEG_INFINITY), Some(f64::INFINITY)));
        assert!(double("NaN").is_some_and(f64::is_nan));
        for text in ["", " ", "f", ".", "e5", "1e", "inf", "infinity", "nan", "+-1", "--1", "1 2", "0x10", "1L", "NaNd"]
        {
            assert_eq!(double(text), None, "{text}");
        }
    }

    #[test]
    fn order_is_total() {
        assert_eq!(compare(-0.0, 0.0), Ordering::Less);
        assert_eq!(compare(f64::NAN, f64::INFINITY), Ordering::Greater);
        assert_eq!(compare(-f64::NAN, f64::NAN), Ordering::Equal);
    }
}
