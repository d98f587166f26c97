//! The pieces that a provider keeps, as the market sees them.

use alloy_primitives::B256;
use async_trait::async_trait;

/// Keeps pieces of other people's objects, by the root of their tree.
///
/// Law: a piece that `has` says is here was whole when it was last looked at; `rebuild` keeps nothing that does not have
/// the root; after `erase` the bytes are gone from the disk.
#[async_trait]
pub trait Pieces: Send + Sync + std::fmt::Debug {
    async fn has(&self, root: B256) -> bool;

    /// Shows a leaf of a piece.
    async fn prove(&self, root: B256, leaf: u64) -> Result<LeafProof, PieceError>;

    async fn erase(&self, root: B256) -> Result<(), PieceError>;

    /// Makes a piece from the other pieces of its object, and keeps it.
    async fn rebuild(&self, piece: MissingPiece) -> Result<(), PieceError>;
}

/// A leaf and the siblings on the way to the root, from below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafProof {
    pub leaf: B256,
    pub path: Vec<B256>,
}

/// A piece that is to be made, and who has its siblings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPiece {
    pub root: B256,
    /// What it is of its object, in the words of whoever made the pieces.
    pub label: B256,
    pub siblings: Vec<PieceAt>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceAt {
    pub root: B256,
    pub label: B256,
    /// Where its provider answers.
    pub uri: String,
}

#[derive(Debug, thiserror::Error)]
pub enum PieceError {
    /// It was never here, or it is lost. It can be rebuilt.
    #[error("piece {root} is not here")]
    NotFound { root: B256 },
    /// Too few siblings answer, or they do not fit together. Try again later.
    #[error("piece {root} cannot be rebuilt")]
    Rebuild {
        root: B256,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk is full or failing.
    #[error("the store of pieces fails")]
    Disk {
        #[source]
        source: std::io::Error,
    },
}
