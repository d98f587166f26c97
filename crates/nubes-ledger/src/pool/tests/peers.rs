//! Batches to and from peers.

use super::{House, raw, transfer};
use crate::{
    chain::TransactionSource as _,
    pool::{BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX, wire},
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes};
use proptest::prelude::*;

fn batch(raw: &[Bytes]) -> Bytes {
    alloy_rlp::encode(raw.to_vec()).into()
}

#[tokio::test]
async fn what_clients_bring_reaches_a_peer_in_one_batch() {
    let (here, there) = (House::new(), House::new());
    let mut news = here.pool.follow();
    for nonce in 0..3 {
        here.pool.submit(&raw(1, transfer(nonce))).unwrap();
    }
    let batch = here.pool.next_batch(&mut news).await.unwrap();
    there.pool.hear(batch);
    assert_eq!(there.pool.content(), here.pool.content());
    assert_eq!(there.pool.len(), 3);
}

#[tokio::test]
async fn what_is_heard_is_not_told_again() {
    let house = House::new();
    let mut news = house.pool.follow();
    let woken = house.pool.arrivals().notified();
    house.pool.hear(batch(&[raw(1, transfer(0))]));
    woken.await;
    assert_eq!(house.pool.len(), 1);
    assert!(news.try_recv().is_err());
}

#[test]
fn a_bad_transaction_does_not_spoil_the_rest_of_its_batch() {
    let house = House::new();
    let other_chain = raw(1, TxEip1559 { chain_id: 1, ..transfer(0) });
    let poor = raw(9, transfer(0));
    house.pool.hear(batch(&[Bytes::new(), other_chain, poor, raw(1, transfer(0)), raw(1, transfer(0))]));
    assert_eq!(house.pool.len(), 1);
}

#[tokio::test]
async fn a_batch_has_a_limit_of_transactions_and_bytes() {
    let house = House::new();
    let mut news = house.pool.follow();
    let count = BATCH_TRANSACTIONS_MAX + 1;
    for nonce in 0..count as u64 {
        house.pool.submit(&raw(1, transfer(nonce))).unwrap();
    }
    let first = wire::decode(&house.pool.next_batch(&mut news).await.unwrap());
    let rest = wire::decode(&house.pool.next_batch(&mut news).await.unwrap());
    assert_eq!((first.len(), rest.len()), (BATCH_TRANSACTIONS_MAX, 1));

    let large = TxEip1559 { input: vec![0; 100_000].into(), gas_limit: 2_000_000, ..transfer(0) };
    for nonce in 0..8 {
        house.pool.submit(&raw(2, TxEip1559 { nonce, ..large.clone() })).unwrap();
    }
    let mut heard = 0;
    while heard < 8 {
        let batch = house.pool.next_batch(&mut news).await.unwrap();
        assert!(batch.len() <= BATCH_BYTES_MAX, "{}", batch.len());
        heard += wire::decode(&batch).len();
    }
    assert_eq!(heard, 8);
}

#[test]
fn a_batch_beyond_the_limits_is_ignored_whole() {
    let item = Bytes::from_static(&[1]);
    assert_eq!(
        wire::decode(&batch(&vec![item.clone(); BATCH_TRANSACTIONS_MAX])).len(),
        BATCH_TRANSACTIONS_MAX
    );
    assert!(wire::decode(&batch(&vec![item.clone(); BATCH_TRANSACTIONS_MAX + 1])).is_empty());
    let envelope = batch(&[vec![1; BATCH_BYTES_MAX].into()]).len() - BATCH_BYTES_MAX;
    assert_eq!(wire::decode(&batch(&[vec![1; BATCH_BYTES_MAX - envelope].into()])).len(), 1);
    assert!(wire::decode(&batch(&[vec![1; BATCH_BYTES_MAX - envelope + 1].into()])).is_empty());
    let trailing = [batch(&[item]).to_vec(), vec![0]].concat();
    assert!(wire::decode(&trailing).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_a_batch_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = wire::decode(&bytes);
    }

    #[test]
    fn a_batch_survives_its_encoding(items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..20)) {
        let items: Vec<Bytes> = items.into_iter().map(Bytes::from).collect();
        prop_assert_eq!(wire::decode(&batch(&items)), items);
    }
}

#[test]
fn two_pools_agree_on_a_sender_from_the_bytes_alone() {
    let house = House::new();
    let hash = house.pool.submit(&raw(2, transfer(0))).unwrap();
    let recovered = house.pool.recovered(&hash).unwrap();
    assert_ne!(recovered.signer(), Address::ZERO);
    assert_eq!(recovered.signer(), super::signer(2).address());
}
