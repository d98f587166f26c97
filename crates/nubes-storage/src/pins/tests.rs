mod http;
mod laws;
mod pinning;
mod walking;

use super::{ConnectError, FetchError, Mode, NoPeers, OwnAddress, Peer, Peers, Pinner, Pins};
use crate::block::{Block, RAW};
use crate::segments::Config;
use crate::store::Store;
use async_trait::async_trait;
use cid::Cid;
use ipld_core::ipld::Ipld;
use multihash_codetable::{Code, MultihashDigest};
use nubes_base::SystemClock;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tempfile::TempDir;

const DAG_CBOR: u64 = 0x71;

struct Fixture {
    store: Store,
    pins: Pins,
    _dir: TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("storage"), Config::STANDARD).unwrap();
    let pins = Pins::open(&dir.path().join("pins.redb"), Arc::new(SystemClock)).unwrap();
    Fixture { store, pins, _dir: dir }
}

impl Fixture {
    fn pinner(&self, peers: impl Peers + 'static) -> Pinner {
        Pinner::new(self.pins.clone(), self.store.clone(), Arc::new(peers), Arc::new(SystemClock))
    }

    fn alone(&self) -> Pinner {
        self.pinner(NoPeers)
    }

    async fn put(&self, block: &Block) -> Cid {
        self.store.put_many(vec![block.clone()]).await.unwrap();
        *block.cid()
    }
}

fn leaf(text: &str) -> Block {
    let bytes = text.as_bytes().to_vec();
    Block::new(Cid::new_v1(RAW, Code::Sha2_256.digest(&bytes)), bytes.into()).unwrap()
}

/// A DAG-CBOR node that links to `children`.
fn node(children: &[Cid]) -> Block {
    let links = Ipld::List(children.iter().copied().map(Ipld::Link).collect());
    let bytes = serde_ipld_dagcbor::to_vec(&links).unwrap();
    Block::new(Cid::new_v1(DAG_CBOR, Code::Sha2_256.digest(&bytes)), bytes.into()).unwrap()
}

/// Peers that have some content, and give it from the `slow`th time on that they are asked.
#[derive(Debug)]
struct Generous {
    store: Store,
    has: Vec<Block>,
    slow: usize,
    asked: Mutex<usize>,
    met: Arc<Mutex<Vec<String>>>,
}

impl Generous {
    fn new(store: &Store, has: Vec<Block>) -> Self {
        Self { store: store.clone(), has, slow: 0, asked: Mutex::default(), met: Arc::default() }
    }
}

#[async_trait]
impl Peers for Generous {
    async fn fetch(&self, root: &Cid, _: Mode) -> Result<(), FetchError> {
        let nobody = || FetchError::NotFound { cid: *root, source: "nobody has it".into() };
        let asked = {
            let mut asked = self.asked.lock();
            *asked += 1;
            *asked
        };
        if asked <= self.slow || !self.has.iter().any(|block| block.cid() == root) {
            return Err(nobody());
        }
        self.store.put_many(self.has.clone()).await.unwrap();
        Ok(())
    }

    async fn connect(&self, address: &str) -> Result<String, ConnectError> {
        self.met.lock().push(address.to_owned());
        Err(ConnectError { address: address.to_owned(), source: "nobody is there".into() })
    }

    async fn connected(&self) -> Vec<Peer> {
        Vec::new()
    }

    fn own(&self) -> Option<OwnAddress> {
        Some(OwnAddress { id: "me".to_owned(), addresses: vec!["/ip4/192.0.2.1/tcp/4001/p2p/me".to_owned()] })
    }
}

fn notes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
