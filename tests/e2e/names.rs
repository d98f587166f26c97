//! Names are looked at, kept for longer, written to and given away.

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, TxKind, U256, address, keccak256};
use alloy_sol_types::{SolCall, sol};
use nubes_tests::{Cloud, Wallet, free_port_base, nubes, nubes_json};
use serde_json::{Value, json};
use std::path::PathBuf;

sol! {
    function registerWith(bytes32 label, address owner, address resolver, uint64 duration) returns (bytes32);
}

const REGISTRAR: Address = address!("4e75626573000000000000000000000000000002");
const RESOLVER: Address = address!("4e75626573000000000000000000000000000001");
const GAS_MAX: u64 = 300_000;
const DAY: u64 = 86_400;
/// The second development account, whose key everybody knows.
const OTHER_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// An app, a cloud, and the key of somebody else.
struct Town {
    app: PathBuf,
    other_key: String,
    other: String,
    cloud: Cloud,
    _dir: tempfile::TempDir,
}

impl Town {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        assert!(nubes(dir.path(), &["new", "shop", "--template", "static"]).await.unwrap().status.success());
        let key = dir.path().join("other.key");
        std::fs::write(&key, OTHER_KEY).unwrap();
        let cloud = Cloud::start(None, &dir.path().join("data"), free_port_base().unwrap()).await.unwrap();
        let other = Wallet::development(1).unwrap().address().to_string();
        let (app, other_key) = (dir.path().join("shop"), key.to_str().unwrap().to_owned());
        Self { app, other_key, other, cloud, _dir: dir }
    }

    async fn run(&self, args: &[&str]) -> Value {
        nubes_json(&self.app, &[args, &["--node", &self.cloud.door()]].concat()).await.unwrap()
    }

    async fn run_as_other(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--key-file", &self.other_key]].concat()).await
    }

    /// The exit code and the error.
    async fn refused(&self, args: &[&str]) -> (i32, Value) {
        let node = self.cloud.door();
        let output = nubes(&self.app, &[args, &["--json", "--node", &node]].concat()).await.unwrap();
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        (output.status.code().unwrap(), error["error"].clone())
    }

    async fn show(&self, name: &str) -> Value {
        self.run(&["name", "show", name]).await
    }

    /// Asks the registrar for a name, for a shorter time than `nubes deploy` does.
    async fn register(&self, name: &str, seconds: u64) {
        let (rpc, wallet) = (self.cloud.rpc().unwrap(), Wallet::development(0).unwrap());
        let (label, owner) = (keccak256(name), wallet.address());
        let call = registerWithCall { label, owner, resolver: RESOLVER, duration: seconds };
        let plain = Wallet::transfer(wallet.nonce(&rpc).await.unwrap(), REGISTRAR, U256::ZERO);
        let call = TxEip1559 {
            gas_limit: GAS_MAX,
            to: TxKind::Call(REGISTRAR),
            input: call.abi_encode().into(),
            ..plain
        };
        let raw = wallet.sign(call).unwrap();
        let receipt = rpc.call("eth_sendRawTransactionSync", json!([raw])).await.unwrap();
        assert_eq!(receipt["status"], "0x1", "{receipt}");
    }
}

fn whats(value: &Value) -> Vec<&str> {
    value["transactions"].as_array().unwrap().iter().map(|sent| sent["what"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_name_is_renewed_written_to_and_given_away_slow() {
    let town = Town::start().await;
    assert_eq!(town.show("shop").await["state"], "free");
    let (exit, error) = town.refused(&["name", "renew", "shop"]).await;
    assert_eq!((exit, &error["code"]), (4, &"NX1038".into()));

    town.register("shop", 28 * DAY).await;
    let shop = town.show("shop").await;
    assert_eq!(shop["state"], "held");
    assert!((27 * DAY..=28 * DAY).contains(&shop["secondsLeft"].as_u64().unwrap()), "{shop}");
    let deployed = town.run(&["deploy", "--yes"]).await;
    assert_eq!(whats(&deployed), ["renewal of shop", "record of shop"], "a deployment renews what ends soon");
    assert_eq!(town.run(&["deploy", "--yes"]).await["transactions"], json!([]));
    let shop = town.show("shop.nubes").await;
    assert_eq!(shop["records"]["nubes.app"], deployed["record"]);
    assert!(shop["records"]["site"].as_str().unwrap().starts_with("ipfs://"), "{shop}");

    renewals(&town, shop["expiresAt"].as_u64().unwrap()).await;
    texts(&town).await;
    names_below(&town).await;

    let (exit, error) = town.refused(&["name", "transfer", "shop", &town.other]).await;
    assert_eq!((exit, &error["code"]), (2, &"NX1020".into()), "giving away is confirmed");
    town.run(&["name", "transfer", "shop", &town.other, "--yes"]).await;
    assert_eq!(town.show("shop").await["owner"], town.other.to_lowercase());
    assert_eq!(town.refused(&["deploy", "--yes"]).await.1["code"], "NX1018");
    assert_eq!(town.run_as_other(&["deploy", "--yes"]).await["transactions"], json!([]));
    town.cloud.process.stop().await.unwrap();
}

async fn renewals(town: &Town, expires_at: u64) {
    let renewed = town.run_as_other(&["name", "renew", "shop", "--for", "1y"]).await;
    assert_eq!(renewed["expiresAt"], expires_at + 365 * DAY, "anybody may renew");
    let (exit, error) = town.refused(&["name", "renew", "shop", "--for", "10y"]).await;
    assert_eq!((exit, &error["code"]), (1, &"NX1019".into()));
    assert!(error["causes"].to_string().contains("DurationOutOfRange"), "{error}");
    assert_eq!(town.show("shop").await["expiresAt"], renewed["expiresAt"]);
    let (exit, error) = town.refused(&["name", "renew", "fix.shop"]).await;
    assert_eq!((exit, &error["code"]), (2, &"NX1027".into()));
}

async fn texts(town: &Town) {
    town.run(&["name", "set", "shop", "url", "https://shop.example"]).await;
    town.run(&["name", "set", "shop", "own.key", "-1"]).await;
    assert_eq!(town.show("shop").await["records"]["url"], "https://shop.example");
    assert_eq!(town.run(&["name", "show", "shop", "--key", "own.key"]).await["records"]["own.key"], "-1");
    town.run(&["name", "set", "shop", "url", ""]).await;
    assert_eq!(town.show("shop").await["records"]["url"], Value::Null);
    let refused = ["name", "set", "shop", "url", "x", "--key-file", &town.other_key];
    let (exit, error) = town.refused(&refused).await;
    assert_eq!((exit, &error["code"]), (5, &"NX1018".into()));
}

async fn names_below(town: &Town) {
    let given = town.run(&["name", "sub", "shop", "blog", "--owner", &town.other]).await;
    assert_eq!((&given["name"], whats(&given)), (&"blog.shop.nubes".into(), vec!["name blog.shop.nubes"]));
    let again = town.run(&["name", "sub", "shop", "blog", "--owner", &town.other]).await;
    assert_eq!(again["transactions"], json!([]));
    town.run_as_other(&["name", "set", "blog.shop", "url", "https://other.example"]).await;
    assert_eq!(town.show("blog.shop").await["records"]["url"], "https://other.example");
    let (exit, error) = town.refused(&["name", "set", "blog.shop", "url", "x"]).await;
    assert_eq!((exit, &error["code"]), (5, &"NX1018".into()), "what was given is not written to");
    assert_eq!(town.refused(&["deploy", "--preview", "blog", "--yes"]).await.1["code"], "NX1018");

    assert_eq!(town.refused(&["name", "sub", "shop", "blog"]).await.1["code"], "NX1020");
    let taken = town.run(&["name", "sub", "shop", "blog", "--yes"]).await;
    assert_eq!(whats(&taken).len(), 3, "{taken}");
    let blog = town.show("blog.shop").await;
    assert_eq!(blog["records"], json!({}), "nothing of the former owner answers: {blog}");
    let previewed = town.run(&["deploy", "--preview", "blog", "--yes"]).await;
    assert_eq!(whats(&previewed), ["record of blog--shop"]);
}

#[tokio::test]
async fn a_name_below_ipns_is_the_site_that_the_ledger_says_now_slow() {
    let town = Town::start().await;
    let (door, client) = (town.cloud.door(), reqwest::Client::new());
    let get = async |path: &str| client.get(format!("{door}{path}")).send().await.unwrap();
    let nothing = get("/ipns/shop.nubes/").await;
    assert_eq!(nothing.status(), 502);
    assert!(nothing.text().await.unwrap().contains("shop.nubes points to nothing on the ledger"));
    for page in ["first", "second"] {
        std::fs::write(town.app.join("web/index.html"), page).unwrap();
        town.run(&["deploy", "--yes"]).await;
        let answer = get("/ipns/shop.nubes/").await;
        assert_eq!(answer.headers()["cache-control"], "public, max-age=0, must-revalidate");
        assert_eq!(answer.text().await.unwrap(), page);
        let own = client.get(&door).header("host", "shop-nubes.ipns.localhost").send().await.unwrap();
        assert_eq!(own.text().await.unwrap(), page);
        let resolved =
            client.post(format!("{door}/api/v0/name/resolve?arg=shop.nubes")).send().await.unwrap();
        let path = resolved.json::<Value>().await.unwrap()["Path"].as_str().unwrap().to_owned();
        assert_eq!(get(&format!("{path}/")).await.text().await.unwrap(), page);
    }
    assert!(get("/ipns/shop.nubes/style.css").await.status().is_success());
    assert_eq!(get("/ipns/fix.shop.nubes/").await.status(), 502);
    town.cloud.process.stop().await.unwrap();
}
