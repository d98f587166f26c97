//! What opening does after a crash: read the records that the index does not know yet.

use super::OpenError;
use super::disk::{self, Disk, DiskFile};
use super::files::Segments;
use super::index::{Entry, Index, Position};
use super::scan::{Found, Payloads, Record, Scan, Stretch};
use redb::Durability;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Entries that are written to the index at once.
const ENTRIES_AT_ONCE_MAX: usize = 50_000;
/// Damaged stretches that are named in a [`Recovery`].
const STRETCHES_MAX: usize = 1_000;
/// What may not be durable is written again in parts of this size.
const REWRITE_BYTES: usize = 1 << 20;

/// What opening found behind the index's tail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The index was missing or unreadable.
    pub index_rebuilt: bool,
    pub records_indexed: u64,
    /// Cut off the end of the last segment: an unfinished write.
    pub torn_bytes: u64,
    /// Bytes of a segment that are no record. What they held is lost until it is added again.
    pub damaged: Vec<Stretch>,
}

impl Recovery {
    fn damaged(&mut self, stretch: Stretch) {
        if self.damaged.len() < STRETCHES_MAX {
            self.damaged.push(stretch);
        }
    }
}

/// What is known of a store when it is open.
pub(super) struct Opened {
    pub(super) index: Index,
    /// Where the next record goes.
    pub(super) tail: Position,
    pub(super) recovery: Recovery,
}

/// Opens the index, or makes it anew from the segments if it is missing or damaged. Up to `durable` everything was
/// acknowledged.
pub(super) fn open(
    disk: &Arc<dyn Disk>,
    path: &Path,
    segments: &Segments,
    durable: Position,
) -> Result<Opened, OpenError> {
    let (mut index, mut is_fresh) = Index::open_or_replace(disk, path)?;
    let recovered = match recover(segments, &index, durable) {
        Err(OpenError::Index { source }) => {
            tracing::warn!(error = %source, "the index of the block store is damaged and is rebuilt");
            drop(index);
            (index, is_fresh) = (Index::replace(disk, path)?, true);
            recover(segments, &index, durable)
        }
        other => other,
    };
    let (tail, mut recovery) = recovered?;
    recovery.index_rebuilt = is_fresh && recovery.records_indexed > 0;
    Ok(Opened { index, tail, recovery })
}

/// Indexes what is behind the tail; returns where the next record goes. Up to `durable` everything was acknowledged.
fn recover(segments: &Segments, index: &Index, durable: Position) -> Result<(Position, Recovery), OpenError> {
    let io = |source| OpenError::Io { path: PathBuf::from("segments"), source };
    let indexed = |source| OpenError::Index { source };
    let mut tail = index.tail().map_err(indexed)?;
    let durable = durable.max(tail);
    let mut recovery = Recovery::default();
    let behind: Vec<_> =
        segments.list().map_err(io)?.into_iter().filter(|(id, _)| *id >= tail.segment).collect();
    // One that is empty was named by a roll that may have failed, and says nothing about the one before. A record in it
    // would say that the one before was synced.
    let last = behind.iter().rfind(|(_, length)| *length > 0).map_or(tail.segment, |(id, _)| *id);
    for (segment, length) in behind.into_iter().filter(|(id, _)| *id <= last) {
        let start = if segment == tail.segment { tail.offset } else { 0 };
        let file = segments.open_to_read(segment).map_err(io)?;
        let payloads = Payloads::Check;
        let mut scan = Scan { file: &*file, segment, at: start, length, payloads };
        let mut records = records(&mut scan, &mut recovery).map_err(io)?;
        let mut end = scan.at.max(start);
        let promised = if segment < durable.segment { u64::MAX } else { part(durable, segment) };
        let ended = Ended { segment, length, end, promised };
        if segment == last {
            end = ended.cut(&mut records, segments, &mut recovery).map_err(io)?;
        } else if end < length {
            recovery.damaged(Stretch { segment, offset: end, bytes: length - end });
        }
        tail = Position { segment, offset: end };
        recovery.records_indexed += records.len() as u64;
        let entries: Vec<Entry> =
            records.into_iter().map(|record| (record.multihash, record.location)).collect();
        for entries in entries.chunks(ENTRIES_AT_ONCE_MAX) {
            index.change(entries, &[], tail, Durability::None).map_err(indexed)?;
        }
    }
    if durable.segment > last && durable.offset > 0 {
        recovery.damaged(Stretch { segment: durable.segment, offset: 0, bytes: durable.offset });
    }
    index.change(&[], &[], tail, Durability::Immediate).map_err(indexed)?;
    Ok((tail, recovery))
}

/// How far `position` is in `segment`, if it is not behind it.
const fn part(position: Position, segment: u32) -> u64 {
    if position.segment == segment { position.offset } else { 0 }
}

fn records(scan: &mut Scan<'_>, recovery: &mut Recovery) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    while let Some(found) = scan.next()? {
        match found {
            Found::Record(record) => records.push(record),
            Found::Gap(stretch) => recovery.damaged(stretch),
        }
    }
    Ok(records)
}

/// The last segment after it was read.
struct Ended {
    segment: u32,
    length: u64,
    /// Behind the last record or what was erased.
    end: u64,
    /// Up to here it was acknowledged.
    promised: u64,
}

impl Ended {
    /// Takes away what was not finished and makes durable what may not be; returns where the next record goes.
    fn cut(self, records: &mut Vec<Record>, segments: &Segments, recovery: &mut Recovery) -> io::Result<u64> {
        let Self { segment, length, mut end, promised } = self;
        while let Some(torn) = records.pop_if(|record| !record.intact && record.location.offset >= promised) {
            end = torn.location.offset;
        }
        let promised = promised.min(length.max(end));
        if end < promised {
            recovery.damaged(Stretch { segment, offset: end, bytes: promised - end });
            end = promised;
        }
        if length <= promised {
            return Ok(end);
        }
        let file = segments.open_to_write(segment)?;
        if end < length {
            file.set_length(end)?;
            recovery.torn_bytes += length - end;
        }
        rewrite(&*file, promised, end)?;
        file.sync()?;
        Ok(end)
    }
}

// Bytes that a sync failed to write look whole as long as the system runs, and only writing them again makes the next
// sync include them. Nothing may be acknowledged because of them before that.
fn rewrite(file: &dyn DiskFile, mut from: u64, to: u64) -> io::Result<()> {
    let mut bytes = vec![0; REWRITE_BYTES];
    while from < to {
        let part = usize::try_from(to - from).unwrap_or(usize::MAX).min(REWRITE_BYTES);
        let part = bytes.get_mut(..part).unwrap_or_default();
        disk::read_exact(file, part, from)?;
        disk::write_all(file, part, from)?;
        from += part.len() as u64;
    }
    Ok(())
}
