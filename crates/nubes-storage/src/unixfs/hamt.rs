//! Which bucket a name is in: the first 64 bits of `MurmurHash3` x64 128, read from the most significant bit.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// Where a name is on its way down the levels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets {
    hash: u64,
    used_bits: u32,
}

impl Buckets {
    pub(super) fn new(name: &str) -> Self {
        Self { hash: murmur3(name.as_bytes()), used_bits: 0 }
    }

    /// The bucket on the next level, or nothing when the hash is used up.
    pub(super) const fn next(&mut self, bits: u32) -> Option<u64> {
        if self.used_bits + bits > 64 || bits == 0 {
            return None;
        }
        let bucket = (self.hash << self.used_bits) >> (64 - bits);
        self.used_bits += bits;
        Some(bucket)
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

const fn mix1(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

const fn mix2(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

const fn finish(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

fn murmur3(bytes: &[u8]) -> u64 {
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let (chunks, tail) = bytes.as_chunks::<16>();
    for chunk in chunks {
        let (low, high) = chunk.split_at(8);
        h1 ^= mix1(word(low));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix2(word(high));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (low, high) = tail.split_at(tail.len().min(8));
    h2 ^= mix2(word(high));
    h1 ^= mix1(word(low));
    h1 ^= bytes.len() as u64;
    h2 ^= bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

#[cfg(test)]
mod tests {
    use super::{Buckets, murmur3};

    #[test]
    fn the_hash_is_murmur3() {
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"hello"), 0xcbd8_a7b3_41bd_9b02);
        assert_eq!(murmur3(b"The quick brown fox jumps over the lazy dog"), 0xe34b_bc7b_bc07_1b6c);
    }

    #[test]
    fn a_hash_gives_eight_buckets_of_a_byte_and_no_more() {
        let mut buckets = Buckets::new("hello");
        let first: Vec<_> = std::iter::from_fn(|| buckets.next(8)).collect();
        assert_eq!(first, [0xcb, 0xd8, 0xa7, 0xb3, 0x41, 0xbd, 0x9b, 0x02]);
    }
}
