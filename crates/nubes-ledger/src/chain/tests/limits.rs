use super::{GWEI, Node, PAYEE, SPINNER, Shared, address, create, init, sign, transaction};
use crate::exec::{BLOCK_GAS_LIMIT, BLOCK_TRANSACTION_BYTES_MAX};
use alloy_consensus::{TxEip1559, TxEip4844, TxEnvelope, proofs};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{B256, Bytes, TxKind};
use nubes_consensus::{EthBlock, MachineError, StateMachine as _};

/// Large and cheap: zeros, 10 gas a byte (EIP-7623).
fn bulky(nonce: u64) -> Shared {
    let input = Bytes::from(vec![0; 120 << 10]);
    sign(1, TxEip1559 { input, gas_limit: 1_300_000, ..transaction(nonce) })
}

fn bytes(block: &EthBlock) -> usize {
    block.body.transactions.iter().map(TxEnvelope::encode_2718_len).sum()
}

/// A dishonest builder: puts `transactions` into a block and corrects the header until only the transactions are wrong.
fn forge(transactions: &[Shared]) -> Result<EthBlock, String> {
    let node = Node::new();
    let mut block = node.build(node.head().hash, 1, &[]).unwrap();
    block.body.transactions = transactions.iter().map(|transaction| transaction.inner().clone()).collect();
    block.header.transactions_root = proofs::calculate_transaction_root(&block.body.transactions);
    loop {
        let Err(error) = node.chain.execute(&block, block.header.hash_slow()) else { return Ok(block) };
        let MachineError::Invalid { what, .. } = error else { panic!("{error}") };
        let Some((field, values)) = what.strip_prefix("header field ").and_then(|rest| rest.split_once(": "))
        else {
            return Err(what);
        };
        let (_, expected) = values.split_once(" instead of ").unwrap();
        let root = || expected.parse::<B256>().unwrap();
        match field {
            "gas_used" => block.header.gas_used = expected.parse().unwrap(),
            "receipts_root" => block.header.receipts_root = root(),
            "state_root" => block.header.state_root = root(),
            field => panic!("{field}"),
        }
    }
}

#[test]
fn a_builder_stops_at_the_gas_limit() {
    let node = Node::new();
    let spinner = TxKind::Call(address(2).create(0));
    node.advance(&[create(2, 0, init(&SPINNER))]);
    let heavy = |nonce| sign(1, TxEip1559 { to: spinner, gas_limit: 16_000_000, ..transaction(nonce) });
    let block = node.advance(&[heavy(0), heavy(1)]);
    assert_eq!(block.block.header.gas_used, 16_000_000);
    assert!(2 * block.block.header.gas_used > BLOCK_GAS_LIMIT);
    assert!(node.given.rejected.lock().is_empty());
}

#[test]
fn a_builder_stops_at_the_byte_limit_and_the_rest_waits() {
    let node = Node::new();
    let many: Vec<_> = (0..20).map(bulky).collect();
    let block = node.advance(&many);
    let each = many[0].inner().encode_2718_len();
    assert!(bytes(&block.block) <= BLOCK_TRANSACTION_BYTES_MAX);
    assert!(bytes(&block.block) + each + 8 > BLOCK_TRANSACTION_BYTES_MAX);
    assert!(node.given.rejected.lock().is_empty());
}

#[test]
fn what_cannot_run_takes_no_room() {
    let node = Node::new();
    let unfunded = |nonce| {
        let input = Bytes::from(vec![0; 120 << 10]);
        sign(9, TxEip1559 { input, gas_limit: 1_300_000, ..transaction(nonce) })
    };
    let mut candidates: Vec<_> = (0..18).map(unfunded).collect();
    candidates.push(sign(1, transaction(0)));
    assert_eq!(node.advance(&candidates).block.body.transactions.len(), 1);
}

#[test]
fn a_forged_block_within_the_limits_is_accepted() {
    forge(&[sign(1, transaction(0)), sign(2, transaction(0))]).unwrap();
}

#[test]
fn a_block_over_the_byte_limit_is_refused() {
    let many: Vec<_> = (0..20).map(bulky).collect();
    let forged = forge(&many);
    assert!(forged.is_err(), "{} bytes were accepted", bytes(&forged.unwrap()));
}

#[test]
fn a_block_with_a_transaction_that_cannot_run_is_refused() {
    assert!(forge(&[sign(9, transaction(0))]).is_err());
    assert!(forge(&[sign(1, transaction(1))]).is_err());
}

fn blob() -> Shared {
    let mut hash = B256::ZERO;
    hash[0] = 1;
    let transaction = TxEip4844 {
        chain_id: crate::DEVELOPMENT_CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: GWEI,
        max_fee_per_blob_gas: GWEI,
        to: PAYEE,
        blob_versioned_hashes: vec![hash],
        ..TxEip4844::default()
    };
    sign(1, transaction)
}

#[test]
fn a_builder_takes_no_blobs() {
    let node = Node::new();
    let (blob, plain) = (blob(), sign(2, transaction(0)));
    let block = node.advance(&[blob.clone(), plain]);
    assert_eq!(block.block.body.transactions.len(), 1);
    assert_eq!(*node.given.rejected.lock(), [*blob.inner().hash()]);
}

#[test]
fn a_block_with_blobs_is_refused() {
    assert!(forge(&[blob()]).is_err());
}
