//! A block: bytes and the CID that they hash to.

use bytes::Bytes;
use cid::Cid;
use multihash::Multihash;
use multihash_codetable::{Code, MultihashDigest};

/// Longest block that is stored or accepted.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;
/// Multicodec of bytes without structure.
pub(crate) const RAW: u64 = 0x55;
/// Multicodec of `MerkleDAG` nodes; UnixFS lives in them.
pub(crate) const DAG_PB: u64 = 0x70;
/// Multihash code of a "hash" that is the content itself.
const IDENTITY: u64 = 0x00;

/// Bytes that are known to hash to their CID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    bytes: Bytes,
}

impl Block {
    /// Checks `bytes` against `cid`.
    pub fn new(cid: Cid, bytes: Bytes) -> Result<Self, BlockError> {
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(BlockError::TooLong { cid, bytes: bytes.len() });
        }
        if !hashes_to(cid.hash(), &bytes).map_err(|code| BlockError::HashFunction { cid, code })? {
            return Err(BlockError::Mismatch { cid });
        }
        Ok(Self { cid, bytes })
    }

    /// For bytes that this process has just hashed itself.
    pub(crate) const fn hashed(cid: Cid, bytes: Bytes) -> Self {
        Self { cid, bytes }
    }

    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Whether `bytes` have this hash; the error is the code of a hash function that is not known here.
pub(crate) fn hashes_to(hash: &Multihash<64>, bytes: &[u8]) -> Result<bool, u64> {
    if hash.code() == IDENTITY {
        return Ok(hash.digest() == bytes);
    }
    let code = Code::try_from(hash.code()).map_err(|_| hash.code())?;
    Ok(code.digest(bytes) == *hash)
}

/// The content of a CID that carries it in itself.
pub(crate) fn inlined(cid: &Cid) -> Option<Bytes> {
    (cid.hash().code() == IDENTITY).then(|| Bytes::copy_from_slice(cid.hash().digest()))
}

/// Why bytes are not the block of a CID.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// Whoever sent it made a mistake or lied. Do not keep it.
    #[error("the bytes do not hash to {cid}")]
    Mismatch { cid: Cid },
    /// It cannot be verified, so it is not kept. SHA-256 is always known.
    #[error("{cid} uses hash function {code:#x}, which is not supported")]
    HashFunction { cid: Cid, code: u64 },
    /// Cut the content into smaller blocks.
    #[error("block {cid} has {bytes} bytes, more than the limit of {BLOCK_BYTES_MAX}")]
    TooLong { cid: Cid, bytes: usize },
}
