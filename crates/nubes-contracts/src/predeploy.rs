//! The accounts that genesis creates with code.

use crate::{
    address::{
        BEACON_ROOTS, CONSOLIDATION_REQUESTS, CREATE2_DEPLOYER, FIRST_COME_REGISTRAR, HISTORY_STORAGE,
        MULTICALL3, NAME_REGISTRY, PUBLIC_RESOLVER, TEST_DOLLAR, WITHDRAWAL_REQUESTS,
    },
    binding::{FirstComeRegistrar, Multicall3, NameRegistry, PublicResolver, TestDollar},
    market,
    name::{TOP_LEVEL_NAME, namehash},
};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, U256, bytes, keccak256};
use alloy_sol_types::SolValue;
use std::collections::BTreeMap;

/// A contract's nonce starts at one (EIP-161), so an account with code is never empty.
pub(crate) const NONCE: u64 = 1;

const NAME_REGISTRY_RECORDS_SLOT: U256 = U256::ZERO;
const TEST_DOLLAR_BALANCES_SLOT: U256 = U256::ZERO;
const TEST_DOLLAR_TOTAL_SUPPLY_SLOT: U256 = U256::from_limbs([2, 0, 0, 0]);

/// Arachnid's deterministic deployment proxy: salt, then creation code; answers with the address.
static CREATE2_DEPLOYER_CODE: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// An account of genesis with code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predeploy {
    /// Where it is.
    pub address: Address,
    /// For people; the contract's name or the number of its EIP.
    pub name: &'static str,
    /// Runtime code.
    pub code: Bytes,
    /// One, as after a deployment.
    pub nonce: u64,
    /// Slots that are not zero.
    pub storage: BTreeMap<B256, B256>,
}

/// Every predeployed contract. The test dollar has no supply yet; see [`test_dollar_storage`].
pub fn predeploys() -> Vec<Predeploy> {
    let stateless = [
        (PUBLIC_RESOLVER, "PublicResolver", &PublicResolver::DEPLOYED_BYTECODE),
        (FIRST_COME_REGISTRAR, "FirstComeRegistrar", &FirstComeRegistrar::DEPLOYED_BYTECODE),
        (TEST_DOLLAR, "TestDollar", &TestDollar::DEPLOYED_BYTECODE),
        (MULTICALL3, "Multicall3", &Multicall3::DEPLOYED_BYTECODE),
        (CREATE2_DEPLOYER, "Create2Deployer", &CREATE2_DEPLOYER_CODE),
        (BEACON_ROOTS, "EIP-4788", &eip4788::BEACON_ROOTS_CODE),
        (HISTORY_STORAGE, "EIP-2935", &eip2935::HISTORY_STORAGE_CODE),
        (WITHDRAWAL_REQUESTS, "EIP-7002", &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE),
        (CONSOLIDATION_REQUESTS, "EIP-7251", &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE),
    ];
    let registry = Predeploy {
        address: NAME_REGISTRY,
        name: "NameRegistry",
        code: NameRegistry::DEPLOYED_BYTECODE.clone(),
        nonce: NONCE,
        storage: name_registry_storage(),
    };
    let stateless = stateless.into_iter().map(|(address, name, code)| Predeploy {
        address,
        name,
        code: code.clone(),
        nonce: NONCE,
        storage: BTreeMap::new(),
    });
    std::iter::once(registry).chain(stateless).chain(market::predeploys()).collect()
}

/// Storage of the test dollar in which each holder has its balance and the supply is their sum. A holder that is listed
/// twice has both.
pub fn test_dollar_storage(balances: &[(Address, U256)]) -> Result<BTreeMap<B256, B256>, SupplyError> {
    let mut supply = U256::ZERO;
    let mut held = BTreeMap::<Address, U256>::new();
    for (holder, amount) in balances {
        supply = supply.checked_add(*amount).ok_or(SupplyError { holder: *holder })?;
        // Cannot wrap: a holder has at most the supply.
        *held.entry(*holder).or_default() += *amount;
    }
    let held =
        held.into_iter().map(|(holder, amount)| (mapping_slot(&holder, TEST_DOLLAR_BALANCES_SLOT), amount));
    let entries = held.chain([(TEST_DOLLAR_TOTAL_SUPPLY_SLOT.into(), supply)]);
    // A zero is the absence of a slot; the state trie does not hold it.
    Ok(entries.filter(|(_, amount)| !amount.is_zero()).map(|(slot, amount)| (slot, amount.into())).collect())
}

/// The balances do not fit. Give less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the supply of test dollars exceeds 256 bits at the balance of {holder}")]
pub struct SupplyError {
    /// The first holder whose balance is too much.
    pub holder: Address,
}

/// The registrar owns the top-level name. Nobody owns the root, so nobody can ever add or take a top-level name.
fn name_registry_storage() -> BTreeMap<B256, B256> {
    let owner_slot = mapping_slot(&namehash(TOP_LEVEL_NAME), NAME_REGISTRY_RECORDS_SLOT);
    BTreeMap::from([(owner_slot, FIRST_COME_REGISTRAR.into_word())])
}

/// Where Solidity keeps the value of `key` in the mapping at `slot`.
fn mapping_slot<K: SolValue>(key: &K, slot: U256) -> B256 {
    keccak256([key.abi_encode(), slot.abi_encode()].concat())
}
