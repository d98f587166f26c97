//! Making the DAG of a file or a directory; pure but for reading the files.

use crate::block::Block;
use bytes::Bytes;
use cid::{Cid, Version};
use rust_unixfs::dir::builder::{
    BufferingTreeBuilder, TreeBuildingFailed, TreeConstructionFailed, TreeOptions,
};
use rust_unixfs::file::adder::{BalancedCollector, Chunker, FileAdder};
use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
};
use walkdir::{DirEntry, WalkDir};

/// Bytes of a leaf.
const CHUNK_BYTES: usize = 1 << 20;
/// Links of an inner node of a file.
const LINKS_PER_NODE: usize = 1024;
/// A directory with more files is not imported.
pub const FILES_MAX: u64 = 1_000_000;
/// Files that a report names one by one.
const SKIPPED_MAX: usize = 1_000;

/// Whether names that begin with a dot are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    Include,
    /// As `ipfs-car` and `ipfs add` do when not told otherwise.
    Skip,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    pub cid: Cid,
    /// Bytes of file content.
    pub bytes: u64,
    pub files: u64,
    /// What was left out, the first thousand.
    pub skipped: Vec<Skipped>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Below the imported directory.
    pub path: PathBuf,
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Symlink,
    EmptyDirectory,
    /// A socket, a device or a pipe.
    Special,
}

/// Why no DAG was made. `E` is the error of whoever takes the blocks.
#[derive(Debug, thiserror::Error)]
pub enum BuildError<E> {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Rename the file: names in UnixFS are UTF-8.
    #[error("the name of {} is not UTF-8", path.display())]
    Name { path: PathBuf },
    /// Import it in parts.
    #[error("more than {FILES_MAX} files")]
    TooManyFiles,
    /// Two paths collide, or a directory does not fit into a node.
    #[error("cannot make the directory nodes")]
    Directory {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(transparent)]
    Sink(E),
}

/// Takes the blocks in the order in which they come: leaves first, the root last.
pub type Sink<'a, E> = dyn FnMut(Block) -> Result<(), E> + 'a;

/// The DAG of one file. `name` is for messages.
pub fn build_file<E>(
    name: &Path,
    from: &mut dyn Read,
    sink: &mut Sink<'_, E>,
) -> Result<Built, BuildError<E>> {
    let (root, bytes) = add_file(name, from, sink, &mut vec![0; CHUNK_BYTES])?;
    Ok(Built { cid: root.cid, bytes, files: 1, skipped: Vec::new() })
}

/// The DAG of everything below `dir`. `progress` is told the bytes of each file that is done.
pub fn build_directory<E>(
    dir: &Path,
    hidden: Hidden,
    sink: &mut Sink<'_, E>,
    progress: &mut dyn FnMut(u64),
) -> Result<Built, BuildError<E>> {
    let dir = &fs::canonicalize(dir).map_err(|source| read_error(dir, source))?;
    let mut options = TreeOptions::default();
    options.wrap_with_directory();
    options.cid_version(Version::V1);
    options.block_size_limit(None);
    let mut tree = BufferingTreeBuilder::new(options);
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut files, mut bytes, mut skipped) = (0, 0, Vec::new());
    let visible =
        move |entry: &DirEntry| entry.depth() == 0 || hidden == Hidden::Include || !is_hidden(entry);
    for entry in WalkDir::new(dir).sort_by_file_name().into_iter().filter_entry(visible) {
        let entry = entry.map_err(|error| walk_error(dir, error))?;
        let path = entry.path().strip_prefix(dir).unwrap_or(entry.path());
        if entry.depth() == 0 && !entry.file_type().is_dir() {
            return Err(read_error(dir, io::ErrorKind::NotADirectory.into()));
        }
        if let Some(reason) = reason_to_skip(&entry).map_err(|source| read_error(entry.path(), source))? {
            if skipped.len() < SKIPPED_MAX {
                skipped.push(Skipped { path: path.to_owned(), reason });
            }
            continue;
        }
        if entry.file_type().is_dir() {
            continue;
        }
        if files == FILES_MAX {
            return Err(BuildError::TooManyFiles);
        }
        let name = path.to_str().ok_or_else(|| BuildError::Name { path: entry.path().to_owned() })?;
        let mut file = fs::File::open(entry.path()).map_err(|source| read_error(entry.path(), source))?;
        let (root, file_bytes) = add_file(entry.path(), &mut file, sink, &mut chunk)?;
        tree.put_link(name, root.cid, root.dag_bytes).map_err(BuildError::from_tree)?;
        files += 1;
        bytes += file_bytes;
        progress(file_bytes);
    }
    let cid = add_directories(tree, sink)?;
    Ok(Built { cid, bytes, files, skipped })
}

struct Root {
    cid: Cid,
    dag_bytes: u64,
}

fn add_file<E>(
    path: &Path,
    from: &mut dyn Read,
    sink: &mut Sink<'_, E>,
    chunk: &mut [u8],
) -> Result<(Root, u64), BuildError<E>> {
    let mut adder = FileAdder::builder()
        .with_cid_version(Version::V1)
        .with_chunker(Chunker::Size(CHUNK_BYTES))
        .with_collector(BalancedCollector::with_branching_factor(LINKS_PER_NODE))
        .build();
    let mut root = Root { cid: Cid::default(), dag_bytes: 0 };
    let mut take = |(cid, block): (Cid, Vec<u8>)| {
        root.cid = cid;
        root.dag_bytes += block.len() as u64;
        sink(Block::hashed(cid, Bytes::from(block))).map_err(BuildError::Sink)
    };
    let mut bytes = 0;
    loop {
        let filled = fill(from, chunk).map_err(|source| read_error(path, source))?;
        let mut rest = chunk.get(..filled).unwrap_or_default();
        bytes += filled as u64;
        while !rest.is_empty() {
            let (mut blocks, used) = adder.push(rest);
            blocks.try_for_each(&mut take)?;
            rest = rest.get(used..).unwrap_or_default();
        }
        if filled < chunk.len() {
            break;
        }
    }
    adder.finish().try_for_each(&mut take)?;
    Ok((root, bytes))
}

fn add_directories<E>(tree: BufferingTreeBuilder, sink: &mut Sink<'_, E>) -> Result<Cid, BuildError<E>> {
    let mut root = Cid::default();
    for node in tree.build() {
        let node = node.map_err(BuildError::from_nodes)?;
        root = node.cid;
        sink(Block::hashed(node.cid, Bytes::from(node.block))).map_err(BuildError::Sink)?;
    }
    Ok(root)
}

fn fill(from: &mut dyn Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(retry) if retry.kind() == io::ErrorKind::Interrupted => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(filled)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().first() == Some(&b'.')
}

fn reason_to_skip(entry: &DirEntry) -> io::Result<Option<Reason>> {
    let kind = entry.file_type();
    if kind.is_dir() {
        let empty = entry.depth() > 0 && fs::read_dir(entry.path())?.next().is_none();
        return Ok(empty.then_some(Reason::EmptyDirectory));
    }
    if kind.is_symlink() {
        return Ok(Some(Reason::Symlink));
    }
    Ok((!kind.is_file()).then_some(Reason::Special))
}

fn read_error<E>(path: &Path, source: io::Error) -> BuildError<E> {
    BuildError::Read { path: path.to_owned(), source }
}

fn walk_error<E>(dir: &Path, error: walkdir::Error) -> BuildError<E> {
    let path = error.path().unwrap_or(dir).to_owned();
    BuildError::Read { path, source: error.into() }
}

impl<E> BuildError<E> {
    fn from_tree(source: TreeBuildingFailed) -> Self {
        Self::Directory { source: Box::new(source) }
    }

    fn from_nodes(source: TreeConstructionFailed) -> Self {
        Self::Directory { source: Box::new(source) }
    }
}
