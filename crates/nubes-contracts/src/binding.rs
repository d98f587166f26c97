//! Typed calls, events, errors and code of each contract, generated from its artifact.
//!
//! Overloads are numbered in the order of the ABI: `PublicResolver::addr_0Call` is `addr(bytes32)` and `addr_1Call`
//! takes a coin type; `TestDollar::transferWithAuthorization_0Call` takes `bytes`, `_1Call` takes `v, r, s`.

#![expect(clippy::too_many_arguments, reason = "the argument lists are those of the contracts")]

use alloy_sol_types::sol;

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    NameRegistry,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/NameRegistry.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    PublicResolver,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/PublicResolver.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    FirstComeRegistrar,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/FirstComeRegistrar.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    TestDollar,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/TestDollar.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    Multicall3,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/Multicall3.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    ProviderRegistry,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/ProviderRegistry.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    PayRails,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/PayRails.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    SlashingHub,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/SlashingHub.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    PossessionProofs,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/PossessionProofs.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    StorageDeals,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/StorageDeals.json")
);

sol!(
    #[sol(extra_derives(Debug, PartialEq, Eq))]
    RepairJobs,
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/RepairJobs.json")
);
