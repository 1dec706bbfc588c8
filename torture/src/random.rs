//! Numbers that a seed repeats.

/// A generator of numbers; the same seed gives the same ones.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Random {
        // Neighbouring seeds must have nothing in common.
        let mixed = (seed.wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Random((mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `end`, 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % (end.max(1) as u64)) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A number below `end` of which small ones are as likely as large ones: its number of digits is drawn first.
    pub fn spread(&mut self, end: usize) -> usize {
        let digits = end.max(1).ilog2() as usize + 1;
        let most = 1usize << (self.below(digits) + 1);
        self.below(most.min(end))
    }

    /// Another generator, which goes its own way.
    pub fn split(&mut self) -> Random {
        Random::new(self.next())
    }
}
