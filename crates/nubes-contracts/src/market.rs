//! The storage market in genesis: its parts, and what they know of each other.
//!
//! Elsewhere `Deployment` creates and wires the parts in one transaction. Here their wiring is storage from the start, in the
//! slots where `wire` would have written it, so that nobody can wire them otherwise.

use crate::{
    address::{
        PAY_RAILS, POSSESSION_PROOFS, PROVIDER_REGISTRY, REPAIR_JOBS, SLASHING_HUB, STORAGE_DEALS,
        TEST_DOLLAR,
    },
    binding::{PayRails, PossessionProofs, ProviderRegistry, RepairJobs, SlashingHub, StorageDeals},
    predeploy::{NONCE, Predeploy},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use std::collections::BTreeMap;

/// Units of the test dollar below which a provider takes no new deals: a hundred dollars.
pub const PROVIDER_STAKE_MIN: U256 = U256::from_limbs([100_000_000, 0, 0, 0]);

/// `struct Market` at slot 0: token, registry, rails, hub, proofs, deals, jobs, four sources of faults, least stake.
const PARTS: [Address; 8] = [
    TEST_DOLLAR,
    PROVIDER_REGISTRY,
    PAY_RAILS,
    SLASHING_HUB,
    POSSESSION_PROOFS,
    STORAGE_DEALS,
    REPAIR_JOBS,
    // The only source of faults; the three places behind it are free.
    STORAGE_DEALS,
];
const STAKE_MIN_SLOT: u64 = 11;

pub(crate) fn predeploys() -> impl Iterator<Item = Predeploy> {
    let wired: [(_, _, &Bytes); 5] = [
        (PROVIDER_REGISTRY, "ProviderRegistry", &ProviderRegistry::DEPLOYED_BYTECODE),
        (SLASHING_HUB, "SlashingHub", &SlashingHub::DEPLOYED_BYTECODE),
        (POSSESSION_PROOFS, "PossessionProofs", &PossessionProofs::DEPLOYED_BYTECODE),
        (STORAGE_DEALS, "StorageDeals", &StorageDeals::DEPLOYED_BYTECODE),
        (REPAIR_JOBS, "RepairJobs", &RepairJobs::DEPLOYED_BYTECODE),
    ];
    let part = |address, name, code: &Bytes, storage| Predeploy {
        address,
        name,
        code: code.clone(),
        nonce: NONCE,
        storage,
    };
    let rails = part(PAY_RAILS, "PayRails", &PayRails::DEPLOYED_BYTECODE, BTreeMap::new());
    let wired = wired.into_iter().map(move |(address, name, code)| part(address, name, code, wiring()));
    wired.chain([rails])
}

fn wiring() -> BTreeMap<B256, B256> {
    let parts = (0u64..).zip(PARTS).map(|(slot, part)| (B256::from(U256::from(slot)), part.into_word()));
    parts.chain([(U256::from(STAKE_MIN_SLOT).into(), PROVIDER_STAKE_MIN.into())]).collect()
}
