//! What bitswap peers say to each other, versions 1.0.0 to 1.2.0.
//!
//! A message is a protobuf with up to four parts: changes of the sender's want-list, blocks, and since 1.2.0 answers
//! about blocks that are here or not (presences). A receiver must not believe anything: a block comes without its CID, only
//! with the CID's prefix (1.1.0) or nothing at all (1.0.0), so the name is computed from the bytes and cannot be wrong.
//!
//! Laws:
//! - `decode` survives any bytes, and makes at most [`ITEMS_MAX`] items of one message.
//! - `decode(encode(m)) == m` in 1.2.0. Older versions have no presences; 1.0.0 has only SHA-256 and no codec.
//! - A decoded [`Block`] hashes to its CID.

mod wire;

use bytes::Bytes;
use cid::{Cid, Version as CidVersion};
use multihash_codetable::{Code, MultihashDigest};
use prost::Message as _;
use wire::{WireBlock, WireEntry, WireMessage, WirePresence, WireWantlist};

/// Longest message that is sent: what Kubo and Helia accept.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Longest message that is accepted: Helia fills 4 MiB with blocks and comes out a little above.
pub const RECEIVED_BYTES_MAX: usize = MESSAGE_BYTES_MAX + (64 << 10);
/// Wants, blocks and presences in one message, each. More is an attack on memory: an item is larger than its bytes.
pub const ITEMS_MAX: usize = 16_384;
/// Longest CID of a want: any hash of 64 bytes.
const CID_BYTES_MAX: usize = 100;
/// Bytes around the content of one item.
const ITEM_OVERHEAD_BYTES: usize = 32;

/// The dialects of bitswap, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V1_0,
    V1_1,
    V1_2,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The wants are the sender's whole list, not a change of it.
    pub full: bool,
    pub entries: Vec<Entry>,
    pub blocks: Vec<Block>,
    pub presences: Vec<(Cid, Presence)>,
    /// Blocks that could not be read: an unknown hash function, or a prefix that is none.
    pub unreadable_blocks: usize,
}

/// A change of a want-list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Want(Want),
    Cancel(Cid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    pub cid: Cid,
    pub kind: Kind,
    /// An answer is asked for even if the block is not there.
    pub send_dont_have: bool,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// To know whether the block is there.
    Have,
    Block,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Have,
    DontHave,
}

/// Bytes and the CID that they hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    bytes: Bytes,
}

impl Block {
    /// For bytes of this node's own store, which has verified them.
    pub const fn stored(cid: Cid, bytes: Bytes) -> Self {
        Self { cid, bytes }
    }

    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn into_parts(self) -> (Cid, Bytes) {
        (self.cid, self.bytes)
    }

    /// What the block adds to a message.
    pub fn weight(&self) -> usize {
        self.bytes.len() + ITEM_OVERHEAD_BYTES
    }

    fn named(prefix: &[u8], bytes: Bytes) -> Option<Self> {
        let prefix = Prefix::read(prefix)?;
        let hash = Code::try_from(prefix.hash_code).ok()?.digest(&bytes);
        let cid = match prefix.version {
            CidVersion::V0 => Cid::new_v0(hash).ok()?,
            CidVersion::V1 => Cid::new_v1(prefix.codec, hash),
        };
        (usize::from(hash.size()) == prefix.hash_bytes).then_some(Self { cid, bytes })
    }

    fn unnamed(bytes: Bytes) -> Option<Self> {
        let cid = Cid::new_v0(Code::Sha2_256.digest(&bytes)).ok()?;
        Some(Self { cid, bytes })
    }
}

impl Entry {
    pub const fn cid(&self) -> &Cid {
        match self {
            Self::Want(want) => &want.cid,
            Self::Cancel(cid) => cid,
        }
    }
}

/// What an entry or a presence about `cid` adds to a message.
pub fn item_weight(cid: &Cid) -> usize {
    cid.encoded_len() + ITEM_OVERHEAD_BYTES
}

/// A CID without its digest.
struct Prefix {
    version: CidVersion,
    codec: u64,
    hash_code: u64,
    hash_bytes: usize,
}

impl Prefix {
    fn of(cid: &Cid) -> Vec<u8> {
        let hash = cid.hash();
        let mut out = Vec::new();
        for number in [u64::from(cid.version()), cid.codec(), hash.code(), u64::from(hash.size())] {
            prost::encoding::encode_varint(number, &mut out);
        }
        out
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut next = || prost::encoding::decode_varint(&mut bytes).ok();
        let version = CidVersion::try_from(next()?).ok()?;
        Some(Self { version, codec: next()?, hash_code: next()?, hash_bytes: usize::try_from(next()?).ok()? })
    }
}

/// The bytes are no message that is accepted here. Drop the stream they came over.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("not a bitswap message")]
    Protobuf(#[source] prost::DecodeError),
    #[error("the message is cut off")]
    CutOff,
    #[error("more than {ITEMS_MAX} {0} in one message")]
    TooMany(&'static str),
    #[error("a CID in the message is malformed")]
    Cid,
}

impl Message {
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.blocks.is_empty() && self.presences.is_empty()
    }

    /// As a peer of this version reads it.
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let mut wire = WireMessage::default();
        if self.full || !self.entries.is_empty() {
            let entries = self.entries.iter().map(to_wire).collect();
            wire.wantlist = Some(WireWantlist { entries, full: self.full });
        }
        if version == Version::V1_0 {
            wire.blocks = self.blocks.iter().map(|block| block.bytes.clone()).collect();
        } else {
            let payload = self.blocks.iter();
            wire.payload = payload
                .map(|block| WireBlock { prefix: Prefix::of(&block.cid).into(), data: block.bytes.clone() })
                .collect();
        }
        if version == Version::V1_2 {
            wire.presences =
                self.presences.iter().map(|(cid, presence)| to_presence(cid, *presence)).collect();
        }
        wire.encode_to_vec()
    }

    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        wire::check_counts(&bytes)?;
        let wire = WireMessage::decode(bytes).map_err(DecodeError::Protobuf)?;
        let wantlist = wire.wantlist.unwrap_or_default();
        let entries: Result<_, _> = wantlist.entries.iter().map(from_wire).collect();
        let presences: Result<_, _> = wire.presences.iter().map(from_presence).collect();
        let received = wire.payload.len() + wire.blocks.len();
        let named = wire.payload.into_iter().map(|block| Block::named(&block.prefix, block.data));
        let unnamed = wire.blocks.into_iter().map(Block::unnamed);
        let blocks: Vec<_> = named.chain(unnamed).flatten().collect();
        let unreadable_blocks = received - blocks.len();
        Ok(Self { full: wantlist.full, entries: entries?, blocks, presences: presences?, unreadable_blocks })
    }
}

fn to_wire(entry: &Entry) -> WireEntry {
    let block = entry.cid().to_bytes().into();
    match entry {
        Entry::Cancel(_) => WireEntry { block, cancel: true, ..WireEntry::default() },
        Entry::Want(want) => WireEntry {
            block,
            // Peers that sort by it treat all of ours alike; zero is read as "no priority" by some.
            priority: 1,
            cancel: false,
            want_type: i32::from(want.kind == Kind::Have),
            send_dont_have: want.send_dont_have,
        },
    }
}

fn from_wire(entry: &WireEntry) -> Result<Entry, DecodeError> {
    let cid = cid(&entry.block)?;
    if entry.cancel {
        return Ok(Entry::Cancel(cid));
    }
    let kind = if entry.want_type == 1 { Kind::Have } else { Kind::Block };
    Ok(Entry::Want(Want { cid, kind, send_dont_have: entry.send_dont_have }))
}

fn to_presence(cid: &Cid, presence: Presence) -> WirePresence {
    WirePresence { cid: cid.to_bytes().into(), kind: i32::from(presence == Presence::DontHave) }
}

fn from_presence(presence: &WirePresence) -> Result<(Cid, Presence), DecodeError> {
    let kind = if presence.kind == 1 { Presence::DontHave } else { Presence::Have };
    Ok((cid(&presence.cid)?, kind))
}

fn cid(bytes: &[u8]) -> Result<Cid, DecodeError> {
    if bytes.len() > CID_BYTES_MAX {
        return Err(DecodeError::Cid);
    }
    Cid::try_from(bytes).map_err(|_| DecodeError::Cid)
}

#[cfg(test)]
mod tests;
