//! The laws of the crate: code, slots, names and records agree with the artifacts and the standards.

mod genesis;

use crate::{
    CREATE2_DEPLOYER, FIRST_COME_REGISTRAR, NAME_REGISTRY, POSSESSION_PROOFS, PROVIDER_REGISTRY,
    PublicResolver, REPAIR_JOBS, SLASHING_HUB, STORAGE_DEALS, SupplyError, TestDollar,
    contenthash::{self, DecodeError},
    namehash, node_of, predeploys, test_dollar_storage,
};
use alloy_primitives::{Address, B256, Bytes, U256, b256, hex, keccak256};
use alloy_sol_types::SolCall;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const HOLDER: Address = Address::repeat_byte(0xaa);
/// IPFS example of EIP-1577.
const EXAMPLE_CID: [u8; 36] =
    hex!("0170122029f2d17be6139079dc48696d1f582a8530eb9805b561eda517e22a892c7e3f1f");
const EXAMPLE_RECORD: [u8; 38] =
    hex!("e3010170122029f2d17be6139079dc48696d1f582a8530eb9805b561eda517e22a892c7e3f1f");

fn artifact(file: &str) -> Value {
    let path = format!("{}/../../contracts/artifacts/{file}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Slot, offset and type of a variable, as the compiler placed it.
#[track_caller]
fn check_place(fields: &Value, label: &str, expect: (u64, u64, &str)) {
    let field = fields.as_array().unwrap().iter().find(|field| field["label"] == label).unwrap();
    let found =
        (field["slot"].as_u64().unwrap(), field["offset"].as_u64().unwrap(), field["type"].as_str().unwrap());
    assert_eq!(found, expect, "{label}");
}

#[test]
fn code_is_that_of_the_artifact() {
    let predeploys = predeploys();
    let market =
        ["ProviderRegistry", "PayRails", "SlashingHub", "PossessionProofs", "StorageDeals", "RepairJobs"];
    let others = ["NameRegistry", "PublicResolver", "FirstComeRegistrar", "TestDollar", "Multicall3"];
    for name in market.into_iter().chain(others) {
        let predeploy = predeploys.iter().find(|predeploy| predeploy.name == name).unwrap();
        let expect: Bytes = artifact(name)["deployedBytecode"].as_str().unwrap().parse().unwrap();
        assert_eq!(predeploy.code, expect, "{name}");
    }
}

#[test]
fn every_predeploy_is_a_contract_at_its_own_address() {
    let predeploys = predeploys();
    let addresses = predeploys.iter().map(|predeploy| predeploy.address).collect::<BTreeSet<_>>();
    let names = predeploys.iter().map(|predeploy| predeploy.name).collect::<BTreeSet<_>>();
    assert_eq!((addresses.len(), names.len(), predeploys.len()), (16, 16, 16));
    assert!(predeploys.iter().all(|predeploy| predeploy.nonce == 1 && !predeploy.code.is_empty()));
}

#[test]
fn code_shared_with_other_chains_has_the_hash_it_has_there() {
    let hash_of = |name| keccak256(&predeploys().into_iter().find(|p| p.name == name).unwrap().code);
    let multicall = b256!("d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891");
    let create2 = b256!("2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989");
    assert_eq!(hash_of("Multicall3"), multicall);
    assert_eq!(hash_of("Create2Deployer"), create2);
    assert_eq!(CREATE2_DEPLOYER.to_string(), "0x4e59b44847b379578588920cA78FbF26c0B4956C");
}

#[test]
fn storage_slots_are_where_the_compiler_put_them() {
    let layout = artifact("storage-layout");
    let dollar = &layout["TestDollar"]["storage"];
    check_place(dollar, "_balances", (0, 0, "mapping(address => uint256)"));
    check_place(dollar, "_totalSupply", (2, 0, "uint256"));
    let registry = &layout["NameRegistry"];
    check_place(&registry["storage"], "_records", (0, 0, "mapping(bytes32 => struct NameRegistry.Record)"));
    check_place(&registry["structs"]["struct NameRegistry.Record"], "owner", (0, 0, "address"));
}

#[test]
fn the_parts_of_the_market_are_told_in_the_slots_of_their_layout() {
    let layout = artifact("storage-layout");
    for name in ["ProviderRegistry", "SlashingHub", "PossessionProofs", "StorageDeals", "RepairJobs"] {
        check_place(&layout[name]["storage"], "_market", (0, 0, "struct Market"));
        let market = &layout[name]["structs"]["struct Market"];
        let fields =
            ["token", "registry", "rails", "hub", "proofs", "deals", "jobs", "faultSources", "stakeMin"];
        for (field, slot) in fields.into_iter().zip([0, 1, 2, 3, 4, 5, 6, 7, 11]) {
            let placed = market.as_array().unwrap().iter().find(|placed| placed["label"] == field).unwrap();
            assert_eq!(
                (placed["slot"].as_u64(), placed["offset"].as_u64()),
                (Some(slot), Some(0)),
                "{name}.{field}"
            );
        }
    }
}

#[test]
fn the_only_storage_of_genesis_is_the_top_level_name_and_the_market() {
    let slot = keccak256([namehash("nubes"), B256::ZERO].concat());
    for predeploy in predeploys() {
        let expect = match predeploy.address {
            NAME_REGISTRY => BTreeMap::from([(slot, FIRST_COME_REGISTRAR.into_word())]),
            PROVIDER_REGISTRY | SLASHING_HUB | POSSESSION_PROOFS | STORAGE_DEALS | REPAIR_JOBS => {
                assert_eq!(predeploy.storage.len(), 9, "eight parts and the least stake");
                continue;
            }
            _ => BTreeMap::new(),
        };
        assert_eq!(predeploy.storage, expect, "{}", predeploy.name);
    }
}

#[test]
fn balances_and_supply_have_their_slots() {
    let twice = [(HOLDER, U256::from(3)), (Address::ZERO, U256::ZERO), (HOLDER, U256::from(4))];
    let seven = B256::with_last_byte(7);
    let expect = BTreeMap::from([
        (keccak256([HOLDER.into_word(), B256::ZERO].concat()), seven),
        (B256::with_last_byte(2), seven),
    ]);
    assert_eq!(test_dollar_storage(&twice), Ok(expect));
    assert_eq!(test_dollar_storage(&[]), Ok(BTreeMap::new()));
}

#[test]
fn a_supply_beyond_256_bits_is_refused() {
    let balances = [(Address::ZERO, U256::MAX), (HOLDER, U256::from(1))];
    assert_eq!(test_dollar_storage(&balances), Err(SupplyError { holder: HOLDER }));
    assert!(test_dollar_storage(&balances[..1]).is_ok());
}

#[test]
fn names_hash_as_in_eip_137() {
    let cases = [
        ("", B256::ZERO),
        ("eth", b256!("93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae")),
        ("foo.eth", b256!("de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f")),
    ];
    for (name, node) in cases {
        assert_eq!(namehash(name), node, "{name}");
    }
}

#[test]
fn records_of_ipfs_are_as_in_eip_1577() {
    assert_eq!(contenthash::encode(&EXAMPLE_CID)[..], EXAMPLE_RECORD);
    assert_eq!(contenthash::encode(&EXAMPLE_CID[2..])[..], EXAMPLE_RECORD, "CIDv0 is written as CIDv1");
    assert_eq!(contenthash::decode(&EXAMPLE_RECORD), Ok(&EXAMPLE_CID[..]));
}

#[test]
fn records_that_lead_elsewhere_are_named() {
    let swarm = hex!("e40101fa011b20d1de9994b4d039f6548d191eb26786769f580809256b4685ef316805265ea162");
    let not_ipfs = |start: &'static [u8]| DecodeError::NotIpfs { start: Bytes::from_static(start) };
    let cases: [(&[u8], DecodeError); 5] = [
        (&[], DecodeError::Empty),
        (&swarm, not_ipfs(&[0xe4, 0x01])),
        (&[0xe3], not_ipfs(&[0xe3])),
        (&[0xe3, 0x01], DecodeError::NotCidV1 { version: None }),
        (&[0xe3, 0x01, 0x12, 0x20], DecodeError::NotCidV1 { version: Some(0x12) }),
    ];
    for (record, error) in cases {
        assert_eq!(contenthash::decode(record), Err(error));
    }
}

#[test]
fn overloads_are_numbered_as_documented() {
    assert_eq!(PublicResolver::addr_0Call::SIGNATURE, "addr(bytes32)");
    assert_eq!(PublicResolver::addr_1Call::SIGNATURE, "addr(bytes32,uint256)");
    assert_eq!(PublicResolver::setAddr_0Call::SIGNATURE, "setAddr(bytes32,uint256,bytes)");
    assert_eq!(PublicResolver::setAddr_1Call::SIGNATURE, "setAddr(bytes32,address)");
    let by_bytes = "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)";
    let by_parts =
        "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)";
    assert_eq!(TestDollar::transferWithAuthorization_0Call::SIGNATURE, by_bytes);
    assert_eq!(TestDollar::transferWithAuthorization_1Call::SIGNATURE, by_parts);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decoding_never_fails_otherwise_than_by_an_error(record: Vec<u8>) {
        if let Ok(cid) = contenthash::decode(&record) {
            prop_assert_eq!(contenthash::encode(cid), record);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(rest: Vec<u8>) {
        let cid = [&[0x01][..], &rest].concat();
        let record = contenthash::encode(&cid);
        prop_assert_eq!(contenthash::decode(&record), Ok(&cid[..]));
    }

    #[test]
    fn an_app_is_a_name_below_nubes(app in "[a-z0-9-]{1,63}") {
        prop_assert_eq!(node_of(&app), namehash(&format!("{app}.nubes")));
        prop_assert_eq!(node_of(&format!("fix.{app}")), namehash(&format!("fix.{app}.nubes")));
    }

    #[test]
    fn the_supply_is_the_sum_of_the_balances(amounts in prop::collection::vec(1_u64.., 0..20)) {
        let balances = amounts.iter().zip(1_u8..).map(|(amount, n)| (Address::repeat_byte(n), U256::from(*amount)));
        let mut storage = test_dollar_storage(&balances.collect::<Vec<_>>()).unwrap();
        let supply = storage.remove(&B256::with_last_byte(2)).unwrap_or_default();
        let sum = storage.values().fold(U256::ZERO, |sum, amount| sum + U256::from_be_bytes(amount.0));
        prop_assert_eq!(U256::from_be_bytes(supply.0), sum);
        prop_assert_eq!(storage.len(), amounts.len());
    }
}
