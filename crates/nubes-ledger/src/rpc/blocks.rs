//! `eth_*` methods that read blocks, transactions, receipts and logs.

use super::{
    Context, ServeError, convert,
    error::{self, RpcError, invalid_params, ok},
};
use crate::{
    chain::{BlockAt, logs_of},
    state::StoredBlock,
};
use alloy_eips::{BlockId, BlockNumberOrTag, Encodable2718};
use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::{Block, Filter, FilterBlockOption, Log, Transaction, TransactionReceipt};
use jsonrpsee::{RpcModule, types::Params};
use std::sync::Arc;

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), ServeError> {
    module
        .register_method("eth_blockNumber", |_, context, _| ok(U64::from(context.chain.head().number())))?;
    module.register_blocking_method("eth_getBlockByNumber", |params, context, _| {
        block(&params, &context, by_number)
    })?;
    module.register_blocking_method("eth_getBlockByHash", |params, context, _| {
        block(&params, &context, by_hash)
    })?;
    module
        .register_blocking_method("eth_getBlockReceipts", |params, context, _| receipts(&params, &context))?;
    for (name, find) in [
        ("eth_getBlockTransactionCountByNumber", by_number as Find),
        ("eth_getBlockTransactionCountByHash", by_hash as Find),
    ] {
        module.register_blocking_method(name, move |params, context, _| count(&params, &context, find))?;
    }
    for (name, find) in [
        ("eth_getTransactionByBlockNumberAndIndex", by_number as Find),
        ("eth_getTransactionByBlockHashAndIndex", by_hash as Find),
    ] {
        module.register_blocking_method(name, move |params, context, _| nth(&params, &context, find))?;
    }
    for (name, find) in [
        ("eth_getUncleCountByBlockNumber", by_number as Find),
        ("eth_getUncleCountByBlockHash", by_hash as Find),
    ] {
        module.register_blocking_method(name, move |params, context, _| -> Result<_, RpcError> {
            Ok(find(&mut params.sequence(), &context)?.map(|_| U64::ZERO))
        })?;
    }
    for name in ["eth_getUncleByBlockNumberAndIndex", "eth_getUncleByBlockHashAndIndex"] {
        module.register_method(name, |_, _, _| Option::<Block>::None)?;
    }
    module.register_blocking_method("eth_getTransactionByHash", |params, context, _| {
        transaction(&params, &context)
    })?;
    module.register_blocking_method("eth_getRawTransactionByHash", |params, context, _| {
        raw(&params, &context)
    })?;
    module.register_blocking_method("eth_getTransactionReceipt", |params, context, _| {
        receipt(&params, &context)
    })?;
    module.register_blocking_method("eth_getLogs", |params, context, _| -> Result<_, RpcError> {
        logs(&context, &params.one::<Filter>()?)
    })?;
    Ok(())
}

type Sequence<'a> = jsonrpsee::types::ParamsSequence<'a>;
type Found = Result<Option<Arc<StoredBlock>>, RpcError>;
type Find = fn(&mut Sequence<'_>, &Context) -> Found;

fn by_number(params: &mut Sequence<'_>, context: &Context) -> Found {
    let at = convert::tag_at(params.next::<BlockNumberOrTag>()?);
    context.chain.block(at).map_err(|error| error::query(&error))
}

fn by_hash(params: &mut Sequence<'_>, context: &Context) -> Found {
    let at = BlockAt::Hash(params.next::<B256>()?);
    context.chain.block(at).map_err(|error| error::query(&error))
}

fn block(params: &Params<'_>, context: &Context, find: Find) -> Result<Option<Block>, RpcError> {
    let mut params = params.sequence();
    let found = find(&mut params, context)?;
    let full = params.optional_next::<bool>()?.unwrap_or(false);
    Ok(found.map(|block| convert::block(&block, full)))
}

fn count(params: &Params<'_>, context: &Context, find: Find) -> Result<Option<U64>, RpcError> {
    let found = find(&mut params.sequence(), context)?;
    Ok(found.map(|block| U64::from(block.block.body.transactions.len())))
}

fn nth(params: &Params<'_>, context: &Context, find: Find) -> Result<Option<Transaction>, RpcError> {
    let mut params = params.sequence();
    let found = find(&mut params, context)?;
    let index = usize::try_from(params.next::<U64>()?.to::<u64>()).unwrap_or(usize::MAX);
    Ok(found.and_then(|block| convert::transaction(&block, index)))
}

fn receipts(params: &Params<'_>, context: &Context) -> Result<Option<Vec<TransactionReceipt>>, RpcError> {
    let at = convert::block_at(Some(params.one::<BlockId>()?));
    let found = context.chain.block(at).map_err(|error| error::query(&error))?;
    let all = |block: Arc<StoredBlock>| {
        (0..block.receipts.len()).filter_map(|index| convert::receipt(&block, index)).collect()
    };
    Ok(found.map(all))
}

fn find_transaction(context: &Context, hash: &B256) -> Result<Option<(Arc<StoredBlock>, usize)>, RpcError> {
    context.chain.transaction(hash).map_err(|error| error::query(&error))
}

fn transaction(params: &Params<'_>, context: &Context) -> Result<Option<Transaction>, RpcError> {
    let hash = params.one::<B256>()?;
    if let Some((block, index)) = find_transaction(context, &hash)? {
        return Ok(convert::transaction(&block, index));
    }
    Ok(context.pool.get(&hash).map(|waiting| convert::waiting(&waiting)))
}

fn raw(params: &Params<'_>, context: &Context) -> Result<Option<Bytes>, RpcError> {
    let hash = params.one::<B256>()?;
    if let Some((block, index)) = find_transaction(context, &hash)? {
        return Ok(block.transaction(index).map(|transaction| transaction.inner().encoded_2718().into()));
    }
    Ok(context.pool.get(&hash).map(|waiting| waiting.inner().encoded_2718().into()))
}

fn receipt(params: &Params<'_>, context: &Context) -> Result<Option<TransactionReceipt>, RpcError> {
    let hash = params.one::<B256>()?;
    Ok(find_transaction(context, &hash)?.and_then(|(block, index)| convert::receipt(&block, index)))
}

pub(super) fn logs(context: &Context, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    let wanted = convert::filter(filter)?;
    let found = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = context.chain.block(BlockAt::Hash(hash)).map_err(|error| error::query(&error))?;
            let block = block.ok_or_else(|| error::server("unknown block"))?;
            logs_of(&block, &wanted)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let (from, to) = range(context, from_block, to_block)?;
            context.chain.logs(from, to, &wanted).map_err(|error| error::logs(&error))?
        }
    };
    Ok(found.into_iter().map(convert::log).collect())
}

/// Numbers of the first and last block of a range; a missing end is the head.
pub(super) fn range(
    context: &Context,
    from: Option<BlockNumberOrTag>,
    to: Option<BlockNumberOrTag>,
) -> Result<(u64, u64), RpcError> {
    let head = context.chain.head().number();
    let number = |tag: Option<BlockNumberOrTag>| match tag.map(convert::tag_at) {
        Some(BlockAt::Number(number)) => number,
        _ => head,
    };
    let (from, to) = (number(from), number(to));
    if from > to {
        return Err(invalid_params("invalid block range params"));
    }
    if to > head {
        return Err(invalid_params("block range extends beyond current head block"));
    }
    Ok((from, to))
}
