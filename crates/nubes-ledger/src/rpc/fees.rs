//! Prices of gas.

use super::{
    Context, ServeError, convert,
    error::{self, RpcError, invalid_params, ok},
};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth::FeeHistory;
use jsonrpsee::{RpcModule, types::Params};

/// Blocks that one fee history may span, as in geth.
const FEE_BLOCKS_MAX: u64 = 1_024;
/// Percentiles that one fee history may ask for.
const PERCENTILES_MAX: usize = 100;

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), ServeError> {
    module.register_method("eth_gasPrice", |_, context, _| ok(U256::from(context.chain.next_base_fee())))?;
    // Blocks are rarely full: a tip buys nothing until they are.
    module.register_method("eth_maxPriorityFeePerGas", |_, _, _| ok(U256::ZERO))?;
    // No blobs here; the price is the minimum of EIP-4844.
    module.register_method("eth_blobBaseFee", |_, _, _| ok(U64::from(1)))?;
    module.register_method("eth_baseFee", |_, context, _| ok(U256::from(context.chain.next_base_fee())))?;
    module.register_blocking_method("eth_feeHistory", |params, context, _| history(&params, &context))?;
    Ok(())
}

fn history(params: &Params<'_>, context: &Context) -> Result<FeeHistory, RpcError> {
    let mut params = params.sequence();
    let count = params.next::<U64>()?.to::<u64>().min(FEE_BLOCKS_MAX);
    let newest = convert::tag_at(params.next::<BlockNumberOrTag>()?);
    let percentiles = params.optional_next::<Vec<f64>>()?;
    if let Some(percentiles) = &percentiles {
        check_percentiles(percentiles)?;
    }
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let history = context.chain.fee_history(count, newest).map_err(|error| error::query(&error))?;
    let blocks = history.gas_used_ratios.len();
    let mut rewards = Vec::new();
    if let Some(percentiles) = &percentiles {
        for number in (history.oldest..).take(blocks) {
            rewards.push(block_rewards(context, number, percentiles)?);
        }
    }
    Ok(FeeHistory {
        base_fee_per_gas: history.base_fees.into_iter().map(u128::from).collect(),
        gas_used_ratio: history.gas_used_ratios,
        base_fee_per_blob_gas: vec![1; blocks + 1],
        blob_gas_used_ratio: vec![0.0; blocks],
        oldest_block: history.oldest,
        reward: percentiles.map(|_| rewards),
    })
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    let sorted =
        percentiles.is_sorted() && percentiles.iter().all(|percentile| (0.0..=100.0).contains(percentile));
    if percentiles.len() > PERCENTILES_MAX || !sorted {
        return Err(invalid_params(format!(
            "at most {PERCENTILES_MAX} rising percentiles between 0 and 100"
        )));
    }
    Ok(())
}

/// Tips of the block at these percentiles of its gas.
fn block_rewards(context: &Context, number: u64, percentiles: &[f64]) -> Result<Vec<u128>, RpcError> {
    use alloy_consensus::Transaction as _;
    let block =
        context.chain.block(crate::chain::BlockAt::Number(number)).map_err(|error| error::query(&error))?;
    let Some(block) = block else { return Ok(Vec::new()) };
    let base_fee = block.block.header.base_fee_per_gas.unwrap_or_default();
    let transactions = block.block.body.transactions.iter().enumerate();
    let mut tips: Vec<(u128, u64)> = transactions
        .map(|(index, transaction)| {
            (
                transaction.effective_tip_per_gas(base_fee).unwrap_or_default(),
                block.gas_used(index).unwrap_or_default(),
            )
        })
        .collect();
    tips.sort_unstable();
    let total = block.block.header.gas_used;
    Ok(percentiles.iter().map(|percentile| tip_at(&tips, threshold(total, *percentile))).collect())
}

fn tip_at(tips: &[(u128, u64)], threshold: u64) -> u128 {
    let mut sum = 0u64;
    for (tip, gas) in tips {
        sum = sum.saturating_add(*gas);
        if sum >= threshold {
            return *tip;
        }
    }
    tips.last().map_or(0, |(tip, _)| *tip)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "gas of a block is far below 2^53 and percentiles were checked"
)]
fn threshold(total: u64, percentile: f64) -> u64 {
    (total as f64 * percentile / 100.0) as u64
}
