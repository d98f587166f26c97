//! A node's block store is bounded, collected, checked and moved by its operator.

use nubes_tests::{Cloud, free_port_base, nubes, nubes_json, repository};
use serde_json::{Value, json};
use std::{fs, path::Path};

const QUOTA: u64 = 4 << 20;

/// Bytes that no other `seed` gives.
fn content(seed: u32, bytes: u32) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_add(seed << 24).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

async fn added(dir: &Path, name: &str, args: &[&str]) -> String {
    let added = nubes_json(dir, &[&["add", name], args].concat()).await.unwrap();
    added["cid"].as_str().unwrap().to_owned()
}

async fn has(door: &str, cid: &str) -> bool {
    let got = reqwest::get(format!("{door}/ipfs/{cid}?format=raw")).await.unwrap();
    got.status().is_success()
}

async fn failure(dir: &Path, args: &[&str]) -> (String, String) {
    let output = nubes(dir, &[args, &["--json"]].concat()).await.unwrap();
    assert!(!output.status.success(), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let text = |name: &str| error["error"][name].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

/// What the app answers, as its site and its function.
async fn guestbook_answers(door: &str) -> bool {
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let request = client.get(format!("{door}{path}")).header("host", "guestbook.localhost");
        request.send().await.unwrap().status().is_success()
    };
    get("/").await && get("/api/entries").await
}

#[tokio::test]
async fn a_quota_refuses_with_figures_and_loses_nothing_slow() {
    let dir = tempfile::tempdir().unwrap();
    let (here, data, base) = (dir.path(), dir.path().join("data"), free_port_base().unwrap());
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    cloud.process.stop().await.unwrap();
    let file = data.join("v0/node.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n[storage]\nbytes_max = {QUOTA}\ncheck_days = 1\n")).unwrap();
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    let door = cloud.door();
    let to = ["--node", &door];
    fs::write(here.join("first"), content(1, 2 << 20)).unwrap();
    fs::write(here.join("second"), content(2, 3 << 20)).unwrap();
    let first = added(here, "first", &["--no-pin", "--node", &door]).await;
    let (code, message) = failure(here, &["add", "second", "--node", &door]).await;
    assert_eq!(code, "NX3017");
    assert!(message.contains("507") && message.contains(&QUOTA.to_string()), "{message}");
    assert!(has(&door, &first).await);
    let status = nubes_json(here, &[&["store", "status"], to.as_slice()].concat()).await.unwrap();
    assert_eq!((&status["bytesMax"], &status["pins"]), (&json!(QUOTA), &json!(0)), "{status}");
    assert!(status["storedBytes"].as_u64().unwrap() <= QUOTA, "{status}");
    // What was not kept makes room.
    let freed = nubes_json(here, &[&["store", "collect"], to.as_slice()].concat()).await.unwrap();
    assert!(freed["freedBytes"].as_u64().unwrap() >= 2 << 20, "{freed}");
    let second = added(here, "second", &to).await;
    assert!(has(&door, &second).await && !has(&door, &first).await);
    cloud.process.stop().await.unwrap();
}

#[tokio::test]
async fn a_collection_spares_pins_and_a_deployed_app_slow() {
    let dir = tempfile::tempdir().unwrap();
    let (here, data, base) = (dir.path(), dir.path().join("data"), free_port_base().unwrap());
    let app = repository().join("examples/guestbook");
    let cloud = Cloud::start(Some(&app), &data, base).await.unwrap();
    let door = cloud.door();
    fs::write(here.join("kept"), content(1, 3 << 20)).unwrap();
    fs::write(here.join("loose"), content(2, 8 << 20)).unwrap();
    let kept = added(here, "kept", &["--node", &door]).await;
    let loose = added(here, "loose", &["--no-pin", "--node", &door]).await;
    let freed = nubes_json(here, &["store", "collect", "--node", &door]).await.unwrap();
    assert!(freed["removedBlocks"].as_u64().unwrap() >= 9, "{freed}");
    assert!(freed["freedBytes"].as_u64().unwrap() >= 8 << 20, "{freed}");
    assert_eq!(freed["unusedBytes"], 0, "{freed}");
    assert!(!has(&door, &loose).await);
    let got = reqwest::get(format!("{door}/ipfs/{kept}")).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), content(1, 3 << 20));
    assert!(guestbook_answers(&door).await);
    cloud.process.stop().await.unwrap();
    // Nothing of the app is only in memory: a node that starts anew has it from the store.
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    assert!(guestbook_answers(&door).await);
    let pins = nubes_json(here, &["pin", "ls", "--node", &door]).await.unwrap();
    let names: Vec<&str> =
        pins["pins"].as_array().unwrap().iter().map(|pin| pin["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"kept") && names.contains(&"app:guestbook"), "{names:?}");
    let check = nubes_json(here, &["store", "check", "--node", &door]).await.unwrap();
    assert_eq!(check["damagedBlocks"], 0, "{check}");
    cloud.process.stop().await.unwrap();
}

#[tokio::test]
async fn what_an_app_was_before_goes_when_it_was_deployed_again_slow() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert!(nubes(here, &["new", "page", "--template", "static"]).await.unwrap().status.success());
    let cloud = Cloud::start(None, &here.join("data"), free_port_base().unwrap()).await.unwrap();
    let door = cloud.door();
    let deploy = async || {
        nubes_json(here, &["deploy", "page", "--yes", "--node", &door]).await.unwrap();
        let pins = nubes_json(here, &["pin", "ls", "--node", &door]).await.unwrap();
        let mut cids: Vec<String> = pins["pins"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pin| pin["cid"].as_str().unwrap().to_owned())
            .collect();
        cids.sort();
        cids
    };
    let first = deploy().await;
    assert_eq!(first, deploy().await);
    fs::write(here.join("page/web/new.html"), "new").unwrap();
    let second = deploy().await;
    assert_eq!(second.len(), first.len());
    assert!(second.iter().all(|cid| !first.contains(cid)), "{first:?} {second:?}");
    nubes_json(here, &["store", "collect", "--node", &door]).await.unwrap();
    assert!(!has(&door, &first[0]).await);
    let page = reqwest::Client::new().get(format!("{door}/new.html")).header("host", "page.localhost");
    assert_eq!(page.send().await.unwrap().text().await.unwrap(), "new");
    cloud.process.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_moves_to_another_node_by_its_copy_slow() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let one = Cloud::start(None, &here.join("one"), free_port_base().unwrap()).await.unwrap();
    fs::write(here.join("file"), content(1, 3 << 20)).unwrap();
    let cid = added(here, "file", &["--node", &one.door()]).await;
    // Relative to where the command runs, not to the node.
    let copied = nubes_json(here, &["store", "backup", "copy", "--node", &one.door()]).await.unwrap();
    assert!(copied["bytes"].as_u64().unwrap() >= 3 << 20, "{copied}");
    let (code, _) = failure(here, &["store", "backup", "copy", "--node", &one.door()]).await;
    assert_eq!(code, "NX3053");
    one.process.stop().await.unwrap();
    let (data, base) = (here.join("other"), free_port_base().unwrap());
    let other = Cloud::start(None, &data, base).await.unwrap();
    assert!(!has(&other.door(), &cid).await);
    other.process.stop().await.unwrap();
    let storage = data.join("v0/data/storage");
    fs::remove_dir_all(&storage).unwrap();
    fs::rename(here.join("copy"), &storage).unwrap();
    let other = Cloud::start(None, &data, base).await.unwrap();
    let door = other.door();
    nubes_json(here, &["store", "collect", "--node", &door]).await.unwrap();
    nubes_json(here, &["get", &cid, "--output", "back", "--node", &door]).await.unwrap();
    assert_eq!(fs::read(here.join("back")).unwrap(), content(1, 3 << 20));
    let pins = nubes_json(here, &["pin", "ls", "--node", &door]).await.unwrap();
    assert_eq!((&pins["pins"][0]["name"], &pins["pins"][0]["status"]), (&json!("file"), &json!("pinned")));
    other.process.stop().await.unwrap();
}
