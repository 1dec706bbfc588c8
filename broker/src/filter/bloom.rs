//! Which bits of a bloom filter stand for a consumer (broker.md 6.5): written into `consumerFilter.json`, so that an Apache
//! broker that opens the directory takes the entries over. Nothing here uses the bits.

/// Bits of the filter: 20 % errors at 32 consumers, rounded up to whole bytes.
pub const BITS: u32 = 112;
/// Bits that stand for one consumer.
pub const HASHES: usize = 3;

/// The bits of a consumer group's filter on a topic.
pub fn positions(group: &str, topic: &str) -> [i32; HASHES] {
    let hash = murmur3_low(format!("{group}#{topic}").as_bytes());
    let (low, high) = (hash as i32, (hash >> 32) as i32);
    let mut combined = low;
    [(); HASHES].map(|()| {
        combined = combined.wrapping_add(high);
        let positive = if combined < 0 { !combined } else { combined };
        positive % BITS as i32
    })
}

const C1: u64 = 0x87C3_7B91_1142_53D5;
const C2: u64 = 0x4CF5_AD43_2745_937F;

/// The low half of MurmurHash3 x64 128 with seed 0.
fn murmur3_low(bytes: &[u8]) -> u64 {
    let (mut h1, mut h2) = (0u64, 0u64);
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        let (k1, k2) = words(block);
        h1 ^= scrambled1(k1);
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52DC_E729);
        h2 ^= scrambled2(k2);
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5AB5);
    }
    let (k1, k2) = words(blocks.remainder());
    h1 ^= scrambled1(k1) ^ bytes.len() as u64;
    h2 ^= scrambled2(k2) ^ bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finished(h1).wrapping_add(finished(h2))
}

/// Up to 16 bytes as two little-endian words; missing ones are zero.
fn words(block: &[u8]) -> (u64, u64) {
    let mut padded = [0; 16];
    padded[..block.len()].copy_from_slice(block);
    let both = u128::from_le_bytes(padded);
    (both as u64, (both >> 64) as u64)
}

fn scrambled1(word: u64) -> u64 {
    word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn scrambled2(word: u64) -> u64 {
    word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finished(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The positions that Apache 4.9.7 and 5.4.0 wrote for a group of the recorded data directories.
    #[test]
    fn positions_are_apaches() {
        assert_eq!(positions("LanternBasin_g_sql", "GraniteMeadow_tags"), [59, 15, 53]);
    }
}
