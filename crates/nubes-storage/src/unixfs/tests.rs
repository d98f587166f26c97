use super::{
    BuildError, Entry, File, Hidden, ImportError, Kind, NodeError, ReadError, Reason, build_pack, dag_bytes,
    import_directory, import_file, import_stream, list, resolve,
};
use crate::block::{Block, DAG_PB};
use crate::car::{self, Scope, Selection};
use crate::segments::{Config, GetError};
use crate::store::Store;
use bytes::Bytes;
use cid::Cid;
use futures_util::{StreamExt, TryStreamExt, stream};
use ipld_dagpb::{PbLink, PbNode};
use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::*;
use std::{
    convert::Infallible,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tempfile::TempDir;

/// As `ipfs-car pack` 3.1.0 prints them for the same files.
const SITE: &str = "bafybeihs35ckk7chh54ej7a7ooego5ck4zwpwjcg5lbuq3wzdcrjnes6rm";
const SHARDED: &str = "bafybeifrlq7hdqqsdn7g2kru6yvud2dxxprn5hxfjmy2ufuqp5k3mds334";
const TWO_CHUNKS: &str = "bafybeihy4hui5kwlsjxxba5pwz2hqiufosfi4qzx3x6psy5ew23r47bj3q";
const FOUR_CHUNKS: &str = "bafybeidhltbtn3jcwbefi4e6e4lr6uidkkquw3nnlif6tfxq6pj7ildefm";
const EMPTY: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Config::STANDARD).unwrap();
    (dir, store)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect()
}

fn site(dir: &Path) {
    fs::create_dir(dir.join("assets")).unwrap();
    fs::write(dir.join("index.html"), "<!doctype html><h1>hello</h1>\n").unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(dir.join("assets/ümlaut ß.txt"), "größe\n").unwrap();
    fs::write(dir.join("assets/big.bin"), pattern((3 << 20) + 12_345)).unwrap();
}

async fn import(store: &Store, dir: &Path) -> super::Built {
    import_directory(store, dir, Hidden::Skip, |_| ()).await.unwrap()
}

fn names(path: &str) -> Vec<String> {
    path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

async fn read(store: &Store, root: Cid, path: &str) -> Result<Bytes, ReadError> {
    let resolved = resolve(store, root, &names(path)).await?;
    File::open(store, resolved.cid).await?.read(u64::MAX).await
}

#[tokio::test]
async fn a_file_has_the_cid_of_ipfs_car() {
    let (dir, store) = store();
    for (content, expect) in
        [(Vec::new(), EMPTY), (pattern(2 << 20), TWO_CHUNKS), (pattern((3 << 20) + 12_345), FOUR_CHUNKS)]
    {
        let path = dir.path().join("a file");
        fs::write(&path, &content).unwrap();
        let built = import_file(&store, &path).await.unwrap();
        assert_eq!(built.cid.to_string(), expect);
        assert_eq!(built.bytes, content.len() as u64);
        let chunks: Vec<_> =
            content.chunks(77_777).map(|part| Ok::<_, Infallible>(Bytes::copy_from_slice(part))).collect();
        assert_eq!(import_stream(&store, stream::iter(chunks)).await.unwrap().cid, built.cid);
        assert_eq!(File::open(&store, built.cid).await.unwrap().read(u64::MAX).await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_directory_has_the_cid_of_ipfs_car_and_its_files_can_be_read() {
    let (_dir, store) = store();
    let source = tempfile::tempdir().unwrap();
    site(source.path());
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let progress = move |bytes| {
        counter.fetch_add(bytes, Relaxed);
    };
    let built = import_directory(&store, source.path(), Hidden::Skip, progress).await.unwrap();
    assert_eq!(built.cid.to_string(), SITE);
    assert_eq!((built.files, built.bytes), (4, seen.load(Relaxed)));
    assert_eq!(read(&store, built.cid, "assets/ümlaut ß.txt").await.unwrap(), "größe\n");
    assert_eq!(read(&store, built.cid, "assets/big.bin").await.unwrap(), pattern((3 << 20) + 12_345));
    let resolved = resolve(&store, built.cid, &names("assets")).await.unwrap();
    assert_eq!((resolved.kind, resolved.roots.len(), resolved.trail), (Kind::Directory, 2, vec![built.cid]));
}

#[tokio::test]
async fn a_sharded_directory_of_6000_files_has_the_cid_of_ipfs_car_and_every_name_is_found() {
    let (_dir, store) = store();
    let source = tempfile::tempdir().unwrap();
    for n in 0..6_000 {
        fs::write(source.path().join(format!("file-{n:05}-{}.txt", "x".repeat(20))), format!("{n}\n"))
            .unwrap();
    }
    let built = import(&store, source.path()).await;
    assert_eq!(built.cid.to_string(), SHARDED);
    for n in 0..6_000 {
        let name = format!("file-{n:05}-{}.txt", "x".repeat(20));
        assert_eq!(read(&store, built.cid, &name).await.unwrap(), format!("{n}\n"));
    }
    let missing = read(&store, built.cid, "file-06000").await.unwrap_err();
    assert!(matches!(missing, ReadError::NoEntry { .. }), "{missing}");
    let all = list(&store, &built.cid, 10_000).await.unwrap();
    assert_eq!((all.entries.len(), all.more), (6_000, false));
    assert!(all.entries.is_sorted_by(|a: &Entry, b: &Entry| a.name < b.name));
    let some = list(&store, &built.cid, 10).await.unwrap();
    assert_eq!((some.entries.len(), some.more), (10, true));
}

#[tokio::test]
async fn what_is_left_out_is_reported() {
    let (_dir, store) = store();
    let source = tempfile::tempdir().unwrap();
    site(source.path());
    fs::create_dir(source.path().join("nothing")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", source.path().join("link")).unwrap();
    fs::write(source.path().join(".hidden"), "h").unwrap();
    let built = import(&store, source.path()).await;
    assert_eq!(built.cid.to_string(), SITE);
    let skipped: Vec<_> = built.skipped.iter().map(|s| (s.path.to_str().unwrap(), s.reason)).collect();
    assert_eq!(skipped, [("link", Reason::Symlink), ("nothing", Reason::EmptyDirectory)]);
    let all = import_directory(&store, source.path(), Hidden::Include, |_| ()).await.unwrap();
    assert_eq!(read(&store, all.cid, ".hidden").await.unwrap(), "h");
}

#[tokio::test]
async fn an_empty_directory_and_one_with_a_single_file_are_directories() {
    let (_dir, store) = store();
    let source = tempfile::tempdir().unwrap();
    let empty = import(&store, source.path()).await;
    assert_eq!(empty.cid.to_string(), "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    fs::write(source.path().join("a"), "a").unwrap();
    let one = import(&store, source.path()).await;
    assert_eq!(one.cid.to_string(), "bafybeidxwodi7y3iqsxfwcs66qkqpptzpqd2fu35fj5nacnkuljowobooq");
    assert_eq!(list(&store, &one.cid, 10).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_an_error_that_names_it() {
    let (_dir, store) = store();
    let source = tempfile::tempdir().unwrap();
    let bad = source.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(&bad, "x").unwrap();
    let error = import_directory(&store, source.path(), Hidden::Skip, |_| ()).await.unwrap_err();
    assert!(matches!(&error, ImportError::Build(BuildError::Name { path }) if *path == bad), "{error}");
}

#[tokio::test]
async fn what_is_not_there_cannot_be_imported() {
    let (dir, store) = store();
    let error = import_file(&store, &dir.path().join("none")).await.unwrap_err();
    assert!(matches!(error, ImportError::Build(BuildError::Read { .. })), "{error}");
    for path in [dir.path().join("none"), dir.path().join("VERSION")] {
        let error = import_directory(&store, &path, Hidden::Skip, |_| ()).await.unwrap_err();
        assert!(matches!(error, ImportError::Build(BuildError::Read { .. })), "{error}");
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_an_error() {
    let (_dir, store) = store();
    let chunks = [Ok(Bytes::from_static(b"first")), Err(std::io::Error::other("gone"))];
    let error = import_stream(&store, stream::iter(chunks)).await.unwrap_err();
    assert!(matches!(error, ImportError::Build(BuildError::Read { .. })), "{error}");
}

#[tokio::test]
async fn a_path_behind_a_file_or_to_nothing_is_an_error() {
    let (_dir, store) = store();
    let source = tempfile::tempdir().unwrap();
    site(source.path());
    let root = import(&store, source.path()).await.cid;
    assert!(matches!(read(&store, root, "index.html/x").await, Err(ReadError::NotADirectory { .. })));
    assert!(matches!(read(&store, root, "none").await, Err(ReadError::NoEntry { .. })));
    assert!(matches!(read(&store, root, "assets").await, Err(ReadError::NotAFile { .. })));
    assert!(matches!(read(&store, root, &"a/".repeat(300)).await, Err(ReadError::TooDeep { .. })));
    let missing = Cid::new_v1(DAG_PB, Code::Sha2_256.digest(b"missing"));
    assert!(matches!(read(&store, missing, "a").await, Err(ReadError::Block(GetError::NotFound { .. }))));
}

/// A DAG-PB node of a file with these children and claims.
fn file_node(children: &[(Cid, u64)], claimed_size: u64) -> Block {
    let mut data = vec![0x08, 2, 0x18];
    crate::varint::write(claimed_size, &mut data);
    for (_, size) in children {
        data.push(0x20);
        crate::varint::write(*size, &mut data);
    }
    let links = children
        .iter()
        .map(|(cid, _)| PbLink { cid: *cid, name: Some(String::new()), size: Some(0) })
        .collect();
    let bytes = Bytes::from(PbNode { links, data: Some(data.into()) }.into_bytes());
    Block::new(Cid::new_v1(DAG_PB, Code::Sha2_256.digest(&bytes)), bytes).unwrap()
}

fn leaf(content: &[u8]) -> Block {
    let bytes = Bytes::copy_from_slice(content);
    Block::new(Cid::new_v1(0x55, Code::Sha2_256.digest(&bytes)), bytes).unwrap()
}

async fn stored(store: &Store, block: Block) -> Cid {
    let cid = *block.cid();
    store.put_many(vec![block]).await.unwrap();
    cid
}

#[tokio::test]
async fn sizes_that_contradict_each_other_are_found() {
    let (_dir, store) = store();
    let four = stored(&store, leaf(b"four")).await;
    let sum = stored(&store, file_node(&[(four, 4)], 5)).await;
    assert!(matches!(File::open(&store, sum).await, Err(ReadError::Node(NodeError::Malformed { .. }))));
    let longer = stored(&store, file_node(&[(four, 9)], 9)).await;
    let file = File::open(&store, longer).await.unwrap();
    assert!(matches!(file.read(u64::MAX).await, Err(ReadError::Node(NodeError::Malformed { .. }))));
    let overflow = stored(&store, file_node(&[(four, u64::MAX), (four, u64::MAX)], 1)).await;
    assert!(matches!(File::open(&store, overflow).await, Err(ReadError::Node(NodeError::Malformed { .. }))));
}

#[tokio::test]
async fn a_chain_that_is_too_deep_is_not_followed() {
    let (_dir, store) = store();
    let mut cid = stored(&store, leaf(b"bottom")).await;
    for _ in 0..=super::DEPTH_MAX {
        cid = stored(&store, file_node(&[(cid, 6)], 6)).await;
    }
    let file = File::open(&store, cid).await.unwrap();
    assert!(matches!(file.read(u64::MAX).await, Err(ReadError::TooDeep { .. })));
}

#[tokio::test]
async fn a_file_that_is_huge_only_by_repetition_is_read_by_range_and_not_into_memory() {
    let (_dir, store) = store();
    let mut node = (stored(&store, leaf(b"0123456789")).await, 10_u64);
    for _ in 0..15 {
        let children = vec![node; 16];
        node = (stored(&store, file_node(&children, node.1 * 16)).await, node.1 * 16);
    }
    let file = File::open(&store, node.0).await.unwrap();
    assert!(matches!(file.read(1 << 30).await, Err(ReadError::TooLarge { .. })));
    let middle = node.1 / 2;
    let part: Vec<Bytes> = file.stream(middle + 5..middle + 25).try_collect().await.unwrap();
    assert_eq!(part.concat(), b"56789012345678901234");
    let target = resolve(&store, node.0, &[]).await.unwrap();
    let car = car::export(&store, &target, Selection { scope: Scope::All, bytes: None, duplicates: false });
    let bytes: Vec<Bytes> = car.take(1_000).try_collect().await.unwrap();
    assert_eq!(bytes.len(), 1 + 16 * 2, "each block is sent once");
}

#[tokio::test]
async fn a_pack_has_each_root_below_its_cid_however_many_they_are() {
    let (_dir, store) = store();
    for (count, is_sharded) in [(2_u32, false), (3_000, true)] {
        let roots: Vec<Block> = (0..count).map(|n| leaf(&n.to_le_bytes())).collect();
        let sizes = roots.iter().map(|block| (*block.cid(), dag_bytes(block).unwrap())).collect();
        let mut blocks = Vec::new();
        let mut take = |block| {
            blocks.push(block);
            Ok::<_, Infallible>(())
        };
        let pack = build_pack(&sizes, &mut take).unwrap();
        assert_eq!(blocks.len() > 1, is_sharded, "{count}");
        let last = blocks.last().unwrap();
        let all: usize = blocks.iter().chain(&roots).map(|block| block.bytes().len()).sum();
        assert_eq!((*last.cid(), dag_bytes(last).unwrap()), (pack, all as u64), "{count}");
        store.put_many([blocks, roots.clone()].concat()).await.unwrap();
        for root in roots.iter().step_by(41) {
            let name = root.cid().to_string();
            assert_eq!(read(&store, pack, &name).await.unwrap(), root.bytes(), "{name}");
        }
    }
}

#[tokio::test]
async fn too_many_links_in_a_node_are_refused() {
    let (_dir, store) = store();
    let link = PbLink { cid: *leaf(b"x").cid(), name: Some(String::new()), size: Some(1) };
    let node = PbNode { links: vec![link; super::LINKS_MAX + 1], data: Some(Bytes::from_static(&[0x08, 1])) };
    let bytes = Bytes::from(node.into_bytes());
    let cid = Cid::new_v1(DAG_PB, Code::Sha2_256.digest(&bytes));
    let cid = stored(&store, Block::new(cid, bytes).unwrap()).await;
    assert!(matches!(list(&store, &cid, 10).await, Err(ReadError::Node(NodeError::Malformed { .. }))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_of_a_file_is_the_slice(start in 0..5_000_000_usize, length in 0..3_000_000_usize) {
        static FILE: std::sync::OnceLock<(TempDir, File, Vec<u8>)> = std::sync::OnceLock::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (_, file, content) = FILE.get_or_init(|| runtime.block_on(async {
            let (dir, store) = store();
            let content = pattern((4 << 20) + 321);
            let chunk = Bytes::from(content.clone());
            let built = import_stream(&store, stream::iter([Ok::<_, Infallible>(chunk)])).await.unwrap();
            (dir, File::open(&store, built.cid).await.unwrap(), content)
        }));
        let parts: Vec<Bytes> =
            runtime.block_on(file.stream(start as u64..(start + length) as u64).try_collect()).unwrap();
        let (from, to) = (start.min(content.len()), (start + length).min(content.len()));
        prop_assert!(parts.concat() == content[from..to]);
    }
}
