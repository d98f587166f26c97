//! Reading a segment from one record to the next.

use super::disk::{self, DiskFile};
use super::index::Location;
use super::record::{self, HEADER_BYTES_MAX, Trace};
use crate::block::BLOCK_BYTES_MAX;
use std::io;

/// Window in which the next record is searched behind a damaged one.
const WINDOW_BYTES: usize = 1 << 20;

/// Bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub segment: u32,
    pub offset: u64,
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) enum Found {
    Record(Record),
    /// These bytes are no record; one follows.
    Gap(Stretch),
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) multihash: Vec<u8>,
    pub(super) location: Location,
    /// False if the payload is damaged. Not looked at with [`Payloads::Skip`].
    pub(super) intact: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payloads {
    Check,
    Skip,
}

/// A place in a segment. Records that were erased are passed over.
pub(super) struct Scan<'a> {
    pub(super) file: &'a dyn DiskFile,
    pub(super) segment: u32,
    pub(super) at: u64,
    pub(super) length: u64,
    pub(super) payloads: Payloads,
}

impl Scan<'_> {
    /// Nothing if no record follows; what is between `at` and `length` then is none.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        while self.at < self.length {
            match self.trace(self.at)? {
                Some(Trace::Erased { bytes }) => self.at += bytes,
                Some(Trace::Record(_)) if let Some(record) = self.record(self.at, self.payloads)? => {
                    self.at = record.location.end();
                    return Ok(Some(Found::Record(record)));
                }
                _ => {
                    let Some(next) = self.next_intact()? else { return Ok(None) };
                    let (segment, offset, bytes) = (self.segment, self.at, next - self.at);
                    self.at = next;
                    return Ok(Some(Found::Gap(Stretch { segment, offset, bytes })));
                }
            }
        }
        Ok(None)
    }

    fn trace(&self, offset: u64) -> io::Result<Option<Trace>> {
        let mut bytes = [0; HEADER_BYTES_MAX];
        let length = disk::read_up_to(self.file, &mut bytes, offset)?;
        let trace = bytes.get(..length).and_then(record::trace);
        let fits = |bytes: u64| offset.saturating_add(bytes) <= self.length;
        Ok(trace.filter(|trace| !matches!(trace, Trace::Erased { bytes } if !fits(*bytes))))
    }

    fn record(&self, offset: u64, payloads: Payloads) -> io::Result<Option<Record>> {
        let Some(Trace::Record(header)) = self.trace(offset)? else { return Ok(None) };
        let (length, segment) = (header.payload_length, self.segment);
        let location = Location { segment, offset, length, header: header.length };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > BLOCK_BYTES_MAX || location.end() > self.length {
            return Ok(None);
        }
        let multihash = header.cid.hash().to_bytes();
        if payloads == Payloads::Skip {
            return Ok(Some(Record { multihash, location, intact: true }));
        }
        let mut payload = vec![0; length];
        let read = disk::read_up_to(self.file, &mut payload, offset + u64::from(header.length))?;
        let intact = read == length && crc32c::crc32c(&payload) == header.payload_checksum;
        Ok(Some(Record { multihash, location, intact }))
    }

    fn next_intact(&self) -> io::Result<Option<u64>> {
        let mut window = vec![0; WINDOW_BYTES];
        let mut at = self.at + 1;
        loop {
            let read = disk::read_up_to(self.file, &mut window, at)?;
            let bytes = window.get(..read).unwrap_or_default();
            if read <= record::FIND_OVERLAP_BYTES {
                return Ok(None);
            }
            let Some(found) = record::find(bytes) else {
                at += (read - record::FIND_OVERLAP_BYTES) as u64;
                continue;
            };
            let candidate = at + found as u64;
            if self.record(candidate, Payloads::Check)?.is_some_and(|record| record.intact) {
                return Ok(Some(candidate));
            }
            at = candidate + 1;
        }
    }
}
