//! The laws of pieces, from bytes to bytes.

use super::{
    CELL_BYTES, Cell, CellSource, CheckError, Coding, Encoder, Label, LabelError, Layout, ObjectReader,
    PieceStore, PieceTree, ReadError, ReceiveError, Root, Sibling, Sink, SourceError, TreeBuilder,
    decode_cells, encode_cells, leaf_root,
};
use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::{io, ops::Range, sync::Arc};

#[derive(Debug, Default)]
struct Pieces(Vec<Vec<u8>>);

impl Sink for Pieces {
    fn cell(&mut self, piece: usize, bytes: &[u8]) -> io::Result<()> {
        self.0.resize(self.0.len().max(piece + 1), Vec::new());
        self.0[piece].extend_from_slice(bytes);
        Ok(())
    }
}

fn object(bytes: usize, seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

fn encode(layout: Layout, object: &[u8]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(layout, Pieces::default());
    for part in object.chunks(70_001) {
        encoder.push(part).unwrap();
    }
    encoder.finish().unwrap().0
}

fn tree(piece: &[u8]) -> PieceTree {
    let mut builder = TreeBuilder::default();
    piece.chunks(10_007).for_each(|part| builder.push(part));
    builder.finish()
}

/// The root as the contract's documentation defines it, node by node.
fn plain_root(piece: &[u8]) -> Root {
    let mut level: Vec<Root> = piece.chunks(32).map(|leaf| leaf.try_into().unwrap()).collect();
    level.resize(level.len().next_power_of_two(), [0; 32]);
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| Sha256::digest(pair.concat()).into()).collect();
    }
    level[0]
}

/// A provider with one piece in memory.
#[derive(Debug)]
struct Provider(Vec<u8>, PieceTree);

#[async_trait]
impl CellSource for Provider {
    async fn cells(&self, _: &Root, range: Range<u64>) -> Result<Bytes, SourceError> {
        let cell = |cell: u64| {
            let start = usize::try_from(cell).unwrap() * CELL_BYTES;
            let end = self.0.len().min(start + CELL_BYTES);
            Cell { path: self.1.cell_path(cell), bytes: Bytes::copy_from_slice(&self.0[start..end]) }
        };
        Ok(encode_cells(&range.map(cell).collect::<Vec<_>>()))
    }
}

#[derive(Debug)]
struct Dead;

#[async_trait]
impl CellSource for Dead {
    async fn cells(&self, _: &Root, _: Range<u64>) -> Result<Bytes, SourceError> {
        Err(SourceError { what: "connection refused".to_owned() })
    }
}

fn siblings(pieces: &[Vec<u8>], change: impl Fn(usize, &mut Vec<u8>) -> bool) -> Vec<Sibling> {
    let sibling = |(index, piece): (usize, &Vec<u8>)| {
        let tree = tree(piece);
        let (root, mut kept) = (tree.root(), piece.clone());
        let lives = change(index, &mut kept);
        let source: Arc<dyn CellSource> = if lives { Arc::new(Provider(kept, tree)) } else { Arc::new(Dead) };
        Sibling { index: u8::try_from(index).unwrap(), root, source }
    };
    pieces.iter().enumerate().map(sibling).collect()
}

async fn read(layout: Layout, siblings: Vec<Sibling>) -> Result<Vec<u8>, ReadError> {
    let mut reader = ObjectReader::new(layout, siblings);
    let mut object = Vec::new();
    while let Some(part) = reader.next().await? {
        object.extend_from_slice(&part);
    }
    Ok(object)
}

fn layout(data: u8, total: u8, bytes: usize) -> Layout {
    Coding::new(data, total).unwrap().layout(bytes as u64).unwrap()
}

#[test]
fn a_root_is_the_one_that_the_contract_computes() {
    for bytes in [32, 64, 96, 4096, 65_504, 65_536, 65_568, 131_072, 200_000, 65_536 * 5 + 32] {
        let piece = object(bytes, 1);
        let tree = tree(&piece);
        assert_eq!(tree.root(), plain_root(&piece), "{bytes} bytes");
        for leaf in [0, tree.leaves() / 2, tree.leaves() - 1] {
            let start = usize::try_from(leaf / 2048).unwrap() * CELL_BYTES;
            let proof = tree.prove(leaf, &piece[start..piece.len().min(start + CELL_BYTES)]).unwrap();
            assert_eq!(proof.leaf, piece[usize::try_from(leaf).unwrap() * 32..][..32]);
            assert_eq!(leaf_root(&proof, leaf), tree.root(), "leaf {leaf} of {bytes} bytes");
            assert_eq!(proof.path.len(), tree.leaves().next_power_of_two().ilog2() as usize);
        }
    }
}

#[tokio::test]
async fn any_half_of_ten_and_ten_gives_the_object_back() {
    let bytes = 3 * 10 * CELL_BYTES + 12_345;
    let (layout, object) = (layout(10, 20, bytes), object(bytes, 2));
    let pieces = encode(layout, &object);
    assert_eq!(pieces.len(), 20);
    assert!(pieces.iter().all(|piece| piece.len() as u64 == layout.piece_bytes()));
    for lost in [0..10, 10..20, 5..15] {
        let siblings = siblings(&pieces, |index, _| !lost.contains(&index));
        assert!(read(layout, siblings).await.unwrap() == object, "without {lost:?}");
    }
    let siblings = siblings(&pieces, |index, _| index > 10);
    let error = read(layout, siblings).await.unwrap_err();
    assert!(matches!(error, ReadError::TooFew { have: 9, needed: 10, .. }), "{error}");
}

#[tokio::test]
async fn damage_is_read_around_cell_by_cell() {
    let bytes = 3 * 4 * CELL_BYTES;
    let (layout, object) = (layout(4, 6, bytes), object(bytes, 3));
    let pieces = encode(layout, &object);
    // Every piece is damaged, no stripe has more than two damaged cells.
    let damaged = |index: usize, piece: &mut Vec<u8>| {
        piece[index / 2 * CELL_BYTES + 77] ^= 1;
        true
    };
    assert!(read(layout, siblings(&pieces, damaged)).await.unwrap() == object);
}

#[tokio::test]
async fn a_lost_piece_is_made_again_from_the_others() {
    let bytes = 40 * 2 * CELL_BYTES + 1;
    let (layout, object) = (layout(2, 5, bytes), object(bytes, 4));
    let pieces = encode(layout, &object);
    for lost in 0..5 {
        let others = siblings(&pieces, |index, _| index != lost);
        let mut reader = ObjectReader::new(layout, others);
        let mut made = Vec::new();
        while let Some(part) = reader.next_of_piece(u8::try_from(lost).unwrap()).await.unwrap() {
            made.extend_from_slice(&part);
        }
        assert!(made == pieces[lost], "piece {lost}");
    }
}

#[tokio::test]
async fn copies_are_the_object_itself() {
    let (layout, object) = (layout(1, 3, 1000), object(1000, 5));
    let pieces = encode(layout, &object);
    assert_eq!(layout.piece_bytes(), 1024);
    assert!(pieces.iter().all(|piece| piece[..1000] == object[..] && piece[1000..] == [0; 24]));
    assert_eq!(read(layout, siblings(&pieces, |index, _| index == 2)).await.unwrap(), object);
}

#[test]
fn a_label_says_what_a_piece_is() {
    let label = Label::new(layout(10, 20, 209_716_123), 7, 0x70).unwrap();
    assert_eq!(label.to_string(), "rs-10-20/7/209716123/70");
    assert_eq!(Label::from_bytes(&label.to_bytes()), Ok(label));
    assert_eq!(Label::new(layout(1, 3, 1024), 0, 0x55).unwrap().to_string(), "copies-3/0/1024/55");
    let bytes = |text: &str| {
        let mut bytes = [0; 32];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    };
    for wrong in [
        "",
        "rs-10-20",
        "rs-010-20/1/1/55",
        "rs-10-20/1/1/55/",
        "rs-1-3/0/9/55",
        "s3-1-1/0/1/55",
        "copies-3/0/+1/55",
        "copies-3/0/1/055",
    ] {
        assert!(matches!(Label::from_bytes(&bytes(wrong)), Err(LabelError::Form { .. })), "{wrong}");
    }
    assert!(matches!(Label::from_bytes(&bytes("copies-3/3/1/55")), Err(LabelError::Index { .. })));
    assert!(matches!(Label::from_bytes(&bytes("rs-3-2/0/1/55")), Err(LabelError::Coding(_))));
    assert!(matches!(Label::from_bytes(&bytes("copies-1/0/0/55")), Err(LabelError::Coding(_))));
}

#[test]
fn an_object_of_another_length_is_refused() {
    let layout = layout(2, 3, 1000);
    let mut encoder = Encoder::new(layout, Pieces::default());
    encoder.push(&[0; 1001]).unwrap_err();
    let mut encoder = Encoder::new(layout, Pieces::default());
    encoder.push(&[0; 999]).unwrap();
    encoder.finish().unwrap_err();
}

fn keep(store: &PieceStore, piece: &[u8]) -> Root {
    let root = tree(piece).root();
    let mut incoming = store.receive(root, piece.len() as u64).unwrap();
    incoming.write(piece).unwrap();
    incoming.finish().unwrap();
    root
}

#[test]
fn a_kept_piece_answers_after_a_restart_and_without_its_tree() {
    let dir = tempfile::tempdir().unwrap();
    let store = PieceStore::open(dir.path().to_owned()).unwrap();
    let piece = object(3 * CELL_BYTES + 64, 6);
    let root = keep(&store, &piece);
    let expected = store.prove(&root, 4097).unwrap();
    assert_eq!(leaf_root(&expected, 4097), root);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().unwrap() == "tree" {
            std::fs::remove_file(path).unwrap();
        }
    }
    let store = PieceStore::open(dir.path().to_owned()).unwrap();
    assert_eq!((store.list().unwrap(), store.has(&root)), (vec![root], true));
    assert_eq!(store.length(&root).unwrap(), piece.len() as u64);
    assert_eq!(store.prove(&root, 4097).unwrap(), expected);
    store.check(&root, &|| true).unwrap();
    let wire = encode_cells(&store.cells(&root, 1..4).unwrap());
    let cells = decode_cells(&root, piece.len() as u64 / 32, 1..4, &wire).unwrap();
    let bytes: Vec<u8> = cells.into_iter().flat_map(|cell| cell.unwrap().to_vec()).collect();
    assert!(bytes == piece[CELL_BYTES..]);
    store.cells(&root, 3..5).unwrap_err();
    store.erase(&root).unwrap();
    assert!(!store.has(&root) && store.list().unwrap().is_empty());
    assert!(matches!(store.check(&root, &|| true), Err(CheckError::Missing)));
}

#[test]
fn what_is_not_the_piece_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = PieceStore::open(dir.path().to_owned()).unwrap();
    let root = tree(&object(4096, 7)).root();
    let mut other = store.receive(root, 4096).unwrap();
    other.write(&object(4096, 8)).unwrap();
    assert!(matches!(other.finish(), Err(ReceiveError::OtherRoot { .. })));
    let mut long = store.receive(root, 4096).unwrap();
    assert!(matches!(long.write(&[0; 4097]), Err(ReceiveError::Length { .. })));
    drop(long);
    let mut short = store.receive(root, 4096).unwrap();
    short.write(&[0; 4095]).unwrap();
    assert!(matches!(short.finish(), Err(ReceiveError::Length { .. })));
    drop(store.receive(root, 4096).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn damage_on_the_disk_is_found_and_a_new_copy_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = PieceStore::open(dir.path().to_owned()).unwrap();
    let piece = object(4 * CELL_BYTES, 9);
    let root = keep(&store, &piece);
    let path = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = path.into_iter().find(|path| path.extension().unwrap() == "piece").unwrap();
    let mut damaged = piece.clone();
    damaged[2 * CELL_BYTES] ^= 0x40;
    std::fs::write(&path, &damaged).unwrap();
    assert!(matches!(store.check(&root, &|| true), Err(CheckError::Damaged { count: 1, first: 2 })));
    std::fs::write(&path, &piece[..3 * CELL_BYTES]).unwrap();
    assert!(matches!(store.check(&root, &|| true), Err(CheckError::Damaged { count: 1, first: 3 })));
    // Who is told to stop says nothing of what it did not read.
    store.check(&root, &|| false).unwrap();
    keep(&store, &piece);
    store.check(&root, &|| true).unwrap();
    assert_eq!(store.stored_bytes().unwrap(), piece.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_goes_in_comes_out(data in 1u8..6, extra in 0u8..6, bytes in 1usize..400_000, seed: u8, start in 0usize..12) {
        let layout = layout(data, data + extra, bytes);
        let object = object(bytes, seed);
        let pieces = encode(layout, &object);
        let total = pieces.len();
        // As many as are enough, from any place on.
        let kept: Vec<usize> = (0..usize::from(data)).map(|turn| (start + turn) % total).collect();
        let siblings = siblings(&pieces, |index, _| kept.contains(&index));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert!(runtime.block_on(read(layout, siblings)).unwrap() == object);
    }

    #[test]
    fn no_bytes_break_a_decoder(wire: Vec<u8>, label: [u8; 32], leaves in 1u64..10_000, from in 0u64..6, count in 1u64..4) {
        // What is wrong is an error, never a panic.
        let _ = Label::from_bytes(&label);
        let cells = decode_cells(&[7; 32], leaves, from..from + count, &wire.into());
        prop_assert!(cells.map_or(true, |cells| cells.iter().all(Result::is_err)));
    }
}
