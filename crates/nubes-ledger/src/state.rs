//! The state behind the blocks: what is final on disk, and what is not yet in memory.
//!
//! On disk (redb): flat accounts and storage slots of the newest final block, code, every trie node of every final
//! block (so that any final state can be read and proven), blocks, receipts, indices. A final block is one write
//! transaction. In memory: one [`Layer`] for each executed block that is not final yet.
//!
//! A [`View`] is the state after one block: the layers down to the final head, and a snapshot of the disk below them.
//! The snapshot is taken together with the layers, so that a block becoming final meanwhile does not shine through.

mod codec;
mod layer;
mod store;
mod trie;
mod view;

pub(crate) use codec::Account;
pub use codec::StoredBlock;
pub(crate) use layer::{Changes, Layer};
pub use store::{OpenError, StoreError};
pub(crate) use store::{Snapshot, Store};
pub(crate) use trie::{NodeStore, Proof, TrieError, apply};
pub(crate) use view::{View, ViewError};

#[cfg(test)]
mod tests;
