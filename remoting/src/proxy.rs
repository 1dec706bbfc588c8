//! The PROXY protocol, versions 1 and 2: what a load balancer may put in front of the first frame (wire.md 1.4). Apache's 5.x servers
//! read over it, and so does this one. Functions of bytes.
//!
//! No frame begins like it: read as a length word, both signatures are far beyond the longest frame. So nobody looks for it before
//! the first frame of a connection was refused as too long, and connections without it pay nothing.

/// How version 1 begins; a line of text.
const TEXT: &[u8] = b"PROXY ";
/// Longest line of version 1 with its end.
const TEXT_BYTES_MAX: usize = 107;
/// How version 2 begins.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version and command, address family, length of the rest.
const FIXED: usize = 4;

/// What the bytes in front of the first frame are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// A header of so many bytes; the first frame follows.
    Header(usize),
    /// The beginning of a header.
    Part,
    /// Something else.
    Other,
}

/// Recognizes a header in front of the first frame.
pub(crate) fn begin(bytes: &[u8]) -> Begin {
    let begins = |with: &[u8]| bytes.starts_with(with) || with.starts_with(bytes);
    if begins(TEXT) {
        let line = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
        match line.windows(2).position(|end| end == b"\r\n") {
            Some(at) => Begin::Header(at + 2),
            None if bytes.len() < TEXT_BYTES_MAX => Begin::Part,
            None => Begin::Other,
        }
    } else if begins(SIGNATURE) {
        match bytes.get(SIGNATURE.len()..SIGNATURE.len() + FIXED) {
            None => Begin::Part,
            Some(&[version, _, high, low]) if version >> 4 == 2 => {
                let length = SIGNATURE.len() + FIXED + usize::from(u16::from_be_bytes([high, low]));
                if bytes.len() < length {
                    Begin::Part
                } else {
                    Begin::Header(length)
                }
            }
            Some(_) => Begin::Other,
        }
    } else {
        Begin::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both versions are recognized with every number of their bytes; what only resembles them is not.
    #[test]
    fn headers_are_recognized() {
        let text = b"PROXY TCP4 10.1.2.3 10.9.9.9 1234 5678\r\n".to_vec();
        let binary = [SIGNATURE, &[0x21, 0x11, 0, 12], &[7; 12]].concat();
        for header in [text, binary] {
            for count in 1..header.len() {
                assert_eq!(begin(&header[..count]), Begin::Part, "{count}");
            }
            let followed = [&header[..], b"\0\0\0\x10"].concat();
            assert_eq!(begin(&followed), Begin::Header(header.len()));
        }
        let endless = [TEXT, &[b'1'; TEXT_BYTES_MAX]].concat();
        let version_3 = [SIGNATURE, &[0x31, 0x11, 0, 12], &[7; 12]].concat();
        for other in [&b"PROXIMITY"[..], b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1", &endless, &version_3] {
            assert_eq!(begin(other), Begin::Other);
        }
    }
}
