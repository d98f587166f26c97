use super::{CIDS_MAX, IngestLimits, routes};
use crate::block::{Block, RAW};
use crate::car::{frame, header};
use crate::pins::{NoPeers, Pinner, Pins};
use crate::segments::Config;
use crate::store::Store;
use axum::{Router, body, body::Body};
use bytes::Bytes;
use cid::Cid;
use futures_util::stream;
use http::{Request, StatusCode};
use multihash_codetable::{Code, MultihashDigest};
use nubes_base::SystemClock;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

const LIMITS: IngestLimits = IngestLimits { car_bytes_max: 100_000, file_bytes_max: 2_000_000 };

fn fixture() -> (TempDir, Store, Router) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Config::STANDARD).unwrap();
    let pins = Pins::open(&dir.path().join("pins.redb"), Arc::new(SystemClock)).unwrap();
    let pinner = Pinner::new(pins, store.clone(), Arc::new(NoPeers), Arc::new(SystemClock));
    let router = routes(pinner, LIMITS);
    (dir, store, router)
}

async fn post(router: &Router, path: &str, body: Body) -> (StatusCode, Value) {
    let request = Request::post(path).body(body).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn block(content: &[u8]) -> Block {
    let cid = Cid::new_v1(RAW, Code::Sha2_256.digest(content));
    Block::new(cid, Bytes::copy_from_slice(content)).unwrap()
}

fn car(blocks: &[Block]) -> Vec<u8> {
    let mut car = header(&[*blocks[0].cid()]).to_vec();
    for block in blocks {
        car.extend_from_slice(&frame(block.cid(), block.bytes().len()));
        car.extend_from_slice(block.bytes());
    }
    car
}

/// A body in pieces of 100 bytes.
fn pieces(bytes: &[u8]) -> Body {
    let pieces: Vec<_> =
        bytes.chunks(100).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(stream::iter(pieces))
}

#[tokio::test]
async fn a_car_is_kept_and_counted() {
    let (_dir, store, router) = fixture();
    let blocks = [block(b"one"), block(b"two"), block(&[7; 5_000])];
    let (status, answer) = post(&router, "/api/v1/car", pieces(&car(&blocks))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer, json!({ "roots": [blocks[0].cid().to_string()], "blocks": 3, "bytes": 5_006 }));
    for block in &blocks {
        assert_eq!(&store.get(block.cid()).await.unwrap(), block.bytes());
    }
}

#[tokio::test]
async fn a_bad_car_is_refused_with_a_reason() {
    let (_dir, _store, router) = fixture();
    let good = car(&[block(b"one"), block(b"two")]);
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let large = car(&[block(&vec![1; 100_001])]);
    for (body, status, code) in [
        (b"hello".to_vec(), 400, "NX3011"),
        (Vec::new(), 400, "NX3011"),
        (good[..good.len() - 1].to_vec(), 400, "NX3011"),
        (wrong, 400, "NX3012"),
        (large, 413, "NX3013"),
    ] {
        let (got, answer) = post(&router, "/api/v1/car", pieces(&body)).await;
        assert_eq!((got.as_u16(), answer["code"].as_str().unwrap()), (status, code), "{answer}");
    }
}

#[tokio::test]
async fn missing_blocks_are_told_in_the_order_asked() {
    let (_dir, store, router) = fixture();
    store.put_many(vec![block(b"here")]).await.unwrap();
    let cids: Vec<_> =
        [&b"b"[..], b"here", b"a"].iter().map(|content| block(content).cid().to_string()).collect();
    let (status, answer) =
        post(&router, "/api/v1/blocks/missing", json!({ "cids": cids }).to_string().into()).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({ "missing": [cids[0], cids[2]] })));
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_refused() {
    let (_dir, _store, router) = fixture();
    let many = vec!["x"; CIDS_MAX + 1];
    for (body, status, code) in [
        ("[]".to_owned(), 400, "NX3014"),
        (json!({ "cids": ["x"] }).to_string(), 400, "NX3001"),
        (json!({ "cids": many }).to_string(), 400, "NX3014"),
        (" ".repeat(super::CIDS_BYTES_MAX + 1), 413, "NX3013"),
    ] {
        let (got, answer) = post(&router, "/api/v1/blocks/missing", body.into()).await;
        assert_eq!((got.as_u16(), answer["code"].as_str().unwrap()), (status, code), "{answer}");
    }
}

#[tokio::test]
async fn a_file_is_kept_under_the_cid_of_its_profile() {
    let (_dir, store, router) = fixture();
    let (status, answer) = post(&router, "/api/v1/files", pieces(b"hello")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer, json!({ "cid": block(b"hello").cid().to_string(), "bytes": 5 }));
    assert!(store.has(block(b"hello").cid()).await.unwrap());
    let (status, answer) = post(&router, "/api/v1/files", pieces(&vec![0; 2_000_001])).await;
    assert_eq!((status.as_u16(), answer["code"].as_str().unwrap()), (413, "NX3013"));
}

#[tokio::test]
async fn a_closed_store_takes_nothing() {
    let (_dir, store, router) = fixture();
    store.close().await;
    for (path, body) in [("/api/v1/files", b"hello".to_vec()), ("/api/v1/car", car(&[block(b"x")]))] {
        let (status, answer) = post(&router, path, body.into()).await;
        assert_eq!((status.as_u16(), answer["code"].as_str().unwrap()), (503, "NX3018"), "{path}");
    }
}
