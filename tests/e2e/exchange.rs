//! Two clouds that share nothing but content: one fetches from the other as IPFS peers do.

use nubes_tests::{Cloud, free_port_base, nubes};
use serde_json::Value;
use std::path::Path;

fn addresses(cloud: &Cloud) -> Vec<String> {
    let addresses = cloud.process.ready["exchange"].as_array().unwrap();
    addresses.iter().map(|address| address.as_str().unwrap().to_owned()).collect()
}

async fn start(dir: &Path) -> Cloud {
    Cloud::start(None, dir, free_port_base().unwrap()).await.unwrap()
}

async fn run(dir: &Path, args: &[&str]) -> Value {
    let output = nubes(dir, &[args, &["--json"]].concat()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Has a cloud that knows nobody fetch a folder from `one` at `address`, and returns the peers that it has then.
async fn fetch_folder(one: &Cloud, address: &str, dir: &Path) -> Value {
    let other = start(&dir.join("other")).await;
    let (from, to) = (one.door(), other.door());
    let tree = dir.join("tree");
    std::fs::create_dir_all(tree.join("deep")).unwrap();
    let big = vec![7; 5 << 20];
    std::fs::write(tree.join("big.bin"), &big).unwrap();
    std::fs::write(tree.join("deep/small.txt"), address).unwrap();
    let added = run(dir, &["add", "tree", "--node", &from]).await;
    let cid = added["cid"].as_str().unwrap();
    let fetched = run(dir, &["fetch", cid, "--peer", address, "--node", &to]).await;
    assert!(fetched["fetchedBlocks"].as_u64().unwrap() >= 4, "{fetched}");
    for door in [&from, &to] {
        let found: Value =
            reqwest::get(format!("{door}/routing/v1/providers/{cid}")).await.unwrap().json().await.unwrap();
        let id = found["Providers"][0]["ID"].as_str().unwrap();
        let peer = reqwest::get(format!("{door}/routing/v1/peers/{id}")).await.unwrap();
        let peer: Value = peer.json().await.unwrap();
        assert_eq!(peer["Peers"][0]["Addrs"].as_array().unwrap().len(), 3, "{peer}");
    }
    run(dir, &["get", cid, "--output", "back", "--node", &to]).await;
    assert_eq!(std::fs::read(dir.join("back/big.bin")).unwrap(), big);
    assert_eq!(std::fs::read_to_string(dir.join("back/deep/small.txt")).unwrap(), address);
    let again = run(dir, &["fetch", cid, "--node", &to]).await;
    assert_eq!(again["fetchedBlocks"], 0, "{again}");
    let peers = reqwest::get(format!("{to}/api/v1/peers")).await.unwrap().json().await.unwrap();
    other.process.stop().await.unwrap();
    peers
}

#[tokio::test]
async fn a_node_fetches_a_folder_from_another_cloud_over_each_transport_slow() {
    let dir = tempfile::tempdir().unwrap();
    let one = start(&dir.path().join("one")).await;
    assert_eq!(addresses(&one).len(), 3, "{:?}", addresses(&one));
    for (round, address) in addresses(&one).iter().enumerate() {
        let folder = dir.path().join(round.to_string());
        std::fs::create_dir(&folder).unwrap();
        let peers = fetch_folder(&one, address, &folder).await;
        let (place, id) = address.split_once("/p2p/").unwrap();
        assert_eq!(peers["peers"][0]["id"], id, "{peers}");
        assert!(peers["peers"][0]["address"].as_str().unwrap().starts_with(place), "{peers}");
    }
    one.process.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_keeps_its_peer_id_and_says_what_it_cannot_fetch_slow() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let base = free_port_base().unwrap();
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    let (before, node) = (addresses(&cloud), cloud.door());
    let about: Value = reqwest::get(format!("{node}/api/v1/node")).await.unwrap().json().await.unwrap();
    assert_eq!(about["exchange"]["addresses"], cloud.process.ready["exchange"]);
    let nobody = "/ip4/127.0.0.1/tcp/1";
    let cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let output =
        nubes(dir.path(), &["fetch", cid, "--peer", nobody, "--node", &node, "--json"]).await.unwrap();
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "NX3031", "{error}");
    let unknown = format!("{node}/routing/v1/providers/{cid}");
    let nothing: Value = reqwest::get(&unknown).await.unwrap().json().await.unwrap();
    assert_eq!(nothing["Providers"].as_array().unwrap().len(), 0);
    assert_eq!(reqwest::get(format!("{node}/routing/v1/providers/x")).await.unwrap().status(), 400);
    let bad = nubes(dir.path(), &["fetch", "no-cid", "--node", &node]).await.unwrap();
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    cloud.process.stop().await.unwrap();
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    assert_eq!(addresses(&cloud), before);
    cloud.process.stop().await.unwrap();
}
