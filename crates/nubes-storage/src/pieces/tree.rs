//! The tree over a piece's leaves.
//!
//! Levels below a cell are computed when they are needed, from the cell's bytes; those above are kept: one node for
//! 64 KiB.

use super::coding::CELL_BYTES;
use sha2::{Digest, Sha256};

pub const LEAF_BYTES: usize = 32;
const CELL_LEAVES: usize = CELL_BYTES / LEAF_BYTES;
const CELL_DEPTH: u32 = CELL_LEAVES.ilog2();

/// The root of a piece's tree, or any node.
pub type Root = [u8; 32];

/// A leaf and its siblings from below, as the contract takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafProof {
    pub leaf: [u8; LEAF_BYTES],
    pub path: Vec<Root>,
}

fn node(left: &Root, right: &Root) -> Root {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(left);
    pair[32..].copy_from_slice(right);
    Sha256::digest(pair).into()
}

/// Roots of trees of zero leaves by depth: what a tree is padded with.
fn padding(depth: u32) -> Root {
    (0..depth).fold([0; 32], |below, _| node(&below, &below))
}

/// Depth of a tree of so many leaves.
fn depth(leaves: u64) -> u32 {
    leaves.next_power_of_two().ilog2()
}

/// All levels of the tree over `bytes`, leaves first, padded to 2^`depth` leaves. `bytes` is whole leaves.
fn levels(bytes: &[u8], depth: u32) -> Vec<Vec<Root>> {
    let mut level: Vec<Root> = bytes
        .chunks(LEAF_BYTES)
        .map(|leaf| {
            let mut padded = [0; LEAF_BYTES];
            padded[..leaf.len()].copy_from_slice(leaf);
            padded
        })
        .collect();
    let mut levels = Vec::new();
    for height in 0..depth {
        let above = parents(&level, &padding(height));
        levels.push(std::mem::replace(&mut level, above));
    }
    levels.push(level);
    levels
}

fn parents(level: &[Root], padding: &Root) -> Vec<Root> {
    level.chunks(2).map(|pair| node(&pair[0], pair.get(1).unwrap_or(padding))).collect()
}

/// Siblings of node `index` on the way up.
fn siblings(levels: &[Vec<Root>], mut index: usize, first_height: u32) -> Vec<Root> {
    let below_top = levels.len().saturating_sub(1);
    let mut path = Vec::with_capacity(below_top);
    for (height, level) in (first_height..).zip(&levels[..below_top]) {
        path.push(level.get(index ^ 1).copied().unwrap_or_else(|| padding(height)));
        index /= 2;
    }
    path
}

/// The root above a node, given its place and its siblings.
fn climb(mut at: Root, mut index: u64, path: &[Root]) -> Root {
    for sibling in path {
        at = if index & 1 == 0 { node(&at, sibling) } else { node(sibling, &at) };
        index >>= 1;
    }
    at
}

/// The root above a leaf, as the contract computes it.
pub fn leaf_root(proof: &LeafProof, place: u64) -> Root {
    climb(proof.leaf, place, &proof.path)
}

/// Takes a piece's bytes as they come.
#[derive(Clone, Debug, Default)]
pub struct TreeBuilder {
    partial: Vec<u8>,
    cells: Vec<Root>,
    bytes: u64,
}

impl TreeBuilder {
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            // The last cell stays here until it is known to be the last: a lone one has a smaller tree.
            if self.partial.len() == CELL_BYTES {
                self.close_cell();
            }
            let take = bytes.len().min(CELL_BYTES - self.partial.len());
            let (now, later) = bytes.split_at(take);
            self.partial.extend_from_slice(now);
            bytes = later;
        }
    }

    fn close_cell(&mut self) {
        self.cells.push(cell_root(&self.partial));
        self.partial.clear();
    }

    /// The tree. An odd rest is padded to a whole leaf.
    pub fn finish(mut self) -> PieceTree {
        let leaves = self.bytes.div_ceil(LEAF_BYTES as u64);
        if self.cells.is_empty() {
            let top = levels(&self.partial, depth(leaves)).pop().and_then(|top| top.first().copied());
            return PieceTree { leaves, levels: vec![vec![top.unwrap_or_default()]] };
        }
        if !self.partial.is_empty() {
            self.close_cell();
        }
        PieceTree::of_cells(leaves, self.cells)
    }
}

fn cell_root(cell: &[u8]) -> Root {
    levels(cell, CELL_DEPTH).pop().and_then(|top| top.first().copied()).unwrap_or_default()
}

/// The upper levels of a piece's tree, from the roots of its cells to its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceTree {
    leaves: u64,
    levels: Vec<Vec<Root>>,
}

impl PieceTree {
    fn of_cells(leaves: u64, cells: Vec<Root>) -> Self {
        let mut levels = vec![cells];
        let mut height = CELL_DEPTH;
        while let Some(top) = levels.last().filter(|top| top.len() > 1) {
            levels.push(parents(top, &padding(height)));
            height += 1;
        }
        Self { leaves, levels }
    }

    /// The tree of a piece whose cells have these roots; `None` if they are not as many as the leaves need.
    pub(super) fn from_cell_roots(leaves: u64, cells: Vec<Root>) -> Option<Self> {
        let needed = leaves.div_ceil(CELL_LEAVES as u64);
        (leaves != 0 && cells.len() as u64 == needed).then(|| Self::of_cells(leaves, cells))
    }

    pub fn root(&self) -> Root {
        self.levels.last().and_then(|top| top.first().copied()).unwrap_or_default()
    }

    pub const fn leaves(&self) -> u64 {
        self.leaves
    }

    pub(super) fn cell_roots(&self) -> &[Root] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// The siblings of a cell's root; none for a piece of one cell.
    pub fn cell_path(&self, cell: u64) -> Vec<Root> {
        siblings(&self.levels, usize::try_from(cell).unwrap_or(usize::MAX), CELL_DEPTH)
    }

    /// Whether `bytes` are what the cell was when the tree was made.
    pub fn has_cell(&self, cell: u64, bytes: &[u8]) -> bool {
        let known = usize::try_from(cell).ok().and_then(|cell| self.cell_roots().get(cell));
        known == Some(&lone_or_inner_root(self.leaves, bytes))
    }

    /// The proof for a leaf, given the bytes of the cell that it is in.
    pub fn prove(&self, leaf: u64, cell_bytes: &[u8]) -> Option<LeafProof> {
        let (cell, place) = (leaf / CELL_LEAVES as u64, usize::try_from(leaf % CELL_LEAVES as u64).ok()?);
        let inner = levels(cell_bytes, cell_depth(self.leaves));
        let leaf = *inner.first()?.get(place)?;
        let mut path = siblings(&inner, place, 0);
        path.extend(self.cell_path(cell));
        Some(LeafProof { leaf, path })
    }
}

const fn cell_depth(leaves: u64) -> u32 {
    if leaves <= CELL_LEAVES as u64 { leaves.next_power_of_two().ilog2() } else { CELL_DEPTH }
}

fn lone_or_inner_root(leaves: u64, cell: &[u8]) -> Root {
    levels(cell, cell_depth(leaves)).pop().and_then(|top| top.first().copied()).unwrap_or_default()
}

/// Whether a cell with this path is cell number `cell` of the piece with this root and so many leaves.
pub(super) fn is_cell_of(root: &Root, leaves: u64, cell: u64, bytes: &[u8], path: &[Root]) -> bool {
    let cells = leaves.div_ceil(CELL_LEAVES as u64);
    let last = cell + 1 == cells;
    let rest = usize::try_from(leaves - (cells - 1) * CELL_LEAVES as u64).unwrap_or(CELL_LEAVES);
    let length = if last { rest * LEAF_BYTES } else { CELL_BYTES };
    let levels_above = depth(leaves) - cell_depth(leaves);
    cell < cells
        && bytes.len() == length
        && path.len() == levels_above as usize
        && climb(lone_or_inner_root(leaves, bytes), cell, path) == *root
}

/// Siblings on the way from a cell to the root, for a piece of so many leaves.
pub(super) fn path_length(leaves: u64) -> usize {
    (depth(leaves) - cell_depth(leaves)) as usize
}
