use super::{ETHER, Node, PAYEE, RICH_MAX, Shared, address, rich, sign, transaction};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, TxKind, U256};
use proptest::{collection::vec, prelude::*};

#[derive(Clone, Debug)]
struct Payment {
    key: u8,
    to: u8,
    value: u128,
    tip: u128,
    skips_nonce: bool,
}

fn payment() -> impl Strategy<Value = Payment> {
    let value = prop_oneof![Just(0), 1..1_000u128, 0..2 * ETHER];
    // Key 5 owns nothing until it is paid; one in ten payments comes too early.
    (1..=RICH_MAX + 1, 0..=RICH_MAX + 2, value, 0..1_000u128, prop::bool::weighted(0.1))
        .prop_map(|(key, to, value, tip, skips_nonce)| Payment { key, to, value, tip, skips_nonce })
}

fn receiver(name: u8) -> Address {
    match name {
        0 => Address::ZERO,
        name if name <= RICH_MAX + 1 => address(name),
        _ => PAYEE,
    }
}

fn supply(node: &Node) -> U256 {
    let mut holders: std::collections::BTreeSet<_> = rich().alloc.keys().copied().collect();
    holders.extend((0..=RICH_MAX + 2).map(receiver));
    holders.into_iter().map(|holder| node.balance(holder)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn supply_changes_only_by_the_burnt_base_fees(blocks in vec(vec(payment(), 0..8), 1..4)) {
        let node = Node::new();
        for payments in &blocks {
            let mut nonces: Vec<_> = (0..=RICH_MAX + 1).map(|key| if key == 0 { 0 } else { node.nonce(address(key)) }).collect();
            let mut offered: Vec<Shared> = Vec::new();
            for payment in payments {
                let nonce = &mut nonces[usize::from(payment.key)];
                let (value, to) = (U256::from(payment.value), TxKind::Call(receiver(payment.to)));
                let early = u64::from(payment.skips_nonce);
                let given = transaction(*nonce + early);
                offered.push(sign(payment.key, TxEip1559 { value, to, max_priority_fee_per_gas: payment.tip, ..given }));
                *nonce += 1 - early;
            }
            let before = supply(&node);
            let block = node.advance(&offered);
            let header = &block.block.header;
            let burnt = U256::from(header.gas_used) * U256::from(header.base_fee_per_gas.unwrap());
            prop_assert_eq!(before - burnt, supply(&node));
            let included = block.block.body.transactions.len();
            prop_assert_eq!(included + std::mem::take(&mut *node.given.rejected.lock()).len(), offered.len());
        }
    }
}
