//! Decimal text of an integer without an allocation and without the formatting machinery, two digits at a time.

/// Longest text: `-9223372036854775808`.
const LEN_MAX: usize = 20;

/// The digits of 0 to 99, two for each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// The decimal text of one integer.
pub(crate) struct Decimal {
    digits: [u8; LEN_MAX],
    start: usize,
}

impl Decimal {
    pub(crate) fn new(value: i64) -> Self {
        let mut digits = [b'0'; LEN_MAX];
        let mut start = LEN_MAX;
        let mut rest = value.unsigned_abs();
        while rest >= 10 {
            start -= 2;
            digits[start..start + 2].copy_from_slice(&PAIRS[(rest % 100) as usize]);
            rest /= 100;
        }
        // The one digit that is left, or the only one of zero; the pair before may have had all of them.
        if rest > 0 || start == LEN_MAX {
            start -= 1;
            digits[start] = b'0' + rest as u8;
        }
        if value < 0 {
            start -= 1;
            digits[start] = b'-';
        }
        Self { digits, start }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_the_standard_library() {
        for value in [0, 1, -1, 9, 10, 99, 100, -100, 1_700_000_000_000, i64::MAX, i64::MIN, i64::from(i32::MIN)] {
            assert_eq!(Decimal::new(value).as_str(), value.to_string());
        }
    }
}
