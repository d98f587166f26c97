//! Transactions that wait for a block.
//!
//! `check.rs` has the rules for one transaction, `queue.rs` the pure order of many. The pool recovers each sender once,
//! at the door; consensus and execution take it from here.

mod check;
mod error;
mod queue;
mod wire;

pub use error::PoolError;
pub use queue::{POOL_TRANSACTIONS_MAX, SENDER_TRANSACTIONS_MAX};
pub use wire::{BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX};

use crate::chain::{NonceOf, TransactionSource};
use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, U256};
use check::Checked;
use parking_lot::Mutex;
use queue::Queue;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{Notify, broadcast};

/// Arrivals that a slow subscriber may fall behind.
const ARRIVALS_QUEUED_MAX: usize = 4_096;

/// The pool of one chain.
#[derive(Debug)]
pub struct Pool {
    chain_id: u64,
    // Held for the time of one look-up or insertion; RPC and consensus threads take turns.
    queue: Mutex<Queue>,
    arrivals: Notify,
    /// What came in through the front, for peers and subscribers.
    news: broadcast::Sender<Arc<Recovered<TxEnvelope>>>,
    state: std::sync::OnceLock<std::sync::Weak<crate::chain::Chain>>,
}

impl Pool {
    pub fn new(chain_id: u64) -> Arc<Self> {
        let (news, _) = broadcast::channel(ARRIVALS_QUEUED_MAX);
        Arc::new(Self {
            chain_id,
            queue: Mutex::new(Queue::default()),
            arrivals: Notify::new(),
            news,
            state: std::sync::OnceLock::new(),
        })
    }

    /// Ties the pool to the chain that it feeds; nonces and balances are checked against its head.
    pub fn attach(&self, chain: &Arc<crate::chain::Chain>) {
        // A pool has one chain; a second call changes nothing.
        let _ = self.state.set(Arc::downgrade(chain));
    }

    /// Takes a raw EIP-2718 transaction from a client.
    pub fn submit(&self, raw: &[u8]) -> Result<B256, PoolError> {
        let transaction = self.take(raw)?;
        let hash = *transaction.inner().hash();
        // Nobody may be listening.
        let _ = self.news.send(transaction);
        Ok(hash)
    }

    fn take(&self, raw: &[u8]) -> Result<Arc<Recovered<TxEnvelope>>, PoolError> {
        let checked = Checked::decode(raw, self.chain_id)?;
        let chain = self.state.get().and_then(std::sync::Weak::upgrade).ok_or(PoolError::Stopping)?;
        let sender = checked.sender();
        let at = crate::chain::BlockAt::Head;
        let state = |_| PoolError::Stopping;
        let nonce = chain.nonce(&sender, at).map_err(state)?;
        let balance = chain.balance(&sender, at).map_err(state)?;
        checked.check_state(nonce, balance)?;
        let transaction = checked.into_inner();
        {
            let mut queue = self.queue.lock();
            // The sender pays for what waits before as well.
            let others = queue.cost_without(&sender, transaction.nonce());
            let want = others.saturating_add(cost(transaction.inner()));
            if balance < want && queue.get(transaction.inner().hash()).is_none() {
                return Err(PoolError::Funds { sender, have: balance, want });
            }
            queue.insert(Arc::clone(&transaction), nonce)?;
        }
        self.arrivals.notify_waiters();
        Ok(transaction)
    }

    /// Transactions that clients bring from now on.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Recovered<TxEnvelope>>> {
        self.news.subscribe()
    }

    pub fn get(&self, hash: &B256) -> Option<Arc<Recovered<TxEnvelope>>> {
        self.queue.lock().get(hash)
    }

    /// The nonce that `sender`'s next transaction takes, if `nonce` is the state's.
    pub fn next_nonce(&self, sender: &Address, nonce: u64) -> u64 {
        self.queue.lock().next_nonce(sender, nonce)
    }

    /// All transactions by sender and nonce.
    pub fn content(&self) -> BTreeMap<Address, BTreeMap<u64, Arc<Recovered<TxEnvelope>>>> {
        self.queue.lock().content()
    }

    pub fn len(&self) -> usize {
        self.queue.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Batches of what clients bring, as peers hear them.
    pub async fn next_batch(
        &self,
        news: &mut broadcast::Receiver<Arc<Recovered<TxEnvelope>>>,
    ) -> Option<Bytes> {
        wire::next_batch(news).await
    }
}

impl TransactionSource for Pool {
    fn best(&self, base_fee: u64, nonce: &NonceOf<'_>, count: usize) -> Vec<Arc<Recovered<TxEnvelope>>> {
        self.queue.lock().best(base_fee, nonce, count)
    }

    fn settle(&self, included: &[(Address, B256)], nonce: &NonceOf<'_>) {
        self.queue.lock().settle(included, nonce);
    }

    fn reject(&self, transactions: &[B256]) {
        let mut queue = self.queue.lock();
        for hash in transactions {
            queue.remove(hash);
        }
    }

    fn recovered(&self, hash: &B256) -> Option<Arc<Recovered<TxEnvelope>>> {
        self.get(hash)
    }

    fn arrivals(&self) -> &Notify {
        &self.arrivals
    }

    fn hear(&self, batch: Bytes) {
        for raw in wire::decode(&batch) {
            // A peer may send what is known, stale or wrong; its own pool tells its own client.
            let _ = self.take(&raw);
        }
    }
}

/// The most that a transaction can cost its sender.
pub(crate) fn cost(transaction: &TxEnvelope) -> U256 {
    let gas = U256::from(transaction.gas_limit());
    gas.saturating_mul(U256::from(transaction.max_fee_per_gas())).saturating_add(transaction.value())
}

#[cfg(test)]
mod tests;
