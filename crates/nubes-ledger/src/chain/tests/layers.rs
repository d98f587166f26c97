use super::{GWEI, Node, PAYEE, address, pay, sign, transaction};
use crate::chain::LAYERS_MAX;
use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, U256};
use nubes_consensus::{EthBlock, MachineError, StateMachine as _};

fn hash(block: &EthBlock) -> B256 {
    block.header.hash_slow()
}

#[test]
fn siblings_do_not_see_each_other() {
    let node = Node::new();
    let root = node.head().hash;
    let left = node.build(root, 1, &[pay(1, 0, 5)]).unwrap();
    let right = node.build(root, 2, &[pay(1, 0, 7), pay(2, 0, 100)]).unwrap();
    let lefter = node.build(hash(&left), 3, &[pay(1, 1, 1), pay(2, 0, 1)]).unwrap();
    assert_eq!(lefter.body.transactions.len(), 2);
    assert_eq!(node.balance(PAYEE), U256::ZERO);
    for block in [&left, &lefter] {
        node.chain.finalize(block, hash(block)).unwrap();
    }
    assert_eq!(node.balance(PAYEE), U256::from(7));
    assert!(!node.chain.knows(&hash(&right)));
}

#[test]
fn nothing_is_final_before_it_is_finalised() {
    let node = Node::new();
    let block = node.build(node.head().hash, 1, &[pay(1, 0, 5)]).unwrap();
    assert!(node.chain.knows(&hash(&block)));
    assert_eq!(node.head().number(), 0);
    assert!(node.chain.transaction(block.body.transactions[0].hash()).unwrap().is_none());
    assert_eq!(node.nonce(address(1)), 0);
}

#[test]
fn a_final_block_drops_what_lost_and_keeps_what_builds_on_it() {
    let node = Node::new();
    let root = node.head().hash;
    let won = node.build(root, 1, &[pay(1, 0, 1)]).unwrap();
    let child = node.build(hash(&won), 2, &[pay(1, 1, 1)]).unwrap();
    let grandchild = node.build(hash(&child), 3, &[]).unwrap();
    let lost = node.build(root, 4, &[pay(2, 0, 1)]).unwrap();
    let orphan = node.build(hash(&lost), 5, &[]).unwrap();
    let late_orphan = node.build(hash(&orphan), 6, &[]).unwrap();
    node.chain.finalize(&won, hash(&won)).unwrap();
    for block in [&won, &child, &grandchild] {
        assert!(node.chain.knows(&hash(block)));
    }
    for block in [&lost, &orphan, &late_orphan] {
        assert!(!node.chain.knows(&hash(block)));
    }
    assert!(matches!(node.build(hash(&lost), 7, &[]), Err(MachineError::UnknownParent { .. })));
    node.chain.finalize(&child, hash(&child)).unwrap();
    assert_eq!(node.balance(PAYEE), U256::from(2));
}

#[test]
fn what_is_known_can_be_built_on_also_when_the_memory_is_full() {
    let node = Node::new();
    let root = node.head().hash;
    let parent = node.build(root, 0, &[]).unwrap();
    let child = node.build(hash(&parent), 0, &[]).unwrap();
    // Proposals that a faulty validator makes up, each on the child.
    for number in 0..LAYERS_MAX {
        let seed = B256::from(U256::from(number));
        let slot = nubes_consensus::Slot { parent: hash(&child), context: seed, seed, timestamp: 100 };
        match node.chain.build(&slot) {
            Ok(_) | Err(MachineError::UnknownParent { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        if node.chain.knows(&hash(&child)) {
            node.build(hash(&child), 1, &[]).unwrap();
        }
        if !node.chain.knows(&hash(&parent)) {
            node.chain.execute(&parent, hash(&parent)).unwrap();
            node.chain.execute(&child, hash(&child)).unwrap();
        }
    }
    assert!(node.chain.inner.read().layers.len() <= LAYERS_MAX);
    for block in [&parent, &child] {
        node.chain.finalize(block, hash(block)).unwrap();
    }
    assert_eq!(node.head().hash, hash(&child));
}

#[test]
fn the_builder_leaves_out_what_cannot_run_and_says_so() {
    let node = Node::new();
    let poor = pay(9, 0, 1);
    let early = pay(1, 5, 1);
    let cheap = sign(2, TxEip1559 { max_fee_per_gas: 1, ..transaction(0) });
    let elsewhere = sign(2, TxEip1559 { chain_id: 1, ..transaction(0) });
    let thirsty = sign(2, TxEip1559 { gas_limit: 20_999, ..transaction(0) });
    let greedy = sign(2, TxEip1559 { max_priority_fee_per_gas: 2 * GWEI, ..transaction(0) });
    let wrong = [poor, early, cheap, elsewhere, thirsty, greedy];
    let hashes: Vec<_> = wrong.iter().map(|transaction| *transaction.inner().hash()).collect();
    let block = node.advance(&[wrong.as_slice(), &[pay(1, 0, 1)]].concat());
    assert_eq!(block.block.body.transactions.len(), 1);
    assert_eq!(*node.given.rejected.lock(), hashes);
}

#[test]
fn there_is_work_when_the_source_has_some() {
    let node = Node::new();
    let head = node.head().hash;
    assert!(!node.chain.has_work(&head));
    node.given.next.lock().push(pay(1, 0, 1));
    assert!(node.chain.has_work(&head));
    assert!(!node.chain.has_work(&B256::repeat_byte(1)));
}
