//! Making a DAG and storing it: one thread reads and hashes while the store's thread writes.

use super::build::{BuildError, Built, Hidden, build_directory, build_file};
use crate::block::Block;
use crate::segments::PutError;
use crate::store::{Batches, Store};
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use std::{
    error::Error,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    pin::pin,
};
use tokio::{runtime::Handle, sync::mpsc, task};

/// Chunks of an upload that wait to be hashed.
const CHUNKS_IN_FLIGHT_MAX: usize = 16;

/// Why nothing was imported. Blocks that were stored before the error stay; adding again does not store them twice.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Build(#[from] BuildError<PutError>),
    /// The program is going down.
    #[error("the import was broken off by the shutdown")]
    Aborted,
}

/// Imports a file of the file system; durable on return.
pub async fn import_file(store: &Store, path: &Path) -> Result<Built, ImportError> {
    let path = path.to_owned();
    import(store, move |batch| {
        let opened = fs::File::open(&path);
        let mut file = opened.map_err(|source| BuildError::Read { path: path.clone(), source })?;
        build_file(&path, &mut file, &mut |block| batch.push(block))
    })
    .await
}

/// Imports a directory; durable on return. `progress` is told the bytes of each file that is done.
pub async fn import_directory(
    store: &Store,
    dir: &Path,
    hidden: Hidden,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> Result<Built, ImportError> {
    let dir = dir.to_owned();
    import(store, move |batch| build_directory(&dir, hidden, &mut |block| batch.push(block), &mut progress))
        .await
}

/// Imports a file that arrives in chunks; durable on return. An error of the stream ends it.
pub async fn import_stream<S, E>(store: &Store, chunks: S) -> Result<Built, ImportError>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT_MAX);
    let mut reader = Chunks { receiver, current: Bytes::new() };
    let built = import(store, move |batch| {
        build_file(&PathBuf::from("the upload"), &mut reader, &mut |block| batch.push(block))
    });
    let feed = async {
        let mut chunks = pin!(chunks);
        while let Some(chunk) = chunks.next().await {
            // A closed channel means that the importer has failed; its error is the one to report.
            if sender.send(chunk.map_err(io::Error::other)).await.is_err() {
                break;
            }
        }
        drop(sender);
    };
    futures_util::future::join(built, feed).await.0
}

async fn import(
    store: &Store,
    build: impl FnOnce(&mut Batch) -> Result<Built, BuildError<PutError>> + Send + 'static,
) -> Result<Built, ImportError> {
    let mut batch = Batch::new(store.clone());
    let imported = task::spawn_blocking(move || {
        let built = build(&mut batch)?;
        batch.finish().map_err(BuildError::Sink)?;
        Ok(built)
    });
    imported.await.map_err(|_| ImportError::Aborted)?
}

/// Stores blocks from a blocking thread.
pub(crate) struct Batch {
    batches: Batches,
    runtime: Handle,
}

impl Batch {
    /// To be called from within the runtime, and then handed to the thread.
    pub(crate) fn new(store: Store) -> Self {
        Self { batches: Batches::new(store), runtime: Handle::current() }
    }

    pub(crate) fn push(&mut self, block: Block) -> Result<(), PutError> {
        self.runtime.block_on(self.batches.push(block))
    }

    pub(crate) fn finish(self) -> Result<(), PutError> {
        self.runtime.block_on(self.batches.finish())
    }
}

/// Reads chunks from a channel as one file.
struct Chunks {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let length = out.len().min(self.current.len());
        if let Some(out) = out.get_mut(..length) {
            self.current.copy_to_slice(out);
        }
        Ok(length)
    }
}
