//! One client, a few providers: prices, a life without money, and what goes wrong on the way.

use alloy_primitives::U256;
use nubes_tests::{Cloud, Rpc, Storage, free_port_base, market::Deposited, nubes, nubes_json};
use serde_json::{Value, json};
use std::path::Path;

fn same(_: usize, text: String) -> String {
    text
}

async fn add(storage: &Storage, bytes: usize) -> String {
    std::fs::create_dir_all(storage.dir.join("object/in")).unwrap();
    std::fs::write(storage.dir.join("object/whole.bin"), vec![7; bytes]).unwrap();
    std::fs::write(storage.dir.join("object/in/part.txt"), "a part").unwrap();
    let added = storage.run(&["add", "object"]).await.unwrap();
    added["cid"].as_str().unwrap().to_owned()
}

async fn read(storage: &Storage, cid: &str, to: &str) -> Vec<u8> {
    storage.run(&["get", cid, "--from-providers", "--output", to]).await.unwrap();
    std::fs::read(storage.dir.join(to).join("whole.bin")).unwrap()
}

async fn error(storage: &Storage, args: &[&str]) -> (String, Option<i32>) {
    let door = storage.door();
    let args = [args, &["--node", &door, "--json"]].concat();
    let output = nubes(&storage.dir, &args).await.unwrap();
    assert!(!output.status.success(), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    (error["error"]["code"].as_str().unwrap().to_owned(), output.status.code())
}

async fn stage(storage: &Storage, cid: &str, stage: &str) {
    storage.wait(cid, stage, |object| object["stage"] == stage).await.unwrap();
}

#[tokio::test]
async fn a_deal_without_money_is_read_until_it_ends_and_lives_again_with_money_slow() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::start(dir.path(), (3, "10"), same).await.unwrap();
    let cid = add(&storage, 300_000).await;
    let stages = ["--read-only", "12s", "--grace", "12s", "--notice", "15s", "--yes"];
    let make = ["deal", "make", &cid, "--product", "copies-3", "--for", "1h"];
    let made = storage.run(&[make.as_slice(), &stages].concat()).await.unwrap();
    assert_eq!((&made["healthy"], &made["stage"]), (&Value::from(3), &Value::from("active")), "{made}");
    // The hour's money is the client's until it is earned. What was put aside for the stages stays.
    storage.run(&["deal", "withdraw"]).await.unwrap();
    let part = ["get", &format!("{cid}/in/part.txt"), "--from-providers", "--output", "part"];
    storage.run(&part).await.unwrap();
    assert_eq!(std::fs::read_to_string(storage.dir.join("part")).unwrap(), "a part");
    for name in ["read-only", "grace", "notice"] {
        stage(&storage, &cid, name).await;
        assert_eq!(read(&storage, &cid, name).await, vec![7; 300_000], "{name}");
    }
    let topped = storage.run(&["deal", "top-up", "5"]).await.unwrap();
    assert_eq!(topped["notActive"].as_array().unwrap().len(), 0, "{topped}");
    stage(&storage, &cid, "active").await;
    assert_eq!(read(&storage, &cid, "alive").await, vec![7; 300_000]);
    storage.run(&["deal", "renew", &cid, "--for", "1h"]).await.unwrap();

    storage.run(&["deal", "withdraw"]).await.unwrap();
    storage.wait(&cid, "the end", |object| object["healthy"] == 0 && object["answering"] == 0).await.unwrap();
    let gone = ["get", &cid, "--from-providers", "--output", "gone"];
    assert_eq!(error(&storage, &gone).await, ("NX6011".to_owned(), Some(1)));
    storage.stop().await.unwrap();
}

#[tokio::test]
async fn prices_are_shown_before_anything_is_paid_and_what_cannot_be_is_refused_slow() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::start(dir.path(), (3, "10"), same).await.unwrap();
    let cid = add(&storage, 100_000).await;
    let plan = storage.run(&["deal", "make", &cid, "--plan"]).await.unwrap();
    assert_eq!(
        (&plan["product"], plan["providers"].as_array().unwrap().len()),
        (&Value::from("copies-3"), 3)
    );
    assert_eq!(error(&storage, &["deal", "show", &cid]).await, ("NX6011".to_owned(), Some(4)));
    assert_eq!(
        error(&storage, &["deal", "make", &cid]).await,
        ("NX1020".to_owned(), Some(2)),
        "nobody confirms"
    );
    let many = ["deal", "make", &cid, "--product", "rs-2-4", "--yes"];
    assert_eq!(error(&storage, &many).await, ("NX6007".to_owned(), Some(1)));
    let elsewhere = ["deal", "make", &cid, "--region", "moon", "--yes"];
    assert_eq!(error(&storage, &elsewhere).await, ("NX6007".to_owned(), Some(1)));
    let listed = storage.run(&["ls"]).await.unwrap();
    assert_eq!(listed["objects"].as_array().unwrap().len(), 0, "{listed}");
    let poor = dir.path().join("poor.key");
    std::fs::write(&poor, "11".repeat(32)).unwrap();
    let poor = ["deal", "make", &cid, "--yes", "--key-file", poor.to_str().unwrap()];
    assert_eq!(error(&storage, &poor).await, ("NX6008".to_owned(), Some(3)));
    uploads_need_a_deal(&storage, dir.path()).await;

    let key = storage.key(0);
    storage.run(&["provider", "offer", "--close", "--key-file", &key]).await.unwrap();
    let closed = ["deal", "make", &cid, "--product", "copies-3", "--yes"];
    assert_eq!(error(&storage, &closed).await, ("NX6007".to_owned(), Some(1)));
    storage.run(&["provider", "offer", "--open", "--price", "1", "--key-file", &key]).await.unwrap();
    storage.run(&closed).await.unwrap();
    let again = storage.run(&closed).await.unwrap();
    assert_eq!(again["quote"], Value::Null, "what is kept already is not bought again: {again}");
    let listed = storage.run(&["ls", "--health"]).await.unwrap();
    assert_eq!(
        (&listed["objects"][0]["cid"], &listed["objects"][0]["answering"]),
        (&cid.clone().into(), &3.into())
    );
    assert_eq!(read(&storage, &cid, "back.bin").await, vec![7; 100_000]);
    each_object_has_money_of_its_own(&storage).await;
    storage.stop().await.unwrap();
}

/// Money that an earlier deal will need is not there for a later one, though nothing locks it.
async fn each_object_has_money_of_its_own(storage: &Storage) {
    let before: U256 =
        storage.ledger().events::<Deposited>().await.unwrap().iter().map(|paid| paid.units).sum();
    std::fs::write(storage.dir.join("second.bin"), vec![8; 100_000]).unwrap();
    let added = storage.run(&["add", "second.bin"]).await.unwrap();
    let args = ["deal", "make", added["cid"].as_str().unwrap(), "--product", "copies-2", "--yes"];
    let made = storage.run(&args).await.unwrap();
    let after: U256 =
        storage.ledger().events::<Deposited>().await.unwrap().iter().map(|paid| paid.units).sum();
    let storage_units: U256 = made["quote"]["storageUnits"].as_str().unwrap().parse().unwrap();
    assert!(before + storage_units <= after, "{before} and then {after} units were deposited: {made}");
}

/// Nothing gets onto a provider's disk without a deal for it.
async fn uploads_need_a_deal(storage: &Storage, dir: &Path) {
    let http = reqwest::Client::new();
    let listed = storage.run(&["provider", "list"]).await.unwrap();
    let uri = listed["providers"][0]["uri"].as_str().unwrap();
    for (path, status) in [
        (format!("{}?deal=0", "ab".repeat(32)), 403),
        ("nonsense?deal=0".to_owned(), 400),
        (format!("{}?deal=x", "ab".repeat(32)), 400),
        ("ab".repeat(32), 400),
    ] {
        let answer = http.put(format!("{uri}/api/v1/pieces/{path}")).body(vec![1; 64]).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    let cells = format!("{uri}/api/v1/pieces/{}/cells?from=0&to=1", "ab".repeat(32));
    assert_eq!(http.get(cells).send().await.unwrap().status(), 404);
    let kept = std::fs::read_dir(dir.join("net/p0/data/pieces")).unwrap().count();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn several_roots_are_kept_as_one_pack_and_read_one_by_one_slow() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::start(dir.path(), (3, "10"), same).await.unwrap();
    let folder = add(&storage, 300_000).await;
    let file = async |name: &str, content: &[u8]| {
        std::fs::write(storage.dir.join(name), content).unwrap();
        let added = storage.run(&["add", name]).await.unwrap();
        added["cid"].as_str().unwrap().to_owned()
    };
    let (large, small) = (file("large.bin", &vec![9; 2_500_000]).await, file("small.txt", b"small").await);
    let lacking = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let missing = ["deal", "make", &small, lacking, "--yes"];
    assert_eq!(error(&storage, &missing).await, ("NX3003".to_owned(), Some(4)));
    let terms = ["--product", "copies-3", "--for", "1h", "--yes"];
    let make = ["deal", "make", &folder, &large, &small, &large];
    let made = storage.run(&[make.as_slice(), &terms].concat()).await.unwrap();
    let (pack, roots) = (made["cid"].as_str().unwrap(), made["roots"].as_array().unwrap());
    assert_eq!((&made["healthy"], roots.len()), (&Value::from(3), 3), "given twice is kept once: {made}");
    assert_eq!(storage.show(pack).await.unwrap()["answering"], 3);
    assert_eq!(error(&storage, &["deal", "show", &large]).await.0, "NX6011", "it has no deal of its own");
    let turned = ["deal", "make", &small, &large, &folder];
    let again = storage.run(&[turned.as_slice(), &terms].concat()).await.unwrap();
    assert_eq!((&again["cid"], &again["quote"]), (&made["cid"], &Value::Null), "{again}");

    assert_eq!(read(&storage, &format!("{pack}/{folder}"), "folder").await, vec![7; 300_000]);
    for (root, content) in [(&large, &vec![9; 2_500_000][..]), (&small, b"small")] {
        let path = format!("{pack}/{root}");
        storage.run(&["get", &path, "--from-providers", "--output", root]).await.unwrap();
        assert!(std::fs::read(storage.dir.join(root)).unwrap() == content, "{root}");
    }
    storage.stop().await.unwrap();
}

/// Until the providers of `nubes dev` have registered.
pub(super) async fn providers_are_there(rpc: &Rpc, door: &str, here: &Path) {
    let wait = async {
        loop {
            let listed = nubes_json(here, &["provider", "list", "--node", door]).await.unwrap();
            let open = listed["providers"].as_array().unwrap().iter().filter(|one| one["open"] == true);
            if open.count() == 3 {
                return;
            }
            rpc.reach(rpc.block_number().await.unwrap() + 1).await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), wait).await.unwrap();
}

#[tokio::test]
async fn a_node_serves_from_its_providers_what_it_does_not_have_slow() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let cloud = Cloud::start(None, &here.join("data"), free_port_base().unwrap()).await.unwrap();
    let door = cloud.door();
    let run = async |args: &[&str]| nubes_json(here, &[args, &["--node", &door]].concat()).await.unwrap();
    let content: Vec<u8> = (0..3_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::create_dir(here.join("site")).unwrap();
    std::fs::write(here.join("site/large.bin"), &content).unwrap();
    std::fs::write(here.join("site/index.html"), "from providers").unwrap();
    let cid = run(&["add", "site"]).await["cid"].as_str().unwrap().to_owned();
    providers_are_there(&cloud.rpc().unwrap(), &door, here).await;
    run(&["deal", "make", &cid, "--product", "copies-3", "--for", "1h", "--yes"]).await;
    run(&["pin", "rm", &cid]).await;
    let freed = run(&["store", "collect"]).await;
    assert!(freed["freedBytes"].as_u64().unwrap() >= 3 << 20, "{freed}");
    let get = async |path: &str| reqwest::get(format!("{door}/ipfs/{path}")).await.unwrap();
    let cached =
        reqwest::Client::new().get(format!("{door}/ipfs/{cid}/")).header("cache-control", "only-if-cached");
    assert_eq!(cached.send().await.unwrap().status(), 412, "it is not here");
    let gateway = format!("/ip4/127.0.0.1/tcp/{}/http", cloud.port_base);
    let given = provider(&door, &cid).await;
    assert_eq!(given["Protocols"], json!(["transport-ipfs-gateway-http"]), "{given}");
    assert_eq!(given["Addrs"], json!([gateway]), "{given}");
    let all = read_at_once(&door, &cid).await;
    assert!(all.iter().all(|bytes| *bytes == content), "the right bytes for all who ask at once");
    assert_eq!(get(&format!("{cid}/")).await.text().await.unwrap(), "from providers");
    let cached =
        reqwest::Client::new().get(format!("{door}/ipfs/{cid}/")).header("cache-control", "only-if-cached");
    assert_eq!(cached.send().await.unwrap().status(), 200, "it is here from now on");
    let given = provider(&door, &cid).await;
    assert_eq!(given["Protocols"], json!(["transport-bitswap", "transport-ipfs-gateway-http"]), "{given}");
    assert_eq!(
        (given["Addrs"].as_array().unwrap().len(), &given["Addrs"][3]),
        (4, &gateway.into()),
        "{given}"
    );
    let unknown = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    assert_eq!(get(unknown).await.status(), 404);
    assert_eq!(provider(&door, unknown).await, Value::Null);
    // Whoever turned it off has only what is here.
    run(&["store", "collect"]).await;
    cloud.process.stop().await.unwrap();
    let file = here.join("data/v0/node.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("providers = true", "providers = false")).unwrap();
    let cloud = Cloud::start(None, &here.join("data"), cloud.port_base).await.unwrap();
    assert_eq!(get(&format!("{cid}/")).await.status(), 404);
    assert_eq!(provider(&door, &cid).await, Value::Null);
    cloud.process.stop().await.unwrap();
}

/// The first who can give a block, as delegated routing says it.
async fn provider(door: &str, cid: &str) -> Value {
    let answer = reqwest::get(format!("{door}/routing/v1/providers/{cid}")).await.unwrap();
    answer.json::<Value>().await.unwrap()["Providers"][0].clone()
}

/// The large file, asked for four times at the same moment.
async fn read_at_once(door: &str, cid: &str) -> [Vec<u8>; 4] {
    let get = async || {
        let answer = reqwest::get(format!("{door}/ipfs/{cid}/large.bin")).await.unwrap();
        answer.bytes().await.unwrap().to_vec()
    };
    tokio::join!(get(), get(), get(), get()).into()
}
