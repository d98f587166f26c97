//! The block store: append-only segment files and an index over them.
//!
//! On disk:
//! ```text
//! LOCK                    held while a process has the store open
//! VERSION                 one line, FORMAT
//! END                     up to where the segments are durable
//! index.redb              multihash -> (segment, offset, payload length, header length); tail of what is indexed
//! segments/00000001.seg   records, one after the other
//! record = magic u32 | payload length u32 | payload CRC-32C u32 | CID length u8 | header CRC-32C u32 | CID | payload
//! erased = magic u32 | payload length u32 | 0 u32               | CID length u8 | header CRC-32C u32 | zeros
//! ```
//! Integers are little-endian. The header has its own checksum, so a damaged payload still has a name.
//!
//! One thread writes. It takes everything that is queued, appends it, syncs the segment once and commits the index once
//! (group commit): what arrives while a commit runs forms the next group, so no timer is needed. The index commit is
//! mostly not synced by itself, because the segments are the truth: opening reads the records behind the index's tail.
//!
//! Between two groups it works for a collection, an erasure or a backup ([`Store::collect`], [`Store::erase`],
//! [`Store::backup`]), a part at a time, so that puts go on. Of these three one runs at a time.
//!
//! What can go wrong:
//! - A torn record behind `END` is cut off, since nobody was told that it is kept. What lies behind `END` and is whole is
//!   written again and synced, because a sync that failed leaves pages that look written until the machine stops.
//! - A damaged record elsewhere is skipped, reported, and can be repaired by adding its content again.
//! - A write that fails is rolled back; the next may work. A full disk and a reached quota say so with figures.
//! - A sync that fails stops the writer, because after it nothing is known about the file's pages. Reading goes on.
//! - An index that is damaged, or could not be synced, is given up and made again from the segments.

mod backing;
mod backup;
mod collect;
mod disk;
mod end;
mod erase;
mod errors;
mod files;
mod index;
mod record;
mod recovery;
mod scan;
mod scrub;
mod version;
mod writer;

use crate::block::{self, Block};
use crate::cache::Cache;
use crate::flights::{Flights, apart};
use bytes::Bytes;
use cid::Cid;
use disk::{Disk, RealDisk};
use end::End;
use files::Segments;
use index::Location;
use lru::LruCache;
use multihash::Multihash;
use parking_lot::Mutex;
use recovery::Opened;
use std::{
    any::Any,
    fmt,
    fs::TryLockError,
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task,
};
use writer::{Parts, Put, Request, Writer};

pub use backup::Backup;
pub use collect::{Collected, Stats};
pub use erase::Erased;
pub use errors::{Damage, GetError, MaintainError, OpenError, Place, PutError};
pub use recovery::Recovery;
pub use scan::Stretch;
pub use scrub::{DAMAGES_MAX, Scrub};

/// Content of the `VERSION` file. A store with another one is not touched.
pub const FORMAT: &str = "nubes-segments 1";
/// A block up to this size is read on the caller's thread: handing it to another thread costs more than the read.
const INLINE_READ_BYTES_MAX: u32 = 64 << 10;
/// Requests that may wait for the writer.
const QUEUE_REQUESTS_MAX: usize = 1024;
/// Payload that may wait for the writer; a caller with more waits for room.
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Damaged blocks that are remembered; one that was forgotten is found again by reading it.
const DAMAGED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// The queue counts its room in this unit.
const QUEUE_UNIT_BYTES: usize = 1 << 10;

/// Sizes of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A segment that has reached this size is closed and a new one begun.
    pub segment_bytes_max: u64,
    /// Payload of one group commit.
    pub commit_bytes_max: usize,
    /// Verified blocks kept in memory.
    pub cache_bytes_max: usize,
    /// Bytes of all segments, with what is not needed any more and not yet collected.
    pub stored_bytes_max: u64,
    /// Bytes of the disk that putting leaves free; zero asks the disk by writing only.
    pub free_bytes_min: u64,
}

impl Config {
    /// For a node on a common machine.
    pub const STANDARD: Self = Self {
        segment_bytes_max: 256 << 20,
        commit_bytes_max: 32 << 20,
        cache_bytes_max: 64 << 20,
        stored_bytes_max: u64::MAX,
        free_bytes_min: 64 << 20,
    };
}

/// A handle to an open store; clones share it. The last one to go waits for the writer.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    cache: Cache,
    /// Large blocks that are being read.
    loads: Flights<Multihash<64>, Bytes>,
    room: Arc<Semaphore>,
    recovery: Recovery,
    // A lock because the callers take turns and no task is needed between them. The writer does what only it may do.
    maintenance: tokio::sync::Mutex<()>,
    // A lock because closing comes from any clone, once, and readers of the queue only copy a sender.
    writer: Mutex<Option<WriterHandle>>,
    _lock: Box<dyn Any + Send + Sync>,
}

struct WriterHandle {
    queue: mpsc::Sender<Request>,
    thread: JoinHandle<()>,
}

/// The promise that queued blocks become durable.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<(), PutError>>);

impl Ticket {
    /// Waits until the blocks are durable.
    pub async fn durable(self) -> Result<(), PutError> {
        self.0.await.unwrap_or(Err(PutError::Closed))
    }
}

impl Store {
    /// Opens the store in `dir`, or makes one if there is none. Reads what a crash may have left behind.
    pub fn open(dir: &Path, config: Config) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), dir, config)
    }

    fn open_on(disk: Arc<dyn Disk>, dir: &Path, config: Config) -> Result<Self, OpenError> {
        let at = |path: PathBuf| move |source| OpenError::Io { path, source };
        disk.create_dir(&dir.join("segments")).map_err(at(dir.join("segments")))?;
        let lock = lock(&*disk, dir)?;
        version::check(&*disk, dir)?;
        let segments = Arc::new(Segments::new(Arc::clone(&disk), dir.join("segments")));
        let (end, durable) = End::open(&*disk, dir).map_err(at(dir.join("END")))?;
        let Opened { index, tail, recovery } =
            recovery::open(&disk, &dir.join("index.redb"), &segments, durable)?;
        end.write(tail).and_then(|()| end.sync()).map_err(at(dir.join("END")))?;
        let index = Arc::new(index);
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let damaged = Arc::new(Mutex::new(LruCache::new(DAMAGED_MAX)));
        let parts = Parts { disk, dir: dir.to_owned(), index, segments, damaged, config };
        let writer = Writer::new(requests, parts.clone(), end, tail).map_err(at(dir.join("segments")))?;
        let thread = thread::Builder::new().name("nubes-segments".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(at(dir.to_owned()))?;
        let inner = Inner {
            parts,
            cache: Cache::new(config.cache_bytes_max),
            loads: Flights::new(),
            room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX / QUEUE_UNIT_BYTES)),
            recovery,
            maintenance: tokio::sync::Mutex::new(()),
            writer: Mutex::new(Some(WriterHandle { queue, thread })),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The sizes that it was opened with.
    pub fn config(&self) -> Config {
        self.inner.parts.config
    }

    /// What opening had to mend.
    pub fn recovery(&self) -> &Recovery {
        &self.inner.recovery
    }

    /// Stores blocks; they are durable when it returns. What is stored already is not stored again.
    pub async fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.enqueue(blocks).await?.durable().await
    }

    /// Hands blocks to the writer; waits only for room in its queue.
    pub async fn enqueue(&self, blocks: Vec<Block>) -> Result<Ticket, PutError> {
        let units: usize = blocks.iter().map(|block| 1 + block.bytes().len() / QUEUE_UNIT_BYTES).sum();
        let units = u32::try_from(units.min(QUEUE_BYTES_MAX / QUEUE_UNIT_BYTES)).unwrap_or(u32::MAX);
        let room =
            Arc::clone(&self.inner.room).acquire_many_owned(units).await.map_err(|_| PutError::Closed)?;
        let queue = self.inner.writer.lock().as_ref().map(|writer| writer.queue.clone());
        let (reply, ticket) = oneshot::channel();
        let request = Request::Put(Put { blocks, reply, room });
        queue.ok_or(PutError::Closed)?.send(request).await.map_err(|_| PutError::Closed)?;
        Ok(Ticket(ticket))
    }

    /// The block's bytes, verified.
    pub async fn get(&self, cid: &Cid) -> Result<Bytes, GetError> {
        if let Some(bytes) = block::inlined(cid).or_else(|| self.inner.cache.get(cid.hash())) {
            return Ok(bytes);
        }
        let location = self.locate(cid)?.ok_or(GetError::NotFound { cid: *cid })?;
        if location.length <= INLINE_READ_BYTES_MAX {
            return self.inner.load(cid, location);
        }
        // Apart, because who asks may be polled no more: what is read ahead for a client that does not read is not.
        let load = Arc::clone(&self.inner).load_once(*cid, location);
        apart(load).await.unwrap_or(Err(GetError::Aborted))
    }

    /// Whether the block is stored; its bytes are not looked at. One that was read and found damaged counts as missing,
    /// so that whoever has its content offers it again.
    pub fn has(&self, cid: &Cid) -> Result<bool, GetError> {
        Ok(!self.inner.parts.damaged.lock().contains(cid.hash()) && self.length(cid)?.is_some())
    }

    /// Length of the block in bytes, if it is stored; its bytes are not looked at.
    pub fn length(&self, cid: &Cid) -> Result<Option<u64>, GetError> {
        if let Some(bytes) = block::inlined(cid) {
            return Ok(Some(bytes.len() as u64));
        }
        Ok(self.locate(cid)?.map(|location| u64::from(location.length)))
    }

    /// Reads and checks every block, a part at a time; dropped, it ends with the part. Damaged ones are in the answer;
    /// re-adding their content repairs them. A collection beside it would look like damage.
    pub async fn verify_all(&self) -> Result<Scrub, GetError> {
        let mut progress = scrub::Progress::default();
        loop {
            let inner = Arc::clone(&self.inner);
            let part = move || scrub::part(&inner.parts.index, &inner.parts.segments, progress);
            match task::spawn_blocking(part).await.map_err(|_| GetError::Aborted)?? {
                scrub::Part::Next(next) => progress = next,
                scrub::Part::Done(scrub) => return Ok(scrub),
            }
        }
    }

    /// Writes what is queued, syncs all and stops the writer. Reading goes on; putting answers `Closed`.
    pub async fn close(&self) {
        let writer = self.inner.writer.lock().take();
        if let Some(WriterHandle { queue, thread }) = writer {
            drop(queue);
            if task::spawn_blocking(move || thread.join().is_ok()).await.is_ok_and(|joined| !joined) {
                tracing::error!("the writer of the block store ended by a panic");
            }
        }
    }

    fn locate(&self, cid: &Cid) -> Result<Option<Location>, GetError> {
        self.inner.locate(cid.hash())
    }

    /// Has the writer do something between two groups.
    async fn maintain<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, PutError> {
        let queue = self.inner.writer.lock().as_ref().map(|writer| writer.queue.clone());
        let (reply, answer) = oneshot::channel();
        let work = Request::Maintain(Box::new(move |writer| {
            let done = work(writer);
            // The caller may have stopped waiting.
            let _ = reply.send(done);
        }));
        queue.ok_or(PutError::Closed)?.send(work).await.map_err(|_| PutError::Closed)?;
        answer.await.map_err(|_| PutError::Closed)
    }

    /// Does something long on another thread.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, MaintainError> + Send + 'static,
    ) -> Result<T, MaintainError> {
        let inner = Arc::clone(&self.inner);
        task::spawn_blocking(move || work(&inner)).await.map_err(|_| GetError::Aborted)?
    }
}

impl Inner {
    /// Reads a large block on a thread for it, once for all who ask meanwhile.
    async fn load_once(self: Arc<Self>, cid: Cid, location: Location) -> Result<Bytes, GetError> {
        let load = async {
            // It may have come since the caller looked.
            if let Some(bytes) = self.cache.get(cid.hash()) {
                return Ok(bytes);
            }
            let inner = Arc::clone(&self);
            let load = task::spawn_blocking(move || inner.load(&cid, location));
            load.await.map_err(|_| GetError::Aborted)?
        };
        self.loads.join(cid.hash(), load).await
    }

    fn locate(&self, hash: &Multihash<64>) -> Result<Option<Location>, GetError> {
        self.parts.index.get(&hash.to_bytes()).map_err(|source| GetError::Index { source })
    }

    fn load(&self, cid: &Cid, mut location: Location) -> Result<Bytes, GetError> {
        loop {
            let error = match self.load_at(cid, location) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            // A collection or an erasure may have come between the look-up and the reading.
            match self.locate(cid.hash())? {
                Some(other) if other != location => location = other,
                Some(_) => {
                    self.note_damage(cid.hash(), location, &error)?;
                    return Err(error);
                }
                None => return Err(GetError::NotFound { cid: *cid }),
            }
        }
    }

    fn note_damage(&self, hash: &Multihash<64>, at: Location, error: &GetError) -> Result<(), GetError> {
        if matches!(error, GetError::Corrupt { .. }) {
            self.parts.damaged.lock().put(*hash, ());
            // A repair may have come before the note, and takes away only what it finds.
            if self.locate(hash)? != Some(at) {
                self.parts.damaged.lock().pop(hash);
            }
        }
        Ok(())
    }

    fn load_at(&self, cid: &Cid, location: Location) -> Result<Bytes, GetError> {
        let Location { segment, offset, .. } = location;
        let place = Place::Segment { segment, offset };
        let damage = |what| GetError::Corrupt { damage: Box::new(Damage { cid: *cid, place, what }) };
        let bytes = match self.parts.segments.payload(location) {
            Ok(bytes) => Bytes::from(bytes),
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damage("the segment is cut off"));
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                return Err(damage("the segment is gone"));
            }
            Err(source) => return Err(GetError::Read { source }),
        };
        if block::hashes_to(cid.hash(), &bytes) != Ok(true) {
            return Err(damage("the payload does not match the hash"));
        }
        self.parts.damaged.lock().pop(cid.hash());
        self.cache.insert(*cid.hash(), bytes.clone());
        if self.locate(cid.hash())?.is_none() {
            self.cache.remove(cid.hash());
        }
        Ok(bytes)
    }

    /// Drops what is known of a block that the index does not have any more.
    fn forget(&self, multihash: &[u8]) {
        if let Ok(hash) = Multihash::from_bytes(multihash) {
            self.cache.remove(&hash);
            self.parts.damaged.lock().pop(&hash);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(WriterHandle { queue, thread }) = self.writer.get_mut().take() {
            drop(queue);
            if thread.join().is_err() {
                tracing::error!("the writer of the block store ended by a panic");
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("segments", &self.inner.parts.segments).finish_non_exhaustive()
    }
}

fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    let path = dir.join("LOCK");
    disk.lock(&path).map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::Locked { dir: dir.to_owned() },
        TryLockError::Error(source) => OpenError::Io { path, source },
    })
}

#[cfg(test)]
mod tests;
