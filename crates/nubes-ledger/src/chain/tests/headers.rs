use super::{LOGGER, Node, address, create, init, message, pay, words};
use alloy_consensus::Header;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use nubes_consensus::{EthBlock, MachineError, StateMachine as _};

type Change<'a> = &'a dyn Fn(&mut Header);

/// A block with transfers and logs on the second of two final blocks, and a node that has its parent.
fn block() -> (Node, EthBlock) {
    let (builder, checker) = (Node::new(), Node::new());
    for transactions in [vec![create(1, 0, init(&LOGGER))], vec![pay(1, 1, 1)]] {
        let block = builder.advance(&transactions);
        checker.chain.finalize(&block.block, block.hash).unwrap();
    }
    let transactions = [pay(1, 2, 5), message(2, 0, address(1).create(0), words(&[1]))];
    let block = builder.build(builder.head().hash, 3, &transactions).unwrap();
    (checker, block)
}

#[test]
fn a_header_with_one_wrong_field_is_refused_and_the_field_is_named() {
    let (node, block) = block();
    let some = B256::repeat_byte(0x77);
    let changes: [(&str, Change<'_>); 22] = [
        ("ommers_hash", &|header| header.ommers_hash = some),
        ("beneficiary", &|header| header.beneficiary = Address::repeat_byte(1)),
        ("state_root", &|header| header.state_root = some),
        ("transactions_root", &|header| header.transactions_root = some),
        ("receipts_root", &|header| header.receipts_root = some),
        ("logs_bloom", &|header| header.logs_bloom = Bloom::ZERO),
        ("difficulty", &|header| header.difficulty = U256::ONE),
        ("number", &|header| header.number += 1),
        ("gas_limit", &|header| header.gas_limit += 1),
        ("gas_used", &|header| header.gas_used += 1),
        ("timestamp", &|header| header.timestamp = 99),
        // What happened is another thing in another context or at another time.
        ("state_root", &|header| header.timestamp += 1),
        ("state_root", &|header| header.parent_beacon_block_root = Some(some)),
        ("parent_beacon_block_root", &|header| header.parent_beacon_block_root = None),
        ("extra_data", &|header| header.extra_data = Bytes::from_static(b"other")),
        ("nonce", &|header| header.nonce = B64::repeat_byte(1)),
        ("base_fee_per_gas", &|header| header.base_fee_per_gas = header.base_fee_per_gas.map(|fee| fee + 1)),
        ("withdrawals_root", &|header| header.withdrawals_root = Some(some)),
        ("blob_gas_used", &|header| header.blob_gas_used = Some(131_072)),
        ("excess_blob_gas", &|header| header.excess_blob_gas = Some(1)),
        ("requests_hash", &|header| header.requests_hash = Some(some)),
        ("a later fork's", &|header| header.slot_number = Some(1)),
    ];
    for (field, change) in changes {
        let mut wrong = block.clone();
        change(&mut wrong.header);
        let hash = wrong.header.hash_slow();
        let Err(MachineError::Invalid { what, hash: named }) = node.chain.execute(&wrong, hash) else {
            panic!("{field} was accepted")
        };
        assert!(what.contains(&format!("header field {field}:")), "{field}: {what}");
        assert_eq!(named, hash);
        assert!(!node.chain.knows(&hash));
        assert!(matches!(node.chain.finalize(&wrong, hash), Err(MachineError::Invalid { .. })), "{field}");
    }
    assert_eq!(node.head().number(), 2);
    node.chain.execute(&block, block.header.hash_slow()).unwrap();
}

#[test]
fn a_block_on_another_parent_is_not_judged() {
    let (node, mut block) = block();
    block.header.parent_hash = B256::repeat_byte(7);
    let refused = node.chain.execute(&block, block.header.hash_slow());
    assert!(matches!(refused, Err(MachineError::UnknownParent { parent }) if parent == B256::repeat_byte(7)));
}

#[test]
fn a_block_with_other_transactions_is_refused() {
    let (node, block) = block();
    let with = |transactions: Vec<_>| {
        let mut wrong = block.clone();
        wrong.body.transactions = transactions;
        node.chain.execute(&wrong, wrong.header.hash_slow())
    };
    let [first, second] = block.body.transactions.as_slice() else { panic!("two were built") };
    let stranger = pay(3, 0, 1).inner().clone();
    for transactions in [
        vec![],
        vec![first.clone()],
        vec![second.clone(), first.clone()],
        vec![first.clone(), first.clone()],
        vec![first.clone(), second.clone(), stranger],
    ] {
        assert!(matches!(with(transactions), Err(MachineError::Invalid { .. })));
    }
}

#[test]
fn the_time_may_stand_still_but_not_go_back() {
    let node = Node::new();
    let first = node.advance(&[]);
    let slot =
        nubes_consensus::Slot { parent: first.hash, context: B256::ZERO, seed: B256::ZERO, timestamp: 1 };
    let second = node.chain.build(&slot).unwrap();
    assert_eq!(second.header.timestamp, first.block.header.timestamp);
}
