//! Polling filters.

use super::{
    client::{outcome, post, request},
    house::{House, LOGGER, call, raw, transfer},
};
use crate::rpc::{
    BATCH_CALLS_MAX,
    filters::{FILTER_IDLE_MAX, FILTERS_MAX},
};
use serde_json::{Value, json};

async fn changes(house: &House, filter: &Value) -> Value {
    house.get("eth_getFilterChanges", json!([filter])).await
}

#[tokio::test]
async fn a_block_filter_gives_each_block_once() {
    let house = House::open().await;
    house.block();
    let filter = house.get("eth_newBlockFilter", json!([])).await;
    assert_eq!(changes(&house, &filter).await, json!([]));
    let hashes = [house.block().hash, house.block().hash];
    assert_eq!(changes(&house, &filter).await, json!(hashes));
    assert_eq!(changes(&house, &filter).await, json!([]));
}

#[tokio::test]
async fn a_log_filter_gives_news_once_and_all_on_request() {
    let house = House::open().await;
    house.include(1, call(0, LOGGER, 1));
    let filter = house.get("eth_newFilter", json!([{ "fromBlock": "0x0", "address": LOGGER }])).await;
    assert_eq!(changes(&house, &filter).await, json!([]));
    house.include(1, call(1, LOGGER, 2));
    assert_eq!(changes(&house, &filter).await.as_array().unwrap().len(), 2);
    assert_eq!(changes(&house, &filter).await, json!([]));
    let all = house.get("eth_getFilterLogs", json!([filter])).await;
    assert_eq!(all, house.get("eth_getLogs", json!([{ "fromBlock": "0x0", "address": LOGGER }])).await);
    assert_eq!(all.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_pending_filter_gives_arrivals_once() {
    let house = House::open().await;
    house.pool.submit(&raw(1, transfer(0))).unwrap();
    let filter = house.get("eth_newPendingTransactionFilter", json!([])).await;
    let hash = house.pool.submit(&raw(1, transfer(1))).unwrap();
    assert_eq!(changes(&house, &filter).await, json!([hash]));
    assert_eq!(changes(&house, &filter).await, json!([]));
}

#[tokio::test]
async fn an_uninstalled_filter_is_gone() {
    let house = House::open().await;
    let filter = house.get("eth_newBlockFilter", json!([])).await;
    let no_logs = house.ask("eth_getFilterLogs", json!([filter])).await.unwrap_err();
    assert_eq!(no_logs.message, "filter not found");
    assert_eq!(house.get("eth_uninstallFilter", json!([filter])).await, true);
    assert_eq!(house.get("eth_uninstallFilter", json!([filter])).await, false);
    let gone = house.ask("eth_getFilterChanges", json!([filter])).await.unwrap_err();
    assert_eq!((gone.code, gone.message.as_str()), (-32_000, "filter not found"));
}

#[tokio::test]
async fn the_filter_asked_longest_ago_makes_room() {
    let house = House::open().await;
    let first = house.get("eth_newBlockFilter", json!([])).await;
    house.clock.advance(1);
    let second = house.get("eth_newBlockFilter", json!([])).await;
    house.clock.advance(1);
    changes(&house, &first).await;
    let count = FILTERS_MAX - 1;
    assert!(count <= BATCH_CALLS_MAX as usize);
    let batch = vec![request("eth_newBlockFilter", &json!([])); count];
    let answers = post(house.server.address(), Value::Array(batch).to_string()).await.json();
    assert!(answers.as_array().unwrap().iter().all(|answer| outcome(answer.clone()).is_ok()));
    changes(&house, &first).await;
    let gone = house.ask("eth_getFilterChanges", json!([second])).await.unwrap_err();
    assert_eq!(gone.message, "filter not found");
}

#[tokio::test]
async fn an_idle_filter_is_forgotten_when_another_comes() {
    let house = House::open().await;
    let idle = house.get("eth_newBlockFilter", json!([])).await;
    let used = house.get("eth_newBlockFilter", json!([])).await;
    let almost = u64::try_from(FILTER_IDLE_MAX.as_millis()).unwrap() - 1;
    house.clock.advance(almost);
    changes(&house, &used).await;
    house.clock.advance(1);
    house.get("eth_newBlockFilter", json!([])).await;
    changes(&house, &used).await;
    let gone = house.ask("eth_getFilterChanges", json!([idle])).await.unwrap_err();
    assert_eq!(gone.message, "filter not found");
}
