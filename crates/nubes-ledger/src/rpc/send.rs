//! `eth_sendRawTransaction` and its waiting form.

use super::{
    Context, ServeError, convert,
    error::{self, RpcError},
};
use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::TransactionReceipt;
use jsonrpsee::{RpcModule, types::Params};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::error::RecvError;

/// How long `eth_sendRawTransactionSync` waits if the client does not say.
const WAIT_DEFAULT: Duration = Duration::from_secs(20);
/// The longest it waits.
const WAIT_MAX: Duration = Duration::from_mins(1);

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), ServeError> {
    module.register_blocking_method(
        "eth_sendRawTransaction",
        |params, context, _| -> Result<B256, RpcError> {
            let raw = params.one::<Bytes>()?;
            context.pool.submit(&raw).map_err(|error| error::pool(&error))
        },
    )?;
    module.register_async_method("eth_sendRawTransactionSync", |params, context, _| async move {
        let (raw, wait) = sync_params(&params)?;
        send_sync(context, raw, wait).await
    })?;
    Ok(())
}

fn sync_params(params: &Params<'_>) -> Result<(Bytes, Duration), RpcError> {
    let mut params = params.sequence();
    let raw = params.next::<Bytes>()?;
    // Clients send a number or hex.
    let wait = params.optional_next::<U64>()?.map_or(WAIT_DEFAULT, |ms| Duration::from_millis(ms.to()));
    Ok((raw, wait.min(WAIT_MAX)))
}

/// EIP-7966: the receipt in the answer.
async fn send_sync(
    context: Arc<Context>,
    raw: Bytes,
    wait: Duration,
) -> Result<TransactionReceipt, RpcError> {
    // Subscribed before it is sent, so that its block cannot pass unseen.
    let mut finals = context.chain.follow();
    let submit = {
        let context = Arc::clone(&context);
        move || context.pool.submit(&raw)
    };
    let submitted =
        tokio::task::spawn_blocking(submit).await.map_err(|_| error::server("the node is stopping"))?;
    let hash = submitted.map_err(|error| error::pool(&error))?;
    let found = tokio::time::timeout(wait, async {
        loop {
            match finals.recv().await {
                Ok(block) => {
                    let index = block
                        .block
                        .body
                        .transactions
                        .iter()
                        .position(|transaction| *transaction.hash() == hash);
                    if let Some(receipt) = index.and_then(|index| convert::receipt(&block, index)) {
                        return Ok(receipt);
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    let place = context.chain.transaction(&hash).map_err(|error| error::query(&error))?;
                    if let Some(receipt) = place.and_then(|(block, index)| convert::receipt(&block, index)) {
                        return Ok(receipt);
                    }
                }
                Err(RecvError::Closed) => return Err(error::server("the node is stopping")),
            }
        }
    });
    let waited_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    found.await.unwrap_or_else(|_| Err(error::not_in_time(hash, waited_ms)))
}
