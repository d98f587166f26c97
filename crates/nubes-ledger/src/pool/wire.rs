//! Batches of transactions between validators: an RLP list of EIP-2718 byte strings.

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::Encodable2718;
use alloy_primitives::Bytes;
use alloy_rlp::Decodable;
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Bytes of one batch.
pub const BATCH_BYTES_MAX: usize = nubes_consensus::BATCH_BYTES_MAX;
/// Transactions of one batch.
pub const BATCH_TRANSACTIONS_MAX: usize = 1_000;

/// Waits for a transaction and takes along what came with it. None: the pool is gone.
pub(super) async fn next_batch(news: &mut Receiver<Arc<Recovered<TxEnvelope>>>) -> Option<Bytes> {
    let first = loop {
        match news.recv().await {
            Ok(transaction) => break transaction,
            // Too slow: the ones in between reach peers inside blocks.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    };
    let mut batch = vec![encode(&first)];
    let mut bytes = batch.iter().map(|raw| raw.len()).sum::<usize>();
    while batch.len() < BATCH_TRANSACTIONS_MAX && bytes < BATCH_BYTES_MAX / 2 {
        let Ok(next) = news.try_recv() else { break };
        let raw = encode(&next);
        bytes += raw.len();
        batch.push(raw);
    }
    Some(alloy_rlp::encode(&batch).into())
}

/// The raw transactions of a batch; of a malformed or oversized one, none.
pub(super) fn decode(batch: &[u8]) -> Vec<Bytes> {
    if batch.len() > BATCH_BYTES_MAX {
        return Vec::new();
    }
    let mut rest = batch;
    let Ok(raw) = Vec::<Bytes>::decode(&mut rest) else { return Vec::new() };
    if raw.len() > BATCH_TRANSACTIONS_MAX || !rest.is_empty() {
        return Vec::new();
    }
    raw
}

fn encode(transaction: &Recovered<TxEnvelope>) -> Bytes {
    transaction.inner().encoded_2718().into()
}
