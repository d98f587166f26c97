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

#[tokio::test]
async fn a_node_fetches_a_folder_from_another_cloud_over_each_transport_slow() {
    let dir = tempfile::tempdir().unwrap();
    let one = start(&dir.path().join("one")).await;
    let other = start(&dir.path().join("other")).await;
    let (from, to) = (one.door(), other.door());
    assert_eq!(addresses(&one).len(), 3, "{:?}", addresses(&one));
    for (round, address) in addresses(&one).iter().enumerate() {
        let tree = dir.path().join(format!("tree{round}"));
        std::fs::create_dir_all(tree.join("deep")).unwrap();
        let big = vec![u8::try_from(round).unwrap(); 5 << 20];
        std::fs::write(tree.join("big.bin"), &big).unwrap();
        std::fs::write(tree.join("deep/small.txt"), format!("round {round}")).unwrap();
        let added = run(dir.path(), &["add", tree.to_str().unwrap(), "--node", &from]).await;
        let cid = added["cid"].as_str().unwrap();
        let fetched = run(dir.path(), &["fetch", cid, "--peer", address, "--node", &to]).await;
        assert!(fetched["fetchedBlocks"].as_u64().unwrap() >= 4, "{fetched}");
        let back = format!("back{round}");
        run(dir.path(), &["get", cid, "--output", &back, "--node", &to]).await;
        assert_eq!(std::fs::read(dir.path().join(&back).join("big.bin")).unwrap(), big);
        let again = run(dir.path(), &["fetch", cid, "--node", &to]).await;
        assert_eq!(again["fetchedBlocks"], 0, "{again}");
    }
    let peers: Value = reqwest::get(format!("{to}/api/v1/peers")).await.unwrap().json().await.unwrap();
    let id = addresses(&one)[0].rsplit('/').next().unwrap().to_owned();
    assert_eq!(peers["peers"][0]["id"], Value::from(id), "{peers}");
    one.process.stop().await.unwrap();
    other.process.stop().await.unwrap();
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
    let bad = nubes(dir.path(), &["fetch", "no-cid", "--node", &node]).await.unwrap();
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    cloud.process.stop().await.unwrap();
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    assert_eq!(addresses(&cloud), before);
    cloud.process.stop().await.unwrap();
}
