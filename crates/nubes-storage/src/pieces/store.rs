//! The pieces that a provider keeps: one file for each, and one for the upper levels of its tree.
//!
//! `ROOT.piece` is the bytes, `ROOT.tree` the roots of its cells. A piece is written beside, checked against its root,
//! synced and renamed, so that a crash leaves none or a whole one. The tree can be made again from the piece.

use super::{
    cells::{CELLS_MAX, Cell},
    coding::CELL_BYTES,
    tree::{LEAF_BYTES, LeafProof, PieceTree, Root, TreeBuilder},
};
use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    fmt,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    num::NonZeroUsize,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Pieces whose trees stay in memory: 64 bytes for 64 KiB of each.
const OPEN_PIECES_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Clones are the same store. All calls block.
#[derive(Clone)]
pub struct PieceStore(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    // A lock because readers on any thread share the handles; held for a look-up.
    open: Mutex<LruCache<Root, Arc<Piece>>>,
    drafts: AtomicU64,
}

struct Piece {
    file: File,
    tree: PieceTree,
}

#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The bytes are not those of the root. Nothing is kept.
    #[error("the bytes have root {found}, not {expected}")]
    OtherRoot { found: String, expected: String },
    /// Longer or shorter than the deal says. Nothing is kept.
    #[error("the piece has {bytes} bytes and was to have {expected}")]
    Length { bytes: u64, expected: u64 },
    /// The disk is full or failing. Nothing is kept.
    #[error("cannot write the piece")]
    Write {
        #[source]
        source: io::Error,
    },
}

/// Why a piece that should be here is not whole.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("the piece is not here")]
    Missing,
    #[error("{count} cells are damaged, the first is {first}")]
    Damaged { count: u64, first: u64 },
    #[error("the piece cannot be read")]
    Read {
        #[source]
        source: io::Error,
    },
}

impl PieceStore {
    /// Removes what an earlier crash left half written.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(path)?;
            }
        }
        Ok(Self(Arc::new(Inner {
            dir,
            open: Mutex::new(LruCache::new(OPEN_PIECES_MAX)),
            drafts: AtomicU64::new(0),
        })))
    }

    /// Begins to take a piece of `bytes` bytes.
    pub fn receive(&self, root: Root, bytes: u64) -> Result<Incoming, ReceiveError> {
        let number = self.0.drafts.fetch_add(1, Ordering::Relaxed);
        let path = self.0.dir.join(format!("{}-{number}.part", name(&root)));
        let file = File::create(&path).map_err(|source| ReceiveError::Write { source })?;
        let draft = Draft(path);
        Ok(Incoming {
            store: self.clone(),
            root,
            expected: bytes,
            taken: 0,
            tree: TreeBuilder::default(),
            file: BufWriter::with_capacity(1 << 20, file),
            draft,
        })
    }

    /// Whether the piece is here; its bytes are not looked at.
    pub fn has(&self, root: &Root) -> bool {
        self.0.path(root, "piece").is_file()
    }

    pub fn list(&self) -> io::Result<Vec<Root>> {
        let mut roots = Vec::new();
        for entry in fs::read_dir(&self.0.dir)? {
            let name = entry?.file_name();
            let root = name.to_str().and_then(|name| name.strip_suffix(".piece")).and_then(parse);
            roots.extend(root);
        }
        Ok(roots)
    }

    /// Bytes of the piece.
    pub fn length(&self, root: &Root) -> io::Result<u64> {
        Ok(self.0.piece(root)?.tree.leaves() * LEAF_BYTES as u64)
    }

    /// Cells with their paths; the bytes are as they are on the disk, and whoever gets them checks them.
    pub fn cells(&self, root: &Root, range: Range<u64>) -> io::Result<Vec<Cell>> {
        let piece = self.0.piece(root)?;
        let count = piece.tree.cell_roots().len() as u64;
        if range.end <= range.start || count < range.end || CELLS_MAX < range.end - range.start {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such cells, or too many at once"));
        }
        range.map(|cell| Ok(Cell { path: piece.tree.cell_path(cell), bytes: piece.cell(cell)? })).collect()
    }

    /// The proof for a leaf; not true if the leaf is damaged.
    pub fn prove(&self, root: &Root, leaf: u64) -> io::Result<LeafProof> {
        let piece = self.0.piece(root)?;
        let bytes = piece.cell(leaf / (CELL_BYTES / LEAF_BYTES) as u64)?;
        let missing = || io::Error::new(io::ErrorKind::InvalidInput, "the piece has no such leaf");
        piece.tree.prove(leaf, &bytes).ok_or_else(missing)
    }

    /// Bytes of all pieces.
    pub fn stored_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.0.dir)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "piece") {
                bytes += entry.metadata()?.len();
            }
        }
        Ok(bytes)
    }

    /// Reads the whole piece, unless `go_on` says no: a piece can be large, and a program that stops does not wait for it.
    pub fn check(&self, root: &Root, go_on: &dyn Fn() -> bool) -> Result<(), CheckError> {
        let piece = self.0.piece(root).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => CheckError::Missing,
            _ => CheckError::Read { source },
        })?;
        let (mut count, mut first) = (0, None);
        for cell in (0..piece.tree.cell_roots().len() as u64).take_while(|_| go_on()) {
            let is_true = match piece.cell(cell) {
                Ok(bytes) => piece.tree.has_cell(cell, &bytes),
                Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => false,
                Err(source) => return Err(CheckError::Read { source }),
            };
            if !is_true {
                count += 1;
                first.get_or_insert(cell);
            }
        }
        first.map_or(Ok(()), |first| Err(CheckError::Damaged { count, first }))
    }

    /// Forgets a piece, for good.
    pub fn erase(&self, root: &Root) -> io::Result<()> {
        self.0.open.lock().pop(root);
        for extension in ["piece", "tree"] {
            match fs::remove_file(self.0.path(root, extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        sync(&self.0.dir)
    }
}

impl Inner {
    fn path(&self, root: &Root, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", name(root)))
    }

    fn piece(&self, root: &Root) -> io::Result<Arc<Piece>> {
        if let Some(piece) = self.open.lock().get(root) {
            return Ok(Arc::clone(piece));
        }
        let file = File::open(self.path(root, "piece"))?;
        let leaves = file.metadata()?.len().div_ceil(LEAF_BYTES as u64);
        let tree = match self.read_tree(root, leaves) {
            Some(tree) => tree,
            None => self.make_tree(root, &file)?,
        };
        let piece = Arc::new(Piece { file, tree });
        self.open.lock().put(*root, Arc::clone(&piece));
        Ok(piece)
    }

    /// The kept tree, if it is the piece's: a damaged one is as good as none.
    fn read_tree(&self, root: &Root, leaves: u64) -> Option<PieceTree> {
        let bytes = fs::read(self.path(root, "tree")).ok()?;
        let cells = bytes.chunks(32).map(TryInto::try_into).collect::<Result<_, _>>().ok()?;
        PieceTree::from_cell_roots(leaves, cells).filter(|tree| tree.root() == *root)
    }

    fn make_tree(&self, root: &Root, mut file: &File) -> io::Result<PieceTree> {
        let mut builder = TreeBuilder::default();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => builder.push(&buffer[..count]),
            }
        }
        let tree = builder.finish();
        if tree.root() != *root {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the piece is damaged and its tree is lost",
            ));
        }
        self.write_tree(root, &tree)?;
        Ok(tree)
    }

    fn write_tree(&self, root: &Root, tree: &PieceTree) -> io::Result<()> {
        let draft = self.dir.join(format!("{}.tree.part", name(root)));
        let mut file = File::create(&draft)?;
        file.write_all(&tree.cell_roots().concat())?;
        file.sync_all()?;
        fs::rename(draft, self.path(root, "tree"))
    }
}

impl Piece {
    fn cell(&self, cell: u64) -> io::Result<Bytes> {
        let start = cell * CELL_BYTES as u64;
        let length = (self.tree.leaves() * LEAF_BYTES as u64).saturating_sub(start).min(CELL_BYTES as u64);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(CELL_BYTES)];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// A piece on its way in. Dropped before [`Incoming::finish`], it leaves nothing.
pub struct Incoming {
    store: PieceStore,
    root: Root,
    expected: u64,
    taken: u64,
    tree: TreeBuilder,
    file: BufWriter<File>,
    draft: Draft,
}

/// A file that is removed unless it was renamed.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone after a rename; after a failure `open` removes what is left.
        let _ = fs::remove_file(&self.0);
    }
}

impl Incoming {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ReceiveError> {
        self.taken += bytes.len() as u64;
        if self.expected < self.taken {
            return Err(ReceiveError::Length { bytes: self.taken, expected: self.expected });
        }
        self.tree.push(bytes);
        self.file.write_all(bytes).map_err(|source| ReceiveError::Write { source })
    }

    /// Keeps the piece, if it is what the root says; it is durable on return.
    pub fn finish(mut self) -> Result<(), ReceiveError> {
        if self.taken != self.expected {
            return Err(ReceiveError::Length { bytes: self.taken, expected: self.expected });
        }
        let tree = std::mem::take(&mut self.tree).finish();
        if tree.root() != self.root {
            return Err(ReceiveError::OtherRoot { found: name(&tree.root()), expected: name(&self.root) });
        }
        self.keep(&tree).map_err(|source| ReceiveError::Write { source })
    }

    fn keep(&mut self, tree: &PieceTree) -> io::Result<()> {
        let inner = &self.store.0;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        inner.write_tree(&self.root, tree)?;
        fs::rename(&self.draft.0, inner.path(&self.root, "piece"))?;
        // A damaged file of the same name may be open.
        inner.open.lock().pop(&self.root);
        sync(&inner.dir)
    }
}

fn name(root: &Root) -> String {
    root.iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"))
}

fn parse(name: &str) -> Option<Root> {
    let mut root = [0; 32];
    if name.len() != 64 || !name.is_ascii() {
        return None;
    }
    for (byte, digits) in root.iter_mut().zip(name.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(root)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

impl fmt::Debug for PieceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PieceStore").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("root", &name(&self.root)).finish_non_exhaustive()
    }
}
