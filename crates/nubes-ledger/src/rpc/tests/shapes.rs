//! Answers have the fields of the execution API specification, no more and no fewer.

use super::house::{GWEI, House, LOGGER, call, raw, transfer};
use alloy_consensus::TxLegacy;
use alloy_primitives::{Address, TxKind};
use serde_json::{Value, json};

/// Of a block since Prague.
const BLOCK: &str = "baseFeePerGas blobGasUsed difficulty excessBlobGas extraData gasLimit gasUsed hash logsBloom miner \
    mixHash nonce number parentBeaconBlockRoot parentHash receiptsRoot requestsHash sha3Uncles size stateRoot timestamp \
    transactions transactionsRoot uncles withdrawals withdrawalsRoot";
const DYNAMIC: &str = "accessList blockHash blockNumber blockTimestamp chainId from gas gasPrice hash input maxFeePerGas \
    maxPriorityFeePerGas nonce r s to transactionIndex type v value yParity";
const LEGACY: &str = "blockHash blockNumber blockTimestamp chainId from gas gasPrice hash input nonce r s to \
    transactionIndex type v value";
const RECEIPT: &str = "blockHash blockNumber contractAddress cumulativeGasUsed effectiveGasPrice from gasUsed logs \
    logsBloom status to transactionHash transactionIndex type";
const LOG: &str = "address blockHash blockNumber blockTimestamp data logIndex removed topics transactionHash \
    transactionIndex";
const PROOF: &str = "accountProof address balance codeHash nonce storageHash storageProof";
const FEES: &str = "baseFeePerBlobGas baseFeePerGas blobGasUsedRatio gasUsedRatio oldestBlock reward";

pub(super) fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<_> = value.as_object().unwrap_or_else(|| panic!("{value}")).keys().cloned().collect();
    keys.sort_unstable();
    keys
}

#[track_caller]
fn check(value: &Value, fields: &str) {
    assert_eq!(keys(value), fields.split_whitespace().collect::<Vec<_>>());
}

#[tokio::test]
async fn blocks_transactions_receipts_and_logs_have_the_specified_fields() {
    let house = House::open().await;
    let to = TxKind::Call(Address::ZERO);
    let chain_id = Some(crate::DEVELOPMENT_CHAIN_ID);
    let legacy = TxLegacy { chain_id, gas_price: GWEI, gas_limit: 21_000, to, ..TxLegacy::default() };
    let legacy = house.pool.submit(&raw(1, legacy)).unwrap();
    let dynamic = house.pool.submit(&raw(2, call(0, LOGGER, 1))).unwrap();
    house.block();
    for full in [true, false] {
        check(&house.get("eth_getBlockByNumber", json!(["latest", full])).await, BLOCK);
    }
    check(&house.get("eth_getBlockByNumber", json!(["earliest", true])).await, BLOCK);
    let without_lists = ["transactions", "uncles", "withdrawals", "size"];
    let head: Vec<_> = BLOCK.split_whitespace().filter(|key| !without_lists.contains(key)).collect();
    let mut socket = house.socket().await;
    let heads = socket.ask("eth_subscribe", json!(["newHeads"])).await.unwrap();
    house.block();
    let told: Vec<_> = keys(&socket.event(&heads).await).into_iter().filter(|key| key != "size").collect();
    assert_eq!(told, head);
    check(&house.get("eth_getTransactionByHash", json!([legacy])).await, LEGACY);
    check(&house.get("eth_getTransactionByHash", json!([dynamic])).await, DYNAMIC);
    check(&house.get("eth_getTransactionReceipt", json!([legacy])).await, RECEIPT);
    let receipt = house.get("eth_getTransactionReceipt", json!([dynamic])).await;
    check(&receipt, RECEIPT);
    check(&receipt["logs"][0], LOG);
    check(&house.get("eth_getLogs", json!([{ "fromBlock": "0x0" }])).await[0], LOG);
}

#[tokio::test]
async fn proofs_and_fee_histories_have_the_specified_fields() {
    let house = House::open().await;
    let proof = house.get("eth_getProof", json!([LOGGER, ["0x0"], "latest"])).await;
    check(&proof, PROOF);
    check(&proof["storageProof"][0], "key proof value");
    check(&house.get("eth_feeHistory", json!(["0x1", "latest", [50]])).await, FEES);
}

#[tokio::test]
async fn a_waiting_transaction_has_no_place() {
    let house = House::open().await;
    let hash = house.pool.submit(&raw(1, transfer(0))).unwrap();
    let waiting = house.get("eth_getTransactionByHash", json!([hash])).await;
    for place in ["blockHash", "blockNumber", "transactionIndex"] {
        assert_eq!(waiting.get(place), Some(&Value::Null), "{place}");
    }
}

#[tokio::test]
async fn numbers_are_hex_without_leading_zeros() {
    let house = House::open().await;
    house.include(1, transfer(0));
    let block = house.get("eth_getBlockByNumber", json!(["latest", true])).await;
    let numbers =
        ["number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "difficulty", "size", "blobGasUsed"];
    let of_transaction =
        ["nonce", "gas", "gasPrice", "value", "chainId", "v", "type", "transactionIndex", "r", "s"];
    let transaction = &block["transactions"][0];
    let all =
        numbers.iter().map(|key| &block[*key]).chain(of_transaction.iter().map(|key| &transaction[*key]));
    for number in all {
        let digits = number.as_str().unwrap().strip_prefix("0x").unwrap();
        assert!(digits == "0" || !digits.starts_with('0'), "{number}");
    }
    assert_eq!(block["nonce"], "0x0000000000000000");
}
