//! Questions about final blocks and states.

use super::Chain;
use crate::{
    exec::{self, CallFailure, CallInput, CallOutcome, Overrides},
    state::{Proof, StoreError, StoredBlock, TrieError, View, ViewError},
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use std::sync::Arc;

/// Blocks that one log query may span.
pub const LOG_BLOCKS_MAX: u64 = 10_000;
/// Logs that one query may return.
pub const LOGS_MAX: usize = 10_000;

/// A block by number or hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAt {
    /// `latest`, `safe`, `finalized` and `pending` are one: blocks are final at once.
    Head,
    Number(u64),
    Hash(B256),
}

/// The block whose state is meant.
pub type At = BlockAt;

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No such final block.
    #[error("header not found")]
    UnknownBlock,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the state cannot be read")]
    State {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<ViewError> for QueryError {
    fn from(source: ViewError) -> Self {
        Self::State { source: Box::new(source) }
    }
}

impl From<TrieError> for QueryError {
    fn from(source: TrieError) -> Self {
        Self::State { source: Box::new(source) }
    }
}

/// Which logs are wanted: of any of these contracts, with any of these topics at each place. Empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    pub addresses: Vec<Address>,
    pub topics: Vec<Vec<B256>>,
}

/// A log and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedLog {
    pub log: Log,
    pub block_hash: B256,
    pub block_number: u64,
    pub block_timestamp: u64,
    pub transaction_hash: B256,
    pub transaction_index: u64,
    pub log_index: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error("block range exceeds {LOG_BLOCKS_MAX} blocks")]
    Range,
    #[error("query returns more than {LOGS_MAX} logs; narrow the range or the filter")]
    TooMany,
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Base fees and fill of consecutive blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct FeeHistory {
    pub oldest: u64,
    /// One more than blocks: the next block's fee is known.
    pub base_fees: Vec<u64>,
    pub gas_used_ratios: Vec<f64>,
}

impl LogFilter {
    pub fn matches(&self, log: &Log) -> bool {
        let address = self.addresses.is_empty() || self.addresses.contains(&log.address);
        let topic = |(place, wanted): (usize, &Vec<B256>)| {
            wanted.is_empty() || log.topics().get(place).is_some_and(|topic| wanted.contains(topic))
        };
        address && self.topics.iter().enumerate().all(topic)
    }

    /// False if the header's bloom filter rules the block out.
    fn may_match(&self, header: &Header) -> bool {
        let has = |bytes: &[u8]| header.logs_bloom.contains_input(alloy_primitives::BloomInput::Raw(bytes));
        let address =
            self.addresses.is_empty() || self.addresses.iter().any(|address| has(address.as_slice()));
        address
            && self
                .topics
                .iter()
                .all(|wanted| wanted.is_empty() || wanted.iter().any(|topic| has(topic.as_slice())))
    }
}

/// The logs of `block` that `filter` wants, placed.
pub(crate) fn logs_of(block: &StoredBlock, filter: &LogFilter) -> Vec<PlacedLog> {
    let mut found = Vec::new();
    let mut log_index = 0;
    for (index, receipt) in (0u64..).zip(&block.receipts) {
        let transaction = block.block.body.transactions.get(usize::try_from(index).unwrap_or(usize::MAX));
        let transaction_hash = transaction.map(|transaction| *transaction.hash()).unwrap_or_default();
        for log in receipt.logs() {
            if filter.matches(log) {
                found.push(PlacedLog {
                    log: log.clone(),
                    block_hash: block.hash,
                    block_number: block.number(),
                    block_timestamp: block.block.header.timestamp,
                    transaction_hash,
                    transaction_index: index,
                    log_index,
                });
            }
            log_index += 1;
        }
    }
    found
}

impl Chain {
    pub fn block(&self, at: BlockAt) -> Result<Option<Arc<StoredBlock>>, QueryError> {
        let (head, snapshot) = {
            let inner = self.inner.read();
            (Arc::clone(&inner.head), Arc::clone(&inner.snapshot))
        };
        let number = match at {
            BlockAt::Head => return Ok(Some(head)),
            BlockAt::Number(number) => Some(number),
            BlockAt::Hash(hash) if hash == head.hash => return Ok(Some(head)),
            BlockAt::Hash(hash) => snapshot.number(&hash)?,
        };
        match number {
            Some(number) if number == head.number() => Ok(Some(head)),
            Some(number) => Ok(snapshot.block(number)?.map(Arc::new)),
            None => Ok(None),
        }
    }

    /// The block of a final transaction, and its index there.
    pub fn transaction(&self, hash: &B256) -> Result<Option<(Arc<StoredBlock>, usize)>, QueryError> {
        let place = Arc::clone(&self.inner.read().snapshot).transaction(hash)?;
        let Some((number, index)) = place else { return Ok(None) };
        let block = self.block(BlockAt::Number(number))?;
        Ok(block.map(|block| (block, usize::try_from(index).unwrap_or(usize::MAX))))
    }

    fn state(&self, at: At) -> Result<(Header, B256, View), QueryError> {
        let block = self.block(at)?.ok_or(QueryError::UnknownBlock)?;
        let (head, snapshot) = {
            let inner = self.inner.read();
            (inner.head.hash, Arc::clone(&inner.snapshot))
        };
        let header = block.block.header.clone();
        let view = if block.hash == head {
            View::new(Vec::new(), snapshot)
        } else {
            View::past(header.state_root, snapshot)
        };
        Ok((header, block.hash, view))
    }

    pub fn balance(&self, address: &Address, at: At) -> Result<U256, QueryError> {
        let (_, _, view) = self.state(at)?;
        Ok(view.account(address)?.map_or(U256::ZERO, |account| account.balance))
    }

    pub fn nonce(&self, address: &Address, at: At) -> Result<u64, QueryError> {
        let (_, _, view) = self.state(at)?;
        Ok(view.nonce(address)?)
    }

    pub fn code(&self, address: &Address, at: At) -> Result<Bytes, QueryError> {
        let (_, _, view) = self.state(at)?;
        let account = view.account(address)?;
        account.map_or(Ok(Bytes::new()), |account| Ok(view.code(&account.code_hash)?))
    }

    pub fn storage(&self, address: &Address, slot: &U256, at: At) -> Result<U256, QueryError> {
        let (_, _, view) = self.state(at)?;
        Ok(view.storage(address, slot)?)
    }

    pub(crate) fn proof(&self, address: &Address, slots: &[U256], at: At) -> Result<Proof, QueryError> {
        let (header, _, view) = self.state(at)?;
        Ok(view.nodes().prove(header.state_root, address, slots)?)
    }

    pub(crate) fn call(
        &self,
        input: &CallInput,
        at: At,
        overrides: &Overrides,
    ) -> Result<Result<CallOutcome, CallFailure>, QueryError> {
        let (header, hash, view) = self.state(at)?;
        Ok(exec::call(&view, (self.id, &header, hash), input, overrides))
    }

    pub(crate) fn estimate(
        &self,
        input: &CallInput,
        at: At,
        overrides: &Overrides,
    ) -> Result<Result<u64, CallFailure>, QueryError> {
        let (header, hash, view) = self.state(at)?;
        Ok(exec::estimate(&view, (self.id, &header, hash), input, overrides))
    }

    /// Logs of the blocks `from..=to`.
    pub fn logs(&self, from: u64, to: u64, filter: &LogFilter) -> Result<Vec<PlacedLog>, LogsError> {
        let to = to.min(Self::head(self).number());
        if to.saturating_sub(from) >= LOG_BLOCKS_MAX {
            return Err(LogsError::Range);
        }
        let mut found = Vec::new();
        for number in from..=to {
            let Some(block) = self.block(BlockAt::Number(number))? else { continue };
            if filter.may_match(&block.block.header) {
                found.extend(logs_of(&block, filter));
            }
            if found.len() > LOGS_MAX {
                return Err(LogsError::TooMany);
            }
        }
        Ok(found)
    }

    /// Fees of `count` blocks up to `newest`.
    pub fn fee_history(&self, count: u64, newest: BlockAt) -> Result<FeeHistory, QueryError> {
        let newest = self.block(newest)?.ok_or(QueryError::UnknownBlock)?;
        let oldest = (newest.number() + 1).saturating_sub(count);
        let mut history = FeeHistory { oldest, base_fees: Vec::new(), gas_used_ratios: Vec::new() };
        for number in oldest..=newest.number() {
            let block = self.block(BlockAt::Number(number))?.ok_or(QueryError::UnknownBlock)?;
            let header = &block.block.header;
            history.base_fees.push(header.base_fee_per_gas.unwrap_or_default());
            history.gas_used_ratios.push(ratio(header.gas_used, header.gas_limit));
        }
        history.base_fees.push(exec::fees::next_base_fee(&newest.block.header));
        Ok(history)
    }

    /// Base fee of the block after the head.
    pub fn next_base_fee(&self) -> u64 {
        exec::fees::next_base_fee(&Self::head(self).block.header)
    }
}

#[expect(clippy::cast_precision_loss, reason = "gas is far below 2^53")]
fn ratio(used: u64, limit: u64) -> f64 {
    used as f64 / limit.max(1) as f64
}
