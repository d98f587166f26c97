//! Pieces: what providers keep of an object, and how the object comes back.
//!
//! An object is bytes, here the CAR of a DAG. It is cut into stripes, a stripe into as many cells as the coding has data
//! pieces, and Reed-Solomon adds the cells of the other pieces. Piece `i` is the cells `i` of all stripes, so any `data` of
//! the `total` pieces give the object back, and a part of it needs only that part of them.
//!
//! ```text
//! object   |---- stripe 0 ----|---- stripe 1 ----|- last -|
//!           c0 c1 … c9 +10     c0 c1 … c9 +10     shorter cells
//! piece 3     c3 of stripe 0     c3 of stripe 1     c3 of the last
//! ```
//!
//! A piece is named by its root: a binary SHA-256 tree over 32-byte leaves, padded with zero leaves to a power of two. The
//! leaves are not hashed and carry no prefix; that is the tree of `PDPVerifier` and of the contract `PossessionProofs`, and it is
//! safe because the number of leaves, and so the depth, is fixed by the deal. A cell is a subtree, so whoever knows the
//! root checks each cell as it comes.
//!
//! Laws:
//! - Equal objects under equal coding have equal pieces.
//! - Nothing that was read from a provider is used before it was checked against the root.
//! - A piece in the [`PieceStore`] is whole and was checked when it came; what is damaged later is found by
//!   [`PieceStore::check`] and by every reader.
//!
//! Begin with [`Coding`], then [`PieceTree`], [`ObjectReader`] and [`PieceStore`].

mod cells;
mod coding;
mod encode;
mod label;
mod read;
mod store;
#[cfg(test)]
mod tests;
mod tree;

pub use cells::{Cell, CellsError, decode_cells, encode_cells};
pub use coding::{CELL_BYTES, Coding, CodingError, Layout, OBJECT_BYTES_MAX, PIECES_MAX};
pub use encode::{EncodeError, Encoder, Sink};
pub use label::{Label, LabelError};
pub use read::{CellSource, ObjectReader, ReadError, Sibling, SourceError};
pub use store::{CheckError, Incoming, PieceStore, ReceiveError};
pub use tree::{LEAF_BYTES, LeafProof, PieceTree, Root, TreeBuilder, leaf_root};
