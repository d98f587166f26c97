//! What the ledger holds before its first block: the predeployed contracts, where they are and how to call them.
//!
//! What it is not: no I/O and no execution. The Solidity is in `contracts/`; its artifacts are committed, so this crate
//! builds without node, and `npm run check` there proves that they match their sources.
//!
//! Laws:
//! - A predeploy's code is byte for byte the artifact's runtime code (or the constant of the EIP that defines it).
//! - Genesis runs no constructor. What a constructor would leave behind is in [`Predeploy::storage`], and the slots agree
//!   with the compiler's storage layout.
//! - Contracts that other chains have too are at the address they have there, so unmodified clients find them.
//!
//! Begin with [`predeploys`]; call contracts with the bindings ([`NameRegistry`] and its neighbours); names are hashed
//! by [`namehash`] and [`node_of`], and point to sites by [`contenthash`].

mod address;
mod binding;
pub mod contenthash;
mod market;
mod name;
mod predeploy;
#[cfg(test)]
mod tests;

pub use crate::address::{
    BEACON_ROOTS, CONSOLIDATION_REQUESTS, CREATE2_DEPLOYER, FIRST_COME_REGISTRAR, HISTORY_STORAGE,
    MULTICALL3, NAME_REGISTRY, PAY_RAILS, POSSESSION_PROOFS, PROVIDER_REGISTRY, PUBLIC_RESOLVER, REPAIR_JOBS,
    SLASHING_HUB, STORAGE_DEALS, TEST_DOLLAR, WITHDRAWAL_REQUESTS,
};
pub use crate::binding::{
    FirstComeRegistrar, Multicall3, NameRegistry, PayRails, PossessionProofs, ProviderRegistry,
    PublicResolver, RepairJobs, SlashingHub, StorageDeals, TestDollar,
};
pub use crate::market::PROVIDER_STAKE_MIN;
pub use crate::name::{TOP_LEVEL_NAME, namehash, node_of};
pub use crate::predeploy::{Predeploy, SupplyError, predeploys, test_dollar_storage};
