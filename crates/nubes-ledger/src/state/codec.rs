//! How values lie in the tables. Fixed-size accounts; blocks and receipts in RLP as Ethereum has them.

use alloy_consensus::{ReceiptEnvelope, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use alloy_trie::EMPTY_ROOT_HASH;
use nubes_consensus::EthBlock;
use std::sync::Arc;

/// An account with the root of its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Account {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) storage_root: B256,
    pub(crate) code_hash: B256,
}

impl Account {
    pub(crate) const EMPTY: Self =
        Self { nonce: 0, balance: U256::ZERO, storage_root: EMPTY_ROOT_HASH, code_hash: KECCAK256_EMPTY };

    pub(crate) fn to_rlp(self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }

    pub(crate) fn from_rlp(mut bytes: &[u8]) -> Result<Self, alloy_rlp::Error> {
        Self::decode(&mut bytes)
    }
}

/// An executed block with everything that clients ask about it.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    pub hash: B256,
    pub block: Arc<EthBlock>,
    /// Sender of each transaction.
    pub senders: Vec<Address>,
    pub receipts: Vec<ReceiptEnvelope>,
}

impl StoredBlock {
    pub fn number(&self) -> u64 {
        self.block.header.number
    }

    /// Transaction `index` with its sender.
    pub fn transaction(&self, index: usize) -> Option<Recovered<&TxEnvelope>> {
        let transaction = self.block.body.transactions.get(index)?;
        Some(Recovered::new_unchecked(transaction, *self.senders.get(index)?))
    }

    /// Gas used by transaction `index` alone.
    pub fn gas_used(&self, index: usize) -> Option<u64> {
        let after = self.receipts.get(index)?.cumulative_gas_used();
        let before = index.checked_sub(1).and_then(|index| self.receipts.get(index));
        Some(after - before.map_or(0, ReceiptEnvelope::cumulative_gas_used))
    }

    /// Logs of the block before those of transaction `index`.
    pub fn logs_before(&self, index: usize) -> usize {
        self.receipts.iter().take(index).map(|receipt| receipt.logs().len()).sum()
    }

    pub(crate) fn block_bytes(&self) -> Vec<u8> {
        alloy_rlp::encode(self.block.as_ref())
    }

    pub(crate) fn receipt_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.senders.encode(&mut out);
        self.receipts.encode(&mut out);
        out
    }

    pub(crate) fn decode(
        hash: B256,
        mut block: &[u8],
        mut receipts: &[u8],
    ) -> Result<Self, alloy_rlp::Error> {
        let block = Arc::new(EthBlock::decode(&mut block)?);
        let senders = Vec::<Address>::decode(&mut receipts)?;
        let receipts = Vec::<ReceiptEnvelope>::decode(&mut receipts)?;
        Ok(Self { hash, block, senders, receipts })
    }
}
