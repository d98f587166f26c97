//! IPLD blocks, archives, CAR duplicates, what files without a type are: with the fixtures of the conformance suite.

use super::{Fixture, fixture, read_car};
use http::{Method, StatusCode};
use std::{collections::BTreeMap, io::Read};

async fn root(name: &str) -> (Fixture, String) {
    let fixture = fixture();
    let root = fixture.import_car(name).await[0].to_string();
    (fixture, root)
}

#[tokio::test]
async fn a_block_is_served_in_its_own_codec_and_in_no_other() {
    for (car, codec, other) in
        [("dag-json-traversal.car", "json", "cbor"), ("dag-cbor-traversal.car", "cbor", "json")]
    {
        let (fixture, cid) = root(car).await;
        let raw = fixture.get(&format!("/ipfs/{cid}?format=raw")).await.body;
        let (dag, plain) = (format!("application/vnd.ipld.dag-{codec}"), format!("application/{codec}"));
        for (query, accept, media) in [
            ("", "", &dag),
            (&*format!("?format=dag-{codec}"), "", &dag),
            ("", &*dag, &dag),
            (&*format!("?format={codec}"), "", &plain),
            ("", &*plain, &plain),
        ] {
            let headers = if accept.is_empty() { vec![] } else { vec![("accept", accept)] };
            let got = fixture.ask(Method::GET, &format!("/ipfs/{cid}{query}"), &headers).await;
            assert_eq!(
                (got.status, got.header("content-type")),
                (StatusCode::OK, media.as_str()),
                "{query} {accept}"
            );
            assert_eq!(got.body, raw);
            assert!(got.header("content-disposition").contains(&format!("filename=\"{cid}.{codec}\"")));
        }
        let part = fixture.ask(Method::GET, &format!("/ipfs/{cid}"), &[("range", "bytes=1-3")]).await;
        assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &raw[1..4]));
        for format in [format!("dag-{other}"), other.to_owned(), "tar".to_owned()] {
            let got = fixture.get(&format!("/ipfs/{cid}?format={format}")).await;
            assert!(matches!(got.status.as_u16(), 406 | 415), "{codec} as {format}: {}", got.status);
        }
        let page = fixture.ask(Method::GET, &format!("/ipfs/{cid}/"), &[("accept", "text/html")]).await;
        assert!(page.header("etag").contains("DagIndex-") && page.text().contains("</html>"));
    }
}

#[tokio::test]
async fn a_path_goes_through_the_links_of_nodes() {
    for (car, codec) in [("dag-json-traversal.car", "dag-json"), ("dag-cbor-traversal.car", "dag-cbor")] {
        let (fixture, cid) = root(car).await;
        let status = async |path: &str| {
            fixture.get(&format!("/ipfs/{cid}/{path}?format={codec}")).await.status.as_u16()
        };
        assert_eq!(
            (status("foo").await, status("foo/link/bar").await, status("foo/nothing").await),
            (501, 200, 404)
        );
    }
}

#[tokio::test]
async fn blocks_without_links_are_served_too() {
    for (car, media, kind) in [
        ("plain-json.car", "application/json", "inline"),
        ("plain-cbor.car", "application/cbor", "attachment"),
    ] {
        let (fixture, cid) = root(car).await;
        let got = fixture.get(&format!("/ipfs/{cid}")).await;
        assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, media));
        assert!(got.header("content-disposition").starts_with(kind), "{}", got.header("content-disposition"));
        let got = fixture.get(&format!("/ipfs/{cid}?download=true&filename=a.x")).await;
        assert!(got.header("content-disposition").starts_with("attachment; filename=\"a.x\""));
    }
}

#[tokio::test]
async fn a_file_without_a_type_is_typed_by_its_bytes() {
    let fixture = fixture();
    let source = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8], &str); 6] = [
        ("a", b"{\"a\": [1]}", "application/json"),
        ("b", b"{ no json", "text/plain; charset=utf-8"),
        ("c", b"\x89PNG\r\n\x1a\n\0\0\0\0", "image/png"),
        ("d", "größe".as_bytes(), "text/plain; charset=utf-8"),
        ("e", b"\0\x01\x02", "application/octet-stream"),
        ("f.css", b"{}", "text/css; charset=utf-8"),
    ];
    for (name, bytes, _) in files {
        std::fs::write(source.path().join(name), bytes).unwrap();
    }
    let root = fixture.import(source.path()).await;
    for (name, _, media) in files {
        for _ in 0..2 {
            assert_eq!(
                fixture.get(&format!("/ipfs/{root}/{name}")).await.header("content-type"),
                media,
                "{name}"
            );
        }
    }
}

async fn untar(fixture: &Fixture, path: &str) -> BTreeMap<String, String> {
    let got = fixture.get(&format!("{path}?format=tar")).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, "application/x-tar"), "{path}");
    let mut archive = tar::Archive::new(&got.body[..]);
    let read = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), text)
    };
    archive.entries().unwrap().map(|entry| read(entry.unwrap())).collect()
}

#[tokio::test]
async fn a_directory_is_an_archive_from_which_nothing_gets_out() {
    let (fixture, cid) = root("tar.car").await;
    let files = untar(&fixture, &format!("/ipfs/{cid}")).await;
    assert_eq!(files[&format!("{cid}/ą/ę/file-źł.txt")], "I am a txt file on path with utf8\n");
    let file =
        fixture.ask(Method::HEAD, &format!("/ipfs/{cid}/%C4%85/%C4%99/file-%C5%BA%C5%82.txt"), &[]).await;
    let file = file.header("x-ipfs-roots").rsplit(',').next().unwrap().to_owned();
    assert_eq!(untar(&fixture, &format!("/ipfs/{file}")).await[&file], "I am a txt file on path with utf8\n");
    let inside = fixture.import_car("inside-root.car").await[0];
    assert!(untar(&fixture, &format!("/ipfs/{inside}")).await.contains_key(&format!("{inside}/foobar/file")));
    let outside = fixture.import_car("outside-root.car").await[0];
    let got = fixture.get(&format!("/ipfs/{outside}?format=tar")).await;
    assert!(got.status.is_client_error(), "{}", got.status);
}

#[tokio::test]
async fn long_names_and_large_files_fit_in_an_archive() {
    let fixture = fixture();
    let source = tempfile::tempdir().unwrap();
    let (deep, name) = (source.path().join("d".repeat(80)), "n".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let text = "0123456789".repeat(200_000);
    std::fs::write(deep.join(&name), &text).unwrap();
    let root = fixture.import(source.path()).await;
    let files = untar(&fixture, &format!("/ipfs/{root}")).await;
    assert_eq!(files[&format!("{root}/{}/{name}", "d".repeat(80))], text);
}

#[tokio::test]
async fn duplicates_in_a_car_are_sent_to_who_wants_them() {
    let (fixture, cid) = root("dir-with-duplicate-files.car").await;
    let blocks = async |query: &str, accept: &str| {
        let got = fixture.ask(Method::GET, &format!("/ipfs/{cid}?{query}"), &[("accept", accept)]).await;
        assert_eq!(got.status, StatusCode::OK, "{query} {accept}");
        (read_car(&got.body).1.len(), got.header("content-type").ends_with("dups=y"))
    };
    let once = blocks("format=car", "").await;
    let twice = blocks("format=car", "application/vnd.ipld.car; dups=y").await;
    assert!(once.0 < twice.0 && !once.1 && twice.1, "{once:?} {twice:?}");
    assert_eq!(blocks("", "application/vnd.ipld.car; version=1; order=dfs; dups=y").await, twice);
    assert_eq!(blocks("format=car&car-dups=y", "application/vnd.ipld.car; dups=n").await, twice);
    assert_eq!(
        fixture.get(&format!("/ipfs/{cid}?format=car&car-order=bfs")).await.status,
        StatusCode::NOT_ACCEPTABLE
    );
    assert_eq!(
        fixture.get(&format!("/ipfs/{cid}?format=car&car-dups=maybe")).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn what_is_not_here_fails_at_once_for_who_wants_only_that() {
    let fixture = fixture();
    let missing = "/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let got = fixture.ask(Method::HEAD, missing, &[("cache-control", "only-if-cached")]).await;
    assert_eq!(got.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(fixture.get(missing).await.status, StatusCode::NOT_FOUND);
}
