//! Compressed message bodies: zlib streams, LZ4 frames, ZSTD frames (wire.md 6.4).
//!
//! Decompression always takes the most bytes it may produce: a few bytes on the wire can stand for gigabytes.
use crate::sysflag;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{Read, Write};

/// The level Java producers use.
pub const DEFAULT_LEVEL: u32 = 5;

/// First guess of how much larger a body is than its compressed form.
const EXPANSION_GUESS: usize = 4;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// An LZ4 frame (not a bare block).
    Lz4,
    /// A ZSTD frame.
    Zstd,
    /// A zlib stream (RFC 1950): the one every client reads.
    Zlib,
}

impl Compression {
    /// The compression `sys_flag` speaks of; `None` when bit 0 is not set. Type 0 is zlib from old senders.
    pub fn of_sys_flag(sys_flag: i32) -> Result<Option<Self>, CompressError> {
        if sys_flag & sysflag::COMPRESSED == 0 {
            return Ok(None);
        }
        match sys_flag & sysflag::COMPRESSION_MASK {
            0 | sysflag::COMPRESSION_ZLIB => Ok(Some(Self::Zlib)),
            sysflag::COMPRESSION_LZ4 => Ok(Some(Self::Lz4)),
            sysflag::COMPRESSION_ZSTD => Ok(Some(Self::Zstd)),
            other => Err(CompressError::UnknownType { kind: other >> 8 }),
        }
    }

    /// The bits to set in the sysFlag of a message compressed this way.
    pub fn sys_flag(self) -> i32 {
        let kind = match self {
            Self::Lz4 => sysflag::COMPRESSION_LZ4,
            Self::Zstd => sysflag::COMPRESSION_ZSTD,
            Self::Zlib => sysflag::COMPRESSION_ZLIB,
        };
        sysflag::COMPRESSED | kind
    }
}

/// Why a body cannot be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// A compression type nobody has defined.
    #[error("unknown compression type {kind} in the sysFlag")]
    UnknownType {
        /// The three bits.
        kind: i32,
    },
    /// More bytes than allowed come out.
    #[error("the decompressed body has more than {max} bytes")]
    TooLarge {
        /// The limit given.
        max: usize,
    },
    /// The stream ends too early.
    #[error("the {kind:?} body ends in the middle")]
    Truncated {
        /// The compression.
        kind: Compression,
    },
    /// The stream is damaged.
    #[error("the {kind:?} body is damaged")]
    Damaged {
        /// The compression.
        kind: Compression,
        /// What the decompressor said.
        source: std::io::Error,
    },
    /// Compressing failed.
    #[error("cannot compress with {kind:?}")]
    Compress {
        /// The compression.
        kind: Compression,
        /// What the compressor said.
        source: std::io::Error,
    },
}

/// Compresses `body`. `level` is that of the algorithm (zlib 0 to 9, more counts as 9); LZ4 has none.
pub fn compress(kind: Compression, level: u32, body: &[u8]) -> Result<Vec<u8>, CompressError> {
    let out = Vec::with_capacity(body.len() / 2 + 64);
    let result = match kind {
        Compression::Zlib => {
            let mut writer = flate2::write::ZlibEncoder::new(out, flate2::Compression::new(level.min(9)));
            writer.write_all(body).and_then(|()| writer.finish())
        }
        Compression::Lz4 => {
            let mut writer = lz4_flex::frame::FrameEncoder::new(out);
            writer.write_all(body).and_then(|()| writer.finish().map_err(std::io::Error::other))
        }
        Compression::Zstd => zstd::encode_all(body, level.min(22) as i32),
    };
    result.map_err(|source| CompressError::Compress { kind, source })
}

/// Decompresses `body` into at most `max` bytes.
pub fn decompress(kind: Compression, body: &[u8], max: usize) -> Result<Vec<u8>, CompressError> {
    match kind {
        Compression::Zlib => inflate(body, max),
        Compression::Lz4 => unframe_lz4(body, max),
        Compression::Zstd => {
            let reader = zstd::Decoder::with_buffer(body).map_err(|source| CompressError::Damaged { kind, source })?;
            read_all(kind, reader.single_frame(), body.len(), max)
        }
    }
}

fn read_all(kind: Compression, reader: impl Read, len: usize, max: usize) -> Result<Vec<u8>, CompressError> {
    let mut out = Vec::with_capacity(first_capacity(len, max));
    // One byte more than allowed shows that there is more.
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut out).map_err(|source| match source.kind() {
        std::io::ErrorKind::UnexpectedEof => CompressError::Truncated { kind },
        _ => CompressError::Damaged { kind, source },
    })?;
    if out.len() > max {
        return Err(CompressError::TooLarge { max });
    }
    Ok(out)
}

/// The library takes a frame that ends between two blocks for a complete one, so the end mark (four zero bytes, and a
/// checksum when bit 2 of the fifth byte says so) is looked for here.
fn unframe_lz4(body: &[u8], max: usize) -> Result<Vec<u8>, CompressError> {
    let kind = Compression::Lz4;
    let mut reader = lz4_flex::frame::FrameDecoder::new(body);
    let out = read_all(kind, &mut reader, body.len(), max)?;
    let frame = &body[..body.len() - reader.into_inner().len()];
    let checksum = frame.get(4).is_some_and(|flags| flags & 0x4 != 0);
    let end = frame.len().saturating_sub(if checksum { 4 } else { 0 });
    if !frame[..end].ends_with(&[0; 4]) {
        return Err(CompressError::Truncated { kind });
    }
    Ok(out)
}

/// zlib by hand: the reader of the library takes a stream that ends early for a complete one.
fn inflate(body: &[u8], max: usize) -> Result<Vec<u8>, CompressError> {
    let kind = Compression::Zlib;
    let mut stream = Decompress::new(true);
    let mut out = Vec::with_capacity(first_capacity(body.len(), max));
    loop {
        let taken = usize::try_from(stream.total_in()).unwrap_or(body.len());
        let before = out.len();
        let status = stream
            .decompress_vec(body.get(taken..).unwrap_or_default(), &mut out, FlushDecompress::None)
            .map_err(|source| CompressError::Damaged { kind, source: source.into() })?;
        if out.len() > max {
            return Err(CompressError::TooLarge { max });
        }
        if status == Status::StreamEnd {
            return Ok(out);
        }
        if out.len() == out.capacity() {
            out.reserve_exact(out.len().max(64).min(max - out.len() + 1));
        } else if out.len() == before && stream.total_in() as usize == taken {
            return Err(CompressError::Truncated { kind });
        }
    }
}

/// One byte over the maximum is kept free, so that too large a body shows itself.
fn first_capacity(len: usize, max: usize) -> usize {
    len.saturating_mul(EXPANSION_GUESS).saturating_add(64).min(max.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Compression; 3] = [Compression::Lz4, Compression::Zstd, Compression::Zlib];

    /// What goes in comes out, at every size around the guess of the first buffer.
    #[test]
    fn round_trips() {
        for kind in KINDS {
            for len in [0, 1, 63, 64, 65, 4096, 300_000] {
                let body: Vec<u8> = (0..len).map(|i: u32| (i.wrapping_mul(i) >> 7) as u8).collect();
                let packed = compress(kind, DEFAULT_LEVEL, &body).unwrap();
                assert_eq!(decompress(kind, &packed, body.len()).unwrap(), body, "{kind:?} {len}");
            }
        }
    }

    /// A small body that stands for a large one stops at the limit.
    #[test]
    fn bombs_stop() {
        for kind in KINDS {
            let packed = compress(kind, DEFAULT_LEVEL, &vec![0; 10 << 20]).unwrap();
            let error = decompress(kind, &packed, (10 << 20) - 1).unwrap_err();
            assert!(matches!(error, CompressError::TooLarge { .. }), "{kind:?} {error}");
            assert!(matches!(decompress(kind, &packed, 0), Err(CompressError::TooLarge { .. })));
            assert_eq!(decompress(kind, &packed, 10 << 20).unwrap().len(), 10 << 20);
        }
    }

    /// Cut streams and other bytes are errors.
    #[test]
    fn damage_shows() {
        let body: Vec<u8> = (0..5000_u32).flat_map(|i| i.to_be_bytes()).collect();
        for kind in KINDS {
            let packed = compress(kind, DEFAULT_LEVEL, &body).unwrap();
            for at in [0, 1, 5, packed.len() / 2, packed.len() - 1] {
                assert!(decompress(kind, &packed[..at], 1 << 20).is_err(), "{kind:?} cut at {at}");
            }
            assert!(decompress(kind, b"no compressed body at all", 1 << 20).is_err(), "{kind:?}");
        }
    }

    /// The body of wire.md V13 and the meaning of the type bits.
    #[test]
    fn official_bytes() {
        let packed = [0x78, 0x5e, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0x01, 0x68, 0x03, 0x08, 0xb1];
        for flag in [0x1, 0x301] {
            let kind = Compression::of_sys_flag(flag).unwrap().unwrap();
            assert_eq!(decompress(kind, &packed, 100).unwrap(), b"hello hello hello hello");
        }
        assert_eq!(Compression::of_sys_flag(0x300).unwrap(), None);
        assert!(Compression::of_sys_flag(0x401).is_err());
        assert!(KINDS.iter().all(|k| Compression::of_sys_flag(k.sys_flag()).unwrap() == Some(*k)));
    }
}
