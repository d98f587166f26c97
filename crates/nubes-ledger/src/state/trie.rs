//! Merkle Patricia tries over layers and disk: roots for headers, values of old states, proofs.

use super::{Account, Changes, Layer, Snapshot, StoreError};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::EMPTY_ROOT_HASH;
use eth_trie::{DB, EthTrie, Trie};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// Nodes by hash: new ones, those of layers, those on disk.
pub(crate) struct NodeStore {
    // The trie library writes through a shared reference; one thread uses it at a time.
    new: Mutex<BTreeMap<B256, Vec<u8>>>,
    layers: Vec<Arc<Layer>>,
    /// None: nothing is on disk yet.
    snapshot: Option<Arc<Snapshot>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TrieError {
    #[error("the trie failed")]
    Trie {
        #[source]
        source: eth_trie::TrieError,
    },
    #[error("a trie value cannot be decoded")]
    Value {
        #[source]
        source: alloy_rlp::Error,
    },
}

impl From<eth_trie::TrieError> for TrieError {
    fn from(source: eth_trie::TrieError) -> Self {
        Self::Trie { source }
    }
}

impl From<alloy_rlp::Error> for TrieError {
    fn from(source: alloy_rlp::Error) -> Self {
        Self::Value { source }
    }
}

/// Proof of an account and some of its slots (EIP-1186).
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    pub(crate) account: Account,
    /// Nodes from the state root to the account.
    pub(crate) nodes: Vec<Bytes>,
    pub(crate) storage: Vec<(U256, U256, Vec<Bytes>)>,
}

impl DB for NodeStore {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Ok(hash) = B256::try_from(key) else { return Ok(None) };
        if let Some(node) = self.new.lock().get(&hash) {
            return Ok(Some(node.clone()));
        }
        if let Some(node) = self.layers.iter().find_map(|layer| layer.changes.nodes.get(&hash)) {
            return Ok(Some(node.clone()));
        }
        self.snapshot.as_ref().map_or(Ok(None), |snapshot| snapshot.node(&hash))
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        if let Ok(hash) = B256::try_from(key) {
            self.new.lock().insert(hash, value);
        }
        Ok(())
    }

    /// Does nothing: sibling blocks and older states still need the node.
    fn remove(&self, _key: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl NodeStore {
    pub(crate) const fn new(layers: Vec<Arc<Layer>>, snapshot: Arc<Snapshot>) -> Self {
        Self { new: Mutex::new(BTreeMap::new()), layers, snapshot: Some(snapshot) }
    }

    /// Before the first block.
    pub(crate) const fn empty() -> Self {
        Self { new: Mutex::new(BTreeMap::new()), layers: Vec::new(), snapshot: None }
    }

    pub(crate) fn account(self, root: B256, address: &Address) -> Result<Option<Account>, TrieError> {
        let value = open(&Arc::new(self), root)?.get(keccak256(address).as_slice())?;
        value.map(|value| Account::from_rlp(&value).map_err(TrieError::from)).transpose()
    }

    pub(crate) fn storage(self, root: B256, slot: &U256) -> Result<U256, TrieError> {
        let value = open(&Arc::new(self), root)?.get(slot_key(slot).as_slice())?;
        value.map_or(Ok(U256::ZERO), |value| Ok(U256::decode(&mut value.as_slice())?))
    }

    pub(crate) fn prove(self, root: B256, address: &Address, slots: &[U256]) -> Result<Proof, TrieError> {
        let nodes = Arc::new(self);
        let key = keccak256(address);
        let mut accounts = open(&nodes, root)?;
        let account = accounts.get(key.as_slice())?.map(|value| Account::from_rlp(&value)).transpose()?;
        let proof = to_bytes(accounts.get_proof(key.as_slice())?);
        let account = account.unwrap_or(Account::EMPTY);
        let mut storage = Vec::with_capacity(slots.len());
        for slot in slots {
            let mut trie = open(&nodes, account.storage_root)?;
            let value = trie.get(slot_key(slot).as_slice())?;
            let value =
                value.map(|value| U256::decode(&mut value.as_slice())).transpose()?.unwrap_or_default();
            let proof = if account.storage_root == EMPTY_ROOT_HASH {
                Vec::new()
            } else {
                trie.get_proof(slot_key(slot).as_slice())?
            };
            storage.push((*slot, value, to_bytes(proof)));
        }
        Ok(Proof { account, nodes: proof, storage })
    }
}

/// Brings the tries up to `changes`, which gets the storage roots and the new nodes; returns the state root.
pub(crate) fn apply(nodes: NodeStore, root: B256, changes: &mut Changes) -> Result<B256, TrieError> {
    let nodes = Arc::new(nodes);
    let mut slots: BTreeMap<Address, Vec<(U256, U256)>> = BTreeMap::new();
    for ((address, slot), value) in &changes.storage {
        slots.entry(*address).or_default().push((*slot, *value));
    }
    for (address, slots) in slots {
        let Some(Some(account)) = changes.accounts.get_mut(&address) else { continue };
        let mut trie = open(&nodes, account.storage_root)?;
        for (slot, value) in slots {
            if value.is_zero() {
                trie.remove(slot_key(&slot).as_slice())?;
            } else {
                trie.insert(slot_key(&slot).as_slice(), &alloy_rlp::encode(value))?;
            }
        }
        account.storage_root = trie.root_hash()?;
    }
    let mut accounts = open(&nodes, root)?;
    for (address, account) in &changes.accounts {
        let key = keccak256(address);
        match account {
            Some(account) => accounts.insert(key.as_slice(), &account.to_rlp())?,
            None => {
                accounts.remove(key.as_slice())?;
            }
        }
    }
    let root = accounts.root_hash()?;
    changes.nodes = std::mem::take(&mut *nodes.new.lock());
    Ok(root)
}

fn open(nodes: &Arc<NodeStore>, root: B256) -> Result<EthTrie<NodeStore>, TrieError> {
    if root == EMPTY_ROOT_HASH {
        return Ok(EthTrie::new(Arc::clone(nodes)));
    }
    Ok(EthTrie::from(Arc::clone(nodes), root)?)
}

fn slot_key(slot: &U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

fn to_bytes(nodes: Vec<Vec<u8>>) -> Vec<Bytes> {
    nodes.into_iter().map(Bytes::from).collect()
}
