//! The same chain through the port that other layers use.

use super::house::{CUSTOM, House, LOGGER, TELLER, address, call, make_block, raw, transfer};
use crate::{LocalLedger, RemoteError, RemoteLedger};
use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, Bytes, TxKind, U256};
use futures_util::StreamExt as _;
use nubes_base::port::{CallError, Ledger as _, SubmitError};
use nubes_testkit::ledger::ledger_laws;
use std::sync::Arc;
use tokio::{sync::oneshot, task::JoinSet};

fn ledger(house: &House) -> LocalLedger {
    LocalLedger::new(Arc::clone(&house.chain), Arc::clone(&house.pool))
}

/// Makes a block for every transaction that arrives, until the sender is dropped.
fn drive(house: &House) -> (oneshot::Sender<()>, JoinSet<()>) {
    let (stop, mut stopped) = oneshot::channel();
    let (chain, mut arrivals) = (Arc::clone(&house.chain), house.pool.follow());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                _ = &mut stopped => return,
                arrival = arrivals.recv() => if arrival.is_err() { return },
            }
            make_block(&chain);
        }
    });
    (stop, tasks)
}

#[tokio::test]
async fn the_local_ledger_keeps_the_laws_of_the_port() {
    let house = House::open().await;
    let (stop, mut tasks) = drive(&house);
    let transactions = (0..5).map(|nonce| raw(1, transfer(nonce))).collect();
    ledger_laws(&ledger(&house), transactions).await;
    drop(stop);
    tasks.join_next().await;
}

#[tokio::test]
async fn the_ledger_of_another_node_keeps_the_same_laws() {
    let house = House::open().await;
    let (stop, mut tasks) = drive(&house);
    let nobody = "http://127.0.0.1:1";
    let ledger = RemoteLedger::connect(&[nobody.to_owned(), format!("http://{}", house.server.address())])
        .await
        .unwrap();
    let transactions = (0..5).map(|nonce| raw(1, transfer(nonce))).collect();
    ledger_laws(&ledger, transactions).await;
    assert_eq!(ledger.call(TELLER, Bytes::new()).await.unwrap(), Bytes::from(B256::ZERO.to_vec()));
    let refused = ledger.call(CUSTOM, Bytes::new()).await.unwrap_err();
    assert!(matches!(refused, CallError::Reverted { data } if data[..] == [0xde, 0xad, 0xbe, 0xef]));
    let refused = ledger.submit(raw(1, TxEip1559 { chain_id: 1, ..transfer(0) })).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Refused { reason } if reason.contains("invalid chain id")));
    let local = self::ledger(&house).prepare(address(1), LOGGER, Bytes::new()).await.unwrap();
    assert_eq!(ledger.prepare(address(1), LOGGER, Bytes::new()).await.unwrap(), local);
    assert_eq!(local.nonce, 5);
    drop(stop);
    tasks.join_next().await;
    assert!(matches!(RemoteLedger::connect(&[nobody]).await, Err(RemoteError::NoAnswer { .. })));
}

#[tokio::test]
async fn a_receipt_says_what_became_of_the_transaction() {
    let house = House::open().await;
    let (stop, mut tasks) = drive(&house);
    let ledger = ledger(&house);
    let fine = ledger.submit(raw(1, transfer(0))).await.unwrap();
    assert!(fine.success && fine.contract.is_none());
    let head = house.chain.head();
    let price = head.block.header.base_fee_per_gas.unwrap() + 7;
    assert_eq!((fine.gas_used, fine.block, fine.fee), (21_000, head.number(), U256::from(21_000 * price)));
    let reverted = ledger.submit(raw(1, call(1, CUSTOM, 0))).await.unwrap();
    assert!(!reverted.success);
    let create = TxEip1559 { to: TxKind::Create, gas_limit: 100_000, ..transfer(2) };
    let created = ledger.submit(raw(1, create)).await.unwrap();
    assert_eq!(created.contract, Some(address(1).create(2)));
    drop(stop);
    tasks.join_next().await;
}

#[tokio::test]
async fn a_call_answers_or_says_why_not() {
    let house = House::open().await;
    let ledger = ledger(&house);
    assert_eq!(ledger.call(TELLER, Bytes::new()).await.unwrap(), Bytes::from(B256::ZERO.to_vec()));
    let refused = ledger.call(CUSTOM, Bytes::new()).await.unwrap_err();
    assert!(matches!(refused, CallError::Reverted { data } if data[..] == [0xde, 0xad, 0xbe, 0xef]));
    let broken = ledger.call(super::house::BROKEN, Bytes::new()).await.unwrap_err();
    assert!(matches!(broken, CallError::Failed { .. }));
}

#[tokio::test]
async fn a_refused_transaction_is_refused_in_geths_words() {
    let house = House::open().await;
    let refused = ledger(&house).submit(raw(1, TxEip1559 { chain_id: 1, ..transfer(0) })).await.unwrap_err();
    let SubmitError::Refused { reason } = refused else { panic!("{refused}") };
    assert_eq!(reason, "invalid chain id for signer: have 1 want 41414");
}

#[tokio::test]
async fn a_slow_follower_misses_nothing() {
    let house = House::open().await;
    let mut blocks = ledger(&house).follow();
    house.include(1, call(0, LOGGER, 2));
    let count = crate::chain::FINAL_BLOCKS_QUEUED_MAX as u64 + 10;
    for _ in 1..count {
        house.block();
    }
    let first = blocks.next().await.unwrap();
    assert_eq!((first.number, first.logs.len(), first.logs[0].address), (1, 2, LOGGER));
    for number in 2..=count {
        assert_eq!(blocks.next().await.unwrap().number, number);
    }
}
