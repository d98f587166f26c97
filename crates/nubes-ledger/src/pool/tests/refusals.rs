//! What is refused, in geth's words.

use super::{GWEI, House, raw, signer, transfer};
use crate::{
    DEVELOPMENT_CHAIN_ID, Genesis,
    pool::{
        PoolError,
        check::{Checked, TRANSACTION_BYTES_MAX},
    },
};
use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, uint};
use alloy_signer::SignerSync as _;
use proptest::prelude::*;

const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

#[track_caller]
fn check(raw: &[u8], words: &str) {
    let house = House::new();
    assert_eq!(house.pool.submit(raw).unwrap_err().to_string(), words);
    assert!(house.pool.is_empty());
}

#[track_caller]
fn check_transfer(change: impl FnOnce(&mut TxEip1559), words: &str) {
    let mut transaction = transfer(0);
    change(&mut transaction);
    check(&raw(1, transaction), words);
}

#[test]
fn bytes_that_are_no_transaction_are_refused() {
    let words = "rlp: transaction cannot be decoded";
    check(&[], words);
    check(&[0x02], words);
    check(&[0xff; 40], words);
    let whole = raw(1, transfer(0));
    check(&[&whole[..], &[0]].concat(), words);
    check(&whole[..whole.len() - 1], words);
}

#[test]
fn blobs_and_unknown_types_are_refused() {
    for kind in [0x00, 0x03, 0x05, 0x7f] {
        check(&[kind, 0xc0], "transaction type not supported");
    }
}

#[test]
fn another_chains_transactions_are_refused() {
    check_transfer(|t| t.chain_id = 1, "invalid chain id for signer: have 1 want 41414");
    let unprotected = TxLegacy { gas_limit: 21_000, gas_price: GWEI, ..TxLegacy::default() };
    check(&raw(1, unprotected), "invalid chain id for signer: have 0 want 41414");
}

#[test]
fn too_many_bytes_are_refused() {
    let long = raw(
        1,
        TxEip1559 { input: vec![0; TRANSACTION_BYTES_MAX].into(), gas_limit: 10_000_000, ..transfer(0) },
    );
    check(&long, &format!("oversized data: transaction size {}, limit 131072", long.len()));
    let create = |t: &mut TxEip1559, bytes: usize| {
        t.to = TxKind::Create;
        t.gas_limit = 10_000_000;
        t.input = vec![0; bytes].into();
    };
    check_transfer(|t| create(t, 49_153), "max initcode size exceeded: code size 49153, limit 49152");
    let mut fits = transfer(0);
    create(&mut fits, 49_152);
    House::new().pool.submit(&raw(1, fits)).unwrap();
}

#[test]
fn gas_out_of_bounds_is_refused() {
    check_transfer(|t| t.gas_limit = 30_000_001, "exceeds block gas limit");
    let words = "transaction gas limit too high (cap: 16777216, tx: 16777217)";
    check_transfer(|t| t.gas_limit = 16_777_217, words);
    House::new().pool.submit(&raw(1, TxEip1559 { gas_limit: 16_777_216, ..transfer(0) })).unwrap();
    check_transfer(|t| t.gas_limit = 20_999, "intrinsic gas too low: gas 20999, minimum needed 21000");
    let floor = |t: &mut TxEip1559| {
        t.input = vec![1; 1_000].into();
        t.gas_limit = 40_000;
    };
    check_transfer(floor, "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000");
}

#[test]
fn prices_out_of_bounds_are_refused() {
    let sender = signer(1).address();
    let words = format!(
        "max priority fee per gas higher than max fee per gas: address {sender}, \
         maxPriorityFeePerGas: 1000000001, maxFeePerGas: 1000000000"
    );
    check_transfer(|t| t.max_priority_fee_per_gas = GWEI + 1, &words);
    let words = "transaction gas price below minimum: gas fee cap 999999, minimum needed 1000000";
    check_transfer(|t| t.max_fee_per_gas = 999_999, words);
}

#[test]
fn nonces_out_of_bounds_are_refused() {
    let sender = signer(1).address();
    check_transfer(|t| t.nonce = u64::MAX, &format!("nonce has max value: address {sender}"));
    let words = "nonce too high: next nonce 0, tx nonce 8193, gap at most 8192";
    check_transfer(|t| t.nonce = 8_193, words);
    House::new().pool.submit(&raw(1, transfer(8_192))).unwrap();
}

#[test]
fn a_sender_without_funds_is_refused() {
    let sender = signer(9).address();
    let transaction = TxEip1559 { value: U256::from(5), ..transfer(0) };
    let words =
        format!("insufficient funds for gas * price + value: address {sender} have 0 want 21000000000005");
    check(&raw(9, transaction), &words);
    let (sender, have, want) = (signer(1).address(), 10u64.pow(18), U256::MAX);
    let words =
        format!("insufficient funds for gas * price + value: address {sender} have {have} want {want}");
    check_transfer(|t| t.value = U256::MAX, &words);
}

#[test]
fn a_signature_with_a_high_s_is_refused() {
    let transaction = transfer(0);
    let signature = signer(1).sign_hash_sync(&transaction.signature_hash()).unwrap();
    let mirrored = Signature::new(signature.r(), ORDER - signature.s(), !signature.v());
    let raw = TxEnvelope::from(transaction.into_signed(mirrored)).encoded_2718();
    check(&raw, "invalid sender");
}

#[test]
fn a_delegation_that_delegates_nothing_is_refused() {
    let transaction = TxEip7702 {
        chain_id: DEVELOPMENT_CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: GWEI,
        to: Address::ZERO,
        ..TxEip7702::default()
    };
    check(&raw(1, transaction), "EIP-7702 transaction with empty auth list");
}

#[test]
fn what_is_known_or_hardly_dearer_is_refused() {
    let house = House::new();
    let first = raw(1, transfer(0));
    house.pool.submit(&first).unwrap();
    assert_eq!(house.pool.submit(&first), Err(PoolError::Known));
    assert_eq!(PoolError::Known.to_string(), "already known");
    let dearer = |fee| house.pool.submit(&raw(1, TxEip1559 { max_fee_per_gas: fee, ..transfer(0) }));
    assert_eq!(dearer(GWEI * 11 / 10 - 1), Err(PoolError::Replacement));
    assert_eq!(PoolError::Replacement.to_string(), "replacement transaction underpriced");
    dearer(GWEI * 11 / 10).unwrap();
    assert_eq!(house.pool.len(), 1);
}

#[test]
fn refusals_that_need_a_crowd_have_gethlike_words_too() {
    assert_eq!(PoolError::Full.to_string(), "txpool is full");
    let full = PoolError::SenderFull { sender: Address::ZERO, count: 4_096 };
    assert!(full.to_string().starts_with("account limit exceeded"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Checked::decode(&bytes, DEVELOPMENT_CHAIN_ID);
    }

    #[test]
    fn a_changed_byte_never_keeps_the_sender_and_the_hash(place in any::<prop::sample::Index>(), flip in 1u8..) {
        let whole = raw(1, transfer(0));
        let mut changed = whole.to_vec();
        changed[place.index(whole.len())] ^= flip;
        if let Ok(checked) = Checked::decode(&changed, DEVELOPMENT_CHAIN_ID) {
            let back = checked.into_inner();
            prop_assert_eq!(Bytes::from(back.inner().encoded_2718()), Bytes::from(changed));
            let original = Checked::decode(&whole, DEVELOPMENT_CHAIN_ID).unwrap().into_inner();
            prop_assert!(back.inner().hash() != original.inner().hash());
            prop_assert!(back.signer() != signer(1).address());
        }
    }
}

#[test]
fn the_development_accounts_can_send() {
    let genesis = Genesis::development();
    let key: B256 = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80".parse().unwrap();
    let signer = alloy_signer_local::PrivateKeySigner::from_bytes(&key).unwrap();
    assert!(genesis.alloc.contains_key(&signer.address()));
    let transaction = transfer(0);
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
    let raw = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
    House::new().pool.submit(&raw).unwrap();
}
