use super::{LOGGER, Node, PAYEE, WRITER, address, create, init, message, pay, words};
use crate::chain::{BlockAt, LOG_BLOCKS_MAX, LOGS_MAX, LogFilter, LogsError, QueryError};
use crate::state::StoredBlock;
use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_trie::{Nibbles, proof::verify_proof};
use std::sync::Arc;

#[test]
fn every_final_state_can_still_be_read_and_proven() {
    let node = Node::new();
    let contract = address(1).create(0);
    let mut blocks = vec![node.advance(&[create(1, 0, init(&WRITER))])];
    for nonce in 0..5 {
        blocks.push(
            node.advance(&[
                message(2, nonce, contract, words(&[1, 10 * (5 - nonce) - 10])),
                pay(3, nonce, 1),
            ]),
        );
    }
    for block in &blocks {
        let number = block.number();
        for at in [BlockAt::Number(number), BlockAt::Hash(block.hash)] {
            assert_eq!(node.chain.balance(&PAYEE, at).unwrap(), U256::from(number - 1));
            assert_eq!(node.chain.nonce(&address(2), at).unwrap(), number - 1);
            assert_eq!(node.chain.code(&contract, at).unwrap(), Bytes::from(WRITER.to_vec()));
            let value = if number == 1 { U256::ZERO } else { U256::from(10 * (6 - number)) };
            assert_eq!(node.chain.storage(&contract, &U256::ONE, at).unwrap(), value);
            let proof = node.chain.proof(&contract, &[U256::ONE], at).unwrap();
            let (root, account) = (block.block.header.state_root, proof.account.to_rlp());
            verify_proof(root, Nibbles::unpack(keccak256(contract)), Some(account), &proof.nodes).unwrap();
            assert_eq!(proof.storage[0].1, value);
        }
    }
    assert!(node.chain.code(&contract, BlockAt::Number(0)).unwrap().is_empty());
    assert_eq!(node.chain.storage(&contract, &U256::ONE, BlockAt::Number(0)).unwrap(), U256::ZERO);
}

#[test]
fn an_unknown_block_is_said_to_be_unknown() {
    let node = Node::new();
    for at in [BlockAt::Number(1), BlockAt::Hash(B256::repeat_byte(1))] {
        assert!(node.chain.block(at).unwrap().is_none());
        assert!(matches!(node.chain.balance(&PAYEE, at), Err(QueryError::UnknownBlock)));
        assert!(matches!(node.chain.fee_history(1, at), Err(QueryError::UnknownBlock)));
    }
    assert!(node.chain.transaction(&B256::ZERO).unwrap().is_none());
}

#[test]
fn a_final_transaction_is_found_with_its_sender_and_gas() {
    let node = Node::new();
    let (first, second) = (pay(1, 0, 1), create(2, 0, init(&WRITER)));
    node.advance(&[first, second.clone()]);
    node.advance(&[]);
    let (block, index) = node.chain.transaction(second.inner().hash()).unwrap().unwrap();
    assert_eq!((block.number(), index), (1, 1));
    assert_eq!(block.transaction(1).unwrap().signer(), address(2));
    assert_eq!(block.gas_used(0), Some(21_000));
    assert_eq!(block.gas_used(0).unwrap() + block.gas_used(1).unwrap(), block.block.header.gas_used);
    assert!(block.transaction(2).is_none() && block.gas_used(2).is_none());
}

#[test]
fn a_log_query_over_too_many_blocks_is_refused() {
    let node = Node::new();
    // The head bounds the range: what is not there costs nothing.
    assert!(node.chain.logs(0, u64::MAX, &LogFilter::default()).unwrap().is_empty());
    assert!(node.chain.logs(5, 2, &LogFilter::default()).unwrap().is_empty());
    // As if there were so many blocks.
    let mut head = StoredBlock::clone(&node.head());
    Arc::make_mut(&mut head.block).header.number = LOG_BLOCKS_MAX;
    node.chain.inner.write().head = Arc::new(head);
    assert!(matches!(node.chain.logs(0, u64::MAX, &LogFilter::default()), Err(LogsError::Range)));
    assert!(node.chain.logs(1, LOG_BLOCKS_MAX, &LogFilter::default()).unwrap().is_empty());
}

#[test]
fn a_reader_sees_each_block_whole_while_others_become_final() {
    const BLOCKS: u64 = 30;
    let node = Node::new();
    let check = |head: &StoredBlock| {
        assert_eq!(node.chain.balance(&PAYEE, BlockAt::Hash(head.hash)).unwrap(), U256::from(head.number()));
        for transaction in &head.block.body.transactions {
            let (block, _) = node.chain.transaction(transaction.hash()).unwrap().unwrap();
            assert_eq!(block.hash, head.hash);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| (0..BLOCKS).for_each(|nonce| drop(node.advance(&[pay(1, nonce, 1)]))));
        let mut seen = 0;
        while seen < BLOCKS {
            let head = node.head();
            assert!(head.number() >= seen);
            check(&head);
            seen = head.number();
        }
    });
}

/// Emits 250 logs: the input's first word counts down.
const CHATTERBOX: [u8; 18] =
    [0x60, 250, 0x5b, 0x60, 0, 0x60, 0, 0xa0, 0x60, 1, 0x90, 0x03, 0x80, 0x60, 2, 0x57, 0x50, 0x00];

#[test]
fn a_log_query_with_too_many_results_is_refused() {
    let node = Node::new();
    let contract = address(1).create(0);
    node.advance(&[create(1, 0, init(&CHATTERBOX)), create(1, 1, init(&LOGGER))]);
    let mut nonce = 0;
    let mut emitted = 0;
    while emitted <= LOGS_MAX {
        let calls: Vec<_> =
            (nonce..nonce + 41).map(|nonce| message(2, nonce, contract, Bytes::new())).collect();
        let block = node.advance(&calls);
        nonce += 41;
        emitted += block.receipts.iter().map(|receipt| receipt.logs().len()).sum::<usize>();
    }
    let all = LogFilter { addresses: vec![contract], ..LogFilter::default() };
    assert!(matches!(node.chain.logs(0, 100, &all), Err(LogsError::TooMany)));
    assert!(node.chain.logs(0, 1, &all).unwrap().is_empty());
    let other = LogFilter { addresses: vec![address(1).create(1)], ..LogFilter::default() };
    assert!(node.chain.logs(0, 100, &other).unwrap().is_empty());
}

#[test]
fn the_fee_history_ends_with_the_fee_to_come() {
    let node = Node::new();
    for nonce in 0..3 {
        node.advance(&[pay(1, nonce, 1)]);
    }
    let history = node.chain.fee_history(2, BlockAt::Head).unwrap();
    assert_eq!((history.oldest, history.base_fees.len(), history.gas_used_ratios.len()), (2, 3, 2));
    assert_eq!(history.base_fees[2], node.chain.next_base_fee());
    assert!((history.gas_used_ratios[0] - 21_000.0 / 30_000_000.0).abs() < 1e-12);
    assert_eq!(node.chain.fee_history(100, BlockAt::Head).unwrap().oldest, 0);
}
