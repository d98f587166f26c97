//! Storage as the other layers see it.

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use std::io;

/// Keeps whole files by their content address.
///
/// Law: once `put` has answered, `get` of the CID it gave returns the same bytes, also after a crash; equal bytes have
/// equal CIDs; `get` never returns bytes that do not hash to the CID.
#[async_trait]
pub trait Blobs: Send + Sync + std::fmt::Debug {
    /// Stores `file` as a UnixFS file (profile `unixfs-v1-2025`) and returns its CID when it is durable.
    async fn put(&self, file: Bytes) -> Result<Cid, PutError>;

    /// The whole file behind `cid`, if it is not larger than `bytes_max`.
    async fn get(&self, cid: &Cid, bytes_max: u64) -> Result<Bytes, GetError>;
}

#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The disk is full or failing. Free space or replace it; nothing was stored.
    #[error("cannot write the block store")]
    Write {
        #[source]
        source: io::Error,
    },
    /// The store has stopped. Restart the node.
    #[error("the block store is closed")]
    Closed,
}

#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// Nobody reachable has it. Try again later, or add it.
    #[error("block {cid} is not stored here")]
    NotFound { cid: Cid },
    /// The bytes on disk are not what the CID says. The block must be fetched or added again.
    #[error("block {cid} is damaged: {what}")]
    Corrupt { cid: Cid, what: &'static str },
    /// The CID does not lead to a file. Ask for a path below it.
    #[error("{cid} is not a file")]
    NotAFile { cid: Cid },
    /// The file is larger than the caller allows.
    #[error("{cid} has {bytes} bytes, more than the limit of {bytes_max}")]
    TooLarge { cid: Cid, bytes: u64, bytes_max: u64 },
    /// The disk is failing.
    #[error("cannot read the block store")]
    Read {
        #[source]
        source: io::Error,
    },
}
