//! What a site says by `_headers`.

use super::{Fixture, Got, fixture, request};
use crate::gateway::{Caching, Place, Root, Site};
use axum::body;
use cid::Cid;
use http::{Method, StatusCode};
use std::fs;

/// Asks an app's host.
async fn own(fixture: &Fixture, root: &Cid, path: &str, headers: &[(&str, &str)]) -> Got {
    let (parts, _) = request(Method::GET, path, headers).into_parts();
    let site = Site {
        root: Root::Content(*root),
        path: parts.uri.path().to_owned(),
        caching: Caching::Mutable { max_age_s: 0 },
        place: Place::Own { host: "app.example.org".to_owned() },
    };
    let (parts, body) = fixture.gateway.serve(&site, &parts).await.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap();
    Got { status: parts.status, headers: parts.headers, body }
}

async fn with_files(files: &[(&str, &str)]) -> (Fixture, Cid) {
    let (fixture, source) = (fixture(), tempfile::tempdir().unwrap());
    for (path, content) in files {
        let path = source.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let root = fixture.import(source.path()).await;
    (fixture, root)
}

#[tokio::test]
async fn a_sites_headers_are_added_on_its_own_host_only() {
    let rules = "/*\n  Content-Security-Policy: default-src 'self'\n  Set-Cookie: a=b\n  ETag: \"x\"\n\
                 /app.js\n  Cache-Control: public, max-age=60\n";
    let files = [
        ("_headers", rules),
        ("_redirects", "/old /app.js 301\n/* /404.html 404"),
        ("index.html", "<p>"),
        ("app.js", "1"),
        ("404.html", "gone"),
        ("d/f", "x"),
    ];
    let (fixture, root) = with_files(&files).await;
    for _ in 0..2 {
        for (path, status) in [("/", 200), ("/app.js", 200), ("/nothing", 404), ("/d/", 200)] {
            let got = own(&fixture, &root, path, &[]).await;
            assert_eq!(got.status.as_u16(), status, "{path}");
            assert_eq!(got.header("content-security-policy"), "default-src 'self'", "{path}");
            assert!(got.header("set-cookie").is_empty() && got.header("etag") != "\"x\"", "{path}");
        }
    }
    let script = own(&fixture, &root, "/app.js", &[]).await;
    assert_eq!(script.header("cache-control"), "public, max-age=60");
    let again = own(&fixture, &root, "/app.js", &[("if-none-match", script.header("etag"))]).await;
    assert_eq!(
        (again.status, again.header("cache-control")),
        (StatusCode::NOT_MODIFIED, "public, max-age=60")
    );
    for path in ["/old", "/d", "/?format=raw", "/?format=car"] {
        let got = own(&fixture, &root, path, &[]).await;
        assert!(got.header("content-security-policy").is_empty(), "{path}");
    }
    let shared = fixture.get(&format!("/ipfs/{root}/app.js")).await;
    assert!(shared.header("content-security-policy").is_empty());
}

#[tokio::test]
async fn a_headers_file_that_is_not_understood_is_an_error_of_the_site() {
    for (rules, what) in [
        ("/*\n  nonsense", "could not parse _headers: line 2: a header is"),
        (&"#".repeat((64 << 10) + 1), "65536 bytes"),
    ] {
        let (fixture, root) = with_files(&[("_headers", rules), ("a", "x")]).await;
        let got = own(&fixture, &root, "/a", &[]).await;
        assert_eq!(got.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(got.text().contains(what) && got.text().contains("NX3026"), "{}", got.text());
        assert_eq!(fixture.get(&format!("/ipfs/{root}/a")).await.text(), "x", "paths of a shared host go on");
    }
}

#[tokio::test]
async fn a_file_alone_has_no_headers() {
    let (fixture, root) = with_files(&[("a", "x")]).await;
    let file = fixture.get(&format!("/ipfs/{root}/a")).await;
    let cid: Cid = file.header("etag").trim_matches('"').parse().unwrap();
    assert_eq!(own(&fixture, &cid, "/", &[]).await.text(), "x");
}
