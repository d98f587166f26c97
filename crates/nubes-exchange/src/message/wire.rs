//! The protobuf of bitswap, field by field (specs.ipfs.tech/bitswap-protocol).

use super::{DecodeError, ITEMS_MAX};
use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WireMessage {
    #[prost(message, optional, tag = "1")]
    pub(super) wantlist: Option<WireWantlist>,
    /// Blocks of 1.0.0: bytes only.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) blocks: Vec<Bytes>,
    #[prost(message, repeated, tag = "3")]
    pub(super) payload: Vec<WireBlock>,
    #[prost(message, repeated, tag = "4")]
    pub(super) presences: Vec<WirePresence>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WireWantlist {
    #[prost(message, repeated, tag = "1")]
    pub(super) entries: Vec<WireEntry>,
    #[prost(bool, tag = "2")]
    pub(super) full: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WireEntry {
    /// The CID, in spite of its name.
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) block: Bytes,
    #[prost(int32, tag = "2")]
    pub(super) priority: i32,
    #[prost(bool, tag = "3")]
    pub(super) cancel: bool,
    /// 0: the block, 1: whether it is there.
    #[prost(int32, tag = "4")]
    pub(super) want_type: i32,
    #[prost(bool, tag = "5")]
    pub(super) send_dont_have: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WireBlock {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) prefix: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) data: Bytes,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WirePresence {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) cid: Bytes,
    /// 0: have, 1: do not have.
    #[prost(int32, tag = "2")]
    pub(super) kind: i32,
}

/// Counts the repeated fields before anything is made of them: two bytes on the wire would become fifty in memory.
pub(super) fn check_counts(message: &Bytes) -> Result<(), DecodeError> {
    let mut counts = [0_usize; 3];
    let [entries, blocks, presences] = &mut counts;
    each_field(message.clone(), |tag, content| match tag {
        1 => each_field(content, |tag, _| count(entries, tag == 1, "wants")),
        2 | 3 => count(blocks, true, "blocks"),
        4 => count(presences, true, "presences"),
        _ => Ok(()),
    })
}

fn count(counter: &mut usize, counts: bool, what: &'static str) -> Result<(), DecodeError> {
    *counter += usize::from(counts);
    if *counter > ITEMS_MAX { Err(DecodeError::TooMany(what)) } else { Ok(()) }
}

/// Calls `visit` with each field that has a length; others are empty to it.
fn each_field(
    mut bytes: Bytes,
    mut visit: impl FnMut(u32, Bytes) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    while bytes.has_remaining() {
        let (tag, kind) = decode_key(&mut bytes).map_err(DecodeError::Protobuf)?;
        let mut content = Bytes::new();
        if kind == WireType::LengthDelimited {
            let length = decode_varint(&mut bytes).map_err(DecodeError::Protobuf)?;
            let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
            content = bytes.split_to(length.ok_or(DecodeError::CutOff)?);
        } else {
            skip_field(kind, tag, &mut bytes, DecodeContext::default()).map_err(DecodeError::Protobuf)?;
        }
        visit(tag, content)?;
    }
    Ok(())
}
