//! Which rules hold: those of Osaka, from the first block on.

use super::{BLOCK_GAS_LIMIT, BlockInput};
use alloy_evm::{EvmEnv, eth::spec::EthExecutorSpec};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, U256};
use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::{eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE, hardfork::SpecId},
};

/// Fork schedule of every Nubes chain of this version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules;

impl EthereumHardforks for Rules {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        match fork {
            // Its one-time rescue of balances belongs to another chain's history.
            EthereumHardfork::Dao => ForkCondition::Never,
            EthereumHardfork::Paris => ForkCondition::TTD {
                activation_block_number: 0,
                fork_block: Some(0),
                total_difficulty: U256::ZERO,
            },
            fork if fork <= EthereumHardfork::Osaka => ForkCondition::Timestamp(0),
            _ => ForkCondition::Never,
        }
    }
}

impl EthExecutorSpec for Rules {
    /// There is no beacon chain to deposit to.
    fn deposit_contract_address(&self) -> Option<Address> {
        None
    }
}

pub(crate) fn evm_env(input: &BlockInput<'_>, base_fee: u64) -> EvmEnv {
    let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
    cfg.chain_id = input.chain_id;
    let block = BlockEnv {
        number: U256::from(input.parent.number + 1),
        beneficiary: Address::ZERO,
        timestamp: U256::from(input.timestamp),
        gas_limit: BLOCK_GAS_LIMIT,
        basefee: base_fee,
        difficulty: U256::ZERO,
        prevrandao: Some(input.seed),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE)),
        ..BlockEnv::default()
    };
    EvmEnv { cfg_env: cfg, block_env: block }
}
