//! Keep content by its address and serve it: the storage layer.
//!
//! Blocks (the unit that a CID names) live in an append-only local store; files and directories are UnixFS DAGs of
//! blocks, as every IPFS client makes and reads them; an HTTP gateway serves them whole, by range, or as blocks and CAR
//! files that a client verifies by itself.
//!
//! What it is not: no network of peers, no money, no names. Which root a name points to is the front door's business;
//! it hands the root to [`Gateway::serve`].
//!
//! Laws:
//! - What [`Store::put_many`] has answered is on disk and survives a crash of the process or the machine.
//! - [`Store::get`] never returns bytes that do not hash to the CID. A damaged block is reported with its segment, offset
//!   and CID; all others are served.
//! - The index is a projection of the segment files: it can be deleted and is rebuilt.
//! - A block that is put while a collection runs is not lost to it; an erased block's bytes are in no segment.
//! - A directory's CID is the one that `ipfs-car pack DIR --no-wrap` gives (profile `unixfs-v1-2025`);
//!   [`unixfs`] says where it differs.
//! - Content that is pinned is named by [`pins::Pins::live`]; what removes blocks leaves it alone.
//! - No file, DAG or upload is held in memory as a whole; every size, depth and count has a named limit.
//!
//! A [`Store`] is files of this machine ([`segments`]) or a bucket of an S3-compatible server ([`ObjectBlocks`]).
//!
//! Begin with [`segments`] for the disk format, [`unixfs`] for files, [`gateway`] for HTTP, [`pins`] for what is
//! kept, [`upkeep`] for what goes, [`pieces`] for what providers keep, [`kubo`] for the RPC of IPFS tools.

mod block;
mod cache;
mod flights;
mod ipld;
mod local;
mod objects;
mod problem;
mod query;
mod store;
mod tables;
mod varint;

pub mod car;
pub mod gateway;
pub mod ingest;
pub mod ipns;
pub mod kubo;
pub mod pieces;
pub mod pins;
pub mod segments;
pub mod unixfs;
pub mod upkeep;

pub use crate::block::{BLOCK_BYTES_MAX, Block, BlockError};
pub use crate::gateway::{Caching, Gateway, Place, Root, Site};
pub use crate::local::{LocalBlobs, LocalBlocks};
pub use crate::objects::{Credentials, ObjectBlocks, OpenBucketError, S3, S3Error};
pub use crate::segments::{Config, OpenError};
pub use crate::store::{Batches, Store};
