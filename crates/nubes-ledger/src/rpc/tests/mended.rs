//! What clients and attackers found once; each of these failed before it was mended.

use super::house::{GWEI, House, LOGGER, PANICS, TELLER, address, call, raw, transfer};
use crate::{
    pool::{POOL_TRANSACTIONS_MAX, SENDER_TRANSACTIONS_MAX},
    rpc::filters::FILTER_IDLE_MAX,
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, U256};
use serde_json::{Value, json};

#[tokio::test]
async fn a_timeout_may_be_hex_as_viem_and_geth_have_it() {
    let house = House::open().await;
    let late =
        house.ask("eth_sendRawTransactionSync", json!([raw(1, transfer(0)), "0x1"])).await.unwrap_err();
    assert_eq!(late.code, 4, "{}", late.message);
}

#[tokio::test]
async fn a_call_beyond_the_funds_is_refused_in_geths_words() {
    let house = House::open().await;
    for method in ["eth_call", "eth_estimateGas"] {
        let poor = json!([{ "from": address(9), "to": Address::ZERO, "value": "0x1" }]);
        let failure = house.ask(method, poor).await.unwrap_err();
        assert!(failure.message.contains("insufficient funds for"), "{method}: {}", failure.message);
    }
}

#[tokio::test]
async fn a_low_fee_in_a_call_is_refused_in_geths_words() {
    let house = House::open().await;
    let low = json!([{ "from": address(1), "to": Address::ZERO, "maxFeePerGas": "0x1" }]);
    let failure = house.ask("eth_call", low).await.unwrap_err();
    assert!(failure.message.contains("max fee per gas less than block base fee"), "{}", failure.message);
}

#[tokio::test]
async fn a_panic_is_told_in_geths_words() {
    let house = House::open().await;
    let failure = house.ask("eth_call", json!([{ "to": PANICS }])).await.unwrap_err();
    assert_eq!(failure.message, "execution reverted: assert(false)");
}

#[tokio::test]
async fn a_log_range_beyond_the_head_is_an_error() {
    let house = House::open().await;
    let failure =
        house.ask("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "0x38" }])).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (-32_602, "block range extends beyond current head block")
    );
}

#[tokio::test]
async fn an_estimate_counts_authorizations() {
    let house = House::open().await;
    let authorization = json!({ "address": TELLER, "chainId": "0xa1c6", "nonce": "0x0", "yParity": "0x0",
        "r": B256::repeat_byte(0x11), "s": B256::repeat_byte(0x22) });
    let request = json!([{ "from": address(1), "to": Address::repeat_byte(0xaa), "type": "0x4",
        "authorizationList": [authorization] }]);
    let gas = house.get("eth_estimateGas", request).await;
    assert!(u64::from_str_radix(&gas.as_str().unwrap()[2..], 16).unwrap() >= 46_000, "{gas}");
}

#[tokio::test]
async fn an_estimate_with_a_fee_needs_only_what_it_estimates() {
    let house = House::open().await;
    house.include(1, TxEip1559 { to: address(8).into(), value: U256::from(10u64.pow(15)), ..transfer(0) });
    let request = json!([{ "from": address(8), "to": LOGGER, "input": B256::with_last_byte(1),
        "maxFeePerGas": format!("{:#x}", 2 * GWEI), "maxPriorityFeePerGas": format!("{GWEI:#x}") }]);
    house.get("eth_estimateGas", request).await;
}

#[tokio::test]
async fn an_idle_filter_is_forgotten_even_if_no_other_comes() {
    let house = House::open().await;
    let idle = house.get("eth_newBlockFilter", json!([])).await;
    house.clock.advance(u64::try_from(FILTER_IDLE_MAX.as_millis()).unwrap());
    assert!(house.ask("eth_getFilterChanges", json!([idle])).await.is_err());
}

#[tokio::test]
async fn an_unknown_block_has_no_uncle_count() {
    let house = House::open().await;
    assert_eq!(house.get("eth_getUncleCountByBlockNumber", json!(["0x99"])).await, Value::Null);
}

#[tokio::test]
async fn transactions_behind_gaps_do_not_keep_others_out_slow() {
    let house = House::open().await;
    let mut left = POOL_TRANSACTIONS_MAX;
    'full: for key in 10u8.. {
        house.include(
            1,
            TxEip1559 {
                to: address(key).into(),
                value: U256::from(10u64.pow(14)),
                ..transfer(u64::from(key) - 10)
            },
        );
        for nonce in 1..=SENDER_TRANSACTIONS_MAX as u64 {
            if left == 0 {
                break 'full;
            }
            left -= 1;
            let cheap = TxEip1559 {
                max_fee_per_gas: 1_000_000,
                max_priority_fee_per_gas: 0,
                value: U256::ZERO,
                ..transfer(nonce)
            };
            house.pool.submit(&raw(key, cheap)).unwrap();
        }
    }
    assert_eq!(house.pool.len(), POOL_TRANSACTIONS_MAX);
    house.pool.submit(&raw(2, TxEip1559 { max_priority_fee_per_gas: GWEI, ..transfer(0) })).unwrap();
}

#[tokio::test]
async fn all_waiting_transactions_together_are_within_the_funds() {
    let house = House::open().await;
    let most = U256::from(9 * 10u64.pow(17));
    house.pool.submit(&raw(1, TxEip1559 { value: most, ..transfer(0) })).unwrap();
    assert!(house.pool.submit(&raw(1, TxEip1559 { value: most, ..transfer(1) })).is_err());
}

#[tokio::test]
async fn a_filter_whose_news_are_too_many_is_not_stuck() {
    let house = House::open().await;
    let filter = house.get("eth_newFilter", json!([{}])).await;
    house.include(1, call(0, LOGGER, 10_001));
    assert!(house.ask("eth_getFilterChanges", json!([filter])).await.is_err());
    house.include(1, call(1, LOGGER, 1));
    assert_eq!(house.get("eth_getFilterChanges", json!([filter])).await.as_array().unwrap().len(), 1);
}
