//! From a root and a path to a CID.

use super::hamt::Buckets;
use super::node::{Link, Node, NodeError, Shard, decode};
use super::{DEPTH_MAX, ReadError};
use crate::block::RAW;
use crate::ipld::{self, Codec, Step};
use crate::segments::GetError;
use crate::store::Store;
use bytes::Bytes;
use cid::Cid;

/// Longest path, in names.
pub const NAMES_MAX: usize = 256;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub cid: Cid,
    pub kind: Kind,
    /// The root and the CID behind each name of the path; the last is `cid`.
    pub roots: Vec<Cid>,
    /// Every block that was read on the way, `cid` excluded: what a client needs to verify the path.
    pub trail: Vec<Cid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File {
        size: u64,
    },
    Directory,
    /// A symbolic link; it is not followed.
    Symlink,
    /// IPLD that is not UnixFS.
    Other {
        codec: u64,
    },
}

/// Follows `names` from `root`. Symbolic links on the way are an error, one at the end is a result.
pub async fn resolve(store: &Store, root: Cid, names: &[String]) -> Result<Resolved, ReadError> {
    if names.len() > NAMES_MAX {
        return Err(ReadError::TooDeep { cid: root });
    }
    let (mut cid, mut roots, mut trail) = (root, vec![root], Vec::new());
    let mut names = names;
    while let Some((name, rest)) = names.split_first() {
        trail.push(cid);
        let block = store.get(&cid).await?;
        let next = match Codec::of(cid.codec()) {
            Some(codec) => match ipld::follow(&cid, codec, &block, names)? {
                Step::Link { cid, names: taken } => (Some(cid), names.get(taken..).unwrap_or_default()),
                Step::Inside => return Err(ReadError::InsideNode { cid }),
                Step::Missing { name } => return Err(ReadError::NoEntry { cid, name }),
            },
            None => (entry(store, &cid, block, name, &mut trail).await?, rest),
        };
        cid = next.0.ok_or_else(|| ReadError::NoEntry { cid, name: name.clone() })?;
        names = next.1;
        roots.push(cid);
    }
    let kind = kind(store, &cid).await?;
    Ok(Resolved { cid, kind, roots, trail })
}

/// The entry `name` of a directory.
async fn entry(
    store: &Store,
    cid: &Cid,
    block: Bytes,
    name: &str,
    trail: &mut Vec<Cid>,
) -> Result<Option<Cid>, ReadError> {
    match decode(cid, block)? {
        Node::Directory(links) => Ok(find(&links, name)),
        Node::Shard(shard) => find_in_shard(store, shard, name, trail).await,
        Node::Symlink(_) => Err(ReadError::Symlink { cid: *cid }),
        Node::File(_) => Err(ReadError::NotADirectory { cid: *cid }),
    }
}

/// What `cid` is, by its block.
pub(crate) async fn kind(store: &Store, cid: &Cid) -> Result<Kind, ReadError> {
    if cid.codec() == RAW {
        let size = store.length(cid).await?.ok_or(GetError::NotFound { cid: *cid })?;
        return Ok(Kind::File { size });
    }
    match decode(cid, store.get(cid).await?) {
        Ok(Node::File(file)) => Ok(Kind::File { size: file.size }),
        Ok(Node::Directory(_) | Node::Shard(_)) => Ok(Kind::Directory),
        Ok(Node::Symlink(_)) => Ok(Kind::Symlink),
        Err(NodeError::Codec { codec, .. }) => Ok(Kind::Other { codec }),
        Err(malformed) => Err(malformed.into()),
    }
}

/// The path that the symbolic link `cid` points to, as it was written.
pub(crate) async fn symlink_target(store: &Store, cid: Cid) -> Result<Bytes, ReadError> {
    match decode(&cid, store.get(&cid).await?)? {
        Node::Symlink(target) => Ok(target),
        _ => Err(ReadError::NotAFile { cid }),
    }
}

fn find(links: &[Link], name: &str) -> Option<Cid> {
    links.iter().find(|link| link.name == name).map(|link| link.cid)
}

async fn find_in_shard(
    store: &Store,
    mut shard: Shard,
    name: &str,
    trail: &mut Vec<Cid>,
) -> Result<Option<Cid>, ReadError> {
    let mut buckets = Buckets::new(name);
    for _ in 0..DEPTH_MAX {
        let Some(bucket) = buckets.next(shard.bucket_bits) else { return Ok(None) };
        let prefix = format!("{bucket:0width$X}", width = shard.prefix_digits());
        let in_bucket = |link: &&Link| {
            link.name.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest == name)
        };
        let Some(link) = shard.links.iter().find(in_bucket) else { return Ok(None) };
        if link.name.len() > prefix.len() {
            return Ok(Some(link.cid));
        }
        let cid = link.cid;
        trail.push(cid);
        shard = match decode(&cid, store.get(&cid).await?)? {
            Node::Shard(next) => next,
            _ => return Err(NodeError::Malformed { cid, what: "a bucket that is no shard" }.into()),
        };
    }
    Ok(None)
}
