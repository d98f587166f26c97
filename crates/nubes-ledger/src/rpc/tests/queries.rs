//! Methods that read.

use super::{
    client::Failure,
    house::{
        BROKEN, CUSTOM, GWEI, House, KEEPER, LOGGER, PANIC_ERROR, PANICS, REFUSES, SILENT, TELLER,
        USER_ERROR, WEALTH, address, call, raw, transfer,
    },
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde_json::{Value, json};

#[tokio::test]
async fn the_node_says_who_it_is() {
    let house = House::open().await;
    assert_eq!(house.get("eth_chainId", json!([])).await, "0xa1c6");
    assert_eq!(house.get("net_version", json!([])).await, "41414");
    assert_eq!(house.get("net_listening", json!([])).await, true);
    assert_eq!(house.get("eth_syncing", json!([])).await, false);
    assert_eq!(house.get("eth_accounts", json!([])).await, json!([]));
    assert_eq!(house.get("eth_blobBaseFee", json!([])).await, "0x1");
    assert!(house.get("web3_clientVersion", json!([])).await.as_str().unwrap().starts_with("nubes/"));
    let hash = keccak256([0x68, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(house.get("web3_sha3", json!(["0x68656c6c6f"])).await, json!(hash));
    assert_eq!(house.get("eth_blockNumber", json!([])).await, "0x0");
    house.block();
    assert_eq!(house.get("eth_blockNumber", json!([])).await, "0x1");
}

#[tokio::test]
async fn parameters_may_be_left_out_where_there_are_none() {
    let house = House::open().await;
    let answer =
        super::client::post(house.server.address(), r#"{"jsonrpc":"2.0","id":"a","method":"eth_chainId"}"#)
            .await;
    assert_eq!(answer.json(), json!({ "jsonrpc": "2.0", "id": "a", "result": "0xa1c6" }));
}

#[tokio::test]
async fn null_stands_for_what_is_left_out() {
    let house = House::open().await;
    house.include(1, call(0, LOGGER, 2));
    let balance = house.get("eth_getBalance", json!([address(1), null])).await;
    assert_eq!(balance, house.get("eth_getBalance", json!([address(1), "latest"])).await);
    let answer =
        house.get("eth_call", json!([{ "to": TELLER, "gas": null, "value": null }, null, null, null])).await;
    assert_eq!(answer, json!(B256::ZERO));
    let filter = json!([{ "fromBlock": null, "toBlock": null, "address": null, "topics": null }]);
    assert_eq!(house.get("eth_getLogs", filter).await.as_array().unwrap().len(), 2);
    let history = house.get("eth_feeHistory", json!([1, "latest", null])).await;
    assert_eq!(history.get("reward"), None);
}

#[tokio::test]
async fn all_names_of_the_newest_block_mean_the_newest_final_block() {
    let house = House::open().await;
    house.include(1, transfer(0));
    let head = house.block();
    for tag in ["latest", "safe", "finalized", "pending", "0x2"] {
        let block = house.get("eth_getBlockByNumber", json!([tag, false])).await;
        assert_eq!(block["hash"], json!(head.hash), "{tag}");
    }
    assert_eq!(house.get("eth_getBlockByNumber", json!(["earliest", false])).await["number"], "0x0");
    assert_eq!(house.get("eth_getBlockByNumber", json!(["0x3", false])).await, Value::Null);
    assert_eq!(house.get("eth_getBlockByHash", json!([head.hash, true])).await["number"], "0x2");
    assert_eq!(house.get("eth_getBlockByHash", json!([B256::ZERO, true])).await, Value::Null);
}

#[tokio::test]
async fn every_final_state_can_be_read() {
    let house = House::open().await;
    house.include(1, TxEip1559 { value: U256::from(5), ..transfer(0) });
    house.include(1, call(1, KEEPER, 0x2a));
    let receiver = Address::repeat_byte(0xaa);
    let balance = |at: Value| house.get("eth_getBalance", json!([receiver, at]));
    assert_eq!(balance(json!("0x0")).await, "0x0");
    assert_eq!(balance(json!("0x1")).await, "0x5");
    assert_eq!(balance(json!({ "blockNumber": "0x1" })).await, "0x5");
    let first = house.get("eth_getBlockByNumber", json!(["0x0", false])).await;
    assert_eq!(balance(json!({ "blockHash": first["hash"] })).await, "0x0");
    assert_eq!(house.get("eth_getBalance", json!([receiver])).await, "0x5");
    let slot = |at: &'static str| house.get("eth_getStorageAt", json!([KEEPER, "0x0", at]));
    assert_eq!(slot("0x1").await, json!(B256::ZERO));
    assert_eq!(slot("latest").await, json!(B256::with_last_byte(0x2a)));
    assert_eq!(house.get("eth_getCode", json!([KEEPER, "latest"])).await, "0x5f355f5500");
    assert_eq!(house.get("eth_getCode", json!([receiver, "latest"])).await, "0x");
    assert_eq!(house.get("eth_getTransactionCount", json!([address(1), "0x1"])).await, "0x1");
    assert_eq!(house.get("eth_getTransactionCount", json!([address(1), "latest"])).await, "0x2");
    let unknown = house.ask("eth_getBalance", json!([receiver, "0x99"])).await.unwrap_err();
    assert_eq!((unknown.code, unknown.message.as_str()), (-32_000, "header not found"));
}

#[tokio::test]
async fn a_proof_leads_to_the_state_root_of_its_header() {
    let house = House::open().await;
    house.include(1, call(0, KEEPER, 0x2a));
    house.block();
    for (at, word) in [("0x0", 0u64), ("0x1", 0x2a), ("latest", 0x2a)] {
        let block = house.get("eth_getBlockByNumber", json!([at, false])).await;
        let root: B256 = serde_json::from_value(block["stateRoot"].clone()).unwrap();
        let proof = house.get("eth_getProof", json!([KEEPER, ["0x0"], at])).await;
        let nodes: Vec<Bytes> = serde_json::from_value(proof["accountProof"].clone()).unwrap();
        let account = TrieAccount {
            nonce: u64::from_str_radix(&proof["nonce"].as_str().unwrap()[2..], 16).unwrap(),
            balance: serde_json::from_value(proof["balance"].clone()).unwrap(),
            storage_root: serde_json::from_value(proof["storageHash"].clone()).unwrap(),
            code_hash: serde_json::from_value(proof["codeHash"].clone()).unwrap(),
        };
        assert_eq!(account.code_hash, keccak256(alloy_primitives::hex!("5f355f5500")));
        let key = Nibbles::unpack(keccak256(KEEPER));
        verify_proof(root, key, Some(alloy_rlp::encode(account)), &nodes).unwrap();
        let slot = &proof["storageProof"][0];
        assert_eq!((&slot["key"], &slot["value"]), (&json!("0x0"), &json!(format!("{word:#x}"))));
        let nodes: Vec<Bytes> = serde_json::from_value(slot["proof"].clone()).unwrap();
        let value = (word > 0).then(|| alloy_rlp::encode(U256::from(word)));
        verify_proof(account.storage_root, Nibbles::unpack(keccak256(B256::ZERO)), value, &nodes).unwrap();
    }
}

#[tokio::test]
async fn a_revert_carries_the_reason_and_its_bytes() {
    let house = House::open().await;
    let cases = [
        (REFUSES, "execution reverted: user error", USER_ERROR),
        (CUSTOM, "execution reverted", "0xdeadbeef"),
        (SILENT, "execution reverted", "0x"),
    ];
    for method in ["eth_call", "eth_estimateGas"] {
        for (to, words, data) in cases {
            let failure = house.ask(method, json!([{ "to": to, "input": "0x00" }])).await.unwrap_err();
            let expect = Failure { code: 3, message: words.to_owned(), data: Some(json!(data)) };
            assert_eq!(failure, expect, "{method}");
        }
        let panic = house.ask(method, json!([{ "to": PANICS }])).await.unwrap_err();
        assert_eq!((panic.code, panic.data), (3, Some(json!(PANIC_ERROR))));
        assert!(panic.message.starts_with("execution reverted: "), "{}", panic.message);
        let halt = house.ask(method, json!([{ "to": BROKEN }])).await.unwrap_err();
        assert_eq!(halt.code, -32_000);
        assert!(halt.message.contains("invalid"), "{}", halt.message);
    }
}

#[tokio::test]
async fn a_call_sees_the_state_of_its_block_and_what_it_is_told_to_pretend() {
    let house = House::open().await;
    house.include(1, call(0, KEEPER, 7));
    let read = |more: Value| {
        let mut params = vec![json!({ "to": TELLER, "data": "0x" }), json!("latest")];
        params.extend(more.as_array().cloned().unwrap_or_default());
        house.ask("eth_call", Value::Array(params))
    };
    assert_eq!(read(json!([])).await.unwrap(), json!(B256::ZERO));
    let slot = json!({ B256::ZERO.to_string(): B256::with_last_byte(9) });
    let pretend = read(json!([{ TELLER.to_string(): { "stateDiff": slot } }])).await;
    assert_eq!(pretend.unwrap(), json!(B256::with_last_byte(9)));
    let pretend = read(json!([{ TELLER.to_string(): { "code": "0x60055f5260205ff3" } }])).await;
    assert_eq!(pretend.unwrap(), json!(B256::with_last_byte(5)));
    let teller = house.get("eth_getCode", json!([TELLER, "latest"])).await;
    let keeper = json!({ KEEPER.to_string(): { "code": teller } });
    let at = |at: &'static str| house.get("eth_call", json!([{ "to": KEEPER }, at, keeper]));
    assert_eq!(at("0x0").await, json!(B256::ZERO));
    assert_eq!(at("0x1").await, json!(B256::with_last_byte(7)));
    assert_eq!(read(json!([{}, {}])).await.unwrap(), json!(B256::ZERO));
    let refused = read(json!([{}, { "number": "0x1" }])).await.unwrap_err();
    assert_eq!(refused.code, -32_602);
    let unequal =
        house.ask("eth_call", json!([{ "to": TELLER, "data": "0x01", "input": "0x02" }])).await.unwrap_err();
    assert_eq!(unequal.code, -32_602);
}

#[tokio::test]
async fn an_estimate_is_enough_and_not_much_more() {
    let house = House::open().await;
    let plain = json!([{ "from": address(1), "to": Address::repeat_byte(0xaa), "value": "0x1" }]);
    assert_eq!(house.get("eth_estimateGas", plain).await, "0x5208");
    let input = B256::from(U256::from(30));
    let gas =
        house.get("eth_estimateGas", json!([{ "from": address(1), "to": LOGGER, "input": input }])).await;
    let gas_limit = u64::from_str_radix(&gas.as_str().unwrap()[2..], 16).unwrap();
    let hash = house.include(1, TxEip1559 { gas_limit, ..call(0, LOGGER, 30) });
    let receipt = house.get("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], "0x1");
    let used = u64::from_str_radix(&receipt["gasUsed"].as_str().unwrap()[2..], 16).unwrap();
    assert!(used <= gas_limit && gas_limit < used * 103 / 100, "{used} of {gas_limit}");
}

#[tokio::test]
async fn blocks_lead_to_their_transactions_and_back() {
    let house = House::open().await;
    house.pool.submit(&raw(1, transfer(0))).unwrap();
    house.pool.submit(&raw(2, call(0, LOGGER, 3))).unwrap();
    let block = house.block();
    let hashes: Vec<_> =
        block.block.body.transactions.iter().map(|transaction| *transaction.hash()).collect();
    assert_eq!(
        house.get("eth_getBlockByNumber", json!(["latest", false])).await["transactions"],
        json!(hashes)
    );
    assert_eq!(house.get("eth_getBlockTransactionCountByNumber", json!(["latest"])).await, "0x2");
    assert_eq!(house.get("eth_getBlockTransactionCountByHash", json!([block.hash])).await, "0x2");
    assert_eq!(house.get("eth_getBlockTransactionCountByNumber", json!(["0x9"])).await, Value::Null);
    let full = house.get("eth_getBlockByNumber", json!(["latest", true])).await;
    let receipts = house.get("eth_getBlockReceipts", json!(["latest"])).await;
    for (index, hash) in hashes.iter().enumerate() {
        let transaction = house.get("eth_getTransactionByHash", json!([hash])).await;
        assert_eq!(full["transactions"][index], transaction);
        let index_text = format!("{index:#x}");
        let params = json!(["latest", index_text]);
        assert_eq!(house.get("eth_getTransactionByBlockNumberAndIndex", params).await, transaction);
        let params = json!([block.hash, index_text]);
        assert_eq!(house.get("eth_getTransactionByBlockHashAndIndex", params).await, transaction);
        assert_eq!(receipts[index], house.get("eth_getTransactionReceipt", json!([hash])).await);
        assert_eq!(receipts[index]["transactionHash"], json!(hash));
    }
    assert_eq!(
        house.get("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x2"])).await,
        Value::Null
    );
    assert_eq!(house.get("eth_getBlockReceipts", json!([block.hash])).await, receipts);
    assert_eq!(house.get("eth_getBlockReceipts", json!(["0x0"])).await, json!([]));
    assert_eq!(house.get("eth_getBlockReceipts", json!([B256::ZERO])).await, Value::Null);
    assert_eq!(house.get("eth_getUncleCountByBlockNumber", json!(["latest"])).await, "0x0");
    let raw = house.get("eth_getRawTransactionByHash", json!([hashes[0]])).await;
    assert_eq!(keccak256(raw.as_str().unwrap().parse::<Bytes>().unwrap()), hashes[0]);
    for method in ["eth_getTransactionByHash", "eth_getTransactionReceipt"] {
        assert_eq!(house.get(method, json!([B256::ZERO])).await, Value::Null);
    }
}

#[tokio::test]
async fn the_fee_history_has_one_fee_more_than_blocks() {
    let house = House::open().await;
    house.include(1, TxEip1559 { max_priority_fee_per_gas: 9, ..transfer(0) });
    house.block();
    let history = house.get("eth_feeHistory", json!(["0x2", "latest", [10.0, 90]])).await;
    assert_eq!(history["oldestBlock"], "0x1");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 2);
    assert_eq!(history["gasUsedRatio"][0], json!(21_000.0 / 30_000_000.0));
    assert_eq!(history["reward"], json!([["0x9", "0x9"], ["0x0", "0x0"]]));
    let price = house.get("eth_gasPrice", json!([])).await;
    assert_eq!(price, history["baseFeePerGas"][2]);
    assert!(u128::from_str_radix(&price.as_str().unwrap()[2..], 16).unwrap() < GWEI);
    let beyond = house.get("eth_feeHistory", json!(["0x400", "latest", []])).await;
    assert_eq!(beyond["oldestBlock"], "0x0");
    for percentiles in [json!([90, 10]), json!([101]), json!([-1]), json!(vec![1; 101])] {
        let refused = house.ask("eth_feeHistory", json!(["0x1", "latest", percentiles])).await.unwrap_err();
        assert_eq!(refused.code, -32_602);
    }
}

#[tokio::test]
async fn logs_are_found_by_place_contract_and_topic() {
    let house = House::open().await;
    house.pool.submit(&raw(1, call(0, LOGGER, 2))).unwrap();
    house.pool.submit(&raw(2, call(0, LOGGER, 1))).unwrap();
    let block = house.block();
    house.include(1, call(1, LOGGER, 3));
    let count =
        async |filter: Value| house.get("eth_getLogs", json!([filter])).await.as_array().unwrap().len();
    let topic = B256::with_last_byte;
    assert_eq!(count(json!({ "fromBlock": "earliest" })).await, 6);
    assert_eq!(count(json!({})).await, 3);
    assert_eq!(count(json!({ "fromBlock": "0x1", "toBlock": "0x1" })).await, 3);
    assert_eq!(count(json!({ "blockHash": block.hash })).await, 3);
    assert_eq!(count(json!({ "fromBlock": "0x0", "address": LOGGER })).await, 6);
    assert_eq!(count(json!({ "fromBlock": "0x0", "address": [KEEPER, LOGGER] })).await, 6);
    assert_eq!(count(json!({ "fromBlock": "0x0", "address": KEEPER })).await, 0);
    assert_eq!(count(json!({ "fromBlock": "0x0", "topics": [topic(1)] })).await, 3);
    assert_eq!(count(json!({ "fromBlock": "0x0", "topics": [[topic(2), topic(3)]] })).await, 3);
    assert_eq!(count(json!({ "fromBlock": "0x0", "topics": [null] })).await, 6);
    assert_eq!(count(json!({ "fromBlock": "0x0", "topics": [[]] })).await, 6);
    assert_eq!(count(json!({ "fromBlock": "0x0", "topics": [null, topic(1)] })).await, 0);
    let logs = house.get("eth_getLogs", json!([{ "blockHash": block.hash }])).await;
    let places: Vec<_> =
        logs.as_array().unwrap().iter().map(|log| (&log["transactionIndex"], &log["logIndex"])).collect();
    let expect = [("0x0", "0x0"), ("0x0", "0x1"), ("0x1", "0x2")].map(|(a, b)| (json!(a), json!(b)));
    assert_eq!(places, expect.each_ref().map(|(a, b)| (a, b)));
    let reversed =
        house.ask("eth_getLogs", json!([{ "fromBlock": "0x2", "toBlock": "0x1" }])).await.unwrap_err();
    assert_eq!((reversed.code, reversed.message.as_str()), (-32_602, "invalid block range params"));
    let unknown = house.ask("eth_getLogs", json!([{ "blockHash": B256::ZERO }])).await.unwrap_err();
    assert_eq!((unknown.code, unknown.message.as_str()), (-32_000, "unknown block"));
    assert_eq!(house.get("eth_getBalance", json!([address(3)])).await, json!(format!("{WEALTH:#x}")));
}
