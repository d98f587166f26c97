//! Limits, each met.

use super::{House, PATIENCE, limits, record, request};
use crate::{Limits, Mount};
use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const GIB: u64 = 1 << 30;

/// A body without end that counts how often it is read.
pub(super) fn endless(chunk_bytes: usize) -> (Body, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reads);
    let chunk = Bytes::from(vec![0; chunk_bytes]);
    let chunks = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(chunk.clone())
    });
    (Body::from_stream(chunks), reads)
}

fn upload(body: Body, length: Option<u64>) -> Request<Body> {
    let request = Request::builder().method("POST").uri("/f").header("host", "shop.localhost");
    let request =
        length.into_iter().fold(request, |request, length| request.header("content-length", length));
    request.body(body).unwrap()
}

async fn house(limits: Limits) -> House {
    let mut house = House::with(limits, Vec::new());
    house.follow().await;
    house.deploy(&record("shop", &[("f", "/*")])).await;
    house
}

#[tokio::test]
async fn a_body_that_announces_to_be_too_long_is_not_read() {
    let house = house(limits()).await;
    let (body, reads) = endless(1 << 16);
    let answer = house.send(upload(body, Some(GIB))).await;
    answer.is_problem(413, "NX4004");
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(reads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_body_that_becomes_too_long_is_cut_off() {
    let house = house(limits()).await;
    let (body, reads) = endless(40);
    house.send(upload(body, None)).await.is_problem(413, "NX4004");
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    let house = house(limits()).await;
    let answer = house.send(upload(Body::from(vec![0; 64]), None)).await;
    assert_eq!(answer.body, "f POST /f 64");
    house.send(upload(Body::from(vec![0; 65]), None)).await.is_problem(413, "NX4004");
    let frames = stream::iter((0..8).map(|_| Ok::<_, Infallible>(Bytes::from_static(&[0; 8]))));
    assert_eq!(house.send(upload(Body::from_stream(frames), None)).await.status, 202);
}

#[tokio::test]
async fn one_request_more_than_the_limit_is_refused() {
    let mounts = vec![Mount::new("/mounted", Router::new())];
    let mut house = House::with(Limits { requests_max: 2, ..limits() }, mounts);
    house.follow().await;
    house.deploy(&record("shop", &[("f", "/*")])).await;
    let gate = house.runner.hold_requests().await;
    let (one, two, ()) =
        tokio::join!(house.get("shop.localhost", "/"), house.get("shop.localhost", "/"), async {
            house.runner.has_taken(2).await;
            house.get("shop.localhost", "/").await.is_problem(503, "NX5007");
            house.get("localhost", "/mounted/x").await.is_problem(503, "NX5007");
            assert_eq!(house.get("localhost", "/healthz").await.status, 200, "a full node is alive");
            drop(gate);
        });
    assert_eq!((one.status, two.status), (202, 202));
    assert_eq!(house.get("shop.localhost", "/").await.status, 202);
}

#[tokio::test]
async fn a_request_is_given_up_after_its_time() {
    let house = house(Limits { request_timeout: Duration::from_millis(20), ..limits() }).await;
    let gate = house.runner.hold_requests().await;
    let answer = tokio::time::timeout(PATIENCE, house.get("shop.localhost", "/")).await.unwrap();
    answer.is_problem(504, "NX5008");
    drop(gate);
    let gate = house.ledger.hold_calls().await;
    house.get("other.localhost", "/").await.is_problem(504, "NX5008");
    house.get("localhost", "/api/v1/apps/other").await.is_problem(504, "NX5008");
    drop(gate);
    house.send(request("GET", "other.localhost", "/")).await.is_problem(404, "NX5001");
}
