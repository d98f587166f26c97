//! A compiled component and the network's own commands: add, get.

use nubes_tests::{Cloud, NodeProcess, free_port_base, nubes, repository};
use serde_json::Value;

#[tokio::test]
async fn a_compiled_component_answers_slow() {
    let data = tempfile::tempdir().unwrap();
    let app = repository().join("examples/hello-rust");
    let cloud = Cloud::start(Some(&app), data.path(), free_port_base().unwrap()).await.unwrap();
    let request =
        reqwest::Client::new().get(format!("{}/world", cloud.door())).header("host", "hello.localhost");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("hello"));
    cloud.process.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_added_comes_back_verified_slow() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(None, &dir.path().join("data"), free_port_base().unwrap()).await.unwrap();
    let tree = dir.path().join("tree");
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    std::fs::write(tree.join("a/b/small.txt"), "small").unwrap();
    let big: Vec<u8> = (0..3_500_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(tree.join("big.bin"), &big).unwrap();
    std::fs::write(tree.join("a/100% big? #1.bin"), &big).unwrap();
    let node = cloud.door();
    let added = nubes(dir.path(), &["add", "tree", "--json", "--node", &node]).await.unwrap();
    assert!(added.status.success(), "{added:?}");
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let cid = added["cid"].as_str().unwrap();
    let got = nubes(dir.path(), &["get", cid, "--output", "back", "--json", "--node", &node]).await.unwrap();
    assert!(got.status.success(), "{got:?}");
    assert_eq!(std::fs::read(dir.path().join("back/big.bin")).unwrap(), big);
    assert_eq!(std::fs::read_to_string(dir.path().join("back/a/b/small.txt")).unwrap(), "small");
    let part = format!("ipfs://{cid}/a/100% big? #1.bin");
    let got = nubes(dir.path(), &["get", &part, "--json", "--node", &node]).await.unwrap();
    assert!(got.status.success(), "{got:?}");
    assert_eq!(std::fs::read(dir.path().join("100% big? #1.bin")).unwrap(), big);
    let nowhere = nubes(dir.path(), &["get", &format!("{cid}/a/c"), "--node", &node]).await.unwrap();
    assert_eq!(nowhere.status.code(), Some(4), "{nowhere:?}");
    let missing = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let lost = nubes(dir.path(), &["get", missing, "--output", "lost", "--node", &node]).await.unwrap();
    assert_eq!(lost.status.code(), Some(4), "{lost:?}");
    assert!(!dir.path().join("lost").exists(), "nothing is half-written");
    cloud.process.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_function_prints_is_read_and_followed_slow() {
    let dir = tempfile::tempdir().unwrap();
    assert!(nubes(dir.path(), &["new", "shop"]).await.unwrap().status.success());
    let app = dir.path().join("shop");
    let api = "export default { async fetch(request) { console.warn('seen', request.method); return new Response('ok'); } };";
    std::fs::write(app.join("api/index.js"), api).unwrap();
    let cloud = Cloud::start(Some(&app), &dir.path().join("data"), free_port_base().unwrap()).await.unwrap();
    let node = cloud.door();
    let call = async || {
        let request = reqwest::Client::new().get(format!("{node}/api/x")).header("host", "shop.localhost");
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    call().await;
    let printed = nubes(&app, &["logs", "--json", "--node", &node]).await.unwrap();
    let line: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!((&line["text"], &line["level"]), (&Value::from("seen GET"), &Value::from("warn")), "{line}");
    let mut follower = NodeProcess::follow(&app, &["logs", "-f", "--lines", "0", "--node", &node]).unwrap();
    // The follower says nothing until there is a line; calls go on until it has heard one.
    let heard = loop {
        call().await;
        if let Ok(line) =
            tokio::time::timeout(std::time::Duration::from_millis(200), follower.next_line()).await
        {
            break line.unwrap();
        }
    };
    assert_eq!(heard["text"], "seen GET", "{heard}");
    follower.kill().await.unwrap();
    cloud.process.stop().await.unwrap();
}
