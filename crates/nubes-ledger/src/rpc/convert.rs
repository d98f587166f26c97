//! Our types in the shapes of the execution API.

use super::error::{RpcError, invalid_params};
use crate::{
    chain::{BlockAt, LogFilter, PlacedLog},
    exec::{AccountOverride, CallInput, Overrides},
    state::StoredBlock,
};
use alloy_consensus::{Sealed, Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{TxKind, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{
    Block, BlockTransactions, Filter, Header, Log, Transaction, TransactionInfo, TransactionReceipt,
    TransactionRequest, state::StateOverride,
};

pub(super) fn block_at(id: Option<BlockId>) -> BlockAt {
    match id {
        None => BlockAt::Head,
        Some(BlockId::Hash(hash)) => BlockAt::Hash(hash.block_hash),
        Some(BlockId::Number(tag)) => tag_at(tag),
    }
}

pub(super) const fn tag_at(tag: BlockNumberOrTag) -> BlockAt {
    match tag {
        BlockNumberOrTag::Number(number) => BlockAt::Number(number),
        BlockNumberOrTag::Earliest => BlockAt::Number(0),
        _ => BlockAt::Head,
    }
}

pub(super) fn header(block: &StoredBlock) -> Header {
    let size = U256::from(block.block.length());
    let sealed = Sealed::new_unchecked(block.block.header.clone(), block.hash);
    // Ethereum's nodes still send the total difficulty of their last proof-of-work block; here there was none.
    Header::from_consensus(sealed, None, Some(size))
}

pub(super) fn block(stored: &StoredBlock, full: bool) -> Block {
    let transactions = if full {
        let count = stored.block.body.transactions.len();
        BlockTransactions::Full((0..count).filter_map(|index| transaction(stored, index)).collect())
    } else {
        BlockTransactions::Hashes(
            stored.block.body.transactions.iter().map(|transaction| *transaction.hash()).collect(),
        )
    };
    Block {
        header: header(stored),
        uncles: Vec::new(),
        transactions,
        withdrawals: stored.block.body.withdrawals.clone(),
    }
}

pub(super) fn transaction(stored: &StoredBlock, index: usize) -> Option<Transaction> {
    let recovered = stored.transaction(index)?;
    let info = TransactionInfo {
        hash: Some(*recovered.inner().hash()),
        index: u64::try_from(index).ok(),
        block_hash: Some(stored.hash),
        block_number: Some(stored.number()),
        base_fee: stored.block.header.base_fee_per_gas,
        block_timestamp: Some(stored.block.header.timestamp),
    };
    let owned = Recovered::new_unchecked((*recovered.inner()).clone(), recovered.signer());
    Some(Transaction::from_transaction(owned, info))
}

pub(super) fn waiting(transaction: &Recovered<TxEnvelope>) -> Transaction {
    Transaction::from_transaction(transaction.clone(), TransactionInfo::default())
}

pub(super) fn receipt(stored: &StoredBlock, index: usize) -> Option<TransactionReceipt> {
    let transaction = stored.transaction(index)?;
    let (envelope, sender) = (*transaction.inner(), transaction.signer());
    let first_log = stored.logs_before(index);
    let (hash, header) = (*envelope.hash(), &stored.block.header);
    let position = u64::try_from(index).ok();
    let mut log_index = u64::try_from(first_log).unwrap_or(u64::MAX);
    let place = |log: alloy_primitives::Log| {
        let placed = Log {
            inner: log,
            block_hash: Some(stored.hash),
            block_number: Some(header.number),
            block_timestamp: Some(header.timestamp),
            transaction_hash: Some(hash),
            transaction_index: position,
            log_index: Some(log_index),
            removed: false,
        };
        log_index += 1;
        placed
    };
    let created = matches!(envelope.kind(), TxKind::Create);
    Some(TransactionReceipt {
        inner: stored.receipts.get(index)?.clone().map_logs(place),
        transaction_hash: hash,
        transaction_index: position,
        block_hash: Some(stored.hash),
        block_number: Some(header.number),
        gas_used: stored.gas_used(index)?,
        effective_gas_price: envelope.effective_gas_price(header.base_fee_per_gas),
        blob_gas_used: None,
        blob_gas_price: None,
        from: sender,
        to: envelope.to(),
        contract_address: created.then(|| sender.create(envelope.nonce())),
    })
}

pub(super) fn log(placed: PlacedLog) -> Log {
    Log {
        inner: placed.log,
        block_hash: Some(placed.block_hash),
        block_number: Some(placed.block_number),
        block_timestamp: Some(placed.block_timestamp),
        transaction_hash: Some(placed.transaction_hash),
        transaction_index: Some(placed.transaction_index),
        log_index: Some(placed.log_index),
        removed: false,
    }
}

/// Contracts and topics that one filter may name.
const FILTER_VALUES_MAX: usize = 1_000;

pub(super) fn filter(filter: &Filter) -> Result<LogFilter, RpcError> {
    let addresses: Vec<_> = filter.address.iter().copied().collect();
    let topics: Vec<Vec<_>> = filter.topics.iter().map(|set| set.iter().copied().collect()).collect();
    if addresses.len() + topics.iter().map(Vec::len).sum::<usize>() > FILTER_VALUES_MAX {
        return Err(invalid_params(format!(
            "a filter names at most {FILTER_VALUES_MAX} addresses and topics"
        )));
    }
    Ok(LogFilter { addresses, topics })
}

pub(super) fn call_input(request: TransactionRequest, base_fee: u64) -> Result<CallInput, RpcError> {
    let (data, input) = (request.input.data, request.input.input);
    if data.is_some() && input.is_some() && data != input {
        return Err(invalid_params("both \"data\" and \"input\" are set and not equal"));
    }
    // The fee matters only if the caller names one; then the balance must cover it.
    let gas_price = match (request.gas_price, request.max_fee_per_gas) {
        (Some(_), Some(_)) => {
            return Err(invalid_params("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
        }
        (Some(price), None) => price,
        (None, Some(fee)) => {
            let tip = request.max_priority_fee_per_gas.unwrap_or_default();
            if tip > fee {
                return Err(invalid_params("max priority fee per gas higher than max fee per gas"));
            }
            if fee == 0 { 0 } else { fee.min(u128::from(base_fee).saturating_add(tip)) }
        }
        (None, None) => 0,
    };
    Ok(CallInput {
        from: request.from.unwrap_or_default(),
        to: match request.to {
            Some(TxKind::Call(address)) => Some(address),
            Some(TxKind::Create) | None => None,
        },
        value: request.value.unwrap_or_default(),
        data: input.or(data).unwrap_or_default(),
        gas: request.gas,
        gas_price,
        access_list: request.access_list.unwrap_or_default(),
        authorizations: request.authorization_list.unwrap_or_default(),
    })
}

pub(super) fn overrides(given: Option<StateOverride>) -> Result<Overrides, RpcError> {
    let mut overrides = Overrides::default();
    for (address, account) in given.unwrap_or_default() {
        if account.state.is_some() && account.state_diff.is_some() {
            return Err(invalid_params(format!("account {address} has both 'state' and 'stateDiff'")));
        }
        let replaces_storage = account.state.is_some();
        let slots = account.state.or(account.state_diff).unwrap_or_default();
        let storage = slots.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect();
        let account = AccountOverride {
            balance: account.balance,
            nonce: account.nonce,
            code: account.code,
            storage,
            replaces_storage,
        };
        overrides.accounts.insert(address, account);
    }
    Ok(overrides)
}
