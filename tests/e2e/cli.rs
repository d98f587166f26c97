//! Commands that need no node.

use nubes_tests::nubes;
use serde_json::Value;

async fn json(args: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let output = nubes(dir.path(), &[args, &["--json"]].concat()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn every_code_is_explained_offline() {
    let codes = json(&["explain"]).await;
    let codes = codes.as_array().unwrap();
    assert!(codes.len() > 30, "{}", codes.len());
    for code in codes {
        let one = json(&["explain", code["code"].as_str().unwrap()]).await;
        assert_eq!(&one, code);
    }
}

#[tokio::test]
async fn an_unknown_code_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let output = nubes(dir.path(), &["explain", "NX9999"]).await.unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let output = nubes(dir.path(), &["explain", "what"]).await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test]
async fn the_schema_and_completions_are_printed() {
    let schema = json(&["schema"]).await;
    assert_eq!(schema["title"], "nubes.toml");
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = nubes(dir.path(), &["completions", shell]).await.unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("nubes"), "{shell}");
    }
}

#[tokio::test]
async fn a_new_app_has_a_manifest_and_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let output = nubes(dir.path(), &["new", "shop", "--json"]).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let manifest = std::fs::read_to_string(dir.path().join("shop/nubes.toml")).unwrap();
    assert!(manifest.contains("name = \"shop\""), "{manifest}");
    let output = nubes(dir.path(), &["new", "shop", "--json"]).await.unwrap();
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "NX1013", "{error}");
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_a_network_failure() {
    let dir = tempfile::tempdir().unwrap();
    let made = nubes(dir.path(), &["new", "shop"]).await.unwrap();
    assert!(made.status.success());
    let output =
        nubes(dir.path(), &["status", "shop", "--node", "http://127.0.0.1:9", "--json"]).await.unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "NX1015", "{error}");
}
