//! The one thread that appends.

use super::index::{Entry, Index, Location, Position};
use super::{Config, PutError, files::Segments, record};
use crate::block::{self, Block};
use redb::Durability;
use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// A payload of this size is written from where it is; a smaller one is first gathered with its neighbours.
const DIRECT_WRITE_BYTES_MIN: usize = 32 << 10;
/// Small records are gathered up to this size before they are written.
const GATHER_BYTES_MAX: usize = 1 << 20;
/// The index is synced by itself after so much payload; a crash makes the next start read no more than this again.
const INDEX_SYNC_BYTES: u64 = 256 << 20;
/// And after so many commits, since each leaves pages behind that only a synced commit frees.
const INDEX_SYNC_COMMITS: u32 = 512;

/// Blocks to append, and whom to tell.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) blocks: Vec<Block>,
    pub(super) reply: oneshot::Sender<Result<(), PutError>>,
    /// Room in the queue; given back when the request is done.
    pub(super) room: OwnedSemaphorePermit,
}

pub(super) struct Writer {
    requests: mpsc::Receiver<Request>,
    index: Arc<Index>,
    segments: Arc<Segments>,
    config: Config,
    tail: Position,
    file: File,
    gathered: Vec<u8>,
    /// Payload since the index was last synced.
    unsynced_bytes: u64,
    unsynced_commits: u32,
}

/// After these the writer goes on, or stops.
enum Failure {
    Recoverable(PutError),
    Fatal(PutError),
}

impl Writer {
    pub(super) fn new(
        requests: mpsc::Receiver<Request>,
        index: Arc<Index>,
        segments: Arc<Segments>,
        config: Config,
        tail: Position,
    ) -> io::Result<Self> {
        let file = segments.open_to_write(tail.segment)?;
        Ok(Self {
            requests,
            index,
            segments,
            config,
            tail,
            file,
            gathered: Vec::new(),
            unsynced_bytes: 0,
            unsynced_commits: 0,
        })
    }

    /// Until every sender is gone.
    pub(super) fn run(mut self) {
        while let Some(first) = self.requests.blocking_recv() {
            let group = self.gather_group(first);
            let outcome = self.commit(&group);
            let (answer, fatal) = match outcome {
                Ok(()) => (Ok(()), false),
                Err(Failure::Recoverable(error)) => (Err(error), false),
                Err(Failure::Fatal(error)) => (Err(error), true),
            };
            for Request { reply, room, .. } in group {
                drop(room);
                // The caller may have stopped waiting; its blocks are kept all the same.
                let _ = reply.send(answer.clone());
            }
            if fatal {
                tracing::error!("the block store stops writing after a failed sync");
                return;
            }
        }
        if let Err(error) = self.index.insert(&[], self.tail, Durability::Immediate) {
            tracing::error!(%error, "cannot sync the index of the block store; the next start reads more");
        }
    }

    fn gather_group(&mut self, first: Request) -> Vec<Request> {
        let size = |request: &Request| request.blocks.iter().map(|block| block.bytes().len()).sum::<usize>();
        let mut bytes = size(&first);
        let mut group = vec![first];
        while bytes < self.config.commit_bytes_max {
            let Ok(next) = self.requests.try_recv() else { break };
            bytes += size(&next);
            group.push(next);
        }
        group
    }

    fn commit(&mut self, group: &[Request]) -> Result<(), Failure> {
        let start = self.tail;
        let mut added = BTreeMap::new();
        let appended = group
            .iter()
            .flat_map(|request| &request.blocks)
            .try_for_each(|block| self.append(block, &mut added))
            .and_then(|()| self.flush());
        if let Err(source) = appended {
            return Err(self.roll_back(start, source));
        }
        if added.is_empty() {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|source| Failure::Fatal(PutError::Write { source: Arc::new(source) }))?;
        let entries: Vec<Entry> = added.into_iter().collect();
        self.unsynced_bytes += entries.iter().map(|(_, location)| u64::from(location.length)).sum::<u64>();
        self.unsynced_commits += 1;
        let sync = self.unsynced_bytes >= INDEX_SYNC_BYTES || self.unsynced_commits >= INDEX_SYNC_COMMITS;
        let durability = if sync { Durability::Immediate } else { Durability::None };
        let indexed = self.index.insert(&entries, self.tail, durability);
        indexed.map_err(|source| Failure::Recoverable(PutError::Index { source: Arc::new(source) }))?;
        if sync {
            (self.unsynced_bytes, self.unsynced_commits) = (0, 0);
        }
        Ok(())
    }

    fn append(&mut self, block: &Block, added: &mut BTreeMap<Vec<u8>, Location>) -> io::Result<()> {
        let multihash = block.cid().hash().to_bytes();
        if block::inlined(block.cid()).is_some()
            || added.contains_key(&multihash)
            || self.is_kept(&multihash, block)
        {
            return Ok(());
        }
        if self.tail.offset >= self.config.segment_bytes_max {
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
            self.file.write_all_at(block.bytes(), self.tail.offset)?;
        }
        self.tail.offset = location.end();
        if self.gathered.len() >= GATHER_BYTES_MAX {
            self.flush()?;
        }
        added.insert(multihash, location);
        Ok(())
    }

    // The bytes are compared, not only the index: a damaged record must not keep its content from being added again.
    fn is_kept(&self, multihash: &[u8], block: &Block) -> bool {
        let Ok(Some(location)) = self.index.get(multihash) else { return false };
        self.segments.payload(location).is_ok_and(|bytes| bytes == *block.bytes())
    }

    /// Writes what is gathered; it ends at the tail.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(offset) = self.tail.offset.checked_sub(self.gathered.len() as u64) {
            self.file.write_all_at(&self.gathered, offset)?;
        }
        self.gathered.clear();
        Ok(())
    }

    fn roll(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()?;
        let next = Position { segment: self.tail.segment + 1, offset: 0 };
        self.file = self.segments.open_to_write(next.segment)?;
        self.tail = next;
        Ok(())
    }

    // Records that the group left in an earlier segment are whole and true; nothing points to them, and they stay.
    fn roll_back(&mut self, start: Position, source: io::Error) -> Failure {
        self.gathered.clear();
        self.tail.offset = if self.tail.segment == start.segment { start.offset } else { 0 };
        let error = PutError::Write { source: Arc::new(source) };
        match self.file.set_len(self.tail.offset) {
            Ok(()) => Failure::Recoverable(error),
            Err(_) => Failure::Fatal(error),
        }
    }
}
