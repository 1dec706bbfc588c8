//! Decimal text of an integer without an allocation and without the formatting machinery, two digits at a time; short ones in one word.

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

/// Numbers below this have eight digits at most.
const WORD_END: u64 = 100_000_000;

/// Puts the digits of a number below [`WORD_END`] at the end of `digits` and tells where they begin. They are written at once, because they
/// are read at once soon after: a processor cannot read bytes that are still on their way from several writes.
#[inline]
fn short(mut number: u64, digits: &mut [u8; LEN_MAX]) -> usize {
    const WORD: usize = 8;
    let (mut word, mut start) = (0, WORD);
    loop {
        start -= 1;
        word |= (u64::from(b'0') + number % 10) << (8 * start);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits[LEN_MAX - WORD..].copy_from_slice(&word.to_le_bytes());
    LEN_MAX - WORD + start
}

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
        if rest < WORD_END {
            start = short(rest, &mut digits);
            rest = 0;
        }
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

    #[inline]
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

    /// Of every length, and on both sides of the border between the two ways.
    #[test]
    fn the_text_is_that_of_the_standard_library() {
        let powers = (0..19).flat_map(|digits| [10_i64.pow(digits) - 1, 10_i64.pow(digits), 10_i64.pow(digits) + 7]);
        for value in powers.chain([1_700_000_000_000, i64::MAX, i64::MIN + 1, i64::from(i32::MIN)]) {
            assert_eq!(Decimal::new(value).as_str(), value.to_string());
            assert_eq!(Decimal::new(-value).as_str(), (-value).to_string());
        }
        assert_eq!(Decimal::new(i64::MIN).as_str(), i64::MIN.to_string());
    }
}
