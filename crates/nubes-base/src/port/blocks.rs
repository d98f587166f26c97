//! Single blocks as the layers that move them see them.

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use std::io;

/// Keeps blocks, the units that a CID names.
///
/// Law: once `put` has answered, `get` of each of its CIDs returns the same bytes, also after a crash; `put` keeps no
/// bytes that do not hash to their CID, and `get` returns none; `length` is `None` exactly if `get` is. A block whose
/// bytes on the disk are damaged counts as missing, so that whoever can fetches it again; `put` of it is the repair.
#[async_trait]
pub trait Blocks: Send + Sync + std::fmt::Debug {
    /// The block's bytes, verified.
    async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, ReadBlockError>;

    /// The block's length in bytes; its bytes are not looked at.
    async fn length(&self, cid: &Cid) -> Result<Option<u64>, ReadBlockError>;

    /// Stores blocks; all are durable on return, or none is promised.
    async fn put(&self, blocks: Vec<(Cid, Bytes)>) -> Result<(), PutBlocksError>;

    /// Whether the block is here.
    async fn has(&self, cid: &Cid) -> Result<bool, ReadBlockError> {
        Ok(self.length(cid).await?.is_some())
    }
}

/// The disk or the index is failing. What was asked for may be there all the same.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the block store")]
pub struct ReadBlockError {
    #[source]
    pub source: io::Error,
}

#[derive(Debug, thiserror::Error)]
pub enum PutBlocksError {
    /// Whoever gave the block lied, it is too long, or its hash function is not known. None of the blocks was stored.
    #[error("block {cid} cannot be stored: {what}")]
    Untrue { cid: Cid, what: &'static str },
    /// The disk is full or failing. Free space or replace it; nothing is promised. If room helps, the source's kind is
    /// `StorageFull` or `QuotaExceeded`.
    #[error("cannot write the block store")]
    Write {
        #[source]
        source: io::Error,
    },
    /// The store has stopped. Restart the node.
    #[error("the block store is closed")]
    Closed,
}
