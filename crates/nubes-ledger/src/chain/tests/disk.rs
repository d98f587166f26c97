//! A disk in memory that can lose its power, and with it what was not synced.

use alloy_primitives::{B256, keccak256};
use parking_lot::Mutex;
use redb::StorageBackend;
use std::{io, sync::Arc};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Platters>>);

#[derive(Debug, Default)]
struct Platters {
    durable: Vec<u8>,
    /// With everything that is in the cache.
    seen: Vec<u8>,
    pending: Vec<Write>,
    operations: usize,
    operations_max: Option<usize>,
}

#[derive(Clone, Debug)]
enum Write {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Write {
    fn apply(&self, platters: &mut Vec<u8>) {
        match self {
            Self::Length(length) => platters.resize(*length, 0),
            Self::Bytes(offset, bytes) => {
                let end = offset + bytes.len();
                // The write that made room may have been lost before this one.
                platters.resize(platters.len().max(end), 0);
                platters[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    /// Fails every write and sync after the next `operations`.
    pub(super) fn fail_after(&self, operations: usize) {
        let mut platters = self.0.lock();
        platters.operations_max = Some(platters.operations + operations);
    }

    pub(super) fn operations(&self) -> usize {
        self.0.lock().operations
    }

    /// The disk after a loss of power: of what was not synced any sector may be there, whatever came after it.
    pub(super) fn after_crash(&self, seed: u64) -> Self {
        let platters = self.0.lock();
        let mut left = platters.durable.clone();
        for (index, write) in (0u64..).zip(&platters.pending) {
            let luck = keccak256([seed.to_be_bytes(), index.to_be_bytes()].concat());
            for part in survivors(write, luck) {
                part.apply(&mut left);
            }
        }
        Self(Arc::new(Mutex::new(Platters { seen: left.clone(), durable: left, ..Platters::default() })))
    }
}

/// A third of all writes survives whole, a third is lost, a third loses some sectors.
fn survivors(write: &Write, luck: B256) -> Vec<Write> {
    match (luck[0] % 3, write) {
        (0, _) => Vec::new(),
        (1, Write::Bytes(offset, bytes)) => {
            let sectors = bytes.chunks(SECTOR_BYTES).enumerate();
            let lucky = sectors.filter(|(index, _)| luck[1 + index % 31].is_multiple_of(2));
            lucky
                .map(|(index, sector)| Write::Bytes(offset + index * SECTOR_BYTES, sector.to_vec()))
                .collect()
        }
        _ => vec![write.clone()],
    }
}

impl Platters {
    fn count(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.operations_max.is_some_and(|max| self.operations > max) {
            return Err(io::Error::other("no power"));
        }
        Ok(())
    }

    fn write(&mut self, write: Write) -> io::Result<()> {
        self.count()?;
        write.apply(&mut self.seen);
        self.pending.push(write);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platters = self.0.lock();
        let offset = usize::try_from(offset).unwrap();
        let bytes = platters.seen.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.lock().write(Write::Length(usize::try_from(length).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platters = self.0.lock();
        platters.count()?;
        let pending = std::mem::take(&mut platters.pending);
        for write in pending {
            write.apply(&mut platters.durable);
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().write(Write::Bytes(usize::try_from(offset).unwrap(), bytes.to_vec()))
    }
}
