//! The ledger as the other layers see it.

use alloy_primitives::{Address, B256, Bytes, U256};
use async_trait::async_trait;
use futures_util::stream::BoxStream;

/// Reads and changes what everybody has agreed on.
///
/// Law: a transaction whose `submit` returned a receipt is final and stays so; `follow` gives every final block once,
/// in order, without gaps, from the one after the newest that this ledger has seen; `call` reads the state of a final
/// block.
#[async_trait]
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// Runs `data` at contract `to` on the newest final state and returns what it returns.
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, CallError>;

    /// Sends a signed EIP-2718 transaction and waits until it is final.
    async fn submit(&self, transaction: Bytes) -> Result<FinalReceipt, SubmitError>;

    /// Final blocks with their logs.
    fn follow(&self) -> BoxStream<'static, FinalBlock>;

    /// The final block of this number; none if there is none yet.
    async fn block(&self, number: u64) -> Result<Option<FinalBlock>, CallError>;

    /// What a transaction needs now: it is run on the newest final state, and fails as it would fail in a block.
    async fn prepare(&self, from: Address, to: Address, data: Bytes) -> Result<Prepared, CallError>;
}

/// What the sender of a transaction has to fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub chain_id: u64,
    /// Behind the sender's transactions that wait.
    pub nonce: u64,
    /// What it used when it was tried.
    pub gas: u64,
    /// Wei for one gas, in the next block.
    pub gas_price: u128,
}

/// A final block, as much of it as other layers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalBlock {
    pub number: u64,
    pub hash: B256,
    /// Seconds since the Unix epoch, as in the header.
    pub timestamp: u64,
    /// RLP; its keccak is `hash`. Contracts take it as a proof of what is in it.
    pub header: Bytes,
    pub logs: Vec<Log>,
}

/// A contract's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub address: Address,
    pub topics: Vec<B256>,
    pub data: Bytes,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalReceipt {
    pub transaction: B256,
    pub block: u64,
    /// False: the transaction reverted; its fee is spent, nothing else changed.
    pub success: bool,
    pub gas_used: u64,
    pub fee: U256,
    pub contract: Option<Address>,
    pub logs: Vec<Log>,
}

#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The contract refused. `data` is its reason, ABI encoded.
    #[error("execution reverted")]
    Reverted { data: Bytes },
    /// The ledger could not run it (out of gas, bad bytecode).
    #[error("the call failed: {what}")]
    Failed { what: String },
    /// No node answered. Try again.
    #[error("the ledger is not reachable")]
    Unreachable {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The pool refused it, with geth's words. Mend the transaction.
    #[error("transaction refused: {reason}")]
    Refused { reason: String },
    /// It was taken but is not final in time. It may still become final: look up the hash before sending again.
    #[error("transaction {transaction} is not final after {waited_ms} ms")]
    Pending { transaction: B256, waited_ms: u64 },
    /// No node answered. Nothing is known: look up the hash before sending again.
    #[error("the ledger is not reachable")]
    Unreachable {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
