//! The first block and the state before it.
//!
//! A chain is named by the hash of its genesis block: two files with one difference are two chains.

use crate::exec::{BLOCK_GAS_LIMIT, fees::BASE_FEE_MIN};
use alloy_primitives::{Address, B256, Bytes, U256, address};
use nubes_contracts::{TEST_DOLLAR, predeploys, test_dollar_storage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Chain id of development networks.
pub const DEVELOPMENT_CHAIN_ID: u64 = 41_414;
/// Largest genesis file that is read.
pub(crate) const GENESIS_BYTES_MAX: usize = 64 << 20;

/// Accounts of the mnemonic `test test test test test test test test test test test junk`, which every Ethereum tool
/// offers. Their keys are public.
pub const DEVELOPMENT_ACCOUNTS: [Address; 10] = [
    address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
    address!("90F79bf6EB2c4f870365E785982E1f101E93b906"),
    address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
    address!("9965507D1a55bcC2695C58ba16FB37d819B0A4dc"),
    address!("976EA74026E726554dB657fA54763abd0C3a0aa9"),
    address!("14dC79964da2C08b23698B3D3cc7Ca32193d9955"),
    address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"),
    address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"),
];

/// One million test dollars, six decimals.
const DEVELOPMENT_DOLLARS: u64 = 1_000_000_000_000;

/// Everything that makes the first block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Genesis {
    pub chain_id: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    pub gas_limit: u64,
    pub base_fee_per_gas: u64,
    pub alloc: BTreeMap<Address, GenesisAccount>,
}

/// An account that exists before the first block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    #[serde(default)]
    pub balance: U256,
    #[serde(default)]
    pub nonce: u64,
    #[serde(default, skip_serializing_if = "no_code")]
    pub code: Bytes,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<B256, B256>,
}

fn no_code(code: &Bytes) -> bool {
    code.is_empty()
}

#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    #[error("the genesis has {bytes} bytes, more than {GENESIS_BYTES_MAX}")]
    TooLarge { bytes: usize },
    #[error("the genesis is not the JSON it should be")]
    Json {
        #[source]
        source: serde_json::Error,
    },
    #[error("chain id 0 is not allowed")]
    ChainId,
    #[error("the gas limit is {given}; this version runs chains with {BLOCK_GAS_LIMIT}")]
    GasLimit { given: u64 },
    #[error("the base fee is {given}, below the minimum of {BASE_FEE_MIN}")]
    BaseFee { given: u64 },
    #[error("all balances together exceed 256 bits")]
    Supply,
}

impl Genesis {
    /// The chain of `nubes dev` and `nubes network init`: ten funded accounts and all predeployed contracts.
    pub fn development() -> Self {
        Self::development_for(&[])
    }

    /// The same with more accounts that own what the ten own each.
    pub fn development_for(others: &[Address]) -> Self {
        let mut alloc: BTreeMap<Address, GenesisAccount> = predeploys()
            .into_iter()
            .map(|predeploy| {
                let account = GenesisAccount {
                    balance: U256::ZERO,
                    nonce: predeploy.nonce,
                    code: predeploy.code,
                    storage: predeploy.storage,
                };
                (predeploy.address, account)
            })
            .collect();
        let balance = U256::from(10_000u64) * U256::from(10u64).pow(U256::from(18u64));
        let funded = || DEVELOPMENT_ACCOUNTS.iter().chain(others);
        for address in funded() {
            alloc.entry(*address).or_default().balance = balance;
        }
        let dollars: Vec<_> = funded().map(|address| (*address, U256::from(DEVELOPMENT_DOLLARS))).collect();
        // A million dollars each fit into 256 bits; were it otherwise, the token would start without supply.
        let storage = test_dollar_storage(&dollars).unwrap_or_default();
        alloc.entry(TEST_DOLLAR).or_default().storage = storage;
        Self {
            chain_id: DEVELOPMENT_CHAIN_ID,
            timestamp: 0,
            gas_limit: BLOCK_GAS_LIMIT,
            base_fee_per_gas: BASE_FEE_MIN,
            alloc,
        }
    }

    pub fn from_json(text: &[u8]) -> Result<Self, GenesisError> {
        if text.len() > GENESIS_BYTES_MAX {
            return Err(GenesisError::TooLarge { bytes: text.len() });
        }
        let genesis: Self = serde_json::from_slice(text).map_err(|source| GenesisError::Json { source })?;
        genesis.check()?;
        Ok(genesis)
    }

    pub fn to_json(&self) -> String {
        // Maps with string keys and numbers always serialise; the hex keys are strings.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Whether the development accounts own anything here.
    pub fn is_development(&self) -> bool {
        DEVELOPMENT_ACCOUNTS.iter().any(|address| self.alloc.contains_key(address))
    }

    fn check(&self) -> Result<(), GenesisError> {
        if self.chain_id == 0 {
            return Err(GenesisError::ChainId);
        }
        if self.gas_limit != BLOCK_GAS_LIMIT {
            return Err(GenesisError::GasLimit { given: self.gas_limit });
        }
        if self.base_fee_per_gas < BASE_FEE_MIN {
            return Err(GenesisError::BaseFee { given: self.base_fee_per_gas });
        }
        let mut supply = U256::ZERO;
        for account in self.alloc.values() {
            supply = supply.checked_add(account.balance).ok_or(GenesisError::Supply)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
