//! Who goes first, and what makes room.

use super::waiting;
use crate::pool::{
    POOL_TRANSACTIONS_MAX, PoolError, SENDER_TRANSACTIONS_MAX,
    queue::{NONCE_GAP_MAX, Queue},
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256};

const BASE_FEE: u64 = 100;

fn sender(name: u8) -> Address {
    Address::repeat_byte(name)
}

/// `book`: sender, nonce, fee, tip; state nonces are zero. `expect`: sender and nonce.
#[track_caller]
fn check(book: &[(u8, u64, u128, u128)], count: usize, expect: &[(u8, u64)]) {
    let mut queue = Queue::default();
    for (name, nonce, fee, tip) in book {
        queue.insert(waiting(sender(*name), *nonce, *fee, *tip), 0).unwrap();
    }
    let best = queue.best(BASE_FEE, &|_| 0, count);
    let best: Vec<_> =
        best.iter().map(|transaction| (transaction.signer()[0], transaction.nonce())).collect();
    assert_eq!(best, expect);
}

#[test]
fn the_higher_tip_goes_first() {
    check(&[(1, 0, 200, 1), (2, 0, 200, 3), (3, 0, 200, 2)], 10, &[(2, 0), (3, 0), (1, 0)]);
}

#[test]
fn of_equal_tips_the_earlier_goes_first() {
    check(&[(2, 0, 200, 1), (1, 0, 200, 1), (3, 0, 200, 1)], 10, &[(2, 0), (1, 0), (3, 0)]);
}

#[test]
fn a_sender_keeps_the_order_of_its_nonces() {
    check(&[(1, 1, 300, 90), (1, 0, 200, 1), (2, 0, 200, 2)], 10, &[(2, 0), (1, 0), (1, 1)]);
}

#[test]
fn the_fee_cap_bounds_the_tip() {
    check(&[(1, 0, 105, 50), (2, 0, 200, 6)], 10, &[(2, 0), (1, 0)]);
}

#[test]
fn what_does_not_cover_the_base_fee_waits_and_holds_back_its_sender() {
    check(&[(1, 0, 99, 0), (1, 1, 200, 9), (2, 0, 100, 0)], 10, &[(2, 0)]);
}

#[test]
fn nothing_comes_from_behind_a_gap() {
    check(&[(1, 0, 200, 1), (1, 2, 200, 9), (2, 1, 200, 9)], 10, &[(1, 0)]);
}

#[test]
fn no_more_is_given_than_was_asked_for() {
    check(&[(1, 0, 200, 1), (1, 1, 200, 1), (2, 0, 200, 9)], 2, &[(2, 0), (1, 0)]);
}

/// `old` and `new`: fee, tip.
#[track_caller]
fn check_replacement(old: (u128, u128), new: (u128, u128), is_taken: bool) {
    let mut queue = Queue::default();
    queue.insert(waiting(sender(1), 0, old.0, old.1), 0).unwrap();
    let replaced = queue.insert(waiting(sender(1), 0, new.0, new.1), 0);
    let expect = if is_taken { Ok(()) } else { Err(PoolError::Replacement) };
    assert_eq!(replaced, expect);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_replacement_pays_a_tenth_more_in_both_prices() {
    check_replacement((1_000, 100), (1_100, 110), true);
    check_replacement((1_000, 100), (1_099, 110), false);
    check_replacement((1_000, 100), (1_100, 109), false);
    check_replacement((1_000, 100), (5_000, 100), false);
    check_replacement((1_001, 0), (1_102, 0), true);
    check_replacement((1_001, 0), (1_101, 0), false);
    check_replacement((u128::MAX, 1), (u128::MAX, 2), true);
}

#[test]
fn a_sender_has_a_limit_that_a_replacement_does_not_count_against() {
    let mut queue = Queue::default();
    for nonce in 0..SENDER_TRANSACTIONS_MAX as u64 {
        queue.insert(waiting(sender(1), nonce, 200, 1), 0).unwrap();
    }
    let count = SENDER_TRANSACTIONS_MAX;
    let one_more = queue.insert(waiting(sender(1), count as u64, 200, 1), 0);
    assert_eq!(one_more, Err(PoolError::SenderFull { sender: sender(1), count }));
    queue.insert(waiting(sender(1), 7, 300, 2), 0).unwrap();
    queue.insert(waiting(sender(2), 0, 200, 1), 0).unwrap();
    assert_eq!(queue.len(), count + 1);
}

#[test]
fn the_pool_has_a_limit_and_takes_again_when_a_block_made_room() {
    let mut queue = Queue::default();
    let mut inserted = 0;
    'full: for name in 1.. {
        for nonce in 0..SENDER_TRANSACTIONS_MAX as u64 {
            if inserted == POOL_TRANSACTIONS_MAX {
                break 'full;
            }
            queue.insert(waiting(sender(name), nonce, 200, 1), 0).unwrap();
            inserted += 1;
        }
    }
    let late = waiting(sender(200), 0, 200, 1);
    assert_eq!(queue.insert(late.clone(), 0), Err(PoolError::Full));
    queue.insert(waiting(sender(1), 0, 300, 2), 0).unwrap();
    queue.settle(&[(sender(1), B256::ZERO)], &|_| 1);
    assert_eq!(queue.len(), POOL_TRANSACTIONS_MAX - 1);
    queue.insert(late, 0).unwrap();
}

#[test]
fn a_nonce_may_be_ahead_of_the_state_up_to_a_limit() {
    let mut queue = Queue::default();
    queue.insert(waiting(sender(1), 10 + NONCE_GAP_MAX, 200, 1), 10).unwrap();
    let nonce = 11 + NONCE_GAP_MAX;
    let error = queue.insert(waiting(sender(1), nonce, 200, 1), 10).unwrap_err();
    assert_eq!(error, PoolError::NonceTooHigh { next: 10, nonce, gap_max: NONCE_GAP_MAX });
}

#[test]
fn settling_drops_used_nonces_of_the_senders_of_the_block_only() {
    let mut queue = Queue::default();
    for name in [1, 2] {
        for nonce in 0..3 {
            queue.insert(waiting(sender(name), nonce, 200, 1), 0).unwrap();
        }
    }
    queue.settle(&[(sender(1), B256::ZERO)], &|_| 2);
    let content = queue.content();
    assert_eq!(content[&sender(1)].keys().copied().collect::<Vec<_>>(), [2]);
    assert_eq!(content[&sender(2)].len(), 3);
    assert_eq!(queue.next_nonce(&sender(1), 2), 3);
    assert_eq!(queue.next_nonce(&sender(9), 4), 4);
}
