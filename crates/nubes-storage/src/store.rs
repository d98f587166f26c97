//! A node's block store, on whichever engine its configuration names.
//!
//! | | segments ([`segments::Store`]) | bucket ([`ObjectBlocks`]) |
//! |---|---|---|
//! | where | files of this machine | an S3-compatible server |
//! | read, put, count, check, collect, erase | yes | yes |
//! | quota and reserve | yes | no, the server has its own |
//! | backup | yes | no, the server has its own |
//!
//! Both keep the law of the port `Blocks`, so what lies above does not ask which one it has.

mod batch;

use crate::block::Block;
use crate::flights::apart;
use crate::objects::ObjectBlocks;
use crate::segments::{
    self, Backup, Collected, Config, Erased, GetError, MaintainError, OpenError, PutError, Scrub, Stats,
};
use bytes::Bytes;
use cid::Cid;
use multihash::Multihash;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use batch::Batches;

/// A handle to an open store; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    removals: Arc<AtomicU64>,
}

// A request's future is large; boxed, it does not make every reader's future so.
#[derive(Clone, Debug)]
enum Engine {
    Segments(segments::Store),
    Bucket(Arc<ObjectBlocks>),
}

/// The promise that blocks which were handed over become durable.
#[derive(Debug)]
pub(crate) enum Ticket {
    Queued(segments::Ticket),
    Durable,
}

impl Ticket {
    pub(crate) async fn durable(self) -> Result<(), PutError> {
        match self {
            Self::Queued(ticket) => ticket.durable().await,
            Self::Durable => Ok(()),
        }
    }
}

impl Store {
    /// Opens the segments in `dir`, or makes a store of them if there is none.
    pub fn open(dir: &Path, config: Config) -> Result<Self, OpenError> {
        segments::Store::open(dir, config).map(|store| Self::on(Engine::Segments(store)))
    }

    /// A store in a bucket.
    pub fn in_bucket(blocks: ObjectBlocks) -> Self {
        Self::on(Engine::Bucket(Arc::new(blocks)))
    }

    fn on(engine: Engine) -> Self {
        Self { engine, removals: Arc::default() }
    }

    /// How often blocks may have been removed. Who remembers that a block is here looks whether it is still the same.
    pub(crate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::Acquire)
    }

    // After the removal, whether it failed half-way or not: what was looked up while it ran counts as before it.
    fn removed(&self) {
        self.removals.fetch_add(1, Ordering::Release);
    }

    /// The engine's name, as `node.toml` and the API have it.
    pub const fn engine(&self) -> &'static str {
        match self.engine {
            Engine::Segments(_) => "segments",
            Engine::Bucket(_) => "bucket",
        }
    }

    /// The sizes that the engine keeps to; none where the server decides.
    pub fn config(&self) -> Option<Config> {
        match &self.engine {
            Engine::Segments(store) => Some(store.config()),
            Engine::Bucket(_) => None,
        }
    }

    /// Stores blocks; they are durable when it returns.
    pub async fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.enqueue(blocks).await?.durable().await
    }

    /// Hands blocks over; with segments it waits only for room in the writer's queue.
    pub(crate) async fn enqueue(&self, blocks: Vec<Block>) -> Result<Ticket, PutError> {
        match &self.engine {
            Engine::Segments(store) => store.enqueue(blocks).await.map(Ticket::Queued),
            Engine::Bucket(store) => Box::pin(store.put_many(blocks)).await.map(|()| Ticket::Durable),
        }
    }

    /// The block's bytes, verified.
    pub async fn get(&self, cid: &Cid) -> Result<Bytes, GetError> {
        match &self.engine {
            Engine::Segments(store) => store.get(cid).await,
            Engine::Bucket(store) => {
                let (store, cid) = (Arc::clone(store), *cid);
                let read = async move { store.read(&cid).await };
                // Apart, because who asks may be polled no more, and who removes waits for all who read.
                Box::pin(apart(read)).await.unwrap_or(Err(GetError::Aborted))
            }
        }
    }

    /// Whether the block is stored; its bytes are not looked at. One that was found damaged counts as missing, so that
    /// whoever has its content offers it again.
    pub async fn has(&self, cid: &Cid) -> Result<bool, GetError> {
        match &self.engine {
            Engine::Segments(store) => store.has(cid),
            Engine::Bucket(store) => Box::pin(store.size(cid)).await.map(|size| size.is_some()),
        }
    }

    /// Length of the block in bytes, if it is stored; its bytes are not looked at.
    pub async fn length(&self, cid: &Cid) -> Result<Option<u64>, GetError> {
        match &self.engine {
            Engine::Segments(store) => store.length(cid),
            Engine::Bucket(store) => Box::pin(store.size(cid)).await,
        }
    }

    /// Reads and checks every block. Damaged ones are in the answer; re-adding their content repairs them.
    pub async fn verify_all(&self) -> Result<Scrub, GetError> {
        match &self.engine {
            Engine::Segments(store) => store.verify_all().await,
            Engine::Bucket(store) => Box::pin(store.verify_all()).await,
        }
    }

    /// Counts everything. In a bucket that is a list of all objects, a request for a thousand.
    pub async fn stats(&self) -> Result<Stats, MaintainError> {
        match &self.engine {
            Engine::Segments(store) => store.stats().await,
            Engine::Bucket(store) => Box::pin(store.stats()).await,
        }
    }

    /// Removes the blocks that `keep` does not hold on to. What is put meanwhile stays, and reading goes on.
    pub async fn collect(
        &self,
        keep: &(dyn Fn(&Multihash<64>) -> bool + Send + Sync),
    ) -> Result<Collected, MaintainError> {
        let collected = match &self.engine {
            Engine::Segments(store) => store.collect(keep).await,
            Engine::Bucket(store) => Box::pin(store.collect(keep)).await,
        };
        self.removed();
        collected
    }

    /// Removes a block for good. Copies elsewhere stay: backups, and the former versions of a bucket that keeps them.
    pub async fn erase(&self, hash: &Multihash<64>) -> Result<Erased, MaintainError> {
        let erased = match &self.engine {
            Engine::Segments(store) => store.erase(hash).await,
            Engine::Bucket(store) => Box::pin(store.erase(hash)).await,
        };
        self.removed();
        erased
    }

    /// Copies what is durable at this moment into a new folder, which [`Store::open`] opens; segments only.
    pub async fn backup(&self, to: &Path) -> Result<Backup, MaintainError> {
        match &self.engine {
            Engine::Segments(store) => store.backup(to).await,
            Engine::Bucket(_) => Err(MaintainError::NotHere { what: "a backup", engine: self.engine() }),
        }
    }

    /// Makes durable what is queued. Reading goes on; putting may answer `Closed`.
    pub async fn close(&self) {
        if let Engine::Segments(store) = &self.engine {
            store.close().await;
        }
    }
}
