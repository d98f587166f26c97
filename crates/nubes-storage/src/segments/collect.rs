//! Giving room back: what nobody needs leaves the index, and segments that hold little else are rewritten.
//!
//! 1. The writer begins to note what is put. A block that is put from here on stays, whatever `keep` says of it.
//! 2. Entries that `keep` does not hold on to are taken out of the index.
//! 3. What is left in a segment under half full is appended again, as a put would; the index then points there.
//! 4. When the index is durable, segments that nothing points to are deleted.
//!
//! A crash before 4 leaves records that nothing needs; the next collection finds them. A segment with a damaged block
//! stays, so that what can be read of it stays too.

use super::index::{Entry, Location, Position};
use super::writer::{Recent, Writer};
use super::{GetError, Inner, MaintainError, PutError, Store, files};
use crate::block::{self, Block, RAW};
use cid::Cid;
use multihash::Multihash;
use std::{
    collections::{BTreeMap, BTreeSet},
    io, mem,
    sync::{Arc, Weak},
};

/// Entries of the index that are looked at before others get their turn.
const PAGE_ENTRIES: usize = 4096;
/// Payload that is moved at once.
const MOVE_BYTES_MAX: usize = 4 << 20;

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub removed_blocks: u64,
    /// Of their records.
    pub removed_bytes: u64,
    pub moved_blocks: u64,
    pub deleted_segments: u64,
    /// Of the deleted segments.
    pub deleted_bytes: u64,
}

/// What a store consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub blocks: u64,
    /// Of the blocks.
    pub bytes: u64,
    /// Of the records of these blocks.
    pub live_bytes: u64,
    pub segments: u64,
    /// Of all segments; a collection makes it smaller.
    pub stored_bytes: u64,
}

/// A block that leaves a segment.
pub(super) struct Move {
    multihash: Vec<u8>,
    from: Location,
    block: Block,
}

impl Store {
    /// Removes the blocks that `keep` does not hold on to and gives their room back. What is put meanwhile stays, and
    /// reading goes on; another collection, erasure or backup waits.
    pub async fn collect(
        &self,
        keep: &(dyn Fn(&Multihash<64>) -> bool + Send + Sync),
    ) -> Result<Collected, MaintainError> {
        let _turn = self.inner.maintenance.lock().await;
        let interest = Arc::new(());
        let watched = Arc::downgrade(&interest);
        self.maintain(move |writer| writer.watch(watched)).await?;
        let mut collected = Collected::default();
        let live = self.sweep(keep, &mut collected).await?;
        let sparse = self.maintain(move |writer| writer.sparse(&live)).await??;
        self.empty(Arc::new(sparse.clone()), &mut collected).await?;
        // A segment may go only when no crash can bring back an entry that points to it.
        self.maintain(Writer::sync_index).await??;
        let pointed = self.pointed_to().await?;
        let deleted = sparse.difference(&pointed).copied().collect::<Vec<_>>();
        collected.deleted_segments = deleted.len() as u64;
        collected.deleted_bytes = self.maintain(move |writer| writer.delete(&deleted)).await??;
        drop(interest);
        Ok(collected)
    }

    /// Counts everything. It looks at the whole index, and at no block.
    pub async fn stats(&self) -> Result<Stats, MaintainError> {
        self.blocking(|inner| {
            let mut stats = Stats::default();
            let counted = inner.parts.index.for_each(|_, location| {
                stats.blocks += 1;
                stats.bytes += u64::from(location.length);
                stats.live_bytes += location.bytes();
            });
            counted.map_err(|source| GetError::Index { source })?;
            let segments = inner.parts.segments.list()?;
            stats.segments = segments.len() as u64;
            stats.stored_bytes = segments.iter().map(|(_, bytes)| bytes).sum();
            Ok(stats)
        })
        .await
    }

    /// Takes out what is not kept; returns how much is left of each segment.
    async fn sweep(
        &self,
        keep: &(dyn Fn(&Multihash<64>) -> bool + Send + Sync),
        collected: &mut Collected,
    ) -> Result<BTreeMap<u32, u64>, MaintainError> {
        let (mut live, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.page(after.take()).await?;
            let Some((last, _)) = page.last() else { return Ok(live) };
            after = Some(last.clone());
            let mut unkept = Vec::new();
            for (multihash, location) in page {
                if Multihash::from_bytes(&multihash).is_ok_and(|hash| keep(&hash)) {
                    *live.entry(location.segment).or_default() += location.bytes();
                } else {
                    unkept.push((multihash, location));
                }
            }
            let removed = self.maintain(move |writer| writer.take_out(unkept)).await??;
            for (multihash, location) in removed {
                collected.removed_blocks += 1;
                collected.removed_bytes += location.bytes();
                self.inner.forget(&multihash);
            }
        }
    }

    /// Moves what is left in these segments.
    async fn empty(
        &self,
        sparse: Arc<BTreeSet<u32>>,
        collected: &mut Collected,
    ) -> Result<(), MaintainError> {
        let mut after = None;
        while !sparse.is_empty() {
            let page = self.page(after.take()).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let left: Vec<Entry> =
                page.into_iter().filter(|(_, location)| sparse.contains(&location.segment)).collect();
            for part in parts(left) {
                let moves = self.blocking(move |inner| Ok(inner.moves(part))).await?;
                collected.moved_blocks += self.maintain(move |writer| writer.relocate(moves)).await??;
            }
        }
        Ok(())
    }

    async fn page(&self, after: Option<Vec<u8>>) -> Result<Vec<Entry>, MaintainError> {
        self.blocking(move |inner| {
            let page = inner.parts.index.page(after.as_deref(), PAGE_ENTRIES);
            Ok(page.map_err(|source| GetError::Index { source })?)
        })
        .await
    }

    async fn pointed_to(&self) -> Result<BTreeSet<u32>, MaintainError> {
        self.blocking(|inner| {
            let mut segments = BTreeSet::new();
            let walked = inner.parts.index.for_each(|_, location| {
                segments.insert(location.segment);
            });
            walked.map_err(|source| GetError::Index { source })?;
            Ok(segments)
        })
        .await
    }
}

/// In parts that fit into memory.
fn parts(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        bytes += entry.1.length as usize;
        part.push(entry);
        if bytes >= MOVE_BYTES_MAX {
            parts.push(mem::take(&mut part));
            bytes = 0;
        }
    }
    parts.push(part);
    parts
}

impl Inner {
    /// What can be read and is true.
    fn moves(&self, entries: Vec<Entry>) -> Vec<Move> {
        entries.into_iter().filter_map(|(multihash, from)| self.leaving(multihash, from)).collect()
    }

    fn leaving(&self, multihash: Vec<u8>, from: Location) -> Option<Move> {
        let hash = Multihash::from_bytes(&multihash).ok()?;
        let bytes = self.parts.segments.payload(from).ok()?;
        if block::hashes_to(&hash, &bytes) != Ok(true) {
            return None;
        }
        let file = self.parts.segments.open_to_read(from.segment).ok()?;
        let header = files::header_at(&*file, from.offset).ok().flatten();
        let codec =
            header.filter(|header| *header.cid.hash() == hash).map_or(RAW, |header| header.cid.codec());
        Some(Move { multihash, from, block: Block::hashed(Cid::new_v1(codec, hash), bytes.into()) })
    }
}

impl Writer {
    fn watch(&mut self, interest: Weak<()>) {
        self.recent = Some(Recent { hashes: BTreeSet::new(), interest, from: self.tail });
    }

    /// Takes entries out of the index unless they were put since the collection began; returns those that are out.
    fn take_out(&mut self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, PutError> {
        if let Some(recent) = &self.recent {
            entries.retain(|(multihash, _)| !recent.hashes.contains(multihash));
        }
        let multihashes: Vec<_> = entries.iter().map(|(multihash, _)| multihash.clone()).collect();
        self.remove_from_index(&multihashes, redb::Durability::None)?;
        Ok(entries)
    }

    /// Segments of which less than half is left. They are not written any more.
    fn sparse(&mut self, live: &BTreeMap<u32, u64>) -> Result<BTreeSet<u32>, PutError> {
        let from = self.recent.as_ref().map_or(self.tail, |recent| recent.from);
        let is_sparse = |segment: u32, bytes: u64| {
            let recent = if segment == from.segment { bytes.saturating_sub(from.offset) } else { 0 };
            let left = live.get(&segment).copied().unwrap_or(0) + recent;
            segment <= from.segment && left.saturating_mul(2) < bytes
        };
        let Position { segment, offset } = self.tail;
        if is_sparse(segment, offset) {
            self.roll().map_err(|source| self.write_error(source, 0))?;
        }
        let segments = self.parts.segments.list().map_err(|source| self.write_error(source, 0))?;
        let sealed = segments.into_iter().filter(|(segment, _)| *segment != self.tail.segment);
        Ok(sealed
            .filter(|(segment, bytes)| is_sparse(*segment, *bytes) || *bytes == 0)
            .map(|(segment, _)| segment)
            .collect())
    }

    /// Appends blocks again that are still where they were; returns how many.
    fn relocate(&mut self, moves: Vec<Move>) -> Result<u64, PutError> {
        self.settle()?;
        let (start, mut added) = (self.tail, BTreeMap::new());
        for Move { multihash, from, block } in moves {
            let is_there = self.parts.index.get(&multihash).is_ok_and(|now| now == Some(from));
            if is_there && let Err(source) = self.append(multihash, &block, &mut added) {
                return Err(self.roll_back(start, source, 0));
            }
        }
        self.finish(&added, start)?;
        Ok(added.len() as u64)
    }

    /// Deletes segments that nothing points to; returns their bytes.
    fn delete(&mut self, segments: &[u32]) -> Result<u64, io::Error> {
        let mut deleted_bytes = 0;
        for segment in segments {
            let bytes = self.parts.segments.remove(*segment)?;
            self.sealed_bytes = self.sealed_bytes.saturating_sub(bytes);
            deleted_bytes += bytes;
        }
        if !segments.is_empty() {
            self.parts.segments.sync()?;
        }
        Ok(deleted_bytes)
    }
}
