use super::{fixture, leaf, node};
use crate::block::{Block, DAG_PB};
use crate::pins::{Met, Mode, Status, Walk, WalkError, Wish, survey};
use cid::Cid;
use futures_util::TryStreamExt;
use multihash_codetable::{Code, MultihashDigest};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_survey_names_what_is_missing() {
    let fixture = fixture();
    let (here, gone) = (leaf("here"), leaf("gone"));
    let lost = node(&[*leaf("below").cid()]);
    let root = node(&[*here.cid(), *gone.cid(), *lost.cid()]);
    fixture.put(&here).await;
    let root = fixture.put(&root).await;
    let found = survey(&fixture.store, &root, Mode::Recursive).await.unwrap();
    assert_eq!((found.blocks, found.missing), (2, vec![*gone.cid(), *lost.cid()]));
    assert!(survey(&fixture.store, &root, Mode::Direct).await.unwrap().is_complete());
    let nothing = survey(&fixture.store, lost.cid(), Mode::Direct).await.unwrap();
    assert_eq!(nothing.missing, [*lost.cid()]);
}

#[tokio::test]
async fn what_a_cid_carries_in_itself_is_never_missing() {
    let fixture = fixture();
    let inline = Cid::new_v1(0x55, multihash::Multihash::wrap(0, b"inline").unwrap());
    let root = fixture.put(&node(&[inline])).await;
    assert!(survey(&fixture.store, &root, Mode::Recursive).await.unwrap().is_complete());
    assert!(survey(&fixture.store, &inline, Mode::Recursive).await.unwrap().is_complete());
}

#[tokio::test]
async fn a_dag_with_more_paths_than_atoms_is_walked_in_a_moment() {
    let fixture = fixture();
    let mut root = fixture.put(&leaf("end")).await;
    for _ in 0..200 {
        root = fixture.put(&node(&[root, root])).await;
    }
    let found = survey(&fixture.store, &root, Mode::Recursive).await.unwrap();
    assert_eq!(found.blocks, 202);
}

#[tokio::test]
async fn a_walk_ends_at_its_limit() {
    let fixture = fixture();
    let leaf = fixture.put(&leaf("again")).await;
    let root = fixture.put(&node(&[leaf; 100])).await;
    let mut walk = Walk::new(fixture.store.clone(), vec![root], 100);
    let ended = loop {
        match walk.next().await {
            Ok(Some(Met::Here { .. })) => {}
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(WalkError::TooLarge { blocks_max: 100, .. })));
}

#[tokio::test]
async fn a_node_that_cannot_be_read_ends_a_survey_but_keeps_itself_alive() {
    let fixture = fixture();
    let bytes = vec![0xff; 10];
    let bad = Block::new(Cid::new_v1(DAG_PB, Code::Sha2_256.digest(&bytes)), bytes.into()).unwrap();
    let bad = fixture.put(&bad).await;
    let error = survey(&fixture.store, &bad, Mode::Recursive).await.unwrap_err();
    assert!(matches!(error, WalkError::Node(_)), "{error}");
    fixture.pins.add(Wish::new(bad, Mode::Recursive), Status::Failed).unwrap();
    let live: Vec<_> = fixture.pins.live(&fixture.store).try_collect().await.unwrap();
    assert_eq!(live, [*bad.hash()]);
}

#[tokio::test]
async fn what_is_pinned_and_here_lives_and_nothing_else() {
    let fixture = fixture();
    let leaves: Vec<Block> = ["a", "b", "c", "d"].into_iter().map(leaf).collect();
    for leaf in &leaves[..3] {
        fixture.put(leaf).await;
    }
    let cid = |at: usize| *leaves[at].cid();
    // One that is complete, one that still waits for `d`, one that is kept without what is below.
    let complete = fixture.put(&node(&[cid(0)])).await;
    let waiting = fixture.put(&node(&[complete, cid(1), cid(3)])).await;
    let direct = fixture.put(&node(&[cid(2)])).await;
    fixture.pins.add(Wish::new(complete, Mode::Recursive), Status::Pinned).unwrap();
    fixture.pins.add(Wish::new(waiting, Mode::Recursive), Status::Pinning).unwrap();
    let last = fixture.pins.add(Wish::new(direct, Mode::Direct), Status::Pinned).unwrap();
    let live: BTreeSet<_> = fixture.pins.live(&fixture.store).try_collect().await.unwrap();
    let expected = [complete, waiting, direct, cid(0), cid(1)].map(|cid| *cid.hash());
    assert_eq!(live, BTreeSet::from(expected));
    assert!(fixture.pins.remove(last.id).unwrap());
    let live: BTreeSet<_> = fixture.pins.live(&fixture.store).try_collect().await.unwrap();
    assert!(!live.contains(direct.hash()));
}

#[tokio::test]
async fn nobody_collects_while_somebody_adds() {
    let fixture = fixture();
    let (first, second) = (fixture.pins.adding().await, fixture.pins.adding().await);
    let mut collecting = Box::pin(fixture.pins.collecting());
    assert!(futures_util::poll!(&mut collecting).is_pending());
    drop((first, second));
    let guard = collecting.await;
    let mut adding = Box::pin(fixture.pins.adding());
    assert!(futures_util::poll!(&mut adding).is_pending());
    drop(guard);
    adding.await;
}
