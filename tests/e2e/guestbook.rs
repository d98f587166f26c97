//! The first README command, and what a visitor does with it.

use nubes_tests::{Cloud, free_port_base, nubes, repository};
use serde_json::{Value, json};

const SIGNATURES: &str = "0xf27959c7";

async fn get(cloud: &Cloud, path: &str) -> reqwest::Response {
    let request = reqwest::Client::new().get(format!("{}{path}", cloud.door()));
    request.header("host", "guestbook.localhost").send().await.unwrap()
}

async fn post(cloud: &Cloud, name: &str, message: &str) -> reqwest::Response {
    let request = reqwest::Client::new().post(format!("{}/api/entries", cloud.door()));
    let body = json!({ "name": name, "message": message });
    request.header("host", "guestbook.localhost").json(&body).send().await.unwrap()
}

#[tokio::test]
async fn the_guestbook_runs_from_an_empty_folder_slow() {
    let data = tempfile::tempdir().unwrap();
    let app = repository().join("examples/guestbook");
    let cloud = Cloud::start(Some(&app), data.path(), free_port_base().unwrap()).await.unwrap();

    let page = get(&cloud, "/").await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));

    let written = post(&cloud, "Ada", "hello").await;
    assert!(written.status().is_success(), "{}", written.text().await.unwrap());
    let entries: Value = get(&cloud, "/api/entries").await.json().await.unwrap();
    assert!(entries.to_string().contains("Ada"), "{entries}");

    let about: Value = get(&cloud, "/.well-known/nubes.json").await.json().await.unwrap();
    let contract = about["contracts"]["guestbook"].as_str().unwrap();
    let rpc = cloud.rpc().unwrap();
    let count =
        rpc.call("eth_call", json!([{ "to": contract, "data": SIGNATURES }, "latest"])).await.unwrap();
    assert_eq!(count, format!("0x{}", "0".repeat(64)));

    let node = cloud.door();
    let again = nubes(&app, &["deploy", "--yes", "--json", "--node", &node]).await.unwrap();
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["transactions"], json!([]), "deploying the same again changes nothing: {again}");

    let status = nubes(&app, &["status", "--json", "--node", &node]).await.unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["app"]["name"], "guestbook", "{status}");

    let invoked = nubes(&app, &["invoke", "/api/entries", "--json", "--node", &node]).await.unwrap();
    let invoked: Value = serde_json::from_slice(&invoked.stdout).unwrap();
    assert_eq!(invoked["status"], 200, "{invoked}");
    cloud.process.stop().await.unwrap();
}

#[tokio::test]
async fn a_changed_file_is_live_without_a_restart_slow() {
    let dir = tempfile::tempdir().unwrap();
    let made = nubes(dir.path(), &["new", "shop"]).await.unwrap();
    assert!(made.status.success());
    let app = dir.path().join("shop");
    let data = dir.path().join("data");
    let mut cloud = Cloud::start(Some(&app), &data, free_port_base().unwrap()).await.unwrap();
    std::fs::write(app.join("web/index.html"), "<!doctype html><title>changed</title>").unwrap();
    let redeployed = cloud.process.next_line().await.unwrap();
    assert_eq!(redeployed["redeployed"], true, "{redeployed}");
    let request = reqwest::Client::new().get(format!("{}/", cloud.door())).header("host", "shop.localhost");
    let page = request.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("changed"), "{page}");
    cloud.process.stop().await.unwrap();
}
