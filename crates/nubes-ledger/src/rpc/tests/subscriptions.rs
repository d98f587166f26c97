//! `eth_subscribe`.

use super::{
    house::{House, KEEPER, LOGGER, call, raw, transfer},
    shapes::keys,
};
use crate::rpc::SUBSCRIPTIONS_MAX;
use serde_json::{Value, json};

#[tokio::test]
async fn every_final_block_is_told_once_and_in_order() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let heads = socket.ask("eth_subscribe", json!(["newHeads"])).await.unwrap();
    for _ in 0..3 {
        let block = house.block();
        let head = socket.event(&heads).await;
        assert_eq!(
            (&head["hash"], &head["number"]),
            (&json!(block.hash), &json!(format!("{:#x}", block.number())))
        );
        let whole = house.get("eth_getBlockByHash", json!([block.hash, false])).await;
        for key in keys(&head) {
            assert_eq!(head[&key], whole[&key], "{key}");
        }
    }
}

#[tokio::test]
async fn wanted_logs_are_told_and_others_are_not() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let wanted = alloy_primitives::B256::with_last_byte(2);
    let logs = socket
        .ask("eth_subscribe", json!(["logs", { "address": LOGGER, "topics": [wanted] }]))
        .await
        .unwrap();
    house.include(1, call(0, KEEPER, 2));
    house.include(1, call(1, LOGGER, 1));
    let hash = house.include(1, call(2, LOGGER, 3));
    let log = socket.event(&logs).await;
    assert_eq!((&log["transactionHash"], &log["topics"]), (&json!(hash), &json!([wanted])));
    assert_eq!((&log["logIndex"], &log["removed"]), (&json!("0x1"), &json!(false)));
    let same = house.get("eth_getLogs", json!([{ "topics": [wanted] }])).await;
    assert_eq!(same, json!([log]));
}

#[tokio::test]
async fn arrivals_are_told_as_hashes_or_whole() {
    let house = House::open().await;
    let (mut hashes, mut whole) = (house.socket().await, house.socket().await);
    let brief = hashes.ask("eth_subscribe", json!(["newPendingTransactions"])).await.unwrap();
    let full = whole.ask("eth_subscribe", json!(["newPendingTransactions", true])).await.unwrap();
    let hash = house.pool.submit(&raw(1, transfer(0))).unwrap();
    assert_eq!(hashes.event(&brief).await, json!(hash));
    let told = whole.event(&full).await;
    assert_eq!((&told["hash"], &told["blockHash"]), (&json!(hash), &Value::Null));
}

#[tokio::test]
async fn syncing_is_told_once() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let syncing = socket.ask("eth_subscribe", json!(["syncing"])).await.unwrap();
    assert_eq!(socket.event(&syncing).await, false);
}

#[tokio::test]
async fn an_ended_subscription_is_silent() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let heads = socket.ask("eth_subscribe", json!(["newHeads"])).await.unwrap();
    assert_eq!(socket.ask("eth_unsubscribe", json!([heads])).await, Ok(json!(true)));
    house.block();
    let syncing = socket.ask("eth_subscribe", json!(["syncing"])).await.unwrap();
    // The next event is of the other subscription.
    assert_eq!(socket.event(&syncing).await, false);
}

#[tokio::test]
async fn unknown_subscriptions_are_refused() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let failure = socket.ask("eth_subscribe", json!(["weather"])).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (-32_602, "no \"weather\" subscription in eth namespace")
    );
    assert_eq!(socket.ask("eth_subscribe", json!([])).await.unwrap_err().code, -32_602);
    assert_eq!(socket.ask("eth_chainId", json!([])).await, Ok(json!("0xa1c6")));
}

#[tokio::test]
async fn a_connection_has_a_limit_of_subscriptions() {
    let house = House::open().await;
    let mut socket = house.socket().await;
    let mut last = Value::Null;
    for _ in 0..SUBSCRIPTIONS_MAX {
        last = socket.ask("eth_subscribe", json!(["newHeads"])).await.unwrap();
    }
    let failure = socket.ask("eth_subscribe", json!(["newHeads"])).await.unwrap_err();
    assert_eq!(failure.code, -32_006, "{}", failure.message);
    socket.ask("eth_unsubscribe", json!([last])).await.unwrap();
    socket.ask("eth_subscribe", json!(["newHeads"])).await.unwrap();
}
