//! Files, directories, conditions, errors.

use super::{Fixture, Got, fixture, request};
use crate::block::Block;
use crate::gateway::{Caching, Place, Root, Site};
use axum::body;
use bytes::Bytes;
use cid::Cid;
use http::{Method, StatusCode};
use multihash_codetable::{Code, MultihashDigest};
use std::{fs, os::unix::fs::FileExt};

const IMMUTABLE: &str = "public, max-age=29030400, immutable";
const REQUEST_BYTES_MAX: usize = 3_072;

fn big() -> Vec<u8> {
    (0..(2 << 20) + 77).map(|n: u32| u8::try_from(n % 253).unwrap()).collect()
}

async fn site() -> (Fixture, Cid) {
    let fixture = fixture();
    let source = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| fs::write(source.path().join(name), content).unwrap();
    fs::create_dir_all(source.path().join("plain/deeper")).unwrap();
    write("index.html", b"<h1>hello</h1>");
    write("style.css", b"h1{}");
    write("app.js", b"1");
    write("logo.svg", b"<svg/>");
    write("noname", b"0123456789");
    write("plain/a b?.txt", "größe".as_bytes());
    write("plain/<i>.txt", b"x");
    write("plain/deeper/x", b"x");
    write("big.bin", &big());
    let root = fixture.import(source.path()).await;
    (fixture, root)
}

#[tokio::test]
async fn a_file_has_its_type_its_tag_and_its_place() {
    let (fixture, root) = site().await;
    for (path, media, length) in [
        ("index.html", "text/html; charset=utf-8", 14),
        ("style.css", "text/css; charset=utf-8", 4),
        ("app.js", "text/javascript; charset=utf-8", 1),
        ("logo.svg", "image/svg+xml", 6),
        ("noname", "text/plain; charset=utf-8", 10),
        ("plain/a%20b%3F.txt", "text/plain; charset=utf-8", 7),
        ("big.bin", "application/octet-stream", big().len()),
    ] {
        let uri = format!("/ipfs/{root}/{path}");
        let got = fixture.get(&uri).await;
        assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, media), "{path}");
        assert_eq!(got.body.len(), length, "{path}");
        assert_eq!(got.header("content-length"), length.to_string(), "{path}");
        assert_eq!(got.header("x-ipfs-path"), uri);
        let roots: Vec<_> = got.header("x-ipfs-roots").split(',').collect();
        assert_eq!(roots.len(), 1 + path.split('/').count());
        assert_eq!(roots[0], root.to_string());
        assert_eq!(got.header("etag"), format!("\"{}\"", roots.last().unwrap()));
        assert_eq!(got.header("cache-control"), IMMUTABLE);
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("access-control-allow-origin"), "*");
        let head = fixture.ask(Method::HEAD, &uri, &[]).await;
        assert!(head.body.is_empty());
        assert_eq!(head.headers, got.headers, "{path}");
    }
}

#[tokio::test]
async fn a_directory_redirects_then_shows_its_index_or_its_names() {
    let (fixture, root) = site().await;
    let got = fixture.get(&format!("/ipfs/{root}?a=b")).await;
    assert_eq!(got.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(got.header("location"), format!("/ipfs/{root}/?a=b"));
    let got = fixture.get(&format!("/ipfs/{root}/")).await;
    assert_eq!((got.text(), got.header("content-type")), ("<h1>hello</h1>", "text/html; charset=utf-8"));
    assert_eq!(got.header("x-ipfs-path"), format!("/ipfs/{root}/"), "as it was asked for");
    let got = fixture.get(&format!("/ipfs/{root}/plain")).await;
    assert_eq!(got.header("location"), format!("/ipfs/{root}/plain/"));
    let got = fixture.get(&format!("/ipfs/{root}/plain/")).await;
    assert_eq!(got.status, StatusCode::OK);
    assert!(got.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(got.header("etag").starts_with("\"DirIndex-"));
    assert!(got.text().contains(&format!("href=\"/ipfs/{root}/plain/a%20b%3F.txt\"")), "{}", got.text());
    assert!(got.text().contains("&lt;i&gt;.txt") && !got.text().contains("<i>"), "{}", got.text());
}

#[tokio::test]
async fn a_range_is_served_from_small_and_large_files() {
    let (fixture, root) = site().await;
    let small = format!("/ipfs/{root}/noname");
    let large = format!("/ipfs/{root}/big.bin");
    let whole = big();
    for (range, expect, sent) in [
        ("bytes=2-4", &b"234"[..], "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-1", b"9", "bytes 9-9/10"),
    ] {
        let got = fixture.ask(Method::GET, &small, &[("range", range)]).await;
        assert_eq!((got.status, got.header("content-range")), (StatusCode::PARTIAL_CONTENT, sent));
        assert_eq!(got.body, expect, "{range}");
    }
    let got = fixture.ask(Method::GET, &large, &[("range", "bytes=1048570-1048589")]).await;
    assert_eq!(got.body, whole[1_048_570..1_048_590]);
    assert_eq!(got.header("content-length"), "20");
    let got = fixture.ask(Method::GET, &small, &[("range", "bytes=10-")]).await;
    assert_eq!((got.status, got.header("content-range")), (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */10"));
    assert!(got.text().contains("NX3008"));
    let got = fixture.ask(Method::GET, &small, &[("range", "bytes=0-1,3-4")]).await;
    assert_eq!(
        (got.status, got.header("content-range")),
        (StatusCode::PARTIAL_CONTENT, "bytes 0-1/10"),
        "of several the first"
    );
    let etag = fixture.get(&small).await.header("etag").to_owned();
    let got = fixture.ask(Method::GET, &small, &[("range", "bytes=0-0"), ("if-range", &etag)]).await;
    assert_eq!(got.status, StatusCode::PARTIAL_CONTENT);
    let got = fixture.ask(Method::GET, &small, &[("range", "bytes=0-0"), ("if-range", "\"other\"")]).await;
    assert_eq!(got.status, StatusCode::OK);
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let (fixture, root) = site().await;
    for path in ["", "index.html", "big.bin", "plain/", "index.html?format=raw", "plain/?format=car"] {
        let uri = format!("/ipfs/{root}/{path}");
        let etag = fixture.get(&uri).await.header("etag").to_owned();
        let got = fixture.ask(Method::GET, &uri, &[("if-none-match", &format!("\"x\", {etag}"))]).await;
        assert_eq!((got.status, got.header("etag")), (StatusCode::NOT_MODIFIED, etag.as_str()), "{path}");
        assert!(got.body.is_empty());
        let got = fixture.ask(Method::GET, &uri, &[("if-none-match", "\"x\"")]).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_name_for_saving_decides_type_and_disposition() {
    let (fixture, root) = site().await;
    let got = fixture.get(&format!("/ipfs/{root}/noname?filename=%C3%BC%22.txt&download=true")).await;
    assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        got.header("content-disposition"),
        "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%BC%22.txt"
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_answered_says_why() {
    let (fixture, root) = site().await;
    let cbor = Bytes::from_static(&[0xa0]);
    let cbor = Block::new(Cid::new_v1(0x90, Code::Sha2_256.digest(&cbor)), cbor).unwrap();
    let nothing = Cid::new_v1(0x55, Code::Sha2_256.digest(b"nothing"));
    fixture.store.put_many(vec![cbor.clone()]).await.unwrap();
    for (path, status, code) in [
        ("not-a-cid".to_owned(), 400, "NX3001"),
        ("bafkrei".to_owned(), 400, "NX3001"),
        (format!("{root}/%ff"), 400, "NX3002"),
        (format!("{root}/../../etc/passwd"), 400, "NX3002"),
        (format!("{root}/%2e%2e/x"), 400, "NX3002"),
        (format!("{root}/a%00b"), 400, "NX3002"),
        (nothing.to_string(), 404, "NX3003"),
        (format!("{root}/none"), 404, "NX3004"),
        (format!("{root}/index.html/x"), 404, "NX3004"),
        (format!("{root}/%2e%2e%2fx"), 404, "NX3004"),
        (cbor.cid().to_string(), 415, "NX3006"),
        (format!("{root}/?format=dag-json"), 406, "NX3007"),
        (format!("{root}/?format=car&dag-scope=some"), 400, "NX3007"),
        (format!("{root}/?format=car&entity-bytes=x"), 400, "NX3007"),
        (format!("{root}/{}", "a/".repeat(300)), 422, "NX3010"),
    ] {
        let got = fixture.get(&format!("/ipfs/{path}")).await;
        assert_eq!(got.status, status, "{path}: {}", got.text());
        assert!(got.text().contains(code), "{path}: {}", got.text());
        // What people type is answered in plain words.
        let media = if code == "NX3001" { "text/plain; charset=utf-8" } else { "application/problem+json" };
        assert_eq!(got.header("content-type"), media);
        assert_eq!(got.header("cache-control"), "no-store");
    }
    let got = fixture.ask(Method::POST, &format!("/ipfs/{root}/"), &[]).await;
    assert_eq!((got.status, got.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD, OPTIONS"));
    let got = fixture.ask(Method::OPTIONS, &format!("/ipfs/{root}/"), &[("origin", "http://other")]).await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (StatusCode::NO_CONTENT, "*"));
}

#[test]
fn every_code_that_is_printed_is_explained() {
    for code in (3001..=3020_u16).chain([3026, 3028]) {
        assert!(nubes_base::Code::new(code).explanation().is_some(), "{code}");
    }
}

#[tokio::test]
async fn a_damaged_block_is_named_and_the_rest_is_served() {
    let (fixture, root) = site().await;
    let path = fixture.dir.path().join("segments/00000001.seg");
    let content = fs::read(&path).unwrap();
    let at = content.windows(10).rposition(|window| window == b"0123456789").unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"X", at as u64).unwrap();
    let got = fixture.get(&format!("/ipfs/{root}/noname")).await;
    assert_eq!(got.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(got.text().contains("NX3005") && got.text().contains("in segment 1 at offset"), "{}", got.text());
    assert!(got.text().contains("bafkrei"), "{}", got.text());
    assert_eq!(fixture.get(&format!("/ipfs/{root}/style.css")).await.status, StatusCode::OK);
}

async fn serve(fixture: &Fixture, site: &Site, uri: &str) -> Got {
    let (parts, _) = request(Method::GET, uri, &[]).into_parts();
    let (parts, body) = fixture.gateway.serve(site, &parts).await.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap();
    Got { status: parts.status, headers: parts.headers, body }
}

#[tokio::test]
async fn a_site_is_served_from_the_root_of_a_host_and_may_change() {
    let (fixture, root) = site().await;
    let site = |path: &str| Site {
        root: Root::Content(root),
        path: path.to_owned(),
        caching: Caching::Mutable { max_age_s: 30 },
        place: Place::Own { host: "site.localhost".to_owned() },
    };
    let got = serve(&fixture, &site("/"), "/").await;
    assert_eq!(got.text(), "<h1>hello</h1>");
    assert_eq!(got.header("cache-control"), "public, max-age=30, must-revalidate");
    let got = serve(&fixture, &site("/plain"), "/plain").await;
    assert_eq!(got.header("location"), "/plain/");
    let got = serve(&fixture, &site("//plain"), "//plain").await;
    assert_eq!(got.header("location"), "/plain/", "a redirect never leads to another host");
    let got = serve(&fixture, &site("/plain/"), "/plain/").await;
    assert_eq!(got.header("cache-control"), "public, max-age=30, must-revalidate");
}

/// Each layer above moves it once for each request, so what is asked for rarely waits in a box of its own.
#[tokio::test]
async fn what_a_request_waits_in_is_small() {
    let fixture = fixture();
    let (parts, _) = request(Method::GET, "/ipfs/x", &[]).into_parts();
    let bytes = size_of_val(&fixture.gateway.serve_path(&parts, None));
    assert!(bytes <= REQUEST_BYTES_MAX, "{bytes} bytes");
}
