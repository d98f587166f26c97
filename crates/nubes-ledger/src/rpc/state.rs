//! `eth_*` methods that read state or run a call on it.

use super::{
    Context, ServeError, convert,
    error::{self, RpcError, invalid_params, ok},
};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{
    EIP1186AccountProofResponse, EIP1186StorageProof, TransactionRequest, state::StateOverride,
};
use alloy_serde::JsonStorageKey;
use jsonrpsee::{RpcModule, types::Params};
use serde_json::Value;

/// Slots that one proof request may name.
const PROOF_SLOTS_MAX: usize = 1_024;

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), ServeError> {
    module.register_method("eth_chainId", |_, context, _| ok(U64::from(context.chain.chain_id())))?;
    module.register_method("eth_syncing", |_, _, _| false)?;
    module.register_method("eth_accounts", |_, _, _| Vec::<Address>::new())?;
    module.register_method("eth_coinbase", |_, _, _| ok(Address::ZERO))?;
    module.register_method("eth_mining", |_, _, _| false)?;
    module.register_method("eth_hashrate", |_, _, _| ok(U64::ZERO))?;
    module.register_blocking_method("eth_getBalance", |params, context, _| balance(&params, &context))?;
    module.register_blocking_method("eth_getCode", |params, context, _| code(&params, &context))?;
    module.register_blocking_method("eth_getStorageAt", |params, context, _| storage(&params, &context))?;
    module
        .register_blocking_method("eth_getTransactionCount", |params, context, _| nonce(&params, &context))?;
    module.register_blocking_method("eth_call", |params, context, _| call(&params, &context))?;
    module.register_blocking_method("eth_estimateGas", |params, context, _| estimate(&params, &context))?;
    module.register_blocking_method("eth_getProof", |params, context, _| proof(&params, &context))?;
    Ok(())
}

fn balance(params: &Params<'_>, context: &Context) -> Result<U256, RpcError> {
    let mut params = params.sequence();
    let (address, at) = (params.next::<Address>()?, params.optional_next::<BlockId>()?);
    context.chain.balance(&address, convert::block_at(at)).map_err(|error| error::query(&error))
}

fn code(params: &Params<'_>, context: &Context) -> Result<Bytes, RpcError> {
    let mut params = params.sequence();
    let (address, at) = (params.next::<Address>()?, params.optional_next::<BlockId>()?);
    context.chain.code(&address, convert::block_at(at)).map_err(|error| error::query(&error))
}

fn storage(params: &Params<'_>, context: &Context) -> Result<B256, RpcError> {
    let mut params = params.sequence();
    let (address, slot) = (params.next::<Address>()?, params.next::<JsonStorageKey>()?);
    let at = convert::block_at(params.optional_next::<BlockId>()?);
    let value = context.chain.storage(&address, &slot.as_b256().into(), at);
    value.map(B256::from).map_err(|error| error::query(&error))
}

fn nonce(params: &Params<'_>, context: &Context) -> Result<U64, RpcError> {
    let mut params = params.sequence();
    let (address, at) = (params.next::<Address>()?, params.optional_next::<BlockId>()?);
    let nonce = context.chain.nonce(&address, convert::block_at(at)).map_err(|error| error::query(&error))?;
    if at.is_some_and(|at| at.is_pending()) {
        return Ok(U64::from(context.pool.next_nonce(&address, nonce)));
    }
    Ok(U64::from(nonce))
}

type CallParams = (TransactionRequest, Option<BlockId>, Option<StateOverride>);

fn call_params(params: &Params<'_>) -> Result<CallParams, RpcError> {
    let mut params = params.sequence();
    let request = params.next::<TransactionRequest>()?;
    let at = params.optional_next::<BlockId>()?;
    let overrides = params.optional_next::<StateOverride>()?;
    // Block overrides come fourth; what is not supported is refused rather than ignored.
    if params
        .optional_next::<Value>()?
        .is_some_and(|given| given.as_object().is_none_or(|map| !map.is_empty()))
    {
        return Err(invalid_params("block overrides are not supported"));
    }
    Ok((request, at, overrides))
}

fn call(params: &Params<'_>, context: &Context) -> Result<Bytes, RpcError> {
    let (request, at, overrides) = call_params(params)?;
    let input = convert::call_input(request, context.chain.next_base_fee())?;
    let overrides = convert::overrides(overrides)?;
    let outcome = context.chain.call(&input, convert::block_at(at), &overrides);
    outcome.map_err(|error| error::query(&error))?.map(|outcome| outcome.output).map_err(error::call)
}

fn estimate(params: &Params<'_>, context: &Context) -> Result<U64, RpcError> {
    let (request, at, overrides) = call_params(params)?;
    let input = convert::call_input(request, context.chain.next_base_fee())?;
    let overrides = convert::overrides(overrides)?;
    let gas = context.chain.estimate(&input, convert::block_at(at), &overrides);
    gas.map_err(|error| error::query(&error))?.map(U64::from).map_err(error::call)
}

fn proof(params: &Params<'_>, context: &Context) -> Result<EIP1186AccountProofResponse, RpcError> {
    let mut params = params.sequence();
    let (address, keys) = (params.next::<Address>()?, params.next::<Vec<JsonStorageKey>>()?);
    let at = convert::block_at(params.optional_next::<BlockId>()?);
    if keys.len() > PROOF_SLOTS_MAX {
        return Err(invalid_params(format!("a proof has at most {PROOF_SLOTS_MAX} storage keys")));
    }
    let slots: Vec<U256> = keys.iter().map(|key| key.as_b256().into()).collect();
    let proof = context.chain.proof(&address, &slots, at).map_err(|error| error::query(&error))?;
    let storage = keys.into_iter().zip(proof.storage);
    Ok(EIP1186AccountProofResponse {
        address,
        balance: proof.account.balance,
        code_hash: proof.account.code_hash,
        nonce: proof.account.nonce,
        storage_hash: proof.account.storage_root,
        account_proof: proof.nodes,
        storage_proof: storage
            .map(|(key, (_, value, proof))| EIP1186StorageProof { key, value, proof })
            .collect(),
    })
}
