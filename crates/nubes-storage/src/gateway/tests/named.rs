//! Names, hosts and `_redirects`, with the fixtures of the conformance suite.

use super::{Fixture, Got, fixture, fixture_with, request};
use crate::gateway::{Caching, Place, Root, Site};
use crate::ipns::KeyName;
use axum::body;
use cid::Cid;
use http::{Method, StatusCode};
use nubes_base::Timestamp;
use std::{fs, path::Path};

const RSA: &str = "k2k4r8m7xvggw5pxxk3abrkwyer625hg01hfyggrai7lk1m63fuihi7w";
const ED25519: &str = "k51qzi5uqu5dk3v4rmjber23h16xnr23bsggmqqil9z2gduiis5se8dht36dam";
const HELLO: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

async fn got(response: axum::response::Response) -> Got {
    let (parts, body) = response.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap();
    Got { status: parts.status, headers: parts.headers, body }
}

async fn named() -> Fixture {
    let map = format!(
        "test.example.org:/ipfs/{HELLO},over-ipns.example.org:/ipns/{ED25519},\
         loop.example.org:/ipns/loop.example.org,bad.example.org:/ipfs/nonsense"
    );
    let fixture = fixture_with(&map);
    fixture.import_car("subdomain.car").await;
    fixture.import_car("cache.car").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ipns");
    for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let key = KeyName::parse(name.split(['.', '_']).next().unwrap()).unwrap();
        // Those that are not valid are refused, and their names stay unknown.
        let _ = fixture.records.put(&key, fs::read(&file).unwrap().into(), Timestamp::from_unix_ms(0));
    }
    fixture
}

async fn at(fixture: &Fixture, domain: &str, uri: &str, headers: &[(&str, &str)]) -> Got {
    let (parts, _) = request(Method::GET, uri, headers).into_parts();
    got(fixture.gateway.serve_path(&parts, Some(domain)).await).await
}

#[tokio::test]
async fn a_name_serves_what_its_record_points_to() {
    let fixture = named().await;
    for key in [RSA, ED25519] {
        let answer = fixture.get(&format!("/ipns/{key}")).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello\n"));
        assert_eq!(answer.header("x-ipfs-path"), format!("/ipns/{key}"));
        assert!(!answer.header("cache-control").contains("immutable"));
    }
    let below = "k51qzi5uqu5djokp3m1keo36hoxtd6u3a1d2rg1camf6al7p3huy63dojlm57c";
    let answer = fixture.get(&format!("/ipns/{below}/root3/root4/index.html")).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello\n"), "the record points below a root");
    assert_eq!(fixture.get("/ipns/over-ipns.example.org").await.text(), "hello\n");
}

#[tokio::test]
async fn a_name_that_leads_nowhere_says_so() {
    let fixture = named().await;
    for (name, what) in [
        ("k51qzi5uqu5dm4tm0wt8srkg9h9suud4wuiwjimndrkydqm81cqtlb5ak6p7ku", "no record of"),
        ("k51qzi5uqu5dlmit2tuwdvnx4sbnyqgmvbxftl0eo3f33wwtb9gr7yozae9kpw", "no record of"),
        ("k51qzi5uqu5diamp7qnnvs1p1gzmku3eijkeijs3418j23j077zrkok63xdm8c", "no record of"),
        ("unknown.example.org", "no link of unknown.example.org is known here"),
        ("loop.example.org", "more than 32 names point to each other"),
        ("bad.example.org", "which is no content path"),
    ] {
        let answer = fixture.get(&format!("/ipns/{name}")).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{name}");
        assert!(answer.text().contains(what) && answer.text().contains("NX3023"), "{}", answer.text());
    }
    assert_eq!(fixture.get("/ipns/nonsense").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_record_is_given_to_who_verifies_it() {
    let fixture = named().await;
    let key = "k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w";
    let answer =
        fixture.get(&format!("/ipns/{key}?format=ipns-record&filename=test%D1%82.ipns-record")).await;
    assert_eq!(answer.header("content-type"), "application/vnd.ipfs.ipns-record");
    assert_eq!(answer.header("cache-control"), "public, max-age=1800");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"test_.ipns-record\"; filename*=UTF-8''test%D1%82.ipns-record"
    );
    let file =
        "fixtures/ipns/k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w_v1-v2.ipns-record";
    assert_eq!(&answer.body[..], fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap());
    assert_eq!(
        fixture.get(&format!("/ipfs/{HELLO}?format=ipns-record")).await.status,
        StatusCode::NOT_ACCEPTABLE
    );
}

#[tokio::test]
async fn a_key_is_written_in_one_way() {
    let fixture = named().await;
    let answer = fixture.get("/ipns/12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d/a?b").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::FOUND, &*format!("/ipns/{ED25519}/a?b"))
    );
}

#[tokio::test]
async fn a_browser_is_sent_to_the_contents_own_host() {
    let fixture = named().await;
    let https: &[(&str, &str)] = &[("x-forwarded-proto", "https")];
    for (path, headers, location) in [
        (format!("/ipfs/{HELLO}/"), &[][..], format!("http://{HELLO}.ipfs.example.com:81/")),
        (
            format!("/ipfs/{HELLO}/a%252Cb/ä?q=1"),
            &[],
            format!("http://{HELLO}.ipfs.example.com:81/a%252Cb/%C3%A4?q=1"),
        ),
        (format!("/ipfs/{HELLO}"), https, format!("https://{HELLO}.ipfs.example.com:81/")),
        (
            "/ipns/12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d".into(),
            &[],
            format!("http://{ED25519}.ipns.example.com:81/"),
        ),
        (
            "/ipns/en.wiki-on.org/wiki/".into(),
            https,
            "https://en-wiki--on-org.ipns.example.com:81/wiki/".into(),
        ),
        ("/ipfs/?uri=ipfs%3A%2F%2FQm%2Fa".into(), &[], "/ipfs/Qm/a".into()),
    ] {
        let path = path.replace('ä', "%C3%A4");
        let answer = at(&fixture, "example.com:81", &path, headers).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::MOVED_PERMANENTLY, &*location),
            "{path}"
        );
    }
    let long = "bafkrgqhhyivzstcz3hhswshfjgy6ertgmnqeleynhwt4dlfsthi4hn7zgh4uvlsb5xncykzapi3ocd4lzogukir6ksdy6wzrnz6ohnv4aglcs";
    let answer = at(&fixture, "example.com", &format!("/ipfs/{long}/"), &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.text().contains("CID incompatible with DNS label length limit of 63"),
        "{}",
        answer.text()
    );
    let answer = at(&fixture, "example.com", "/ipfs/QmInvalidCID", &[]).await;
    assert!(answer.text().contains("invalid path \"/ipfs/QmInvalidCID\""), "{}", answer.text());
    let trustless = at(&fixture, "example.com", &format!("/ipfs/{HELLO}?format=raw"), &[]).await;
    assert_eq!(trustless.status, StatusCode::OK, "who verifies is served where it is");
}

#[tokio::test]
async fn names_have_hosts_of_their_own() {
    let fixture = named().await;
    let ask = async |label: &str| {
        let (parts, _) = request(Method::GET, "/", &[]).into_parts();
        got(fixture.gateway.serve_name(label, "example.com", &parts).await).await
    };
    for label in [ED25519, RSA, "test-example-org", "test.example.org", "over--ipns-example-org"] {
        assert_eq!(ask(label).await.text(), "hello\n", "{label}");
    }
    // The same key as a CID of another codec.
    let key = KeyName::parse(ED25519).unwrap();
    let dag_pb =
        Cid::new_v1(0x70, *key.multihash()).to_string_of_base(cid::multibase::Base::Base36Lower).unwrap();
    let answer = ask(&dag_pb).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::MOVED_PERMANENTLY, &*format!("http://{ED25519}.ipns.example.com/"))
    );
    assert!(
        fixture.gateway.has_domain("test.example.org").await
            && !fixture.gateway.has_domain("other.example.org").await
    );
    let (parts, _) = request(Method::GET, "/", &[]).into_parts();
    assert_eq!(got(fixture.gateway.serve_domain("test.example.org", &parts).await).await.text(), "hello\n");
}

async fn site(fixture: &Fixture, root: &str, path: &str, headers: &[(&str, &str)]) -> Got {
    let (root, place) =
        (Root::Content(root.parse().unwrap()), Place::Below { gateway: "example.com".to_owned() });
    let site = Site { root, path: path.to_owned(), caching: Caching::Immutable, place };
    let (parts, _) = request(Method::GET, path, headers).into_parts();
    got(fixture.gateway.serve(&site, &parts).await).await
}

async fn folder(fixture: &Fixture, root: Cid, name: &str) -> String {
    let answer = fixture.ask(Method::HEAD, &format!("/ipfs/{root}/{name}/"), &[]).await;
    answer.header("x-ipfs-roots").rsplit(',').next().unwrap().to_owned()
}

#[tokio::test]
async fn redirects_say_what_happens_to_paths_that_are_not_there() {
    let fixture = fixture();
    let root = fixture.import_car("redirects.car").await[0];
    let examples = folder(&fixture, root, "examples").await;
    for (path, status, location) in [
        ("/redirect-one", 301, "/one.html"),
        ("/301-redirect-one", 301, "/one.html"),
        ("/302-redirect-two", 302, "/two.html"),
        ("/200-index", 200, ""),
        ("/posts/2022/01/01/hello-world", 301, "/articles/2022/01/01/hello-world"),
        ("/splat/one.html", 301, "/redirected-splat/one.html"),
        ("/not-found/has-no-redirects-entry", 404, ""),
        ("/gone/has-no-redirects-entry", 410, ""),
        ("/unavail/has-no-redirects-entry", 451, ""),
        ("/catch-all", 200, ""),
    ] {
        let answer = site(&fixture, &examples, path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (status, location), "{path}");
        if status >= 400 {
            assert!(answer.text().contains(&format!("my {status}")), "{path}: {}", answer.text());
            assert_eq!(answer.header("cache-control"), "public, max-age=29030400, immutable");
        }
    }
    for (name, path, location) in
        [("newlines", "/redirect-one", "/one.html"), ("good-codes", "/a301", "/b301")]
    {
        let root = folder(&fixture, root, name).await;
        assert_eq!(site(&fixture, &root, path, &[]).await.header("location"), location, "{name}");
    }
    let bad = folder(&fixture, root, "bad-codes").await;
    assert!(
        site(&fixture, &bad, "/found.html", &[]).await.text().contains("my found"),
        "what is there is served"
    );
    for (name, what) in [
        ("forced", "could not parse _redirects: line 1: the status 301! is not"),
        ("too-large", "could not parse _redirects: redirects file size cannot exceed 65536 bytes"),
    ] {
        let root = folder(&fixture, root, name).await;
        let answer = site(&fixture, &root, "/not-found", &[]).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{name}");
        assert!(answer.text().contains(what), "{}", answer.text());
    }
    let shared = fixture.get(&format!("/ipfs/{examples}/redirect-one")).await;
    assert_eq!(shared.status, StatusCode::NOT_FOUND, "only a host of its own is redirected");
}

#[tokio::test]
async fn a_page_application_is_cached_like_any_page() {
    let fixture = fixture();
    let root = fixture.import_car("redirects-spa.car").await[0].into_v1().unwrap().to_string();
    let answer = site(&fixture, &root, "/missing-page", &[("accept", "text/html")]).await;
    let etag = answer.header("etag").to_owned();
    assert!(answer.status == StatusCode::OK && !etag.is_empty());
    let again =
        site(&fixture, &root, "/missing-page", &[("accept", "text/html"), ("if-none-match", &etag)]).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_listing_links_as_its_place_demands() {
    let fixture = fixture();
    let root = fixture.import_car("dir-listing.car").await[0].to_string();
    let shared = fixture.get(&format!("/ipfs/{root}/%C4%85/%C4%99/")).await;
    let below = site(&fixture, &root, "/%C4%85/%C4%99/", &[]).await;
    for (page, links) in [
        (
            shared.text(),
            [
                format!("<a href=\"/ipfs/{root}/%C4%85/%C4%99/..\">..</a>"),
                format!("/ipfs/<a href=\"/ipfs/{root}\">{root}</a>/<a href=\"/ipfs/{root}/%C4%85\">ą</a>"),
            ],
        ),
        (
            below.text(),
            [
                "<a href=\"/%C4%85/%C4%99/..\">..</a>".to_owned(),
                format!(
                    "/ipfs/<a href=\"//example.com/ipfs/{root}\">{root}</a>/<a href=\"//example.com/ipfs/{root}/%C4%85\">ą</a>"
                ),
            ],
        ),
    ] {
        assert!(page.contains("Index of"));
        for link in links {
            assert!(page.contains(&link), "{link} is not in {page}");
        }
        assert!(page.contains("file-%C5%BA%C5%82.txt\">file-źł.txt</a>"));
        assert!(page.contains("?filename=file-%25C5%25BA%25C5%2582.txt\">"));
    }
    assert!(!site(&fixture, &root, "/", &[]).await.text().contains(">..</a>"), "a root has nothing above");
}
