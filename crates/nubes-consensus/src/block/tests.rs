use super::{BLOCK_BYTES_MAX, Block, BlockContext, commitment, digest_of};
use crate::tests::{genesis, next_block, transaction};
use alloy_consensus::{Header, SignableTransaction as _, TxEnvelope, TxLegacy};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{B256, Signature};
use commonware_codec::{DecodeExt as _, Encode as _, EncodeSize as _};
use commonware_consensus::{
    Heightable as _,
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    Digestible as _, Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use proptest::{collection::vec, prelude::*};

fn leader(seed: u64) -> PublicKey {
    PrivateKey::from_seed(seed).public_key()
}

fn context(view: u64) -> BlockContext {
    let parent = (View::new(view - 1), digest_of(genesis().header.hash_slow()));
    BlockContext { round: Round::new(Epoch::zero(), View::new(view)), leader: leader(view), parent }
}

/// A block that decodes, with `change` made to it before its header is fixed.
fn block(transactions: Vec<TxEnvelope>, change: impl FnOnce(&mut Block)) -> Block {
    let context = context(1);
    let eth = next_block(&genesis(), commitment(&context), transactions);
    let mut block = Block::new(context, eth);
    change(&mut block);
    Block::new(block.context, block.eth.as_ref().clone())
}

fn eth(block: &mut Block) -> &mut crate::EthBlock {
    std::sync::Arc::make_mut(&mut block.eth)
}

#[track_caller]
fn refused(because: &str, change: impl FnOnce(&mut Block)) {
    let error = Block::decode(block(vec![transaction(1)], change).encode()).unwrap_err().to_string();
    assert!(error.contains(because), "{error}");
}

#[test]
fn a_block_comes_back_with_its_digest() {
    for count in [0, 1, 100] {
        let block = block((0..count).map(transaction).collect(), |_| ());
        let bytes = block.encode();
        assert_eq!(bytes.len(), block.encode_size());
        let again = Block::decode(bytes.clone()).unwrap();
        assert_eq!(again.digest(), digest_of(again.eth.header.hash_slow()));
        assert_eq!((again.digest(), again.encode()), (block.digest(), bytes));
        assert_eq!(again.height().get(), 1);
    }
}

#[test]
fn a_header_binds_its_context_transactions_and_parent() {
    refused("context", |block| block.context.leader = leader(9));
    refused("context", |block| block.context.round = Round::new(Epoch::zero(), View::new(9)));
    refused("context", |block| eth(block).header.parent_beacon_block_root = None);
    refused("another parent", |block| eth(block).header.parent_hash = B256::ZERO);
    refused("transactions", |block| eth(block).body.transactions.push(transaction(2)));
    refused("transactions", |block| eth(block).body.transactions.clear());
}

#[test]
fn ommers_and_withdrawals_are_refused() {
    refused("ommers", |block| eth(block).body.ommers.push(Header::default()));
    refused("ommers", |block| eth(block).header.ommers_hash = B256::ZERO);
    refused("withdrawals", |block| eth(block).body.withdrawals = Some(vec![Withdrawal::default()].into()));
    refused("withdrawals", |block| eth(block).body.withdrawals = None);
}

#[test]
fn the_first_block_comes_in_the_first_context_only() {
    let first = Block::genesis(genesis(), leader(1));
    assert_eq!(Block::decode(first.encode()).unwrap(), first);
    let mut elsewhere = first.clone();
    elsewhere.context.round = Round::new(Epoch::zero(), View::new(1));
    assert!(Block::decode(elsewhere.encode()).is_err());
    let mut filled = first;
    eth(&mut filled).body.transactions.push(transaction(1));
    assert!(Block::decode(filled.encode()).is_err());
}

#[test]
fn nothing_may_follow_a_block() {
    let mut bytes = block(Vec::new(), |_| ()).encode().to_vec();
    bytes.push(0);
    assert!(Block::decode(bytes).is_err());
}

/// A block whose RLP has exactly this many bytes.
fn sized(bytes: usize) -> Block {
    let sized = |input: usize| {
        let transaction = TxLegacy { chain_id: Some(1), input: vec![7; input].into(), ..TxLegacy::default() };
        block(vec![transaction.into_signed(Signature::test_signature()).into()], |_| ())
    };
    let overhead = sized(bytes / 2).rlp_bytes() - bytes / 2;
    let block = sized(bytes - overhead);
    assert_eq!(block.rlp_bytes(), bytes);
    block
}

#[test]
fn a_block_of_the_largest_size_decodes_and_one_byte_more_does_not() {
    assert!(Block::decode(sized(BLOCK_BYTES_MAX).encode()).is_ok());
    assert!(Block::decode(sized(BLOCK_BYTES_MAX + 1).encode()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..2_000)) {
        let _ = Block::decode(bytes);
    }

    #[test]
    fn arbitrary_rlp_after_a_context_never_panics(rlp in vec(any::<u8>(), 0..2_000)) {
        let bytes = [context(1).encode().as_ref(), bytes::Bytes::from(rlp).encode().as_ref()].concat();
        let _ = Block::decode(bytes);
    }

    #[test]
    fn a_changed_byte_never_leaves_the_digest(at in any::<prop::sample::Index>(), change in 1_u8..) {
        let block = block(vec![transaction(1), transaction(2)], |_| ());
        let mut bytes = block.encode().to_vec();
        *at.get_mut(&mut bytes) ^= change;
        if let Ok(other) = Block::decode(bytes.clone()) {
            prop_assert_ne!(other.digest(), block.digest());
            prop_assert_eq!(other.encode().to_vec(), bytes);
        }
    }

    #[test]
    fn a_shortened_block_is_refused(at in any::<prop::sample::Index>()) {
        let bytes = block(vec![transaction(1)], |_| ()).encode();
        prop_assert!(Block::decode(bytes.slice(..at.index(bytes.len()))).is_err());
    }
}
