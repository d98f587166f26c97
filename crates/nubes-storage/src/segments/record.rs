//! The header of a record, in bytes.

use crate::block::Block;
use cid::Cid;

const MAGIC: [u8; 4] = *b"NxB1";
/// In place of [`MAGIC`] where a record was erased.
const ERASED_MAGIC: [u8; 4] = *b"NxE1";
/// Bytes of a header before the CID.
const FIXED_BYTES: usize = FIXED_BYTES_U8 as usize;
const FIXED_BYTES_U8: u8 = 17;
/// Bytes that the header's checksum covers before the CID: all but itself.
const CHECKED_BYTES: usize = 13;
/// Longest header: the CID's length is one byte.
pub(super) const HEADER_BYTES_MAX: usize = FIXED_BYTES + 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) cid: Cid,
    pub(super) payload_length: u32,
    pub(super) payload_checksum: u32,
    /// Bytes of the header itself; the payload follows.
    pub(super) length: u8,
}

/// Appends the header of `payload` to `out`; returns its length, or nothing if CID or payload is too long for the format.
pub(super) fn encode(cid: &Cid, payload: &[u8], out: &mut Vec<u8>) -> Option<u8> {
    let cid = cid.to_bytes();
    let length = u8::try_from(FIXED_BYTES + cid.len()).ok()?;
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&u32::try_from(payload.len()).ok()?.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    out.push(u8::try_from(cid.len()).ok()?);
    let checksum = crc32c::crc32c_append(crc32c::crc32c(out.get(start..)?), &cid);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&cid);
    Some(length)
}

/// Bytes that the record of a block takes.
pub(super) fn bytes(block: &Block) -> u64 {
    (FIXED_BYTES + block.cid().encoded_len() + block.bytes().len()) as u64
}

/// Reads a header from the start of `bytes`; nothing if there is no intact one.
pub(super) fn decode(bytes: &[u8]) -> Option<Header> {
    let checked = bytes.get(..CHECKED_BYTES)?;
    if checked.get(..4)? != MAGIC {
        return None;
    }
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let cid_length = usize::from(*checked.last()?);
    let cid = bytes.get(FIXED_BYTES..FIXED_BYTES + cid_length)?;
    if word(CHECKED_BYTES)? != crc32c::crc32c_append(crc32c::crc32c(checked), cid) {
        return None;
    }
    Some(Header {
        cid: Cid::try_from(cid).ok()?,
        payload_length: word(4)?,
        payload_checksum: word(8)?,
        length: u8::try_from(FIXED_BYTES + cid_length).ok()?,
    })
}

/// What the start of a record's bytes says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    Record(Header),
    /// There was one of so many bytes, and it was erased.
    Erased {
        bytes: u64,
    },
}

pub(super) fn trace(bytes: &[u8]) -> Option<Trace> {
    decode(bytes).map(Trace::Record).or_else(|| erased(bytes).map(|bytes| Trace::Erased { bytes }))
}

/// A header of the same length that says nothing of what was there.
pub(super) fn encode_erased(header: u8, payload_length: u32) -> Vec<u8> {
    let cid_length = header.saturating_sub(FIXED_BYTES_U8);
    let mut bytes = [ERASED_MAGIC, payload_length.to_le_bytes(), [0; 4]].concat();
    bytes.push(cid_length);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes.resize(usize::from(header), 0);
    bytes
}

fn erased(bytes: &[u8]) -> Option<u64> {
    let checked = bytes.get(..CHECKED_BYTES)?;
    let checksum = bytes.get(CHECKED_BYTES..FIXED_BYTES)?;
    if checked.get(..4)? != ERASED_MAGIC || crc32c::crc32c(checked).to_le_bytes() != *checksum {
        return None;
    }
    let payload = u32::from_le_bytes(checked.get(4..8)?.try_into().ok()?);
    Some((FIXED_BYTES + usize::from(*checked.last()?)) as u64 + u64::from(payload))
}

/// Where the next thing that looks like a header begins in `bytes`.
pub(super) fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MAGIC.len()).position(|window| window == MAGIC)
}

/// Bytes that two windows of a search must share so that no magic is missed between them.
pub(super) const FIND_OVERLAP_BYTES: usize = MAGIC.len() - 1;

#[cfg(test)]
mod tests {
    use super::{Trace, decode, encode, encode_erased, trace};
    use cid::Cid;
    use multihash_codetable::{Code, MultihashDigest};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_header_survives_its_bytes(payload in prop::collection::vec(any::<u8>(), 0..64), flip in any::<prop::sample::Index>()) {
            let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&payload));
            let mut bytes = Vec::new();
            let length = encode(&cid, &payload, &mut bytes).unwrap();
            prop_assert_eq!(usize::from(length), bytes.len());
            let header = decode(&bytes).unwrap();
            prop_assert_eq!((header.cid, header.length), (cid, length));
            let at = flip.index(bytes.len());
            bytes[at] ^= 1;
            prop_assert_eq!(decode(&bytes), None);
            let erased = encode_erased(length, header.payload_length);
            prop_assert_eq!(erased.len(), usize::from(length));
            prop_assert_eq!(trace(&erased), Some(Trace::Erased { bytes: u64::from(length) + payload.len() as u64 }));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
            let _ = decode(&[b"NxB1".as_slice(), &bytes].concat());
            let _ = trace(&[b"NxE1".as_slice(), &bytes].concat());
        }
    }
}
