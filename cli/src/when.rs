//! Where reading begins: `first`, `last`, or a point in time.
use std::str::FromStr;

/// Start of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The oldest message of each queue.
    First,
    /// Only what comes from now on.
    Last,
    /// The first message stored at or after this time, milliseconds since 1970.
    Time(i64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<From, String> {
        match text {
            "first" | "beginning" | "earliest" => Ok(From::First),
            "last" | "end" | "latest" => Ok(From::Last),
            other => time(other).map(From::Time).ok_or_else(|| {
                "expected is first, last, milliseconds since 1970, or a time like 2026-01-31T12:00:00Z or 20260131120000 (UTC)"
                    .to_string()
            }),
        }
    }
}

/// Milliseconds of a number of milliseconds, `yyyyMMddHHmmss`, or `yyyy-MM-dd[THH:mm[:ss[:SSS]]][Z]`, in UTC.
pub fn time(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() == text.len() && digits.len() != 14 {
        return text.parse().ok();
    }
    if !text.trim_end_matches('Z').chars().all(|c| c.is_ascii_digit() || "-T: ".contains(c)) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |d| d.parse::<i64>().ok());
    if ![8, 12, 14, 17].contains(&digits.len()) {
        return None;
    }
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second, milliseconds) = (part(8, 10)?, part(10, 12)?, part(12, 14)?, part(14, 17)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + milliseconds)
}

/// As Apache's tool reads a time: any whole number is one of milliseconds, however many digits it has (those of the year 3000 are
/// fourteen); else `yyyy-MM-dd#HH:mm:ss:SSS`, or less of it.
pub fn time_of_tool(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| time(&text.replace('#', " ")))
}

/// A time in milliseconds as `yyyy-MM-ddTHH:mm:ss.SSSZ`, in UTC.
pub fn show(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Milliseconds since 1970, now.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown is read again as the same second.
    #[test]
    fn shown_times_are_read_again() {
        assert_eq!(show(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        for days in (-800_000..800_000).step_by(97) {
            let ms = days * 86_400_000 + 45_296_000;
            let shown = show(ms);
            if (1000..10_000).contains(&shown.split('-').next().unwrap_or("").parse().unwrap_or(0)) {
                assert_eq!(time(&shown.replace(".000", "")), Some(ms), "{shown}");
            }
        }
    }

    /// Every accepted form of a time means the same instant; nonsense is refused.
    #[test]
    fn forms_of_time() {
        let expected = Ok(From::Time(1_700_000_000_000));
        for text in ["1700000000000", "20231114221320", "2023-11-14T22:13:20Z", "2023-11-14 22:13:20"] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        assert_eq!("2000-02-29".parse(), Ok(From::Time(951_782_400_000)));
        assert_eq!("first".parse(), Ok(From::First));
        for (text, ms) in [
            ("32503680000000", 32_503_680_000_000),
            ("3000-01-01#00:00:00:007", 32_503_680_000_007),
            ("2023-11-14#22:13:20", 1_700_000_000_000),
            ("-1", -1),
        ] {
            assert_eq!(time_of_tool(text), Some(ms), "{text}");
        }
        assert_eq!(time_of_tool("yesterday"), None);
        for text in ["yesterday", "2023-13-01", "2023-11", ""] {
            assert!(text.parse::<From>().is_err(), "{text:?}");
        }
    }
}
