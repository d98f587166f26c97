//! Collections, erasures and backups on a real disk.

use super::{SMALL, block, check_all, crashed, filled, flip, numbered, position_of, segment};
use crate::block::Block;
use crate::segments::{Collected, Config, GetError, MaintainError, OpenError, PutError, Recovery, Store};
use multihash::Multihash;
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::{sync::Notify, task::JoinSet};

fn hashes<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> BTreeSet<Multihash<64>> {
    blocks.into_iter().map(|block| *block.cid().hash()).collect()
}

async fn check_gone(store: &Store, blocks: &[Block]) {
    for block in blocks {
        let got = store.get(block.cid()).await;
        assert!(matches!(got, Err(GetError::NotFound { .. })), "{got:?}");
        assert!(!store.has(block.cid()).unwrap());
    }
}

/// Whether a segment has these bytes.
fn on_disk(dir: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(dir.join("segments")).unwrap().any(|segment| {
        let content = fs::read(segment.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn what_is_not_kept_gives_its_room_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    let (kept, rest): (Vec<_>, Vec<_>) =
        numbered(900).into_iter().enumerate().partition(|(number, _)| number % 10 == 0);
    let [kept, rest] = [kept, rest].map(|part| part.into_iter().map(|(_, block)| block).collect::<Vec<_>>());
    store.put_many([kept.clone(), rest.clone()].concat()).await.unwrap();
    let before = store.stats().await.unwrap();
    assert_eq!((before.blocks, before.live_bytes), (900, before.stored_bytes));
    let keep = hashes(&kept);
    let collected = store.collect(&|hash| keep.contains(hash)).await.unwrap();
    assert_eq!(collected.removed_blocks, 810);
    assert!(collected.deleted_segments >= before.segments - 1, "{collected:?} of {before:?}");
    let after = store.stats().await.unwrap();
    assert_eq!((after.blocks, after.live_bytes), (90, before.live_bytes - collected.removed_bytes));
    assert!(after.stored_bytes < 2 * after.live_bytes, "{after:?}");
    check_all(&store, &kept).await;
    check_gone(&store, &rest).await;
    assert_eq!(store.collect(&|hash| keep.contains(hash)).await.unwrap(), Collected::default());
    let crashed = crashed(dir.path());
    for index_is_lost in [false, true] {
        if index_is_lost {
            fs::remove_file(crashed.path().join("index.redb")).unwrap();
        }
        let again = Store::open(crashed.path(), SMALL).unwrap();
        check_all(&again, &kept).await;
        assert_eq!(again.recovery().damaged, []);
        assert_eq!(again.verify_all().await.unwrap().damaged_blocks, 0);
    }
    store.put_many(rest.clone()).await.unwrap();
    check_all(&store, &rest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_during_a_collection_stays() {
    for round in 0..20_u32 {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), SMALL).unwrap();
        let garbage = numbered(500);
        store.put_many(garbage.clone()).await.unwrap();
        let begun = Notify::new();
        let new = (0..100).map(|n| block(format!("new {round} {n}")));
        let again = garbage.iter().skip(round as usize).step_by(3).cloned();
        let put: Vec<_> = new.chain(again).collect();
        let putting = async {
            begun.notified().await;
            for part in put.chunks(9) {
                store.put_many(part.to_vec()).await.unwrap();
            }
        };
        let keep = |_: &Multihash<64>| {
            begun.notify_one();
            false
        };
        let ((), collected) = tokio::join!(putting, store.collect(&keep));
        collected.unwrap();
        check_all(&store, &put).await;
        store.close().await;
        drop(store);
        check_all(&Store::open(dir.path(), SMALL).unwrap(), &put).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_notice_a_collection() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    let blocks = numbered(600);
    store.put_many(blocks.clone()).await.unwrap();
    let kept: Vec<_> = blocks.iter().step_by(3).cloned().collect();
    let (keep, is_done) = (hashes(&kept), std::sync::Arc::new(AtomicBool::new(false)));
    let mut readers = JoinSet::new();
    for _ in 0..2 {
        let (store, kept, is_done) = (store.clone(), kept.clone(), is_done.clone());
        readers.spawn(async move {
            while !is_done.load(Ordering::Relaxed) {
                check_all(&store, &kept).await;
                tokio::task::yield_now().await;
            }
        });
    }
    for round in 0..10 {
        store.put_many(numbered(600)).await.unwrap();
        let collected = store.collect(&|hash| keep.contains(hash)).await.unwrap();
        assert_eq!(collected.removed_blocks, 400, "{round}");
    }
    is_done.store(true, Ordering::Relaxed);
    readers.join_all().await;
}

#[tokio::test]
async fn a_reader_that_looked_up_a_block_before_it_moved_or_went_is_answered_right() {
    let dir = tempfile::tempdir().unwrap();
    let (store, blocks) = (Store::open(dir.path(), SMALL).unwrap(), numbered(20));
    store.put_many(blocks.clone()).await.unwrap();
    let place = |block: &Block| store.locate(block.cid()).unwrap().unwrap();
    let (kept, gone) = (place(&blocks[3]), place(&blocks[4]));
    store.collect(&|hash| hash == blocks[3].cid().hash()).await.unwrap();
    assert_ne!(place(&blocks[3]), kept);
    assert_eq!(&store.inner.load(blocks[3].cid(), kept).unwrap(), blocks[3].bytes());
    let missing = store.inner.load(blocks[4].cid(), gone);
    assert!(matches!(missing, Err(GetError::NotFound { .. })), "{missing:?}");
    assert!(store.has(blocks[3].cid()).unwrap());
}

#[tokio::test]
async fn a_segment_with_a_damaged_block_stays() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(20));
    filled(dir.path(), &blocks).await;
    let path = segment(dir.path(), 1);
    flip(&path, position_of(&path, b"block 7 "));
    let store = Store::open(dir.path(), SMALL).unwrap();
    let keep = hashes(&blocks[7..9]);
    let collected = store.collect(&|hash| keep.contains(hash)).await.unwrap();
    assert_eq!((collected.removed_blocks, collected.moved_blocks, collected.deleted_segments), (18, 1, 0));
    assert!(matches!(store.get(blocks[7].cid()).await, Err(GetError::Corrupt { .. })));
    check_all(&store, &blocks[8..9]).await;
    store.put_many(vec![blocks[7].clone()]).await.unwrap();
    assert_eq!(store.collect(&|hash| keep.contains(hash)).await.unwrap().deleted_segments, 1);
    check_all(&store, &blocks[7..9]).await;
}

#[tokio::test]
async fn a_collection_makes_room_below_the_quota() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Config { stored_bytes_max: 50_000, ..SMALL }).unwrap();
    let (first, second) = (block("a".repeat(40_000)), block("b".repeat(40_000)));
    store.put_many(vec![first.clone()]).await.unwrap();
    assert!(matches!(store.put_many(vec![second.clone()]).await, Err(PutError::Quota { .. })));
    store.collect(&|_| false).await.unwrap();
    store.put_many(vec![second.clone()]).await.unwrap();
    check_gone(&store, &[first]).await;
    check_all(&store, &[second]).await;
}

#[tokio::test]
async fn a_collection_that_is_broken_off_leaves_a_store_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let (store, blocks) = (Store::open(dir.path(), SMALL).unwrap(), numbered(300));
    for polls in 0..30 {
        store.put_many(blocks.clone()).await.unwrap();
        let keep = hashes(&blocks[..30]);
        let always = |hash: &Multihash<64>| keep.contains(hash);
        let mut collecting = Box::pin(store.collect(&always));
        for _ in 0..polls {
            let _ = futures_util::poll!(&mut collecting);
            tokio::task::yield_now().await;
        }
        drop(collecting);
        check_all(&store, &blocks[..30]).await;
    }
    store.put_many(blocks.clone()).await.unwrap();
    check_all(&store, &blocks).await;
    assert_eq!(store.verify_all().await.unwrap().damaged_blocks, 0);
}

#[tokio::test]
async fn an_erased_block_leaves_no_bytes_in_any_segment() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(60));
    filled(dir.path(), &blocks).await;
    let (erased, path) = (&blocks[7], segment(dir.path(), 1));
    // A damaged record, a second one of the repair, and one that a collection left in a segment that is half full.
    flip(&path, position_of(&path, b"block 7 ") + 8);
    let store = Store::open(dir.path(), Config { cache_bytes_max: 1 << 20, ..SMALL }).unwrap();
    store.put_many(vec![erased.clone()]).await.unwrap();
    let keep = hashes(blocks.iter().filter(|block| *block != erased));
    store.collect(&|hash| keep.contains(hash)).await.unwrap();
    store.put_many(vec![erased.clone()]).await.unwrap();
    check_all(&store, std::slice::from_ref(erased)).await;
    assert!(on_disk(dir.path(), erased.bytes()));
    assert_eq!(store.erase(erased.cid().hash()).await.unwrap().records, 3);
    assert!(!on_disk(dir.path(), erased.bytes()));
    assert!(!on_disk(dir.path(), erased.cid().hash().digest()), "its name is gone too");
    check_gone(&store, std::slice::from_ref(erased)).await;
    assert_eq!(store.erase(erased.cid().hash()).await.unwrap().records, 0);
    store.close().await;
    drop(store);
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    assert_eq!(store.recovery().damaged, []);
    check_gone(&store, std::slice::from_ref(erased)).await;
    let others: Vec<_> = blocks.iter().filter(|block| *block != erased).cloned().collect();
    check_all(&store, &others).await;
    store.put_many(vec![erased.clone()]).await.unwrap();
    check_all(&store, std::slice::from_ref(erased)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_writes_is_a_store_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy");
    let store = Store::open(&dir.path().join("store"), SMALL).unwrap();
    let blocks = numbered(500);
    store.put_many(blocks.clone()).await.unwrap();
    store.collect(&|hash| hash != blocks[3].cid().hash()).await.unwrap();
    let mut writing = JoinSet::new();
    let other = store.clone();
    writing.spawn(async move {
        for n in 0..200 {
            other.put_many(vec![block(format!("during {n}"))]).await.unwrap();
        }
    });
    let backup = store.backup(&to).await.unwrap();
    writing.join_all().await;
    assert!(backup.blocks >= 499, "{backup:?}");
    let copy = Store::open(&to, SMALL).unwrap();
    assert_eq!(copy.recovery(), &Recovery::default());
    let stats = copy.stats().await.unwrap();
    assert_eq!(
        (stats.blocks, stats.segments, stats.stored_bytes),
        (backup.blocks, backup.segments, backup.bytes)
    );
    check_gone(&copy, &blocks[3..4]).await;
    check_all(&copy, &blocks[4..]).await;
    copy.erase(blocks[9].cid().hash()).await.unwrap();
    check_all(&store, &blocks[9..10]).await;
    copy.put_many(vec![block("only in the copy")]).await.unwrap();
    check_gone(&store, &[block("only in the copy")]).await;
    let again = store.backup(&to).await;
    assert!(matches!(again, Err(MaintainError::Occupied { .. })), "{again:?}");
    drop(copy);
    fs::remove_file(to.join("VERSION")).unwrap();
    assert!(matches!(Store::open(&to, SMALL), Err(OpenError::Unfinished { .. })));
}
