//! Making a DAG and storing it: one thread reads and hashes while the store's thread writes.

use super::build::{BuildError, Built, Hidden, build_directory, build_file};
use crate::block::Block;
use crate::segments::{PutError, Store, Ticket};
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use std::{
    collections::VecDeque,
    error::Error,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    pin::pin,
};
use tokio::{runtime::Handle, sync::mpsc, task};

/// Blocks are handed to the store in batches of this size.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// A batch of small blocks ends at this number.
const BATCH_BLOCKS_MAX: usize = 4096;
/// Batches that are not durable yet.
const BATCHES_IN_FLIGHT_MAX: usize = 4;
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

/// Collects blocks and hands them on; to be used on a blocking thread.
struct Batch {
    store: Store,
    runtime: Handle,
    blocks: Vec<Block>,
    bytes: usize,
    in_flight: VecDeque<Ticket>,
}

impl Batch {
    fn new(store: Store) -> Self {
        Self { store, runtime: Handle::current(), blocks: Vec::new(), bytes: 0, in_flight: VecDeque::new() }
    }

    fn push(&mut self, block: Block) -> Result<(), PutError> {
        self.bytes += block.bytes().len();
        self.blocks.push(block);
        if self.bytes < BATCH_BYTES_MAX && self.blocks.len() < BATCH_BLOCKS_MAX {
            return Ok(());
        }
        self.send()
    }

    fn send(&mut self) -> Result<(), PutError> {
        if self.in_flight.len() >= BATCHES_IN_FLIGHT_MAX {
            self.wait_for_oldest()?;
        }
        self.bytes = 0;
        let blocks = std::mem::take(&mut self.blocks);
        self.in_flight.push_back(self.runtime.block_on(self.store.enqueue(blocks))?);
        Ok(())
    }

    fn wait_for_oldest(&mut self) -> Result<(), PutError> {
        let oldest = self.in_flight.pop_front();
        oldest.map_or(Ok(()), |ticket| self.runtime.block_on(ticket.durable()))
    }

    fn finish(mut self) -> Result<(), PutError> {
        self.send()?;
        while !self.in_flight.is_empty() {
            self.wait_for_oldest()?;
        }
        Ok(())
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
