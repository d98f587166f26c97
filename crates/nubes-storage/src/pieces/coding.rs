//! Into how many pieces an object goes, and how long they are. Pure.

use std::ops::Range;

/// Bytes of a cell; the cells of the last stripe may be shorter.
pub const CELL_BYTES: usize = 64 << 10;
/// Pieces of one object at most.
pub const PIECES_MAX: u8 = 64;
/// Longest object.
pub const OBJECT_BYTES_MAX: u64 = 1 << 40;
/// Cells are whole pairs of leaves: what the Reed-Solomon engine works on at once.
const CELL_STEP: u64 = 64;

/// Any `data` of `total` pieces give the object back. With one data piece the pieces are copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coding {
    data: u8,
    total: u8,
}

/// The coding cannot be, or does not fit the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// Choose at least one data piece and at most [`PIECES_MAX`] pieces.
    #[error(
        "{data} of {total} pieces: it takes 1 to {PIECES_MAX} pieces, and no more data pieces than pieces"
    )]
    Shape { data: u8, total: u8 },
    /// An object has bytes, and at most [`OBJECT_BYTES_MAX`].
    #[error("an object of {bytes} bytes: it takes 1 to {OBJECT_BYTES_MAX}")]
    Object { bytes: u64 },
}

impl Coding {
    pub const fn new(data: u8, total: u8) -> Result<Self, CodingError> {
        if data == 0 || total < data || PIECES_MAX < total {
            return Err(CodingError::Shape { data, total });
        }
        Ok(Self { data, total })
    }

    /// Pieces that are enough.
    pub const fn data(self) -> usize {
        self.data as usize
    }

    /// All pieces.
    pub const fn total(self) -> usize {
        self.total as usize
    }

    /// How an object of `bytes` lies in its pieces.
    pub fn layout(self, bytes: u64) -> Result<Layout, CodingError> {
        if bytes == 0 || OBJECT_BYTES_MAX < bytes {
            return Err(CodingError::Object { bytes });
        }
        let stripe = CELL_BYTES as u64 * u64::from(self.data);
        let stripes = bytes.div_ceil(stripe);
        let rest = bytes - (stripes - 1) * stripe;
        let last = rest.div_ceil(u64::from(self.data)).next_multiple_of(CELL_STEP);
        Ok(Layout { coding: self, bytes, stripes, last_cell: usize::try_from(last).unwrap_or(CELL_BYTES) })
    }
}

/// An object's stripes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub coding: Coding,
    /// Of the object.
    pub bytes: u64,
    /// Also the number of cells of each piece.
    pub stripes: u64,
    /// Bytes of the cells of the last stripe.
    pub last_cell: usize,
}

impl Layout {
    /// Bytes of each piece.
    pub const fn piece_bytes(&self) -> u64 {
        (self.stripes - 1) * CELL_BYTES as u64 + self.last_cell as u64
    }

    pub const fn cell_bytes(&self, stripe: u64) -> usize {
        if stripe + 1 == self.stripes { self.last_cell } else { CELL_BYTES }
    }

    /// Where the object's bytes of a stripe are; the last one is shorter than its cells.
    pub fn object_range(&self, stripe: u64) -> Range<u64> {
        let start = stripe * (CELL_BYTES * self.coding.data()) as u64;
        start..self.bytes.min(start + (self.cell_bytes(stripe) * self.coding.data()) as u64)
    }
}
