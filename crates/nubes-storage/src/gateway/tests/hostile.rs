//! Content that was made to hurt whoever serves it: all of it is answered in bounded time and memory, or refused.

use super::{Fixture, fixture, request};
use crate::block::{Block, DAG_PB, RAW};
use axum::body::BodyDataStream;
use bytes::Bytes;
use cid::Cid;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use ipld_dagpb::{PbLink, PbNode};
use multihash_codetable::{Code, MultihashDigest};

fn block(codec: u64, bytes: Vec<u8>) -> Block {
    Block::new(Cid::new_v1(codec, Code::Sha2_256.digest(&bytes)), bytes.into()).unwrap()
}

fn varint(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    to.push(u8::try_from(number).unwrap());
}

fn node(links: Vec<PbLink>, data: Vec<u8>) -> Block {
    block(DAG_PB, PbNode { links, data: Some(Bytes::from(data)) }.into_bytes())
}

fn link(cid: &Cid, name: &str) -> PbLink {
    PbLink { cid: *cid, name: Some(name.to_owned()), size: Some(0) }
}

/// A file of `count` times the same child, which has `bytes` bytes.
fn repeated_file(child: &Cid, bytes: u64, count: usize) -> Block {
    let mut data = vec![0x08, 2, 0x18];
    varint(bytes * count as u64, &mut data);
    for _ in 0..count {
        data.push(0x20);
        varint(bytes, &mut data);
    }
    node(vec![link(child, ""); count], data)
}

fn directory(entries: Vec<PbLink>) -> Block {
    node(entries, vec![0x08, 1])
}

/// Five blocks that say that they are a file of a million gibibytes.
async fn file_bomb(fixture: &Fixture) -> (Cid, u64) {
    let leaf = block(RAW, vec![b'x'; 1 << 20]);
    let (mut cid, mut bytes) = (*leaf.cid(), 1 << 20);
    let mut blocks = vec![leaf];
    for _ in 0..3 {
        let parent = repeated_file(&cid, bytes, 1_000);
        (cid, bytes) = (*parent.cid(), bytes * 1_000);
        blocks.push(parent);
    }
    fixture.store.put_many(blocks).await.unwrap();
    (cid, bytes)
}

/// A folder whose two entries are the same folder, sixty times over: 2^60 paths in sixty blocks.
async fn folder_bomb(fixture: &Fixture) -> Cid {
    let leaf = block(RAW, b"leaf".to_vec());
    let mut cid = *leaf.cid();
    let mut blocks = vec![leaf];
    for _ in 0..60 {
        let parent = directory(vec![link(&cid, "a"), link(&cid, "b")]);
        cid = *parent.cid();
        blocks.push(parent);
    }
    fixture.store.put_many(blocks).await.unwrap();
    cid
}

async fn stream(fixture: &Fixture, uri: &str) -> (StatusCode, BodyDataStream) {
    let (parts, _) = request(Method::GET, uri, &[]).into_parts();
    let (parts, body) = fixture.gateway.serve_path(&parts, None).await.into_parts();
    (parts.status, body.into_data_stream())
}

#[tokio::test]
async fn a_file_that_says_it_is_endless_is_measured_cut_and_streamed() {
    let fixture = fixture();
    let (cid, bytes) = file_bomb(&fixture).await;
    let head = fixture.ask(Method::HEAD, &format!("/ipfs/{cid}"), &[]).await;
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, bytes.to_string().as_str()));
    let far = format!("bytes={}-{}", bytes - 5, bytes - 1);
    let part = fixture.ask(Method::GET, &format!("/ipfs/{cid}"), &[("range", &far)]).await;
    assert_eq!((part.status, part.text()), (StatusCode::PARTIAL_CONTENT, "xxxxx"));
    // A reader takes a little and goes away: no more than that was made ready.
    let (status, mut body) = stream(&fixture, &format!("/ipfs/{cid}")).await;
    assert_eq!(status, StatusCode::OK);
    for _ in 0..4 {
        assert!(!body.next().await.unwrap().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_folder_of_endless_paths_is_listed_walked_and_exported_once() {
    let fixture = fixture();
    let cid = folder_bomb(&fixture).await;
    let listing = fixture.get(&format!("/ipfs/{cid}/")).await;
    assert_eq!(listing.status, StatusCode::OK);
    let deep = fixture.get(&format!("/ipfs/{cid}{}", "/a".repeat(60))).await;
    assert_eq!((deep.status, deep.text()), (StatusCode::OK, "leaf"));
    let too_deep = fixture.get(&format!("/ipfs/{cid}{}", "/a".repeat(1_000))).await;
    assert!(too_deep.status.is_client_error(), "{}", too_deep.status);
    let car = fixture.get(&format!("/ipfs/{cid}?format=car")).await;
    let (_, blocks) = super::read_car(&car.body);
    assert_eq!(blocks.len(), 61, "each block is sent once");
    // Who asks for duplicates or an archive gets a stream, and may stop it.
    for format in ["format=car&car-dups=y", "format=tar"] {
        let (status, mut body) = stream(&fixture, &format!("/ipfs/{cid}?{format}")).await;
        assert!(status == StatusCode::OK || status.is_client_error(), "{format}: {status}");
        let _first = body.next().await;
    }
}

#[tokio::test]
async fn a_giant_folder_is_shown_in_part_and_found_by_name() {
    let fixture = fixture();
    let leaf = block(RAW, b"leaf".to_vec());
    let entries = (0..60_000).map(|number| link(leaf.cid(), &format!("{number:05}"))).collect();
    let folder = directory(entries);
    let cid = *folder.cid();
    fixture.store.put_many(vec![leaf, folder]).await.unwrap();
    let listing = fixture.get(&format!("/ipfs/{cid}/")).await;
    assert_eq!(listing.status, StatusCode::OK);
    assert!(listing.body.len() < 8 << 20, "{} bytes", listing.body.len());
    let last = fixture.get(&format!("/ipfs/{cid}/59999")).await;
    assert_eq!((last.status, last.text()), (StatusCode::OK, "leaf"));
    let too_many = (0..70_000).map(|number| link(&cid, &number.to_string())).collect();
    let too_many = directory(too_many);
    let cid = *too_many.cid();
    fixture.store.put_many(vec![too_many]).await.unwrap();
    let refused = fixture.get(&format!("/ipfs/{cid}/")).await;
    assert!(refused.status.is_client_error() || refused.status.is_server_error(), "{}", refused.status);
}

#[tokio::test]
async fn names_that_lead_out_of_a_folder_lead_nowhere() {
    let fixture = fixture();
    let leaf = block(RAW, b"secret".to_vec());
    let folder = directory(vec![
        link(leaf.cid(), ".."),
        link(leaf.cid(), "../../etc/passwd"),
        link(leaf.cid(), "a/b"),
    ]);
    let cid = *folder.cid();
    fixture.store.put_many(vec![leaf, folder]).await.unwrap();
    let archive = fixture.get(&format!("/ipfs/{cid}?format=tar")).await;
    assert!(!archive.body.windows(6).any(|bytes| bytes == b"secret"), "nothing of it is unpacked elsewhere");
    // A name is a name in the folder and never a place on a disk.
    assert_eq!(fixture.get(&format!("/ipfs/{cid}/..%2f..%2fetc%2fpasswd")).await.text(), "secret");
    for path in ["/../../etc/passwd", "/%2e%2e/x", "/..%2f..%2fetc%2fhosts"] {
        let answer = fixture.get(&format!("/ipfs/{cid}{path}")).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
    }
}
