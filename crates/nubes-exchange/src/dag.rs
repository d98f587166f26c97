//! Fetches everything below a root: the blocks that are not here, bounded in number, bytes, depth and time.
//!
//! Links of DAG-PB and DAG-CBOR are followed; other blocks are leaves. The walk goes depth first and keeps
//! [`PARALLEL_BLOCKS`] wants open. What is here already is read and not fetched, so a fetch that broke off goes on where it
//! was; whole sub-DAGs that are here are walked, because one of their blocks may be missing.

use crate::exchange::{Download, Exchange, FetchError};
use bytes::Bytes;
use cid::Cid;
use futures_util::{StreamExt, stream::FuturesUnordered};
use ipld_core::codec::Links;
use ipld_dagpb::PbNode;
use serde_ipld_dagcbor::codec::DagCborCodec;
use std::{collections::BTreeSet, time::Duration};

/// Blocks that are asked for at once.
pub const PARALLEL_BLOCKS: usize = 32;
const DAG_PB: u64 = 0x70;
const DAG_CBOR: u64 = 0x71;
/// Multihash code of a CID that carries its content in itself.
const IDENTITY: u64 = 0x00;

/// How much one call may fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DagLimits {
    /// Blocks that are walked or wait to be walked.
    pub blocks_max: usize,
    /// Bytes of all blocks below the root, those that are here included.
    pub bytes_max: u64,
    pub depth_max: usize,
    /// A single block is waited for this long.
    pub patience: Duration,
}

impl DagLimits {
    /// For content that people share: a terabyte in a million blocks.
    pub const STANDARD: Self =
        Self { blocks_max: 1 << 20, bytes_max: 1 << 40, depth_max: 512, patience: Duration::from_mins(1) };
}

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks and bytes that are here now, those that were here before included.
    pub blocks: u64,
    pub bytes: u64,
    /// Those of them that came from peers.
    pub fetched_blocks: u64,
    pub fetched_bytes: u64,
    /// Bytes of the whole DAG as its root says, if it does; not to be relied on.
    pub bytes_claimed: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum DagError {
    /// What came before it is kept; the next call goes on from there.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Whoever made the block made a mistake. Nothing below it can be fetched.
    #[error("{cid} is malformed: {what}")]
    Malformed { cid: Cid, what: &'static str },
    /// Fetch a part of it by the CID of that part.
    #[error("more than {limit} {what} below {root}")]
    TooLarge { root: Cid, what: &'static str, limit: u64 },
}

struct Walk {
    root: Cid,
    limits: DagLimits,
    /// The next is at the end.
    pending: Vec<(Cid, usize)>,
    /// Blocks with links that were met; without it a DAG of n nodes can have 2^n paths.
    seen: BTreeSet<Cid>,
    walked: usize,
    progress: Progress,
}

struct Visited {
    bytes: u64,
    was_here: bool,
    links: Vec<Cid>,
    bytes_claimed: Option<u64>,
    depth: usize,
}

impl Exchange {
    /// Makes everything below `root` be here. `report` is called after each block.
    pub async fn fetch_dag(
        &self,
        root: Cid,
        limits: DagLimits,
        report: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Progress, DagError> {
        let download = self.download();
        let mut walk = Walk::new(root, limits);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < PARALLEL_BLOCKS
                && let Some((cid, depth)) = walk.next()?
            {
                running.push(visit(&download, cid, depth, limits.patience));
            }
            let Some(visited) = running.next().await else { return Ok(walk.progress) };
            walk.take(visited?)?;
            report(walk.progress);
        }
    }
}

impl Walk {
    fn new(root: Cid, limits: DagLimits) -> Self {
        let pending = vec![(root, 0)];
        Self { root, limits, pending, seen: BTreeSet::new(), walked: 0, progress: Progress::default() }
    }

    fn next(&mut self) -> Result<Option<(Cid, usize)>, DagError> {
        while let Some((cid, depth)) = self.pending.pop() {
            if has_links(&cid) && !self.seen.insert(cid) {
                continue;
            }
            self.walked += 1;
            if self.walked > self.limits.blocks_max {
                return Err(self.too_large("blocks", self.limits.blocks_max as u64));
            }
            return Ok(Some((cid, depth)));
        }
        Ok(None)
    }

    fn take(&mut self, visited: Visited) -> Result<(), DagError> {
        let progress = &mut self.progress;
        progress.blocks += 1;
        progress.bytes += visited.bytes;
        if !visited.was_here {
            progress.fetched_blocks += 1;
            progress.fetched_bytes += visited.bytes;
        }
        if visited.depth == 0 {
            progress.bytes_claimed = visited.bytes_claimed;
        }
        if progress.bytes > self.limits.bytes_max {
            return Err(self.too_large("bytes", self.limits.bytes_max));
        }
        if visited.depth >= self.limits.depth_max && !visited.links.is_empty() {
            return Err(self.too_large("levels", self.limits.depth_max as u64));
        }
        if self.pending.len() + visited.links.len() > self.limits.blocks_max {
            return Err(self.too_large("blocks", self.limits.blocks_max as u64));
        }
        self.pending.extend(visited.links.into_iter().rev().map(|cid| (cid, visited.depth + 1)));
        Ok(())
    }

    const fn too_large(&self, what: &'static str, limit: u64) -> DagError {
        DagError::TooLarge { root: self.root, what, limit }
    }
}

async fn visit(download: &Download, cid: Cid, depth: usize, patience: Duration) -> Result<Visited, DagError> {
    if cid.hash().code() == IDENTITY {
        let bytes = Bytes::copy_from_slice(cid.hash().digest());
        return visited(&cid, &bytes, depth, true);
    }
    if !has_links(&cid)
        && let Some(bytes) = download.blocks().length(&cid).await.map_err(FetchError::from)?
    {
        return Ok(Visited { bytes, was_here: true, links: Vec::new(), bytes_claimed: Some(bytes), depth });
    }
    let fetched = download.fetch(&cid, patience).await?;
    visited(&cid, &fetched.bytes, depth, fetched.was_here)
}

fn visited(cid: &Cid, block: &Bytes, depth: usize, was_here: bool) -> Result<Visited, DagError> {
    let malformed = |what| DagError::Malformed { cid: *cid, what };
    let bytes = block.len() as u64;
    let (links, bytes_claimed) = match cid.codec() {
        DAG_PB => {
            let node = PbNode::from_bytes(block.clone()).map_err(|_| malformed("no DAG-PB node"))?;
            let below = node.links.iter().try_fold(bytes, |sum, link| sum.checked_add(link.size?));
            (node.links.into_iter().map(|link| link.cid).collect(), below)
        }
        DAG_CBOR => {
            let links = DagCborCodec::links(block).map_err(|_| malformed("no DAG-CBOR"))?;
            (links.collect(), None)
        }
        _ => (Vec::new(), Some(bytes)),
    };
    Ok(Visited { bytes, was_here, links, bytes_claimed, depth })
}

fn has_links(cid: &Cid) -> bool {
    matches!(cid.codec(), DAG_PB | DAG_CBOR)
}
