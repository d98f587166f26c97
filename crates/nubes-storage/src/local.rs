//! The storage ports on the local block store.

use crate::block::{Block, BlockError};
use crate::segments::{self, GetError};
use crate::store::Store;
use crate::unixfs::{self, BuildError, File, ImportError, ReadError};
use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures_util::stream;
use nubes_base::port::{self, Blobs, Blocks, PutBlocksError, ReadBlockError};
use std::{convert::Infallible, io};

/// [`Blobs`] kept in this process's [`Store`].
#[derive(Clone, Debug)]
pub struct LocalBlobs {
    store: Store,
}

impl LocalBlobs {
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Blobs for LocalBlobs {
    async fn put(&self, file: Bytes) -> Result<Cid, port::PutError> {
        let chunks = stream::iter([Ok::<_, Infallible>(file)]);
        let built = unixfs::import_stream(&self.store, chunks).await.map_err(put_error)?;
        Ok(built.cid)
    }

    async fn get(&self, cid: &Cid, bytes_max: u64) -> Result<Bytes, port::GetError> {
        let whole = async { File::open(&self.store, *cid).await?.read(bytes_max).await };
        whole.await.map_err(|error| get_error(*cid, error))
    }
}

/// [`Blocks`] kept in this process's [`Store`].
#[derive(Clone, Debug)]
pub struct LocalBlocks {
    store: Store,
}

impl LocalBlocks {
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Blocks for LocalBlocks {
    async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, ReadBlockError> {
        match self.store.get(cid).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(GetError::NotFound { .. }) => Ok(None),
            Err(GetError::Corrupt { damage }) => {
                // The port has no place for the segment; whoever repairs it needs it.
                tracing::error!(%damage, "storage.damaged");
                Ok(None)
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    async fn length(&self, cid: &Cid) -> Result<Option<u64>, ReadBlockError> {
        if self.store.has(cid).await.map_err(unreadable)? {
            self.store.length(cid).await.map_err(unreadable)
        } else {
            Ok(None)
        }
    }

    async fn put(&self, blocks: Vec<(Cid, Bytes)>) -> Result<(), PutBlocksError> {
        let checked: Result<Vec<_>, _> =
            blocks.into_iter().map(|(cid, bytes)| Block::new(cid, bytes)).collect();
        self.store.put_many(checked.map_err(|error| untrue(&error))?).await.map_err(put_blocks_error)
    }
}

pub(crate) fn unreadable(error: GetError) -> ReadBlockError {
    let source = match error {
        GetError::Read { source } => source,
        other => io::Error::other(other),
    };
    ReadBlockError { source }
}

pub(crate) const fn untrue(error: &BlockError) -> PutBlocksError {
    let (cid, what) = match error {
        BlockError::Mismatch { cid } => (cid, "the bytes have another hash"),
        BlockError::HashFunction { cid, .. } => (cid, "its hash function is not supported"),
        BlockError::TooLong { cid, .. } => (cid, "it is too long"),
    };
    PutBlocksError::Untrue { cid: *cid, what }
}

pub(crate) fn put_blocks_error(error: segments::PutError) -> PutBlocksError {
    match error {
        segments::PutError::Closed => PutBlocksError::Closed,
        other => PutBlocksError::Write { source: unwritten(other) },
    }
}

/// The kind says whether space helps.
fn unwritten(error: segments::PutError) -> io::Error {
    match error {
        segments::PutError::Write { source } => io::Error::new(source.kind(), source),
        full @ segments::PutError::Full { .. } => io::Error::new(io::ErrorKind::StorageFull, full),
        quota @ segments::PutError::Quota { .. } => io::Error::new(io::ErrorKind::QuotaExceeded, quota),
        other => io::Error::other(other),
    }
}

fn put_error(error: ImportError) -> port::PutError {
    use segments::PutError::Closed;
    let source = match error {
        ImportError::Build(BuildError::Sink(Closed)) | ImportError::Aborted => return port::PutError::Closed,
        ImportError::Build(BuildError::Sink(other)) => unwritten(other),
        ImportError::Build(other) => io::Error::other(other),
    };
    port::PutError::Write { source }
}

fn get_error(cid: Cid, error: ReadError) -> port::GetError {
    match error {
        ReadError::Block(GetError::NotFound { cid }) => port::GetError::NotFound { cid },
        ReadError::Block(GetError::Corrupt { damage }) => {
            // The port has no place for the segment; whoever repairs it needs it.
            tracing::error!(%damage, "storage.damaged");
            port::GetError::Corrupt { cid: damage.cid, what: damage.what }
        }
        ReadError::Block(GetError::Read { source }) => port::GetError::Read { source },
        ReadError::Block(other) => port::GetError::Read { source: io::Error::other(other) },
        ReadError::TooLarge { cid, bytes, bytes_max } => port::GetError::TooLarge { cid, bytes, bytes_max },
        _ => port::GetError::NotAFile { cid },
    }
}

#[cfg(test)]
mod tests {
    use super::{LocalBlobs, LocalBlocks};
    use crate::segments::Config;
    use crate::store::Store;
    use bytes::Bytes;
    use cid::Cid;
    use nubes_base::port::{Blobs, GetError};
    use nubes_testkit::{
        blobs::blobs_laws,
        blocks::{blocks_laws, damage_laws},
    };
    use std::os::unix::fs::FileExt;

    #[tokio::test]
    async fn local_blobs_keep_the_laws() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Config::STANDARD).unwrap();
        blobs_laws(async || LocalBlobs::new(store.clone())).await;
    }

    #[tokio::test]
    async fn local_blocks_keep_the_laws() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Config::STANDARD).unwrap();
        blocks_laws(async || LocalBlocks::new(store.clone())).await;
        let segment = dir.path().join("segments/00000001.seg");
        let damage = async |cid: &Cid| {
            let (content, name) = (std::fs::read(&segment).unwrap(), cid.to_bytes());
            let at = content.windows(name.len()).position(|window| window == name).unwrap() + name.len();
            let file = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
            file.write_all_at(&[!content[at]], at as u64).unwrap();
        };
        damage_laws(&LocalBlocks::new(uncached(dir.path(), store).await), damage).await;
    }

    /// The store again, without blocks in memory that would hide what is on the disk.
    async fn uncached(dir: &std::path::Path, store: Store) -> Store {
        store.close().await;
        drop(store);
        Store::open(dir, Config { cache_bytes_max: 0, ..Config::STANDARD }).unwrap()
    }

    #[tokio::test]
    async fn a_file_survives_a_restart_and_a_directory_is_not_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = Bytes::from(vec![7; 3 << 20]);
        let store = Store::open(dir.path(), Config::STANDARD).unwrap();
        let cid = LocalBlobs::new(store.clone()).put(file.clone()).await.unwrap();
        store.close().await;
        drop(store);
        let store = Store::open(dir.path(), Config::STANDARD).unwrap();
        assert_eq!(LocalBlobs::new(store.clone()).get(&cid, u64::MAX).await.unwrap(), file);
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join("a"), "a").unwrap();
        let hidden = crate::unixfs::Hidden::Skip;
        let built = crate::unixfs::import_directory(&store, source.path(), hidden, |_| ()).await.unwrap();
        let error = LocalBlobs::new(store).get(&built.cid, u64::MAX).await.unwrap_err();
        assert!(matches!(error, GetError::NotAFile { .. }), "{error}");
    }
}
