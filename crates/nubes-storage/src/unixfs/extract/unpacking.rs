//! From blocks to steps.

use crate::block::{Block, inlined};
use crate::unixfs::DEPTH_MAX;
use crate::unixfs::node::{FileNode, Link, Node, NodeError, Shard, decode};
use bytes::Bytes;
use cid::Cid;
use std::{
    collections::{BTreeMap, VecDeque},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// Nodes that are known and not reached yet.
const PENDING_MAX: usize = 1 << 20;
/// Bytes of inner nodes, which are held because they may come again.
const NODE_BYTES_MAX: usize = 128 << 20;
/// Files and folders. Repeated folders in repeated folders would be as many as anybody likes, of few blocks.
const ENTRIES_MAX: usize = 1 << 20;
/// Deepest nesting of folders.
pub(super) const FOLDERS_MAX: usize = 256;

/// What to do next. Paths are below the one that is written; that itself is the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Folder(Arc<Path>),
    /// A new file, to which the next steps append.
    Open(Arc<Path>),
    Append(Bytes),
    /// Append what has been written elsewhere.
    Repeat(Place),
    Close,
}

/// Where a leaf has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: Arc<Path>,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Why a stream of blocks is not the DAG that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The blocks of a CAR must come depth first.
    #[error("another block came where {expected} was due")]
    Order { expected: Cid },
    /// Nothing refers to it.
    #[error("{cid} came after the end of the content")]
    Surplus { cid: Cid },
    /// Ask again; the transfer ended early.
    #[error("{cid} did not come")]
    Missing { cid: Cid },
    /// Symbolic links are not followed.
    #[error("{cid} is a symbolic link")]
    Symlink { cid: Cid },
    /// Such a name could lead out of the folder. Ask for what is below it by its own address.
    #[error("`{name}` is no file name")]
    Name { name: String },
    /// Get parts of it, by their paths.
    #[error("{cid} is nested too deeply, or has too many entries")]
    TooDeep { cid: Cid },
}

#[derive(Debug)]
enum Todo {
    Visit { cid: Cid, role: Role, depth: usize },
    Close,
}

/// What a node is to its parent.
#[derive(Debug)]
enum Role {
    /// A file or a folder.
    Entry(Arc<Path>),
    /// A further level of a folder's names.
    Shard(Arc<Path>),
    /// So many bytes of the file that is open.
    Part { bytes: u64 },
}

#[derive(Debug)]
pub(super) struct Unpacking {
    /// The next is at the end.
    pending: Vec<Todo>,
    ready: VecDeque<Step>,
    nodes: BTreeMap<Cid, Bytes>,
    node_bytes: usize,
    leaves: BTreeMap<Cid, Place>,
    entries: usize,
    /// Where the next byte of the open file goes.
    end: Option<(Arc<Path>, u64)>,
}

impl Unpacking {
    pub(super) fn new(root: Cid) -> Self {
        let role = Role::Entry(PathBuf::new().into());
        Self {
            pending: vec![Todo::Visit { cid: root, role, depth: 0 }],
            ready: VecDeque::new(),
            nodes: BTreeMap::new(),
            node_bytes: 0,
            leaves: BTreeMap::new(),
            entries: 0,
            end: None,
        }
    }

    /// The next step, or nothing when another block is needed. Takes `block` when its turn comes.
    ///
    /// What is known is used again only when another block comes in its place, since it may be sent again too.
    pub(super) fn next(&mut self, block: &mut Option<Block>) -> Result<Option<Step>, UnpackError> {
        while self.ready.is_empty() && block.is_some() {
            self.visit_next(block)?;
        }
        Ok(self.ready.pop_front())
    }

    /// The next step when no more blocks come; nothing at the end.
    pub(super) fn next_of_rest(&mut self) -> Result<Option<Step>, UnpackError> {
        while self.ready.is_empty() && !self.pending.is_empty() {
            self.visit_next(&mut None)?;
        }
        Ok(self.ready.pop_front())
    }

    fn visit_next(&mut self, block: &mut Option<Block>) -> Result<(), UnpackError> {
        let (cid, role, depth) = match self.pending.pop() {
            Some(Todo::Visit { cid, role, depth }) => (cid, role, depth),
            Some(Todo::Close) => {
                self.end = None;
                self.ready.push_back(Step::Close);
                return Ok(());
            }
            None => {
                return block
                    .as_ref()
                    .map_or(Ok(()), |block| Err(UnpackError::Surplus { cid: *block.cid() }));
            }
        };
        self.entries += usize::from(matches!(role, Role::Entry(_)));
        if self.entries > ENTRIES_MAX {
            return Err(UnpackError::TooDeep { cid });
        }
        let came = block.take_if(|block| *block.cid() == cid).map(|block| block.bytes().clone());
        if let Some(bytes) = came.or_else(|| inlined(&cid)).or_else(|| self.nodes.get(&cid).cloned()) {
            self.visit(cid, role, depth, bytes)
        } else if let Some(place) = self.leaves.get(&cid).cloned() {
            self.repeat(cid, role, place)
        } else if block.is_some() {
            Err(UnpackError::Order { expected: cid })
        } else {
            Err(UnpackError::Missing { cid })
        }
    }

    fn visit(&mut self, cid: Cid, role: Role, depth: usize, block: Bytes) -> Result<(), UnpackError> {
        let node = decode(&cid, block.clone())?;
        let is_leaf = matches!(&node, Node::File(file) if file.children.is_empty());
        if !is_leaf && !self.nodes.contains_key(&cid) {
            self.node_bytes += block.len();
            if self.node_bytes > NODE_BYTES_MAX {
                return Err(UnpackError::TooDeep { cid });
            }
            self.nodes.insert(cid, block);
        }
        let children = match (role, node) {
            (Role::Entry(path), Node::File(file)) => {
                self.open(path);
                return self.part(cid, 0, file);
            }
            (Role::Part { bytes }, Node::File(file)) if file.size == bytes => {
                return self.part(cid, depth, file);
            }
            (Role::Part { .. }, Node::File(_)) => {
                return Err(malformed(cid, "its size is not what its parent says"));
            }
            (Role::Part { .. }, _) => return Err(malformed(cid, "a part of a file that is no file")),
            (Role::Shard(path), Node::Shard(shard)) => shard_entries(&path, shard)?,
            (Role::Shard(_), _) => return Err(malformed(cid, "a bucket that is no shard")),
            (Role::Entry(_), Node::Symlink(_)) => return Err(UnpackError::Symlink { cid }),
            (Role::Entry(path), Node::Directory(links)) => {
                self.ready.push_back(Step::Folder(Arc::clone(&path)));
                entries(&path, links)?
            }
            (Role::Entry(path), Node::Shard(shard)) => {
                self.ready.push_back(Step::Folder(Arc::clone(&path)));
                shard_entries(&path, shard)?
            }
        };
        self.descend(cid, depth, children)
    }

    fn open(&mut self, path: Arc<Path>) {
        self.ready.push_back(Step::Open(Arc::clone(&path)));
        self.pending.push(Todo::Close);
        self.end = Some((path, 0));
    }

    fn part(&mut self, cid: Cid, depth: usize, file: FileNode) -> Result<(), UnpackError> {
        if depth > DEPTH_MAX {
            return Err(UnpackError::TooDeep { cid });
        }
        if let Some((path, end)) = &mut self.end {
            let length = file.bytes.len() as u64;
            if file.children.is_empty() && inlined(&cid).is_none() {
                let place = Place { path: Arc::clone(path), offset: *end, length };
                self.leaves.entry(cid).or_insert(place);
            }
            *end += length;
        }
        if !file.bytes.is_empty() {
            self.ready.push_back(Step::Append(file.bytes));
        }
        let parts = file.children.into_iter();
        self.descend(cid, depth, parts.map(|child| (child.cid, Role::Part { bytes: child.size })).collect())
    }

    /// A leaf that is on the disk already.
    fn repeat(&mut self, cid: Cid, role: Role, place: Place) -> Result<(), UnpackError> {
        match role {
            Role::Entry(path) => self.open(path),
            Role::Part { bytes } if bytes == place.length => {}
            Role::Part { .. } => return Err(malformed(cid, "its size is not what its parent says")),
            Role::Shard(_) => return Err(malformed(cid, "a bucket that is no shard")),
        }
        if let Some((_, end)) = &mut self.end {
            *end += place.length;
        }
        self.ready.push_back(Step::Repeat(place));
        Ok(())
    }

    fn descend(&mut self, cid: Cid, depth: usize, children: Vec<(Cid, Role)>) -> Result<(), UnpackError> {
        let depth = depth + 1;
        if depth > FOLDERS_MAX || self.pending.len() + children.len() > PENDING_MAX {
            return Err(UnpackError::TooDeep { cid });
        }
        self.pending.extend(children.into_iter().rev().map(|(cid, role)| Todo::Visit { cid, role, depth }));
        Ok(())
    }
}

fn entries(folder: &Path, links: Vec<Link>) -> Result<Vec<(Cid, Role)>, UnpackError> {
    links.into_iter().map(|link| Ok((link.cid, Role::Entry(below(folder, &link.name)?)))).collect()
}

fn shard_entries(folder: &Arc<Path>, shard: Shard) -> Result<Vec<(Cid, Role)>, UnpackError> {
    let prefix_digits = shard.prefix_digits();
    let entry = |link: Link| match link.name.get(prefix_digits..) {
        None => Err(malformed(link.cid, "a name without its bucket")),
        Some("") => Ok((link.cid, Role::Shard(Arc::clone(folder)))),
        Some(name) => Ok((link.cid, Role::Entry(below(folder, name)?))),
    };
    shard.links.into_iter().map(entry).collect()
}

/// A name is one part of a path; anything else would write elsewhere.
fn below(folder: &Path, name: &str) -> Result<Arc<Path>, UnpackError> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(one)), None) if one == name => Ok(folder.join(name).into()),
        _ => Err(UnpackError::Name { name: name.to_owned() }),
    }
}

const fn malformed(cid: Cid, what: &'static str) -> UnpackError {
    UnpackError::Node(NodeError::Malformed { cid, what })
}
