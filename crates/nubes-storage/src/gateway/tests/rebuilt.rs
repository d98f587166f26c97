//! Content that is not here and that somebody keeps.

use super::{Fixture, Got, fixture};
use crate::block::{Block, RAW};
use crate::car::{frame, header};
use crate::gateway::{Gateway, Names, Rebuilds};
use crate::ipns::DomainMap;
use crate::segments::Config;
use crate::store::Store;
use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures_util::{StreamExt, future::join_all, stream};
use http::{Method, StatusCode};
use ipld_core::ipld::Ipld;
use multihash_codetable::{Code, MultihashDigest};
use nubes_base::port::{Archive, Keepers, KeepersError};
use nubes_base::{Clock, Timestamp};
use parking_lot::Mutex;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const DAG_CBOR: u64 = 0x71;

/// What a keeper gives for each root, and what it says the length is if that is not true.
#[derive(Debug, Default)]
struct Shelf {
    cars: Mutex<Vec<(Cid, Vec<u8>)>>,
    length: Mutex<Option<u64>>,
    is_down: Mutex<bool>,
    asked: AtomicU64,
    now_ms: AtomicU64,
}

#[async_trait]
impl Keepers for Shelf {
    async fn find(&self, root: &Cid) -> Result<Vec<Archive>, KeepersError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        if *self.is_down.lock() {
            return Err(KeepersError { root: *root, source: "down".into() });
        }
        let cars = self.cars.lock();
        let of_root = cars.iter().filter(|(of, _)| of == root);
        let archives = of_root.map(|(_, car)| {
            let parts: Vec<_> = car.chunks(100).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
            let bytes = self.length.lock().unwrap_or(car.len() as u64);
            Archive { bytes, parts: stream::iter(parts).boxed() }
        });
        Ok(archives.collect())
    }
}

impl Clock for Shelf {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.now_ms.load(Ordering::Relaxed))
    }
}

impl Shelf {
    fn asked(&self) -> u64 {
        self.asked.swap(0, Ordering::Relaxed)
    }

    fn pass(&self, seconds: u64) {
        self.now_ms.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    fn keep(&self, root: &Block, blocks: &[&Block]) {
        self.cars.lock().push((*root.cid(), car(root, blocks)));
    }
}

fn car(root: &Block, blocks: &[&Block]) -> Vec<u8> {
    let mut car = header(&[*root.cid()]).to_vec();
    for block in blocks {
        car.extend_from_slice(&frame(block.cid(), block.bytes().len()));
        car.extend_from_slice(block.bytes());
    }
    car
}

fn block(codec: u64, content: &[u8]) -> Block {
    Block::new(Cid::new_v1(codec, Code::Sha2_256.digest(content)), Bytes::copy_from_slice(content)).unwrap()
}

fn node(children: &[&Block]) -> Block {
    let links = children.iter().map(|child| Ipld::Link(*child.cid())).collect();
    block(DAG_CBOR, &serde_ipld_dagcbor::to_vec(&Ipld::List(links)).unwrap())
}

fn with_shelf(config: Config) -> (Fixture, Arc<Shelf>) {
    let (mut fixture, shelf) = (fixture(), Arc::new(Shelf::default()));
    fixture.store = Store::open(&fixture.dir.path().join("own"), config).unwrap();
    let records = fixture.records.clone();
    let names = Names { domains: DomainMap::default(), ledger: None, links: None, records };
    let clock: Arc<dyn Clock> = Arc::clone(&shelf) as _;
    let rebuilds = Rebuilds::new(Arc::clone(&shelf) as _, Arc::clone(&clock));
    fixture.gateway = Gateway::new(fixture.store.clone(), names, Some(rebuilds), clock, None);
    (fixture, shelf)
}

async fn raw(fixture: &Fixture, root: &Block) -> Got {
    fixture.get(&format!("/ipfs/{}?format=raw", root.cid())).await
}

#[tokio::test]
async fn what_a_keeper_has_is_brought_once_and_is_here_from_then_on() {
    let (fixture, shelf) = with_shelf(Config::STANDARD);
    let leaves = [block(RAW, b"one"), block(RAW, b"two")];
    let inner = node(&[&leaves[0]]);
    let root = node(&[&inner, &leaves[1], &leaves[0]]);
    shelf.keep(&root, &[&root, &inner, &leaves[0], &leaves[1]]);
    let all = join_all((0..10).map(|_| raw(&fixture, &root))).await;
    assert!(all.iter().all(|got| got.status == StatusCode::OK && got.body == *root.bytes()));
    assert_eq!(shelf.asked(), 1, "once for all who wait");
    shelf.cars.lock().clear();
    for below in [&inner, &leaves[0], &leaves[1]] {
        assert_eq!(raw(&fixture, below).await.body, *below.bytes());
    }
    assert_eq!(shelf.asked(), 0, "nobody is asked for what is here");
}

#[tokio::test]
async fn a_file_below_a_folder_is_brought_with_all_of_it() {
    let (fixture, shelf) = with_shelf(Config::STANDARD);
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("a.txt"), vec![b'a'; 600_000]).unwrap();
    fs::write(source.path().join("b.txt"), "b").unwrap();
    let other = super::fixture();
    let root = other.import(source.path()).await;
    let car = other.get(&format!("/ipfs/{root}?format=car")).await.body.to_vec();
    shelf.cars.lock().push((root, car));
    assert_eq!(fixture.get(&format!("/ipfs/{root}/a.txt")).await.body, vec![b'a'; 600_000]);
    assert_eq!(fixture.get(&format!("/ipfs/{root}/b.txt")).await.text(), "b");
    assert_eq!(fixture.get(&format!("/ipfs/{root}/c.txt")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(shelf.asked(), 1);
}

#[tokio::test]
async fn what_was_collected_after_it_was_served_is_brought_again() {
    let (fixture, shelf) = with_shelf(Config::STANDARD);
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("a.txt"), vec![b'a'; 3_000_000]).unwrap();
    fs::write(source.path().join("index.html"), "index").unwrap();
    let root = fixture.import(source.path()).await;
    let paths = ["", "a.txt"].map(|path| format!("/ipfs/{root}/{path}"));
    let car = fixture.get(&format!("/ipfs/{root}?format=car")).await.body.to_vec();
    for is_kept in [false, true] {
        for path in &paths {
            let before = fixture.get(path).await;
            assert_eq!(before.status, StatusCode::OK);
            fixture.store.collect(&|_| false).await.unwrap();
            let cached = fixture.ask(Method::GET, path, &[("cache-control", "only-if-cached")]).await;
            assert_eq!(cached.status, StatusCode::PRECONDITION_FAILED, "{path}");
            if !is_kept {
                let gone = fixture.get(path).await;
                assert!(gone.status == StatusCode::NOT_FOUND && gone.text().contains("NX3003"), "{path}");
                fixture.import(source.path()).await;
            }
        }
        shelf.pass(5);
        shelf.cars.lock().push((root, car.clone()));
    }
    shelf.asked();
    assert_eq!(fixture.get(&paths[1]).await.body, vec![b'a'; 3_000_000]);
    assert_eq!(shelf.asked(), 1);
}

#[tokio::test]
async fn a_page_below_a_folder_that_is_here_is_brought() {
    let (fixture, shelf) = with_shelf(Config::STANDARD);
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("index.html"), "index").unwrap();
    let root = fixture.import(source.path()).await;
    let car = fixture.get(&format!("/ipfs/{root}?format=car")).await.body.to_vec();
    shelf.cars.lock().push((root, car));
    fixture.store.collect(&|hash| hash == root.hash()).await.unwrap();
    assert_eq!(fixture.get(&format!("/ipfs/{root}/")).await.text(), "index");
}

#[tokio::test]
async fn that_nobody_keeps_it_is_a_404_and_remembered() {
    let (fixture, shelf) = with_shelf(Config::STANDARD);
    let lone = block(RAW, b"nobody has it");
    let path = format!("/ipfs/{}", lone.cid());
    let cached = fixture.ask(Method::GET, &path, &[("cache-control", "only-if-cached")]).await;
    assert_eq!((cached.status, shelf.asked()), (StatusCode::PRECONDITION_FAILED, 0));
    for (seconds, asked) in [(0, 1), (4, 0), (1, 1)] {
        shelf.pass(seconds);
        let got = fixture.get(&path).await;
        assert!(got.status == StatusCode::NOT_FOUND && got.text().contains("NX3003"), "{}", got.text());
        assert_eq!(shelf.asked(), asked, "{seconds} s later");
    }
    shelf.pass(5);
    *shelf.is_down.lock() = true;
    for (seconds, asked) in [(0, 1), (29, 0), (1, 1)] {
        shelf.pass(seconds);
        let got = fixture.get(&path).await;
        assert!(got.status == StatusCode::BAD_GATEWAY && got.text().contains("NX3060"), "{}", got.text());
        assert_eq!(shelf.asked(), asked, "{seconds} s later");
    }
}

#[tokio::test]
async fn what_is_no_part_of_the_object_is_not_kept() {
    let (leaf, stranger) = (block(RAW, b"leaf"), block(RAW, b"stranger"));
    let root = node(&[&leaf]);
    let cut = car(&root, &[&root, &leaf]);
    let cut = &cut[..cut.len() - 1];
    let mut lie = car(&root, &[&root, &leaf]);
    *lie.last_mut().unwrap() ^= 1;
    for (car, what) in [
        (car(&root, &[&stranger, &root, &leaf]), "is no part of it"),
        (car(&root, &[&root, &stranger, &leaf]), "is no part of it"),
        (car(&root, &[&leaf, &root]), "is no part of it"),
        (car(&root, &[&root]), "1 of its blocks did not come"),
        (cut.to_vec(), "is cut off"),
        (lie, "do not hash"),
        (b"no CAR at all".to_vec(), ""),
        (Vec::new(), ""),
    ] {
        let (fixture, shelf) = with_shelf(Config::STANDARD);
        shelf.cars.lock().push((*root.cid(), car));
        let got = raw(&fixture, &root).await;
        assert_eq!(got.status, StatusCode::BAD_GATEWAY, "{what}: {}", got.text());
        assert!(got.text().contains(what), "{what}: {}", got.text());
        assert!(!fixture.store.has(stranger.cid()).await.unwrap(), "{what}");
        // The next keeper is honest.
        shelf.pass(30);
        shelf.keep(&root, &[&root, &leaf]);
        assert_eq!(raw(&fixture, &root).await.body, *root.bytes(), "{what}");
    }
}

#[tokio::test]
async fn an_object_is_as_long_as_it_says_and_not_too_long() {
    let root = block(RAW, &[7; 500]);
    for (says, what) in [(99, "more comes than was said"), (u64::MAX, "bytes, more than 4294967296")] {
        let (fixture, shelf) = with_shelf(Config::STANDARD);
        shelf.keep(&root, &[&root]);
        *shelf.length.lock() = Some(says);
        let got = raw(&fixture, &root).await;
        assert!(got.status == StatusCode::BAD_GATEWAY && got.text().contains(what), "{}", got.text());
    }
}

#[tokio::test]
async fn a_quota_is_kept_and_said() {
    let (fixture, shelf) = with_shelf(Config { stored_bytes_max: 1_000, ..Config::STANDARD });
    let root = block(RAW, &[7; 5_000]);
    shelf.keep(&root, &[&root]);
    for _ in 0..2 {
        let got = raw(&fixture, &root).await;
        assert!(
            got.status == StatusCode::INSUFFICIENT_STORAGE && got.text().contains("1000"),
            "{}",
            got.text()
        );
        assert_eq!(shelf.asked(), 1, "there may be room the next time");
    }
}
