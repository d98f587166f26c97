//! Methods that send, and what they say about what waits.

use super::house::{GWEI, House, KEEPER, LOGGER, SILENT, address, call, raw, transfer};
use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_signer::SignerSync as _;
use serde_json::{Value, json};

#[tokio::test]
async fn a_sent_transaction_waits_then_has_a_receipt() {
    let house = House::open().await;
    let hash = house.get("eth_sendRawTransaction", json!([raw(1, transfer(0))])).await;
    let waiting = house.get("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(
        (&waiting["hash"], &waiting["blockHash"], &waiting["blockNumber"]),
        (&hash, &Value::Null, &Value::Null)
    );
    assert_eq!(waiting["from"].as_str().unwrap().parse::<Address>().unwrap(), address(1));
    assert_eq!(house.get("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    let count = |tag: &'static str| house.get("eth_getTransactionCount", json!([address(1), tag]));
    assert_eq!((count("latest").await, count("pending").await), (json!("0x0"), json!("0x1")));
    let block = house.block();
    let receipt = house.get("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!((&receipt["status"], &receipt["gasUsed"]), (&json!("0x1"), &json!("0x5208")));
    assert_eq!((&receipt["blockHash"], &receipt["type"]), (&json!(block.hash), &json!("0x2")));
    let price = u128::from(block.block.header.base_fee_per_gas.unwrap()) + 7;
    assert_eq!(receipt["effectiveGasPrice"], json!(format!("{price:#x}")));
    assert_eq!((count("latest").await, count("pending").await), (json!("0x1"), json!("0x1")));
}

#[tokio::test]
async fn every_kind_of_transaction_is_carried() {
    let house = House::open().await;
    let (chain_id, to, gas_limit) = (crate::DEVELOPMENT_CHAIN_ID, TxKind::Call(Address::ZERO), 100_000);
    let legacy = TxLegacy { chain_id: Some(chain_id), gas_price: GWEI, gas_limit, to, ..TxLegacy::default() };
    let listed = TxEip2930 { chain_id, nonce: 1, gas_price: GWEI, gas_limit, to, ..TxEip2930::default() };
    let (legacy, listed) = (house.include(1, legacy), house.include(1, listed));
    let dynamic = house.include(1, transfer(2));
    let delegation = Authorization { chain_id: U256::from(chain_id), address: KEEPER, nonce: 0 };
    let signature = super::house::signer(3).sign_hash_sync(&delegation.signature_hash()).unwrap();
    let delegating = TxEip7702 {
        chain_id,
        nonce: 3,
        gas_limit,
        max_fee_per_gas: GWEI,
        to: address(3),
        authorization_list: vec![delegation.into_signed(signature)],
        ..TxEip7702::default()
    };
    let delegating = house.include(1, delegating);
    let sent = [legacy, listed, dynamic, delegating];
    for (kind, hash) in ["0x0", "0x1", "0x2", "0x4"].into_iter().zip(sent) {
        assert_eq!(house.get("eth_getTransactionByHash", json!([hash])).await["type"], kind);
        let receipt = house.get("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!((&receipt["type"], &receipt["status"]), (&json!(kind), &json!("0x1")));
    }
    let code = house.get("eth_getCode", json!([address(3), "latest"])).await;
    assert_eq!(code, json!(format!("0xef0100{}", alloy_primitives::hex::encode(KEEPER))));
}

#[tokio::test]
async fn a_created_contract_is_named_in_the_receipt() {
    let house = House::open().await;
    let input = Bytes::from_static(&alloy_primitives::hex!("6001600c60003960016000f300"));
    let create =
        TxEip1559 { to: TxKind::Create, input, gas_limit: 100_000, value: U256::ZERO, ..transfer(0) };
    let receipt = house.include(1, create);
    let receipt = house.get("eth_getTransactionReceipt", json!([receipt])).await;
    let contract: Address = receipt["contractAddress"].as_str().unwrap().parse().unwrap();
    assert_eq!((contract, &receipt["to"]), (address(1).create(0), &Value::Null));
    assert_eq!(house.get("eth_getCode", json!([contract, "latest"])).await, "0x00");
}

#[tokio::test]
async fn a_reverted_transaction_has_a_receipt_without_logs() {
    let house = House::open().await;
    let hash = house.include(1, call(0, SILENT, 0));
    let receipt = house.get("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!((&receipt["status"], &receipt["logs"]), (&json!("0x0"), &json!([])));
}

#[tokio::test]
async fn sending_in_sync_answers_with_the_receipt() {
    let house = House::open().await;
    let mut arrivals = house.pool.follow();
    let make = async {
        arrivals.recv().await.unwrap();
        house.block()
    };
    let (receipt, block) =
        tokio::join!(house.get("eth_sendRawTransactionSync", json!([raw(1, call(0, LOGGER, 2))])), make);
    assert_eq!(receipt["blockHash"], json!(block.hash));
    assert_eq!(receipt["logs"].as_array().unwrap().len(), 2);
    assert_eq!(receipt, house.get("eth_getTransactionReceipt", json!([receipt["transactionHash"]])).await);
}

#[tokio::test]
async fn sending_in_sync_gives_the_hash_when_time_is_up() {
    let house = House::open().await;
    let late = house.ask("eth_sendRawTransactionSync", json!([raw(1, transfer(0)), 1])).await.unwrap_err();
    assert_eq!(late.code, 4);
    let hash = late.data.unwrap();
    assert!(late.message.contains("added to the pool"), "{}", late.message);
    assert_eq!(house.get("eth_getTransactionByHash", json!([hash])).await["hash"], hash);
    let again = house.ask("eth_sendRawTransactionSync", json!([raw(1, transfer(0)), 1])).await.unwrap_err();
    assert_eq!((again.code, again.message.as_str()), (-32_000, "already known"));
}

#[tokio::test]
async fn refusals_reach_the_client_in_geths_words() {
    let house = House::open().await;
    house.include(1, transfer(0));
    house.pool.submit(&raw(1, transfer(1))).unwrap();
    let sender = address(9);
    let cases: Vec<(Bytes, String)> = vec![
        (raw(1, transfer(0)), "nonce too low: next nonce 1, tx nonce 0".into()),
        (raw(1, transfer(1)), "already known".into()),
        (
            raw(1, TxEip1559 { value: U256::from(2), ..transfer(1) }),
            "replacement transaction underpriced".into(),
        ),
        (
            raw(9, transfer(0)),
            format!(
                "insufficient funds for gas * price + value: address {sender} have 0 want 21000000000001"
            ),
        ),
        (
            raw(2, TxEip1559 { gas_limit: 1, ..transfer(0) }),
            "intrinsic gas too low: gas 1, minimum needed 21000".into(),
        ),
        (raw(2, TxEip1559 { gas_limit: 40_000_000, ..transfer(0) }), "exceeds block gas limit".into()),
        (
            raw(2, TxEip1559 { chain_id: 5, ..transfer(0) }),
            "invalid chain id for signer: have 5 want 41414".into(),
        ),
        (Bytes::from_static(&[3, 0xc0]), "transaction type not supported".into()),
        (Bytes::from_static(&[0xc0]), "rlp: transaction cannot be decoded".into()),
    ];
    for (raw, words) in cases {
        let failure = house.ask("eth_sendRawTransaction", json!([raw])).await.unwrap_err();
        assert_eq!((failure.code, failure.message), (-32_000, words));
    }
    let shape = house.ask("eth_sendRawTransaction", json!(["zz"])).await.unwrap_err();
    assert_eq!(shape.code, -32_602);
}

#[tokio::test]
async fn the_pools_content_is_split_at_the_first_gap() {
    let house = House::open().await;
    for (key, nonce) in [(1, 0), (1, 1), (1, 3), (2, 5)] {
        house.pool.submit(&raw(key, transfer(nonce))).unwrap();
    }
    assert_eq!(house.get("txpool_status", json!([])).await, json!({ "pending": "0x2", "queued": "0x2" }));
    let content = house.get("txpool_content", json!([])).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let one = address(1).to_string();
    assert_eq!(keys(&content["pending"]), *std::slice::from_ref(&one));
    assert_eq!(keys(&content["pending"][&one]), ["0", "1"]);
    assert_eq!(keys(&content["queued"][&one]), ["3"]);
    assert_eq!(keys(&content["queued"][address(2).to_string()]), ["5"]);
    let from = house.get("txpool_contentFrom", json!([address(1)])).await;
    assert_eq!(
        (keys(&from["pending"]), keys(&from["queued"])),
        (vec!["0".into(), "1".into()], vec!["3".into()])
    );
    assert_eq!(from["pending"]["0"]["nonce"], "0x0");
    let none = house.get("txpool_contentFrom", json!([address(9)])).await;
    assert_eq!(none, json!({ "pending": {}, "queued": {} }));
    house.block();
    assert_eq!(house.get("txpool_status", json!([])).await, json!({ "pending": "0x0", "queued": "0x2" }));
}
