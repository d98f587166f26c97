//! Whole DAGs between two nodes.

use super::{EVERYWHERE, Node};
use crate::{DagError, DagLimits, FetchError, Listen, Progress};
use bytes::Bytes;
use cid::Cid;
use ipld_core::{codec::Codec, ipld::Ipld};
use ipld_dagpb::{PbLink, PbNode};
use multihash_codetable::{Code, MultihashDigest};
use nubes_base::port::Blocks;
use nubes_testkit::blocks::raw;
use serde_ipld_dagcbor::codec::DagCborCodec;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

type Blocked = (Cid, Bytes);
const DAG_PB: u64 = 0x70;
const DAG_CBOR: u64 = 0x71;

fn node(children: &[Blocked]) -> Blocked {
    let link = |(cid, bytes): &Blocked| PbLink {
        cid: *cid,
        name: Some(String::new()),
        size: Some(bytes.len() as u64),
    };
    let bytes = PbNode { links: children.iter().map(link).collect(), data: None }.into_bytes();
    (Cid::new_v1(DAG_PB, Code::Sha2_256.digest(&bytes)), bytes.into())
}

fn list(children: &[Blocked]) -> Blocked {
    let links = Ipld::List(children.iter().map(|(cid, _)| Ipld::Link(*cid)).collect());
    let bytes = DagCborCodec::encode_to_vec(&links).unwrap();
    (Cid::new_v1(DAG_CBOR, Code::Sha2_256.digest(&bytes)), bytes.into())
}

/// 4 lists of 4 nodes of 10 leaves, some of them alike.
fn tree() -> (Cid, Vec<Blocked>) {
    let mut all = Vec::new();
    let lists: Vec<_> = (0..4_u8)
        .map(|l| {
            let nodes: Vec<_> = (0..4_u8)
                .map(|n| {
                    let leaves: Vec<_> = (0..10_u8).map(|leaf| raw(vec![leaf, n, l / 2])).collect();
                    all.extend(leaves.clone());
                    node(&leaves)
                })
                .collect();
            all.extend(nodes.clone());
            list(&nodes)
        })
        .collect();
    all.extend(lists.clone());
    let root = node(&lists);
    all.push(root.clone());
    (root.0, all)
}

async fn pair(blocks: Vec<Blocked>) -> (Node, Node) {
    let (one, other) = (Node::start(EVERYWHERE).await, Node::start(Listen::default()).await);
    one.blocks.put(blocks).await.unwrap();
    other.exchange.connect(&one.address("/tcp/")).await.unwrap();
    (one, other)
}

async fn fetch(node: &Node, root: Cid, limits: DagLimits) -> Result<Progress, DagError> {
    node.exchange.fetch_dag(root, limits, &|_| ()).await
}

const LIMITS: DagLimits = DagLimits { patience: Duration::from_secs(20), ..DagLimits::STANDARD };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dag_is_fetched_once_and_what_is_here_is_not_fetched_again() {
    let (root, blocks) = tree();
    let (one, other) = pair(blocks.clone()).await;
    let reports = AtomicU64::new(0);
    let report = |progress: Progress| reports.store(progress.blocks, Ordering::Relaxed);
    let progress = other.exchange.fetch_dag(root, LIMITS, &report).await.unwrap();
    assert_eq!(other.blocks.count(), one.blocks.count());
    assert_eq!(reports.into_inner(), progress.blocks);
    for (cid, bytes) in &blocks {
        assert_eq!(other.blocks.get(cid).await.unwrap().as_ref(), Some(bytes));
    }
    let again = fetch(&other, root, LIMITS).await.unwrap();
    assert_eq!((again.fetched_blocks, again.blocks), (0, progress.blocks));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_broke_off_goes_on_where_it_was() {
    let (root, blocks) = tree();
    let (_one, other) = pair(blocks).await;
    let few = DagLimits { blocks_max: 25, ..LIMITS };
    let broken = fetch(&other, root, few).await.unwrap_err();
    assert!(matches!(broken, DagError::TooLarge { what: "blocks", limit: 25, .. }), "{broken}");
    let before = other.blocks.count() as u64;
    assert!(before > 0);
    let progress = fetch(&other, root, LIMITS).await.unwrap();
    assert_eq!(progress.fetched_blocks + before, other.blocks.count() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_are_kept() {
    let (root, blocks) = tree();
    let (_one, other) = pair(blocks).await;
    for (limits, what) in [
        (DagLimits { bytes_max: 300, ..LIMITS }, "bytes"),
        (DagLimits { depth_max: 2, ..LIMITS }, "levels"),
        (DagLimits { blocks_max: 3, ..LIMITS }, "blocks"),
    ] {
        let error = fetch(&other, root, limits).await.unwrap_err();
        assert!(matches!(&error, DagError::TooLarge { what: named, .. } if *named == what), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_paths_to_few_blocks_are_walked_once() {
    let mut all = vec![raw("bottom")];
    for _ in 0..60 {
        let below = all.last().unwrap().clone();
        all.push(node(&[below.clone(), below]));
    }
    let root = all.last().unwrap().0;
    let (_one, other) = pair(all).await;
    let progress = fetch(&other, root, LIMITS).await.unwrap();
    assert_eq!(other.blocks.count(), 61);
    assert!(progress.blocks <= 62, "{progress:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_block_is_named_and_a_malformed_one_too() {
    let (root, mut blocks) = tree();
    let missing = blocks.remove(7).0;
    blocks.retain(|(cid, _)| *cid != missing);
    let (one, other) = pair(blocks).await;
    let limits = DagLimits { patience: Duration::from_secs(1), ..LIMITS };
    let error = fetch(&other, root, limits).await.unwrap_err();
    assert!(
        matches!(&error, DagError::Fetch(FetchError::NotFound { cid, .. }) if *cid == missing),
        "{error}"
    );
    let bytes = Bytes::from_static(b"\xff no node");
    let malformed = Cid::new_v1(DAG_PB, Code::Sha2_256.digest(&bytes));
    one.blocks.put(vec![(malformed, bytes)]).await.unwrap();
    let error = fetch(&other, malformed, LIMITS).await.unwrap_err();
    assert!(matches!(&error, DagError::Malformed { cid, .. } if *cid == malformed), "{error}");
}
