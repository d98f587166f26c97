//! `web3_*`, `net_*`, `txpool_*`: who answers, and what waits.

use super::{Context, ServeError, convert, error::RpcError};
use alloy_primitives::{Address, Bytes, keccak256};
use jsonrpsee::{RpcModule, types::Params};
use serde_json::{Map, Value, json};

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), ServeError> {
    module.register_method("web3_clientVersion", |_, _, _| {
        format!(
            "nubes/v{}/{}-{}/rust",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        )
    })?;
    module.register_method("web3_sha3", |params, _, _| sha3(&params))?;
    module.register_method("net_version", |_, context, _| context.chain.chain_id().to_string())?;
    module.register_method("net_listening", |_, _, _| true)?;
    module.register_method("net_peerCount", |_, _, _| "0x0")?;
    module.register_method("txpool_status", |_, context, _| status(context))?;
    module.register_blocking_method("txpool_content", |_, context, _| content(&context, None))?;
    module.register_blocking_method("txpool_contentFrom", |params, context, _| -> Result<_, RpcError> {
        let sender = params.one::<Address>()?;
        Ok(content(&context, Some(sender)))
    })?;
    Ok(())
}

fn sha3(params: &Params<'_>) -> Result<alloy_primitives::B256, RpcError> {
    Ok(keccak256(params.one::<Bytes>()?))
}

/// Waiting transactions, split into those that could run now and those behind a gap.
fn split(context: &Context, only: Option<Address>) -> (Value, Value, [usize; 2]) {
    let (mut pending, mut queued, mut counts) = (Map::new(), Map::new(), [0, 0]);
    for (sender, transactions) in context.pool.content() {
        if only.is_some_and(|only| only != sender) {
            continue;
        }
        let next = context.chain.nonce(&sender, crate::chain::BlockAt::Head).unwrap_or_default();
        let ready = context.pool.next_nonce(&sender, next);
        let (mut now, mut later) = (Map::new(), Map::new());
        for (nonce, transaction) in transactions {
            let shape = json!(convert::waiting(&transaction));
            let (into, count) = if nonce < ready { (&mut now, 0) } else { (&mut later, 1) };
            into.insert(nonce.to_string(), shape);
            if let Some(count) = counts.get_mut(count) {
                *count += 1;
            }
        }
        let keep = |all: &mut Map<String, Value>, some: Map<String, Value>| {
            if !some.is_empty() {
                all.insert(sender.to_string(), Value::Object(some));
            }
        };
        keep(&mut pending, now);
        keep(&mut queued, later);
    }
    (Value::Object(pending), Value::Object(queued), counts)
}

fn status(context: &Context) -> Value {
    let (_, _, [pending, queued]) = split(context, None);
    json!({ "pending": format!("{pending:#x}"), "queued": format!("{queued:#x}") })
}

fn content(context: &Context, only: Option<Address>) -> Value {
    let (pending, queued, _) = split(context, only);
    match only {
        None => json!({ "pending": pending, "queued": queued }),
        // geth leaves the sender out when there is only one.
        Some(sender) => {
            let of = |all: Value| all.get(sender.to_string()).cloned().unwrap_or_else(|| json!({}));
            json!({ "pending": of(pending), "queued": of(queued) })
        }
    }
}
