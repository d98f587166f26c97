//! Reading a file: any range, as a stream, with little in memory.

use super::DEPTH_MAX;
use super::node::{FileNode, Node, NodeError, decode};
use crate::block::RAW;
use crate::segments::GetError;
use crate::store::Store;
use bytes::Bytes;
use cid::Cid;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use std::ops::Range;

/// Blocks that are read before the reader asks for them.
const READ_AHEAD_BLOCKS: usize = 4;

/// A file that can be read.
#[derive(Clone, Debug)]
pub struct File {
    store: Store,
    cid: Cid,
    size: u64,
}

impl File {
    /// The file behind `cid`. Reads at most its first block.
    pub async fn open(store: &Store, cid: Cid) -> Result<Self, ReadError> {
        if cid.codec() == RAW {
            let size = store.length(&cid).await?.ok_or(GetError::NotFound { cid })?;
            return Ok(Self::known(store, cid, size));
        }
        match decode(&cid, store.get(&cid).await?)? {
            Node::File(FileNode { size, .. }) => Ok(Self::known(store, cid, size)),
            Node::Symlink(_) => Err(ReadError::Symlink { cid }),
            Node::Directory(_) | Node::Shard(_) => Err(ReadError::NotAFile { cid }),
        }
    }

    /// For a file whose size has been read before.
    pub(crate) fn known(store: &Store, cid: Cid, size: u64) -> Self {
        Self { store: store.clone(), cid, size }
    }

    /// Bytes of the whole file.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The whole file in memory, if it is not larger than `bytes_max`. One block is returned without a copy.
    pub async fn read(&self, bytes_max: u64) -> Result<Bytes, ReadError> {
        let (cid, bytes) = (self.cid, self.size);
        if bytes > bytes_max {
            return Err(ReadError::TooLarge { cid, bytes, bytes_max });
        }
        if cid.codec() == RAW {
            return Ok(self.store.get(&cid).await?);
        }
        let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        let mut parts = self.stream(0..bytes);
        while let Some(part) = parts.try_next().await? {
            whole.extend_from_slice(&part);
        }
        Ok(whole.into())
    }

    /// The bytes of `range`, cut to the file's size. Blocks outside of it are not read.
    pub fn stream(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, ReadError>> {
        let range = range.start.min(self.size)..range.end.min(self.size);
        let store = self.store.clone();
        let walk = Walk { pending: vec![self.root()], range, store: self.store.clone() };
        stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|piece| (piece, walk))) })
            .map(move |piece| fetch(store.clone(), piece))
            .buffered(READ_AHEAD_BLOCKS)
            .boxed()
    }

    /// The blocks that hold `range`, parents before children, in order.
    pub(crate) fn blocks(&self, range: Range<u64>) -> BoxStream<'static, Result<Cid, ReadError>> {
        let walk = Walk { pending: vec![self.root()], range, store: self.store.clone() };
        stream::try_unfold(
            walk,
            |mut walk| async move { Ok(walk.next_block().await?.map(|cid| (cid, walk))) },
        )
        .boxed()
    }

    const fn root(&self) -> Pending {
        Pending { cid: self.cid, start: 0, size: self.size, depth: 0 }
    }
}

/// A node that is still to be visited.
#[derive(Clone, Copy, Debug)]
struct Pending {
    cid: Cid,
    /// Where its bytes begin in the file.
    start: u64,
    /// What its parent says it holds.
    size: u64,
    depth: usize,
}

/// Bytes to be sent: at hand, or in a block that is still to be read.
enum Piece {
    Ready(Bytes),
    Raw { cid: Cid, size: u64, part: Range<u64> },
}

struct Walk {
    /// The next is at the end.
    pending: Vec<Pending>,
    range: Range<u64>,
    store: Store,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<Piece>, ReadError> {
        while let Some(node) = self.pending.pop() {
            let Some(part) = self.wanted(node.start, node.size) else { continue };
            if node.cid.codec() == RAW {
                return Ok(Some(Piece::Raw { cid: node.cid, size: node.size, part }));
            }
            let file = self.open(node).await?;
            self.push_children(node, &file);
            if let Some(own) = self.wanted(node.start, file.bytes.len() as u64) {
                return slice(node.cid, &file.bytes, &own).map(|bytes| Some(Piece::Ready(bytes)));
            }
        }
        Ok(None)
    }

    async fn next_block(&mut self) -> Result<Option<Cid>, ReadError> {
        while let Some(node) = self.pending.pop() {
            if node.depth > 0 && self.wanted(node.start, node.size).is_none() {
                continue;
            }
            if node.cid.codec() != RAW {
                let file = self.open(node).await?;
                self.push_children(node, &file);
            }
            return Ok(Some(node.cid));
        }
        Ok(None)
    }

    /// The part of the range in `size` bytes from `start`, counted from there.
    fn wanted(&self, start: u64, size: u64) -> Option<Range<u64>> {
        let from = self.range.start.saturating_sub(start);
        let to = self.range.end.saturating_sub(start).min(size);
        (from < to).then_some(from..to)
    }

    async fn open(&self, node: Pending) -> Result<FileNode, ReadError> {
        let cid = node.cid;
        if node.depth >= DEPTH_MAX {
            return Err(ReadError::TooDeep { cid });
        }
        match decode(&cid, self.store.get(&cid).await?)? {
            Node::File(file) if file.size == node.size => Ok(file),
            Node::File(_) => {
                Err(NodeError::Malformed { cid, what: "its size is not what its parent says" }.into())
            }
            _ => Err(NodeError::Malformed { cid, what: "a part of a file that is no file" }.into()),
        }
    }

    fn push_children(&mut self, node: Pending, file: &FileNode) {
        let (mut end, depth) = (node.start + node.size, node.depth + 1);
        for child in file.children.iter().rev() {
            end -= child.size;
            if self.wanted(end, child.size).is_some() {
                self.pending.push(Pending { cid: child.cid, start: end, size: child.size, depth });
            }
        }
    }
}

async fn fetch(store: Store, piece: Result<Piece, ReadError>) -> Result<Bytes, ReadError> {
    match piece? {
        Piece::Ready(bytes) => Ok(bytes),
        Piece::Raw { cid, size, part } => {
            let block = store.get(&cid).await?;
            if block.len() as u64 != size {
                return Err(NodeError::Malformed { cid, what: "its size is not what its parent says" }.into());
            }
            slice(cid, &block, &part)
        }
    }
}

fn slice(cid: Cid, bytes: &Bytes, part: &Range<u64>) -> Result<Bytes, ReadError> {
    let (start, end) = (usize::try_from(part.start), usize::try_from(part.end));
    match (start, end) {
        (Ok(start), Ok(end)) if start <= end && end <= bytes.len() => Ok(bytes.slice(start..end)),
        _ => Err(NodeError::Malformed { cid, what: "it is shorter than it says" }.into()),
    }
}

/// Why a file or a directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Block(#[from] GetError),
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Check the path.
    #[error("no `{name}` in {cid}")]
    NoEntry { cid: Cid, name: String },
    /// The path ends in the middle of a block, not at a link. Ask for the block.
    #[error("the path ends inside of {cid}, at no link")]
    InsideNode { cid: Cid },
    /// The path goes on behind a file.
    #[error("{cid} is not a directory")]
    NotADirectory { cid: Cid },
    /// Ask for a path below it.
    #[error("{cid} is not a file")]
    NotAFile { cid: Cid },
    /// Symbolic links are not followed.
    #[error("{cid} is a symbolic link")]
    Symlink { cid: Cid },
    /// More levels, names or shards than are followed.
    #[error("{cid} is nested too deeply")]
    TooDeep { cid: Cid },
    #[error("{cid} has {bytes} bytes, more than the limit of {bytes_max}")]
    TooLarge { cid: Cid, bytes: u64, bytes_max: u64 },
}
