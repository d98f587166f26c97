//! The chain of states: executes what consensus asks, keeps what is final, answers questions about both.
//!
//! Locking: `inner` is held for look-ups and swaps only, never during execution or a write to disk. Blocks become
//! final one at a time, under `finalizing`.

mod query;
mod source;

pub(crate) use query::logs_of;
pub use query::{
    At, BlockAt, FeeHistory, LOG_BLOCKS_MAX, LOGS_MAX, LogFilter, LogsError, PlacedLog, QueryError,
};
pub use source::{NonceOf, TransactionSource};

use crate::{
    exec::{self, BLOCK_TRANSACTIONS_MAX, BlockInput, ExecError, Executed},
    genesis::Genesis,
    state::{Account, Changes, Layer, OpenError, Snapshot, Store, StoredBlock, View, apply},
};
use alloy_consensus::{
    BlockBody, EMPTY_OMMER_ROOT_HASH, Header, TxEnvelope,
    transaction::{Recovered, SignerRecoverable as _},
};
use alloy_eips::{eip4895::Withdrawals, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use nubes_consensus::{EthBlock, MachineError, Slot, StateMachine};
use parking_lot::{Mutex, RwLock};
use redb::StorageBackend;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use tokio::sync::{Notify, broadcast};

/// Final blocks that a slow subscriber may fall behind before it loses some.
pub const FINAL_BLOCKS_QUEUED_MAX: usize = 1_024;
/// Layers in memory. Simplex keeps few blocks open at a time; more is a peer's doing.
pub const LAYERS_MAX: usize = 512;

/// The state machine of one validator.
#[derive(Debug)]
pub struct Chain {
    id: u64,
    genesis: EthBlock,
    store: Store,
    // Shared by consensus threads and RPC: look-ups must not wait for another task's turn.
    inner: RwLock<Inner>,
    // One block becomes final after the other, whoever asks.
    finalizing: Mutex<()>,
    source: Arc<dyn TransactionSource>,
    finals: broadcast::Sender<Arc<StoredBlock>>,
}

#[derive(Debug)]
struct Inner {
    head: Arc<StoredBlock>,
    snapshot: Arc<Snapshot>,
    layers: BTreeMap<B256, Arc<Layer>>,
}

impl Chain {
    /// Opens the chain in `path`, which is made if it does not exist.
    pub fn open(
        path: &Path,
        genesis: &Genesis,
        source: Arc<dyn TransactionSource>,
    ) -> Result<Self, OpenError> {
        Self::with_store(genesis, source, |block, changes| Store::open(path, block, changes))
    }

    /// The same on any storage.
    pub fn with_backend(
        backend: impl StorageBackend,
        genesis: &Genesis,
        source: Arc<dyn TransactionSource>,
    ) -> Result<Self, OpenError> {
        Self::with_store(genesis, source, |block, changes| Store::with_backend(backend, block, changes))
    }

    fn with_store(
        genesis: &Genesis,
        source: Arc<dyn TransactionSource>,
        open: impl FnOnce(&StoredBlock, &Changes) -> Result<Store, OpenError>,
    ) -> Result<Self, OpenError> {
        let (block, changes) = first_block(genesis)?;
        let store = open(&block, &changes)?;
        let snapshot = store.snapshot().map_err(OpenError::Store)?;
        let (number, _) = snapshot.head()?;
        let damaged = crate::state::StoreError::Damaged { what: "head", source: None };
        let head = Arc::new(snapshot.block(number)?.ok_or(damaged)?);
        let (finals, _) = broadcast::channel(FINAL_BLOCKS_QUEUED_MAX);
        Ok(Self {
            id: genesis.chain_id,
            genesis: block.block.as_ref().clone(),
            store,
            inner: RwLock::new(Inner { head, snapshot, layers: BTreeMap::new() }),
            finalizing: Mutex::new(()),
            source,
            finals,
        })
    }

    pub const fn chain_id(&self) -> u64 {
        self.id
    }

    pub fn genesis_hash(&self) -> B256 {
        self.genesis.header.hash_slow()
    }

    /// The newest final block.
    pub fn head(&self) -> Arc<StoredBlock> {
        Arc::clone(&self.inner.read().head)
    }

    /// Final blocks from now on.
    pub fn follow(&self) -> broadcast::Receiver<Arc<StoredBlock>> {
        self.finals.subscribe()
    }

    /// Header of a known block and the state after it.
    fn state_after(&self, hash: &B256) -> Option<(Header, View)> {
        let inner = self.inner.read();
        let mut layers = Vec::new();
        let mut at = *hash;
        while at != inner.head.hash {
            let layer = inner.layers.get(&at)?;
            at = layer.parent();
            layers.push(Arc::clone(layer));
        }
        let header =
            layers.first().map_or(&inner.head.block.header, |layer| &layer.stored.block.header).clone();
        Some((header, View::new(layers, Arc::clone(&inner.snapshot))))
    }

    fn keep(&self, executed: Executed) -> Arc<StoredBlock> {
        let stored = Arc::new(executed.stored);
        let layer = Arc::new(Layer { stored: Arc::clone(&stored), changes: executed.changes });
        let mut inner = self.inner.write();
        let is_there = inner.layers.contains_key(&stored.hash);
        if is_there || inner.layers.len() < LAYERS_MAX || make_room(&mut inner, &layer) {
            inner.layers.insert(stored.hash, layer);
        }
        stored
    }

    fn recover(&self, transactions: &[TxEnvelope]) -> Result<Vec<Arc<Recovered<TxEnvelope>>>, ExecError> {
        let recover = |transaction: &TxEnvelope| {
            if let Some(known) = self.source.recovered(transaction.hash()) {
                return Ok(known);
            }
            let sender =
                transaction.recover_signer().map_err(|_| ExecError::Signature(*transaction.hash()))?;
            Ok(Arc::new(Recovered::new_unchecked(transaction.clone(), sender)))
        };
        transactions.iter().map(recover).collect()
    }

    fn input<'a>(&self, slot: &Slot, parent: &'a Header) -> BlockInput<'a> {
        BlockInput {
            chain_id: self.id,
            parent,
            parent_hash: slot.parent,
            timestamp: slot.timestamp.max(parent.timestamp),
            seed: slot.seed,
            context: slot.context,
        }
    }

    fn run(&self, block: &EthBlock) -> Result<Executed, MachineError> {
        let header = &block.header;
        let hash = header.hash_slow();
        let parent = self.state_after(&header.parent_hash);
        let (parent, view) = parent.ok_or(MachineError::UnknownParent { parent: header.parent_hash })?;
        let slot = Slot {
            parent: header.parent_hash,
            context: header.parent_beacon_block_root.unwrap_or_default(),
            seed: header.mix_hash,
            timestamp: header.timestamp,
        };
        let invalid = |error: ExecError| match error {
            error @ (ExecError::Trie(_) | ExecError::State { .. } | ExecError::View(_)) => {
                MachineError::Store { source: Box::new(error) }
            }
            error => MachineError::Invalid { hash, what: chain_of(&error) },
        };
        let transactions = self.recover(&block.body.transactions).map_err(invalid)?;
        exec::verify(&view, self.input(&slot, &parent), block, transactions).map_err(invalid)
    }

    /// Writes the layer of `hash` and moves the head there.
    fn settle(&self, layer: &Layer) -> Result<(), MachineError> {
        let store = |source| MachineError::Store { source: Box::new(source) };
        self.store.commit(&layer.stored, &layer.changes).map_err(store)?;
        let snapshot = self.store.snapshot().map_err(store)?;
        {
            let mut inner = self.inner.write();
            inner.head = Arc::clone(&layer.stored);
            inner.snapshot = snapshot;
            prune(&mut inner);
        }
        let transactions = layer.stored.block.body.transactions.iter().zip(&layer.stored.senders);
        let included: Vec<_> =
            transactions.map(|(transaction, sender)| (*sender, *transaction.hash())).collect();
        if let Some((_, view)) = self.state_after(&layer.stored.hash) {
            self.source.settle(&included, &|address| view.nonce(address).unwrap_or_default());
        }
        // Nobody may be listening.
        let _ = self.finals.send(Arc::clone(&layer.stored));
        Ok(())
    }
}

/// Drops the oldest layer that nothing builds on, so that every layer left still stands on the head. False: `layer`
/// itself is the end of a branch that fills the memory; it is not kept, and is executed again when it is needed.
fn make_room(inner: &mut Inner, layer: &Layer) -> bool {
    let mut parents: BTreeSet<_> = inner.layers.values().map(|layer| layer.parent()).collect();
    parents.insert(layer.parent());
    let ends = inner.layers.iter().filter(|(hash, _)| !parents.contains(*hash));
    let oldest = ends.min_by_key(|(_, layer)| layer.height()).map(|(hash, _)| *hash);
    oldest.is_some_and(|hash| inner.layers.remove(&hash).is_some())
}

/// Drops the head's own layer and every layer that is not a descendant of the head.
fn prune(inner: &mut Inner) {
    let head = inner.head.hash;
    let height = inner.head.number();
    inner.layers.retain(|_, layer| layer.height() > height);
    loop {
        let known = |parent: B256| parent == head || inner.layers.contains_key(&parent);
        let lost: Vec<_> =
            inner.layers.iter().filter(|(_, layer)| !known(layer.parent())).map(|(hash, _)| *hash).collect();
        if lost.is_empty() {
            return;
        }
        for hash in lost {
            inner.layers.remove(&hash);
        }
    }
}

impl StateMachine for Chain {
    fn genesis(&self) -> EthBlock {
        self.genesis.clone()
    }

    fn head(&self) -> (u64, B256) {
        let head = Self::head(self);
        (head.number(), head.hash)
    }

    fn knows(&self, hash: &B256) -> bool {
        let inner = self.inner.read();
        inner.head.hash == *hash || inner.layers.contains_key(hash)
    }

    fn build(&self, slot: &Slot) -> Result<EthBlock, MachineError> {
        let parent = self.state_after(&slot.parent);
        let (parent, view) = parent.ok_or(MachineError::UnknownParent { parent: slot.parent })?;
        let base_fee = exec::fees::next_base_fee(&parent);
        let nonce = |address: &_| view.nonce(address).unwrap_or_default();
        let candidates = self.source.best(base_fee, &nonce, BLOCK_TRANSACTIONS_MAX);
        let built = exec::build(&view, self.input(slot, &parent), candidates.into_iter());
        let built = built.map_err(|source| MachineError::Store { source: Box::new(source) })?;
        self.source.reject(&built.rejected);
        Ok(self.keep(built).block.as_ref().clone())
    }

    fn execute(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError> {
        if self.knows(&hash) {
            return Ok(());
        }
        let executed = self.run(block)?;
        self.keep(executed);
        Ok(())
    }

    fn finalize(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError> {
        let _one_at_a_time = self.finalizing.lock();
        let head = Self::head(self);
        if block.header.number <= head.number() {
            return Ok(());
        }
        if block.header.parent_hash != head.hash {
            return Err(MachineError::UnknownParent { parent: block.header.parent_hash });
        }
        let known = self.inner.read().layers.get(&hash).cloned();
        let layer = if let Some(layer) = known {
            layer
        } else {
            let executed = self.run(block)?;
            Arc::new(Layer { stored: Arc::new(executed.stored), changes: executed.changes })
        };
        self.settle(&layer)
    }

    fn has_work(&self, parent: &B256) -> bool {
        let Some((header, view)) = self.state_after(parent) else { return false };
        let nonce = |address: &_| view.nonce(address).unwrap_or_default();
        !self.source.best(exec::fees::next_base_fee(&header), &nonce, 1).is_empty()
    }

    fn work(&self) -> &Notify {
        self.source.arrivals()
    }

    fn hear(&self, batch: bytes::Bytes) {
        self.source.hear(Bytes::from(batch));
    }
}

/// Block 0 and the state that it commits to.
fn first_block(genesis: &Genesis) -> Result<(StoredBlock, Changes), OpenError> {
    let mut changes = Changes::default();
    for (address, account) in &genesis.alloc {
        let code_hash = keccak256(&account.code);
        if !account.code.is_empty() {
            changes.code.insert(code_hash, account.code.clone());
        }
        let storage = account.storage.iter().filter(|(_, value)| !value.is_zero());
        changes
            .storage
            .extend(storage.map(|(slot, value)| {
                ((*address, U256::from_be_bytes(slot.0)), U256::from_be_bytes(value.0))
            }));
        let account = Account {
            nonce: account.nonce,
            balance: account.balance,
            code_hash,
            storage_root: EMPTY_ROOT_HASH,
        };
        changes.accounts.insert(*address, Some(account));
    }
    let state_root = apply(crate::state::NodeStore::empty(), EMPTY_ROOT_HASH, &mut changes);
    let state_root =
        state_root.map_err(|_| crate::state::StoreError::Damaged { what: "genesis", source: None })?;
    let header = Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        state_root,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        // The header commits to the chain id through here: two chains that differ in nothing else have two names.
        mix_hash: B256::from(U256::from(genesis.chain_id)),
        base_fee_per_gas: Some(genesis.base_fee_per_gas),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    };
    let body =
        BlockBody { transactions: Vec::new(), ommers: Vec::new(), withdrawals: Some(Withdrawals::default()) };
    let hash = header.hash_slow();
    let block = Arc::new(EthBlock { header, body });
    Ok((StoredBlock { hash, block, senders: Vec::new(), receipts: Vec::new() }, changes))
}

/// An error with all its reasons in one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text = format!("{text}: {reason}");
        source = reason.source();
    }
    text
}

#[cfg(test)]
mod tests;
