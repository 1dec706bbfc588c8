//! Message ids: the broker's (store host and commit log offset) and the producer's (unique id).
//!
//! Both are upper-case hex of 16 (IPv4) or 28 (IPv6) bytes, so they cannot be told apart by their length.
mod offset;
mod unique;
pub use offset::{OffsetMessageId, OffsetMessageIds};
pub use unique::{month_start, UniqueId, UniqueIdGenerator};

/// Why a text is no message id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Neither 32 nor 56 characters.
    #[error("message id '{id}' has {len} characters, expected 32 (IPv4) or 56 (IPv6)")]
    Length {
        /// The text.
        id: String,
        /// Its bytes.
        len: usize,
    },
    /// A character that is no hex digit.
    #[error("message id '{id}' is no hexadecimal text")]
    Digit {
        /// The text.
        id: String,
    },
    /// The port is not in 0..=65535.
    #[error("message id '{id}' has port {port}")]
    Port {
        /// The text.
        id: String,
        /// The number found.
        port: i32,
    },
}

/// Most bytes of an id.
const ID_BYTES_MAX: usize = 28;

/// The two digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789ABCDEF";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Writes bytes as upper-case hex: two digits for each, as far as there is room.
#[inline]
fn put_hex(text: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&PAIRS[usize::from(*byte)]);
    }
}

/// Appends the bytes of an id, at most [`ID_BYTES_MAX`], as upper-case hex.
fn push_hex(out: &mut String, bytes: &[u8]) {
    let mut text = [0; 2 * ID_BYTES_MAX];
    put_hex(&mut text, bytes);
    let text = text.get(..bytes.len() * 2).unwrap_or_default();
    out.push_str(std::str::from_utf8(text).unwrap_or_default());
}

/// The bytes of an id text, in either case, and how many they are.
fn id_bytes(id: &str) -> Result<([u8; ID_BYTES_MAX], usize), IdError> {
    if id.len() != 32 && id.len() != 56 {
        return Err(IdError::Length { id: id.to_owned(), len: id.len() });
    }
    let mut bytes = [0; ID_BYTES_MAX];
    for (byte, pair) in bytes.iter_mut().zip(id.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
            return Err(IdError::Digit { id: id.to_owned() });
        };
        *byte = (high * 16 + low) as u8;
    }
    Ok((bytes, id.len() / 2))
}
