use super::{Upkeep, UpkeepError};
use crate::block::{Block, RAW};
use crate::car::{frame, header};
use crate::ingest::{self, IngestLimits};
use crate::ipns::Records;
use crate::pins::{NoPeers, Pinner, Pins};
use crate::segments::Config;
use crate::store::Store;
use axum::{Router, body, body::Body};
use bytes::Bytes;
use cid::Cid;
use http::{Request, StatusCode};
use ipld_core::ipld::Ipld;
use multihash_codetable::{Code, MultihashDigest};
use nubes_base::SystemClock;
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;
use tower::ServiceExt;

const DAG_CBOR: u64 = 0x71;

struct Fixture {
    dir: TempDir,
    store: Store,
    upkeep: Upkeep,
    router: Router,
}

fn open(dir: &Path) -> (Store, Upkeep, Router) {
    let store = Store::open(dir, Config::STANDARD).unwrap();
    let pins = Pins::open(&dir.join("pins.redb"), Arc::new(SystemClock)).unwrap();
    let records = Records::open(&dir.join("names.redb")).unwrap();
    let pinner = Pinner::new(pins, store.clone(), Arc::new(NoPeers), Arc::new(SystemClock));
    let upkeep = Upkeep::new(pinner.clone(), records, Arc::new(SystemClock));
    let limits = IngestLimits { car_bytes_max: 1 << 20, file_bytes_max: 1 << 20 };
    let routes = super::routes(upkeep.clone()).merge(ingest::routes(pinner.clone(), limits));
    (store, upkeep, routes.merge(crate::pins::routes(pinner)))
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let (store, upkeep, router) = open(&dir.path().join("storage"));
    Fixture { dir, store, upkeep, router }
}

async fn call(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn post(router: &Router, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    call(router, Request::post(path).body(body.into()).unwrap()).await
}

fn block(codec: u64, content: &[u8]) -> Block {
    Block::new(Cid::new_v1(codec, Code::Sha2_256.digest(content)), Bytes::copy_from_slice(content)).unwrap()
}

fn node(children: &[&Block]) -> Block {
    let links = children.iter().map(|child| Ipld::Link(*child.cid())).collect();
    block(DAG_CBOR, &serde_ipld_dagcbor::to_vec(&Ipld::List(links)).unwrap())
}

fn car(root: &Block, blocks: &[&Block]) -> Vec<u8> {
    let mut car = header(&[*root.cid()]).to_vec();
    for block in blocks {
        car.extend_from_slice(&frame(block.cid(), block.bytes().len()));
        car.extend_from_slice(block.bytes());
    }
    car
}

#[tokio::test]
async fn a_collection_keeps_what_was_added_with_a_pin_and_removes_the_rest() {
    let Fixture { dir: _dir, store, router, .. } = fixture();
    let (leaf, lone) = (block(RAW, &[1; 5_000]), block(RAW, &vec![2; 50_000]));
    let root = node(&[&leaf]);
    let (status, _) = post(&router, "/api/v1/car?pin=a%20name", car(&root, &[&leaf, &root])).await;
    assert_eq!(status, StatusCode::OK);
    post(&router, "/api/v1/car", car(&lone, &[&lone])).await;
    let (_, pins) =
        call(&router, Request::get("/api/v1/pins?name=a+name").body(Body::empty()).unwrap()).await;
    assert_eq!(pins["pins"][0]["cid"], root.cid().to_string());
    let (status, freed) = post(&router, "/api/v1/store/collect", "").await;
    assert_eq!((status, &freed["removedBlocks"]), (StatusCode::OK, &json!(1)), "{freed}");
    assert!(freed["freedBytes"].as_u64().unwrap() >= 50_000, "{freed}");
    assert!(store.has(leaf.cid()).await.unwrap() && store.has(root.cid()).await.unwrap());
    assert!(!store.has(lone.cid()).await.unwrap());
}

#[tokio::test]
async fn what_a_collection_took_during_an_upload_is_asked_for_again() {
    let Fixture { dir: _dir, upkeep, router, .. } = fixture();
    let leaf = block(RAW, b"leaf");
    let root = node(&[&leaf]);
    post(&router, "/api/v1/car", car(&leaf, &[&leaf])).await;
    upkeep.collect().await.unwrap();
    let (status, problem) = post(&router, "/api/v1/car?pin=x", car(&root, &[&root])).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("NX3050")));
    post(&router, "/api/v1/car", car(&leaf, &[&leaf])).await;
    // A header alone.
    let (status, answer) = post(&router, "/api/v1/car?pin=x", car(&root, &[])).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn pins_of_other_names_stay_when_one_goes() {
    let Fixture { dir: _dir, store, upkeep, router, .. } = fixture();
    let leaf = block(RAW, b"leaf");
    let remove = async |name: &str| {
        let path = format!("/api/v1/pins/{}?name={name}", leaf.cid());
        call(&router, Request::delete(path).body(Body::empty()).unwrap()).await.0
    };
    post(&router, "/api/v1/car?pin=app:a", car(&leaf, &[&leaf])).await;
    post(&router, "/api/v1/car?pin=app:b", car(&leaf, &[])).await;
    post(&router, "/api/v1/car?pin=app:b", car(&leaf, &[])).await;
    assert_eq!(upkeep.status().await.unwrap().pins, 2);
    assert_eq!(remove("app:a").await, StatusCode::OK);
    assert_eq!(remove("app:a").await, StatusCode::NOT_FOUND);
    upkeep.collect().await.unwrap();
    assert!(store.has(leaf.cid()).await.unwrap());
    assert_eq!(remove("app:b").await, StatusCode::OK);
    upkeep.collect().await.unwrap();
    assert!(!store.has(leaf.cid()).await.unwrap());
}

#[tokio::test]
async fn a_damaged_block_is_named_and_mended_by_adding_it_again() {
    let Fixture { dir, store, router, .. } = fixture();
    let leaf = block(RAW, &[9; 5_000]);
    post(&router, "/api/v1/car?pin=x", car(&leaf, &[&leaf])).await;
    let segment = dir.path().join("storage/segments/00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() - 100;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (status, check) = post(&router, "/api/v1/store/check", "").await;
    assert_eq!((status, &check["damagedBlocks"]), (StatusCode::OK, &json!(1)), "{check}");
    assert_eq!(check["damaged"][0]["cid"], leaf.cid().to_string());
    assert!(!store.has(leaf.cid()).await.unwrap());
    let (_, status) = call(&router, Request::get("/api/v1/store").body(Body::empty()).unwrap()).await;
    assert_eq!(status["lastCheck"], check);
    assert_eq!((&status["bytesMax"], &status["pins"]), (&Value::Null, &json!(1)));
    post(&router, "/api/v1/car?pin=x", car(&leaf, &[&leaf])).await;
    let (_, check) = post(&router, "/api/v1/store/check", "").await;
    assert_eq!(check["damagedBlocks"], 0);
}

#[tokio::test]
async fn a_collection_removes_nothing_while_a_pinned_block_is_damaged() {
    let Fixture { dir, store, upkeep, router } = fixture();
    let leaf = block(RAW, b"leaf");
    let root = node(&[&leaf]);
    post(&router, "/api/v1/car?pin=x", car(&root, &[&leaf, &root])).await;
    // The root is the last record, and its last byte is of its payload.
    let segment = dir.path().join("storage/segments/00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&segment, bytes).unwrap();
    // Opened anew, because the first one has the root in memory.
    drop((router, store, upkeep));
    let (store, _, router) = open(&dir.path().join("storage"));
    let (status, problem) = post(&router, "/api/v1/store/collect", "").await;
    assert_eq!((status, &problem["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("NX3052")));
    assert!(problem["detail"].as_str().unwrap().contains(&root.cid().to_string()), "{problem}");
    assert!(store.has(leaf.cid()).await.unwrap());
    post(&router, "/api/v1/car", car(&root, &[&root])).await;
    let (status, answer) = post(&router, "/api/v1/store/collect", "").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(store.has(leaf.cid()).await.unwrap() && store.has(root.cid()).await.unwrap());
}

#[tokio::test]
async fn a_copy_opens_with_its_pins_and_its_folder_is_taken() {
    let Fixture { dir, router, .. } = fixture();
    let leaf = block(RAW, b"leaf");
    post(&router, "/api/v1/car?pin=x", car(&leaf, &[&leaf])).await;
    let to = dir.path().join("copy");
    let body = || json!({ "dir": to }).to_string();
    let (status, answer) = post(&router, "/api/v1/store/backup", body()).await;
    assert_eq!((status, &answer["blocks"]), (StatusCode::OK, &json!(1)), "{answer}");
    let (status, problem) = post(&router, "/api/v1/store/backup", body()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("NX3053")));
    let (status, problem) = post(&router, "/api/v1/store/backup", r#"{"dir":"copy"}"#).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("NX3053")));
    let (store, upkeep, _) = open(&to);
    upkeep.collect().await.unwrap();
    assert_eq!(store.get(leaf.cid()).await.unwrap().as_ref(), b"leaf");
    assert_eq!(upkeep.status().await.unwrap().pins, 1);
}

#[tokio::test]
async fn one_runs_at_a_time_and_no_page_of_a_browser_starts_any() {
    let Fixture { dir: _dir, upkeep, router, .. } = fixture();
    let turn = upkeep.turn.lock().await;
    assert!(matches!(upkeep.collect().await, Err(UpkeepError::Busy)));
    let (status, problem) = post(&router, "/api/v1/store/check", "").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("NX3051")));
    drop(turn);
    upkeep.idle().await;
    let page = Request::post("/api/v1/store/collect").header("origin", "http://localhost:8080");
    let (status, problem) = call(&router, page.body(Body::empty()).unwrap()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("NX3055")));
}
