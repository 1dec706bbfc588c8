//! The checksum of bodies and registrations: CRC-32 (IEEE) with the top bit cleared (wire.md 10, trap 6).

/// CRC-32 of `bytes` & 0x7FFF_FFFF; 0 for no bytes.
pub fn crc32(bytes: &[u8]) -> i32 {
    (crc32fast::hash(bytes) & 0x7FFF_FFFF) as i32
}

#[cfg(test)]
mod tests {
    use super::crc32;

    /// The check value of the polynomial has its top bit set, so it shows the mask.
    #[test]
    fn masks_the_top_bit() {
        assert_eq!(crc32(b"123456789"), 1_274_296_614);
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"hello"), 907_060_870);
    }
}
