//! A ledger that sums up the values of its transactions. Each nonce counts once.

use crate::machine::{EthBlock, MachineError, Slot, StateMachine};
use alloy_consensus::{
    BlockBody, EMPTY_OMMER_ROOT_HASH, Header, SignableTransaction as _, Transaction as _, TxEnvelope,
    TxLegacy, proofs,
};
use alloy_primitives::{B256, Signature, U256, keccak256};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

/// What is wrong with a machine, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    /// Chooses the seed of its blocks itself.
    OwnSeed,
    /// Computes other states than everybody else.
    WrongRoot,
    /// Says that a block is durable one block before it is.
    DurableTooEarly,
}

/// Where transactions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// `submit` and `hear`.
    Clients,
    /// There is always another one.
    Endless,
}

#[derive(Clone, Debug, Default)]
struct State {
    sum: u64,
    nonces: BTreeSet<u64>,
}

impl State {
    fn after(&self, transactions: &[TxEnvelope]) -> Self {
        let mut state = self.clone();
        for transaction in transactions {
            if state.nonces.insert(transaction.nonce()) {
                state.sum += transaction.value().to::<u64>();
            }
        }
        state
    }

    fn root(&self, defect: Defect) -> B256 {
        let wrong = u8::from(defect == Defect::WrongRoot && !self.nonces.is_empty());
        keccak256([self.sum.to_be_bytes().as_slice(), &[wrong]].concat())
    }
}

/// What survives a crash.
#[derive(Debug, Default)]
pub(crate) struct Disk(Mutex<Vec<(B256, State)>>);

#[derive(Debug)]
struct Inner {
    /// Final states from height 0 on.
    finals: Vec<(B256, State)>,
    layers: BTreeMap<B256, (u64, B256, State)>,
    pool: BTreeMap<u64, TxEnvelope>,
}

impl Inner {
    fn state(&self, hash: &B256) -> Option<&State> {
        let head = self.finals.last().filter(|(head, _)| head == hash).map(|(_, state)| state);
        head.or_else(|| self.layers.get(hash).map(|(_, _, state)| state))
    }

    fn fresh(&self, parent: &State) -> Vec<TxEnvelope> {
        let fresh = self.pool.iter().filter(|(nonce, _)| !parent.nonces.contains(nonce));
        fresh.map(|(_, transaction)| transaction.clone()).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Counter {
    load: Load,
    defect: Defect,
    disk: Arc<Disk>,
    inner: Mutex<Inner>,
    moved: Condvar,
    work: Notify,
}

impl Counter {
    pub(crate) fn new(load: Load, defect: Defect, disk: Arc<Disk>) -> Self {
        let mut finals = disk.0.lock().clone();
        if finals.is_empty() {
            finals.push((genesis().header.hash_slow(), State::default()));
        }
        let inner = Mutex::new(Inner { finals, layers: BTreeMap::new(), pool: BTreeMap::new() });
        Self { load, defect, disk, inner, moved: Condvar::new(), work: Notify::new() }
    }

    pub(crate) fn submit(&self, nonce: u64) {
        self.inner.lock().pool.insert(nonce, transaction(nonce));
        self.work.notify_waiters();
    }

    pub(crate) fn sum(&self) -> u64 {
        self.inner.lock().finals.last().unwrap().1.sum
    }

    pub(crate) fn hashes(&self) -> Vec<B256> {
        self.inner.lock().finals.iter().map(|(hash, _)| *hash).collect()
    }

    /// Waits until the final state is such.
    fn wait(&self, timeout: Duration, done: impl Fn(u64, &State) -> bool) -> bool {
        let mut inner = self.inner.lock();
        let waits = |inner: &mut Inner| !done(inner.finals.len() as u64 - 1, &inner.finals.last().unwrap().1);
        !self.moved.wait_while_for(&mut inner, waits, timeout).timed_out()
    }

    pub(crate) fn reaches(&self, height: u64, timeout: Duration) -> bool {
        self.wait(timeout, |head, _| head >= height)
    }

    pub(crate) fn includes(&self, nonce: u64, timeout: Duration) -> bool {
        self.wait(timeout, |_, state| state.nonces.contains(&nonce))
    }
}

impl StateMachine for Counter {
    fn genesis(&self) -> EthBlock {
        genesis()
    }

    fn head(&self) -> (u64, B256) {
        let inner = self.inner.lock();
        (inner.finals.len() as u64 - 1, inner.finals.last().unwrap().0)
    }

    fn knows(&self, hash: &B256) -> bool {
        self.inner.lock().state(hash).is_some()
    }

    fn build(&self, slot: &Slot) -> Result<EthBlock, MachineError> {
        let mut inner = self.inner.lock();
        let parent = inner.state(&slot.parent).ok_or(MachineError::UnknownParent { parent: slot.parent })?;
        let height =
            inner.layers.get(&slot.parent).map_or(inner.finals.len() as u64 - 1, |(height, ..)| *height) + 1;
        let mut transactions = inner.fresh(parent);
        if self.load == Load::Endless {
            transactions.push(transaction(height * 256 + u64::from(slot.seed[0])));
        }
        let state = parent.after(&transactions);
        let seed = if self.defect == Defect::OwnSeed { B256::repeat_byte(7) } else { slot.seed };
        let block = block(&Slot { seed, ..slot.clone() }, height, state.root(self.defect), transactions);
        inner.layers.insert(block.header.hash_slow(), (height, slot.parent, state));
        Ok(block)
    }

    fn execute(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError> {
        let header = &block.header;
        let mut inner = self.inner.lock();
        let parent = header.parent_hash;
        let state = inner
            .state(&parent)
            .ok_or(MachineError::UnknownParent { parent })?
            .after(&block.body.transactions);
        if state.root(self.defect) != header.state_root {
            return Err(MachineError::Invalid { hash, what: "another state root".to_owned() });
        }
        inner.layers.insert(hash, (header.number, parent, state));
        Ok(())
    }

    fn finalize(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError> {
        let (head, head_hash) = self.head();
        if block.header.number <= head {
            return Ok(());
        }
        let parent = block.header.parent_hash;
        if parent != head_hash {
            return Err(MachineError::UnknownParent { parent });
        }
        if !self.knows(&hash) {
            self.execute(block, hash)?;
        }
        let mut inner = self.inner.lock();
        let before = inner.finals.clone();
        let (_, _, state) = inner.layers.remove(&hash).unwrap();
        inner.finals.push((hash, state));
        inner.layers.retain(|_, (height, ..)| *height > block.header.number);
        *self.disk.0.lock() =
            if self.defect == Defect::DurableTooEarly { before } else { inner.finals.clone() };
        self.moved.notify_all();
        Ok(())
    }

    fn has_work(&self, parent: &B256) -> bool {
        let inner = self.inner.lock();
        self.load == Load::Endless || inner.state(parent).is_some_and(|state| !inner.fresh(state).is_empty())
    }

    fn work(&self) -> &Notify {
        &self.work
    }

    fn hear(&self, batch: Bytes) {
        for nonce in batch.chunks_exact(8) {
            self.submit(u64::from_be_bytes(nonce.try_into().unwrap()));
        }
    }
}

/// Worth its nonce plus one.
pub(crate) fn transaction(nonce: u64) -> TxEnvelope {
    let transaction =
        TxLegacy { chain_id: Some(1), nonce, value: U256::from(nonce % 1_000 + 1), ..TxLegacy::default() };
    transaction.into_signed(Signature::test_signature()).into()
}

pub(crate) fn genesis() -> EthBlock {
    let slot = Slot { parent: B256::ZERO, context: B256::ZERO, seed: B256::ZERO, timestamp: 0 };
    block(&slot, 0, State::default().root(Defect::None), Vec::new())
}

/// A block on top of `parent` in a context with this commitment.
pub(crate) fn next_block(parent: &EthBlock, context: B256, transactions: Vec<TxEnvelope>) -> EthBlock {
    let slot = Slot { parent: parent.header.hash_slow(), context, seed: B256::ZERO, timestamp: 1 };
    block(&slot, parent.header.number + 1, B256::ZERO, transactions)
}

fn block(slot: &Slot, number: u64, state_root: B256, transactions: Vec<TxEnvelope>) -> EthBlock {
    let header = Header {
        parent_hash: slot.parent,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        state_root,
        transactions_root: proofs::calculate_transaction_root(&transactions),
        number,
        timestamp: slot.timestamp,
        mix_hash: slot.seed,
        base_fee_per_gas: Some(0),
        withdrawals_root: Some(proofs::calculate_withdrawals_root(&[])),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(slot.context),
        ..Header::default()
    };
    EthBlock {
        header,
        body: BlockBody { transactions, ommers: Vec::new(), withdrawals: Some(Vec::new().into()) },
    }
}
