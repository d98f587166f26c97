//! The one thread that appends.

use super::disk::{self, Disk, DiskFile};
use super::end::End;
use super::index::{Entry, Index, Location, Position};
use super::{Config, PutError, files::Segments, record};
use crate::block::{self, Block};
use lru::LruCache;
use multihash::Multihash;
use parking_lot::Mutex;
use redb::Durability;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{Arc, Weak},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// A payload of this size is written from where it is; a smaller one is first gathered with its neighbours.
const DIRECT_WRITE_BYTES_MIN: usize = 32 << 10;
/// Small records are gathered up to this size before they are written.
const GATHER_BYTES_MAX: usize = 1 << 20;
/// The index is synced by itself after so much payload; a crash makes the next start read no more than this again.
const INDEX_SYNC_BYTES: u64 = 256 << 20;
/// And after so many commits, since each leaves pages behind that only a synced commit frees.
const INDEX_SYNC_COMMITS: u32 = 512;

pub(super) enum Request {
    Put(Put),
    /// Work between two groups, on what only the writer may change.
    Maintain(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// Blocks to append, and whom to tell.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) blocks: Vec<Block>,
    pub(super) reply: oneshot::Sender<Result<(), PutError>>,
    /// Room in the queue; given back when the request is done.
    pub(super) room: OwnedSemaphorePermit,
}

/// Where a store is and what it consists of.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) index: Arc<Index>,
    pub(super) segments: Arc<Segments>,
    // A lock because any reader may find damage, and the writer mends it; it is held for a look-up.
    pub(super) damaged: Arc<Mutex<LruCache<Multihash<64>, ()>>>,
    pub(super) config: Config,
}

pub(super) struct Writer {
    requests: mpsc::Receiver<Request>,
    /// Taken from the queue and not begun.
    next: Option<Request>,
    pub(super) parts: Parts,
    end: End,
    pub(super) tail: Position,
    file: Arc<dyn DiskFile>,
    /// Bytes of all segments but the one that is written.
    pub(super) sealed_bytes: u64,
    gathered: Vec<u8>,
    /// Payload since the index was last synced.
    unsynced_bytes: u64,
    unsynced_commits: u32,
    /// A sync or the index failed, and nothing may be acknowledged any more.
    pub(super) has_failed: bool,
    /// What was put since a collection began.
    pub(super) recent: Option<Recent>,
}

/// Multihashes, as long as somebody is interested in them.
#[derive(Debug)]
pub(super) struct Recent {
    pub(super) hashes: BTreeSet<Vec<u8>>,
    pub(super) interest: Weak<()>,
    /// Where the tail was at the beginning.
    pub(super) from: Position,
}

/// A group commit that is not durable yet.
type Added = BTreeMap<Vec<u8>, Location>;

impl Writer {
    pub(super) fn new(
        requests: mpsc::Receiver<Request>,
        parts: Parts,
        end: End,
        tail: Position,
    ) -> io::Result<Self> {
        let file = parts.segments.open_to_write(tail.segment)?;
        let sealed = parts.segments.list()?.into_iter().filter(|(segment, _)| *segment != tail.segment);
        Ok(Self {
            requests,
            next: None,
            end,
            tail,
            file,
            sealed_bytes: sealed.map(|(_, bytes)| bytes).sum(),
            parts,
            gathered: Vec::new(),
            unsynced_bytes: 0,
            unsynced_commits: 0,
            has_failed: false,
            recent: None,
        })
    }

    /// Until every sender is gone.
    pub(super) fn run(mut self) {
        while let Some(first) = self.next.take().or_else(|| self.requests.blocking_recv()) {
            match first {
                Request::Put(first) => self.put(first),
                Request::Maintain(work) => work(&mut self),
            }
            if self.has_failed {
                tracing::error!("the block store stops writing: a sync or its index failed");
                return;
            }
        }
        if let Err(error) = self.sync_index() {
            tracing::error!(%error, "cannot sync the index of the block store; the next start reads more");
        }
    }

    fn put(&mut self, first: Put) {
        let group = self.gather_group(first);
        let outcomes = self.commit(&group);
        for (Put { reply, room, .. }, outcome) in group.into_iter().zip(outcomes) {
            drop(room);
            // The caller may have stopped waiting; its blocks are kept all the same.
            let _ = reply.send(outcome);
        }
    }

    fn gather_group(&mut self, first: Put) -> Vec<Put> {
        let size = |put: &Put| put.blocks.iter().map(|block| block.bytes().len()).sum::<usize>();
        let mut bytes = size(&first);
        let mut group = vec![first];
        while bytes < self.parts.config.commit_bytes_max {
            match self.requests.try_recv() {
                Ok(Request::Put(next)) => {
                    bytes += size(&next);
                    group.push(next);
                }
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        group
    }

    /// One answer for each of the group.
    fn commit(&mut self, group: &[Put]) -> Vec<Result<(), PutError>> {
        let (start, mut added) = (self.tail, Added::new());
        let appended = self.append_group(group, &mut added);
        let committed = appended.and_then(|outcomes| self.finish(&added, start).map(|()| outcomes));
        committed.unwrap_or_else(|error| vec![Err(error); group.len()])
    }

    fn append_group(
        &mut self,
        group: &[Put],
        added: &mut Added,
    ) -> Result<Vec<Result<(), PutError>>, PutError> {
        let start = self.tail;
        self.parts.index.settle().map_err(|source| {
            let blocks = group.iter().flat_map(|put| &put.blocks);
            self.write_error(source, blocks.map(record::bytes).sum())
        })?;
        let mut free_bytes = self.free_bytes();
        let mut outcomes = Vec::with_capacity(group.len());
        for Put { blocks, .. } in group {
            let fresh = self.fresh(blocks, added);
            let asked_bytes = fresh.iter().map(|(_, block)| record::bytes(block)).sum();
            if let Err(refused) = self.admit(asked_bytes, free_bytes) {
                outcomes.push(Err(refused));
                continue;
            }
            free_bytes = free_bytes.saturating_sub(asked_bytes);
            for (multihash, block) in fresh {
                if let Err(source) = self.append(multihash, block, added) {
                    return Err(self.roll_back(start, source, asked_bytes));
                }
            }
            outcomes.push(Ok(()));
        }
        Ok(outcomes)
    }

    /// What of the blocks is not stored yet, in their order, in which they will be read.
    fn fresh<'a>(&mut self, blocks: &'a [Block], added: &Added) -> Vec<(Vec<u8>, &'a Block)> {
        let (mut fresh, mut seen) = (Vec::new(), BTreeSet::new());
        self.recent.take_if(|recent| recent.interest.strong_count() == 0);
        for block in blocks.iter().filter(|block| block::inlined(block.cid()).is_none()) {
            let multihash = block.cid().hash().to_bytes();
            if let Some(recent) = &mut self.recent {
                recent.hashes.insert(multihash.clone());
            }
            if seen.insert(multihash.clone())
                && !added.contains_key(&multihash)
                && !self.is_kept(&multihash, block)
            {
                fresh.push((multihash, block));
            }
        }
        fresh
    }

    // The bytes are compared, not only the index: a damaged record must not keep its content from being added again.
    fn is_kept(&self, multihash: &[u8], block: &Block) -> bool {
        let Ok(Some(location)) = self.parts.index.get(multihash) else { return false };
        self.parts.segments.payload(location).is_ok_and(|bytes| bytes == *block.bytes())
    }

    // A disk that does not say how much is free is asked again by writing.
    fn free_bytes(&self) -> u64 {
        self.parts.disk.free_bytes(&self.parts.dir).unwrap_or(u64::MAX)
    }

    fn admit(&self, asked_bytes: u64, free_bytes: u64) -> Result<(), PutError> {
        let Config { stored_bytes_max, free_bytes_min, .. } = self.parts.config;
        let stored_bytes = self.stored_bytes();
        if asked_bytes == 0 {
            return Ok(());
        }
        if stored_bytes.saturating_add(asked_bytes) > stored_bytes_max {
            return Err(PutError::Quota { stored_bytes, stored_bytes_max, asked_bytes });
        }
        if free_bytes < asked_bytes.saturating_add(free_bytes_min) && free_bytes_min > 0 {
            return Err(PutError::Full { free_bytes, free_bytes_min, asked_bytes });
        }
        Ok(())
    }

    /// Bytes of all segments.
    pub(super) const fn stored_bytes(&self) -> u64 {
        self.sealed_bytes + self.tail.offset
    }

    pub(super) fn write_error(&self, source: io::Error, asked_bytes: u64) -> PutError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PutError::Full {
                free_bytes: self.free_bytes(),
                free_bytes_min: self.parts.config.free_bytes_min,
                asked_bytes,
            },
            _ => PutError::Write { source: Arc::new(source) },
        }
    }

    /// Makes what was appended since `start` durable and findable.
    pub(super) fn finish(&mut self, added: &Added, start: Position) -> Result<(), PutError> {
        if added.is_empty() {
            return Ok(());
        }
        self.flush().map_err(|source| self.roll_back(start, source, 0))?;
        self.sync().map_err(|source| self.write_error(source, 0))?;
        // It tells damage from an unfinished write and saves the next start some work; the records do not depend on it.
        let _ = self.end.write(self.tail);
        let entries: Vec<Entry> =
            added.iter().map(|(multihash, location)| (multihash.clone(), *location)).collect();
        self.unsynced_bytes += entries.iter().map(|(_, location)| u64::from(location.length)).sum::<u64>();
        self.unsynced_commits += 1;
        if self.unsynced_bytes >= INDEX_SYNC_BYTES || self.unsynced_commits >= INDEX_SYNC_COMMITS {
            self.change_index(&entries, &[], Durability::Immediate)?;
        } else {
            self.change_index(&entries, &[], Durability::None)?;
        }
        let mut damaged = self.parts.damaged.lock();
        for mended in added.keys().filter_map(|multihash| Multihash::from_bytes(multihash).ok()) {
            damaged.pop(&mended);
        }
        Ok(())
    }

    /// Changes the index, which then reaches to the tail.
    // redb answers with errors only once it has failed, so the segments would grow by what is never found.
    fn change_index(
        &mut self,
        entries: &[Entry],
        removed: &[Vec<u8>],
        durability: Durability,
    ) -> Result<(), PutError> {
        let changed = self.parts.index.change(entries, removed, self.tail, durability);
        changed.map_err(|source| self.index_error(source))?;
        if matches!(durability, Durability::Immediate) {
            (self.unsynced_bytes, self.unsynced_commits) = (0, 0);
            // It saves the next start some reading, no more.
            let _ = self.end.sync();
        }
        Ok(())
    }

    fn index_error(&mut self, source: redb::Error) -> PutError {
        self.has_failed = true;
        PutError::Index { source: Arc::new(source) }
    }

    pub(super) fn remove_from_index(
        &mut self,
        multihashes: &[Vec<u8>],
        durability: Durability,
    ) -> Result<(), PutError> {
        self.settle()?;
        self.change_index(&[], multihashes, durability)?;
        if matches!(durability, Durability::Immediate) { self.settle() } else { Ok(()) }
    }

    pub(super) fn locate(&mut self, multihash: &[u8]) -> Result<Option<Location>, PutError> {
        self.parts.index.get(multihash).map_err(|source| self.index_error(source))
    }

    /// Everything that was indexed is so after a crash too.
    pub(super) fn sync_index(&mut self) -> Result<(), PutError> {
        self.settle()?;
        self.change_index(&[], &[], Durability::Immediate)?;
        self.settle()
    }

    /// Nothing may be put or moved as long as the index finds no room.
    pub(super) fn settle(&self) -> Result<(), PutError> {
        self.parts.index.settle().map_err(|source| self.write_error(source, 0))
    }

    pub(super) fn append(&mut self, multihash: Vec<u8>, block: &Block, added: &mut Added) -> io::Result<()> {
        if self.tail.offset >= self.parts.config.segment_bytes_max {
            self.roll()?;
        }
        let offset = self.tail.offset;
        let header = record::encode(block.cid(), block.bytes(), &mut self.gathered)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let length = u32::try_from(block.bytes().len()).map_err(io::Error::other)?;
        let location = Location { segment: self.tail.segment, offset, length, header };
        if block.bytes().len() < DIRECT_WRITE_BYTES_MIN {
            self.gathered.extend_from_slice(block.bytes());
        } else {
            self.tail.offset += u64::from(header);
            self.flush()?;
            disk::write_all(&*self.file, block.bytes(), self.tail.offset)?;
        }
        self.tail.offset = location.end();
        if self.gathered.len() >= GATHER_BYTES_MAX {
            self.flush()?;
        }
        added.insert(multihash, location);
        Ok(())
    }

    /// Writes what is gathered; it ends at the tail.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(offset) = self.tail.offset.checked_sub(self.gathered.len() as u64) {
            disk::write_all(&*self.file, &self.gathered, offset)?;
        }
        self.gathered.clear();
        Ok(())
    }

    // After a sync that failed nothing is known about the file, and a second one that works says nothing about the first.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let synced = self.file.sync();
        self.has_failed |= synced.is_err();
        synced
    }

    /// Closes the segment and begins the next.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        self.flush()?;
        self.sync()?;
        let next = Position { segment: self.tail.segment + 1, offset: 0 };
        self.file = self.parts.segments.open_to_write(next.segment)?;
        self.sealed_bytes += self.tail.offset;
        self.tail = next;
        Ok(())
    }

    // Records that the group left in an earlier segment are whole and true; nothing points to them, and they stay.
    pub(super) fn roll_back(&mut self, start: Position, source: io::Error, asked_bytes: u64) -> PutError {
        self.gathered.clear();
        self.tail.offset = if self.tail.segment == start.segment { start.offset } else { 0 };
        self.has_failed |= self.file.set_length(self.tail.offset).is_err();
        self.write_error(source, asked_bytes)
    }
}
