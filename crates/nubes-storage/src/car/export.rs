//! A part of a DAG as a CAR, streamed from the store.

use super::encode::{frame, header};
use crate::block::inlined;
use crate::ipld;
use crate::store::Store;
use crate::unixfs::{File, Kind, ReadError, Resolved, shard_blocks};
use bytes::Bytes;
use cid::Cid;
use futures_util::{
    StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use std::{collections::BTreeSet, ops::Range};

/// Blocks in one CAR; without duplicates each is remembered so that it is sent once.
pub const EXPORT_BLOCKS_MAX: usize = 1 << 20;
/// Blocks that are read before the receiver asks for them.
const READ_AHEAD_BLOCKS: usize = 4;

/// How much of the DAG below the path's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The block at the end only.
    Block,
    /// What is needed to read the file, or to list the directory.
    Entity,
    All,
}

/// `entity-bytes`: both ends included, negative numbers count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub from: i64,
    pub to: Option<i64>,
}

/// What to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    pub scope: Scope,
    /// Only for a file and [`Scope::Entity`].
    pub bytes: Option<ByteRange>,
    /// A block is sent each time that the walk meets it, not only the first time.
    pub duplicates: bool,
}

type Cids = BoxStream<'static, Result<Cid, ReadError>>;

/// The blocks on the path, then the selected ones, depth first. An error breaks the stream off.
pub fn export(
    store: &Store,
    target: &Resolved,
    selection: Selection,
) -> BoxStream<'static, Result<Bytes, ReadError>> {
    let trail = stream::iter(target.trail.clone()).map(Ok);
    let (mut seen, mut sent) = (BTreeSet::new(), 0);
    let wanted = move |cid: Cid| {
        // What a CID carries in itself is no block.
        let is_sent = inlined(&cid).is_none() && (selection.duplicates || seen.insert(cid));
        sent += usize::from(is_sent);
        let result = if sent > EXPORT_BLOCKS_MAX {
            Err(ReadError::TooDeep { cid })
        } else {
            Ok(is_sent.then_some(cid))
        };
        future::ready(result)
    };
    let reader = store.clone();
    let blocks = trail
        .chain(selected(store, target, selection))
        .and_then(wanted)
        .try_filter_map(future::ok)
        .map(move |cid| block(reader.clone(), cid))
        .buffered(READ_AHEAD_BLOCKS)
        .map_ok(|(cid, bytes)| stream::iter([Ok(frame(&cid, bytes.len())), Ok(bytes)]))
        .try_flatten();
    stream::iter([Ok(header(&[target.cid]))]).chain(blocks).boxed()
}

async fn block(store: Store, cid: Result<Cid, ReadError>) -> Result<(Cid, Bytes), ReadError> {
    let cid = cid?;
    Ok((cid, store.get(&cid).await?))
}

fn selected(store: &Store, target: &Resolved, selection: Selection) -> Cids {
    match (selection.scope, target.kind) {
        (Scope::All, _) => everything(store.clone(), target.cid, selection.duplicates),
        (Scope::Entity, Kind::File { size }) => {
            let range = selection.bytes.map_or(0..size, |bytes| bytes.within(size));
            File::known(store, target.cid, size).blocks(range)
        }
        (Scope::Entity, Kind::Directory) => directory(store.clone(), target.cid),
        (Scope::Block | Scope::Entity, _) => only(target.cid),
    }
}

fn only(cid: Cid) -> Cids {
    stream::iter([Ok(cid)]).boxed()
}

fn directory(store: Store, cid: Cid) -> Cids {
    let shards = async move { shard_blocks(&store, &cid, EXPORT_BLOCKS_MAX).await };
    let shards = stream::once(shards).map_ok(|cids| stream::iter(cids).map(Ok)).try_flatten();
    only(cid).chain(shards).boxed()
}

fn everything(store: Store, root: Cid, duplicates: bool) -> Cids {
    let walk = Walk { store, pending: vec![root], seen: BTreeSet::new(), duplicates, followed: 0 };
    stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|cid| (cid, walk))) }).boxed()
}

struct Walk {
    store: Store,
    /// The next is at the end.
    pending: Vec<Cid>,
    /// Inner nodes whose links have been followed; without it a DAG of n nodes can have 2^n paths.
    seen: BTreeSet<Cid>,
    duplicates: bool,
    followed: usize,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<Cid>, ReadError> {
        let Some(cid) = self.pending.pop() else { return Ok(None) };
        if ipld::has_links(&cid) && (self.duplicates || self.seen.insert(cid)) {
            self.followed += 1;
            if self.followed > EXPORT_BLOCKS_MAX {
                return Err(ReadError::TooDeep { cid });
            }
            let links = ipld::links_of(&cid, &self.store.get(&cid).await?)?;
            self.pending.extend(links.into_iter().rev());
        }
        Ok(Some(cid))
    }
}

impl ByteRange {
    /// As positions in a file of `size` bytes.
    pub fn within(self, size: u64) -> Range<u64> {
        let position = |at: i64| match u64::try_from(at) {
            Ok(at) => at,
            Err(_) => size.saturating_sub(at.unsigned_abs()),
        };
        let end = self.to.map_or(size, |to| position(to).saturating_add(1).min(size));
        position(self.from).min(end)..end
    }
}
