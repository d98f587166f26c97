//! The state after one block, as the EVM reads it.

use super::{Account, Layer, NodeStore, Snapshot, StoreError, TrieError};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::{
    bytecode::Bytecode,
    database_interface::{DBErrorMarker, DatabaseRef},
    state::AccountInfo,
};
use std::{fmt, sync::Arc};

/// Reads one state. Cheap to clone.
#[derive(Clone)]
pub(crate) struct View {
    /// Newest first.
    layers: Vec<Arc<Layer>>,
    snapshot: Arc<Snapshot>,
    /// A state older than the final head is read through its trie.
    past_root: Option<B256>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("layers", &self.layers.len())
            .field("past_root", &self.past_root)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Trie(#[from] TrieError),
    #[error("code {0} is missing")]
    NoCode(B256),
}

impl DBErrorMarker for ViewError {}

impl View {
    /// The final head with `layers` (newest first) above it.
    pub(crate) const fn new(layers: Vec<Arc<Layer>>, snapshot: Arc<Snapshot>) -> Self {
        Self { layers, snapshot, past_root: None }
    }

    /// The state whose root is `root`, of a block at or below the final head.
    pub(crate) const fn past(root: B256, snapshot: Arc<Snapshot>) -> Self {
        Self { layers: Vec::new(), snapshot, past_root: Some(root) }
    }

    pub(crate) fn nodes(&self) -> NodeStore {
        NodeStore::new(self.layers.clone(), Arc::clone(&self.snapshot))
    }

    pub(crate) fn account(&self, address: &Address) -> Result<Option<Account>, ViewError> {
        if let Some(root) = self.past_root {
            return Ok(self.nodes().account(root, address)?);
        }
        let changed = self.layers.iter().find_map(|layer| layer.changes.accounts.get(address));
        match changed {
            Some(account) => Ok(*account),
            None => Ok(self.snapshot.account(address)?),
        }
    }

    pub(crate) fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ViewError> {
        if self.past_root.is_some() {
            let Some(account) = self.account(address)? else { return Ok(U256::ZERO) };
            return Ok(self.nodes().storage(account.storage_root, slot)?);
        }
        let key = (*address, *slot);
        match self.layers.iter().find_map(|layer| layer.changes.storage.get(&key)) {
            Some(value) => Ok(*value),
            None => Ok(self.snapshot.storage(address, slot)?),
        }
    }

    pub(crate) fn code(&self, hash: &B256) -> Result<Bytes, ViewError> {
        if *hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        if let Some(code) = self.layers.iter().find_map(|layer| layer.changes.code.get(hash)) {
            return Ok(code.clone());
        }
        self.snapshot.code(hash)?.ok_or(ViewError::NoCode(*hash))
    }

    /// Zero for an account that does not exist.
    pub(crate) fn nonce(&self, address: &Address) -> Result<u64, ViewError> {
        Ok(self.account(address)?.map_or(0, |account| account.nonce))
    }
}

impl DatabaseRef for View {
    type Error = ViewError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ViewError> {
        let info = |account: Account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            ..AccountInfo::default()
        };
        // The default carries empty code; the EVM asks for it by hash when there is some.
        let without_code = |mut info: AccountInfo| {
            info.code = None;
            info
        };
        Ok(self.account(&address)?.map(info).map(without_code))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ViewError> {
        Ok(Bytecode::new_raw(self.code(&hash)?))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, ViewError> {
        self.storage(&address, &slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ViewError> {
        if let Some(layer) = self.layers.iter().find(|layer| layer.height() == number) {
            return Ok(layer.stored.hash);
        }
        Ok(self.snapshot.hash(number)?.unwrap_or_default())
    }
}
