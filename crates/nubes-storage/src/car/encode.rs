//! The bytes of a CAR.

use crate::varint;
use bytes::Bytes;
use cid::Cid;

/// `{"roots": [...], "version": 1}` up to the number of roots.
const BEFORE_ROOTS: &[u8] = b"\xa2\x65roots";
const AFTER_ROOTS: &[u8] = b"\x67version\x01";
/// CBOR major types, shifted into place.
const BYTE_STRING: u8 = 2 << 5;
const ARRAY: u8 = 4 << 5;
/// In the low bits of a CBOR head: the length follows in 1, 2 or 8 bytes.
const LENGTH_8: u8 = 0x18;
const LENGTH_16: u8 = 0x19;
const LENGTH_64: u8 = 0x1b;
/// Tag 42: a CID.
const CID_TAG: &[u8] = &[0xd8, 0x2a];

/// The first section.
pub fn header(roots: &[Cid]) -> Bytes {
    let mut header = BEFORE_ROOTS.to_vec();
    cbor_length(ARRAY, roots.len(), &mut header);
    for root in roots {
        let bytes = root.to_bytes();
        header.extend_from_slice(CID_TAG);
        cbor_length(BYTE_STRING, bytes.len() + 1, &mut header);
        // The zero says "identity multibase"; DAG-CBOR wants it.
        header.push(0);
        header.extend_from_slice(&bytes);
    }
    header.extend_from_slice(AFTER_ROOTS);
    let mut section = Vec::with_capacity(header.len() + 4);
    varint::write(header.len() as u64, &mut section);
    section.extend_from_slice(&header);
    section.into()
}

/// What precedes a block of `length` bytes.
pub fn frame(cid: &Cid, length: usize) -> Bytes {
    let cid = cid.to_bytes();
    let mut frame = Vec::with_capacity(cid.len() + 4);
    varint::write((cid.len() + length) as u64, &mut frame);
    frame.extend_from_slice(&cid);
    frame.into()
}

fn cbor_length(major: u8, length: usize, out: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(small @ 0..=23), _) => out.push(major | small),
        (Ok(byte), _) => out.extend_from_slice(&[major | LENGTH_8, byte]),
        (_, Ok(word)) => {
            out.push(major | LENGTH_16);
            out.extend_from_slice(&word.to_be_bytes());
        }
        _ => {
            out.push(major | LENGTH_64);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
