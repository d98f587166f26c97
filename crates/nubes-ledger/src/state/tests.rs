//! Tables and tries below the chain, against models that know nothing of them.

mod codec;
mod store;
mod trie;

use super::{Changes, StoredBlock};
use alloy_consensus::{BlockBody, Header};
use alloy_primitives::B256;
use nubes_consensus::EthBlock;
use std::sync::Arc;

/// A block that is nothing but a place in the chain.
fn block(number: u64, parent_hash: B256, state_root: B256) -> StoredBlock {
    let header = Header { number, parent_hash, state_root, ..Header::default() };
    let hash = header.hash_slow();
    let block = Arc::new(EthBlock { header, body: BlockBody::default() });
    StoredBlock { hash, block, senders: Vec::new(), receipts: Vec::new() }
}

fn genesis() -> (StoredBlock, Changes) {
    (block(0, B256::ZERO, alloy_trie::EMPTY_ROOT_HASH), Changes::default())
}
