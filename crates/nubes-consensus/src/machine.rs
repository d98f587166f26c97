//! What consensus drives: a deterministic state machine whose blocks are Ethereum blocks.
//!
//! The engine decides *which* block comes next; the machine decides *what is in it* and what it does. The machine is
//! synchronous and reads neither clock nor entropy, so that it runs unchanged in the deterministic runtime.

use alloy_consensus::TxEnvelope;
use alloy_primitives::B256;
use bytes::Bytes;
use tokio::sync::Notify;

/// An Ethereum block. Its hash is the digest that consensus certifies.
pub type EthBlock = alloy_consensus::Block<TxEnvelope>;

/// The place that a new block takes, chosen by consensus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub parent: B256,
    /// Commitment to the consensus context (round, leader, parent view); the machine puts it into the header's
    /// `parentBeaconBlockRoot` unchanged.
    pub context: B256,
    /// Unpredictable before the parent was certified; becomes the header's `mixHash` (PREVRANDAO).
    pub seed: B256,
    /// The proposer's clock, in seconds; the machine raises it to the parent's timestamp if it is behind.
    pub timestamp: u64,
}

/// The chain of states behind the blocks.
///
/// Laws:
/// - `build` and `execute` change nothing that is durable; their results are layers in memory, keyed by block hash,
///   on top of the final state. Layers of losing siblings disappear when their height becomes final.
/// - A block that `build` returned is accepted by `execute` on every other machine in the same state.
/// - `finalize` is durable when it returns and idempotent: a height at or below the head is a no-op, because consensus
///   delivers at least once. It executes the block first when it has no layer for it. Heights come in order.
/// - The head never goes back, also not over a crash.
pub trait StateMachine: Send + Sync + std::fmt::Debug + 'static {
    fn genesis(&self) -> EthBlock;

    /// Height and hash of the newest final, durable block.
    fn head(&self) -> (u64, B256);

    /// Whether the state after this block is at hand: it is the head, or a layer on top of it.
    fn knows(&self, hash: &B256) -> bool;

    /// A block of the best waiting transactions on top of `slot.parent`, which the machine knows. Leaves its layer.
    fn build(&self, slot: &Slot) -> Result<EthBlock, MachineError>;

    /// Runs `block` on its parent, which the machine knows, and compares every header field. Leaves its layer.
    fn execute(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError>;

    /// Makes `block` final.
    fn finalize(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError>;

    /// Whether a block on top of `parent` would have a transaction in it.
    fn has_work(&self, parent: &B256) -> bool;

    /// Notified whenever a transaction arrives that could go into a block.
    fn work(&self) -> &Notify;

    /// A batch of transactions heard from a peer, in the form that the machine itself gossips.
    fn hear(&self, batch: Bytes);
}

#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The parent has no state here. Fetch and execute it first.
    #[error("the state of block {parent} is not known")]
    UnknownParent { parent: B256 },
    /// The block breaks a rule; no honest validator builds it.
    #[error("block {hash} is invalid: {what}")]
    Invalid { hash: B256, what: String },
    /// The machine's store failed. The node must stop: it can no longer keep what consensus makes final.
    #[error("the state store failed")]
    Store {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The node is shutting down; nothing was decided.
    #[error("the engine is stopping")]
    Stopped,
}
