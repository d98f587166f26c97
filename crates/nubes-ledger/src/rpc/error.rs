//! Errors as Ethereum clients know them.

use crate::{
    chain::{LogsError, QueryError},
    exec::CallFailure,
    pool::PoolError,
};
use alloy_primitives::{B256, Bytes};
use alloy_sol_types::{Panic, Revert, SolError as _};
use jsonrpsee::types::ErrorObjectOwned;

/// A method failed.
pub(crate) type RpcError = ErrorObjectOwned;

/// A plain value as an answer: the server serialises results only.
#[expect(clippy::unnecessary_wraps, reason = "the wrapping is the point")]
pub(crate) const fn ok<T>(value: T) -> Result<T, RpcError> {
    Ok(value)
}

const INVALID_PARAMS: i32 = -32_602;
const SERVER: i32 = -32_000;
const LIMIT_EXCEEDED: i32 = -32_005;
/// geth: the call reverted, `data` is the contract's reason.
const REVERTED: i32 = 3;
/// EIP-7966: not final in time, `data` is the transaction's hash.
const NOT_IN_TIME: i32 = 4;

pub(crate) fn invalid_params(what: impl Into<String>) -> RpcError {
    ErrorObjectOwned::owned::<()>(INVALID_PARAMS, what, None)
}

pub(crate) fn server(what: impl Into<String>) -> RpcError {
    ErrorObjectOwned::owned::<()>(SERVER, what, None)
}

pub(crate) fn query(error: &QueryError) -> RpcError {
    if !matches!(error, QueryError::UnknownBlock) {
        tracing::error!(%error, "a query failed");
    }
    server(error.to_string())
}

pub(crate) fn logs(error: &LogsError) -> RpcError {
    match error {
        LogsError::Query(error) => query(error),
        error => ErrorObjectOwned::owned::<()>(LIMIT_EXCEEDED, error.to_string(), None),
    }
}

pub(crate) fn pool(error: &PoolError) -> RpcError {
    server(error.to_string())
}

pub(crate) fn call(failure: CallFailure) -> RpcError {
    match failure {
        CallFailure::Reverted { data } => reverted(&data),
        CallFailure::Halted { reason } | CallFailure::Refused { reason } => server(reason),
    }
}

pub(crate) fn not_in_time(hash: B256, waited_ms: u64) -> RpcError {
    let what = format!("the transaction was added to the pool but is not final after {waited_ms} ms");
    ErrorObjectOwned::owned(NOT_IN_TIME, what, Some(hash))
}

fn reverted(data: &Bytes) -> RpcError {
    // Custom errors are left to the client, which has the ABI.
    let reason =
        Revert::abi_decode(data).map(|revert| revert.reason).or_else(|_| Panic::abi_decode(data).map(panic));
    let what = reason
        .map_or_else(|_| "execution reverted".to_owned(), |reason| format!("execution reverted: {reason}"));
    ErrorObjectOwned::owned(REVERTED, what, Some(data.clone()))
}

/// Solidity's panic codes in geth's words.
fn panic(panic: Panic) -> String {
    let known = match u8::try_from(panic.code) {
        Ok(0x00) => "generic panic",
        Ok(0x01) => "assert(false)",
        Ok(0x11) => "arithmetic underflow or overflow",
        Ok(0x12) => "division or modulo by zero",
        Ok(0x21) => "enum overflow",
        Ok(0x22) => "invalid encoded storage byte array accessed",
        Ok(0x31) => "out-of-bounds array access; popping on an empty array",
        Ok(0x32) => "out-of-bounds access of an array or bytesN",
        Ok(0x41) => "out of memory",
        Ok(0x51) => "uninitialized function",
        _ => return format!("unknown panic code: {:#x}", panic.code),
    };
    known.to_owned()
}
