//! The tables on disk. One writer; readers have snapshots.

use super::{Account, Changes, StoredBlock};
use alloy_primitives::{Address, B256, Bytes, U256};
use redb::{Database, ReadTransaction, ReadableDatabase, StorageBackend, TableDefinition};
use std::{path::Path, sync::Arc};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const ACCOUNTS: TableDefinition<'_, &[u8; 20], &[u8]> = TableDefinition::new("accounts");
const STORAGE: TableDefinition<'_, &[u8; 52], &[u8; 32]> = TableDefinition::new("storage");
const CODE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("code");
const NODES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("nodes");
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
const RECEIPTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("receipts");
const NUMBERS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("numbers");
const HASHES: TableDefinition<'_, u64, &[u8; 32]> = TableDefinition::new("hashes");
const TRANSACTIONS: TableDefinition<'_, &[u8; 32], (u64, u32)> = TableDefinition::new("transactions");

/// Written into every store; another version is refused.
const VERSION: u32 = 1;
const VERSION_KEY: &str = "version";
const GENESIS_KEY: &str = "genesis";
const HEAD_KEY: &str = "head";
/// Memory that redb may use for pages.
const CACHE_BYTES: usize = 64 << 20;

/// The final state and history of one chain.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder belongs to another chain. Use another folder.
    #[error("the store holds chain {found}, not {expected}")]
    OtherChain { found: B256, expected: B256 },
    /// Written by another version of the program.
    #[error("the store has version {found}, this program reads {VERSION}")]
    Version { found: u32 },
    /// Another process has it open.
    #[error("the store is in use by another process")]
    InUse,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The disk fails or the file is damaged. The node must not go on with this store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed")]
    Database {
        #[source]
        source: Box<redb::Error>,
    },
    #[error("a stored {what} cannot be decoded")]
    Damaged {
        what: &'static str,
        #[source]
        source: Option<alloy_rlp::Error>,
    },
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(source: E) -> Self {
        Self::Database { source: Box::new(source.into()) }
    }
}

impl revm::database_interface::DBErrorMarker for StoreError {}

impl Store {
    /// Opens the store in `path` for the chain whose genesis is `genesis`, writing that first if the store is new.
    pub(crate) fn open(path: &Path, genesis: &StoredBlock, changes: &Changes) -> Result<Self, OpenError> {
        let opened = Database::builder().set_cache_size(CACHE_BYTES).create(path);
        let database = opened.map_err(|source| match source {
            redb::DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
            other => OpenError::Store(other.into()),
        })?;
        Self::check(database, genesis, changes)
    }

    /// The same on any storage, for simulations of disks that lose what was not synced.
    pub(crate) fn with_backend(
        backend: impl StorageBackend,
        genesis: &StoredBlock,
        changes: &Changes,
    ) -> Result<Self, OpenError> {
        let opened = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        Self::check(opened.map_err(StoreError::from)?, genesis, changes)
    }

    fn check(database: Database, genesis: &StoredBlock, changes: &Changes) -> Result<Self, OpenError> {
        let store = Self { database };
        let Some((version, found)) = store.identity()? else {
            store.write(genesis, changes, true)?;
            return Ok(store);
        };
        if version != VERSION {
            return Err(OpenError::Version { found: version });
        }
        if found != genesis.hash {
            return Err(OpenError::OtherChain { found, expected: genesis.hash });
        }
        Ok(store)
    }

    fn identity(&self) -> Result<Option<(u32, B256)>, StoreError> {
        let read = self.database.begin_read()?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let damaged = |what| StoreError::Damaged { what, source: None };
        let version = meta.get(VERSION_KEY)?.ok_or_else(|| damaged("version"))?;
        let version = version.value().try_into().map(u32::from_be_bytes).map_err(|_| damaged("version"))?;
        let genesis = meta.get(GENESIS_KEY)?.ok_or_else(|| damaged("genesis hash"))?;
        let genesis = B256::try_from(genesis.value()).map_err(|_| damaged("genesis hash"))?;
        Ok(Some((version, genesis)))
    }

    /// Makes `block` the head, in one durable transaction.
    pub(crate) fn commit(&self, block: &StoredBlock, changes: &Changes) -> Result<(), StoreError> {
        self.write(block, changes, false)
    }

    fn write(&self, stored: &StoredBlock, changes: &Changes, is_genesis: bool) -> Result<(), StoreError> {
        let number = stored.number();
        let write = self.database.begin_write()?;
        {
            let mut meta = write.open_table(META)?;
            if is_genesis {
                meta.insert(VERSION_KEY, VERSION.to_be_bytes().as_slice())?;
                meta.insert(GENESIS_KEY, stored.hash.as_slice())?;
            }
            meta.insert(
                HEAD_KEY,
                [number.to_be_bytes().as_slice(), stored.hash.as_slice()].concat().as_slice(),
            )?;
            write_state(&write, changes)?;
            write.open_table(BLOCKS)?.insert(number, stored.block_bytes().as_slice())?;
            write.open_table(RECEIPTS)?.insert(number, stored.receipt_bytes().as_slice())?;
            write.open_table(NUMBERS)?.insert(&stored.hash.0, number)?;
            write.open_table(HASHES)?.insert(number, &stored.hash.0)?;
            let mut transactions = write.open_table(TRANSACTIONS)?;
            for (index, transaction) in (0u32..).zip(&stored.block.body.transactions) {
                transactions.insert(&transaction.hash().0, (number, index))?;
            }
        }
        write.commit()?;
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        let read = self.database.begin_read()?;
        let snapshot = Snapshot {
            accounts: read.open_table(ACCOUNTS)?,
            storage: read.open_table(STORAGE)?,
            code: read.open_table(CODE)?,
            nodes: read.open_table(NODES)?,
            read,
        };
        Ok(Arc::new(snapshot))
    }
}

fn write_state(write: &redb::WriteTransaction, changes: &Changes) -> Result<(), StoreError> {
    let mut accounts = write.open_table(ACCOUNTS)?;
    for (address, account) in &changes.accounts {
        match account {
            Some(account) => accounts.insert(&address.0.0, account.to_rlp().as_slice())?,
            None => accounts.remove(&address.0.0)?,
        };
    }
    let mut storage = write.open_table(STORAGE)?;
    for ((address, slot), value) in &changes.storage {
        let key = storage_key(address, slot);
        if value.is_zero() {
            storage.remove(&key)?;
        } else {
            storage.insert(&key, &value.to_be_bytes::<32>())?;
        }
    }
    let mut code = write.open_table(CODE)?;
    for (hash, bytes) in &changes.code {
        code.insert(&hash.0, bytes.as_ref())?;
    }
    let mut nodes = write.open_table(NODES)?;
    for (hash, node) in &changes.nodes {
        nodes.insert(&hash.0, node.as_slice())?;
    }
    Ok(())
}

fn storage_key(address: &Address, slot: &U256) -> [u8; 52] {
    let mut key = [0; 52];
    let (left, right) = key.split_at_mut(20);
    left.copy_from_slice(address.as_slice());
    right.copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

/// The store as it was at one moment.
pub(crate) struct Snapshot {
    accounts: redb::ReadOnlyTable<&'static [u8; 20], &'static [u8]>,
    storage: redb::ReadOnlyTable<&'static [u8; 52], &'static [u8; 32]>,
    code: redb::ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    nodes: redb::ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    read: ReadTransaction,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(crate) fn head(&self) -> Result<(u64, B256), StoreError> {
        let damaged = || StoreError::Damaged { what: "head", source: None };
        let meta = self.read.open_table(META)?;
        let head = meta.get(HEAD_KEY)?.ok_or_else(damaged)?;
        let (number, hash) = head.value().split_at_checked(8).ok_or_else(damaged)?;
        let number = number.try_into().map(u64::from_be_bytes).map_err(|_| damaged())?;
        Ok((number, B256::try_from(hash).map_err(|_| damaged())?))
    }

    pub(crate) fn account(&self, address: &Address) -> Result<Option<Account>, StoreError> {
        let Some(bytes) = self.accounts.get(&address.0.0)? else { return Ok(None) };
        let account = Account::from_rlp(bytes.value());
        account.map(Some).map_err(|source| StoreError::Damaged { what: "account", source: Some(source) })
    }

    pub(crate) fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StoreError> {
        let value = self.storage.get(&storage_key(address, slot))?;
        Ok(value.map_or(U256::ZERO, |value| U256::from_be_bytes(*value.value())))
    }

    pub(crate) fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        Ok(self.code.get(&hash.0)?.map(|bytes| Bytes::copy_from_slice(bytes.value())))
    }

    pub(crate) fn node(&self, hash: &B256) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.nodes.get(&hash.0)?.map(|bytes| bytes.value().to_vec()))
    }

    pub(crate) fn block(&self, number: u64) -> Result<Option<StoredBlock>, StoreError> {
        let Some(hash) = self.hash(number)? else { return Ok(None) };
        let (blocks, receipts) = (self.read.open_table(BLOCKS)?, self.read.open_table(RECEIPTS)?);
        let (Some(block), Some(receipts)) = (blocks.get(number)?, receipts.get(number)?) else {
            return Err(StoreError::Damaged { what: "block", source: None });
        };
        let stored = StoredBlock::decode(hash, block.value(), receipts.value());
        stored.map(Some).map_err(|source| StoreError::Damaged { what: "block", source: Some(source) })
    }

    pub(crate) fn hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        Ok(self.read.open_table(HASHES)?.get(number)?.map(|hash| B256::from(*hash.value())))
    }

    pub(crate) fn number(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        Ok(self.read.open_table(NUMBERS)?.get(&hash.0)?.map(|number| number.value()))
    }

    /// Block and index of a transaction.
    pub(crate) fn transaction(&self, hash: &B256) -> Result<Option<(u64, u32)>, StoreError> {
        Ok(self.read.open_table(TRANSACTIONS)?.get(&hash.0)?.map(|place| place.value()))
    }
}
