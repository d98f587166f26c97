//! The port of blocks on an object store: S3 and what speaks its protocol.
//!
//! One object per block, `PREFIX/SHARD/MULTIHASH`: the multihash in base32 without padding, and as its shard the two
//! characters before the last, which spread evenly. An object is written whole or not at all, so there is nothing to
//! recover; what a store answers is not believed, every block is hashed.
//!
//! What it is not: a cache. Each `get` and each `length` is a request, and each block of a `put`.

use crate::block::{self, BLOCK_BYTES_MAX, Block};
use crate::local::untrue;
use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use cid::multibase::Base;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use lru::LruCache;
use multihash::Multihash;
use nubes_base::port::{Blocks, PutBlocksError, ReadBlockError};
use object_store::{
    ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use parking_lot::Mutex;
use std::{fmt, io, num::NonZeroUsize, sync::Arc, time::Duration};

/// Blocks of a `put` that are on their way at the same time.
const PUTS_AT_ONCE_MAX: usize = 16;
/// Damaged blocks that are remembered; one that was forgotten is found again by reading it.
const DAMAGED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// A request is tried again so often, and so long, before the caller hears of it.
const RETRIES_MAX: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// [`Blocks`] kept in an object store.
#[derive(Debug)]
pub struct ObjectBlocks {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    // A lock because any reader may find damage; it is held for a look-up.
    damaged: Mutex<LruCache<Multihash<64>, ()>>,
}

/// A bucket and how to reach it.
#[derive(Clone)]
pub struct S3 {
    /// `http://…` or `https://…` of a server that is not Amazon's; the bucket is the first part of the path then.
    pub endpoint: Option<String>,
    pub region: String,
    pub bucket: String,
    /// Before the keys, so that a bucket can hold other things too; may be empty.
    pub prefix: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

// The secret is not for logs.
impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, region, bucket, prefix, access_key_id, secret_access_key: _ } = self;
        let mut shown = f.debug_struct("S3");
        shown.field("endpoint", endpoint).field("region", region).field("bucket", bucket);
        shown.field("prefix", prefix).field("access_key_id", access_key_id).finish_non_exhaustive()
    }
}

/// The settings of a bucket contradict themselves or the address is none.
#[derive(Debug, thiserror::Error)]
#[error("cannot use bucket {bucket}")]
pub struct S3Error {
    pub bucket: String,
    #[source]
    pub source: object_store::Error,
}

impl ObjectBlocks {
    /// Blocks below `prefix` of any store.
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self { objects, prefix: Path::from(prefix), damaged: Mutex::new(LruCache::new(DAMAGED_MAX)) }
    }

    /// Blocks in a bucket. Nothing is asked of the server yet.
    pub fn s3(settings: &S3) -> Result<Self, S3Error> {
        let refused = |source| S3Error { bucket: settings.bucket.clone(), source };
        Ok(Self::new(Arc::new(client(settings).map_err(refused)?), &settings.prefix))
    }

    fn key(&self, hash: &Multihash<64>) -> Path {
        let name = Base::Base32Lower.encode(hash.to_bytes());
        let shard = name.get(name.len().saturating_sub(3)..name.len().saturating_sub(1)).unwrap_or("_");
        self.prefix.clone().join(shard).join(name.as_str())
    }

    async fn verified(&self, hash: &Multihash<64>) -> Result<Option<Bytes>, object_store::Error> {
        let Some(found) = present(self.objects.get(&self.key(hash)).await)? else { return Ok(None) };
        let bytes =
            if found.meta.size > BLOCK_BYTES_MAX as u64 { Bytes::new() } else { found.bytes().await? };
        if block::hashes_to(hash, &bytes) == Ok(true) {
            self.damaged.lock().pop(hash);
            return Ok(Some(bytes));
        }
        tracing::error!(key = %self.key(hash), "storage.damaged");
        self.damaged.lock().put(*hash, ());
        Ok(None)
    }

    async fn put_one(&self, block: Block) -> Result<(), object_store::Error> {
        let hash = block.cid().hash();
        // Written even if there is an object of that name: its bytes may be damaged, and this is the repair.
        self.objects.put(&self.key(hash), block.bytes().clone().into()).await?;
        self.damaged.lock().pop(hash);
        Ok(())
    }
}

#[async_trait]
impl Blocks for ObjectBlocks {
    async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, ReadBlockError> {
        if let Some(bytes) = block::inlined(cid) {
            return Ok(Some(bytes));
        }
        self.verified(cid.hash()).await.map_err(|source| ReadBlockError { source: io_error(source) })
    }

    async fn length(&self, cid: &Cid) -> Result<Option<u64>, ReadBlockError> {
        if let Some(bytes) = block::inlined(cid) {
            return Ok(Some(bytes.len() as u64));
        }
        if self.damaged.lock().contains(cid.hash()) {
            return Ok(None);
        }
        let found = present(self.objects.head(&self.key(cid.hash())).await);
        let found = found.map_err(|source| ReadBlockError { source: io_error(source) })?;
        Ok(found.map(|meta| meta.size).filter(|bytes| *bytes <= BLOCK_BYTES_MAX as u64))
    }

    async fn put(&self, blocks: Vec<(Cid, Bytes)>) -> Result<(), PutBlocksError> {
        let checked: Result<Vec<_>, _> =
            blocks.into_iter().map(|(cid, bytes)| Block::new(cid, bytes)).collect();
        let fresh = checked.map_err(|error| untrue(&error))?.into_iter();
        let fresh = fresh.filter(|block| block::inlined(block.cid()).is_none());
        stream::iter(fresh.map(|block| self.put_one(block)))
            .buffer_unordered(PUTS_AT_ONCE_MAX)
            .try_collect()
            .await
            .map_err(|source| PutBlocksError::Write { source: io_error(source) })
    }
}

fn client(settings: &S3) -> Result<AmazonS3, object_store::Error> {
    let retry =
        RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_region(&settings.region)
        .with_bucket_name(&settings.bucket)
        .with_access_key_id(&settings.access_key_id)
        .with_secret_access_key(&settings.secret_access_key)
        .with_retry(retry);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    builder.build()
}

fn present<T>(answer: Result<T, object_store::Error>) -> Result<Option<T>, object_store::Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
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
