//! Making the DAG of a file or a directory; pure but for reading the files.

use super::layout::{FileBuilder, Layout};
use crate::block::Block;
use bytes::Bytes;
use cid::{Cid, Version};
use rust_unixfs::dir::builder::{
    BufferingTreeBuilder, TreeBuildingFailed, TreeConstructionFailed, TreeOptions,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};
use walkdir::{DirEntry, WalkDir};

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
    let added = FileBuilder::new(Layout::STANDARD).add(name, from, sink)?;
    Ok(Built { cid: added.cid, bytes: added.bytes, files: 1, skipped: Vec::new() })
}

/// The DAG of everything below `dir`. `progress` is told the bytes of each file that is done.
pub fn build_directory<E>(
    dir: &Path,
    hidden: Hidden,
    sink: &mut Sink<'_, E>,
    progress: &mut dyn FnMut(u64),
) -> Result<Built, BuildError<E>> {
    let dir = &fs::canonicalize(dir).map_err(|source| read_error(dir, source))?;
    let mut tree = new_tree();
    let mut builder = FileBuilder::new(Layout::STANDARD);
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
        let added = builder.add(entry.path(), &mut file, sink)?;
        tree.put_link(name, added.cid, added.dag_bytes).map_err(BuildError::from_tree)?;
        files += 1;
        bytes += added.bytes;
        progress(added.bytes);
    }
    let cid = add_directories(tree, sink)?;
    Ok(Built { cid, bytes, files, skipped })
}

/// The folder of roots that have been made before, each named by its CID, with the bytes of all blocks below it
/// ([`super::dag_bytes`]).
pub fn build_pack<E>(roots: &BTreeMap<Cid, u64>, sink: &mut Sink<'_, E>) -> Result<Cid, BuildError<E>> {
    let mut tree = new_tree();
    for (root, dag_bytes) in roots {
        tree.put_link(&root.to_string(), *root, *dag_bytes).map_err(BuildError::from_tree)?;
    }
    add_directories(tree, sink)
}

/// For one directory and what is in it.
fn new_tree() -> BufferingTreeBuilder {
    let mut options = TreeOptions::default();
    options.wrap_with_directory();
    options.cid_version(Version::V1);
    options.block_size_limit(None);
    BufferingTreeBuilder::new(options)
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

pub(super) fn read_error<E>(path: &Path, source: io::Error) -> BuildError<E> {
    BuildError::Read { path: path.to_owned(), source }
}

fn walk_error<E>(dir: &Path, error: walkdir::Error) -> BuildError<E> {
    let path = error.path().unwrap_or(dir).to_owned();
    BuildError::Read { path, source: error.into() }
}

impl<E> BuildError<E> {
    pub(crate) fn from_tree(source: TreeBuildingFailed) -> Self {
        Self::Directory { source: Box::new(source) }
    }

    pub(crate) fn from_nodes(source: TreeConstructionFailed) -> Self {
        Self::Directory { source: Box::new(source) }
    }
}
