//! Where each block is. Everything here can be read again from the segments.

use super::OpenError;
use super::backing::Backing;
use super::disk::{Access, Disk};
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};
use std::{
    io,
    ops::Bound,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
};

const BLOCKS: TableDefinition<'_, &[u8], (u32, u64, u32, u8)> = TableDefinition::new("blocks");
const STATE: TableDefinition<'_, &str, (u32, u64)> = TableDefinition::new("state");
const TAIL: &str = "tail";
/// Memory for pages of the index.
const CACHE_BYTES: usize = 32 << 20;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) segment: u32,
    /// Where the record begins.
    pub(super) offset: u64,
    /// Bytes of the payload.
    pub(super) length: u32,
    /// Bytes of the header, which precede the payload.
    pub(super) header: u8,
}

impl Location {
    pub(super) fn end(self) -> u64 {
        self.offset + self.bytes()
    }

    /// Of the record.
    pub(super) fn bytes(self) -> u64 {
        u64::from(self.header) + u64::from(self.length)
    }
}

/// A place in the sequence of all segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) segment: u32,
    pub(super) offset: u64,
}

/// Before the first record.
pub(super) const START: Position = Position { segment: 1, offset: 0 };

/// A multihash in bytes and where its block is.
pub(super) type Entry = (Vec<u8>, Location);

#[derive(Debug)]
pub(super) struct Index {
    /// There until the end.
    database: Option<Database>,
    file: IndexFile,
}

impl Drop for Index {
    fn drop(&mut self) {
        let database = self.database.take();
        // The file is given up by that, and nobody is left to tell.
        let _ = self.file.guarded(|| {
            drop(database);
            Ok(())
        });
    }
}

#[derive(Debug)]
struct IndexFile {
    backing: Backing,
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl IndexFile {
    // redb checks its pages after a crash only, and panics on some that are damaged. The index is not worth the process.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
        panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            self.backing.give_up();
            Err(redb::Error::Corrupted("the index is damaged".to_owned()))
        })
    }

    // A file that is not what redb believes may look whole and be wrong; without it the next start reads the segments.
    fn remove_if_lost(&self) -> Result<(), redb::Error> {
        if !self.backing.is_lost() {
            return Ok(());
        }
        if let Err(error) = self.disk.remove(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(%error, "cannot remove the index of the block store after a failed sync; delete it");
        }
        Err(redb::Error::Io(io::Error::other("the index could not be synced")))
    }
}

impl Drop for IndexFile {
    fn drop(&mut self) {
        if self.remove_if_lost().is_err() {
            tracing::warn!("the index of the block store was given up; the next start rebuilds it");
        }
    }
}

impl Index {
    /// Opens the index. An unreadable one is put aside and an empty one made; true if it is empty.
    pub(super) fn open_or_replace(disk: &Arc<dyn Disk>, path: &Path) -> Result<(Self, bool), OpenError> {
        let source = match Self::open(disk, path) {
            Ok(opened) => return Ok(opened),
            Err(source) => source,
        };
        tracing::warn!(error = %source, "the index of the block store is unreadable and is rebuilt");
        Ok((Self::replace(disk, path)?, true))
    }

    /// Puts the index aside, which must not be open, and makes an empty one.
    pub(super) fn replace(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        match disk.rename(path, &path.with_extension("damaged")) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(OpenError::Io { path: path.to_owned(), source })
            }
            _ => Ok(Self::open(disk, path).map_err(|source| OpenError::Index { source })?.0),
        }
    }

    fn open(disk: &Arc<dyn Disk>, path: &Path) -> Result<(Self, bool), redb::Error> {
        let backing = Backing::new(disk.open(path, Access::Write)?);
        let file = IndexFile { backing: backing.clone(), disk: Arc::clone(disk), path: path.to_owned() };
        let (database, fresh) = file.guarded(|| {
            let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backing)?;
            let transaction = database.begin_write()?;
            transaction.open_table(BLOCKS)?;
            let fresh = transaction.open_table(STATE)?.get(TAIL)?.is_none();
            transaction.commit()?;
            Ok((database, fresh))
        })?;
        file.remove_if_lost()?;
        Ok((Self { database: Some(database), file }, fresh))
    }

    /// Writes what found no room before. As long as this fails nothing may be inserted.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.file.backing.settle()?;
        if self.file.backing.is_lost() {
            Err(io::Error::other("the index could not be synced"))
        } else {
            Ok(())
        }
    }

    pub(super) fn get(&self, multihash: &[u8]) -> Result<Option<Location>, redb::Error> {
        self.read(|transaction| {
            let blocks = transaction.open_table(BLOCKS)?;
            Ok(blocks.get(multihash)?.map(|found| location(found.value())))
        })
    }

    /// Up to where the segments are indexed.
    pub(super) fn tail(&self) -> Result<Position, redb::Error> {
        self.read(|transaction| {
            let tail = transaction.open_table(STATE)?.get(TAIL)?.map(|found| found.value());
            Ok(tail.map_or(START, |(segment, offset)| Position { segment, offset }))
        })
    }

    /// Adds `entries` and takes out `removed`; everything before `tail` is indexed then. What is to be durable at once is
    /// so when [`Index::settle`] works too.
    pub(super) fn change(
        &self,
        entries: &[Entry],
        removed: &[Vec<u8>],
        tail: Position,
        durability: Durability,
    ) -> Result<(), redb::Error> {
        let database = self.database()?;
        self.file.guarded(|| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(durability)?;
            {
                let mut blocks = transaction.open_table(BLOCKS)?;
                for (multihash, Location { segment, offset, length, header }) in entries {
                    blocks.insert(multihash.as_slice(), (*segment, *offset, *length, *header))?;
                }
                for multihash in removed {
                    blocks.remove(multihash.as_slice())?;
                }
                transaction.open_table(STATE)?.insert(TAIL, (tail.segment, tail.offset))?;
            }
            Ok(transaction.commit()?)
        })?;
        self.file.remove_if_lost()
    }

    /// Up to `count` entries behind `after`, by rising multihash.
    pub(super) fn page(&self, after: Option<&[u8]>, count: usize) -> Result<Vec<Entry>, redb::Error> {
        self.read(|transaction| {
            let blocks = transaction.open_table(BLOCKS)?;
            let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            let entries = blocks.range::<&[u8]>(behind)?.take(count);
            entries
                .map(|entry| {
                    entry.map(|(multihash, found)| (multihash.value().to_vec(), location(found.value())))
                })
                .collect::<Result<_, _>>()
                .map_err(Into::into)
        })
    }

    /// The entries as they are now, whatever changes later.
    pub(super) fn snapshot(&self) -> Result<ReadTransaction, redb::Error> {
        let database = self.database()?;
        self.file.guarded(|| Ok(database.begin_read()?))
    }

    /// Calls `each` for every entry, by rising multihash.
    pub(super) fn for_each(&self, each: impl FnMut(&[u8], Location)) -> Result<(), redb::Error> {
        self.read(|transaction| for_each(transaction, each))
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let database = self.database()?;
        self.file.guarded(|| work(&database.begin_read()?))
    }

    fn database(&self) -> Result<&Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::DatabaseAlreadyOpen)
    }
}

/// Calls `each` for every entry of a snapshot, by rising multihash.
pub(super) fn for_each(
    snapshot: &ReadTransaction,
    mut each: impl FnMut(&[u8], Location),
) -> Result<(), redb::Error> {
    for entry in snapshot.open_table(BLOCKS)?.iter()? {
        let (multihash, found) = entry?;
        each(multihash.value(), location(found.value()));
    }
    Ok(())
}

const fn location((segment, offset, length, header): (u32, u64, u32, u8)) -> Location {
    Location { segment, offset, length, header }
}
