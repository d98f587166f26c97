//! What a host of its own gives to a site: `_headers` and compression.

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
async fn a_line_that_is_not_understood_takes_down_neither_the_site_nor_the_other_lines() {
    for (rules, expect) in [
        ("/*\n  nonsense\n  X-A: 1", "1"),
        ("nonsense\n  X-A: 2\n/*\n  X-A: 1", "1"),
        // What stands below a path that is not understood is not for the path above.
        ("/*\n  X-A: 1\n/*/*\n  X-A: 2", "1"),
        (&"#".repeat((64 << 10) + 1), ""),
    ] {
        let (fixture, root) = with_files(&[("_headers", rules), ("a", "x")]).await;
        for _ in 0..2 {
            let got = own(&fixture, &root, "/a", &[]).await;
            assert_eq!((got.status, got.text(), got.header("x-a")), (StatusCode::OK, "x", expect));
        }
    }
    let (fixture, root) = with_files(&[("_headers/a", "a folder of this name"), ("a", "x")]).await;
    assert_eq!(own(&fixture, &root, "/a", &[]).await.text(), "x");
}

#[tokio::test]
async fn a_file_alone_has_no_headers() {
    let (fixture, root) = with_files(&[("a", "x")]).await;
    let file = fixture.get(&format!("/ipfs/{root}/a")).await;
    let cid: Cid = file.header("etag").trim_matches('"').parse().unwrap();
    assert_eq!(own(&fixture, &cid, "/", &[]).await.text(), "x");
}

const TEXT: &str = "a site is mostly repetition. ";

#[tokio::test]
async fn text_is_compressed_for_who_takes_it_on_a_host_of_its_own() {
    let text = TEXT.repeat(1000);
    let noise: String = "0123456789".repeat(200);
    let files = [
        ("index.html", &*text),
        ("a.js", &*text),
        ("a.png", &*text),
        ("small.txt", TEXT),
        ("large.txt", &TEXT.repeat(40_000)),
        ("404.html", &*text),
        ("noext", &*noise),
        ("_redirects", "/* /404.html 404"),
    ];
    let (fixture, root) = with_files(&files).await;
    for (path, encoding) in [
        ("/", "br"),
        ("/a.js", "br"),
        ("/noext", "br"),
        ("/nothing", "br"),
        ("/a.png", ""),
        ("/small.txt", ""),
        ("/large.txt", ""),
    ] {
        let plain = own(&fixture, &root, path, &[]).await;
        let got = own(&fixture, &root, path, &[("accept-encoding", "gzip, deflate, br")]).await;
        assert_eq!((got.status, got.header("content-encoding")), (plain.status, encoding), "{path}");
        assert_eq!(got.header("content-length"), got.body.len().to_string(), "{path}");
        assert_eq!(got.header("content-type"), plain.header("content-type"), "{path}");
        assert_eq!(got.body.len() < plain.body.len(), !encoding.is_empty(), "{path}");
        for answer in [&plain, &got] {
            assert_eq!(answer.header("vary"), "Accept, Accept-Encoding", "{path}");
        }
        assert_eq!(got.header("etag") == plain.header("etag"), encoding.is_empty(), "{path}");
    }
    let gzip = own(&fixture, &root, "/a.js", &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let mut back = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&gzip.body[..]), &mut back).unwrap();
    assert!(back == text);
    let shared = request(Method::GET, &format!("/ipfs/{root}/a.js"), &[("accept-encoding", "br")]);
    let shared = fixture.gateway.serve_path(&shared.into_parts().0, None).await;
    assert!(!shared.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn blocks_archives_and_ranges_are_not_compressed() {
    let text = TEXT.repeat(100);
    let (fixture, root) = with_files(&[("a.txt", &text)]).await;
    for (path, range) in [
        ("/a.txt?format=raw", ""),
        ("/a.txt?format=car", ""),
        ("/a.txt?format=tar", ""),
        ("/a.txt", "bytes=0-1999"),
    ] {
        let mut headers = vec![("accept-encoding", "br, gzip")];
        headers.extend(Some(("range", range)).filter(|_| !range.is_empty()));
        let got = own(&fixture, &root, path, &headers).await;
        assert!(got.status.is_success() && got.header("content-encoding").is_empty(), "{path} {range}");
    }
}

#[tokio::test]
async fn each_coding_has_its_tag_and_is_not_sent_twice() {
    let text = TEXT.repeat(100);
    let (fixture, root) = with_files(&[("index.html", &text)]).await;
    let tag = async |encoding| {
        own(&fixture, &root, "/", &[("accept-encoding", encoding)]).await.header("etag").to_owned()
    };
    let tags = [("br", tag("br").await), ("gzip", tag("gzip").await), ("identity", tag("identity").await)];
    for (encoding, tag) in &tags {
        for (known, other) in &tags {
            let headers = [("accept-encoding", *encoding), ("if-none-match", other)];
            let got = own(&fixture, &root, "/", &headers).await;
            // The bytes as they are can be used by everybody who has them.
            let is_known = known == encoding || *known == "identity";
            assert_eq!(got.status == StatusCode::NOT_MODIFIED, is_known, "{encoding} with {known}");
            assert_eq!(got.header("etag"), if is_known { other } else { tag });
        }
        let headers = [("accept-encoding", *encoding), ("range", "bytes=0-9"), ("if-range", tag)];
        let part = own(&fixture, &root, "/", &headers).await;
        let is_whole = *encoding != "identity";
        assert_eq!(
            part.status,
            if is_whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT },
            "{encoding}"
        );
    }
    let (parts, _) = request(Method::HEAD, "/", &[("accept-encoding", "br")]).into_parts();
    let site = Site {
        root: Root::Content(root),
        path: "/".to_owned(),
        caching: Caching::Immutable,
        place: Place::Own { host: "app.example.org".to_owned() },
    };
    let head = fixture.gateway.serve(&site, &parts).await;
    let whole = own(&fixture, &root, "/", &[("accept-encoding", "br")]).await;
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), whole.body.len().to_string());
}
