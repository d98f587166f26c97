//! The ledger of this process, as the other layers see it.

use crate::{
    chain::{BlockAt, Chain, QueryError},
    exec::{CallFailure, CallInput, Overrides},
    pool::Pool,
    state::StoredBlock,
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, Bytes, U256};
use async_trait::async_trait;
use futures_util::{StreamExt as _, stream::BoxStream};
use nubes_base::port::{CallError, FinalBlock, FinalReceipt, Ledger, Log, Prepared, SubmitError};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

/// How long `submit` waits for finality.
pub(crate) const SUBMIT_WAIT: Duration = Duration::from_secs(20);

/// Implements the port on the chain of this process.
#[derive(Clone, Debug)]
pub struct LocalLedger {
    chain: Arc<Chain>,
    pool: Arc<Pool>,
}

impl LocalLedger {
    pub const fn new(chain: Arc<Chain>, pool: Arc<Pool>) -> Self {
        Self { chain, pool }
    }
}

#[async_trait]
impl Ledger for LocalLedger {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, CallError> {
        let chain = Arc::clone(&self.chain);
        let input = CallInput { to: Some(to), data, ..CallInput::default() };
        let outcome = on_chain(move || chain.call(&input, BlockAt::Head, &Overrides::default())).await?;
        Ok(outcome.map_err(refusal)?.output)
    }

    async fn submit(&self, transaction: Bytes) -> Result<FinalReceipt, SubmitError> {
        let mut finals = self.chain.follow();
        let pool = Arc::clone(&self.pool);
        let submitted = tokio::task::spawn_blocking(move || pool.submit(&transaction)).await;
        let submitted = submitted.map_err(|source| SubmitError::Unreachable { source: Box::new(source) })?;
        let hash = submitted.map_err(|error| SubmitError::Refused { reason: error.to_string() })?;
        let wait = async {
            loop {
                match finals.recv().await {
                    Ok(block) => {
                        if let Some(receipt) = receipt_of(&block, &hash) {
                            return Some(receipt);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {
                        let place = self.chain.transaction(&hash).ok().flatten();
                        if let Some(receipt) = place.and_then(|(block, _)| receipt_of(&block, &hash)) {
                            return Some(receipt);
                        }
                    }
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        let waited_ms = u64::try_from(SUBMIT_WAIT.as_millis()).unwrap_or(u64::MAX);
        let found = tokio::time::timeout(SUBMIT_WAIT, wait).await.ok().flatten();
        found.ok_or(SubmitError::Pending { transaction: hash, waited_ms })
    }

    fn follow(&self) -> BoxStream<'static, FinalBlock> {
        let chain = Arc::clone(&self.chain);
        let next = self.chain.head().number() + 1;
        let events = BroadcastStream::new(self.chain.follow());
        // A follower that lagged reads the blocks it missed from the store: the stream has no gaps.
        let blocks = events.scan(next, move |next, event| {
            let to = match event {
                Ok(block) => block.number(),
                Err(BroadcastStreamRecvError::Lagged(_)) => chain.head().number(),
            };
            let missed: Vec<_> = (*next..=to)
                .filter_map(|number| chain.block(BlockAt::Number(number)).ok().flatten())
                .collect();
            *next = (*next).max(to + 1);
            std::future::ready(Some(futures_util::stream::iter(missed)))
        });
        blocks.flatten().map(|block| final_block(&block)).boxed()
    }

    async fn block(&self, number: u64) -> Result<Option<FinalBlock>, CallError> {
        let chain = Arc::clone(&self.chain);
        let block = on_chain(move || chain.block(BlockAt::Number(number))).await?;
        Ok(block.map(|block| final_block(&block)))
    }

    async fn prepare(&self, from: Address, to: Address, data: Bytes) -> Result<Prepared, CallError> {
        let (chain, pool) = (Arc::clone(&self.chain), Arc::clone(&self.pool));
        let input = CallInput { from, to: Some(to), data, ..CallInput::default() };
        let prepare = move || {
            let gas = chain.estimate(&input, BlockAt::Head, &Overrides::default())?;
            let nonce = pool.next_nonce(&from, chain.nonce(&from, BlockAt::Head)?);
            let price = u128::from(chain.next_base_fee());
            Ok(gas.map(|gas| Prepared { chain_id: chain.chain_id(), nonce, gas, gas_price: price }))
        };
        on_chain(prepare).await?.map_err(refusal)
    }
}

/// Reads the chain where blocking is allowed.
async fn on_chain<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, CallError> {
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.map_err(|source| CallError::Unreachable { source: Box::new(source) })?;
    read.map_err(|source| CallError::Unreachable { source: Box::new(source) })
}

fn refusal(failure: CallFailure) -> CallError {
    match failure {
        CallFailure::Reverted { data } => CallError::Reverted { data },
        CallFailure::Halted { reason } | CallFailure::Refused { reason } => {
            CallError::Failed { what: reason }
        }
    }
}

fn final_block(block: &StoredBlock) -> FinalBlock {
    let logs = block.receipts.iter().flat_map(alloy_consensus::ReceiptEnvelope::logs);
    FinalBlock {
        number: block.number(),
        hash: block.hash,
        timestamp: block.block.header.timestamp,
        header: alloy_rlp::encode(&block.block.header).into(),
        logs: logs.map(event).collect(),
    }
}

fn event(log: &alloy_primitives::Log) -> Log {
    Log { address: log.address, topics: log.topics().to_vec(), data: log.data.data.clone() }
}

fn receipt_of(block: &StoredBlock, hash: &alloy_primitives::B256) -> Option<FinalReceipt> {
    let index = block.block.body.transactions.iter().position(|transaction| transaction.hash() == hash)?;
    let transaction = block.transaction(index)?;
    let (envelope, sender) = (*transaction.inner(), transaction.signer());
    let gas_used = block.gas_used(index)?;
    let price = envelope.effective_gas_price(block.block.header.base_fee_per_gas);
    let created = envelope.is_create().then(|| sender.create(envelope.nonce()));
    Some(FinalReceipt {
        transaction: *hash,
        block: block.number(),
        success: block.receipts.get(index)?.status(),
        logs: block.receipts.get(index)?.logs().iter().map(event).collect(),
        gas_used,
        fee: U256::from(gas_used).saturating_mul(U256::from(price)),
        contract: created,
    })
}
