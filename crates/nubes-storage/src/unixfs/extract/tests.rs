use super::{ExtractError, Extraction, UnpackError};
use crate::block::{Block, DAG_PB};
use crate::car::{self, Decoder, Item, Scope, Selection};
use crate::segments::Config;
use crate::store::Store;
use crate::unixfs::{Hidden, import_directory, import_file, resolve};
use bytes::Bytes;
use cid::Cid;
use futures_util::TryStreamExt;
use ipld_dagpb::{PbLink, PbNode};
use multihash::Multihash;
use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const FILE: &[u8] = &[0x08, 2];
const FOLDER: &[u8] = &[0x08, 1];

fn store(dir: &Path) -> Store {
    Store::open(&dir.join("store"), Config::STANDARD).unwrap()
}

/// What a gateway sends for `root`.
async fn blocks(store: &Store, root: Cid, duplicates: bool) -> Vec<Block> {
    let target = resolve(store, root, &[]).await.unwrap();
    let car = car::export(store, &target, Selection { scope: Scope::All, bytes: None, duplicates });
    let mut decoder = Decoder::default();
    car.try_collect::<Vec<Bytes>>().await.unwrap().into_iter().for_each(|chunk| decoder.push(chunk));
    let items = std::iter::from_fn(|| decoder.next_item().unwrap());
    items.filter_map(|item| if let Item::Block(block) = item { Some(block) } else { None }).collect()
}

fn extract(root: Cid, to: &Path, blocks: impl IntoIterator<Item = Block>) -> Result<u64, ExtractError> {
    let mut extraction = Extraction::new(root, to);
    blocks.into_iter().try_for_each(|block| extraction.take(block))?;
    extraction.finish()
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(dir).unwrap().to_owned();
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn node(data: &'static [u8], links: &[(&str, Cid)]) -> Block {
    let links = links
        .iter()
        .map(|(name, cid)| PbLink { cid: *cid, name: Some((*name).to_owned()), size: Some(0) })
        .collect();
    let bytes = Bytes::from(PbNode { links, data: Some(Bytes::from_static(data)) }.into_bytes());
    Block::new(Cid::new_v1(DAG_PB, Code::Sha2_256.digest(&bytes)), bytes).unwrap()
}

fn leaf(content: &'static [u8]) -> Block {
    let bytes = Bytes::from_static(content);
    Block::new(Cid::new_v1(0x55, Code::Sha2_256.digest(&bytes)), bytes).unwrap()
}

#[tokio::test]
async fn a_file_of_many_blocks_is_written_as_it_was() {
    let dir = TempDir::new().unwrap();
    let store = store(dir.path());
    let content: Vec<u8> = (0..(5_u32 << 20) + 3).map(|at| (at / 7_919).to_le_bytes()[0]).collect();
    write(dir.path(), "big", &content);
    let root = import_file(&store, &dir.path().join("big")).await.unwrap().cid;
    let to = dir.path().join("out");
    assert_eq!(extract(root, &to, blocks(&store, root, false).await).unwrap(), 1);
    assert!(fs::read(&to).unwrap() == content);
}

#[tokio::test]
async fn what_the_dag_has_twice_comes_once_and_is_there_twice() {
    let dir = TempDir::new().unwrap();
    let store = store(dir.path());
    let mebibytes = vec![7; 3 << 20];
    for path in ["in/a", "in/b", "in/again/a", "in/once/more/a"] {
        write(dir.path(), path, &mebibytes);
    }
    write(dir.path(), "in/once/more/empty", b"");
    write(dir.path(), "in/again/empty", b"");
    write(dir.path(), "in/other", &mebibytes[1..]);
    let built = import_directory(&store, &dir.path().join("in"), Hidden::Skip, |_| {}).await.unwrap();
    for (duplicates, to) in [(false, "once"), (true, "twice")] {
        let to = dir.path().join(to);
        let sent = blocks(&store, built.cid, duplicates).await;
        assert!(!duplicates || sent.len() > 15, "{}", sent.len());
        assert_eq!(extract(built.cid, &to, sent).unwrap(), 7);
        assert!(files(&to) == files(&dir.path().join("in")));
    }
}

#[tokio::test]
async fn a_sharded_folder_is_written_whole() {
    let dir = TempDir::new().unwrap();
    let store = store(dir.path());
    for index in 0..1_500 {
        write(
            dir.path(),
            &format!("in/a rather long name of a file {index:05}"),
            index.to_string().as_bytes(),
        );
    }
    let built = import_directory(&store, &dir.path().join("in"), Hidden::Skip, |_| {}).await.unwrap();
    let to = dir.path().join("out");
    assert_eq!(extract(built.cid, &to, blocks(&store, built.cid, false).await).unwrap(), 1_500);
    assert!(files(&to) == files(&dir.path().join("in")));
}

#[tokio::test]
async fn a_block_that_is_missing_late_or_too_many_is_named() {
    let dir = TempDir::new().unwrap();
    let store = store(dir.path());
    write(dir.path(), "in/a", b"first");
    write(dir.path(), "in/b", b"second");
    let root = import_directory(&store, &dir.path().join("in"), Hidden::Skip, |_| {}).await.unwrap().cid;
    let sent = blocks(&store, root, false).await;
    let [_, first, second] = sent.as_slice() else { panic!("{sent:?}") };
    let cut = extract(root, &dir.path().join("cut"), sent[..2].to_vec());
    assert!(matches!(cut, Err(ExtractError::Unpack(UnpackError::Missing { cid })) if cid == *second.cid()));
    let turned = extract(root, &dir.path().join("turned"), [sent[0].clone(), second.clone(), first.clone()]);
    assert!(
        matches!(turned, Err(ExtractError::Unpack(UnpackError::Order { expected })) if expected == *first.cid())
    );
    let other = leaf(b"nobody asked for this");
    let more = extract(root, &dir.path().join("more"), sent.iter().cloned().chain([other.clone()]));
    assert!(matches!(more, Err(ExtractError::Unpack(UnpackError::Surplus { cid })) if cid == *other.cid()));
    let nothing = extract(root, &dir.path().join("nothing"), []);
    assert!(matches!(nothing, Err(ExtractError::Unpack(UnpackError::Missing { cid })) if cid == root));
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_before_anything_is_written_there() {
    let dir = TempDir::new().unwrap();
    let evil = leaf(b"evil");
    for name in ["..", ".", "", "/etc/passwd", "../evil", "a/b", "a/", "./a"] {
        let folder = node(FOLDER, &[(name, *evil.cid())]);
        let to = dir.path().join("to");
        let refused = extract(*folder.cid(), &to, [folder, evil.clone()]);
        assert!(
            matches!(&refused, Err(ExtractError::Unpack(UnpackError::Name { name: told })) if told == name),
            "{refused:?}"
        );
        assert_eq!(files(dir.path()), BTreeMap::new());
        fs::remove_dir(&to).unwrap_or_default();
    }
}

#[test]
fn a_name_that_a_folder_has_twice_does_not_overwrite() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (leaf(b"one"), leaf(b"two"));
    let folder = node(FOLDER, &[("a", *one.cid()), ("a", *two.cid())]);
    let refused = extract(*folder.cid(), &dir.path().join("to"), [folder, one, two]);
    assert!(
        matches!(&refused, Err(ExtractError::Write { path, .. }) if path.ends_with("to/a")),
        "{refused:?}"
    );
    assert_eq!(fs::read(dir.path().join("to/a")).unwrap(), b"one");
}

#[test]
fn what_is_there_already_stays() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "to", b"mine");
    let one = leaf(b"one");
    assert!(matches!(extract(*one.cid(), &dir.path().join("to"), [one]), Err(ExtractError::Write { .. })));
    assert_eq!(fs::read(dir.path().join("to")).unwrap(), b"mine");
}

#[test]
fn folders_of_repeated_folders_end_at_a_limit() {
    let dir = TempDir::new().unwrap();
    let mut folder = node(FOLDER, &[]);
    let mut chain = vec![folder.clone()];
    for _ in 0..=super::unpacking::FOLDERS_MAX {
        folder = node(FOLDER, &[("d", *folder.cid())]);
        chain.push(folder.clone());
    }
    chain.reverse();
    let refused = extract(*folder.cid(), &dir.path().join("to"), chain);
    assert!(matches!(refused, Err(ExtractError::Unpack(UnpackError::TooDeep { .. }))), "{refused:?}");
}

#[test]
fn parts_that_are_not_what_their_file_says_are_refused() {
    let dir = TempDir::new().unwrap();
    let four = leaf(b"four");
    // A file of nine bytes whose part has four.
    let file = node(&[0x08, 2, 0x18, 9, 0x20, 9], &[("", *four.cid())]);
    let refused = extract(*file.cid(), &dir.path().join("to"), [file, four.clone()]);
    assert!(matches!(refused, Err(ExtractError::Unpack(UnpackError::Node(_)))), "{refused:?}");
    // The same of a part that is known by then.
    let right = node(&[0x08, 2, 0x18, 4, 0x20, 4], &[("", *four.cid())]);
    let wrong = node(&[0x08, 2, 0x18, 9, 0x20, 9], &[("", *four.cid())]);
    let folder = node(FOLDER, &[("right", *right.cid()), ("wrong", *wrong.cid())]);
    let refused = extract(*folder.cid(), &dir.path().join("both"), [folder, right, four, wrong]);
    assert!(matches!(refused, Err(ExtractError::Unpack(UnpackError::Node(_)))), "{refused:?}");
    let folder = node(FOLDER, &[]);
    let part = node(&[0x08, 2, 0x18, 0, 0x20, 0], &[("", *folder.cid())]);
    let refused = extract(*part.cid(), &dir.path().join("folder"), [part, folder]);
    assert!(matches!(refused, Err(ExtractError::Unpack(UnpackError::Node(_)))), "{refused:?}");
}

#[test]
fn a_file_without_bytes_and_an_inlined_one_are_files() {
    let dir = TempDir::new().unwrap();
    let empty = node(FILE, &[]);
    let inline = Cid::new_v1(0x55, Multihash::wrap(0, b"inside").unwrap());
    let folder = node(FOLDER, &[("empty", *empty.cid()), ("inline", inline), ("more", inline)]);
    let to = dir.path().join("to");
    assert_eq!(extract(*folder.cid(), &to, [folder, empty]).unwrap(), 3);
    let expected = [("empty", ""), ("inline", "inside"), ("more", "inside")];
    let expected = expected.map(|(path, content)| (PathBuf::from(path), content.as_bytes().to_vec()));
    assert_eq!(files(&to), BTreeMap::from(expected));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_folder_comes_out_as_it_went_in(
        entries in prop::collection::btree_map("[a-c]/[a-d]{1,2}(/[e-g]){0,2}\\.x", 0..4_usize, 1..20),
        duplicates: bool,
    ) {
        let contents = [Vec::new(), vec![1; 10], vec![2; (2 << 20) + 5], vec![3; 1 << 20]];
        let dir = TempDir::new().unwrap();
        for (path, content) in &entries {
            write(&dir.path().join("in"), path, &contents[*content]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (root, sent) = runtime.block_on(async {
            let store = store(dir.path());
            let built = import_directory(&store, &dir.path().join("in"), Hidden::Skip, |_| {}).await.unwrap();
            (built.cid, blocks(&store, built.cid, duplicates).await)
        });
        let to = dir.path().join("out");
        prop_assert_eq!(extract(root, &to, sent).unwrap(), entries.len() as u64);
        prop_assert!(files(&to) == files(&dir.path().join("in")));
    }
}
