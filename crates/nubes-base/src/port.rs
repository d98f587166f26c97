//! The ports: how layers meet without knowing each other.

mod blobs;
mod blocks;
mod keepers;
mod ledger;
mod logs;
mod pieces;
mod pointers;
mod runner;
mod texts;

pub use blobs::{Blobs, GetError, PutError};
pub use blocks::{Blocks, PutBlocksError, ReadBlockError};
pub use keepers::{Archive, Keepers, KeepersError};
pub use ledger::{CallError, FinalBlock, FinalReceipt, Ledger, Log, Prepared, SubmitError};
pub use logs::{LogLevel, LogLine, LogSource};
pub use pieces::{LeafProof, MissingPiece, PieceAt, PieceError, Pieces};
pub use pointers::{Pointer, PointerError, Pointers};
pub use runner::{Body, BodyError, Function, RunError, Runner, empty_body, full_body};
pub use texts::{TextRecords, Texts, TextsError};
