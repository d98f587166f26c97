//! Runs transactions on a state and gives back a header, receipts and the changes. Pure: neither clock nor entropy.
//!
//! Building and verifying are the same run; they differ in where the transactions come from and in what happens to one
//! that does not fit: a builder leaves it out, a verifier rejects the block.

mod call;
pub(crate) mod fees;
mod rules;

pub(crate) use call::{AccountOverride, CallInput, Overrides, call, estimate};
pub use call::{CallFailure, CallOutcome};
pub(crate) use rules::{Rules, evm_env};

use crate::state::{Account, Changes, StoredBlock, TrieError, View, ViewError, apply};
use alloy_consensus::{
    BlockBody, EMPTY_OMMER_ROOT_HASH, Header, ReceiptEnvelope, TxEnvelope, proofs, transaction::Recovered,
};
use alloy_eips::{eip4895::Withdrawals, eip7685::Requests};
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutionError, BlockExecutor},
    eth::{EthBlockExecutionCtx, EthBlockExecutor, EthEvmFactory, receipt_builder::AlloyReceiptBuilder},
};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, KECCAK256_EMPTY, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use nubes_consensus::EthBlock;
use revm::database::{BundleState, State, states::bundle_state::BundleRetention};
use std::{borrow::Cow, sync::Arc};

/// Gas of one block. Also bounds the time of its execution: 600 token transfers take about 90 ms on one core.
pub const BLOCK_GAS_LIMIT: u64 = 30_000_000;
/// Transactions of one block.
pub(crate) const BLOCK_TRANSACTIONS_MAX: usize = 2_000;
/// Bytes of all transactions of one block; leaves room for the context in consensus' limit.
pub(crate) const BLOCK_TRANSACTION_BYTES_MAX: usize = 2 << 20;
const EXTRA_DATA: &[u8] = b"nubes";

/// What is given before execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockInput<'a> {
    pub(crate) chain_id: u64,
    pub(crate) parent: &'a Header,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: u64,
    pub(crate) seed: B256,
    pub(crate) context: B256,
}

/// An executed block.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) stored: StoredBlock,
    pub(crate) changes: Changes,
    /// Transactions that the builder left out because they cannot run.
    pub(crate) rejected: Vec<B256>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecError {
    #[error("a transaction cannot be executed")]
    Transaction {
        #[source]
        source: BlockExecutionError,
    },
    /// The store failed, or a system call did, which only a damaged state makes possible.
    #[error("the state cannot be read")]
    State {
        #[source]
        source: BlockExecutionError,
    },
    #[error(transparent)]
    Trie(#[from] TrieError),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("more than {BLOCK_TRANSACTIONS_MAX} transactions or {BLOCK_TRANSACTION_BYTES_MAX} bytes of them")]
    TooLarge,
    /// There is no blob space here; the headers say so.
    #[error("transaction {0} carries blobs")]
    Blobs(B256),
    /// The sender of a transaction cannot be recovered from its signature.
    #[error("transaction {0} has no valid signature")]
    Signature(B256),
    /// The header says something else than the execution.
    #[error("header field {field}: {given} instead of {expected}")]
    Header { field: &'static str, given: String, expected: String },
}

/// Fills a block from `candidates`, best first.
pub(crate) fn build(
    view: &View,
    input: BlockInput<'_>,
    candidates: impl Iterator<Item = Arc<Recovered<TxEnvelope>>>,
) -> Result<Executed, ExecError> {
    run(view, input, candidates, Mode::Build)
}

/// Executes `block` and compares every field of its header.
pub(crate) fn verify(
    view: &View,
    input: BlockInput<'_>,
    block: &EthBlock,
    transactions: Vec<Arc<Recovered<TxEnvelope>>>,
) -> Result<Executed, ExecError> {
    let executed = run(view, input, transactions.into_iter(), Mode::Verify)?;
    compare(&block.header, &executed.stored.block.header)?;
    Ok(executed)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Build,
    Verify,
}

fn run(
    view: &View,
    input: BlockInput<'_>,
    candidates: impl Iterator<Item = Arc<Recovered<TxEnvelope>>>,
    mode: Mode,
) -> Result<Executed, ExecError> {
    let base_fee = fees::next_base_fee(input.parent);
    let mut state = State::builder().with_database_ref(view).with_bundle_update().build();
    let evm = EthEvmFactory::default().create_evm(&mut state, evm_env(&input, base_fee));
    let context = EthBlockExecutionCtx {
        parent_hash: input.parent_hash,
        parent_beacon_block_root: Some(input.context),
        ommers: &[],
        withdrawals: Some(Cow::Borrowed(&[])),
        extra_data: Bytes::from_static(EXTRA_DATA),
        tx_count_hint: None,
        slot_number: None,
    };
    let mut executor = EthBlockExecutor::new(evm, context, Rules, AlloyReceiptBuilder::default());
    executor.apply_pre_execution_changes().map_err(|source| ExecError::State { source })?;
    let packed = pack(&mut executor, candidates, mode)?;
    let (_, result) = executor.finish().map_err(|source| ExecError::State { source })?;
    state.merge_transitions(BundleRetention::PlainState);
    let mut changes = to_changes(view, &state.take_bundle())?;
    let state_root = apply(view.nodes(), input.parent.state_root, &mut changes)?;
    let header =
        header(&input, base_fee, &packed, &result.receipts, (state_root, result.gas_used, result.requests));
    let hash = header.hash_slow();
    let body = BlockBody {
        transactions: packed.transactions,
        ommers: Vec::new(),
        withdrawals: Some(Withdrawals::default()),
    };
    let block = Arc::new(EthBlock { header, body });
    let stored = StoredBlock { hash, block, senders: packed.senders, receipts: result.receipts };
    Ok(Executed { stored, changes, rejected: packed.rejected })
}

#[derive(Default)]
struct Packed {
    transactions: Vec<TxEnvelope>,
    senders: Vec<Address>,
    rejected: Vec<B256>,
}

fn pack<X>(
    executor: &mut X,
    candidates: impl Iterator<Item = Arc<Recovered<TxEnvelope>>>,
    mode: Mode,
) -> Result<Packed, ExecError>
where
    X: BlockExecutor<Transaction = TxEnvelope>,
{
    let mut packed = Packed::default();
    let mut bytes = 0usize;
    for candidate in candidates {
        let transaction = candidate.as_ref();
        if transaction.inner().is_eip4844() {
            match mode {
                Mode::Verify => return Err(ExecError::Blobs(*transaction.inner().hash())),
                Mode::Build => packed.rejected.push(*transaction.inner().hash()),
            }
            continue;
        }
        let with_this = bytes.saturating_add(alloy_eips::Encodable2718::encode_2718_len(transaction.inner()));
        if packed.transactions.len() >= BLOCK_TRANSACTIONS_MAX || with_this > BLOCK_TRANSACTION_BYTES_MAX {
            match mode {
                Mode::Verify => return Err(ExecError::TooLarge),
                Mode::Build => break,
            }
        }
        match executor.execute_transaction(transaction) {
            Ok(_) => {
                bytes = with_this;
                packed.transactions.push(transaction.inner().clone());
                packed.senders.push(transaction.signer());
            }
            // The state cannot be read: that says nothing about the transaction.
            Err(source @ BlockExecutionError::Internal(_)) => return Err(ExecError::State { source }),
            Err(source) if mode == Mode::Verify => return Err(ExecError::Transaction { source }),
            // Full: the transaction waits for the next block. Smaller ones behind it may still fit, but not before it.
            Err(source) if is_full(&source) => break,
            Err(_) => packed.rejected.push(*transaction.inner().hash()),
        }
    }
    Ok(packed)
}

fn is_full(error: &BlockExecutionError) -> bool {
    use alloy_evm::block::BlockValidationError;
    matches!(
        error,
        BlockExecutionError::Validation(
            BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas { .. }
        )
    )
}

fn header(
    input: &BlockInput<'_>,
    base_fee: u64,
    packed: &Packed,
    receipts: &[ReceiptEnvelope],
    (state_root, gas_used, requests): (B256, u64, Requests),
) -> Header {
    let bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
    Header {
        parent_hash: input.parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: Address::ZERO,
        state_root,
        transactions_root: proofs::calculate_transaction_root(&packed.transactions),
        receipts_root: proofs::calculate_receipt_root(receipts),
        logs_bloom: bloom,
        difficulty: U256::ZERO,
        number: input.parent.number + 1,
        gas_limit: BLOCK_GAS_LIMIT,
        gas_used,
        timestamp: input.timestamp,
        mix_hash: input.seed,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(base_fee),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(input.context),
        requests_hash: Some(requests.requests_hash()),
        extra_data: Bytes::from_static(EXTRA_DATA),
        ..Header::default()
    }
}

/// What the EVM changed, in the form of our tables. Storage roots are still the old ones.
fn to_changes(view: &View, bundle: &BundleState) -> Result<Changes, ViewError> {
    let mut changes = Changes::default();
    for (address, account) in &bundle.state {
        if !account.is_info_changed() && account.storage.is_empty() {
            continue;
        }
        let storage_root = view.account(address)?.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let after = account.info.as_ref().filter(|info| !info.is_empty()).map(|info| Account {
            nonce: info.nonce,
            balance: info.balance,
            code_hash: if info.code_hash.is_zero() { KECCAK256_EMPTY } else { info.code_hash },
            storage_root,
        });
        changes.accounts.insert(*address, after);
        let slots = account.storage.iter().filter(|(_, slot)| slot.is_changed());
        changes.storage.extend(slots.map(|(key, slot)| ((*address, *key), slot.present_value)));
    }
    changes.code.extend(bundle.contracts.iter().map(|(hash, code)| (*hash, code.original_bytes())));
    Ok(changes)
}

/// The first field in which two headers differ.
fn compare(given: &Header, expected: &Header) -> Result<(), ExecError> {
    macro_rules! same {
        ($($field:ident),*) => {$(
            if given.$field != expected.$field {
                let (given, expected) = (format!("{:?}", given.$field), format!("{:?}", expected.$field));
                return Err(ExecError::Header { field: stringify!($field), given, expected });
            }
        )*};
    }
    same!(
        parent_hash,
        number,
        timestamp,
        mix_hash,
        parent_beacon_block_root,
        beneficiary,
        gas_limit,
        base_fee_per_gas
    );
    same!(
        gas_used,
        transactions_root,
        receipts_root,
        logs_bloom,
        state_root,
        requests_hash,
        withdrawals_root
    );
    same!(ommers_hash, difficulty, nonce, extra_data, blob_gas_used, excess_blob_gas);
    if given == expected {
        return Ok(());
    }
    Err(ExecError::Header {
        field: "a later fork's",
        given: "present".to_owned(),
        expected: "absent".to_owned(),
    })
}
