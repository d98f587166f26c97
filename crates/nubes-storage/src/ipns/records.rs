//! The records that this node keeps, by key.

use super::{KeyName, Record, RecordError};
use crate::tables;
use bytes::Bytes;
use nubes_base::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Names whose records are kept; more are refused until others have expired.
pub const RECORDS_MAX: u64 = 100_000;
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ipns-records");

/// Clones share the records.
#[derive(Clone)]
pub struct Records {
    database: Arc<Database>,
}

/// What is known of a name.
#[derive(Debug)]
pub enum Lookup {
    Valid(Record),
    /// There is a record, and it is of no use.
    Invalid(RecordError),
    Unknown,
}

/// The file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the records of names {}", path.display())]
pub struct OpenError {
    pub path: PathBuf,
    #[source]
    pub source: redb::Error,
}

#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The kept one has a higher sequence. Sign one that is higher still.
    #[error("a newer record of {key} is kept, with sequence {sequence}")]
    Older { key: KeyName, sequence: u64 },
    #[error("the node keeps the records of {RECORDS_MAX} names already")]
    Full,
    #[error("the records of names cannot be written")]
    Store {
        #[source]
        source: redb::Error,
    },
}

impl Records {
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let refuse = |source: redb::Error| OpenError { path: path.to_owned(), source };
        let database = Database::create(path).map_err(|error| refuse(error.into()))?;
        Ok(Self { database: Arc::new(database) })
    }

    /// Keeps a record if it is valid and not older than the one that is kept; durable on return.
    pub fn put(&self, key: &KeyName, bytes: Bytes, now: Timestamp) -> Result<(), PutError> {
        let record = Record::verify(key, bytes, now)?;
        let kept = self.get(key, now).map_err(|source| PutError::Store { source })?;
        if let Lookup::Valid(kept) = kept
            && kept.is_newer_than(&record)
        {
            return Err(PutError::Older { key: *key, sequence: kept.sequence });
        }
        self.insert(key, &record.bytes)
            .map_err(|source| PutError::Store { source })?
            .then_some(())
            .ok_or(PutError::Full)
    }

    /// The record of `key` as of `now`.
    pub fn get(&self, key: &KeyName, now: Timestamp) -> Result<Lookup, redb::Error> {
        let read = self.database.begin_read()?;
        let table = match read.open_table(RECORDS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Lookup::Unknown),
            Err(error) => return Err(error.into()),
        };
        let Some(kept) = table.get(key.multihash().to_bytes().as_slice())? else {
            return Ok(Lookup::Unknown);
        };
        match Record::verify(key, Bytes::copy_from_slice(kept.value()), now) {
            Ok(record) => Ok(Lookup::Valid(record)),
            Err(error) => Ok(Lookup::Invalid(error)),
        }
    }

    /// Makes a copy at `to`, where no file may be.
    pub fn copy(&self, to: &Path) -> Result<(), redb::Error> {
        let read = self.database.begin_read()?;
        tables::file(&read, to, |read, write| tables::table((read, write), RECORDS))
    }

    /// False: there is no room.
    fn insert(&self, key: &KeyName, bytes: &[u8]) -> Result<bool, redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(RECORDS)?;
            let key = key.multihash().to_bytes();
            if table.len()? >= RECORDS_MAX && table.get(key.as_slice())?.is_none() {
                return Ok(false);
            }
            table.insert(key.as_slice(), bytes)?;
        }
        write.commit()?;
        Ok(true)
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}
