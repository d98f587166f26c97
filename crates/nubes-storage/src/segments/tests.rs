mod coalesce;
mod collect;
mod faults;
mod kill;
mod memory_disk;

use super::{Config, GetError, OpenError, Place, PutError, Store};
use crate::block::{BLOCK_BYTES_MAX, Block, BlockError, RAW};
use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::*;
use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const SMALL: Config = Config {
    segment_bytes_max: 64 << 10,
    commit_bytes_max: 1 << 20,
    cache_bytes_max: 0,
    stored_bytes_max: u64::MAX,
    free_bytes_min: 0,
};

fn block(content: impl Into<Bytes>) -> Block {
    let bytes = content.into();
    Block::new(Cid::new_v1(RAW, Code::Sha2_256.digest(&bytes)), bytes).unwrap()
}

fn numbered(count: u32) -> Vec<Block> {
    (0..count).map(|n| block(format!("block {n} {}", "x".repeat(n as usize % 700)))).collect()
}

async fn check_all(store: &Store, blocks: &[Block]) {
    for block in blocks {
        assert_eq!(&store.get(block.cid()).await.unwrap(), block.bytes());
    }
}

/// The folder as it is at this moment: what a crash would leave.
fn crashed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("segments")).unwrap();
    for name in ["VERSION", "END", "index.redb"] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    for segment in fs::read_dir(dir.join("segments")).unwrap() {
        let segment = segment.unwrap();
        fs::copy(segment.path(), copy.path().join("segments").join(segment.file_name())).unwrap();
    }
    copy
}

fn segment(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("segments/{number:08}.seg"))
}

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

fn position_of(path: &Path, needle: &[u8]) -> u64 {
    let content = fs::read(path).unwrap();
    content.windows(needle.len()).position(|window| window == needle).unwrap() as u64
}

async fn filled(dir: &Path, blocks: &[Block]) {
    let store = Store::open(dir, SMALL).unwrap();
    store.put_many(blocks.to_vec()).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn what_was_put_is_there_after_a_clean_restart() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(500));
    filled(dir.path(), &blocks).await;
    let store = Store::open(dir.path(), SMALL).unwrap();
    check_all(&store, &blocks).await;
    assert_eq!(store.recovery(), &super::Recovery::default());
    assert!(fs::read_dir(dir.path().join("segments")).unwrap().count() > 1, "segments roll at their limit");
}

#[tokio::test]
async fn what_was_put_is_there_after_a_crash() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(500));
    let store = Store::open(dir.path(), SMALL).unwrap();
    for part in blocks.chunks(7) {
        store.put_many(part.to_vec()).await.unwrap();
    }
    let crashed = crashed(dir.path());
    let again = Store::open(crashed.path(), SMALL).unwrap();
    check_all(&again, &blocks).await;
    assert_eq!(again.recovery().torn_bytes, 0);
    again.put_many(vec![block("after the crash")]).await.unwrap();
    check_all(&again, &[block("after the crash")]).await;
    drop(store);
}

#[tokio::test]
async fn many_small_puts_are_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (store, blocks) = (Store::open(dir.path(), SMALL).unwrap(), numbered(600));
    for block in &blocks {
        store.put_many(vec![block.clone()]).await.unwrap();
    }
    let crashed = crashed(dir.path());
    let again = Store::open(crashed.path(), SMALL).unwrap();
    check_all(&again, &blocks).await;
    assert!(again.recovery().records_indexed < 600, "the index is synced now and then");
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_nothing_else() {
    let blocks = numbered(50);
    for cut in [1, 10, 30, 60] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Config::STANDARD).unwrap();
        store.put_many(blocks.clone()).await.unwrap();
        let crashed = crashed(dir.path());
        let path = segment(crashed.path(), 1);
        let length = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - cut).unwrap();
        // With it, the store knows that the record was acknowledged.
        fs::remove_file(crashed.path().join("END")).unwrap();
        let again = Store::open(crashed.path(), SMALL).unwrap();
        assert!(again.recovery().torn_bytes > 0, "{cut}");
        assert_eq!(again.recovery().records_indexed, 49, "{cut}");
        again.put_many(blocks.clone()).await.unwrap();
        check_all(&again, &blocks).await;
    }
}

#[tokio::test]
async fn a_lost_or_unreadable_index_is_rebuilt() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(500));
    filled(dir.path(), &blocks).await;
    let index = dir.path().join("index.redb");
    for damage in
        [|path: &Path| fs::remove_file(path).unwrap(), |path: &Path| fs::write(path, "no database").unwrap()]
    {
        damage(&index);
        let store = Store::open(dir.path(), SMALL).unwrap();
        assert!(store.recovery().index_rebuilt);
        assert_eq!(store.recovery().records_indexed, 500);
        check_all(&store, &blocks).await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_flipped_payload_byte_damages_one_block_and_adding_it_again_repairs_it() {
    let (dir, mut blocks) = (tempfile::tempdir().unwrap(), numbered(20));
    filled(dir.path(), &blocks).await;
    let path = segment(dir.path(), 1);
    let payload = position_of(&path, b"block 7 ");
    flip(&path, payload + 2);
    let store = Store::open(dir.path(), SMALL).unwrap();
    let damaged = blocks.remove(7);
    let error = store.get(damaged.cid()).await.unwrap_err();
    let GetError::Corrupt { damage } = error else { panic!("{error}") };
    assert!(!store.has(damaged.cid()).unwrap(), "who has it is asked for it again");
    assert_eq!(damage.cid, *damaged.cid());
    let begins_before = matches!(damage.place, Place::Segment { segment: 1, offset } if offset < payload);
    assert!(begins_before, "the offset is where the record begins");
    check_all(&store, &blocks).await;
    let scrub = store.verify_all().await.unwrap();
    assert_eq!((scrub.blocks, scrub.damaged_blocks), (20, 1));
    assert_eq!(scrub.damaged, [*damage]);
    store.put_many(vec![damaged.clone()]).await.unwrap();
    check_all(&store, std::slice::from_ref(&damaged)).await;
    assert!(store.has(damaged.cid()).unwrap());
    assert_eq!(store.verify_all().await.unwrap().damaged_blocks, 0);
}

#[tokio::test]
async fn a_flipped_header_or_checksum_byte_costs_no_content() {
    // Places in a header: magic, length, payload checksum, CID length, header checksum, CID.
    for place in [0, 4, 8, 12, 13, 20] {
        let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(20));
        filled(dir.path(), &blocks).await;
        let path = segment(dir.path(), 1);
        let header = position_of(&path, b"block 7 ") - 17 - blocks[7].cid().to_bytes().len() as u64;
        flip(&path, header + place);
        let store = Store::open(dir.path(), SMALL).unwrap();
        check_all(&store, &blocks).await;
        let scrub = store.verify_all().await.unwrap();
        assert_eq!(scrub.damaged_blocks, 1, "{place}");
        assert_eq!(scrub.damaged[0].cid.hash(), blocks[7].cid().hash(), "{place}");
        let at = Place::Segment { segment: 1, offset: header };
        assert_eq!(scrub.damaged[0].place, at, "{place}");
    }
}

#[tokio::test]
async fn a_rebuild_skips_a_record_without_header_and_names_the_place() {
    let (dir, mut blocks) = (tempfile::tempdir().unwrap(), numbered(20));
    filled(dir.path(), &blocks).await;
    let path = segment(dir.path(), 1);
    let header = position_of(&path, b"block 7 ") - 17 - blocks[7].cid().to_bytes().len() as u64;
    flip(&path, header);
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    let [stretch] = store.recovery().damaged[..] else { panic!("{:?}", store.recovery()) };
    assert_eq!((stretch.segment, stretch.offset), (1, header));
    let lost = blocks.remove(7);
    assert!(matches!(store.get(lost.cid()).await, Err(GetError::NotFound { .. })));
    check_all(&store, &blocks).await;
}

#[tokio::test]
async fn a_rebuild_keeps_the_name_of_a_damaged_payload() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(20));
    filled(dir.path(), &blocks).await;
    let path = segment(dir.path(), 1);
    flip(&path, position_of(&path, b"block 7 "));
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    assert!(matches!(store.get(blocks[7].cid()).await, Err(GetError::Corrupt { .. })));
}

#[tokio::test]
async fn a_damaged_last_record_is_no_torn_write_once_it_was_acknowledged() {
    let last = b"block 19 ";
    for (back, is_named) in [(0, true), (40, false)] {
        let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(20));
        let store = Store::open(dir.path(), SMALL).unwrap();
        store.put_many(blocks.clone()).await.unwrap();
        let crashed = crashed(dir.path());
        let path = segment(crashed.path(), 1);
        flip(&path, position_of(&path, last) - back);
        fs::remove_file(crashed.path().join("index.redb")).unwrap();
        let again = Store::open(crashed.path(), SMALL).unwrap();
        assert_eq!(again.recovery().torn_bytes, 0);
        assert_eq!(
            again.recovery().damaged.len(),
            usize::from(!is_named),
            "its header is gone, so its place is told"
        );
        match again.get(blocks[19].cid()).await.unwrap_err() {
            GetError::Corrupt { damage } => assert!(is_named && damage.cid == *blocks[19].cid()),
            error => assert!(!is_named && matches!(error, GetError::NotFound { .. }), "{error}"),
        }
        again.put_many(blocks.clone()).await.unwrap();
        check_all(&again, &blocks).await;
        drop(store);
    }
}

#[tokio::test]
async fn a_damaged_end_of_an_earlier_segment_is_told_when_the_index_is_rebuilt() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(500));
    filled(dir.path(), &blocks).await;
    let path = segment(dir.path(), 1);
    let content = fs::read(&path).unwrap();
    let header = content.windows(4).rposition(|window| window == b"NxB1").unwrap() as u64;
    flip(&path, header);
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    let [stretch] = store.recovery().damaged[..] else { panic!("{:?}", store.recovery()) };
    assert_eq!((stretch.segment, stretch.offset), (1, header));
    assert_eq!(stretch.offset + stretch.bytes, content.len() as u64);
}

#[tokio::test]
async fn the_quota_and_the_reserve_refuse_with_figures_and_reading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let quota = Config { stored_bytes_max: 1_000, ..SMALL };
    let store = Store::open(dir.path(), quota).unwrap();
    store.put_many(vec![block("x".repeat(800))]).await.unwrap();
    let used = fs::metadata(segment(dir.path(), 1)).unwrap().len();
    let error = store.put_many(vec![block("y".repeat(200))]).await.unwrap_err();
    assert!(
        matches!(error, PutError::Quota { stored_bytes, stored_bytes_max: 1_000, asked_bytes } if stored_bytes == used && asked_bytes > 200),
        "{error}"
    );
    store.put_many(vec![block("small")]).await.unwrap();
    store.put_many(vec![block("x".repeat(800))]).await.unwrap();
    check_all(&store, &[block("x".repeat(800)), block("small")]).await;
    drop(store);
    let reserve = Config { free_bytes_min: u64::MAX >> 1, ..SMALL };
    let store = Store::open(dir.path(), reserve).unwrap();
    let error = store.put_many(vec![block("z")]).await.unwrap_err();
    assert!(
        matches!(error, PutError::Full { free_bytes_min, .. } if free_bytes_min == u64::MAX >> 1),
        "{error}"
    );
    check_all(&store, &[block("small")]).await;
}

#[tokio::test]
async fn a_request_over_the_quota_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Config { stored_bytes_max: 1_000, ..SMALL }).unwrap();
    let large = store.enqueue(vec![block("x".repeat(2_000))]).await.unwrap();
    let small = store.enqueue(vec![block("small")]).await.unwrap();
    assert!(matches!(large.durable().await, Err(PutError::Quota { .. })));
    small.durable().await.unwrap();
    check_all(&store, &[block("small")]).await;
}

#[tokio::test]
async fn a_segment_that_is_gone_is_reported_by_block() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(20));
    filled(dir.path(), &blocks).await;
    fs::remove_file(segment(dir.path(), 1)).unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    assert!(matches!(store.get(blocks[0].cid()).await, Err(GetError::Corrupt { .. })));
    store.put_many(blocks.clone()).await.unwrap();
    check_all(&store, &blocks).await;
}

#[tokio::test]
async fn a_write_that_fails_stores_nothing_of_its_group_and_the_next_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    store.put_many(vec![block("before")]).await.unwrap();
    let obstacle = segment(dir.path(), 2);
    fs::create_dir(&obstacle).unwrap();
    let blocks = numbered(500);
    let error = store.put_many(blocks.clone()).await.unwrap_err();
    assert!(matches!(error, PutError::Write { .. }), "{error}");
    assert!(blocks.iter().all(|block| !store.has(block.cid()).unwrap()));
    check_all(&store, &[block("before")]).await;
    fs::remove_dir(&obstacle).unwrap();
    store.put_many(blocks.clone()).await.unwrap();
    store.close().await;
    drop(store);
    let store = Store::open(dir.path(), SMALL).unwrap();
    check_all(&store, &blocks).await;
    assert_eq!(store.verify_all().await.unwrap().damaged_blocks, 0);
}

#[tokio::test]
async fn one_process_holds_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    assert!(matches!(Store::open(dir.path(), SMALL), Err(OpenError::Locked { .. })));
    drop(store);
    Store::open(dir.path(), SMALL).unwrap();
}

#[tokio::test]
async fn a_store_of_another_format_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("VERSION"), "nubes-segments 9\n").unwrap();
    let error = Store::open(dir.path(), SMALL).unwrap_err();
    assert!(matches!(&error, OpenError::Version { found, .. } if found == "nubes-segments 9"), "{error}");
    assert!(!dir.path().join("index.redb").exists());
}

#[tokio::test]
async fn blocks_lie_in_the_order_in_which_they_were_put() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(30));
    filled(dir.path(), &blocks).await;
    let path = segment(dir.path(), 1);
    let places: Vec<_> = (0..30).map(|n| position_of(&path, format!("block {n} ").as_bytes())).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[tokio::test]
async fn equal_content_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    store.put_many(vec![block("same"), block("same")]).await.unwrap();
    let length = fs::metadata(segment(dir.path(), 1)).unwrap().len();
    store.put_many(vec![block("same")]).await.unwrap();
    assert_eq!(fs::metadata(segment(dir.path(), 1)).unwrap().len(), length);
    let other_name = Cid::new_v0(*block("same").cid().hash()).unwrap();
    assert_eq!(
        store.get(&other_name).await.unwrap(),
        "same",
        "a block is found by its hash, whatever its codec"
    );
}

#[tokio::test]
async fn a_closed_store_reads_and_does_not_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    store.put_many(vec![block("before")]).await.unwrap();
    store.close().await;
    store.close().await;
    assert!(matches!(store.put_many(vec![block("after")]).await, Err(PutError::Closed)));
    check_all(&store, &[block("before")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_puts_are_all_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for part in numbered(400).chunks(10) {
        let (store, part) = (store.clone(), part.to_vec());
        tasks.spawn(async move { store.put_many(part).await.unwrap() });
    }
    tasks.join_all().await;
    check_all(&store, &numbered(400)).await;
}

#[tokio::test]
async fn more_than_the_queue_holds_is_taken_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Config::STANDARD).unwrap();
    let blocks: Vec<_> = (0..20_u8).map(|n| block(vec![n; BLOCK_BYTES_MAX])).collect();
    store.put_many(blocks.clone()).await.unwrap();
    check_all(&store, &blocks).await;
}

#[test]
fn a_block_is_checked_when_it_is_made() {
    let cid = *block("right").cid();
    assert!(matches!(Block::new(cid, Bytes::from_static(b"wrong")), Err(BlockError::Mismatch { .. })));
    let long = vec![0; BLOCK_BYTES_MAX + 1];
    assert!(matches!(Block::new(cid, long.into()), Err(BlockError::TooLong { .. })));
    let unknown = Cid::new_v1(RAW, multihash::Multihash::wrap(0x3fff, &[1; 32]).unwrap());
    assert!(matches!(Block::new(unknown, Bytes::new()), Err(BlockError::HashFunction { code: 0x3fff, .. })));
}

#[tokio::test]
async fn a_cid_that_carries_its_content_needs_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), SMALL).unwrap();
    let cid = Cid::new_v1(RAW, multihash::Multihash::wrap(0, b"inside").unwrap());
    assert_eq!(store.get(&cid).await.unwrap(), "inside");
    assert!(store.has(&cid).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_damage_to_a_segment_loses_nothing_silently(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..200),
        without_index: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(30));
            filled(dir.path(), &blocks).await;
            let path = segment(dir.path(), 1);
            let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&bytes, at.index(length) as u64).unwrap();
            if without_index {
                fs::remove_file(dir.path().join("index.redb")).unwrap();
            }
            let store = Store::open(dir.path(), SMALL).unwrap();
            for block in &blocks {
                match store.get(block.cid()).await {
                    Ok(content) => assert_eq!(&content, block.bytes()),
                    Err(GetError::Corrupt { .. }) => {}
                    Err(GetError::NotFound { .. }) => assert!(without_index),
                    Err(other) => panic!("{other}"),
                }
            }
            store.put_many(blocks.clone()).await.unwrap();
            check_all(&store, &blocks).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_damage_to_the_index_gives_no_wrong_bytes_and_no_panic(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..5000),
        is_clean: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (dir, blocks) = (tempfile::tempdir().unwrap(), numbered(30));
            let store = Store::open(dir.path(), SMALL).unwrap();
            store.put_many(blocks.clone()).await.unwrap();
            if is_clean {
                store.close().await;
                drop(store);
            }
            let dir = crashed(dir.path());
            let path = dir.path().join("index.redb");
            let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&bytes, at.index(length) as u64).unwrap();
            let store = Store::open(dir.path(), SMALL).unwrap();
            for block in &blocks {
                if let Ok(content) = store.get(block.cid()).await {
                    assert_eq!(&content, block.bytes());
                }
            }
        });
    }
}
