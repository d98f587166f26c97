use super::{Fixture, UPLOAD_BYTES_MAX, directory, file, fixture, upload};
use crate::pins::Status;
use axum::body::Body;
use bytes::Bytes;
use cid::Cid;
use futures_util::stream;
use http::{Request, StatusCode};
use serde_json::json;
use std::io;

/// What Kubo gives "hello world\n".
const HELLO: &str = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o";
/// The empty directory.
const EMPTY: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

fn pinned(fixture: &Fixture) -> usize {
    let mut pinned = 0;
    let count = |_| {
        pinned += 1;
        true
    };
    fixture.pins.newest_first(count).unwrap();
    pinned
}

#[tokio::test]
async fn a_file_has_kubo_s_cid_and_is_pinned_unless_told_otherwise() {
    let fixture = fixture();
    let hello = [file("hello.txt", b"hello world\n")];
    let unpinned = fixture.upload("add?pin=false", &hello).await.json();
    assert_eq!(unpinned, json!({ "Name": "hello.txt", "Hash": HELLO, "Size": "20" }));
    let cid = Cid::try_from(HELLO).unwrap();
    assert_eq!(fixture.pins.of(&cid).unwrap(), []);
    fixture.upload("add?pin-name=greeting", &hello).await.json();
    fixture.upload("add", &hello).await.json();
    let pins = fixture.pins.of(&cid).unwrap();
    assert_eq!(pins.len(), 1, "adding again is not a second pin");
    assert_eq!((pins[0].status, pins[0].wish.name()), (Status::Pinned, Some("greeting")));
    let raw = fixture.upload("add?cid-version=1", &hello).await.json();
    assert_eq!(raw["Hash"], "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4");
    let unnamed = fixture.upload("add", &[file("", b"hello world\n")]).await.json();
    assert_eq!(unnamed["Name"], HELLO);
}

#[tokio::test]
async fn directories_are_made_of_paths_and_only_roots_are_pinned() {
    let fixture = fixture();
    let parts = [
        directory("d"),
        file("d%2Fa", b"a"),
        file("/d/./deep/b", b"b"),
        directory("d/none"),
        file("alone", b"hello world\n"),
    ];
    let said = fixture.upload("add", &parts).await.lines();
    let names: Vec<_> = said.iter().map(|line| line["Name"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["d/a", "d/deep/b", "alone"]);
    let mut directories = names[3..].to_vec();
    directories.sort_unstable();
    assert_eq!((directories, names.last()), (vec!["d", "d/deep", "d/none"], Some(&"d")));
    let none = said.iter().find(|line| line["Name"] == "d/none").unwrap();
    assert_eq!(none["Hash"], EMPTY);
    let mut pinned = Vec::new();
    fixture
        .pins
        .newest_first(|pin| {
            pinned.push(pin.wish.cid().to_string());
            true
        })
        .unwrap();
    assert_eq!(pinned, [said.last().unwrap()["Hash"].as_str().unwrap(), HELLO]);
}

#[tokio::test]
async fn a_wrapped_upload_has_one_root_and_an_upload_may_be_hashed_only() {
    let fixture = fixture();
    let parts = [file("a", b"hello world\n"), file("", b"nameless")];
    let wrapped = fixture.upload("add?wrap-with-directory=true", &parts).await.lines();
    assert_eq!((wrapped.len(), &wrapped[2]["Name"]), (3, &json!("")));
    let root = Cid::try_from(wrapped[2]["Hash"].as_str().unwrap()).unwrap();
    assert_eq!(fixture.pins.of(&root).unwrap().len(), 1);
    let listed = fixture.call(&format!("ls?arg={root}")).await.json();
    let names: Vec<_> =
        listed["Objects"][0]["Links"].as_array().unwrap().iter().map(|link| link["Name"].clone()).collect();
    assert_eq!(names, [wrapped[1]["Hash"].clone(), json!("a")]);
    let hashed =
        fixture.upload("add?only-hash=true&wrap-with-directory=1", &[file("n", b"never")]).await.lines();
    assert_eq!(hashed.len(), 2);
    for line in hashed {
        let cid = Cid::try_from(line["Hash"].as_str().unwrap()).unwrap();
        assert!(!fixture.store.has(&cid).await.unwrap() && fixture.pins.of(&cid).unwrap().is_empty());
    }
}

#[tokio::test]
async fn progress_is_told_and_ends_with_the_size() {
    let fixture = fixture();
    let bytes = vec![7; 1 << 20];
    let said = fixture.upload("add?progress=true", &[file("big", &bytes)]).await.lines();
    let told: Vec<_> = said.iter().filter_map(|line| line["Bytes"].as_u64()).collect();
    assert!(told.len() > 1 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&(1 << 20)));
    assert!(said.last().unwrap()["Hash"].is_string());
}

#[tokio::test]
async fn what_is_not_done_is_refused_before_anything_is_read() {
    let fixture = fixture();
    let long_name = format!("pin-name={}", "x".repeat(256));
    let options = [
        "trickle=true",
        "inline=true",
        "nocopy=true",
        "fscache=true",
        "chunker=rabin",
        "chunker=size-1",
        "chunker=size-9999999",
        "chunker=size-x",
        "hash=blake3",
        "cid-version=2",
        "cid-version=x",
        "pin=maybe",
        "max-file-links=1",
        "max-file-links=100000",
        "mode=0644",
        "mtime=1",
        "to-files=/x",
        &long_name,
    ];
    for option in options {
        fixture.upload(&format!("add?{option}"), &[file("f", b"x")]).await.refusal(400);
    }
    let paths = ["../f", "a/../b", &"a/".repeat(300), &"x".repeat(5000), "%ff"];
    for path in paths {
        fixture.upload("add", &[file(path, b"x")]).await.refusal(400);
    }
    fixture.upload("add", &[("f", "application/symlink", b"/etc/passwd")]).await.refusal(400);
    assert_eq!(fixture.store.stats().await.unwrap().blocks, 0);
}

#[tokio::test]
async fn paths_that_collide_are_refused() {
    let fixture = fixture();
    fixture.upload("add?pin=false", &[file("a/b", b"1"), file("a/b", b"2")]).await;
    for parts in [
        [file("a", b"1"), file("a", b"2")],
        [file("a/b", b"1"), file("a/b", b"2")],
        [file("a/b", b"1"), directory("a/b")],
    ] {
        let got = fixture.upload("add", &parts).await;
        assert!(!got.is_whole || got.status == StatusCode::BAD_REQUEST, "{}", got.text());
    }
    assert_eq!(pinned(&fixture), 0);
}

#[tokio::test]
async fn an_upload_that_is_malformed_or_too_large_is_refused() {
    let fixture = fixture();
    let plain =
        Request::post("/api/v0/add").header("content-type", "text/plain").body(Body::from("x")).unwrap();
    fixture.send(plain).await.refusal(400);
    fixture.call("add").await.refusal(400);
    let bodies = [
        "",
        "--x--\r\n",
        "nothing of the kind",
        "--x\r\n",
        "--x\r\n\r\ncut off",
        "--x\r\nbad\r\n\r\n\r\n--x--",
    ];
    for body in bodies {
        fixture.send(upload("add", body)).await.refusal(400);
    }
    let large = vec![0; usize::try_from(UPLOAD_BYTES_MAX).unwrap() + 1];
    let refusal = fixture.upload("add", &[file("large", &large)]).await.refusal(400);
    assert!(refusal.contains("exceeds"), "{refusal}");
}

#[tokio::test]
async fn an_upload_that_breaks_off_pins_nothing_and_breaks_the_answer_off() {
    let fixture = fixture();
    let first =
        Bytes::from(String::from_utf8(super::body(&[file("a", b"1")])).unwrap().replace("--x--\r\n", ""));
    let broken = stream::iter([Ok(first), Err(io::Error::other("the cable"))]);
    let got = fixture.send(upload("add", Body::from_stream(broken))).await;
    assert!(got.status == StatusCode::BAD_REQUEST || !got.is_whole);
    assert_eq!(pinned(&fixture), 0);
}
