//! Files and directories as DAGs of blocks: UnixFS 1 over DAG-PB.
//!
//! Writing keeps to the profile `unixfs-v1-2025` (`CIDv1`, raw leaves of 1 MiB, 1,024 links per node, directories above
//! 256 KiB as HAMT shards of 256 buckets), so that every tool that keeps to it gets the same CID. A directory is always
//! a directory: one with a single file has the CID of `ipfs-car pack` with its wrapping, for without it `ipfs-car`
//! gives the file alone.
//!
//! What is not imported: empty directories (the profile's tools lose them too) and everything that is neither file nor
//! directory. They are in the report. Symbolic links are reported, not followed: what they point to may lie outside of
//! the directory that is published. A name that is not UTF-8 cannot be a link's name and is an error.
//!
//! Reading trusts nothing: sizes that contradict each other, depth beyond [`DEPTH_MAX`], more links than [`LINKS_MAX`]
//! are errors, and a file's bytes come as a stream whose memory does not grow with the file.

mod build;
mod extract;
mod file;
mod hamt;
mod import;
mod layout;
mod list;
mod node;
mod protobuf;
mod resolve;

pub use build::{
    BuildError, Built, FILES_MAX, Hidden, Reason, Sink, Skipped, build_directory, build_file, build_pack,
};
pub use extract::{ExtractError, Extraction, UnpackError};
pub use file::{File, ReadError};
pub use import::{ImportError, import_directory, import_file, import_stream};
pub use list::{Entry, Listing, list};
pub use node::{LINKS_MAX, NodeError, dag_bytes};
pub use resolve::{Kind, NAMES_MAX, Resolved, resolve};

pub(crate) use import::Batch;
pub(crate) use layout::{AddedFile, FileBuilder, Layout};
pub(crate) use list::shard_blocks;
pub(crate) use resolve::{kind, symlink_target};

/// Deepest chain of nodes in a file, a sharded directory or a path that is followed.
pub const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests;
