//! `eth_call` and `eth_estimateGas`: execution whose changes are thrown away.

use super::{BlockInput, evm_env};
use crate::state::View;
use alloy_consensus::Header;
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_evm::{Evm, EvmFactory, eth::EthEvmFactory};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use revm::{
    bytecode::Bytecode,
    context::{
        TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction, Output},
    },
    context_interface::either::Either,
    database::{CacheDB, WrapDatabaseRef},
    database_interface::DatabaseRef,
};
use std::collections::BTreeMap;

/// Gas of a call that names none, and the most that it may name: EIP-7825.
pub(crate) const CALL_GAS_MAX: u64 = 16_777_216;
/// The estimate is at most this fraction (1/64) above the least gas that works.
const ESTIMATE_PRECISION: u64 = 64;
const TRANSFER_GAS: u64 = 21_000;

/// A message to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallInput {
    pub(crate) from: Address,
    pub(crate) to: Option<Address>,
    pub(crate) value: U256,
    pub(crate) data: Bytes,
    pub(crate) gas: Option<u64>,
    /// Zero: the caller pays nothing and needs no balance for gas.
    pub(crate) gas_price: u128,
    pub(crate) access_list: AccessList,
    /// EIP-7702.
    pub(crate) authorizations: Vec<SignedAuthorization>,
}

/// State that the caller wants to pretend.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) accounts: BTreeMap<Address, AccountOverride>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct AccountOverride {
    pub(crate) balance: Option<U256>,
    pub(crate) nonce: Option<u64>,
    pub(crate) code: Option<Bytes>,
    pub(crate) storage: BTreeMap<U256, U256>,
    /// True: slots that are not named read as zero.
    pub(crate) replaces_storage: bool,
}

/// What a call gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    pub output: Bytes,
    pub gas_used: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The contract said no.
    #[error("execution reverted")]
    Reverted { data: Bytes },
    /// Out of gas, invalid opcode and the like.
    #[error("{reason}")]
    Halted { reason: String },
    /// The message could not be run at all.
    #[error("{reason}")]
    Refused { reason: String },
}

/// Runs `input` on top of the block with `header` and the state `view`.
pub(crate) fn call(
    view: &View,
    (chain_id, header, hash): (u64, &Header, B256),
    input: &CallInput,
    overrides: &Overrides,
) -> Result<CallOutcome, CallFailure> {
    let block = BlockInput {
        chain_id,
        parent: header,
        parent_hash: hash,
        timestamp: header.timestamp,
        seed: header.mix_hash,
        context: header.parent_beacon_block_root.unwrap_or_default(),
    };
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let mut env = evm_env(&block, base_fee);
    // A call looks at the block it names, not at the one after it.
    env.block_env.number = U256::from(header.number);
    env.cfg_env.disable_nonce_check = true;
    env.cfg_env.disable_base_fee = input.gas_price == 0;
    env.cfg_env.disable_eip3607 = true;
    let mut database = CacheDB::new(WrapDatabaseRef(view));
    pretend(&mut database, overrides)?;
    let transaction = TxEnv {
        caller: input.from,
        kind: input.to.map_or(TxKind::Create, TxKind::Call),
        value: input.value,
        data: input.data.clone(),
        gas_limit: input.gas.unwrap_or(CALL_GAS_MAX).min(CALL_GAS_MAX),
        gas_price: input.gas_price,
        chain_id: Some(chain_id),
        access_list: input.access_list.clone(),
        authorization_list: input.authorizations.iter().cloned().map(Either::Left).collect(),
        tx_type: match (input.authorizations.is_empty(), input.access_list.is_empty()) {
            (false, _) => 4,
            (true, false) => 1,
            (true, true) => 0,
        },
        ..TxEnv::default()
    };
    let mut evm = EthEvmFactory::default().create_evm(database, env);
    let result = evm.transact_raw(transaction).map_err(|error| refused(&error, input, base_fee))?;
    match result.result {
        ExecutionResult::Success { output, gas, .. } => {
            let output = match output {
                Output::Call(bytes) | Output::Create(bytes, _) => bytes,
            };
            Ok(CallOutcome { output, gas_used: gas.tx_gas_used() })
        }
        ExecutionResult::Revert { output, .. } => Err(CallFailure::Reverted { data: output }),
        ExecutionResult::Halt { reason, .. } => {
            Err(CallFailure::Halted { reason: halt_text(&format!("{reason:?}")) })
        }
    }
}

/// The least gas with which `input` succeeds, within [`ESTIMATE_PRECISION`].
pub(crate) fn estimate(
    view: &View,
    block: (u64, &Header, B256),
    input: &CallInput,
    overrides: &Overrides,
) -> Result<u64, CallFailure> {
    let with = |gas| {
        let mut input = input.clone();
        input.gas = Some(gas);
        call(view, block, &input, overrides)
    };
    let mut high = input.gas.unwrap_or(CALL_GAS_MAX).min(CALL_GAS_MAX);
    if let Some(allowance) = allowance(view, input, overrides)? {
        high = high.min(allowance);
    }
    let used = with(high)?.gas_used;
    if used == TRANSFER_GAS {
        return Ok(TRANSFER_GAS);
    }
    let mut low = used.saturating_sub(1);
    // Refunds and the 63/64 rule make the need higher than the use; usually not by much.
    let guess = used.saturating_add(used / 63 + 2_300).min(high);
    if with(guess).is_ok() {
        high = guess;
    } else {
        low = guess;
    }
    while high - low > 1 && (high - low) * ESTIMATE_PRECISION > high {
        let middle = low + (high - low) / 2;
        if with(middle).is_ok() {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

/// The gas that the caller can pay for after the value, if it names a price; as in geth.
fn allowance(view: &View, input: &CallInput, overrides: &Overrides) -> Result<Option<u64>, CallFailure> {
    if input.gas_price == 0 {
        return Ok(None);
    }
    let pretended = overrides.accounts.get(&input.from).and_then(|account| account.balance);
    let read = || view.basic_ref(input.from).map(|info| info.unwrap_or_default().balance);
    let balance = pretended.map_or_else(read, Ok);
    let balance = balance.map_err(|error| CallFailure::Refused { reason: error.to_string() })?;
    let gas = balance.saturating_sub(input.value) / U256::from(input.gas_price);
    Ok(Some(u64::try_from(gas).unwrap_or(u64::MAX)))
}

/// Why a message does not run, in geth's words: wallets match on them.
fn refused<E: std::error::Error>(error: &EVMError<E>, input: &CallInput, base_fee: u64) -> CallFailure {
    let (from, price) = (input.from, input.gas_price);
    let reason = match error {
        EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { fee, balance }) => {
            format!("insufficient funds for gas * price + value: address {from} have {balance} want {fee}")
        }
        EVMError::Transaction(InvalidTransaction::GasPriceLessThanBasefee) => {
            format!(
                "max fee per gas less than block base fee: address {from}, maxFeePerGas: {price}, baseFee: {base_fee}"
            )
        }
        error => error.to_string(),
    };
    CallFailure::Refused { reason }
}

fn pretend(database: &mut CacheDB<WrapDatabaseRef<&View>>, overrides: &Overrides) -> Result<(), CallFailure> {
    let unreadable = |error: crate::state::ViewError| CallFailure::Refused { reason: error.to_string() };
    for (address, account) in &overrides.accounts {
        let mut info = database.db.0.basic_ref(*address).map_err(unreadable)?.unwrap_or_default();
        info.balance = account.balance.unwrap_or(info.balance);
        info.nonce = account.nonce.unwrap_or(info.nonce);
        if let Some(code) = &account.code {
            let code = Bytecode::new_raw(code.clone());
            info.code_hash = code.hash_slow();
            info.code = Some(code);
        }
        database.insert_account_info(*address, info);
        let slots = account.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
        let written = if account.replaces_storage {
            database.replace_account_storage(*address, slots)
        } else {
            account
                .storage
                .iter()
                .try_for_each(|(slot, value)| database.insert_account_storage(*address, *slot, *value))
        };
        written.map_err(unreadable)?;
    }
    Ok(())
}

/// Halt reasons in geth's words.
fn halt_text(reason: &str) -> String {
    match reason {
        text if text.starts_with("OutOfGas") => "out of gas".to_owned(),
        "InvalidFEOpcode" | "OpcodeNotFound" => "invalid opcode".to_owned(),
        "StackUnderflow" => "stack underflow".to_owned(),
        "StackOverflow" => "stack limit reached 1024 (1024)".to_owned(),
        "InvalidJump" => "invalid jump destination".to_owned(),
        "CreateCollision" => "contract address collision".to_owned(),
        "CreateContractSizeLimit" => "max code size exceeded".to_owned(),
        "CallTooDeep" => "max call depth exceeded".to_owned(),
        other => other.to_owned(),
    }
}
