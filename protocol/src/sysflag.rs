//! The bits of a message's `sysFlag` (wire.md 6.4) and of a pull request's (wire.md 7).

/// The stored body is compressed.
pub const COMPRESSED: i32 = 0x1;
/// Legacy: several tags.
pub const MULTI_TAGS: i32 = 0x2;
/// Mask of the transaction type.
pub const TRANSACTION_MASK: i32 = 0xC;
/// Not part of a transaction.
pub const TRANSACTION_NOT: i32 = 0x0;
/// A prepared (half) message.
pub const TRANSACTION_PREPARED: i32 = 0x4;
/// The committed copy of a half message.
pub const TRANSACTION_COMMIT: i32 = 0x8;
/// A rolled back transaction.
pub const TRANSACTION_ROLLBACK: i32 = 0xC;
/// The born host takes 16 + 4 bytes. Set by the broker from the connection, never by producers.
pub const BORN_HOST_V6: i32 = 0x10;
/// The store host takes 16 + 4 bytes.
pub const STORE_HOST_V6: i32 = 0x20;
/// Inner batch that the consumer has to split.
pub const NEED_UNWRAP: i32 = 0x40;
/// Inner batch.
pub const INNER_BATCH: i32 = 0x80;
/// Mask of the compression type; 0 with [`COMPRESSED`] set means zlib from old senders.
pub const COMPRESSION_MASK: i32 = 0x700;
/// LZ4 frame.
pub const COMPRESSION_LZ4: i32 = 0x100;
/// ZSTD frame.
pub const COMPRESSION_ZSTD: i32 = 0x200;
/// zlib stream.
pub const COMPRESSION_ZLIB: i32 = 0x300;

/// The pull also commits `commitOffset`.
pub const PULL_COMMIT_OFFSET: i32 = 0x1;
/// The pull may be held until messages arrive.
pub const PULL_SUSPEND: i32 = 0x2;
/// The subscription text in the pull header is authoritative.
pub const PULL_SUBSCRIPTION: i32 = 0x4;
/// Obsolete: class filter.
pub const PULL_CLASS_FILTER: i32 = 0x8;
/// Lite pull.
pub const PULL_LITE: i32 = 0x10;

/// The transaction type bits of `flag`.
pub fn transaction_type(flag: i32) -> i32 {
    flag & TRANSACTION_MASK
}

/// `flag` with its transaction type replaced.
pub fn with_transaction_type(flag: i32, kind: i32) -> i32 {
    (flag & !TRANSACTION_MASK) | (kind & TRANSACTION_MASK)
}

/// `flag` with the address family bits of the two hosts set or cleared.
pub fn with_hosts(flag: i32, born_v6: bool, store_v6: bool) -> i32 {
    let mut flag = flag & !(BORN_HOST_V6 | STORE_HOST_V6);
    if born_v6 {
        flag |= BORN_HOST_V6;
    }
    if store_v6 {
        flag |= STORE_HOST_V6;
    }
    flag
}

/// Bytes of the born host: 8 (IPv4) or 20 (IPv6).
pub fn born_host_len(flag: i32) -> usize {
    host_len(flag & BORN_HOST_V6 != 0)
}

/// Bytes of the store host: 8 (IPv4) or 20 (IPv6).
pub fn store_host_len(flag: i32) -> usize {
    host_len(flag & STORE_HOST_V6 != 0)
}

/// Address bytes and the port as i32.
pub(crate) fn host_len(v6: bool) -> usize {
    if v6 {
        20
    } else {
        8
    }
}
