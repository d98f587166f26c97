//! Bad input of each kind, against a running cloud: every refusal has its code, and the next good request is fine.

use alloy_primitives::{Address, U256};
use nubes_tests::{Cloud, Rpc, Wallet, free_port_base, nubes, repository};
use serde_json::{Value, json};
use std::net::TcpListener;

async fn manifest_error(manifest: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("nubes.toml"), manifest).unwrap();
    let output = nubes(dir.path(), &["dev", ".", "--json"]).await.unwrap();
    assert_eq!(output.stdout, b"", "nothing was started");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    error["error"].clone()
}

#[tokio::test]
async fn a_bad_manifest_is_refused_with_code_place_and_suggestion() {
    let error = manifest_error("[app]\nname = \"a\"\n[site]\ndri = \"web\"\n").await;
    assert_eq!(error["code"], "NX1003", "{error}");
    let error = manifest_error("[app]\nname = \"a\"\n[site]\ndir = \"web\"\nbiuld = \"x\"\n").await;
    assert_eq!(error["code"], "NX1001", "{error}");
    assert_eq!(error["help"], "did you mean `build`?");
    assert_eq!(error["at"]["file"], "nubes.toml");
    let error = manifest_error("[app]\nname = 1\n").await;
    assert_eq!(error["code"], "NX1002", "{error}");
}

#[tokio::test]
async fn a_taken_port_is_named_slow() {
    let base = free_port_base().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", base)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = ["dev", "--port-base", &base.to_string(), "--data-dir", data.to_str().unwrap(), "--json"];
    let output = nubes(dir.path(), &args).await.unwrap();
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "NX1010", "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains(&base.to_string()), "{error}");
    drop(taken);
}

#[tokio::test]
async fn a_data_folder_of_another_chain_is_refused_slow() {
    let dir = tempfile::tempdir().unwrap();
    let base = free_port_base().unwrap();
    let data = dir.path().join("data");
    Cloud::start(None, &data, base).await.unwrap().process.stop().await.unwrap();
    let genesis = data.join("genesis.json");
    let text = std::fs::read_to_string(&genesis).unwrap();
    let mut other: Value = serde_json::from_str(&text).unwrap();
    other["chainId"] = json!(41_415);
    std::fs::write(&genesis, other.to_string()).unwrap();
    let args = ["dev", "--port-base", &base.to_string(), "--data-dir", data.to_str().unwrap(), "--json"];
    let output = nubes(dir.path(), &args).await.unwrap();
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "NX1011", "{error}");
}

#[tokio::test]
async fn a_running_cloud_refuses_bad_requests_and_goes_on_slow() {
    let data = tempfile::tempdir().unwrap();
    let app = repository().join("examples/guestbook");
    let cloud = Cloud::start(Some(&app), data.path(), free_port_base().unwrap()).await.unwrap();
    let rpc = cloud.rpc().unwrap();
    malformed_rpc(&rpc).await;
    bad_transactions(&rpc).await;
    bad_content(&cloud).await;
    large_body(&cloud).await;
    let request = reqwest::Client::new().get(format!("{}/api/entries", cloud.door()));
    let fine = request.header("host", "guestbook.localhost").send().await.unwrap();
    assert_eq!(fine.status(), 200);
    cloud.process.stop().await.unwrap();
}

async fn malformed_rpc(rpc: &Rpc) {
    let code = async |body: &str| rpc.raw(body.to_owned()).await.unwrap()["error"]["code"].clone();
    assert_eq!(code("{").await, -32700);
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}"#).await, -32601);
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["x"]}"#).await, -32602);
    let one = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let batch = format!("[{}]", vec![one; 5_000].join(","));
    let answer = rpc.raw(batch).await.unwrap();
    assert!(answer["error"]["code"].is_number(), "an oversized batch is one error: {answer}");
}

async fn bad_transactions(rpc: &Rpc) {
    let wallet = Wallet::development(5).unwrap();
    let to = Address::repeat_byte(0xaa);
    let nonce = wallet.nonce(rpc).await.unwrap();
    let good = Wallet::transfer(nonce, to, U256::from(1));
    let refused = async |change: &dyn Fn(&mut alloy_consensus::TxEip1559)| {
        let mut transaction = good.clone();
        change(&mut transaction);
        let raw = wallet.sign(transaction).unwrap();
        rpc.call("eth_sendRawTransaction", json!([raw])).await.unwrap_err().to_string()
    };
    let check = |said: String, words: &str| assert!(said.contains(words), "{said} does not say {words}");
    check(refused(&|t| t.chain_id = 1).await, "invalid chain id");
    check(refused(&|t| t.gas_limit = 20_000).await, "intrinsic gas too low");
    check(refused(&|t| t.value = U256::MAX >> 1).await, "insufficient funds for gas * price + value");
    check(
        refused(&|t| t.max_priority_fee_per_gas = t.max_fee_per_gas + 1).await,
        "max priority fee per gas higher than max fee per gas",
    );
    check(refused(&|t| t.gas_limit = 500_000_000).await, "gas limit");
    wallet.send(rpc, to).await.unwrap();
    check(refused(&|_| {}).await, "nonce too low");
    let garbage = rpc.call("eth_sendRawTransaction", json!(["0x02c0"])).await.unwrap_err().to_string();
    assert!(garbage.contains("-32"), "{garbage}");
}

async fn bad_content(cloud: &Cloud) {
    let client = reqwest::Client::new();
    let door = cloud.door();
    let malformed = client.get(format!("{door}/ipfs/not-a-cid")).send().await.unwrap();
    assert_eq!(malformed.status(), 400);
    let missing = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let lost = client.get(format!("{door}/ipfs/{missing}")).send().await.unwrap();
    assert_eq!(lost.status(), 404);
    let car = client.post(format!("{door}/api/v1/car")).body("this is no CAR").send().await.unwrap();
    assert_eq!(car.status(), 400);
    let unknown = client.get(&door).header("host", "nobody.localhost").send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    let problem: Value = unknown.json().await.unwrap();
    assert_eq!(problem["code"], "NX5001", "{problem}");
}

/// A gibibyte is announced; the refusal comes before it is sent.
async fn large_body(cloud: &Cloud) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", cloud.port_base)).await.unwrap();
    let head =
        "POST /api/entries HTTP/1.1\r\nHost: guestbook.localhost\r\nContent-Length: 1073741824\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
