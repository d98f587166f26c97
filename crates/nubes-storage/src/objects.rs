//! The block store on an object store: S3 and what speaks its protocol.
//!
//! One object per block, `PREFIX/SHARD/MULTIHASH`: the multihash in base32 without padding, and as its shard the two
//! characters before the last, which spread evenly. An object is written whole or not at all, so there is nothing to
//! recover; what a store answers is not believed, every block is hashed. `PREFIX/owner` names the node whose blocks these
//! are (`bucket`): a collection removes what its own node does not keep, so two nodes cannot share a prefix.
//!
//! Verified blocks stay in memory, as many as [`ObjectBlocks::cached`] says, and of many who want the same block one asks.
//! Whether a block is there is asked of the server each time, since an answer from memory would outlive a removal.
//!
//! A removal excludes reads and puts for the moment of its request (`upkeep`): a put behind it writes anew, and a read
//! before it leaves nothing in memory.

mod bucket;
mod upkeep;

use crate::block::{self, BLOCK_BYTES_MAX, Block};
use crate::cache::Cache;
use crate::flights::Flights;
use crate::local::{put_blocks_error, unreadable, untrue};
use crate::segments::{Damage, GetError, Place, PutError};
use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use cid::multibase::Base;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lru::LruCache;
use multihash::Multihash;
use nubes_base::port::{Blocks, PutBlocksError, ReadBlockError};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use parking_lot::Mutex;
use std::{collections::BTreeSet, io, num::NonZeroUsize, sync::Arc};
use tokio::sync::RwLock;

pub use bucket::{Credentials, OpenBucketError, S3, S3Error};

/// Blocks of a `put` that are on their way at the same time.
const PUTS_AT_ONCE_MAX: usize = 16;
/// Damaged blocks that are remembered; one that was forgotten is found again by reading it.
const DAMAGED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Blocks kept in an object store.
pub struct ObjectBlocks {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    cache: Cache,
    /// Blocks that are being read.
    loads: Flights<Multihash<64>, Bytes>,
    // A lock because any reader may find damage; it is held for a look-up.
    damaged: Mutex<LruCache<Multihash<64>, ()>>,
    /// Held to write by whoever removes, to read by everybody else.
    removal: RwLock<()>,
    // A lock because every put notes here while a collection runs; it is held for an insertion.
    recent: Mutex<Option<BTreeSet<Multihash<64>>>>,
    // Callers take turns and no task is needed between them.
    maintenance: tokio::sync::Mutex<()>,
}

impl ObjectBlocks {
    /// Blocks below `prefix` of any store, none of them in memory.
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self {
            objects,
            prefix: Path::from(prefix),
            cache: Cache::new(0),
            loads: Flights::new(),
            damaged: Mutex::new(LruCache::new(DAMAGED_MAX)),
            removal: RwLock::new(()),
            recent: Mutex::new(None),
            maintenance: tokio::sync::Mutex::new(()),
        }
    }

    /// The same with so many bytes of verified blocks in memory.
    #[must_use]
    pub fn cached(self, bytes_max: usize) -> Self {
        Self { cache: Cache::new(bytes_max), ..self }
    }

    fn key(&self, hash: &Multihash<64>) -> Path {
        let name = Base::Base32Lower.encode(hash.to_bytes());
        let shard = name.get(name.len().saturating_sub(3)..name.len().saturating_sub(1)).unwrap_or("_");
        self.prefix.clone().join(shard).join(name.as_str())
    }

    pub(crate) async fn read(&self, cid: &Cid) -> Result<Bytes, GetError> {
        let hash = cid.hash();
        if let Some(bytes) = block::inlined(cid).or_else(|| self.cache.get(hash)) {
            return Ok(bytes);
        }
        self.loads.join(hash, self.load(cid)).await
    }

    async fn load(&self, cid: &Cid) -> Result<Bytes, GetError> {
        let hash = cid.hash();
        // Held until the block is in memory, so that a removal takes it from there too.
        let _reading = self.removal.read().await;
        let found = self.fetch(hash).await.map_err(unread)?;
        let bytes = found.ok_or(GetError::NotFound { cid: *cid })?;
        if block::hashes_to(hash, &bytes) != Ok(true) {
            self.damaged.lock().put(*hash, ());
            return Err(GetError::Corrupt { damage: Box::new(self.damage(*cid)) });
        }
        self.damaged.lock().pop(hash);
        self.cache.insert(*hash, bytes.clone());
        Ok(bytes)
    }

    /// The object as it is; one that is too long for a block is not read and counts as empty.
    async fn fetch(&self, hash: &Multihash<64>) -> Result<Option<Bytes>, object_store::Error> {
        let Some(found) = present(self.objects.get(&self.key(hash)).await)? else { return Ok(None) };
        let fits = found.meta.size <= BLOCK_BYTES_MAX as u64;
        Ok(Some(if fits { found.bytes().await? } else { Bytes::new() }))
    }

    fn damage(&self, cid: Cid) -> Damage {
        let key = self.key(cid.hash()).to_string();
        Damage { cid, place: Place::Object { key }, what: "the object does not match the hash" }
    }

    /// The block's length if it is there and not known to be damaged.
    pub(crate) async fn size(&self, cid: &Cid) -> Result<Option<u64>, GetError> {
        if let Some(bytes) = block::inlined(cid) {
            return Ok(Some(bytes.len() as u64));
        }
        if self.damaged.lock().contains(cid.hash()) {
            return Ok(None);
        }
        let found = present(self.objects.head(&self.key(cid.hash())).await).map_err(unread)?;
        Ok(found.map(|meta| meta.size).filter(|bytes| *bytes <= BLOCK_BYTES_MAX as u64))
    }

    pub(crate) async fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        let fresh = blocks.into_iter().filter(|block| block::inlined(block.cid()).is_none());
        stream::iter(fresh.map(|block| self.put_one(block)))
            .buffer_unordered(PUTS_AT_ONCE_MAX)
            .try_collect()
            .await
            .map_err(|source| PutError::Write { source: Arc::new(io_error(source)) })
    }

    async fn put_one(&self, block: Block) -> Result<(), object_store::Error> {
        let hash = block.cid().hash();
        let _writing = self.removal.read().await;
        // Noted before it is written: a collection that comes between the two must know of it.
        if let Some(recent) = self.recent.lock().as_mut() {
            recent.insert(*hash);
        }
        // Written even if there is an object of that name: its bytes may be damaged, and this is the repair.
        self.objects.put(&self.key(hash), block.bytes().clone().into()).await?;
        self.damaged.lock().pop(hash);
        Ok(())
    }
}

#[async_trait]
impl Blocks for ObjectBlocks {
    async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, ReadBlockError> {
        match self.read(cid).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(GetError::NotFound { .. }) => Ok(None),
            Err(GetError::Corrupt { damage }) => {
                // The port has no place for the object; whoever repairs it needs it.
                tracing::error!(%damage, "storage.damaged");
                Ok(None)
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    async fn length(&self, cid: &Cid) -> Result<Option<u64>, ReadBlockError> {
        self.size(cid).await.map_err(unreadable)
    }

    async fn put(&self, blocks: Vec<(Cid, Bytes)>) -> Result<(), PutBlocksError> {
        let checked: Result<Vec<_>, _> =
            blocks.into_iter().map(|(cid, bytes)| Block::new(cid, bytes)).collect();
        let stored = self.put_many(checked.map_err(|error| untrue(&error))?).await;
        stored.map_err(put_blocks_error)
    }
}

impl std::fmt::Debug for ObjectBlocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ObjectBlocks");
        shown.field("objects", &self.objects).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn present<T>(answer: Result<T, object_store::Error>) -> Result<Option<T>, object_store::Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unread(source: object_store::Error) -> GetError {
    GetError::Read { source: io_error(source) }
}

fn io_error(error: object_store::Error) -> io::Error {
    let kind = match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests;
