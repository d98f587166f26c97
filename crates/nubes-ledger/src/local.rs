//! The ledger of this process, as the other layers see it.

use crate::{
    chain::{BlockAt, Chain},
    exec::{CallFailure, CallInput, Overrides},
    pool::Pool,
    state::StoredBlock,
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, Bytes, U256};
use async_trait::async_trait;
use futures_util::{StreamExt as _, stream::BoxStream};
use nubes_base::port::{CallError, FinalBlock, FinalReceipt, Ledger, Log, SubmitError};
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
        let run = move || chain.call(&input, BlockAt::Head, &Overrides::default());
        let unreachable =
            |source: Box<dyn std::error::Error + Send + Sync>| CallError::Unreachable { source };
        let outcome =
            tokio::task::spawn_blocking(run).await.map_err(|source| unreachable(Box::new(source)))?;
        match outcome.map_err(|source| unreachable(Box::new(source)))? {
            Ok(outcome) => Ok(outcome.output),
            Err(CallFailure::Reverted { data }) => Err(CallError::Reverted { data }),
            Err(CallFailure::Halted { reason } | CallFailure::Refused { reason }) => {
                Err(CallError::Failed { what: reason })
            }
        }
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
}

fn final_block(block: &StoredBlock) -> FinalBlock {
    let logs = block.receipts.iter().flat_map(alloy_consensus::ReceiptEnvelope::logs);
    FinalBlock {
        number: block.number(),
        hash: block.hash,
        timestamp: block.block.header.timestamp,
        logs: logs
            .map(|log| Log {
                address: log.address,
                topics: log.topics().to_vec(),
                data: log.data.data.clone(),
            })
            .collect(),
    }
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
        gas_used,
        fee: U256::from(gas_used).saturating_mul(U256::from(price)),
        contract: created,
    })
}
