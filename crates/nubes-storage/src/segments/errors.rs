//! What can go wrong with a store.

use super::FORMAT;
use cid::Cid;
use std::{fmt, io, path::PathBuf, sync::Arc};

/// A block whose stored bytes are not what its CID says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {cid} in {place} is damaged: {what}")]
pub struct Damage {
    pub cid: Cid,
    pub place: Place,
    pub what: &'static str,
}

/// Where a block's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of a file of this machine; the offset is where its record begins.
    Segment { segment: u32, offset: u64 },
    /// Of a bucket.
    Object { key: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment { segment, offset } => write!(f, "segment {segment} at offset {offset}"),
            Self::Object { key } => write!(f, "object {key}"),
        }
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Stop the other process; a folder serves one at a time.
    #[error("another process holds the block store {}", dir.display())]
    Locked { dir: PathBuf },
    /// Use the version of the program that made it, or another folder.
    #[error("the block store {} has format `{found}`, this program knows `{FORMAT}`", dir.display())]
    Version { dir: PathBuf, found: String },
    /// A backup that was not finished. Delete it and make it again.
    #[error("{} has segments and no VERSION", dir.display())]
    Unfinished { dir: PathBuf },
    /// The disk or the permissions. Nothing was changed. A full disk may be the reason, because opening writes.
    #[error("cannot open {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The index can be neither read nor made anew.
    #[error("cannot open the index of the block store")]
    Index {
        #[source]
        source: redb::Error,
    },
}

/// Why blocks are not stored. One cause fails everything in the same group commit, hence the shared sources.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PutError {
    /// The disk is failing. Nothing of the group is stored; replace it.
    #[error("cannot write the block store")]
    Write {
        #[source]
        source: Arc<io::Error>,
    },
    /// The disk is full, or would have less free than its reserve. Nothing is stored; free space and put again.
    #[error(
        "the disk of the block store has {free_bytes} bytes free; {asked_bytes} are asked for and {free_bytes_min} stay free"
    )]
    Full { free_bytes: u64, free_bytes_min: u64, asked_bytes: u64 },
    /// The store has what it may have. Nothing is stored; collect what is not needed, or raise the quota.
    #[error(
        "the block store has {stored_bytes} bytes of the {stored_bytes_max} that it may have; {asked_bytes} more are asked for"
    )]
    Quota { stored_bytes: u64, stored_bytes_max: u64, asked_bytes: u64 },
    /// The index is failing. The blocks may be found after the next start.
    #[error("cannot write the index of the block store")]
    Index {
        #[source]
        source: Arc<redb::Error>,
    },
    /// The store was closed, or stopped after a failed sync. Open it again.
    #[error("the block store is closed")]
    Closed,
}

/// Why a block is not returned.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// It was never put here. Fetch or add it.
    #[error("block {cid} is not stored here")]
    NotFound { cid: Cid },
    /// Its bytes on disk are wrong. Add its content again; that repairs it.
    #[error(transparent)]
    Corrupt { damage: Box<Damage> },
    /// The disk is failing.
    #[error("cannot read the block store")]
    Read {
        #[source]
        source: io::Error,
    },
    /// The index is failing. Deleting `index.redb` makes the next start rebuild it.
    #[error("cannot read the index of the block store")]
    Index {
        #[source]
        source: redb::Error,
    },
    /// The program is going down.
    #[error("reading was broken off by the shutdown")]
    Aborted,
}

/// Why a store is not collected, erased from, counted or copied. What was done until then stays done, and is right.
#[derive(Debug, thiserror::Error)]
pub enum MaintainError {
    #[error(transparent)]
    Write(#[from] PutError),
    #[error(transparent)]
    Read(#[from] GetError),
    /// The disk.
    #[error("cannot work on the files of the block store")]
    Io {
        #[from]
        source: io::Error,
    },
    /// A backup goes into a new folder. Name another, or delete what an unfinished backup left.
    #[error("{} holds segments already", dir.display())]
    Occupied { dir: PathBuf },
    /// The engine does not do it. Use what the server has for it, or the segments.
    #[error("{what} is made by a store of segments, and this one is in a {engine}")]
    NotHere { what: &'static str, engine: &'static str },
}
