//! What a node promised to keep, it still promises after it was killed.

use nubes_tests::{Cloud, free_port_base, nubes};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const MISSING: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

async fn run(dir: &Path, args: &[&str]) -> Value {
    let output = nubes(dir, &[args, &["--json"]].concat()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn failure(dir: &Path, args: &[&str]) -> String {
    let output = nubes(dir, &[args, &["--json"]].concat()).await.unwrap();
    assert!(!output.status.success(), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    error["error"]["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_pin_waits_over_a_kill_and_is_fetched_from_another_cloud_slow() {
    let dir = tempfile::tempdir().unwrap();
    let (here, data, base) = (dir.path(), dir.path().join("other"), free_port_base().unwrap());
    let one = Cloud::start(None, &here.join("one"), free_port_base().unwrap()).await.unwrap();
    fs::write(here.join("file"), vec![7; 3 << 20]).unwrap();
    let added = run(here, &["add", "file", "--node", &one.door()]).await;
    let cid = added["cid"].as_str().unwrap();
    let other = Cloud::start(None, &data, base).await.unwrap();
    let made = run(here, &["pin", "add", cid, "--name", "kept", "--node", &other.door()]).await;
    assert_eq!(made["status"], "queued", "{made}");
    other.process.kill().await.unwrap();
    let other = Cloud::start(None, &data, base).await.unwrap();
    let door = other.door();
    let listed = run(here, &["pin", "ls", "--node", &door]).await;
    let pin = &listed["pins"][0];
    assert_eq!((&pin["cid"], &pin["name"], &pin["id"]), (&made["cid"], &json!("kept"), &made["id"]));
    let client = reqwest::Client::new();
    let address = one.process.ready["exchange"][0].as_str().unwrap();
    client.post(format!("{door}/api/v1/peers")).json(&json!({ "address": address })).send().await.unwrap();
    // It answers when all of it is here.
    let pinned = client.post(format!("{door}/api/v0/pin/add?arg={cid}")).send().await.unwrap();
    assert_eq!(pinned.json::<Value>().await.unwrap(), json!({ "Pins": [cid] }));
    let listed = run(here, &["pin", "ls", "--node", &door]).await;
    assert_eq!(listed["pins"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["pins"][0]["status"], "pinned");
    run(here, &["pin", "rm", cid, "--node", &door]).await;
    assert_eq!(failure(here, &["pin", "rm", cid, "--node", &door]).await, "NX3041");
    one.process.stop().await.unwrap();
    other.process.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_opens_the_pinning_service_and_bad_pins_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let cloud = Cloud::start(None, &data, free_port_base().unwrap()).await.unwrap();
    let door = cloud.door();
    let file = data.join("v0/data/psa.token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap();
    let client = reqwest::Client::new();
    let list = client.get(format!("{door}/psa/pins"));
    let refused = list.try_clone().unwrap().send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let listed = list.bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(listed.json::<Value>().await.unwrap(), json!({ "count": 0, "results": [] }));
    let browser = client.post(format!("{door}/api/v0/version")).header("origin", "http://evil.example");
    assert_eq!(browser.send().await.unwrap().status(), 403);
    assert_eq!(failure(dir.path(), &["pin", "add", "no-cid", "--node", &door]).await, "NX3001");
    let name = "x".repeat(256);
    let long = ["pin", "add", MISSING, "--name", &name, "--node", &door];
    assert_eq!(failure(dir.path(), &long).await, "NX3042");
    let text = nubes(dir.path(), &["pin", "add", MISSING, "--node", &door]).await.unwrap();
    assert!(text.stdout.starts_with(b"queued    bafkrei"), "{text:?}");
    cloud.process.stop().await.unwrap();
}
