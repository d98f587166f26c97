//! Polling filters: `eth_newFilter` and relatives, for clients without WebSocket.

use super::{
    Context, ServeError, blocks, convert,
    error::{self, RpcError, ok},
};
use crate::chain::{BlockAt, LogFilter, LogsError};
use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::Filter;
use jsonrpsee::{RpcModule, types::Params};
use nubes_base::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Filters of the node. The one that was asked longest ago makes room.
pub(crate) const FILTERS_MAX: usize = 1_000;
/// A filter that nobody asks for this long is forgotten, as in geth.
pub(crate) const FILTER_IDLE_MAX: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub(crate) struct Filters {
    // Requests of many connections meet here for the time of one look-up.
    inner: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    filters: BTreeMap<u64, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    /// First block that has not been reported.
    from: u64,
    asked: Timestamp,
}

#[derive(Clone, Debug)]
enum Kind {
    Logs {
        filter: LogFilter,
        request: Box<Filter>,
    },
    Blocks,
    /// Hashes that were in the pool at the last question.
    Pending(BTreeSet<B256>),
}

impl Filters {
    fn add(&self, kind: Kind, from: u64, now: Timestamp) -> U256 {
        let mut table = self.inner.lock();
        table.filters.retain(|_, entry| now.since(entry.asked) < FILTER_IDLE_MAX);
        if table.filters.len() >= FILTERS_MAX {
            let oldest = table.filters.iter().min_by_key(|(_, entry)| entry.asked).map(|(id, _)| *id);
            oldest.map(|id| table.filters.remove(&id));
        }
        table.next += 1;
        let id = table.next;
        table.filters.insert(id, Entry { kind, from, asked: now });
        U256::from(id)
    }

    fn get(&self, id: U256, now: Timestamp) -> Result<(u64, Entry), RpcError> {
        let id = u64::try_from(id).unwrap_or(u64::MAX);
        let entry = self.inner.lock().filters.get(&id).cloned();
        let entry = entry.filter(|entry| now.since(entry.asked) < FILTER_IDLE_MAX);
        entry.map(|entry| (id, entry)).ok_or_else(|| error::server("filter not found"))
    }

    fn put(&self, id: u64, entry: Entry) {
        if let Some(old) = self.inner.lock().filters.get_mut(&id) {
            *old = entry;
        }
    }
}

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), ServeError> {
    module.register_method("eth_newFilter", |params, context, _| -> Result<U256, RpcError> {
        let request = params.one::<Filter>()?;
        let kind = Kind::Logs { filter: convert::filter(&request)?, request: Box::new(request) };
        Ok(add(context, kind))
    })?;
    module.register_method("eth_newBlockFilter", |_, context, _| ok(add(context, Kind::Blocks)))?;
    module.register_method("eth_newPendingTransactionFilter", |_, context, _| {
        let waiting = pending(context);
        ok(add(context, Kind::Pending(waiting)))
    })?;
    module.register_method("eth_uninstallFilter", |params, context, _| -> Result<bool, RpcError> {
        let id = u64::try_from(params.one::<U256>()?).unwrap_or(u64::MAX);
        Ok(context.filters.inner.lock().filters.remove(&id).is_some())
    })?;
    module
        .register_blocking_method("eth_getFilterChanges", |params, context, _| changes(&params, &context))?;
    module.register_blocking_method(
        "eth_getFilterLogs",
        |params, context, _| -> Result<Value, RpcError> {
            let (_, entry) = context.filters.get(params.one::<U256>()?, context.clock.now())?;
            let Kind::Logs { request, .. } = entry.kind else {
                return Err(error::server("filter not found"));
            };
            Ok(json!(blocks::logs(&context, &request)?))
        },
    )?;
    Ok(())
}

fn add(context: &Context, kind: Kind) -> U256 {
    let from = context.chain.head().number() + 1;
    context.filters.add(kind, from, context.clock.now())
}

fn pending(context: &Context) -> BTreeSet<B256> {
    let content = context.pool.content();
    content.values().flat_map(BTreeMap::values).map(|transaction| *transaction.inner().hash()).collect()
}

fn changes(params: &Params<'_>, context: &Context) -> Result<Value, RpcError> {
    let (id, mut entry) = context.filters.get(params.one::<U256>()?, context.clock.now())?;
    let head = context.chain.head().number();
    let (from, to) = (entry.from, head);
    entry.asked = context.clock.now();
    entry.from = head + 1;
    let behind = entry.clone();
    let news = match &mut entry.kind {
        Kind::Logs { .. } | Kind::Blocks if from > to => json!([]),
        Kind::Logs { filter, .. } => {
            let found = context.chain.logs(from, to, filter);
            if let Err(LogsError::Range | LogsError::TooMany) = &found {
                // The client is told, and goes on after them; asking again could only fail again.
                context.filters.put(id, behind);
            }
            let found = found.map_err(|error| error::logs(&error))?;
            json!(found.into_iter().map(convert::log).collect::<Vec<_>>())
        }
        Kind::Blocks => {
            let block =
                |number| context.chain.block(BlockAt::Number(number)).map_err(|error| error::query(&error));
            let found = (from..=to).map(block).collect::<Result<Vec<_>, _>>()?;
            json!(found.into_iter().flatten().map(|block| block.hash).collect::<Vec<_>>())
        }
        Kind::Pending(known) => {
            let now = pending(context);
            let new: Vec<_> = now.difference(known).copied().collect();
            *known = now;
            json!(new)
        }
    };
    context.filters.put(id, entry);
    Ok(news)
}
