//! `eth_subscribe` over WebSocket.

use super::{Context, ServeError, convert};
use crate::{chain::logs_of, state::StoredBlock};
use alloy_rpc_types_eth::Filter;
use jsonrpsee::{
    RpcModule, SubscriptionMessage,
    core::SubscriptionResult,
    server::{PendingSubscriptionSink, SubscriptionSink},
    types::Params,
};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), ServeError> {
    module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, context, _| {
            // Parsed here: the parameters do not outlive this closure.
            let wanted = Wanted::parse(&params);
            subscribe(wanted, pending, context)
        },
    )?;
    Ok(())
}

enum Wanted {
    Heads,
    Logs(crate::chain::LogFilter),
    Pending { full: bool },
    Syncing,
}

impl Wanted {
    fn parse(params: &Params<'_>) -> Result<Self, super::error::RpcError> {
        let mut params = params.sequence();
        let kind = params.next::<String>()?;
        match kind.as_str() {
            "newHeads" => Ok(Self::Heads),
            "logs" => {
                let filter = params.optional_next::<Filter>()?.unwrap_or_default();
                Ok(Self::Logs(convert::filter(&filter)?))
            }
            "newPendingTransactions" => {
                let full =
                    params.optional_next::<Value>()?.and_then(|value| value.as_bool()).unwrap_or(false);
                Ok(Self::Pending { full })
            }
            "syncing" => Ok(Self::Syncing),
            other => {
                Err(super::error::invalid_params(format!("no \"{other}\" subscription in eth namespace")))
            }
        }
    }
}

async fn subscribe(
    wanted: Result<Wanted, super::error::RpcError>,
    pending: PendingSubscriptionSink,
    context: Arc<Context>,
) -> SubscriptionResult {
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            pending.reject(error).await;
            return Ok(());
        }
    };
    // Followed before it is accepted: what happens after the client knows of it is not missed.
    let (finals, arrivals) = (context.chain.follow(), context.pool.follow());
    let sink = pending.accept().await?;
    match wanted {
        Wanted::Heads => {
            let heads = |block: &StoredBlock| vec![convert::header(block)];
            follow_blocks(sink, finals, heads).await
        }
        Wanted::Logs(filter) => {
            let logs = |block: &StoredBlock| logs_of(block, &filter).into_iter().map(convert::log).collect();
            follow_blocks(sink, finals, logs).await
        }
        Wanted::Pending { full } => follow_arrivals(sink, arrivals, full).await,
        Wanted::Syncing => {
            send(&sink, &false).await?;
            sink.closed().await;
            Ok(())
        }
    }
}

async fn follow_blocks<T: Serialize>(
    sink: SubscriptionSink,
    mut finals: tokio::sync::broadcast::Receiver<Arc<StoredBlock>>,
    messages: impl Fn(&StoredBlock) -> Vec<T>,
) -> SubscriptionResult {
    loop {
        let block = tokio::select! {
            () = sink.closed() => return Ok(()),
            block = finals.recv() => block,
        };
        match block {
            Ok(block) => {
                for message in messages(&block) {
                    send(&sink, &message).await?;
                }
            }
            // A gap in the stream would be a lie. The client sees the end and subscribes again.
            Err(RecvError::Lagged(_) | RecvError::Closed) => return Ok(()),
        }
    }
}

async fn follow_arrivals(
    sink: SubscriptionSink,
    mut arrivals: tokio::sync::broadcast::Receiver<
        Arc<alloy_consensus::transaction::Recovered<alloy_consensus::TxEnvelope>>,
    >,
    full: bool,
) -> SubscriptionResult {
    loop {
        let arrival = tokio::select! {
            () = sink.closed() => return Ok(()),
            arrival = arrivals.recv() => arrival,
        };
        match arrival {
            Ok(transaction) if full => send(&sink, &convert::waiting(&transaction)).await?,
            Ok(transaction) => send(&sink, transaction.inner().hash()).await?,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

async fn send<T: Serialize>(sink: &SubscriptionSink, message: &T) -> SubscriptionResult {
    let message = serde_json::value::to_raw_value(message)?;
    sink.send(SubscriptionMessage::from(message)).await?;
    Ok(())
}
