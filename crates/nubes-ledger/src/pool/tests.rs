//! The pool from its front door: a real chain below it, signed transactions above.

mod laws;
mod order;
mod peers;
mod refusals;

use super::{Pool, PoolError, check::Checked};
use crate::{Chain, Genesis, StoredBlock, chain::TransactionSource as _};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, transaction::Recovered};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use nubes_consensus::{Slot, StateMachine as _};
use redb::backends::InMemoryBackend;
use std::sync::Arc;

const GWEI: u128 = 1_000_000_000;
/// Owns a million billion wei and nothing else; keys above it own nothing.
const RICH_MAX: u8 = 4;

fn signer(key: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(key)).unwrap()
}

fn raw<T: SignableTransaction<Signature>>(key: u8, transaction: T) -> Bytes
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = signer(key).sign_hash_sync(&transaction.signature_hash()).unwrap();
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: crate::DEVELOPMENT_CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        ..TxEip1559::default()
    }
}

/// An unsigned stand-in for the queue, which does not look at signatures.
fn waiting(sender: Address, nonce: u64, fee: u128, tip: u128) -> Arc<Recovered<TxEnvelope>> {
    // The receiver makes hashes of different senders different.
    let to = TxKind::Call(sender);
    let transaction =
        TxEip1559 { max_fee_per_gas: fee, max_priority_fee_per_gas: tip, to, ..transfer(nonce) };
    let signed = transaction.into_signed(Signature::test_signature());
    Arc::new(Recovered::new_unchecked(TxEnvelope::from(signed), sender))
}

struct House {
    chain: Arc<Chain>,
    pool: Arc<Pool>,
}

impl House {
    fn new() -> Self {
        let mut genesis = Genesis::development();
        for key in 1..=RICH_MAX {
            genesis.alloc.entry(signer(key).address()).or_default().balance = U256::from(10u64.pow(18));
        }
        let pool = Pool::new(genesis.chain_id);
        let chain = Chain::with_backend(InMemoryBackend::new(), &genesis, Arc::clone(&pool) as _).unwrap();
        let chain = Arc::new(chain);
        pool.attach(&chain);
        Self { chain, pool }
    }

    fn block(&self) -> Arc<StoredBlock> {
        let head = Chain::head(&self.chain);
        let seed = keccak256(head.hash);
        let slot =
            Slot { parent: head.hash, context: seed, seed, timestamp: head.block.header.timestamp + 1 };
        let block = self.chain.build(&slot).unwrap();
        self.chain.finalize(&block, block.header.hash_slow()).unwrap();
        Chain::head(&self.chain)
    }
}

#[test]
fn a_transaction_is_in_the_pool_until_its_block_is_final() {
    let house = House::new();
    let hash = house.pool.submit(&raw(1, transfer(0))).unwrap();
    assert_eq!(house.pool.len(), 1);
    assert_eq!(house.pool.get(&hash).unwrap().signer(), signer(1).address());
    assert_eq!(house.pool.next_nonce(&signer(1).address(), 0), 1);
    let block = house.block();
    assert_eq!(
        block.block.body.transactions.iter().map(|transaction| *transaction.hash()).collect::<Vec<_>>(),
        [hash]
    );
    assert!(house.pool.is_empty() && house.pool.get(&hash).is_none());
    let again = house.pool.submit(&raw(1, transfer(0))).unwrap_err();
    assert_eq!(again.to_string(), "nonce too low: next nonce 1, tx nonce 0");
}

#[test]
fn a_gap_holds_back_what_is_behind_it() {
    let house = House::new();
    house.pool.submit(&raw(1, transfer(0))).unwrap();
    house.pool.submit(&raw(1, transfer(2))).unwrap();
    assert_eq!(house.block().block.body.transactions.len(), 1);
    assert_eq!(house.pool.len(), 1);
    house.pool.submit(&raw(1, transfer(1))).unwrap();
    assert_eq!(house.block().block.body.transactions.len(), 2);
    assert!(house.pool.is_empty());
}

#[test]
fn a_transaction_that_lost_its_funds_is_thrown_out_when_a_block_is_built() {
    let house = House::new();
    let most = U256::from(6 * 10u64.pow(17));
    // Past the door, so that the queue holds what the sender cannot pay for together.
    let put = |nonce| {
        let raw = raw(1, TxEip1559 { value: most, ..transfer(nonce) });
        let transaction = Checked::decode(&raw, crate::DEVELOPMENT_CHAIN_ID).unwrap().into_inner();
        house.pool.queue.lock().insert(Arc::clone(&transaction), 0).unwrap();
        *transaction.inner().hash()
    };
    put(0);
    let late = put(1);
    assert_eq!(house.block().block.body.transactions.len(), 1);
    assert!(house.pool.get(&late).is_none());
    assert!(house.pool.is_empty());
}

#[test]
fn a_replaced_transaction_is_forgotten() {
    let house = House::new();
    let old = house.pool.submit(&raw(1, transfer(0))).unwrap();
    let new = house.pool.submit(&raw(1, TxEip1559 { max_fee_per_gas: 2 * GWEI, ..transfer(0) })).unwrap();
    assert!(house.pool.get(&old).is_none());
    assert_eq!(house.pool.len(), 1);
    assert_eq!(*house.block().block.body.transactions[0].hash(), new);
}

#[tokio::test]
async fn an_arrival_wakes_who_waits_and_is_told_to_followers() {
    let house = House::new();
    let (woken, mut news) = (house.pool.arrivals().notified(), house.pool.follow());
    let hash = house.pool.submit(&raw(1, transfer(0))).unwrap();
    woken.await;
    assert_eq!(*news.recv().await.unwrap().inner().hash(), hash);
}

#[test]
fn a_pool_without_a_chain_takes_nothing() {
    let pool = Pool::new(crate::DEVELOPMENT_CHAIN_ID);
    assert_eq!(pool.submit(&raw(1, transfer(0))), Err(PoolError::Stopping));
}
