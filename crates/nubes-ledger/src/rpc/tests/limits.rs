//! What the server refuses, and that it goes on afterwards.

use super::{
    client::{Socket, outcome, post, request, send},
    house::{House, KEEPER, LOGGER, call},
};
use crate::{
    chain::LOGS_MAX,
    rpc::{BATCH_CALLS_MAX, REQUEST_BYTES_MAX},
};
use alloy_primitives::{Address, B256};
use http::Method;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};

async fn is_alive(house: &House) {
    assert_eq!(house.get("eth_chainId", json!([])).await, "0xa1c6");
}

#[tokio::test]
async fn unknown_methods_and_wrong_parameters_have_their_codes() {
    let house = House::open().await;
    let unknown = house.ask("eth_makeCoffee", json!([])).await.unwrap_err();
    assert_eq!(unknown.code, -32_601);
    let wrong = [
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x12"])),
        ("eth_getBalance", json!([Address::ZERO, "newest"])),
        ("eth_getBlockByNumber", json!(["0xzz", false])),
        ("eth_getBlockByHash", json!(["0x00", false])),
        ("eth_call", json!([{ "to": 5 }])),
        ("eth_getLogs", json!([{ "blockHash": B256::ZERO, "fromBlock": "0x0" }])),
        ("eth_getStorageAt", json!([KEEPER, "slot"])),
        ("eth_sendRawTransaction", json!([5])),
        ("eth_feeHistory", json!(["0x1"])),
        ("eth_getFilterChanges", json!([])),
        ("web3_sha3", json!(["0x1"])),
    ];
    for (method, params) in wrong {
        let failure = house.ask(method, params.clone()).await.unwrap_err();
        assert_eq!(failure.code, -32_602, "{method} {params}: {}", failure.message);
    }
}

#[tokio::test]
async fn malformed_json_is_answered_and_not_fatal() {
    let house = House::open().await;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{\"jsonrpc\":\"2.0\"}",
        "\u{0}",
        "[1,2]",
        "{\"id\":1,\"method\":\"eth_chainId\"}",
    ] {
        let answer = post(house.server.address(), body).await;
        let json = answer.json();
        let first = if json.is_array() { json[0].clone() } else { json };
        let code = first["error"]["code"].as_i64().unwrap();
        assert!([-32_700, -32_600].contains(&code), "{body}: {first}");
    }
    is_alive(&house).await;
}

/// Valid JSON of any shape as parameters of any method.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        "0x[0-9a-f]{0,70}".prop_map(Value::from),
        Just(json!("latest")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(
                "(to|from|data|address|topics|fromBlock|gas|value|[a-z]{1,5})",
                inner,
                0..4
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const METHODS: [&str; 20] = [
    "eth_call",
    "eth_estimateGas",
    "eth_getBalance",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getBlockReceipts",
    "eth_getCode",
    "eth_getFilterChanges",
    "eth_getLogs",
    "eth_getProof",
    "eth_getStorageAt",
    "eth_getTransactionByHash",
    "eth_getTransactionByBlockNumberAndIndex",
    "eth_getTransactionCount",
    "eth_feeHistory",
    "eth_newFilter",
    "eth_sendRawTransaction",
    "eth_uninstallFilter",
    "txpool_contentFrom",
    "web3_sha3",
];

#[tokio::test]
async fn any_bytes_and_any_parameters_leave_the_server_alive() {
    let house = House::open().await;
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    let params = proptest::collection::vec(any_json(), 0..4);
    for case in 0..64 {
        let body = bytes.new_tree(&mut runner).unwrap().current();
        assert!(post(house.server.address(), body).await.status < 500);
        let params = params.new_tree(&mut runner).unwrap().current();
        for method in METHODS {
            if let Err(failure) = house.ask(method, Value::from(params.clone())).await {
                assert_ne!(failure.code, -32_603, "case {case}: {method} {params:?}: {}", failure.message);
            }
        }
    }
    is_alive(&house).await;
}

#[tokio::test]
async fn a_batch_is_answered_call_by_call_up_to_its_limit() {
    let house = House::open().await;
    let one = |id: u32| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_chainId", "params": [] });
    let full: Vec<_> = (0..BATCH_CALLS_MAX).map(one).collect();
    let answers = post(house.server.address(), Value::from(full).to_string()).await.json();
    let answers = answers.as_array().unwrap().clone();
    assert_eq!(answers.len(), BATCH_CALLS_MAX as usize);
    assert!(answers.iter().all(|answer| answer["result"] == "0xa1c6"));
    let over: Vec<_> = (0..=BATCH_CALLS_MAX).map(one).collect();
    let refused =
        outcome(post(house.server.address(), Value::from(over).to_string()).await.json()).unwrap_err();
    assert_eq!(refused.code, -32_010, "{}", refused.message);
    let mixed = json!([one(1), request("eth_makeCoffee", &json!([])), one(2)]);
    let answers = post(house.server.address(), mixed.to_string()).await.json();
    assert_eq!((&answers[0]["result"], &answers[1]["error"]["code"]), (&json!("0xa1c6"), &json!(-32_601)));
}

#[tokio::test]
async fn a_request_has_a_limit_of_bytes() {
    let house = House::open().await;
    let frame = request("web3_sha3", &json!(["0x"])).to_string().len();
    let body = |bytes: usize| {
        let digits = (bytes - frame) / 2 * 2;
        request("web3_sha3", &json!([format!("0x{}", "0".repeat(digits))])).to_string()
    };
    let max = REQUEST_BYTES_MAX as usize;
    assert!(outcome(post(house.server.address(), body(max)).await.json()).is_ok());
    assert_eq!(post(house.server.address(), body(max + 2)).await.status, 413);
    is_alive(&house).await;
}

#[tokio::test]
async fn queries_have_limits() {
    let house = House::open().await;
    let slots = |count: u64| (0..count).map(|slot| format!("{slot:#x}")).collect::<Vec<_>>();
    let proof = house.get("eth_getProof", json!([KEEPER, slots(1_024), "latest"])).await;
    assert_eq!(proof["storageProof"].as_array().unwrap().len(), 1_024);
    let refused = house.ask("eth_getProof", json!([KEEPER, slots(1_025), "latest"])).await.unwrap_err();
    assert_eq!(refused.code, -32_602);
    let topics = |count: u64| {
        (0..count).map(|topic| B256::from(alloy_primitives::U256::from(topic))).collect::<Vec<_>>()
    };
    for method in ["eth_getLogs", "eth_newFilter"] {
        house.get(method, json!([{ "topics": [topics(1_000)] }])).await;
        let refused = house.ask(method, json!([{ "topics": [topics(1_001)] }])).await.unwrap_err();
        assert_eq!(refused.code, -32_602);
    }
}

#[tokio::test]
async fn a_log_query_has_a_limit_of_results() {
    let house = House::open().await;
    house.include(1, call(0, LOGGER, LOGS_MAX as u64));
    let all = house.get("eth_getLogs", json!([{}])).await;
    assert_eq!(all.as_array().unwrap().len(), LOGS_MAX);
    house.include(1, call(1, LOGGER, 1));
    let refused = house.ask("eth_getLogs", json!([{ "fromBlock": "0x0" }])).await.unwrap_err();
    assert_eq!(refused.code, -32_005, "{}", refused.message);
    assert_eq!(house.get("eth_getLogs", json!([{}])).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_fee_history_has_a_limit_of_blocks() {
    let house = House::open().await;
    for _ in 0..1_030 {
        house.block();
    }
    let history = house.get("eth_feeHistory", json!(["0x800", "latest"])).await;
    assert_eq!(
        (&history["oldestBlock"], history["gasUsedRatio"].as_array().unwrap().len()),
        (&json!("0x7"), 1_024)
    );
}

#[tokio::test]
async fn any_page_may_ask() {
    let house = House::open().await;
    let headers = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let preflight = send(house.server.address(), Method::OPTIONS, &headers, Vec::new()).await;
    assert_eq!(preflight.status, 200);
    for allow in ["origin", "methods", "headers"] {
        assert_eq!(preflight.headers[format!("access-control-allow-{allow}")], "*", "{allow}");
    }
    let headers = [("origin", "https://example.org"), ("content-type", "application/json")];
    let body = request("eth_chainId", &json!([])).to_string().into_bytes();
    let answer = send(house.server.address(), Method::POST, &headers, body).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(outcome(answer.json()), Ok(json!("0xa1c6")));
    let plain =
        send(house.server.address(), Method::POST, &[("content-type", "text/plain")], b"{}".to_vec()).await;
    assert_eq!(plain.status, 415);
}

#[tokio::test]
async fn both_transports_share_a_port_and_a_stopped_server_is_gone() {
    let house = House::open().await;
    let address = house.server.address();
    let mut socket = Socket::open(address).await;
    assert_eq!(socket.ask("eth_chainId", json!([])).await, house.ask("eth_chainId", json!([])).await);
    drop(socket);
    house.server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let house = House::open().await;
    let (chain, pool, clock) = (house.chain.clone(), house.pool.clone(), house.clock.clone());
    let second = crate::rpc::Server::start(house.server.address(), chain, pool, clock).await.unwrap_err();
    assert!(
        matches!(second, crate::rpc::ServeError::Listen { address, .. } if address == house.server.address())
    );
}
