//! What opening does after a crash: read the records that the index does not know yet.

use super::files::{self, Segments};
use super::index::{Entry, Index, Location, Position};
use super::{OpenError, record};
use crate::block::BLOCK_BYTES_MAX;
use redb::Durability;
use std::{fs::File, io, path::PathBuf};

/// Entries that are written to the index at once.
const ENTRIES_AT_ONCE_MAX: usize = 50_000;
/// Damaged stretches that are named in a [`Recovery`].
const STRETCHES_MAX: usize = 1_000;
/// Window in which the next record is searched behind a damaged one.
const WINDOW_BYTES: usize = 1 << 20;

/// What opening found behind the index's tail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The index was missing or unreadable.
    pub index_rebuilt: bool,
    pub records_indexed: u64,
    /// Cut off the end of the last segment: an unfinished write.
    pub torn_bytes: u64,
    /// Bytes in the middle of a segment that are no record. What they held is lost until it is added again.
    pub damaged: Vec<Stretch>,
}

/// Bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub segment: u32,
    pub offset: u64,
    pub bytes: u64,
}

/// Indexes what is behind the tail; returns where the next record goes.
pub(super) fn recover(segments: &Segments, index: &Index) -> Result<(Position, Recovery), OpenError> {
    let io = |source| OpenError::Io { path: PathBuf::from("segments"), source };
    let indexed = |source| OpenError::Index { source };
    let mut tail = index.tail().map_err(indexed)?;
    let mut recovery = Recovery::default();
    let behind: Vec<_> =
        segments.list().map_err(io)?.into_iter().filter(|(id, _)| *id >= tail.segment).collect();
    let last = behind.last().map_or(tail.segment, |(id, _)| *id);
    for (segment, length) in behind {
        let start = if segment == tail.segment { tail.offset } else { 0 };
        let file = segments.open_to_read(segment).map_err(io)?;
        let mut scan = Scan { file: &file, segment, at: start, length, recovery: &mut recovery };
        let mut records = scan.records().map_err(io)?;
        let mut end = scan.at.max(start);
        if segment == last {
            while records.pop_if(|record| !record.intact).is_some() {}
            end = records.last().map_or(start, |record| record.location.end());
            if length > end {
                segments.open_to_write(segment).and_then(|file| file.set_len(end)).map_err(io)?;
                recovery.torn_bytes += length - end;
            }
        }
        tail = Position { segment, offset: end };
        recovery.records_indexed += records.len() as u64;
        let entries: Vec<Entry> =
            records.into_iter().map(|record| (record.multihash, record.location)).collect();
        for entries in entries.chunks(ENTRIES_AT_ONCE_MAX) {
            index.insert(entries, tail, Durability::None).map_err(indexed)?;
        }
    }
    index.insert(&[], tail, Durability::Immediate).map_err(indexed)?;
    Ok((tail, recovery))
}

struct Record {
    multihash: Vec<u8>,
    location: Location,
    intact: bool,
}

struct Scan<'a> {
    file: &'a File,
    segment: u32,
    at: u64,
    length: u64,
    recovery: &'a mut Recovery,
}

impl Scan<'_> {
    fn records(&mut self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut payload = Vec::new();
        while self.at < self.length {
            if let Some(record) = self.record(self.at, &mut payload)? {
                self.at = record.location.end();
                records.push(record);
                continue;
            }
            let Some(next) = self.next_intact(&mut payload)? else { break };
            if self.recovery.damaged.len() < STRETCHES_MAX {
                let (segment, offset, bytes) = (self.segment, self.at, next - self.at);
                self.recovery.damaged.push(Stretch { segment, offset, bytes });
            }
            self.at = next;
        }
        Ok(records)
    }

    fn record(&self, offset: u64, payload: &mut Vec<u8>) -> io::Result<Option<Record>> {
        let Some(header) = files::header_at(self.file, offset)? else { return Ok(None) };
        let (length, segment) = (header.payload_length, self.segment);
        let location = Location { segment, offset, length, header: header.length };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > BLOCK_BYTES_MAX || location.end() > self.length {
            return Ok(None);
        }
        payload.resize(length, 0);
        let read = files::read_up_to(self.file, payload, offset + u64::from(header.length))?;
        let intact = read == length && crc32c::crc32c(payload) == header.payload_checksum;
        Ok(Some(Record { multihash: header.cid.hash().to_bytes(), location, intact }))
    }

    fn next_intact(&self, payload: &mut Vec<u8>) -> io::Result<Option<u64>> {
        let mut window = vec![0; WINDOW_BYTES];
        let mut at = self.at + 1;
        loop {
            let read = files::read_up_to(self.file, &mut window, at)?;
            let bytes = window.get(..read).unwrap_or_default();
            if read <= record::FIND_OVERLAP_BYTES {
                return Ok(None);
            }
            let Some(found) = record::find(bytes) else {
                at += (read - record::FIND_OVERLAP_BYTES) as u64;
                continue;
            };
            let candidate = at + found as u64;
            if self.record(candidate, payload)?.is_some_and(|record| record.intact) {
                return Ok(Some(candidate));
            }
            at = candidate + 1;
        }
    }
}
