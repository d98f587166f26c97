//! The base fee (EIP-1559), scaled to blocks of less than a second.
//!
//! | rule | value | reason |
//! |---|---|---|
//! | target | half the gas limit | EIP-1559 |
//! | change per block, at most | 1/128 | ten full blocks a second move the fee by 8 % a second |
//! | minimum | 0.001 gwei | an idle chain is not free for spam |

use alloy_consensus::Header;
use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};

/// Lowest base fee, in wei.
pub(crate) const BASE_FEE_MIN: u64 = 1_000_000;
/// Divides the relative change of the fee.
pub(crate) const CHANGE_DENOMINATOR: u128 = 128;
/// Gas limit over gas target.
pub(crate) const ELASTICITY: u128 = 2;

/// Base fee of the block after `parent`.
pub(crate) fn next_base_fee(parent: &Header) -> u64 {
    let params = BaseFeeParams::new(CHANGE_DENOMINATOR, ELASTICITY);
    let fee = parent.base_fee_per_gas.unwrap_or(BASE_FEE_MIN);
    calc_next_block_base_fee(parent.gas_used, parent.gas_limit, fee, params).max(BASE_FEE_MIN)
}

#[cfg(test)]
mod tests {
    use super::{BASE_FEE_MIN, next_base_fee};
    use alloy_consensus::Header;

    #[track_caller]
    fn check(gas_used: u64, fee: u64, next: u64) {
        let header =
            Header { gas_used, gas_limit: 30_000_000, base_fee_per_gas: Some(fee), ..Header::default() };
        assert_eq!(next_base_fee(&header), next);
    }

    #[test]
    fn the_fee_follows_use_within_one_128th_and_above_the_minimum() {
        check(15_000_000, 128_000_000, 128_000_000);
        check(30_000_000, 128_000_000, 129_000_000);
        check(0, 128_000_000, 127_000_000);
        check(0, BASE_FEE_MIN, BASE_FEE_MIN);
    }
}
