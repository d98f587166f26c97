//! Taking a block's bytes off the disk.
//!
//! A block can have more than one record: of a repair, of a collection that a crash ended, of one that removed it from
//! the index only. So every header is read, and each record of the block is overwritten. A record whose header is damaged
//! has no name and is not found.

use super::disk::{self, DiskFile};
use super::index::{Location, Position};
use super::scan::{Found, Payloads, Scan};
use super::writer::Writer;
use super::{Inner, MaintainError, PutError, Store, record};
use multihash::Multihash;
use redb::Durability;
use std::io;

/// What an erasure did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Overwritten; none if the block was not here.
    pub records: u64,
}

impl Store {
    /// Removes a block and overwrites its bytes, durably, in every segment. Copies elsewhere, as in a backup, stay. It
    /// reads the headers of all records, so it takes long in a large store. One that fails may leave the block damaged;
    /// erase it again.
    pub async fn erase(&self, hash: &Multihash<64>) -> Result<Erased, MaintainError> {
        let _turn = self.inner.maintenance.lock().await;
        let multihash = hash.to_bytes();
        let named = multihash.clone();
        let (indexed, end) = self.maintain(move |writer| writer.take_out_durably(&named)).await??;
        self.inner.forget(&multihash);
        let named = multihash.clone();
        let mut records = self.blocking(move |inner| Ok(inner.records_of(&named, end)?)).await?;
        // Its header may be damaged, so the search may have missed it.
        records.extend(indexed.filter(|indexed| !records.contains(indexed)));
        let mut erased = Erased::default();
        for location in records {
            let named = multihash.clone();
            let is_gone = self.maintain(move |writer| writer.overwrite(&named, location)).await??;
            erased.records += u64::from(is_gone);
        }
        Ok(erased)
    }
}

impl Inner {
    /// All records of a block before `end`, whether the index knows them or not.
    fn records_of(&self, multihash: &[u8], end: Position) -> io::Result<Vec<Location>> {
        let mut found = Vec::new();
        for (segment, length) in self.parts.segments.list()? {
            let length = if segment == end.segment { end.offset.min(length) } else { length };
            let file = self.parts.segments.open_to_read(segment)?;
            let mut scan = Scan { file: &*file, segment, at: 0, length, payloads: Payloads::Skip };
            while segment <= end.segment
                && let Some(next) = scan.next()?
            {
                if let Found::Record(record) = next
                    && record.multihash == multihash
                {
                    found.push(record.location);
                }
            }
        }
        Ok(found)
    }
}

impl Writer {
    fn take_out_durably(&mut self, multihash: &[u8]) -> Result<(Option<Location>, Position), PutError> {
        // A write that was rolled back and a segment that was deleted are not gone before that.
        self.sync()
            .and_then(|()| self.parts.segments.sync())
            .map_err(|source| self.write_error(source, 0))?;
        let indexed = self.locate(multihash)?;
        // Also if it is not there: a collection may have taken it out, and not durably if the disk was full.
        self.remove_from_index(&[multihash.to_vec()], Durability::Immediate)?;
        Ok((indexed, self.tail))
    }

    /// False if the block was put again and this is its record.
    fn overwrite(&mut self, multihash: &[u8], location: Location) -> Result<bool, MaintainError> {
        if self.locate(multihash)? == Some(location) {
            return Ok(false);
        }
        let file = self.parts.segments.open_to_change(location.segment)?;
        let overwritten = overwrite(&*file, location);
        // The file of the tail is not trusted again after a failed sync.
        self.has_failed |= overwritten.is_err() && location.segment == self.tail.segment;
        overwritten?;
        Ok(true)
    }
}

// The name goes last, so that a crash leaves nothing that a second erasure does not find.
fn overwrite(file: &dyn DiskFile, location: Location) -> io::Result<()> {
    let length = file.length()?;
    let payload = location.offset + u64::from(location.header);
    let bytes = u64::from(location.length).min(length.saturating_sub(payload));
    if bytes > 0 {
        file.punch(payload, bytes)?;
        file.sync()?;
    }
    let header = record::encode_erased(location.header, location.length);
    if payload <= length {
        disk::write_all(file, &header, location.offset)?;
    }
    file.sync()
}
