use super::{Given, Node, PAYEE, disk::Disk, pay, rich};
use crate::{
    Chain, Genesis,
    chain::{BlockAt, FINAL_BLOCKS_QUEUED_MAX},
    state::OpenError,
};
use alloy_primitives::{B256, U256};
use nubes_consensus::{EthBlock, MachineError, StateMachine as _};
use proptest::prelude::*;
use redb::backends::InMemoryBackend;
use std::{path::Path, sync::Arc};
use tokio::sync::broadcast::error::TryRecvError;

/// Final blocks of a chain, one transfer of one wei in each.
fn history(length: u64) -> Vec<EthBlock> {
    let node = Node::new();
    (0..length).map(|nonce| node.advance(&[pay(1, nonce, 1)]).block.as_ref().clone()).collect()
}

fn hash(block: &EthBlock) -> B256 {
    block.header.hash_slow()
}

fn open(path: &Path, genesis: &Genesis) -> Result<Chain, OpenError> {
    Chain::open(path, genesis, Arc::new(Given::default()))
}

#[test]
fn a_final_block_comes_again_without_effect() {
    let (node, blocks) = (Node::new(), history(2));
    let mut news = node.chain.follow();
    for block in [&blocks[0], &blocks[0], &blocks[1], &blocks[0], &blocks[1]] {
        node.chain.finalize(block, hash(block)).unwrap();
    }
    assert_eq!(node.head().hash, hash(&blocks[1]));
    assert_eq!(node.balance(PAYEE), U256::from(2));
    assert_eq!(node.given.settled.lock().len(), 2);
    let heard: Vec<_> = std::iter::from_fn(|| news.try_recv().ok()).map(|block| block.hash).collect();
    assert_eq!(heard, [hash(&blocks[0]), hash(&blocks[1])]);
}

#[test]
fn a_final_block_out_of_order_is_refused() {
    let (node, blocks) = (Node::new(), history(2));
    let refused = node.chain.finalize(&blocks[1], hash(&blocks[1]));
    assert!(matches!(refused, Err(MachineError::UnknownParent { parent }) if parent == hash(&blocks[0])));
    assert_eq!(node.head().number(), 0);
}

#[test]
fn what_was_final_is_there_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    let blocks = history(3);
    let (before, logs) = {
        let chain = open(&path, &rich()).unwrap();
        for block in &blocks {
            chain.finalize(block, hash(block)).unwrap();
        }
        (Chain::head(&chain), chain.logs(0, 9, &crate::chain::LogFilter::default()).unwrap())
    };
    let chain = open(&path, &rich()).unwrap();
    let after = Chain::head(&chain);
    assert_eq!((after.number(), after.hash), (3, before.hash));
    assert_eq!(
        (&after.block, &after.senders, &after.receipts),
        (&before.block, &before.senders, &before.receipts)
    );
    assert_eq!(chain.balance(&PAYEE, BlockAt::Head).unwrap(), U256::from(3));
    assert_eq!(chain.logs(0, 9, &crate::chain::LogFilter::default()).unwrap(), logs);
    let (block, index) = chain.transaction(blocks[1].body.transactions[0].hash()).unwrap().unwrap();
    assert_eq!((block.hash, index), (hash(&blocks[1]), 0));
    assert!(!chain.knows(&hash(&blocks[1])) && chain.knows(&hash(&blocks[2])));
}

#[test]
fn a_follower_that_falls_behind_is_told_how_much_it_missed() {
    let node = Node::new();
    let mut news = node.chain.follow();
    for _ in 0..=FINAL_BLOCKS_QUEUED_MAX {
        node.chain.finals.send(node.head()).unwrap();
    }
    assert_eq!(news.try_recv().unwrap_err(), TryRecvError::Lagged(1));
    assert_eq!(news.try_recv().unwrap().hash, node.head().hash);
}

#[test]
fn a_store_of_another_chain_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    let ours = open(&path, &rich()).unwrap().genesis_hash();
    let other = Genesis { timestamp: 1, ..rich() };
    let Err(OpenError::OtherChain { found, expected }) = open(&path, &other) else { panic!("was opened") };
    assert_eq!(found, ours);
    assert_ne!(expected, ours);
}

#[test]
fn a_store_that_is_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    let _first = open(&path, &rich()).unwrap();
    assert!(matches!(open(&path, &rich()), Err(OpenError::InUse)));
}

#[test]
fn the_source_is_told_what_became_final_and_the_nonces_after_it() {
    let node = Node::new();
    let (first, second) = (pay(1, 0, 1), pay(2, 0, 1));
    node.advance(&[Arc::clone(&first), Arc::clone(&second), pay(1, 1, 1)]);
    let settled = node.given.settled.lock();
    assert_eq!(settled[0], (first.signer(), *first.inner().hash(), 2));
    assert_eq!(settled[1], (second.signer(), *second.inner().hash(), 1));
}

/// Loses power after `operations` of the disk, reopens, and is given all blocks once more.
fn check_crash(blocks: &[EthBlock], operations: usize, seed: u64) {
    let disk = Disk::default();
    let node = Node::on(disk.clone()).unwrap();
    disk.fail_after(operations);
    let is_kept = |block: &&EthBlock| node.chain.finalize(block, hash(block)).is_ok();
    let acknowledged = blocks.iter().take_while(is_kept).count() as u64;
    let node = Node::on(disk.after_crash(seed)).unwrap();
    let head = node.head();
    assert!(
        (acknowledged..=acknowledged + 1).contains(&head.number()),
        "{} of {acknowledged}",
        head.number()
    );
    assert_eq!(node.balance(PAYEE), U256::from(head.number()));
    for block in blocks {
        node.chain.finalize(block, hash(block)).unwrap();
    }
    assert_eq!(node.head().hash, hash(blocks.last().unwrap()));
    assert_eq!(node.balance(PAYEE), U256::from(blocks.len()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_crash_at_any_moment_loses_nothing_that_was_acknowledged(at: prop::sample::Index, seed: u64) {
        let blocks = history(3);
        let disk = Disk::default();
        let node = Node::on(disk.clone()).unwrap();
        let made = disk.operations();
        for block in &blocks {
            node.chain.finalize(block, hash(block)).unwrap();
        }
        check_crash(&blocks, at.index(disk.operations() - made + 1), seed);
    }

    // The database takes no file of which it wrote only the beginning; what is taken must be whole.
    #[test]
    fn a_crash_while_the_store_is_made_leaves_it_whole_or_unusable(at: prop::sample::Index, seed: u64) {
        let disk = Disk::default();
        let genesis = Node::on(disk.clone()).unwrap().head().hash;
        let crashed = Disk::default();
        crashed.fail_after(at.index(disk.operations() + 1));
        let _ = Node::on(crashed.clone());
        match Node::on(crashed.after_crash(seed)) {
            Ok(node) => prop_assert_eq!(node.head().hash, genesis),
            Err(error) => prop_assert!(matches!(error, OpenError::Store(_))),
        }
    }
}

#[test]
fn a_final_block_needs_no_close_to_be_durable() {
    let (disk, blocks) = (Disk::default(), history(1));
    let node = Node::on(disk.clone()).unwrap();
    node.chain.finalize(&blocks[0], hash(&blocks[0])).unwrap();
    let reopened = Node::on(disk.after_crash(0)).unwrap();
    assert_eq!(reopened.head().hash, hash(&blocks[0]));
}

#[test]
fn a_damaged_store_does_not_make_a_block_invalid() {
    const CODE: redb::TableDefinition<'_, &[u8; 32], &[u8]> = redb::TableDefinition::new("code");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain");
    drop(open(&path, &rich()).unwrap());
    {
        let database = redb::Database::create(&path).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(CODE).unwrap().retain(|_, _| false).unwrap();
        write.commit().unwrap();
    }
    let chain = open(&path, &rich()).unwrap();
    let block = &history(1)[0];
    // Not `Invalid`: an honest validator would vote against what all others accept.
    let refused = chain.execute(block, hash(block));
    assert!(matches!(refused, Err(MachineError::Store { .. })), "{refused:?}");
}

#[test]
fn a_failed_write_leaves_the_head_where_it_was() {
    let (disk, blocks) = (Disk::default(), history(1));
    let node = Node::on(disk.clone()).unwrap();
    disk.fail_after(0);
    let failed = node.chain.finalize(&blocks[0], hash(&blocks[0]));
    assert!(matches!(failed, Err(MachineError::Store { .. })));
    assert_eq!(node.head().number(), 0);
    assert!(node.given.settled.lock().is_empty());
}

#[test]
fn two_machines_with_one_history_have_one_head() {
    let (file, memory, blocks) =
        (Node::on(Disk::default()).unwrap(), Node::on(InMemoryBackend::new()).unwrap(), history(2));
    for block in &blocks {
        file.chain.execute(block, hash(block)).unwrap();
        file.chain.finalize(block, hash(block)).unwrap();
        memory.chain.finalize(block, hash(block)).unwrap();
    }
    assert_eq!(
        nubes_consensus::StateMachine::head(&file.chain),
        nubes_consensus::StateMachine::head(&memory.chain)
    );
}
