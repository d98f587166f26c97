//! Where a block's transactions come from.

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes};
use std::sync::Arc;
use tokio::sync::Notify;

/// Looks up the nonce of an account in the state a block is built on.
pub type NonceOf<'a> = dyn Fn(&Address) -> u64 + 'a;

/// Waiting transactions.
pub trait TransactionSource: Send + Sync + std::fmt::Debug {
    /// At most `count` transactions that can run in this order on a state with these nonces and this base fee.
    fn best(&self, base_fee: u64, nonce: &NonceOf<'_>, count: usize) -> Vec<Arc<Recovered<TxEnvelope>>>;

    /// Forgets what a final block has settled. `nonce` is of the new final state.
    fn settle(&self, included: &[(Address, B256)], nonce: &NonceOf<'_>);

    /// Forgets transactions that cannot run.
    fn reject(&self, transactions: &[B256]);

    /// The transaction with its recovered sender, if it is here: recovering costs more than executing.
    fn recovered(&self, hash: &B256) -> Option<Arc<Recovered<TxEnvelope>>>;

    /// Notified when a transaction comes that may be able to run.
    fn arrivals(&self) -> &Notify;

    /// A batch from a peer.
    fn hear(&self, batch: Bytes);
}
