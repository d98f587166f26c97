//! The names in a directory.

use super::node::{Link, Node, NodeError, Shard, decode};
use super::{DEPTH_MAX, ReadError};
use crate::store::Store;
use cid::Cid;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub cid: Cid,
    /// Bytes of the DAG below, as its writer claims; a little more than the file's own.
    pub dag_bytes: u64,
}

/// As many names as were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// By rising name.
    pub entries: Vec<Entry>,
    /// There are more.
    pub more: bool,
}

/// Up to `entries_max` names of the directory `cid`, plain or sharded.
pub async fn list(store: &Store, cid: &Cid, entries_max: usize) -> Result<Listing, ReadError> {
    let mut entries = Vec::new();
    match decode(cid, store.get(cid).await?)? {
        Node::Directory(links) => entries.extend(links.into_iter().map(entry)),
        Node::Shard(shard) => {
            let mut walk = ShardWalk::new(shard);
            while let Some(step) = walk.next(store).await? {
                if let Step::Entry(entry) = step {
                    entries.push(entry);
                }
                if entries.len() > entries_max {
                    break;
                }
            }
        }
        Node::File(_) | Node::Symlink(_) => return Err(ReadError::NotADirectory { cid: *cid }),
    }
    let more = entries.len() > entries_max;
    entries.truncate(entries_max);
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Listing { entries, more })
}

/// The CIDs of the inner nodes of a sharded directory, in depth-first order; at most `blocks_max`.
pub(crate) async fn shard_blocks(store: &Store, cid: &Cid, blocks_max: usize) -> Result<Vec<Cid>, ReadError> {
    let mut blocks = Vec::new();
    if let Node::Shard(shard) = decode(cid, store.get(cid).await?)? {
        let mut walk = ShardWalk::new(shard);
        while let Some(step) = walk.next(store).await? {
            if let Step::Shard(cid) = step {
                blocks.push(cid);
            }
            if blocks.len() > blocks_max {
                return Err(ReadError::TooDeep { cid: *cid });
            }
        }
    }
    Ok(blocks)
}

enum Step {
    Entry(Entry),
    Shard(Cid),
}

/// Visits a sharded directory depth first; holds one path of shards.
struct ShardWalk {
    levels: Vec<Level>,
}

struct Level {
    links: std::vec::IntoIter<Link>,
    prefix_digits: usize,
}

impl ShardWalk {
    fn new(shard: Shard) -> Self {
        Self { levels: vec![level(shard)] }
    }

    async fn next(&mut self, store: &Store) -> Result<Option<Step>, ReadError> {
        while let Some(level) = self.levels.last_mut() {
            let prefix_digits = level.prefix_digits;
            let Some(mut link) = level.links.next() else {
                self.levels.pop();
                continue;
            };
            let cid = link.cid;
            let Some(name) = link.name.get(prefix_digits..) else {
                return Err(NodeError::Malformed { cid, what: "a name without its bucket" }.into());
            };
            if !name.is_empty() {
                link.name = name.to_owned();
                return Ok(Some(Step::Entry(entry(link))));
            }
            if self.levels.len() >= DEPTH_MAX {
                return Err(ReadError::TooDeep { cid });
            }
            let Node::Shard(shard) = decode(&cid, store.get(&cid).await?)? else {
                return Err(NodeError::Malformed { cid, what: "a bucket that is no shard" }.into());
            };
            self.levels.push(self::level(shard));
            return Ok(Some(Step::Shard(cid)));
        }
        Ok(None)
    }
}

fn level(shard: Shard) -> Level {
    let prefix_digits = shard.prefix_digits();
    Level { links: shard.links.into_iter(), prefix_digits }
}

fn entry(link: Link) -> Entry {
    Entry { name: link.name, cid: link.cid, dag_bytes: link.dag_bytes }
}
