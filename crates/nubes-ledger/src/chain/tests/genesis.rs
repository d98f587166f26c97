use super::{Given, rich};
use crate::{Chain, DEVELOPMENT_ACCOUNTS, Genesis, chain::BlockAt};
use alloy_consensus::Header;
use alloy_primitives::{B256, U256, b256, keccak256};
use alloy_signer_local::MnemonicBuilder;
use alloy_trie::{TrieAccount, root};
use nubes_consensus::{EthBlock, StateMachine as _};
use redb::backends::InMemoryBackend;
use std::sync::Arc;

fn first_block(genesis: &Genesis) -> EthBlock {
    let chain = Chain::with_backend(InMemoryBackend::new(), genesis, Arc::new(Given::default())).unwrap();
    chain.genesis()
}

/// The whole state at once, by another library.
fn root_of(genesis: &Genesis) -> B256 {
    root::state_root_unhashed(genesis.alloc.iter().map(|(address, account)| {
        let slots = account.storage.iter().map(|(slot, value)| (*slot, U256::from_be_bytes(value.0)));
        let whole = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: root::storage_root_unhashed(slots),
            code_hash: keccak256(&account.code),
        };
        (*address, whole)
    }))
}

#[test]
fn the_development_chain_keeps_its_name() {
    let block = first_block(&Genesis::development());
    // Changes with every change of a predeployed contract; then all development networks start anew.
    let root = b256!("aa3032458d6af740737f0d09ee57c75c4c36072e7ef6d8c8d92d249cd87c8a62");
    let hash = b256!("21c21f470b220e0378c6370f8ec205125ca61451760a71633284d49fbadc1001");
    assert_eq!((block.header.state_root, block.header.hash_slow()), (root, hash));
}

#[test]
fn the_first_state_root_is_that_of_the_whole_allocation() {
    assert_eq!(first_block(&Genesis::development()).header.state_root, root_of(&Genesis::development()));
    assert_eq!(first_block(&rich()).header.state_root, root_of(&rich()));
}

#[test]
fn every_difference_makes_another_chain() {
    let base = Genesis::development();
    let mut names = vec![first_block(&base).header.hash_slow()];
    let mut add = |change: &dyn Fn(&mut Genesis)| {
        let mut other = base.clone();
        change(&mut other);
        names.push(first_block(&other).header.hash_slow());
    };
    add(&|genesis| genesis.chain_id += 1);
    add(&|genesis| genesis.timestamp += 1);
    add(&|genesis| genesis.base_fee_per_gas += 1);
    add(&|genesis| genesis.alloc.get_mut(&DEVELOPMENT_ACCOUNTS[0]).unwrap().nonce += 1);
    add(&|genesis| genesis.alloc.get_mut(&DEVELOPMENT_ACCOUNTS[0]).unwrap().balance += U256::ONE);
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

#[test]
fn the_development_accounts_are_those_of_the_public_mnemonic() {
    let phrase = "test test test test test test test test test test test junk";
    for (index, address) in (0u32..).zip(DEVELOPMENT_ACCOUNTS) {
        let signer = MnemonicBuilder::from_phrase_nth(phrase, index);
        assert_eq!(signer.address(), address);
    }
}

#[test]
fn a_client_sees_the_first_block_and_its_state() {
    let chain = Chain::with_backend(InMemoryBackend::new(), &rich(), Arc::new(Given::default())).unwrap();
    let block = chain.block(BlockAt::Number(0)).unwrap().unwrap();
    assert_eq!(chain.block(BlockAt::Hash(chain.genesis_hash())).unwrap().unwrap().hash, block.hash);
    assert_eq!(block.block.header, Header { ..chain.genesis().header });
    for (address, account) in &rich().alloc {
        assert_eq!(chain.balance(address, BlockAt::Head).unwrap(), account.balance);
        assert_eq!(chain.nonce(address, BlockAt::Head).unwrap(), account.nonce);
        assert_eq!(chain.code(address, BlockAt::Head).unwrap(), account.code);
    }
    assert!(chain.block(BlockAt::Number(1)).unwrap().is_none());
}
