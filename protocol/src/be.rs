//! Big-endian reads at a position, total: a position outside the bytes reads as 0.
//!
//! Callers check lengths once, up front; these functions only spare every accessor its own error path.

/// The i16 at `at`.
pub(crate) fn i16_at(bytes: &[u8], at: usize) -> i16 {
    array_at(bytes, at).map_or(0, i16::from_be_bytes)
}

/// The i32 at `at`.
pub(crate) fn i32_at(bytes: &[u8], at: usize) -> i32 {
    array_at(bytes, at).map_or(0, i32::from_be_bytes)
}

/// The i64 at `at`.
pub(crate) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    array_at(bytes, at).map_or(0, i64::from_be_bytes)
}

/// The `N` bytes at `at`, if they are there.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}
