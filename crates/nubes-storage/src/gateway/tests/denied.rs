//! The deny list: every address that leads to what is on it, and changes of the list.

use super::{Fixture, fixture, request};
use crate::gateway::{Caching, DenyList, DenyListError, Gateway, Names, Place, Root, Site};
use crate::ipns::{DomainMap, Name};
use cid::{Cid, multibase::Base};
use http::{Method, StatusCode};
use nubes_base::{Clock, Timestamp};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

#[derive(Debug)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::Relaxed))
    }
}

struct Listed {
    fixture: Fixture,
    root: Cid,
    list: PathBuf,
    clock: Arc<HandClock>,
}

/// A gateway whose list is what `rules` makes of a directory with `index.html`, `a/index.html`, `a/b` and `c`.
async fn listed(rules: impl FnOnce(&Fixture, Cid) -> String) -> Listed {
    let (mut fixture, source) = (fixture(), tempfile::tempdir().unwrap());
    fs::create_dir(source.path().join("a")).unwrap();
    for (name, content) in [("index.html", "root"), ("a/index.html", "a"), ("a/b", "b"), ("c", "c")] {
        fs::write(source.path().join(name), content).unwrap();
    }
    let root = fixture.import(source.path()).await;
    let list = fixture.dir.path().join("deny");
    fs::write(&list, rules(&fixture, root)).unwrap();
    let clock = Arc::new(HandClock(AtomicU64::new(0)));
    let deny = DenyList::open(&list, Arc::clone(&clock) as _).unwrap();
    let domains = DomainMap::parse(&format!("site.example.org:/ipfs/{root}")).unwrap();
    fixture.gateway = Gateway::new(
        fixture.store.clone(),
        Names { domains, ledger: None, links: None, records: fixture.records.clone() },
        None,
        Arc::clone(&clock) as _,
        Some(deny),
    );
    Listed { fixture, root, list, clock }
}

fn double_hash(address: &str) -> String {
    let hash: Vec<_> = Sha256::digest(address).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("//{}\n", hash.concat())
}

/// The statuses of a path by every kind of host.
async fn statuses(fixture: &Fixture, root: &Cid, path: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for form in forms(root) {
        statuses.push(fixture.get(&format!("/ipfs/{form}{path}")).await.status);
    }
    let (parts, _) = request(Method::GET, path, &[]).into_parts();
    let content = Place::Below { gateway: "gateway.example".to_owned() };
    for place in [content, Place::Own { host: "app.example".to_owned() }] {
        let (root, caching) = (Root::Content(root.into_v1().unwrap()), Caching::Immutable);
        let site = Site { root, path: parts.uri.path().to_owned(), caching, place };
        statuses.push(fixture.gateway.serve(&site, &parts).await.status());
    }
    statuses.push(fixture.gateway.serve_domain("site.example.org", &parts).await.status());
    let label = Name::Domain("site.example.org".to_owned()).label();
    statuses.push(fixture.gateway.serve_name(&label, "gateway.example", &parts).await.status());
    statuses.push(fixture.get(&format!("/ipns/site.example.org{path}")).await.status);
    statuses.iter().map(StatusCode::as_u16).collect()
}

fn forms(cid: &Cid) -> Vec<String> {
    let v1 = cid.into_v1().unwrap();
    let base36 = v1.to_string_of_base(Base::Base36Lower).unwrap();
    vec![v1.to_string(), Cid::new_v0(*cid.hash()).unwrap().to_string(), base36]
}

#[track_caller]
fn check(got: &[u16], expect: u16, what: &str) {
    assert!(got.iter().all(|status| *status == expect), "{what}: {got:?}, not {expect}");
}

#[tokio::test]
async fn denied_content_is_gone_by_every_host_and_form() {
    for form in 0..3 {
        let listed = listed(|_, root| format!("# why\n/ipfs/{}\n", forms(&root)[form])).await;
        for path in ["/", "/a/b", "/c", "/nothing"] {
            check(&statuses(&listed.fixture, &listed.root, path).await, 410, path);
        }
        let got = listed.fixture.get(&format!("/ipfs/{}", listed.root)).await;
        assert!(got.text().contains("NX3028"), "{}", got.text());
        for format in ["raw", "car", "tar"] {
            let got = listed.fixture.get(&format!("/ipfs/{}?format={format}", listed.root)).await;
            assert_eq!(got.status, StatusCode::GONE, "{format}");
        }
    }
}

#[tokio::test]
async fn a_path_is_denied_with_what_is_below_it_and_nothing_else() {
    for hashed in [false, true] {
        let listed =
            listed(
                |_, root| {
                    if hashed { double_hash(&format!("{root}/a")) } else { format!("/ipfs/{root}/a\n") }
                },
            )
            .await;
        for path in ["/a/", "/a/b", "/a/b?format=raw"] {
            check(&statuses(&listed.fixture, &listed.root, path).await, 410, path);
        }
        for path in ["/", "/c"] {
            check(&statuses(&listed.fixture, &listed.root, path).await, 200, path);
        }
    }
}

#[tokio::test]
async fn an_index_is_not_served_for_its_directory_if_it_is_denied() {
    let listed = listed(|_, root| double_hash(&format!("{root}/a/index.html"))).await;
    check(&statuses(&listed.fixture, &listed.root, "/a/").await, 410, "/a/");
    check(&statuses(&listed.fixture, &listed.root, "/a/b").await, 200, "/a/b");
}

#[tokio::test]
async fn content_is_denied_wherever_it_lies_and_if_it_is_not_here() {
    let absent = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

    let listed = listed(|_, _| double_hash(&format!("{absent}/"))).await;
    assert_eq!(listed.fixture.get(&format!("/ipfs/{absent}")).await.status, StatusCode::GONE);
    let block = crate::block::Block::new(absent.parse().unwrap(), bytes::Bytes::from_static(b"hello\n"));
    listed.fixture.store.put_many(vec![block.unwrap()]).await.unwrap();
    assert_eq!(listed.fixture.get(&format!("/ipfs/{absent}")).await.status, StatusCode::GONE);
    let etag = listed.fixture.get(&format!("/ipfs/{}/a/b", listed.root)).await.header("etag").to_owned();
    let child = etag.trim_matches('"');
    fs::write(&listed.list, double_hash(&format!("{child}/"))).unwrap();
    listed.clock.0.store(60_000, Ordering::Relaxed);
    check(&statuses(&listed.fixture, &listed.root, "/a/b").await, 410, "below another root");
    check(&statuses(&listed.fixture, &listed.root, "/a/").await, 200, "its directory");
}

#[tokio::test]
async fn a_changed_list_is_read_after_a_minute_and_a_broken_one_is_not_used() {
    let listed = listed(|_, _| String::new()).await;
    let status = async |ms| {
        listed.clock.0.store(ms, Ordering::Relaxed);
        listed.fixture.get(&format!("/ipfs/{}/c", listed.root)).await.status.as_u16()
    };
    assert_eq!(status(0).await, 200);
    fs::write(&listed.list, format!("/ipfs/{}\n", listed.root)).unwrap();
    assert_eq!(status(59_999).await, 200, "the file is looked at once a minute");
    assert_eq!(status(60_000).await, 410);
    fs::write(&listed.list, "nonsense").unwrap();
    assert_eq!(status(120_000).await, 410, "the list before stays in force");
    fs::remove_file(&listed.list).unwrap();
    assert_eq!(status(180_000).await, 410);
    fs::write(&listed.list, "# nothing\n").unwrap();
    assert_eq!(status(240_000).await, 200);
}

#[test]
fn a_list_that_cannot_be_used_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deny");
    let clock = Arc::new(HandClock(AtomicU64::new(0)));
    let open = || DenyList::open(&path, Arc::clone(&clock) as _).unwrap_err();
    assert!(matches!(open(), DenyListError::Read { .. }));
    fs::write(&path, "#\nnonsense").unwrap();
    assert!(matches!(open(), DenyListError::Line { line: 2, .. }));
    fs::File::create(&path).unwrap().set_len(crate::gateway::DENY_LIST_BYTES_MAX + 1).unwrap();
    assert!(matches!(open(), DenyListError::TooLong { .. }));
}
