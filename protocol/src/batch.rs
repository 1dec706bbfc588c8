//! The body of a batch send (code 320) and of an inner batch: messages back to back (wire.md 6.3).
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 4 | length = 22 + body + properties |
//! | 4 | 4 + 4 | magic and CRC, written as 0, ignored |
//! | 12 | 4 | the application's flag |
//! | 16 | 4 + n | body length, body |
//! | 20 + n | 2 + p | properties length, properties |
use crate::be::{i16_at, i32_at};
use crate::properties::PROPERTIES_BYTES_MAX;

/// Bytes of an empty message.
pub const OVERHEAD: usize = 22;

/// One message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMessage<'a> {
    /// The application's flag.
    pub flag: i32,
    /// The body, not compressed on its own.
    pub body: &'a [u8],
    /// The properties text.
    pub properties: &'a str,
}

/// Why bytes are no batch, or messages make none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end inside a message.
    #[error("batch ends inside a message: {needed} bytes needed at {at}, {have} there")]
    Truncated {
        /// Where the message begins.
        at: usize,
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        have: usize,
    },
    /// A length contradicts another, or is negative.
    #[error("message at {at} of the batch has contradicting lengths")]
    Length {
        /// Where the message begins.
        at: usize,
    },
    /// The properties are no UTF-8.
    #[error("properties of the message at {at} of the batch are no valid UTF-8")]
    Text {
        /// Where the message begins.
        at: usize,
    },
    /// More than the length field can say.
    #[error("message {index} of the batch is too long: body {body} bytes, properties {properties} bytes (at most {PROPERTIES_BYTES_MAX})")]
    TooLong {
        /// Number of the message, from 0.
        index: usize,
        /// Bytes.
        body: usize,
        /// Bytes.
        properties: usize,
    },
}

/// Appends the batch body of `messages` to `out`. After an error `out` holds the messages before the one at fault.
pub fn encode(out: &mut Vec<u8>, messages: &[BatchMessage]) -> Result<(), BatchError> {
    messages.iter().enumerate().try_for_each(|(index, message)| encode_one(out, message, index))
}

fn encode_one(out: &mut Vec<u8>, message: &BatchMessage, index: usize) -> Result<(), BatchError> {
    let (body, properties) = (message.body.len(), message.properties.len());
    let too_long = BatchError::TooLong { index, body, properties };
    let (Ok(total), Ok(properties_len)) = (i32::try_from(OVERHEAD + body + properties), i16::try_from(properties))
    else {
        return Err(too_long);
    };
    out.reserve(OVERHEAD + body + properties);
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&message.flag.to_be_bytes());
    // Fits: the total does.
    out.extend_from_slice(&(body as i32).to_be_bytes());
    out.extend_from_slice(message.body);
    out.extend_from_slice(&properties_len.to_be_bytes());
    out.extend_from_slice(message.properties.as_bytes());
    Ok(())
}

/// Walks over the messages of a batch body; ends after the first error.
pub fn iter(body: &[u8]) -> impl Iterator<Item = Result<BatchMessage<'_>, BatchError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= body.len() {
            return None;
        }
        let message = parse(&body[at..], at);
        at = match &message {
            Ok((_, len)) => at + len,
            Err(_) => body.len(),
        };
        Some(message.map(|(message, _)| message))
    })
}

fn parse(bytes: &[u8], at: usize) -> Result<(BatchMessage<'_>, usize), BatchError> {
    let have = bytes.len();
    if have < OVERHEAD {
        return Err(BatchError::Truncated { at, needed: OVERHEAD, have });
    }
    let length = |value: i32| usize::try_from(value).map_err(|_| BatchError::Length { at });
    let total = length(i32_at(bytes, 0))?;
    let body_len = length(i32_at(bytes, 16))?;
    if total > have {
        return Err(BatchError::Truncated { at, needed: total, have });
    }
    let properties_at = 20 + body_len;
    if properties_at + 2 > total {
        return Err(BatchError::Length { at });
    }
    let properties_len = length(i32::from(i16_at(bytes, properties_at)))?;
    if properties_at + 2 + properties_len != total {
        return Err(BatchError::Length { at });
    }
    let properties = std::str::from_utf8(&bytes[properties_at + 2..total]).map_err(|_| BatchError::Text { at })?;
    Ok((BatchMessage { flag: i32_at(bytes, 12), body: &bytes[20..20 + body_len], properties }, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths that contradict each other are errors, never panics, and end the walk.
    #[test]
    fn damaged_batches() {
        let mut good = Vec::new();
        encode(&mut good, &[BatchMessage { flag: 0, body: b"hello", properties: "a\u{1}b\u{2}" }]).unwrap();
        for at in 0..good.len() {
            assert!(iter(&good[..at]).all(|m| m.is_err()), "cut at {at}");
        }
        for at in [0, 3, 16, 19, 25, 26] {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            assert_eq!(iter(&bad).filter(|m| m.is_ok()).count(), 0, "byte {at}");
            assert_eq!(iter(&bad).count(), 1, "byte {at}");
        }
    }
}
