//! The order of waiting transactions. Pure.
//!
//! Each sender has a queue by nonce. Across senders the next transaction is the one that pays most per gas above the base
//! fee; of two that pay the same, the one that came first.

use super::PoolError;
use crate::chain::NonceOf;
use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, U256};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

/// Transactions in the pool.
pub const POOL_TRANSACTIONS_MAX: usize = 20_000;
/// Transactions of one sender.
pub const SENDER_TRANSACTIONS_MAX: usize = 4_096;
/// How far a nonce may be ahead of the state.
pub(crate) const NONCE_GAP_MAX: u64 = 8_192;
/// A replacement pays this much more, in percent, as in geth.
const REPLACEMENT_PERCENT: u128 = 10;

type Shared = Arc<Recovered<TxEnvelope>>;

#[derive(Clone, Debug)]
struct Waiting {
    transaction: Shared,
    arrival: u64,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    by_sender: BTreeMap<Address, BTreeMap<u64, Waiting>>,
    by_hash: BTreeMap<B256, (Address, u64)>,
    arrivals: u64,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub(super) fn get(&self, hash: &B256) -> Option<Shared> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.by_sender.get(sender)?.get(nonce).map(|waiting| Arc::clone(&waiting.transaction))
    }

    /// Adds `transaction` whose sender's next nonce in the state is `next`.
    pub(super) fn insert(&mut self, transaction: Shared, next: u64) -> Result<(), PoolError> {
        let (sender, nonce, hash) = (transaction.signer(), transaction.nonce(), *transaction.inner().hash());
        if self.by_hash.contains_key(&hash) {
            return Err(PoolError::Known);
        }
        if nonce.saturating_sub(next) > NONCE_GAP_MAX {
            return Err(PoolError::NonceTooHigh { next, nonce, gap_max: NONCE_GAP_MAX });
        }
        let queue = self.by_sender.get(&sender);
        let replaced = queue.and_then(|queue| queue.get(&nonce));
        match replaced {
            Some(old) if !replaces(&transaction, &old.transaction) => return Err(PoolError::Replacement),
            Some(_) => {}
            None => {
                let count = queue.map_or(0, BTreeMap::len);
                if count >= SENDER_TRANSACTIONS_MAX {
                    return Err(PoolError::SenderFull { sender, count });
                }
            }
        }
        let is_new = replaced.is_none();
        if is_new && self.by_hash.len() >= POOL_TRANSACTIONS_MAX {
            self.make_room(&transaction)?;
        }
        let waiting = Waiting { transaction, arrival: self.arrivals };
        self.arrivals += 1;
        if let Some(old) = self.by_sender.entry(sender).or_default().insert(nonce, waiting) {
            self.by_hash.remove(old.transaction.inner().hash());
        }
        self.by_hash.insert(hash, (sender, nonce));
        Ok(())
    }

    /// Evicts the cheapest of the senders' last transactions, if `new` pays more: taking the last leaves no gap.
    fn make_room(&mut self, new: &TxEnvelope) -> Result<(), PoolError> {
        let lasts = self.by_sender.values().filter_map(|queue| queue.last_key_value());
        let cheapest =
            lasts.map(|(_, last)| last).min_by_key(|last| (price(&last.transaction), Reverse(last.arrival)));
        match cheapest {
            Some(last) if price(&last.transaction) < price(new) => {
                let hash = *last.transaction.inner().hash();
                self.remove(&hash);
                Ok(())
            }
            _ => Err(PoolError::Full),
        }
    }

    /// What the sender's waiting transactions can cost at most, without the one at `nonce`.
    pub(super) fn cost_without(&self, sender: &Address, nonce: u64) -> U256 {
        let queue = self.by_sender.get(sender).into_iter().flatten();
        let others = queue.filter(|(of, _)| **of != nonce);
        others.fold(U256::ZERO, |sum, (_, waiting)| {
            sum.saturating_add(super::cost(waiting.transaction.inner()))
        })
    }

    pub(super) fn remove(&mut self, hash: &B256) {
        let Some((sender, nonce)) = self.by_hash.remove(hash) else { return };
        if let Some(queue) = self.by_sender.get_mut(&sender) {
            queue.remove(&nonce);
            if queue.is_empty() {
                self.by_sender.remove(&sender);
            }
        }
    }

    /// Removes what a block has settled: its transactions, and others with a nonce that is used now.
    pub(super) fn settle(&mut self, included: &[(Address, B256)], nonce: &NonceOf<'_>) {
        for (sender, _) in included {
            let Some(queue) = self.by_sender.get_mut(sender) else { continue };
            let waiting = queue.split_off(&nonce(sender));
            let settled = std::mem::replace(queue, waiting);
            for old in settled.values() {
                self.by_hash.remove(old.transaction.inner().hash());
            }
            if queue.is_empty() {
                self.by_sender.remove(sender);
            }
        }
    }

    pub(super) fn best(&self, base_fee: u64, nonce: &NonceOf<'_>, count: usize) -> Vec<Shared> {
        let mut heads = BinaryHeap::new();
        for (sender, queue) in &self.by_sender {
            // A sender whose last nonce is used has nothing to offer; most look-ups end here.
            let next = nonce(sender);
            if let Some(waiting) = queue.get(&next) {
                heads.extend(rank(waiting, base_fee).map(|rank| (rank, *sender, next)));
            }
        }
        let mut best = Vec::new();
        while let Some((_, sender, nonce)) = heads.pop() {
            let Some(queue) = self.by_sender.get(&sender) else { continue };
            let Some(waiting) = queue.get(&nonce) else { continue };
            best.push(Arc::clone(&waiting.transaction));
            if best.len() == count {
                break;
            }
            if let Some(next) = nonce.checked_add(1).and_then(|next| queue.get(&next)) {
                heads.extend(rank(next, base_fee).map(|rank| (rank, sender, nonce + 1)));
            }
        }
        best
    }

    pub(super) fn next_nonce(&self, sender: &Address, nonce: u64) -> u64 {
        let Some(queue) = self.by_sender.get(sender) else { return nonce };
        let waiting = u64::try_from(queue.len()).unwrap_or(u64::MAX);
        (nonce..=nonce.saturating_add(waiting)).find(|nonce| !queue.contains_key(nonce)).unwrap_or(nonce)
    }

    pub(super) fn content(&self) -> BTreeMap<Address, BTreeMap<u64, Shared>> {
        let queue = |queue: &BTreeMap<u64, Waiting>| {
            queue.iter().map(|(nonce, waiting)| (*nonce, Arc::clone(&waiting.transaction))).collect()
        };
        self.by_sender.iter().map(|(sender, waiting)| (*sender, queue(waiting))).collect()
    }
}

/// What a transaction offers, whatever the base fee: its tip, then its fee cap.
fn price(transaction: &TxEnvelope) -> (u128, u128) {
    let cap = transaction.max_fee_per_gas();
    (transaction.max_priority_fee_per_gas().unwrap_or(cap), cap)
}

/// Higher is better; None if the base fee is not covered.
fn rank(waiting: &Waiting, base_fee: u64) -> Option<(u128, Reverse<u64>)> {
    let tip = waiting.transaction.effective_tip_per_gas(base_fee)?;
    Some((tip, Reverse(waiting.arrival)))
}

fn replaces(new: &TxEnvelope, old: &TxEnvelope) -> bool {
    let raised = |price: u128| price.saturating_add(price.saturating_mul(REPLACEMENT_PERCENT).div_ceil(100));
    let tip = |transaction: &TxEnvelope| {
        transaction.max_priority_fee_per_gas().unwrap_or(transaction.max_fee_per_gas())
    };
    new.max_fee_per_gas() >= raised(old.max_fee_per_gas()) && tip(new) >= raised(tip(old))
}
