//! What one executed block changed, in memory until it is final.

use super::{Account, StoredBlock};
use alloy_primitives::{Address, B256, Bytes, U256};
use std::{collections::BTreeMap, sync::Arc};

/// Differences between the states before and after a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// None: the account is gone.
    pub(crate) accounts: BTreeMap<Address, Option<Account>>,
    /// Zero: the slot is gone. An account with storage is never deleted: since Cancun SELFDESTRUCT deletes only what
    /// was created in the same transaction.
    pub(crate) storage: BTreeMap<(Address, U256), U256>,
    pub(crate) code: BTreeMap<B256, Bytes>,
    /// New trie nodes by hash.
    pub(crate) nodes: BTreeMap<B256, Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) stored: Arc<StoredBlock>,
    pub(crate) changes: Changes,
}

impl Layer {
    pub(crate) fn parent(&self) -> B256 {
        self.stored.block.header.parent_hash
    }

    pub(crate) fn height(&self) -> u64 {
        self.stored.number()
    }
}
