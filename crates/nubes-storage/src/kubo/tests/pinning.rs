use super::{Fixture, file, fixture, fixture_with, node};
use crate::block::Block;
use crate::pins::{ConnectError, FetchError, Mode, OwnAddress, Peer, Peers, Status, Wish};
use crate::store::Store;
use async_trait::async_trait;
use cid::Cid;
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};
use std::sync::Arc;

impl Fixture {
    async fn pinned(&self, query: &str) -> Value {
        self.call(&format!("pin/ls?{query}")).await.json()["Keys"].clone()
    }
}

#[tokio::test]
async fn pins_are_made_listed_and_removed() {
    let fixture = fixture();
    let folder = fixture.upload("add?pin=false", &[file("d/a", b"1")]).await.lines();
    let [leaf, root] = [0, 1].map(|at| folder[at]["Hash"].as_str().unwrap().to_owned());
    assert_eq!(fixture.pinned("").await, json!({}));
    let added = fixture.call(&format!("pin/add?arg=/ipfs/{root}&name=mine")).await.json();
    assert_eq!(added, json!({ "Pins": [root] }));
    let all = fixture.pinned("names=true").await;
    assert_eq!(all[&root], json!({ "Type": "recursive", "Name": "mine" }));
    assert_eq!(all[&leaf]["Type"], "indirect");
    assert_eq!(fixture.pinned("").await[&root]["Name"], "");
    assert_eq!(fixture.pinned("type=indirect").await.as_object().unwrap().len(), 1);
    assert_eq!(fixture.pinned("type=direct").await, json!({}));
    assert_eq!(fixture.pinned("name=other").await, json!({}));
    assert_eq!(fixture.pinned("name=mine").await.as_object().unwrap().len(), 1);
    let through = fixture.pinned(&format!("arg={root}/a")).await;
    assert_eq!(through[&leaf]["Type"], format!("indirect through {root}"));
    let streamed = fixture.call("pin/ls?stream=true&type=recursive").await.lines();
    assert_eq!(streamed, [json!({ "Cid": root, "Type": "recursive", "Name": "" })]);
    fixture.call("pin/ls?type=strong").await.refusal(400);
    fixture.call(&format!("pin/add?arg={root}&recursive=false")).await.refusal(500);
    let refusal = fixture.call(&format!("pin/rm?arg={leaf}")).await.refusal(500);
    assert!(refusal.contains("not pinned or pinned indirectly"));
    fixture.call(&format!("pin/rm?arg={root}&recursive=false")).await.refusal(500);
    assert_eq!(fixture.call(&format!("pin/rm?arg={root}")).await.json(), json!({ "Pins": [root] }));
    let refusal = fixture.call(&format!("pin/ls?arg={root}")).await.refusal(500);
    assert!(refusal.contains("is not pinned"));
    fixture.call(&format!("pin/add?arg={root}&recursive=false")).await.json();
    assert_eq!(fixture.pinned("").await, json!({ root: { "Type": "direct", "Name": "" } }));
}

#[tokio::test]
async fn a_pin_moves_to_another_root_with_its_name() {
    let fixture = fixture();
    let (old, new) = (fixture.added("old").await, fixture.added("new").await);
    fixture.call(&format!("pin/add?arg={old}&name=site")).await.json();
    fixture.call(&format!("pin/update?arg={old}&arg={new}")).await.json();
    assert_eq!(
        fixture.pinned("names=true").await,
        json!({ new.clone(): { "Type": "recursive", "Name": "site" } })
    );
    fixture.call(&format!("pin/update?arg={old}&arg={new}")).await.refusal(500);
    fixture.call(&format!("pin/update?arg={new}&arg={old}&unpin=false")).await.json();
    assert_eq!(fixture.pinned("").await.as_object().unwrap().len(), 2);
    fixture.call(&format!("pin/update?arg={old}")).await.refusal(400);
}

#[tokio::test]
async fn pins_that_wait_are_not_listed_and_bad_ones_are_refused() {
    let fixture = fixture();
    let missing = *node(&Ipld::Bool(true)).cid();
    fixture.pins.add(Wish::new(missing, Mode::Recursive), Status::Queued).unwrap();
    assert_eq!(fixture.pinned("").await, json!({}));
    let refusal = fixture.call(&format!("pin/add?arg={missing}")).await.refusal(500);
    assert!(refusal.contains("has no exchange"), "{refusal}");
    fixture.call("pin/add").await.refusal(400);
    fixture.call("pin/add?arg=x").await.refusal(400);
    let arguments = format!("&arg={missing}").repeat(1001);
    fixture.call(&format!("pin/rm?{arguments}")).await.refusal(400);
    let name = "x".repeat(256);
    let here = fixture.added("here").await;
    fixture.call(&format!("pin/add?arg={here}&name={name}")).await.refusal(400);
}

/// Peers that give one block for each time that they are asked, as those do who do not know a codec's links.
#[derive(Debug)]
struct Stingy {
    store: Store,
    has: Vec<Block>,
}

#[async_trait]
impl Peers for Stingy {
    async fn fetch(&self, root: &Cid, _: Mode) -> Result<(), FetchError> {
        let Some(block) = self.has.iter().find(|block| block.cid() == root) else {
            return Err(FetchError::NotFound { cid: *root, source: "nobody has it".into() });
        };
        self.store.put_many(vec![block.clone()]).await.unwrap();
        Ok(())
    }

    async fn connect(&self, address: &str) -> Result<String, ConnectError> {
        Ok(format!("peer of {address}"))
    }

    async fn connected(&self) -> Vec<Peer> {
        vec![Peer {
            id: "them".to_owned(),
            address: "/ip4/192.0.2.1".to_owned(),
            agent: Some("a/1".to_owned()),
        }]
    }

    fn own(&self) -> Option<OwnAddress> {
        let id = "12D3KooWAvVQR9hFLDFvSfWjVZtFVaFDCTCSKYkVpjzCxgsL2t8S".to_owned();
        Some(OwnAddress { addresses: vec![format!("/ip4/127.0.0.1/tcp/1/p2p/{id}")], id })
    }
}

#[tokio::test]
async fn what_is_missing_is_fetched_level_by_level_before_it_is_pinned() {
    let leaf = node(&Ipld::Integer(1));
    let gone = node(&Ipld::Integer(2));
    let middle = node(&Ipld::List(vec![Ipld::Link(*leaf.cid())]));
    let root = node(&Ipld::List(vec![Ipld::Link(*middle.cid())]));
    let gap = node(&Ipld::List(vec![Ipld::Link(*gone.cid())]));
    let has = vec![leaf.clone(), middle, root.clone(), gap.clone()];
    let fixture = fixture_with(|store| Arc::new(Stingy { store: store.clone(), has }));
    fixture.call(&format!("pin/add?arg={}", root.cid())).await.json();
    assert!(fixture.store.has(leaf.cid()).await.unwrap());
    assert_eq!(fixture.pins.of(root.cid()).unwrap()[0].status, Status::Pinned);
    let refusal = fixture.call(&format!("pin/add?arg={}", gap.cid())).await.refusal(500);
    assert!(refusal.contains("nobody has it"), "{refusal}");
    assert_eq!(fixture.pins.of(gap.cid()).unwrap(), []);
}

/// Peers that never answer.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Peers for Silent {
    async fn fetch(&self, _: &Cid, _: Mode) -> Result<(), FetchError> {
        std::future::pending().await
    }

    async fn connect(&self, _: &str) -> Result<String, ConnectError> {
        std::future::pending().await
    }

    async fn connected(&self) -> Vec<Peer> {
        Vec::new()
    }

    fn own(&self) -> Option<OwnAddress> {
        None
    }
}

#[tokio::test]
async fn a_call_waits_no_longer_than_it_was_told() {
    let fixture = fixture_with(|_| Arc::new(Silent));
    let missing = *node(&Ipld::Bool(true)).cid();
    let refusal = fixture.call(&format!("pin/add?arg={missing}&timeout=20ms")).await.refusal(500);
    assert_eq!(refusal, "context deadline exceeded");
    fixture.call("version?timeout=soon").await.refusal(400);
    fixture.call("version?timeout=1h").await.json();
}

#[tokio::test]
async fn the_node_and_its_peers_are_told() {
    let fixture = fixture_with(|store| Arc::new(Stingy { store: store.clone(), has: Vec::new() }));
    let id = fixture.call("id").await.json();
    assert_eq!(id["AgentVersion"], "nubes/1.2.3");
    assert!(id["PublicKey"].as_str().unwrap().starts_with("CAES"));
    fixture.call("id?arg=other").await.refusal(400);
    let peers = fixture.call("swarm/peers").await.json();
    assert_eq!(
        peers["Peers"][0],
        json!({ "Addr": "/ip4/192.0.2.1", "Peer": "them", "Identify": { "AgentVersion": "a/1" } })
    );
    let connected = fixture.call("swarm/connect?arg=/a&arg=/b").await.json();
    assert_eq!(connected, json!({ "Strings": ["connect peer of /a success", "connect peer of /b success"] }));
}
