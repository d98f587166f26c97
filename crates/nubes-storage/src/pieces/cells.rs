//! Cells on the wire: for each, the path to the root, then the bytes. Lengths follow from the piece's leaves, so nothing
//! but hashes and bytes is sent.

use super::{
    coding::CELL_BYTES,
    tree::{LEAF_BYTES, Root, is_cell_of, path_length},
};
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Bytes of one answer at most: cells that are asked for at once.
pub(super) const CELLS_MAX: u64 = 64;

/// A cell and what ties it to its piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub path: Vec<Root>,
    pub bytes: Bytes,
}

/// What came is not what was asked for. Ask another provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellsError {
    #[error("{bytes} bytes came where cells {from} to {to} have {expected}")]
    Length { from: u64, to: u64, bytes: usize, expected: usize },
    #[error("cell {cell} does not belong to the piece")]
    Untrue { cell: u64 },
}

pub fn encode_cells(cells: &[Cell]) -> Bytes {
    let mut out = BytesMut::new();
    for cell in cells {
        cell.path.iter().for_each(|node| out.extend_from_slice(node));
        out.extend_from_slice(&cell.bytes);
    }
    out.freeze()
}

/// The cells `range` of the piece with this root and so many leaves, each checked on its own: what is true of a damaged
/// piece is of use.
pub fn decode_cells(
    root: &Root,
    leaves: u64,
    range: Range<u64>,
    wire: &Bytes,
) -> Result<Vec<Result<Bytes, CellsError>>, CellsError> {
    let path_bytes = path_length(leaves) * LEAF_BYTES;
    let piece_bytes = leaves * LEAF_BYTES as u64;
    let cell_bytes = |cell: u64| {
        let start = (cell * CELL_BYTES as u64).min(piece_bytes);
        usize::try_from((piece_bytes - start).min(CELL_BYTES as u64)).unwrap_or(CELL_BYTES)
    };
    let expected: usize = range.clone().map(|cell| path_bytes + cell_bytes(cell)).sum();
    if wire.len() != expected {
        return Err(CellsError::Length { from: range.start, to: range.end, bytes: wire.len(), expected });
    }
    let mut at = 0;
    let mut cells = Vec::new();
    for cell in range {
        let path = &wire[at..at + path_bytes];
        let path: Vec<Root> = path.chunks_exact(LEAF_BYTES).filter_map(|node| node.try_into().ok()).collect();
        at += path_bytes;
        let bytes = wire.slice(at..at + cell_bytes(cell));
        at += bytes.len();
        let is_true = is_cell_of(root, leaves, cell, &bytes, &path);
        cells.push(if is_true { Ok(bytes) } else { Err(CellsError::Untrue { cell }) });
    }
    Ok(cells)
}
