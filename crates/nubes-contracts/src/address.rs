//! Where the predeployed contracts are.

use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, address};

/// The registry of names, at the address ENS has everywhere.
pub const NAME_REGISTRY: Address = address!("00000000000C2E074eC69A0dFb2997BA6C7d2e1e");
/// The resolver that holds the records of names. Ours, like the two below: the address spells `Nubes` and counts.
pub const PUBLIC_RESOLVER: Address = address!("4e75626573000000000000000000000000000001");
/// Gives away names below [`crate::TOP_LEVEL_NAME`].
pub const FIRST_COME_REGISTRAR: Address = address!("4e75626573000000000000000000000000000002");
/// Money without value, to try payments with.
pub const TEST_DOLLAR: Address = address!("4e75626573000000000000000000000000000003");
/// Who sells, with which stake and at what price.
pub const PROVIDER_REGISTRY: Address = address!("4e75626573000000000000000000000000000004");
/// Streams of payment.
pub const PAY_RAILS: Address = address!("4e75626573000000000000000000000000000005");
/// Takes stake for proven faults.
pub const SLASHING_HUB: Address = address!("4e75626573000000000000000000000000000006");
/// Challenges providers to show what they store.
pub const POSSESSION_PROOFS: Address = address!("4e75626573000000000000000000000000000007");
/// Deals between clients and providers of storage.
pub const STORAGE_DEALS: Address = address!("4e75626573000000000000000000000000000008");
/// Bounties for who stores again what a provider lost.
pub const REPAIR_JOBS: Address = address!("4e75626573000000000000000000000000000009");
/// Many calls in one, at its canonical address.
pub const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");
/// Deploys at addresses that depend on the code alone, at its canonical address.
pub const CREATE2_DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// Beacon block roots (EIP-4788).
pub const BEACON_ROOTS: Address = eip4788::BEACON_ROOTS_ADDRESS;
/// Hashes of earlier blocks (EIP-2935).
pub const HISTORY_STORAGE: Address = eip2935::HISTORY_STORAGE_ADDRESS;
/// Queue of withdrawal requests (EIP-7002).
pub const WITHDRAWAL_REQUESTS: Address = eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
/// Queue of consolidation requests (EIP-7251).
pub const CONSOLIDATION_REQUESTS: Address = eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
